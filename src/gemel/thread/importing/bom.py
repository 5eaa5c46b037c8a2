"""Bills of material, CSV or a sheet of a workbook: what each part is made of, row by row."""

from __future__ import annotations

from typing import Any

from gemel.errors import InvalidInput
from gemel.thread.importing.found import Given, Level, Use, record_node
from gemel.thread.importing.mapping import BomSource
from gemel.thread.importing.rows import Table
from gemel.thread.nodes import Node, NodeKind

__all__ = ["read_bom"]


def read_bom(given: Given, source: BomSource) -> None:
    """The list as a record, its parts, and the structure. Raises InvalidInput."""
    table = Table(given, source.sheet)
    table.needs(source.part)
    by_level = not table.has(source.parent)
    if by_level and not table.has(source.level):
        raise InvalidInput(f"neither a column {source.parent!r} nor {source.level!r} says what is within what")
    spec = given.record(source.record)
    given.found.records.append((spec, ""))
    given.found.book = source.book
    for link in source.links:
        given.link(link, spec.id, "")
    reader = _Reader(given, source, table, by_level=by_level)
    for place, row in table:
        reader.take(place, row)
    reader.end(spec.id)


class _Reader:
    def __init__(self, given: Given, source: BomSource, table: Table, *, by_level: bool) -> None:
        self.given, self.source, self.cell, self.by_level = given, source, table.cell, by_level
        self.above: list[tuple[str, str]] = []
        """(part, revision) of the nearest row of each level."""
        self.parts: dict[tuple[str, str], str] = {}
        """(part, revision) → where it was first told of."""
        self.last: dict[str, str] = {}
        """The revision of each part that was told last; the rows of what it is made of follow."""
        self.taken: dict[tuple[str, str, str], str] = {}
        self.below: dict[str, set[str]] = {}

    def take(self, place: str, row: list[Any]) -> None:
        """One row, or its fault."""
        level: Level = "error" if self.source.faults == "refuse" else "left out"
        try:
            self._take(place, row)
        except InvalidInput as error:
            self.given.found.fault(place, error.detail, level)

    def _take(self, place: str, row: list[Any]) -> None:
        source = self.source
        part, revision = self.cell(row, source.part), self.cell(row, source.revision)
        if not part:
            raise InvalidInput(f"{source.part} is empty")
        if len(part) > 128 or len(revision) > 64:
            raise InvalidInput(f"a part number has at most 128 characters and a revision 64: {part:.60}")
        revision = revision or self.last.get(part, "")
        parent = self._parent(row, part, revision)
        quantity = self._quantity(row)
        self.parts.setdefault((part, revision), self.parts.pop((part, ""), place))
        self.last[part] = revision
        if parent is None:
            return
        if parent[0] == part or part in self._over(parent[0]):
            raise InvalidInput(f"{part} would be within itself")
        position = self.cell(row, source.position) or part
        if (*parent, position) in self.taken:
            raise InvalidInput(f"position {position} of {parent[0]} is taken by {self.taken[(*parent, position)]}")
        self.taken[(*parent, position)] = f"{part} at {place}"
        self.below.setdefault(part, set()).add(parent[0])
        self.given.found.structure.append(Use(*parent, position, part, revision, quantity, place))

    def _parent(self, row: list[Any], part: str, revision: str) -> tuple[str, str] | None:
        if not self.by_level:
            told = self.cell(row, self.source.parent)
            return (told, self.last.get(told, "")) if told else None
        told = self.cell(row, self.source.level)
        level = told.count(".") if not told.isdecimal() and "." in told else told
        if isinstance(level, str) and not (level.isdecimal() and len(level) < 10):
            raise InvalidInput(f"level {told!r:.40} is no number")
        depth = int(level)
        first = not self.above
        if first:
            self.base = depth
        depth -= self.base
        if depth < 0 or depth > len(self.above):
            raise InvalidInput(f"level {told} follows level {len(self.above) - 1 + self.base}: one between is missing")
        parent = self.above[depth - 1] if depth else None
        self.above[depth:] = [(part, revision)]
        return parent

    def _quantity(self, row: list[Any]) -> float:
        told = self.cell(row, self.source.quantity)
        if not told:
            return 1.0
        try:
            count = float(told.replace(",", ".")) if told.count(",") == 1 and "." not in told else float(told)
        except ValueError:
            raise InvalidInput(f"quantity {told!r:.40} is no number") from None
        if not 0 < count < 1e9:
            raise InvalidInput(f"quantity is more than 0, not {told}")
        return count

    def _over(self, part: str) -> set[str]:
        """All that a part is within."""
        edge, seen = [part], set[str]()
        while edge:
            for one in self.below.get(edge.pop(), ()):
                if one not in seen:
                    seen.add(one)
                    edge.append(one)
        return seen

    def end(self, record: str) -> None:
        """What the whole list says."""
        if not self.parts:
            self.given.found.fault("", "there is no row below the heading")
        for (part, revision), place in self.parts.items():
            self.given.say("defines", record_node(record), Node(kind=NodeKind.PART, id=part, sub=revision), place)
