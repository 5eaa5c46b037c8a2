"""Many cells at once, by series: what the computation reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemel.state.cells import CHUNK_BITS, CHUNK_ROWS, Cells
from gemel.state.core import Core
from gemel.state.table import Column
from gemel.twin import Form, Quality

__all__ = ["Readout", "read"]

_Ints = NDArray[np.int64]
_LEVELS = {"normal": 0, "warning": 1, "fault": 2}


@dataclass(slots=True, eq=False)
class Readout:
    """The cells of n series as copies; whoever has it may write into it."""

    series: _Ints
    """int64[n]; below 0: none, which reads as never reported."""
    number: NDArray[np.float64]
    """float64[n] of numbers, integers and booleans (0, 1); NaN where there is no such value."""
    text: NDArray[np.object_]
    """object[n] of texts, enumerations and objects; of conditions the worst level; None where there is none."""
    time: _Ints
    quality: NDArray[np.uint8]
    position: _Ints
    """0 where nothing was reported."""
    stale_since: _Ints
    """0 while fresh."""

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether there is a value that may be believed: reported, fresh, not bad."""
        return np.asarray((self.position > 0) & (self.stale_since == 0) & (self.quality < Quality.BAD))


def read(core: Core, series: _Ints) -> Readout:
    """The cells of these series as they are now; takes the lock itself."""
    n = len(series)
    found = Readout(
        series,
        np.full(n, np.nan),
        np.full(n, None, np.object_),
        np.zeros(n, np.int64),
        np.full(n, Quality.UNAVAILABLE, np.uint8),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
    )
    asked = np.flatnonzero(series >= 0)
    if not len(asked):
        return found
    now = core.clock.now()
    with core.lock:
        column_of, rows = core.layout.places(series[asked])
        for index in np.unique(column_of[column_of >= 0]).tolist():
            column = core.layout.columns[index]
            mine = np.flatnonzero(column_of == index)
            chunks = rows[mine] >> CHUNK_BITS
            for chunk in np.unique(chunks).tolist():
                cells = column.chunks[chunk] if chunk < len(column.chunks) else None
                if cells is not None:
                    here = mine[chunks == chunk]
                    _of_chunk(core, column, cells, (rows[here] & (CHUNK_ROWS - 1), asked[here]), found, now)
    return found


def _of_chunk(
    core: Core, column: Column, cells: Cells, places: tuple[NDArray[Any], _Ints], found: Readout, now: int
) -> None:
    low, to = places
    within = low < len(cells)
    low, to = low[within], to[within]
    reported = cells.position[low] > 0
    low, to = low[reported], to[reported]
    for name in ("time", "quality", "position"):
        getattr(found, name)[to] = getattr(cells, name)[low]
    rule = column.rule if cells.rule is None else cells.rule[low]
    deadline = core.watch.rules.deadline(rule, cells.time[low], cells.recorded[low])
    found.stale_since[to] = np.where(deadline <= now, np.maximum(deadline, 1), 0)
    there = cells.quality[low] != Quality.UNAVAILABLE
    value, to = cells.value[low[there]], to[there]
    if column.condition:
        found.text[to] = [_worst(one) for one in value]
    elif column.ref.form is Form.TEXT:
        found.text[to] = value
    elif column.ref.form is not Form.ARRAY:
        found.number[to] = value


def _worst(condition: Any) -> str | None:
    active = condition.active() if condition is not None else None
    if active is None:
        return None
    return max((entry["level"] for entry in active), key=lambda level: _LEVELS.get(level, 0), default="normal")
