"""The fold: a frame of readings into the cells they belong to, in vectors, so that no reading costs Python work.

The outcome is as if the readings were applied one by one in order of position: a reading is *accepted* unless its
time is older than the cell's; an accepted one replaces the cell, and moves `changed` when its value differs.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemel.state.cells import CHUNK_BITS, CHUNK_ROWS, NEVER
from gemel.state.layout import Layout
from gemel.state.table import Column
from gemel.state.watch import Watch
from gemel.twin import PROPERTY_BITS, Form, Frame, Quality

__all__ = ["Accepted", "Batch", "Plan", "apply", "batch_of", "plan"]

_UNAVAILABLE = int(Quality.UNAVAILABLE)
_Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """A frame made ready: missing values are 0 or None with quality UNAVAILABLE; n readings in order of arrival."""

    series: _Ints
    column: NDArray[np.int32]
    row: NDArray[np.int32]
    time: _Ints
    value: NDArray[Any]
    quality: NDArray[np.uint8]
    position: _Ints

    def __len__(self) -> int:
        return len(self.series)

    def only(self, chosen: NDArray[Any]) -> Batch:
        return Batch(*(getattr(self, name)[chosen] for name in self.__slots__))


@dataclass(slots=True, eq=False)
class Accepted:
    """The readings that were taken, grouped by series, within a series in order of position."""

    series: _Ints
    time: _Ints
    value: NDArray[Any]
    quality: NDArray[np.uint8]
    position: _Ints
    changed: _Ints
    last: NDArray[np.bool_]
    """Whether it is the one that the cell now holds."""
    _by_twin: tuple[_Ints, _Ints] | None = None

    def __len__(self) -> int:
        return len(self.series)

    def of_twins(self, numbers: _Ints) -> _Ints:
        """Which readings are of these few twins, in the same order; all readers share the sorting it takes."""
        if self._by_twin is None:
            twins = self.series >> PROPERTY_BITS
            order = np.argsort(twins, kind="stable")
            self._by_twin = twins[order], order
        twins, order = self._by_twin
        first, end = np.searchsorted(twins, numbers, "left"), np.searchsorted(twins, numbers, "right")
        found = [order[a:b] for a, b in zip(first.tolist(), end.tolist(), strict=True) if a < b]
        return np.sort(np.concatenate(found)) if found else np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What `apply` will write: per group (column and chunk) the rows and their new contents."""

    accepted: Accepted
    groups: list[tuple[Column, int, NDArray[np.int64], slice]]
    """(column, chunk, rows within the chunk, where in `last`)."""
    last: _Ints
    """Which accepted readings the cells will hold, group by group."""


def batch_of(frame: Frame, first: int, layout: Layout) -> Batch:
    """The readings of a frame whose series the directory knows."""
    column, row = layout.places(frame.series)
    value, quality = _values(frame)
    batch = Batch(frame.series, column, row, frame.time, value, quality, frame.ordinal.astype(np.int64) + first)
    known = column >= 0
    return batch if known.all() else batch.only(known)


def _values(frame: Frame) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    column, quality = frame.value, frame.quality
    if frame.form in (Form.NUMBER, Form.INTEGER):
        if column.null_count:
            quality = np.where(column.is_null().to_numpy(zero_copy_only=False), _UNAVAILABLE, quality).astype(np.uint8)
            column = column.fill_null(0)
        value: NDArray[Any] = column.to_numpy()
        if (gone := quality == _UNAVAILABLE).any():
            value = np.where(gone, value.dtype.type(0), value)
        return value, quality
    if frame.form is Form.TEXT:
        encoded = column.dictionary_encode()
        # one str object per distinct text, and None last, where null (index -1) finds it
        words = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)
        value = words[encoded.indices.fill_null(-1).to_numpy()]
    else:
        value = np.empty(len(column), object)
        for i, one in enumerate(column):
            value[i] = array("d", one.values.to_numpy()) if one.is_valid else None
    missing = np.asarray(value == None).astype(np.bool_)  # noqa: E711 - element by element
    if missing.any() or (quality == _UNAVAILABLE).any():
        value = value.copy()
        value[quality == _UNAVAILABLE] = None
        quality = np.where(missing, _UNAVAILABLE, quality).astype(np.uint8)
    return value, quality


def plan(batch: Batch, layout: Layout) -> Plan | None:
    """Decide what to write. Reads the cells, so only for the thread that writes them."""
    order, group = _grouped(batch, layout)
    row = batch.row[order]
    starts = _starts(group, row)
    bounds = np.flatnonzero(np.diff(group[starts])) + 1  # where, among the runs, another group begins
    pieces = [(int(a), int(b)) for a, b in zip([0, *bounds], [*bounds, len(starts)], strict=True)]
    places = [
        (layout.columns[batch.column[order[starts[a]]]], int(row[starts[a]]) >> CHUNK_BITS, slice(a, b))
        for a, b in pieces
    ]
    low = (row[starts] & (CHUNK_ROWS - 1)).astype(np.int64)
    old = _Old(batch.value.dtype, len(starts))
    for column, chunk, piece in places:
        old.gather(column, chunk, low[piece], piece)
    run = np.cumsum(_marks(starts, len(order))) - 1
    taken = _taken(batch.time[order], run, old.time)
    kept = np.flatnonzero(taken) if not taken.all() else None
    if kept is not None:
        if not len(kept):
            return None
        order, run = order[kept], run[kept]
    accepted, last = _accepted(batch, order, run, old)
    runs = run[last]  # the runs that had an accepted reading, ascending
    groups = []
    for column, chunk, piece in places:
        a, b = np.searchsorted(runs, [piece.start, piece.stop])
        if a < b:
            groups.append((column, chunk, low[runs[a:b]], slice(int(a), int(b))))
    return Plan(accepted, groups, last)


