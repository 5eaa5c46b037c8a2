"""The software of a plant: declared, judged against what machines report, as of any two moments.

`platform.software`; every verb may be called from any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, func, insert, select

from gemel.clock import Clock
from gemel.configuration.acts.acting import item_row
from gemel.configuration.parts.book import PartsBook, Run
from gemel.configuration.software.live import Live
from gemel.configuration.software.machines import Places, around, holders, inside, machines, twins_of
from gemel.configuration.software.rules import Machine, Module, SoftwareJudge, SoftwareStanding
from gemel.configuration.software.tables import module
from gemel.configuration.software.values import Software, SoftwareWay, parse_software, problems
from gemel.configuration.values import FOREVER, Node, Running, SoftwareState
from gemel.database import Database
from gemel.errors import InvalidDocument, NotFound
from gemel.registry import Directory
from gemel.twin import Change, Page

__all__ = ["Declared", "Looked", "SoftwareBook", "SoftwareDifference"]


class SoftwareDifference(msgspec.Struct, frozen=True, kw_only=True):
    """What declaring a document changes of one piece of software."""

    part: str
    what: str
    """new, changed, same."""
    fields: tuple[str, ...] = ()
    """What of it: versions, required …"""


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of software as it was declared at a moment, by whom."""

    software: Software | None
    """None: withdrawn."""
    recorded: int
    actor: str


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """A machine with all its software, judged."""

    machine: Machine
    standings: tuple[SoftwareStanding, ...]

    @property
    def worst(self) -> SoftwareState:
        states = [one.state for one in self.standings]
        return min(states, key=list(_WORST).index, default=SoftwareState.FREE)


_WORST = (
    SoftwareState.FORBIDDEN,
    SoftwareState.BEHIND,
    SoftwareState.UNKNOWN,
    SoftwareState.OK,
    SoftwareState.FREE,
)


