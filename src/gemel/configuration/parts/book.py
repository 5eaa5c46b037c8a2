"""The parts book: part types as declared, applied with the difference first, each with all the states that it had."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from gemel.clock import Clock
from gemel.configuration import tables
from gemel.configuration.parts.document import located, problems
from gemel.configuration.parts.interchange import Place, Way, named_by, reached
from gemel.configuration.parts.values import PartsDocument, PartType, Replaced, SlotRule
from gemel.configuration.values import FOREVER
from gemel.database import Database
from gemel.errors import Conflict, InvalidDocument, NotFound
from gemel.registry import Action, FieldChange, Step, differences
from gemel.registry import Plan as _Told
from gemel.twin import Change

__all__ = ["Book", "PartsBook", "PartsPlan", "Run", "WhereUsed"]

_NOBODY = ""


class Run(Protocol):
    """Does work in the writer's transaction for an actor, and journals the changes that it returns."""

    def __call__(self, work: Callable[[Connection], Sequence[Change]], /, *, actor: str = "") -> object: ...


class WhereUsed(msgspec.Struct, frozen=True, kw_only=True):
    """A slot that a part may be in, by the book."""

    part: str
    """The part that has the slot."""
    maker: str
    slot: str
    revisions: tuple[str, ...]


class Book:
    """All part types as they were at one moment of our knowing."""

    def __init__(self, parts: Sequence[PartType] = ()) -> None:
        self._parts = {(part.part, part.maker): part for part in parts}
        self._named: dict[str, list[PartType]] = {}
        for part in parts:
            self._named.setdefault(part.part, []).append(part)
        self._inside = {rule.part for part in parts for rule in part.rules}
        self._replacing: dict[str, frozenset[str]] | None = None
        self.ways: dict[tuple[str, str, str], Mapping[Place, Way]] = {}
        """What revisions of parts may stand in for on no conditions, once that was asked."""
        self._conditions: frozenset[str] | None = None

    def __bool__(self) -> bool:
        return bool(self._parts)

    def __iter__(self) -> Any:
        return iter(sorted(self._parts.values(), key=lambda part: (part.part, part.maker)))

    def of(self, part: str, maker: str = "") -> PartType | None:
        """The part of this maker, or that of any; with no maker, the only one of this number."""
        found = self._parts.get((part, maker)) or self._parts.get((part, ""))
        if found is None and not maker and len(self._named.get(part, ())) == 1:
            return self._named[part][0]
        return found

    def place(self, part: str, revision: str) -> int | None:
        """The place of a revision in the order of its part; None: it has none."""
        known = self.of(part)
        return None if known is None else known.order(revision)

    def several(self, part: str, maker: str, slot: str) -> bool:
        """Whether a slot of a part holds more than one piece."""
        known = self.of(part, maker)
        told = known.slot(slot) if known is not None else None
        return told is not None and told.count > 1

    def named(self, part: str) -> Sequence[PartType]:
        """The parts of this number, of whatever maker."""
        return self._named.get(part, ())

    def replacing(self, part: str) -> frozenset[str]:
        """The part numbers of which a revision is told to stand in for one of this part, itself perhaps."""
        if self._replacing is None:
            found: dict[str, set[str]] = {}
            for one in self._parts.values():
                for name in named_by(one):
                    found.setdefault(name, set()).add(one.part)
            self._replacing = {name: frozenset(parts) for name, parts in found.items()}
        return self._replacing.get(part, frozenset())

    @property
    def conditions(self) -> frozenset[str]:
        """The parts that something else needs in the same machine, or does not go with."""
        if self._conditions is None:
            asked: list[SlotRule | Replaced] = []
            for part in self._parts.values():
                asked += part.rules
                asked += (step for revision in part.revisions for step in revision.stands_for)
            self._conditions = frozenset(each.part for one in asked for each in (*one.requires, *one.excludes))
        return self._conditions

    def component(self, part: str) -> bool:
        """Whether a rule says that this part belongs into another."""
        return part in self._inside

    def where_used(self, part: str) -> list[WhereUsed]:
        """The slots that the part may be in, also in place of one that it may replace."""
        stands_for = reached(self, part)
        return [
            WhereUsed(part=holder.part, maker=holder.maker, slot=rule.slot, revisions=rule.revisions)
            for holder in self
            for rule in holder.rules
            if rule.part == part or rule.part in stands_for
        ]


class PartsPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What `apply` would do; `str(plan)` is for people."""

    steps: tuple[Step, ...]
    document: PartsDocument
    made_from: tuple[int, int]
    """The state of the book that it was made from."""
    removed: tuple[tuple[str, str], ...] = ()

    @property
    def revision(self) -> int:
        """Of the book that it was made from. Neither number of a state ever falls, so their sum tells states apart."""
        return sum(self.made_from)

    def __bool__(self) -> bool:
        return bool(self.steps)

    def __str__(self) -> str:
        return str(_Told(steps=self.steps))


class _Shelf:
    """The book as it was read last, with its state; what is put here is never changed."""

    def __init__(self) -> None:
        self.kept: tuple[tuple[int, int], Book] = ((-1, -1), Book())


class PartsBook:
    """What is known of parts. Every verb may be called from any thread."""

    def __init__(self, database: Database, clock: Clock, run: Run, *, actor: str = _NOBODY) -> None:
        self._database = database
        self._clock = clock
        self._run = run
        self._actor = actor
        self._shelf = _Shelf()

    def as_(self, actor: str) -> PartsBook:
        """The same, on behalf of somebody."""
        other = PartsBook(self._database, self._clock, self._run, actor=actor)
        other._shelf = self._shelf
        return other

    def read(self, tx: Connection, known: int | None = None) -> Book:
        """The book as it is in a transaction, or as it was at a moment of our knowing."""
        c = tables.part.c
        if known is not None and known < FOREVER - 1:
            return _book(tx, (c.recorded_from <= known) & (c.recorded_to > known))
        state = _state(tx)
        kept = self._shelf.kept
        if kept[0] != state:
            kept = self._shelf.kept = state, _book(tx, c.recorded_to == FOREVER)
        return kept[1]

    def revision(self, tx: Connection) -> int:
        """Another number whenever the book is changed; 0: it never was anything."""
        return sum(_state(tx))

    def book(self, *, known: int | None = None) -> Book:
        """All of it, as it was at a moment of our knowing."""
        with self._database.read() as tx:
            return self.read(tx, known)

    def all(self, q: str = "", *, known: int | None = None) -> list[PartType]:
        """The parts whose number, name or maker has `q` in it, in order of their numbers."""
        wanted = q.casefold()
        with self._database.read() as tx:
            book = self.read(tx, known)
        return [part for part in book if wanted in f"{part.part}\n{part.name}\n{part.maker}".casefold()]

    def part(self, part: str, maker: str = "", *, known: int | None = None) -> PartType:
        """One part. Raises NotFound."""
        with self._database.read() as tx:
            found = self.read(tx, known).of(part, maker)
        if found is None:
            raise NotFound(f"the parts book has no part {part!r:.80}{f' of {maker}' if maker else ''}")
        return found

    def states(self, part: str, maker: str = "") -> list[tuple[int, PartType]]:
        """All states that a part had, each with the moment from which it was so. Raises NotFound."""
        c = tables.part.c
        with self._database.read() as tx:
            rows = tx.execute(
                select(c.recorded_from, c.body).where(c.part == part, c.maker == maker).order_by(c.recorded_from)
            ).all()
        if not rows:
            raise NotFound(f"the parts book never had a part {part!r:.80}{f' of {maker}' if maker else ''}")
        return [(row.recorded_from, msgspec.json.decode(row.body, type=PartType)) for row in rows]

    def where_used(self, part: str, *, known: int | None = None) -> list[WhereUsed]:
        """The slots that a part may be in."""
        with self._database.read() as tx:
            return self.read(tx, known).where_used(part)

    def plan(self, document: PartsDocument, *, prune: bool = False) -> PartsPlan:
        """What would change to make the parts as declared; with `prune`, what the document does not have is taken out.

        Raises InvalidDocument with everything that is wrong, each with line and field.
        """
        with self._database.read() as tx:
            book, state = self.read(tx), _state(tx)
        after = Book([*(p for p in book if (p.part, p.maker) not in _keys(document)), *document.parts])
        if found := problems(document, after):
            raise InvalidDocument("parts", located(document, found))
        removed = tuple((p.part, p.maker) for p in book if (p.part, p.maker) not in _keys(document)) if prune else ()
        before = {(part.part, part.maker): part for part in book}
        steps = []
        for part in document.parts:
            old = before.get((part.part, part.maker))
            fields = tuple(differences(_plain(old) if old else {}, _plain(part)))
            if old is None:
                steps.append(Step(action=Action.CREATE, what="part", id=_called(part.part, part.maker), fields=fields))
            elif fields:
                steps.append(Step(action=Action.CHANGE, what="part", id=_called(part.part, part.maker), fields=fields))
            elif old != part:  # the same, in another order
                order = FieldChange("order", [r.revision for r in old.revisions], [r.revision for r in part.revisions])
                name = _called(part.part, part.maker)
                steps.append(Step(action=Action.CHANGE, what="part", id=name, fields=(order,)))
        steps += [Step(action=Action.REMOVE, what="part", id=_called(*name)) for name in removed]
        return PartsPlan(steps=tuple(steps), document=document, made_from=state, removed=removed)

    def apply(self, plan: PartsPlan) -> None:
        """Make it so, all or nothing. Raises Conflict when the book was changed since."""
        if not plan:
            return
        self._run(lambda tx: self._apply(tx, plan), actor=self._actor)

    def _apply(self, tx: Connection, plan: PartsPlan) -> Sequence[Change]:
        if _state(tx) != plan.made_from:
            raise Conflict("the parts book was changed since this plan was made; plan again")
        now = self._clock.now()
        last = tx.scalar(select(func.max(tables.part.c.recorded_from)))
        now = now if last is None else max(now, last + 1)
        c = tables.part.c
        before = {(part.part, part.maker): part for part in self.read(tx)}
        changed = [part for part in plan.document.parts if before.get((part.part, part.maker)) != part]
        for name in [*((part.part, part.maker) for part in changed), *plan.removed]:
            tx.execute(
                update(tables.part)
                .where(c.part == name[0], c.maker == name[1], c.recorded_to == FOREVER)
                .values(recorded_to=now)
            )
        for part in changed:
            done = tx.execute(
                insert(tables.part).values(
                    part=part.part,
                    maker=part.maker,
                    body=msgspec.json.encode(part).decode(),
                    actor=self._actor,
                    recorded_from=now,
                    recorded_to=FOREVER,
                )
            )
            key = done.inserted_primary_key
            assert key is not None
            if part.revisions:
                order = [
                    {"definition": int(key[0]), "revision": revision.revision, "ordinal": i}
                    for i, revision in enumerate(part.revisions)
                ]
                tx.execute(insert(tables.revision), order)
        body = {"changed": [_called(p.part, p.maker) for p in changed], "removed": [_called(*n) for n in plan.removed]}
        return [Change(kind="parts.applied", subject="", time=now, actor=self._actor, body=body)]


def _book(tx: Connection, which: Any) -> Book:
    bodies = tx.scalars(select(tables.part.c.body).where(which)).all()
    return Book([msgspec.json.decode(body, type=PartType) for body in bodies])


def _state(tx: Connection) -> tuple[int, int]:
    """What changes whenever the book does."""
    c = tables.part.c
    last = tx.scalar(select(func.max(c.number)))
    closed = tx.scalar(select(func.max(c.recorded_to)).where(c.recorded_to < FOREVER))
    return last or 0, closed or 0


def _keys(document: PartsDocument) -> set[tuple[str, str]]:
    return {(part.part, part.maker) for part in document.parts}


def _called(part: str, maker: str) -> str:
    return f"{part} of {maker}" if maker else part


def _plain(part: PartType) -> Mapping[str, Any]:
    """A part as nested mappings, so that differences are told member by member."""
    plain: dict[str, Any] = msgspec.to_builtins(part)
    for member, name in (("revisions", "revision"), ("slots", "slot"), ("limits", "kind")):
        if member in plain:
            plain[member] = {one.get(name, ""): {k: v for k, v in one.items() if k != name} for one in plain[member]}
    if "rules" in plain:
        rules: dict[str, Any] = {}
        for rule in plain["rules"]:
            name = f"{rule['slot']} <- {rule['part']}"
            while name in rules:
                name += "'"
            rules[name] = rule
        plain["rules"] = rules
    return plain
