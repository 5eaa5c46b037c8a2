"""A running platform: the verbs of all rooms over one folder (`gemel.wiring` opens and joins them).

`gemel.open("plant/")` is `Platform.open`. The verbs here, of the client, of the HTTP API and of the CLI are the same.
"""

from __future__ import annotations

import collections.abc
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import structlog

from gemel.access import SEALED, Action, AuditVerification, Principal, View
from gemel.backup import Manifest
from gemel.clock import Moment, moment
from gemel.commands import (
    Ask,
    AskGoal,
    GoalRun,
    MemberWanted,
    Order,
    OrderKind,
    Transaction,
    together,
)
from gemel.entanglement import Stretch, Tie
from gemel.errors import InvalidDocument, NotFound, UnknownTwin
from gemel.history import Average, EventPage, EventQuery, History, Loaded, Mapping, Series
from gemel.intake import Message, Quarantined, Receipt, Reported
from gemel.journal import Verification
from gemel.plugins import PlugIn, listed
from gemel.registry import Entry, Plan, TwinQuery, load_plant
from gemel.state import Now, Selection, Subscription
from gemel.transfer import Exported, export_everything
from gemel.twin import (
    MANUAL,
    Page,
    Plant,
    Position,
    Quality,
    Reading,
    Twin,
    TwinSpec,
    TwinType,
    located,
    parse_plant,
)
from gemel.wiring import Wired
from gemel.witness import Evidence, Witnessed

__all__ = ["Document", "Platform"]

Document = Plant | collections.abc.Mapping[str, Any] | str | Path | Sequence[Path]
"""A plant: as values, as plain data, as YAML or JSON text, or as files and folders."""

_log = structlog.get_logger("gemel.platform")


