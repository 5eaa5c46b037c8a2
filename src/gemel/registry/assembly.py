"""What is part of what, now or at any moment, as columns: for whoever asks of many twins at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, select, true

from gemel.registry import tables
from gemel.registry.twins import visible

__all__ = ["Assemblies", "Assembly", "load_assemblies", "load_assembly"]

_Ints = NDArray[np.int64]
_FAR = 1 << 62


@dataclass(frozen=True, slots=True, eq=False)
class Assembly:
    """All links part_of that hold: k of them, by whole. Twins are told by number."""

    whole: _Ints
    """int64[k], ascending."""
    part: _Ints
    """int64[k]"""
    slot: _Ints
    """int64[k]: index in `slots`."""
    slots: tuple[str, ...]

    def parts(self, wholes: _Ints, slot: str | None = None) -> tuple[_Ints, _Ints]:
        """(index into `wholes`, number of the part), for the parts of these twins; of one slot, or of all."""
        first = np.searchsorted(self.whole, wholes, "left")
        count = np.searchsorted(self.whole, wholes, "right") - first
        row = np.repeat(np.arange(len(wholes)), count)
        at = np.repeat(first - np.cumsum(count) + count, count) + np.arange(int(count.sum()))
        if slot is not None:
            code = self.slots.index(slot) if slot in self.slots else -1
            chosen = self.slot[at] == code
            row, at = row[chosen], at[chosen]
        return row, self.part[at]

    def below(self, wholes: _Ints) -> tuple[_Ints, _Ints]:
        """The same for the parts of all levels, each once."""
        rows, parts = self.parts(wholes)
        found = [np.stack([rows, parts])]
        while len(parts):
            at, next_parts = self.parts(parts)
            rows, parts = rows[at], next_parts
            found.append(np.stack([rows, parts]))
        pairs = np.unique(np.concatenate(found, axis=1), axis=1)
        return pairs[0], pairs[1]


@dataclass(frozen=True, slots=True, eq=False)
class Assemblies:
    """All links part_of that ever were: k of them. Moments are microseconds since the epoch, UTC."""

    whole: _Ints
    """int64[k], ascending."""
    part: _Ints
    slot: _Ints
    since: _Ints
    """int64[k]. What a twin was first told to be made of, it is taken to have been made of before, too."""
    until: _Ints
    slots: tuple[str, ...]

    def at(self, moment: int) -> Assembly:
        """What held then."""
        holds = (self.since <= moment) & (moment < self.until)
        return Assembly(self.whole[holds], self.part[holds], self.slot[holds], self.slots)

    def moments(self, wholes: _Ints, start: int, end: int) -> list[int]:
        """When something changed in (start, end) of what these twins are made of, at any depth."""
        reached = np.unique(wholes)
        mine = np.isin(self.whole, reached)
        while len(more := np.setdiff1d(self.part[mine], reached)):
            reached = np.union1d(reached, more)
            mine = np.isin(self.whole, reached)
        edges = np.unique(np.concatenate([self.since[mine], self.until[mine]]))
        return list(edges[(edges > start) & (edges < end)].tolist())


def load_assembly(tx: Connection) -> Assembly:
    """As it is now."""
    c = tables.link.c
    return _read(tx, c.until.is_(None)).at(_FAR - 1)


def load_assemblies(tx: Connection) -> Assemblies:
    return _read(tx, true())


def _read(tx: Connection, which: ColumnElement[bool]) -> Assemblies:
    c = tables.link.c
    mine = c.kind == "part_of", visible(tables.link), which
    wanted = select(c.target, c.source, c.slot, c.since, c.until).where(*mine)
    rows = tx.execute(wanted).all()
    names = tuple(dict.fromkeys(row.slot for row in rows))
    codes = {name: i for i, name in enumerate(names)}
    listed = np.array(
        [
            (row.target, row.source, codes[row.slot], row.since, _FAR if row.until is None else row.until)
            for row in rows
        ],
        np.int64,
    ).reshape(-1, 5)
    listed = listed[np.lexsort((listed[:, 1], listed[:, 0]))]
    whole, part, slot, since, until = (listed[:, at].copy() for at in range(5))
    starts = np.flatnonzero(np.concatenate(([True], whole[1:] != whole[:-1]))) if len(whole) else np.zeros(0, np.int64)
    if len(starts):
        first = np.repeat(np.minimum.reduceat(since, starts), np.diff(np.append(starts, len(whole))))
        since[since == first] = -_FAR
    return Assemblies(whole, part, slot, since, until, names)