def _grouped(batch: Batch, layout: Layout) -> tuple[_Ints, NDArray[Any]]:
    """An order by (column, chunk), row, arrival; and the group of each in that order.

    Two stable passes over 16-bit keys: numpy sorts those by radix, several times faster than 64-bit ones.
    """
    low = (batch.row & (CHUNK_ROWS - 1)).astype(np.uint16)
    group: NDArray[Any] = batch.column * layout.chunks + (batch.row >> CHUNK_BITS)
    if group.max() < CHUNK_ROWS:
        group = group.astype(np.uint16)
    order = np.argsort(low, kind="stable")
    if len(group) > 1 and group.min() != group.max():
        order = order[np.argsort(group[order], kind="stable")]
    return order, group[order]


def _starts(group: NDArray[Any], row: NDArray[np.int32]) -> _Ints:
    new = np.empty(len(group), np.bool_)
    new[0] = True
    np.not_equal(row[1:], row[:-1], out=new[1:])
    new[1:] |= group[1:] != group[:-1]
    return np.flatnonzero(new)


def _marks(starts: _Ints, n: int) -> NDArray[np.bool_]:
    marks = np.zeros(n, np.bool_)
    marks[starts] = True
    return marks


class _Old:
    """What the cells hold before the fold, one entry per run."""

    def __init__(self, dtype: Any, runs: int) -> None:
        self.value: NDArray[Any] = np.empty(runs, dtype)
        self.time = np.full(runs, NEVER, np.int64)
        self.changed = np.zeros(runs, np.int64)
        self.quality = np.full(runs, _UNAVAILABLE, np.uint8)

    def gather(self, column: Column, chunk: int, rows: _Ints, piece: slice) -> None:
        cells = column.chunks[chunk] if chunk < len(column.chunks) else None
        if cells is None:
            return
        target = piece
        if len(rows) and rows[-1] >= len(cells):  # rows ascend: the later ones are new
            known = int(np.searchsorted(rows, len(cells)))
            rows, target = rows[:known], slice(piece.start, piece.start + known)
        self.value[target] = cells.value[rows]
        self.time[target] = cells.time[rows]
        self.changed[target] = cells.changed[rows]
        self.quality[target] = cells.quality[rows]


def _taken(time: _Ints, run: _Ints, old: _Ints) -> NDArray[np.bool_]:
    """bool[n]: whether each reading is at least as new as the cell when its turn comes."""
    taken: NDArray[np.bool_] = time >= old[run]
    back = np.flatnonzero((time[1:] < time[:-1]) & (run[1:] == run[:-1]))
    if not len(back):
        return taken
    # Only runs with a step back in time: the greatest time so far, within each, by ranks that differ between runs.
    some = np.flatnonzero(np.isin(run, run[back]))
    _, rank = np.unique(time[some], return_inverse=True)
    _, part = np.unique(run[some], return_inverse=True)
    key = part.astype(np.int64) * len(some) + rank
    taken[some] &= key >= np.maximum.accumulate(key)
    return taken


def _accepted(batch: Batch, order: _Ints, run: _Ints, old: _Old) -> tuple[Accepted, _Ints]:
    n = len(order)
    ends = np.append(np.flatnonzero(np.diff(run)), n - 1)
    starts = np.concatenate([[0], ends[:-1] + 1])
    time, value, quality = batch.time[order], batch.value[order], batch.quality[order]
    before = run[starts]
    differs = np.empty(n, np.bool_)
    differs[1:] = _differ(value[1:], value[:-1], quality[1:], quality[:-1])
    differs[starts] = _differ(value[starts], old.value[before], quality[starts], old.quality[before])
    differs[starts] |= old.time[before] == NEVER
    if len(starts) == n:
        changed = np.where(differs, time, old.changed[run])
    else:
        index = np.arange(n)
        latest = np.maximum.accumulate(np.where(differs, index, -1))
        since = latest >= np.repeat(starts, ends - starts + 1)
        changed = np.where(since, time[latest], old.changed[run])
    last = np.zeros(n, np.bool_)
    last[ends] = True
    return Accepted(batch.series[order], time, value, quality, batch.position[order], changed, last), ends


def _differ(
    value: NDArray[Any], other: NDArray[Any], quality: NDArray[np.uint8], was: NDArray[np.uint8]
) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.asarray(value != other).astype(np.bool_)
    return np.asarray(found | ((quality == _UNAVAILABLE) != (was == _UNAVAILABLE)))


def apply(plan: Plan, recorded: int, watch: Watch) -> None:
    """Write the plan, group by group, under the state's lock."""
    new, last = plan.accepted, plan.last
    whole = len(last) == len(new)
    time, value, quality = (a if whole else a[last] for a in (new.time, new.value, new.quality))
    position, changed = (a if whole else a[last] for a in (new.position, new.changed))
    for column, chunk, rows, piece in plan.groups:
        cells = column.writable(chunk)
        deadlines = watch.before(column, cells, rows)
        known = cells.position[rows] > 0
        cells.value[rows] = value[piece]
        cells.time[rows] = time[piece]
        cells.recorded[rows] = recorded
        cells.changed[rows] = changed[piece]
        cells.quality[rows] = quality[piece]
        cells.position[rows] = position[piece]
        if deadlines is not None:
            watch.after(column, chunk, rows, deadlines, known)