class SoftwareBook:
    """What is declared, and the questions to it."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        run: Run,
        *,
        directory: Directory,
        live: Live,
        parts: PartsBook,
    ) -> None:
        """`parts`: for the order of the revisions of hardware."""
        self._database, self._clock, self._run, self._directory = database, clock, run, directory
        self.live, self._parts = live, parts
        self._kept: tuple[int, dict[str, Software]] = -1, {}
        self._lock = threading.Lock()

    # declaring

    def apply(
        self, document: str | Sequence[Software], *, dry_run: bool = False, actor: str = ""
    ) -> list[SoftwareDifference]:
        """Declare what a document says; other software stays. Returns the difference, with `dry_run` only that.

        Raises InvalidDocument with every fault.
        """
        wanted = parse_software(document) if isinstance(document, str) else tuple(document)
        if faults := problems(wanted):
            raise InvalidDocument("software", faults)
        known = self.all()
        told = [_difference(known.get(one.part), one) for one in wanted]
        changed = [one for one, difference in zip(wanted, told, strict=True) if difference.what != "same"]
        if changed and not dry_run:
            self._run(partial(self._declare, changed, actor), actor=actor)
        return told

    def _declare(self, changed: Sequence[Software], actor: str, tx: Connection) -> list[Change]:
        return [
            self._write(tx, one.part, msgspec.json.encode(one).decode(), actor, [v.version for v in one.versions])
            for one in changed
        ]

    def withdraw(self, part: str, *, actor: str = "") -> None:
        """Know this software no more; what machines reported of it stays. Raises NotFound."""
        self.get(part)
        self._run(lambda tx: [self._write(tx, part, "", actor, [])], actor=actor)

    def _write(self, tx: Connection, part: str, document: str, actor: str, versions: list[str]) -> Change:
        now = self._clock.now()
        tx.execute(insert(module).values(part=part, recorded=now, actor=actor, document=document))
        kind = "software.declared" if document else "software.withdrawn"
        return Change(kind=kind, subject=part, time=now, actor=actor, body={"versions": versions} if document else {})

    # what is declared

    def all(self, *, known: int | None = None) -> Mapping[str, Software]:
        """By part number; with `known` as it was declared then."""
        c = module.c
        with self._database.read() as tx:
            if known is not None:
                return _declared(tx, known)
            newest = tx.scalar(select(func.max(c.number))) or 0
            with self._lock:
                if self._kept[0] != newest:
                    self._kept = newest, _declared(tx, FOREVER)
                return self._kept[1]

    def get(self, part: str) -> Software:
        """Raises NotFound."""
        found = self.all().get(part)
        if found is None:
            raise NotFound(f"there is no software {part!r:.120}; `gemel software` lists what is declared")
        return found

    def history(self, part: str) -> list[Declared]:
        """Everything that was ever declared of it, the newest first. Raises NotFound."""
        c = module.c
        with self._database.read() as tx:
            rows = tx.execute(select(module).where(c.part == part).order_by(c.number.desc())).all()
        if not rows:
            raise NotFound(f"there is no software {part!r:.120}; `gemel software` lists what is declared")
        return [Declared(software=_software(row.document), recorded=row.recorded, actor=row.actor) for row in rows]

    def ways(self, twin: str) -> list[tuple[Software, SoftwareWay]]:
        """What software has a place in the item of a twin, and how it gets there."""
        entry = self._directory.twin(twin)
        if entry is None:
            return []
        return [(software, way) for software in self.all().values() for way in software.ways if way.type in entry.types]

    def way(self, twin: str, part: str, slot: str) -> SoftwareWay | None:
        """How one piece of software gets into a slot of a twin's item."""
        return next((way for one, way in self.ways(twin) if (one.part, way.slot) == (part, slot)), None)

    def twins(self, part: str = "", *, known: int | None = None) -> list[str]:
        """The twins whose items have a place for it (for any software), by id, sorted."""
        types = {way.type for one in self.all(known=known).values() if part in ("", one.part) for way in one.ways}
        ids = {id for type_ in types for id in self._directory.ids(self._directory.numbers(type_))}
        return sorted(ids)

    # what machines run

    def judge(self, *, known: int | None = None) -> SoftwareJudge:
        """Who judges by what is declared now, or was declared at `known`."""
        with self._database.read() as tx:
            parts = self._parts.read(tx, known)
        return SoftwareJudge(self.all(known=known), parts)

    def machines(
        self, twins: Collection[str], at: int | None = None, *, known: int | None = None
    ) -> dict[str, Machine]:
        """Twin → the machine that its item is in; twins that are nobody's live face are left out."""
        valid, believed = self._clock.now() if at is None else at, FOREVER - 1 if known is None else known
        with self._database.read() as tx:
            mine = holders(tx, twins, valid, believed)
            numbers, book = {number for number, _ in mine.values()}, self._parts.read(tx, known)
            found = machines(tx, numbers, self._places(known), book, valid=valid, known=believed)
        return {twin: found[number] for twin, (number, _) in mine.items()}

    def twins_of(self, items: Iterable[str]) -> set[str]:
        """The twins that are the live faces of these items."""
        with self._database.read() as tx:
            return twins_of(tx, items)

    def within(self, item: str, at: int | None = None, *, known: int | None = None) -> tuple[Module, ...]:
        """The software of an item (by id) and of all that is in it; paths are from the item down. Raises NotFound."""
        valid, believed = self._clock.now() if at is None else at, FOREVER - 1 if known is None else known
        with self._database.read() as tx:
            number = int(item_row(tx, item).number)
            return inside(tx, number, self._places(known), self._parts.read(tx, known), valid=valid, known=believed)

    def item(self, twin: str, at: int | None = None) -> str:
        """The item whose live face a twin is at a moment; empty: none."""
        with self._database.read() as tx:
            found = holders(tx, [twin], self._clock.now() if at is None else at, FOREVER - 1)
        return found[twin][1] if twin in found else ""

    def look(self, twin: str, at: int | None = None, *, known: int | None = None) -> Looked:
        """All software of the machine that a twin's item is in, judged. Raises NotFound."""
        found = self.machines([twin], at, known=known).get(twin)
        if found is None:
            raise NotFound(f"{twin:.120} is no item's twin, so its software is not known; create its item first")
        return self._looked(found, self.judge(known=known), at)

    def look_all(self, twins: Sequence[str], at: int | None = None, *, known: int | None = None) -> dict[str, Looked]:
        """The same of many, by the items of their machines; those that are no item's are left out."""
        judge = self.judge(known=known)
        machines = self.machines(twins, at, known=known)
        return {one.item: self._looked(one, judge, at) for one in machines.values()}

    def _looked(self, machine: Machine, judge: SoftwareJudge, at: int | None, part: str = "") -> Looked:
        valid = self._clock.now() if at is None else at
        standings = [one for one in judge.standing(machine, valid) if part in ("", one.module.part)]
        if at is None:
            standings = [self._with_live(one) for one in standings]
        return Looked(machine=machine, standings=tuple(standings))

    def _with_live(self, standing: SoftwareStanding) -> SoftwareStanding:
        one = standing.module
        way = self.way(one.twin, one.part, one.slot) if one.twin else None
        return standing if way is None else self.live.added(standing, way)

    def judged(self, tree: Node, at: int, known: int | None = None) -> Node:
        """A tree with what is required of its software, and with that which never told its version.

        Nothing is read for one that has neither software nor a twin that should tell of some. Raises NotFound.
        """
        if not _any(tree, lambda node: bool(node.software or node.item.twin)):
            return tree
        known = None if known is None or known >= FOREVER - 1 else known
        places = self._places(known)
        if not _any(tree, lambda node: bool(node.software or (node.item.twin and places(node.item.twin)))):
            return tree
        with self._database.read() as tx:
            believed = FOREVER - 1 if known is None else known
            machine = around(tx, tree, places, self._parts.read(tx, known), valid=at, known=believed)
        return _marked(tree, self.judge(known=known).standing(machine, at))

    def fleet(
        self,
        part: str = "",
        at: int | None = None,
        *,
        known: int | None = None,
        only: Collection[str] | None = None,
        limit: int = 100,
        after: str = "",
    ) -> Page[Looked]:
        """Every machine with a place for this software (for any), in the order of their twins; `only`: these twins."""
        twins = [twin for twin in self.twins(part, known=known) if twin > after and (only is None or twin in only)]
        judge, seen, found = self.judge(known=known), set[str](), list[Looked]()
        page = twins[:limit]
        whole = self.machines(page, at, known=known)
        for twin in page:
            machine = whole.get(twin)
            if machine is not None and machine.item not in seen:
                seen.add(machine.item)
                found.append(self._looked(machine, judge, at, part))
        return Page(found, page[-1] if len(twins) > limit else None)

    def _places(self, known: int | None) -> Places:
        declared = self.all(known=known)
        by_type: dict[str, list[tuple[Software, SoftwareWay]]] = {}
        for software in declared.values():
            for way in software.ways:
                by_type.setdefault(way.type, []).append((software, way))

        def places(twin: str) -> list[tuple[Software, SoftwareWay]]:
            entry = self._directory.twin(twin)
            return [] if entry is None else [one for type_ in entry.types for one in by_type.get(type_, ())]

        return places


