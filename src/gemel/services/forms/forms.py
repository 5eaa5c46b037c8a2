"""`platform.forms`: declared, offered where they apply, filled in. Every verb may be called from any thread."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from hashlib import sha256
from typing import Any

import msgspec
import structlog
from msgspec.structs import replace
from sqlalchemy import Connection

from gemel.clock import SECOND, Clock, moment, to_rfc3339
from gemel.configuration import Basis, Configuration, Outcome, Wish
from gemel.database import Database
from gemel.errors import Conflict, GemelError, InvalidInput, InvalidTime, KeyReused, NotFound
from gemel.intake import Guard, Message, Receipt, Reported
from gemel.registry import Registry
from gemel.services.base import Run
from gemel.services.declared import Declarations
from gemel.services.forms import rows
from gemel.services.forms.checking import amiss_of, checked, problems_of
from gemel.services.forms.deeds import Deed, Done, counted, deeds, readings
from gemel.services.forms.targets import Target, Targets
from gemel.services.forms.values import Amiss, Attached, Filled, Filling, Form, Kept
from gemel.services.work import Orders, WorkOrder
from gemel.thread import Content, DocumentSpec, LinkSpec, Node, NodeKind, Phase, RecordSpec, Thread, begin
from gemel.thread.documents import add
from gemel.thread.reading import record_row
from gemel.twin import MANUAL, Block, Change, Page, check_expected

__all__ = ["RECORD", "FilledQuery", "Forms", "Offered"]

RECORD = "form"
"""Kind of the records of filled forms in the thread."""
_AHEAD = 3600 * SECOND
"""So much may a telephone's clock be ahead."""
LONGEST_KEY = 200
_log = structlog.get_logger("gemel.services.forms")
Submit = Callable[..., Future[Receipt]]
"""How readings are handed in: `Intake.submit`."""
Believed = Callable[[str], int]
"""`Intake.believed_since`."""


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """A form that may be filled in somewhere."""

    form: Form
    version: int
    order: str = ""
    """The open work order under which it is; empty: at any time."""
    filled: Filled | None = None
    """How it was filled in there last; under a work order, under that."""


class FilledQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which filled forms; what is empty is not asked for."""

    form: str = ""
    item: str = ""
    twin: str = ""
    order: str = ""
    limit: int = 100
    before: int | None = None
    """Only numbers below this one: the newest come first."""


class _AgainError(Exception):
    def __init__(self, filled: Filled) -> None:
        self.filled = filled


class Forms:
    """A service: readings that a stop left behind are handed in at the next start."""

    def __init__(
        self,
        rooms: tuple[Database, Clock, Run],
        *,
        registry: Registry,
        thread: Thread,
        orders: Orders,
        submit: Submit,
        guard: Guard,
        believed: Believed,
    ) -> None:
        """`guard`: who knows which properties another source tells. `believed`: from when on the intake takes readings
        of a source."""
        self._database, self._clock, self._run = rooms
        self._registry, self._thread, self._orders, self._submit = registry, thread, orders, submit
        self._guard, self._believed = guard, believed
        self._targets = Targets(self._database, registry, thread.configuration, orders)
        self.declared: Declarations[Form] = Declarations(rooms, rows.KIND, Form, problems=problems_of)

    @property
    def _configuration(self) -> Configuration:
        return self._thread.configuration

    # a service

    def follow(self, block: Block) -> None:
        """Nothing of it waits for others."""

    def start(self) -> None:
        """Hand in the readings of what was filled in when the platform stopped."""
        self.tell()

    def tell(self) -> None:
        """Hand in the readings that the intake has not taken yet; what it does not take now, it is told again later."""
        with self._database.read() as tx:
            left = rows.untold(tx)
        waiting: list[str] = []
        for id, actor, telling in left:
            try:
                self._tell(id, actor, telling)
            except GemelError as error:  # no room, or too much at once
                waiting.append(error.detail)
        if waiting:
            _log.warning("readings of forms wait", forms=len(waiting), error=waiting[0])

    def close(self) -> None:
        """Nothing goes on."""

    # what is declared

    def version(self, id: str, version: int | None = None) -> tuple[Form, int]:
        """A form as it was declared, and its version; the newest if none is named. Raises NotFound."""
        with self._database.read() as tx:
            state = rows.state_of(tx, id, version)
        return state.form, state.version

    def versions(self) -> Mapping[str, int]:
        """The newest version of each form, by its id."""
        with self._database.read() as tx:
            return rows.newest(tx)

    # where forms apply

    def offered(self, *, item: str = "", twin: str = "", at: int | None = None) -> list[Offered]:
        """The forms that may be filled in at an item, or a twin, and how they were last. Raises NotFound."""
        now = self._clock.now() if at is None else at
        target = self._targets.at(item, twin, now)
        where = {"item": target.item.id} if target.item is not None else {"twin": target.twin}
        wanted: list[tuple[Form, str]] = []
        orders: list[WorkOrder] | None = None
        for form in self.declared.all().values():
            if self._targets.unfit(form, target, now):
                continue
            if not form.jobs:
                wanted.append((form, ""))
                continue
            orders = self._targets.open_orders(target) if orders is None else orders
            wanted += [(form, one.id) for one in orders if one.job in form.jobs]
        return self._told(wanted, where)

    def of_order(self, order: str) -> list[Offered]:
        """The forms of the job plan of a work order, and whether they are filled in under it. Raises NotFound."""
        told = self._orders.get(order)
        if not told.job:
            return []
        target = self._targets.at(told.item, told.twin, self._clock.now())
        fit = (one for one in self.declared.all().values() if told.job in one.jobs)
        return self._told([(one, order) for one in fit if not self._targets.unfit(one, target, self._clock.now())], {})

    def applying(self, item: str, jobs: Sequence[str], *, at: int, known: int) -> list[Offered]:
        """The forms for an item at a moment, and for one of these job plans, as they were declared by `known`. Whether
        they were filled in is not told. Raises NotFound."""
        target = self._targets.at(item, "", at)
        with self._database.read() as tx:
            declared = rows.known_by(tx, known)
        return [
            Offered(form=one.form, version=one.version)
            for one in declared
            if not (one.form.jobs and not set(one.form.jobs) & set(jobs))
            and not self._targets.unfit(one.form, target, at)
        ]

    def _told(self, wanted: Sequence[tuple[Form, str]], where: Mapping[str, str]) -> list[Offered]:
        with self._database.read() as tx:
            versions = rows.newest(tx, [form.id for form, _ in wanted])
            found = []
            for form, order in wanted:
                asked = {**where, "form": form.id, "work_order": order}
                last = [rows.written(tx, row) for row in rows.rows_of(tx, asked, limit=1)]
                filled = last[0] if last else None
                found.append(Offered(form=form, version=versions.get(form.id, 1), order=order, filled=filled))
        return found

    # what was filled in

    def filled(self, query: FilledQuery | None = None) -> Page[Filled]:
        """The newest first. `next`: a number for `before`."""
        asked = query or FilledQuery()
        where = {"form": asked.form, "item": asked.item, "twin": asked.twin, "work_order": asked.order}
        with self._database.read() as tx:
            told = rows.rows_of(tx, where, limit=asked.limit + 1, before=asked.before)
            items = [rows.written(tx, row) for row in told[: asked.limit]]
        return Page(items, str(items[-1].number) if len(told) > asked.limit else None)

    def get(self, id: str) -> Filled:
        """One of them. Raises NotFound."""
        with self._database.read() as tx:
            found = rows.rows_of(tx, {"id": id or "-"}, limit=1)
            if not found:
                raise NotFound(f"there is no filled form {id!r:.60}; `gemel forms filled` lists them")
            return rows.written(tx, found[0])

    def fill(self, filling: Filling, *, actor: str = "library", dry_run: bool = False) -> Filled:
        """Take a form that somebody filled in, as one step: all of it, or nothing. Told again with its key it is the
        same. With `dry_run` only checked: what is amiss is told, nothing is kept.

        Raises NotFound, InvalidDocument (every fault, with its field), InvalidInput, InvalidTime, KeyReused, Conflict
        (it is not for this item, or was changed before it was filled in), ConfigurationDiffers.
        """
        if (before := self.known(filling, actor)) is not None:
            self.tell()
            return before
        now = self._clock.now()
        at = now if filling.at is None else moment(filling.at)
        digest = _digest(replace(filling, at=at))
        if at > now + _AHEAD:
            raise InvalidTime(f"it is filled in at {to_rfc3339(at)}, which is still to come")
        check_expected(filling.expects)
        with self._database.read() as tx:
            state = rows.state_of(tx, filling.form, filling.version)
        if state.until <= at:
            raise Conflict(
                f"version {state.version} of {filling.form} was not in use any more at {to_rfc3339(at)}; "
                "fill in the newest one"
            )
        form, target = state.form, self._targets.at(filling.item, filling.twin, at)
        why = self._targets.unfit(form, target, at) or self._targets.not_under(form, filling.order, target)
        if why:
            raise Conflict(f"{form.id} is not for {target.name}: {why}")
        answers = checked(form, filling.answers)
        amiss = amiss_of(form, answers)
        done = Done(id=f"form-{secrets.token_hex(8)}", form=form, answers=answers, at=at, order=filling.order)
        found = deeds(self._configuration, done, target.item, amiss)

        def all_deeds(tx: Connection) -> list[Deed]:
            if filling.key and not dry_run and (known := _known(tx, actor, filling)) is not None:
                raise _AgainError(known)
            self._configuration.assumed(tx, filling.expects, "" if target.item is None else target.item.id)
            return [*found, *(counted(tx, self._configuration, done, target.item) if target.item else ())]

        told = readings(done, self._registry.directory.twin(target.twin) if target.twin else None, self._guard)
        if told and at < (since := self._believed(MANUAL)):
            raise InvalidTime(
                f"answers are readings, which are taken from {to_rfc3339(since)} on, and it is of {to_rfc3339(at)}; "
                "declare a form without `reading` for what is so old, and load its readings in bulk"
            )
        filled = Filled(
            number=0,
            id=done.id,
            form=form.id,
            version=state.version,
            title=form.title,
            item="" if target.item is None else target.item.id,
            serial="" if target.item is None else target.item.serial,
            twin=target.twin,
            order=filling.order,
            actor=actor,
            at=at,
            recorded=now,
            answers=answers,
            amiss=tuple(amiss),
            key=filling.key,
        )
        if dry_run:
            return self._tried(filled, all_deeds)
        kept = self._keep(filled, form, target, all_deeds, digest=digest, told=told)
        if told:
            self.tell()
        return kept

    def known(self, filling: Filling, actor: str) -> Filled | None:
        """What became of it, if this actor handed it in already, by its key. Raises KeyReused, InvalidInput."""
        if not filling.key:
            return None
        with self._database.read() as tx:
            return _known(tx, actor, filling)

    def fits(self, filling: Filling) -> bool:
        """Whether the form, as the version is that is filled in, is for what it is filled in at. Raises NotFound."""
        with self._database.read() as tx:
            form = rows.state_of(tx, filling.form, filling.version).form
        at = self._clock.now() if filling.at is None else filling.at
        target = self._targets.at(filling.item, filling.twin, at)
        return not (self._targets.unfit(form, target, at) or self._targets.not_under(form, filling.order, target))

    def _tried(self, filled: Filled, deeds: Callable[[Connection], list[Deed]]) -> Filled:
        with self._database.read() as tx:
            found = deeds(tx)
        for one in self._configuration.do_all([deed.wish for deed in found], dry_run=True):
            if isinstance(one, GemelError):
                raise one
        names = {name: one.name for name, one in filled.answers.items() if isinstance(one, Attached)}
        return replace(filled, id="", answers=filled.answers | names)

    def _keep(
        self,
        filled: Filled,
        form: Form,
        target: Target,
        deeds: Callable[[Connection], list[Deed]],
        *,
        digest: str,
        told: Sequence[Reported],
    ) -> Filled:
        """In one transaction with all that its answers do; contents of files before, which harms nobody."""
        files = {
            name: (one, self._thread.store.keep(one.data)) for name, one in filled.answers.items() if _is_file(one)
        }
        papers = {name: _kept(f"{filled.id}-{name}", file, content) for name, (file, content) in files.items()}
        filled = replace(filled, answers=filled.answers | {name: _plain(one) for name, one in papers.items()})
        telling = msgspec.json.encode(told).decode() if told else ""
        done: list[Filled] = []
        found: list[Deed] = []

        def wishes(tx: Connection) -> Sequence[Wish]:
            found[:] = deeds(tx)
            return [one.wish for one in found]

        def also(tx: Connection, outcomes: Sequence[Outcome]) -> Sequence[Change]:
            done.clear()
            kept = rows.put(tx, _with(filled, found, outcomes), form, digest=digest, telling=telling)
            self._weave(tx, kept, form, target, files)
            done.append(kept)
            body = {"filled": kept.id, "form": kept.form, "version": kept.version, "amiss": len(kept.amiss)}
            subject = kept.twin or kept.item
            return [Change(kind="form.filled", subject=subject, time=kept.at, actor=kept.actor, body=body)]

        try:
            self._configuration.as_(filled.actor).together(wishes, also)
        except _AgainError as again:
            return again.filled
        return done[0]

    def _weave(
        self,
        tx: Connection,
        filled: Filled,
        form: Form,
        target: Target,
        files: Mapping[str, tuple[Attached, Content]],
    ) -> None:
        """It as a record of the thread, and its files as documents."""
        entry = begin(
            tx, "recorded", now=filled.recorded, basis=Basis(source=RECORD, work_order=filled.order), actor=filled.actor
        )
        told = {"form": filled.form, "amiss": len(filled.amiss)}
        version = str(filled.version)
        spec = {"kind": RECORD, "phase": Phase.SERVICE, "title": filled.title, "revision": version}
        entry.record(RecordSpec(id=filled.id, attributes=told, **spec), since=filled.at)  # type: ignore[arg-type]
        record = Node(kind=NodeKind.RECORD, id=filled.id)
        about = Node(kind=NodeKind.ITEM, id=filled.item) if filled.item else Node(kind=NodeKind.TWIN, id=filled.twin)
        places = [Node(kind=NodeKind.SLOT, id=parent, sub=slot) for parent, slot in target.slots if slot in form.slots]
        for node in (about, *places):
            entry.link(LinkSpec(kind="concerns", source=record, target=node))
        if filled.order and record_row(tx, filled.order, entry.recorded) is not None:
            order = Node(kind=NodeKind.RECORD, id=filled.order)
            entry.link(LinkSpec(kind="done_under", source=record, target=order))
        asked = {one.name: one.ask for one in form.fields}
        for name, (file, content) in files.items():
            id = f"{filled.id}-{name}"
            kind = "photograph" if content.media_type.startswith("image/") else "attachment"
            title = f"{filled.title}: {asked[name]}"[:400]
            add(
                entry,
                DocumentSpec(id=id, kind=kind, title=title, phase=Phase.SERVICE, name=file.name).checked(),
                content,
            )
            paper = Node(kind=NodeKind.DOCUMENT, id=id)
            entry.link(LinkSpec(kind="evidence_of", source=paper, target=record))
            if not filled.item:  # of a twin alone: it goes with the twin
                entry.link(LinkSpec(kind="describes", source=paper, target=about))

    def _tell(self, id: str, actor: str, telling: str) -> None:
        """Hand in its readings, once; one that does not fit any more is in quarantine, for people to see."""
        message = Message(readings=msgspec.json.decode(telling, type=list[Reported]), id=f"form:{id}")
        self._submit(MANUAL, [message], actor=actor).result()

        def work(tx: Connection) -> Sequence[Change]:
            rows.told(tx, id)
            return []

        self._run(work, actor=actor)


def _known(tx: Connection, actor: str, filling: Filling) -> Filled | None:
    """What this person handed in under its key. Raises KeyReused for something else."""
    found = rows.rows_of(tx, {"actor": actor, "key": filling.key}, limit=1)
    if not found:
        return None
    if found[0].digest != _digest(replace(filling, at=found[0].time) if filling.at is None else filling):
        raise KeyReused(f"{filling.key:.80} was handed in already, with other answers ({found[0].id})")
    return rows.written(tx, found[0])


def _digest(filling: Filling) -> str:
    """Of all that is handed in. Raises InvalidInput for what is no plain data."""
    if len(filling.key) > LONGEST_KEY:
        raise InvalidInput(f"a key has at most {LONGEST_KEY} characters")
    if len(filling.order) > 128:
        raise InvalidInput("a work order's id has at most 128 characters")
    try:
        return sha256(msgspec.json.encode(filling, order="sorted")).hexdigest()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"answers are text, numbers, true, false and files: {error!s:.200}") from error


def _with(filled: Filled, found: Sequence[Deed], outcomes: Sequence[Outcome]) -> Filled:
    """With what its deeds became."""
    raised = {
        deed.field: outcome.nonconformances[0]
        for deed, outcome in zip(found, outcomes, strict=True)
        if deed.raises and outcome.nonconformances
    }
    amiss = tuple(
        Amiss(field=one.field, text=one.text, nonconformance=raised.get(one.field, 0)) for one in filled.amiss
    )
    return replace(filled, amiss=amiss, acts=tuple(outcome.act for outcome in outcomes))


def _is_file(answer: Any) -> bool:
    return isinstance(answer, Attached)


def _kept(document: str, file: Attached, content: Content) -> Kept:
    name = DocumentSpec(id=document, kind="manual", name=file.name).checked().name
    return Kept(name=name, document=document, sha256=content.sha256, size=content.size, media_type=content.media_type)


def _plain(kept: Kept) -> dict[str, Any]:
    return dict(msgspec.to_builtins(kept))
