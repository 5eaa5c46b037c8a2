"""What is part of what, now, as columns: for whoever asks of many twins at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from gemel.registry import tables
from gemel.registry.links import holds

__all__ = ["Assembly", "load_assembly"]

_Ints = NDArray[np.int64]


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


def load_assembly(tx: Connection) -> Assembly:
    c = tables.link.c
    rows = tx.execute(select(c.target, c.source, c.slot).where(c.kind == "part_of", holds(None))).all()
    names = tuple(dict.fromkeys(row.slot for row in rows))
    codes = {name: i for i, name in enumerate(names)}
    listed = np.array([(row.target, row.source, codes[row.slot]) for row in rows], np.int64).reshape(-1, 3)
    listed = listed[np.lexsort((listed[:, 1], listed[:, 0]))]
    return Assembly(listed[:, 0].copy(), listed[:, 1].copy(), listed[:, 2].copy(), names)
