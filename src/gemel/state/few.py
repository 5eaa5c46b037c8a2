"""The fold of a small block, reading by reading: for a handful, vectors cost more than they save."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np

from gemel.state.cells import CHUNK_BITS, CHUNK_ROWS, NEVER
from gemel.state.condition import fold_condition
from gemel.state.fold import Accepted
from gemel.state.layout import Layout
from gemel.state.watch import Watch
from gemel.twin import Block, Form, Frame, Quality

__all__ = ["FEW", "fold_few"]

FEW = 64
"""Readings of a block up to which this way is the faster one."""

_UNAVAILABLE = int(Quality.UNAVAILABLE)
_DTYPES: dict[Form, Any] = {Form.NUMBER: np.float64, Form.INTEGER: np.int64}
_Row = tuple[int, int, Any, int, int, int]
"""series, time, value, quality, position, changed"""


def fold_few(block: Block, layout: Layout, watch: Watch) -> tuple[list[Accepted], set[str]]:
    """Carry the cells past the block, under the state's lock; what `fold` would do. Returns what was accepted,
    and the types concerned."""
    accepted, types = [], set[str]()
    for frame in block.frames.values():
        rows: list[_Row] = []
        for reading in _readings(frame, block.first):
            place = layout.place(reading[0])
            if place is None:
                continue
            column, row = place
            chunk, low = row >> CHUNK_BITS, row & (CHUNK_ROWS - 1)
            cells = column.writable(chunk)
            series, time, value, quality, position = reading
            before = cells.time.item(low), cells.recorded.item(low)
            if column.condition:
                fold_condition(cells, low, (value, time, position), block.recorded)
                rows.append((series, cells.time.item(low), cells.value[low], cells.quality.item(low), position, 0))
            elif time < before[0]:
                continue
            else:
                known = before[0] != NEVER
                was_gone = cells.quality.item(low) == _UNAVAILABLE
                if not known or was_gone != (quality == _UNAVAILABLE) or cells.value[low] != value:
                    cells.changed[low] = time
                cells.value[low] = value
                cells.time[low] = time
                cells.recorded[low] = block.recorded
                cells.quality[low] = quality
                cells.position[low] = position
                rows.append((series, time, value, quality, position, 0))
            rows[-1] = (*rows[-1][:5], cells.changed.item(low))
            types.add(column.table.type_id)
            watch.after_one(column, chunk, low, before)
        if rows:
            accepted.append(_accepted(frame.form, rows))
    return accepted, types


def _readings(frame: Frame, first: int) -> list[tuple[int, int, Any, int, int]]:
    """(series, time, value, quality, position); as a cell holds them: 0 or None where unavailable."""
    empty: Any = 0 if frame.form in _DTYPES else None
    found = []
    for series, time, value, quality, ordinal in zip(
        frame.series.tolist(),
        frame.time.tolist(),
        frame.value.to_pylist(),
        frame.quality.tolist(),
        frame.ordinal.tolist(),
        strict=True,
    ):
        if value is None or quality == _UNAVAILABLE:
            value, quality = empty, _UNAVAILABLE
        elif frame.form is Form.ARRAY:
            value = array("d", value)
        found.append((series, time, value, quality, first + ordinal))
    return found


def _accepted(form: Form, rows: list[_Row]) -> Accepted:
    """Grouped by series, in order of position within each."""
    rows.sort(key=lambda row: (row[0], row[4]))
    series, time, values, quality, position, changed = zip(*rows, strict=True)
    value = np.empty(len(rows), _DTYPES.get(form, np.object_))
    value[:] = values if form in _DTYPES else [None] * len(rows)
    if form not in _DTYPES:
        for i, one in enumerate(values):
            value[i] = one
    ids = np.array(series, np.int64)
    last = np.append(ids[1:] != ids[:-1], True)
    return Accepted(
        ids,
        np.array(time, np.int64),
        value,
        np.array(quality, np.uint8),
        np.array(position, np.int64),
        np.array(changed, np.int64),
        last,
    )
