"""What is recorded of the machines and items that a list names, asked for in few questions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from gemel.configuration import FOREVER, Configuration, Item, Node, tables
from gemel.configuration.belief import believed
from gemel.thread.importing.found import ListedLine

__all__ = ["Known", "Recorded"]

_AT_ONCE = 500


class Known(msgspec.Struct):
    """An item that the list names, as it is recorded of when the list says."""

    row: Any
    parent: str = ""
    """What it is in; empty: nothing."""
    slot: str = ""
    revision: str = ""


class Recorded:
    """What is recorded of the machines and items that the lines of one file name."""

    def __init__(self, tx: Connection, configuration: Configuration, lines: Sequence[ListedLine], now: int) -> None:
        """`now`: what a line is of that does not say when."""
        self._tx, self._configuration, self._now = tx, configuration, now
        self._book = configuration.parts.read(tx)
        self._lines = lines
        self._makers: dict[tuple[str, str], set[str]] = {}
        for line in lines:
            self._makers.setdefault((line.part, line.serial), set()).update({line.maker} - {""})
        self._times = {(line.part, line.serial): self.at(line) for line in lines}
        self.machines = self._named({line.machine for line in lines})
        """By what the list calls them: the id, or several that it may mean."""
        self._known = self._items()

    def _named(self, codes: set[str]) -> dict[str, str | list[str]]:
        """Machines by what the list calls them: the id of an item, else a serial number."""
        x, told = tables.item.c, dict[str, str | list[str]]()
        for some in _some(sorted(codes)):
            for row in self._tx.execute(select(x.id).where(x.id.in_(some), x.merged.is_(None), x.born < FOREVER)):
                told[row.id] = row.id
        held = {part.part for part in self._book if part.slots}
        for some in _some(sorted(codes - told.keys())):
            found: dict[str, list[tuple[str, str]]] = {}
            for row in self._tx.execute(
                select(x.id, x.serial, x.part).where(x.serial.in_(some), x.merged.is_(None)).order_by(x.id)
            ):
                found.setdefault(row.serial, []).append((row.id, row.part))
            for serial, all_ in found.items():
                ids = [id for id, part in all_ if part in held] or [id for id, _ in all_]  # what has slots, first
                told[serial] = ids[0] if len(ids) == 1 else ids
        return told

    def _items(self) -> dict[tuple[str, str, str], list[Known]]:
        """By part, serial number and lot: the items that the list may mean, with where they are then."""
        x, p, s, t = tables.item, tables.placement, tables.place, tables.trait
        rows: dict[int, Known] = {}
        for column, values in (
            (x.c.serial, {line.serial for line in self._lines} - {""}),
            (x.c.lot, {line.lot for line in self._lines if not line.serial} - {""}),
        ):
            for some in _some(sorted(values)):
                for row in self._tx.execute(select(x).where(column.in_(some), x.c.merged.is_(None))):
                    rows[row.number] = Known(row)
        times = {number: self._times.get((one.row.part, one.row.serial), self._now) for number, one in rows.items()}
        outer = x.alias("outer")
        for numbers in _some(sorted(rows)):
            for row in self._tx.execute(
                select(p.c.child, p.c.valid_from, p.c.valid_to, s.c.slot, outer.c.id)
                .join(s, s.c.number == p.c.place)
                .join(outer, outer.c.number == p.c.parent)
                .where(p.c.child.in_(numbers), believed(p))
            ):
                if row.valid_from <= times[row.child] < row.valid_to:
                    rows[row.child].parent, rows[row.child].slot = row.id, row.slot
            for row in self._tx.execute(
                select(t.c.item, t.c.value, t.c.valid_from, t.c.valid_to).where(
                    t.c.item.in_(numbers), t.c.name == "revision", believed(t)
                )
            ):
                if row.valid_from <= times[row.item] < row.valid_to:
                    rows[row.item].revision = row.value
        known: dict[tuple[str, str, str], list[Known]] = {}
        for one in rows.values():
            known.setdefault((one.row.part, one.row.serial, "" if one.row.serial else one.row.lot), []).append(one)
        return known

    def known(self, line: ListedLine) -> Known | None:
        """The one item with this part and serial number; of the maker that the list tells, if it tells one; else, if it
        tells no other one, that of which no maker is recorded."""
        if not line.serial:
            return None
        all_ = self._known.get((line.part, line.serial, ""), [])
        fitting = [one for one in all_ if one.row.maker == line.maker] if line.maker else all_
        if not fitting and len(self._makers[line.part, line.serial]) == 1:
            fitting = [one for one in all_ if not one.row.maker]
        return fitting[0] if len(fitting) == 1 else None

    def lots(self, line: ListedLine) -> list[Known]:
        """Lots of this part and number, wherever they are."""
        return self._known.get((line.part, "", line.lot), []) if line.lot and not line.serial else []

    def at(self, line: ListedLine) -> int:
        """Of when a line is."""
        return self._now if line.at is None else line.at

    def tree(self, root: str, at: int) -> Node:
        """Raises NotFound."""
        return self._configuration.tree(root, at)

    def single(self, item: Item | None, slot: str) -> bool:
        """Whether a slot holds one item at most."""
        return item is None or (item.kind != "location" and not self._book.several(item.part, item.maker, slot))


def _some(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for first in range(0, len(values), _AT_ONCE):
        yield values[first : first + _AT_ONCE]
