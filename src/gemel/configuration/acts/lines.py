"""Lines of an as-built: each held against the others and against what is known, before anything is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from gemel.clock import MAX_TIME, MIN_TIME, to_rfc3339
from gemel.configuration import tables
from gemel.configuration.acts.acting import QUANTITY, RETIRED, REVISION, fit_item
from gemel.configuration.acts.rows import asked, next_number
from gemel.configuration.belief import believed
from gemel.configuration.parts.book import Book
from gemel.configuration.values import FOREVER, ItemKind, ItemSpec, Span
from gemel.errors import InvalidId, InvalidInput
from gemel.twin import check_id

__all__ = ["Built", "Lines", "Loaded", "Refused", "Taken"]

_ASKED = 500
"""Values in one question to the database."""
_ABOUT = ("item", "evidence")
_PLAIN = ("part", "maker", "serial", "lot", "kind", "twin")
"""What is said in a line as it is in an item's row."""


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an as-built. A parent stands in a line before its parts, or is known already."""

    item: ItemSpec
    at: int
    """When it was made, and built in."""
    parent: str = ""
    """Empty: in nothing, a machine itself."""
    slot: str = ""
    until: int = FOREVER
    """Until when it was in that slot."""
    evidence: str = ""
    """What says so, where it is not what all lines rest on."""


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A line that was not taken, and why."""

    line: int
    """From 1."""
    item: str
    reason: str


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the lines; those that were refused do not hold up the others."""

    items: int = 0
    """That are new."""
    repeated: int = 0
    """That were known just so: a load that broke off is simply begun again."""
    nonconformances: int = 0
    """What of it does not keep the rules of the parts book: it was built so, and is noted as that."""
    refused: tuple[Refused, ...] = ()

    def and_(self, other: Loaded) -> Loaded:
        return Loaded(
            items=self.items + other.items,
            repeated=self.repeated + other.repeated,
            nonconformances=self.nonconformances + other.nonconformances,
            refused=self.refused + other.refused,
        )


class Outer(msgspec.Struct):
    """A parent of lines of this chunk."""

    number: int
    part: str
    maker: str
    store: bool
    born: int
    retired: int


class Taken(msgspec.Struct):
    """A line that is to be written."""

    line: Built
    number: int
    """Of its item."""
    outer: Outer | None
    single: bool


class First(msgspec.Struct):
    """What was ever told of an item as of when it was made."""

    revisions: set[str] = msgspec.field(default_factory=set)
    quantities: set[str] = msgspec.field(default_factory=set)
    places: list[Any] = msgspec.field(default_factory=list)
    """Rows: the parent by id and number, the slot, until when."""
    act: int = FOREVER
    """That made it."""

    @property
    def alone(self) -> bool:
        """Whether it was made in nothing."""
        return all(row.begun_by != self.act for row in self.places)


class Lines:
    """Lines, held against each other and against what is known."""

    def __init__(self, tx: Connection, lines: Sequence[tuple[int, Built]], book: Book) -> None:
        self._tx, self._lines, self._book = tx, lines, book
        self._known = self._rows([line.item.id for _, line in lines])
        self._first = self._told(list(self._known.values()))
        self._identities = self._same(lines)
        self._aliases = self._named(lines)
        new = {line.item.id for _, line in lines} - self._known.keys()
        self._outers = self._parents({line.parent for _, line in lines if line.parent} - new)
        self._number = next_number(tx, tables.item)
        self._held: dict[tuple[int, str], list[Span]] = {}
        self._look_at_slots()

    def checked(self) -> tuple[list[Taken], Loaded]:
        """What is to be written, and what is said of the lines."""
        taken: list[Taken] = []
        refused, repeated = [], 0
        for at, line in self._lines:
            differs = self._differs(line)
            if line.item.id in self._known and not differs:
                repeated += 1
                continue
            if reason := self._objection(line, differs):
                refused.append(Refused(line=at, item=line.item.id, reason=reason))
                continue
            outer = self._outers.get(line.parent)
            single = outer is not None and self._single(outer, line.slot)
            if outer is not None and single:
                self._held.setdefault((outer.number, line.slot), []).append(Span(line.at, line.until))
            spec, number = line.item, self._number + len(taken)
            store = spec.kind is ItemKind.LOCATION
            self._outers[spec.id] = Outer(number, spec.part, spec.maker, store, line.at, FOREVER)
            self._known[spec.id] = line
            if spec.serial:
                self._identities[(spec.part, spec.serial, spec.maker)] = spec.id
            self._aliases |= dict.fromkeys(spec.aliases.items(), spec.id)
            taken.append(Taken(line, number, outer, single))
        return taken, Loaded(items=len(taken), repeated=repeated, refused=tuple(refused))

    def _single(self, outer: Outer, slot: str) -> bool:
        return not outer.store and not self._book.several(outer.part, outer.maker, slot)

    def _differs(self, line: Built) -> list[str]:
        """What the line says of an item that is known otherwise, by its names; nothing of one that is not known."""
        spec, known = line.item, self._known.get(line.item.id)
        if known is None:
            return []
        if isinstance(known, Built):
            pairs = (spec, known.item), (line, known)
            named = [(name, mine, its) for mine, its in pairs for name in mine.__struct_fields__ if name not in _ABOUT]
            return [name for name, mine, its in named if getattr(mine, name) != getattr(its, name)]
        first = self._first[known.number]
        same = {name: getattr(spec, name) == getattr(known, name) for name in _PLAIN}
        same["revision"] = spec.revision in first.revisions
        same["quantity"] = str(spec.quantity) in (first.quantities or {"1"})
        same["aliases"] = known.merged is not None or all(
            self._aliases.get(name) == spec.id for name in spec.aliases.items()
        )
        same["at"] = line.at == known.born
        return [name for name, is_so in same.items() if not is_so] + self._placed_otherwise(line, first)

    def _placed_otherwise(self, line: Built, first: First) -> list[str]:
        if not line.parent:
            return [] if first.alone else ["parent"]
        outer = self._outers.get(line.parent)
        places = [row for row in first.places if row.id == line.parent or (outer and row.parent == outer.number)]
        if not places:
            return ["parent"]
        if not (places := [row for row in places if row.slot == line.slot]):
            return ["slot"]
        return [] if any(row.valid_to == line.until for row in places) else ["until"]

    def _objection(self, line: Built, differs: Sequence[str]) -> str:
        spec = line.item
        try:
            check_id(spec.id, "the id of an item")
            fit_item(spec)
        except (InvalidId, InvalidInput) as error:
            return error.detail
        if not spec.part:
            return "an item has a part number"
        if not all(MIN_TIME <= time < MAX_TIME for time in {line.at, line.until} - {FOREVER}):
            return "a moment of it is outside the years 1900 to 2261; are these seconds or nanoseconds?"
        if differs:
            return f"there is an item {spec.id} already, which is told otherwise; correct its {', '.join(differs)}"
        if spec.serial and (other := self._identities.get((spec.part, spec.serial, spec.maker))):
            return f"{spec.part} with serial number {spec.serial} of {spec.maker or 'no maker'} is {other}"
        for name in spec.aliases.items():
            if name in self._aliases:
                return f"{name[0]} {name[1]} is {self._aliases[name]} already"
        if not line.parent:
            return ""
        outer = self._outers.get(line.parent)
        if outer is None:
            return f"there is no item {line.parent!r:.160}; a parent stands before its parts"
        if not line.slot or len(line.slot) > 128:
            return "a slot has a name of 1 to 128 characters"
        if line.at >= line.until:
            return f"{to_rfc3339(line.until)} is not after {to_rfc3339(line.at)}"
        if line.at < outer.born:
            return f"{line.parent} is not known before {to_rfc3339(outer.born)}"
        if line.until > outer.retired:
            return f"{line.parent} was retired at {to_rfc3339(outer.retired)}"
        span = Span(line.at, line.until)
        if self._single(outer, line.slot) and any(
            span.meets(held) for held in self._held.get((outer.number, line.slot), ())
        ):
            return f"{line.slot} of {line.parent} holds another item then"
        return ""

    def _rows(self, ids: Sequence[str]) -> dict[str, Any]:
        query = "SELECT i.* FROM wanted CROSS JOIN configuration_item i WHERE i.id = wanted.id"
        return {row.id: row for row in asked(self._tx, "id", [(id,) for id in ids], query)}

    def _told(self, known: Sequence[Any]) -> dict[int, First]:
        """By the numbers of items, what was told of them first."""
        keys, told = [(row.number, row.born) for row in known], {row.number: First() for row in known}
        traits = (
            "SELECT t.* FROM wanted CROSS JOIN configuration_trait t "
            f"WHERE t.item = wanted.item AND t.name IN ('{REVISION}', '{QUANTITY}') AND t.valid_from = wanted.born"
        )
        for row in asked(self._tx, "item, born", keys, traits):
            first = told[row.item]
            if row.name == QUANTITY:
                first.quantities.add(row.value)
            else:
                first.revisions.add(row.value)
                first.act = min(first.act, row.begun_by)
        places = (
            "SELECT p.child, p.parent, i.id, s.slot, p.valid_to, p.begun_by FROM wanted "
            "CROSS JOIN configuration_placement p CROSS JOIN configuration_place s CROSS JOIN configuration_item i "
            "WHERE p.child = wanted.item AND p.valid_from = wanted.born AND s.number = p.place AND i.number = p.parent"
        )
        for row in asked(self._tx, "item, born", keys, places):
            told[row.child].places.append(row)
        return told

    def _same(self, lines: Sequence[tuple[int, Built]]) -> dict[tuple[str, str, str], str]:
        """Who has these identities."""
        keys = [(one.item.part, one.item.serial, one.item.maker) for _, one in lines if one.item.serial]
        same = "i.part = wanted.part AND i.serial = wanted.serial AND i.maker = wanted.maker"
        alone = "i.serial <> '' AND i.merged IS NULL"  # as the index says
        query = f"SELECT i.* FROM wanted CROSS JOIN configuration_item i WHERE {same} AND {alone}"
        found = asked(self._tx, "part, serial, maker", keys, query)
        return {(row.part, row.serial, row.maker): row.id for row in found}

    def _named(self, lines: Sequence[tuple[int, Built]]) -> dict[tuple[str, str], str]:
        """Who has the other names that these lines give."""
        keys = sorted({name for _, one in lines for name in one.item.aliases.items()})
        query = (
            "SELECT a.scheme, a.value, i.id FROM wanted CROSS JOIN configuration_alias a "
            "CROSS JOIN configuration_item i "
            "WHERE a.scheme = wanted.scheme AND a.value = wanted.value AND i.number = a.item"
        )
        return {(row.scheme, row.value): row.id for row in asked(self._tx, "scheme, value", keys, query)}

    def _parents(self, ids: set[str]) -> dict[str, Outer]:
        """Those that were known before, also by the ids of what was merged into them."""
        if not ids:
            return {}
        rows = self._rows(sorted(ids))
        found = {}
        for id, named in rows.items():
            row = named
            while row.merged is not None:
                row = self._tx.execute(select(tables.item).where(tables.item.c.number == row.merged)).one()
            store = row.kind == ItemKind.LOCATION
            found[id] = Outer(row.number, row.part, row.maker, store, row.born, FOREVER)
        t, numbers = tables.trait, {outer.number: outer for outer in found.values()}
        for some in _some(sorted(numbers)):
            for gone in self._tx.execute(
                select(t.c.item, t.c.valid_from).where(t.c.item.in_(some), t.c.name == RETIRED, believed(t))
            ):
                for outer in found.values():
                    if outer.number == gone.item:
                        outer.retired = gone.valid_from
        return found

    def _look_at_slots(self) -> None:
        """What the slots hold that these lines name, of parents that were known before."""
        p, s = tables.placement, tables.place
        numbers = {outer.number for outer in self._outers.values() if not outer.store}
        for some in _some(sorted(numbers)):
            for row in self._tx.execute(
                select(s.c.parent, s.c.slot, p.c.valid_from, p.c.valid_to)
                .join(s, s.c.number == p.c.place)
                .where(p.c.parent.in_(some), believed(p))
            ):
                self._held.setdefault((row.parent, row.slot), []).append(Span(row.valid_from, row.valid_to))


def _some(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for first in range(0, len(values), _ASKED):
        yield values[first : first + _ASKED]
