"""What a retyped property begins with: the last values of the generations before it, told as it is now."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemel.state.cells import CHUNK_BITS, Cells
from gemel.state.layout import Layout
from gemel.state.table import Column
from gemel.twin import VALUE_TYPES, Change, Form, Quality, convert_generation

__all__ = ["seed", "seed_after"]

_KEPT = ("time", "recorded", "changed", "quality", "position")


def seed_after(changes: Iterable[Change], layout: Layout) -> frozenset[int]:
    """`seed` for what a block's changes retyped."""
    changes = list(changes)
    if any(change.kind.startswith("plant.") for change in changes):
        return seed(layout, list(layout.by_type))
    return seed(layout, {change.subject for change in changes if change.kind.startswith("type.")})


def seed(layout: Layout, types: Iterable[str]) -> frozenset[int]:
    """Give cells that hold nothing newer the last value of an earlier generation, with its times, quality and
    position; under the state's lock. No effect where that was done before, so a replay may come by again.

    Returns the numbers of the properties that got values.
    """
    found = set()
    for type_id in types:
        table = layout.by_type.get(type_id)
        for column in table.current.values() if table is not None else ():
            now = column.ref.property
            if now.generation == 1 or column.condition:
                continue
            usable = {one.generation for one in now.earlier if one.how != "none"}
            for ref in layout.directory.generations(column.ref):
                old = column.table.columns.get(ref.number)
                if old is None or old is column or old.condition or ref.property.generation not in usable:
                    continue
                if _seed_column(column, old):
                    found.add(column.ref.number)
    return frozenset(found)


def _seed_column(column: Column, old: Column) -> bool:
    done = False
    for chunk, cells in enumerate(old.chunks):
        if cells is None:
            continue
        size = min(len(cells), column.table.rows_of_chunk(chunk))
        takes = cells.position[:size] > 0
        if (own := column.cells(chunk << CHUNK_BITS)) is not None:
            both = min(size, len(own))
            newer = (cells.position[:both] > own.position[:both]) & (cells.time[:both] >= own.time[:both])
            takes[:both] &= newer
        rows = np.flatnonzero(takes)
        if len(rows):
            done |= _seed_rows(column, chunk, (cells, old), rows)
    return done


def _seed_rows(column: Column, chunk: int, source: tuple[Cells, Column], rows: NDArray[np.int64]) -> bool:
    cells, old = source
    gone = cells.quality[rows] == Quality.UNAVAILABLE
    told = convert_generation(column.ref.property, old.ref.property.generation, _as_arrow(cells, rows, gone))
    known = gone | told.is_valid().to_numpy(zero_copy_only=False)  # a map may have no entry for it
    rows, told = rows[known], told.filter(pa.array(known))
    if not len(rows):
        return False
    target = column.writable(chunk)
    target.value[rows] = _as_cells(told, column.ref.form)
    for name in _KEPT:
        getattr(target, name)[rows] = getattr(cells, name)[rows]
    target.due = 0  # look at the next sweep who is stale
    return True


def _as_arrow(cells: Cells, rows: NDArray[np.int64], gone: NDArray[np.bool_]) -> pa.Array:
    values, kind = cells.value[rows], VALUE_TYPES[cells.form]
    if cells.form is Form.ARRAY:
        return pa.array([None if g else list(v) for v, g in zip(values, gone, strict=True)], kind)
    return pa.array(values, kind, mask=gone)


def _as_cells(told: pa.Array, form: Form) -> NDArray[Any]:
    if form in (Form.NUMBER, Form.INTEGER):
        return np.asarray(told.fill_null(0).to_numpy(zero_copy_only=False))
    found = np.empty(len(told), object)
    for i, one in enumerate(told.to_pylist()):
        found[i] = array("d", one) if form is Form.ARRAY and one is not None else one
    return found