class Platform(Wired):
    """One folder, open. Every verb may be called from any thread; close it, or use it in a `with`."""

    # what is known

    def view(self, principal: Principal, action: str = Action.READ) -> View:
        """What somebody sees of all this: every read that is answered to a caller goes through it."""
        return View(self._seen, principal, action)

    @property
    def position(self) -> Position:
        """The position that the live state has reached."""
        return self.state.position

    def types(self) -> list[TwinType]:
        return self.registry.types()

    def type(self, id: str, version: int | None = None) -> TwinType:
        return self.registry.type(id, version)

    def put_type(self, type: TwinType) -> Position:
        """Create the type or evolve it; twins, history and readers go on."""
        return self.change(lambda tx: self.registry.put_type(tx, type))

    def twins(self, q: str = "", **query: str | bool | Iterable[str]) -> Page[Twin]:
        """Search by anything known; the parameters are those of `TwinQuery.parse`. Raises InvalidQuery."""
        texts = {key: str(value).lower() if isinstance(value, bool) else value for key, value in query.items()}
        return self.registry.search(TwinQuery.parse({"q": q, **texts}))

    def twin(self, id: str) -> Twin:
        return self.registry.twin(id)

    def put_twin(self, spec: TwinSpec, *, if_revision: int | None = None) -> Position:
        """Create the twin or change what is declared of it. Raises RevisionConflict."""
        return self.change(lambda tx: self.registry.put_twin(tx, spec, if_revision=if_revision))

    def plan(self, document: Document, *, prune: bool = False) -> Plan:
        """What `apply` would do. Raises InvalidDocument with every fault and its place."""
        plant = _plant(document)
        plan = self.registry.plan(plant, prune=prune)
        faults = [
            replace(problem, field=f"connectors[{i}].{problem.field}")
            for i, spec in enumerate(plant.connectors)
            for problem in self.supervisor.problems(spec)
        ]
        if faults:
            raise InvalidDocument("plant", located(plant, faults))
        return plan

    def apply(self, document: Document, *, dry_run: bool = False, prune: bool = False, actor: str = "") -> Plan:
        """Make the platform as the document says, in one step; returns the difference that it made."""
        plan = self.plan(document, prune=prune)
        if plan and not dry_run:
            for stage in self.registry.stages(plan):
                self.change(stage, actor=actor)
            self.change(lambda tx: self.registry.apply(tx, plan), actor=actor)
        return plan

    # the now

    def now(self, twin: str) -> dict[str, Now]:
        """All values of the twin as they are now."""
        return self.state.twin(self._entry(twin))

    def write(self, twin: str, property: str, value: Any, *, time: Moment | None = None, unit: str = "") -> Position:
        """Report one value; returns its position once it is on stable storage. Raises InvalidValue and the like."""
        told = Reported(
            twin=twin,
            property=property,
            value=value,
            time=None if time is None else moment(time),
            unit=unit,
            quality=Quality.UNAVAILABLE if value is None else Quality.GOOD,
        )
        return self.intake.submit("library", [Message(readings=[told])], strict=True).result().last

    def ingest(self, messages: Sequence[Message], *, source: str = "library") -> Receipt:
        """Hand in messages; returns when they are on stable storage, with what was refused and why."""
        return self.intake.submit(source, messages).result()

    def command(
        self,
        twin: str,
        name: str,
        input: collections.abc.Mapping[str, Any] | None = None,  # noqa: A002 - the word of the type
        *,
        wait_s: float = 0.0,
        **how: Any,
    ) -> Order:
        """Have the object do something; returns the order, on stable storage, or with `wait_s` as it is once it has
        ended or so many seconds have passed. `how`: deadline_s, key, expects (what is assumed of its configuration).
        Read its `state`. Raises NotFound, InvalidValue, Conflict."""
        ask = Ask(twin=twin, name=name, kind=OrderKind.COMMAND, input=input, **how)
        return self.commander.carry_out(ask, wait_s=wait_s)

    def set(
        self,
        twin: str,
        property: str,
        value: Any,
        *,
        unit: str = "",
        if_revision: int | None = None,
        wait_s: float = 0.0,
        **how: Any,
    ) -> Order:
        """Have a property become a value; as `command`. Raises RevisionConflict when another value was desired."""
        ask = Ask(twin=twin, name=property, kind=OrderKind.PROPERTY, input=value, unit=unit, **how)
        return self.commander.carry_out(msgspec.structs.replace(ask, if_revision=if_revision), wait_s=wait_s)

    def orders(self, twin: str = "", **query: Any) -> Page[Order]:
        """What was asked for and what became of it, the newest first: `states`, `name`, `limit`, `cursor`."""
        return self.commander.orders(twin, **query)

    def transaction(
        self,
        members: Sequence[collections.abc.Mapping[str, Any] | MemberWanted],
        *,
        title: str = "",
        on_failure: str = "compensate",
        in_order: bool = False,
        wait_s: float = 0.0,
        **how: Any,
    ) -> Transaction:
        """Have several machines do something, all of them or none. A member is {"twin": …, "property": …, "value": …}
        or {"twin": …, "command": …, "input": {…}}, with `expects` as an order has it; `how`: deadline_s, key. Raises as
        an order does."""
        asked = together(members, title=title, on_failure=on_failure, in_order=in_order, **how)
        entries = [self.commander.entry(wish.ask.twin) for wish in asked.wishes]
        return self.commander.transactions.carry_out(asked, entries, actor="library", wait_s=wait_s)

    def goal(self, twin: str, name: str, value: float, *, unit: str = "", wait_s: float = 0.0, **how: Any) -> GoalRun:
        """Bring a goal of a twin to a value, by what its members are told; `how`: deadline_s, key, expects."""
        ask = AskGoal(twin=twin, name=name, value=value, unit=unit, **how)
        return self.commander.goals.carry_out(ask, self.commander.entry(twin), actor="library", wait_s=wait_s)

    def subscribe(
        self, selection: Selection, *, after: Position | None = None, rate_hz: float | None = None
    ) -> Subscription:
        """A snapshot, then every change; from a position on with `after`."""
        return self.state.subscribe(selection, after=after, rate_hz=rate_hz)

    def query(self, sql: str, *, limit: int = 100_000, unwanted: threading.Event | None = None) -> pa.Table:
        """A SELECT over live.<type>, history.*, twins and links, until `unwanted` is set. Raises InvalidQuery."""
        known = {**self._tables(), **self.past().relations()}
        return self.state.sql(sql, known, limit=limit, unwanted=unwanted)

    def enter(
        self, twin: str, property: str, value: Any, *, time: Moment | None = None, unit: str = "", actor: str = ""
    ) -> Position:
        """Tell a value that a person read or knows: recorded with who it was. Raises as `write` does."""
        told = Reported(
            twin=twin, property=property, value=value, time=None if time is None else moment(time), unit=unit
        )
        return self.intake.submit(MANUAL, [Message(readings=[told])], strict=True, actor=actor).result().last

    def ties(self, twin: str) -> list[Tie]:
        """How each property of a twin is tied to its object now: level, freshness, latency, loss."""
        return self.entanglement.of(self._entry(twin))

    # the past

    def tied(self, twin: str, property: str, start: Moment, end: Moment, *, within_s: float | None = None) -> Stretch:
        """How a property was tied to its object in [start, end); `within_s`: judged by another bound."""
        self.past()
        return self.entanglement.then(self._entry(twin), property, moment(start), moment(end), within_s=within_s)

    def at(self, twin: str, time: Moment) -> dict[str, Reading]:
        """The whole twin as it was at an instant."""
        return self.past().twin(twin, moment(time))

    def range(
        self,
        twin: str,
        property: str,
        start: Moment,
        end: Moment,
        *,
        points: int | None = None,
        method: str | None = None,
        unit: str = "",
    ) -> Series:
        """A property in [start, end): every reading, or about `points` by minmax, mean, last, lttb; gaps are told."""
        span = moment(start), moment(end)
        return self.past().range(twin, property, *span, points=points, method=method, unit=unit)

    def average(self, twin: str, property: str, start: Moment, end: Moment, *, unit: str = "") -> Average:
        """The time-weighted average in [start, end), and for how many seconds of it a value was known."""
        return self.past().average(twin, property, moment(start), moment(end), unit=unit)

    def known_when(self, reference: str) -> int:
        """What was known when something was done, as `known` of a question to the configuration: "act:12",
        "order:<id>", "position:<n>" (an event's, say), or a moment. Raises NotFound, InvalidTime."""
        kind, _, name = reference.partition(":")
        if kind == "order":
            return self.commander.order(name).created
        if kind in ("act", "position") and name.isdigit():
            if kind == "act":
                return self.configuration.known_of(int(name))
            if (block := next(self.journal.blocks(int(name) - 1, int(name)), None)) is None:
                raise NotFound(f"the journal ends at position {self.journal.head().position}, before {name}")
            acts = [c.body["act"] for c in block.changes if "act" in c.body and c.kind.startswith("item.")]
            return max([block.recorded, *(self.configuration.known_of(act) for act in acts)])
        return moment(reference)

    def events(self, query: EventQuery | None = None) -> EventPage:
        """Events of machines and all other changes, the newest first."""
        return self.past().events(query)

    def export(
        self,
        target: Path,
        selection: Iterable[tuple[str, str]],
        start: Moment,
        end: Moment,
        *,
        progress: Callable[[float], None] | None = None,
    ) -> int:
        """Write readings of (twin, property) pairs to a .csv, .parquet or .arrow file; returns how many."""
        form = target.suffix.removeprefix(".")
        return self.past().export(selection, moment(start), moment(end), target, format=form, progress=progress)

    def load(
        self, source: Path | pa.Table, mapping: Mapping, *, progress: Callable[[float], None] | None = None
    ) -> Loaded:
        """Take in years of history at once; the same content with the same mapping again has no effect."""
        return self.history.load(source, mapping, lambda change: self.change(lambda _: [change]), progress=progress)

    def past(self) -> History:
        """The history, as soon as it answers up to what the state holds: who wrote a value finds it.

        Raises Corrupt when it never will, since the journal is damaged in between.
        """
        if not self.history.wait(self.state.position) and self.history.damage is not None:
            raise self.history.damage
        return self.history

    # health and proof

    def quarantined(self, **query: Any) -> Page[Quarantined]:
        """What was not accepted, the newest first."""
        return self.intake.quarantined(**query)

    def plugins(self) -> list[PlugIn]:
        """What is installed besides, of all groups: whose, and how it stands. Loads what may be used."""
        broken = {one.function: one.error for one in self.computation.standing().functions if one.state == "down"}
        return listed(self.supervisor.reach.plugins, broken=broken)

    def verify(self, *, progress: Callable[[int, int], None] | None = None) -> Verification:
        """Recompute every hash of the journal."""
        return self.journal.verify(progress=progress)

    def verify_audit(self) -> AuditVerification:
        """Recompute every hash of the audit log, and hold it against what the journal knows of it."""
        query, sealed = EventQuery(kinds=(SEALED,), newest_first=False, limit=1000), list[tuple[int, str]]()
        while True:
            page = self.past().events(query)
            sealed += [(fact.change.body["id"], fact.change.body["hash"]) for fact in page.items]
            if page.next is None:
                return self.gate.audit.verify(sealed)
            query = msgspec.structs.replace(query, cursor=page.next)

    def verify_witnessed(self) -> list[Witnessed]:
        """Hold journal and audit log against all that other parties countersigned, the newest asked for now."""
        self.witness.check()
        return self.witness.verify()

    def proof(self, position: Position) -> Evidence:
        """A small document by which anybody can check that what is at `position` stands in a countersigned record.

        Raises NotYet while nobody has countersigned so far.
        """
        return self.witness.proof(position)

    def backup(self, to: Path | None = None, *, progress: Callable[[float], None] | None = None) -> Manifest:
        """Back up this moment into a folder (default: as set), while everything goes on; see `gemel.backup`."""
        return self.backups.make(to, progress=progress)

    def export_everything(self, to: Path, *, progress: Callable[[float], None] | None = None) -> Exported:
        """Write this moment of the whole plant into a new folder, in open formats; see `gemel.transfer`."""
        return export_everything(self, to, partial(Platform.open, run_connectors=False), progress=progress)

    def _entry(self, twin: str) -> Entry:
        entry = self.registry.directory.twin(twin)
        if entry is None:
            raise UnknownTwin(f"there is no twin {twin!r:.160}; look for it with twins(), or create it with apply()")
        return entry


def _plant(document: Document) -> Plant:
    if isinstance(document, Plant):
        return document
    if isinstance(document, str):
        return parse_plant(document)
    if isinstance(document, Path):
        return load_plant(document)
    if isinstance(document, collections.abc.Mapping):
        return parse_plant(msgspec.json.encode(document))
    return load_plant(*document)