def _any(tree: Node, so: Callable[[Node], bool]) -> bool:
    return so(tree) or any(_any(part, so) for part in tree.parts)


def _marked(tree: Node, standings: Sequence[SoftwareStanding]) -> Node:
    of: dict[str, list[SoftwareStanding]] = {}
    for one in standings:
        of.setdefault(one.module.item, []).append(one)

    def marked(node: Node) -> Node:
        told = {one.slot: one for one in node.software}
        runs = []
        for one in of.get(node.item.id, ()):
            module = one.module
            silent = Running(slot=module.slot, part=module.part, version="", since=None)
            runs.append(replace(told.get(module.slot, silent), required=one.required, state=one.state))
        return replace(node, software=tuple(runs), parts=tuple(marked(part) for part in node.parts))

    return marked(tree)


def _declared(tx: Connection, known: int) -> dict[str, Software]:
    c = module.c
    newest = select(func.max(c.number)).where(c.recorded <= known).group_by(c.part)
    rows = tx.execute(select(c.part, c.document).where(c.number.in_(newest)).order_by(c.part))
    return {row.part: software for row in rows if (software := _software(row.document)) is not None}


def _software(document: str) -> Software | None:
    return msgspec.json.decode(document, type=Software) if document else None


def _difference(before: Software | None, after: Software) -> SoftwareDifference:
    if before is None:
        return SoftwareDifference(part=after.part, what="new")
    fields = tuple(name for name in Software.__struct_fields__ if getattr(before, name) != getattr(after, name))
    return SoftwareDifference(part=after.part, what="changed" if fields else "same", fields=fields)
