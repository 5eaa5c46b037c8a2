"""The accepted readings of one block as updates for one reader, and blocks of the journal as deltas."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemel.state.cells import CHUNK_ROWS
from gemel.state.fold import Accepted
from gemel.state.gather import plain_values
from gemel.state.layout import Layout
from gemel.state.now import Updates, joined
from gemel.state.selection import Resolved
from gemel.state.table import Column
from gemel.state.watch import Watch
from gemel.twin import MAX_PROPERTIES, PROPERTY_BITS

__all__ = ["names_of", "updates_of_block"]

_FEW = 64


def updates_of_block(
    accepted: Iterable[Accepted], recorded: int, chosen: Resolved, after: int, place: tuple[Layout, Watch, int]
) -> Updates:
    """The readings that are selected and above position `after`, grouped by series; `place`: layout, watch, now."""
    parts = []
    for part in accepted:
        wanted = _wanted(part, chosen, after)
        if len(wanted):
            parts.append(_updates_of_part(part, wanted, recorded, place))
    return joined(parts)


def _wanted(part: Accepted, chosen: Resolved, after: int) -> NDArray[np.int64]:
    if chosen.wide is None and len(chosen.numbers) <= _FEW:
        of_twins = part.of_twins(chosen.numbers)
        return of_twins[chosen.holds(part.series[of_twins]) & (part.position[of_twins] > after)]
    return np.flatnonzero(chosen.holds(part.series) & (part.position > after))


def _updates_of_part(
    part: Accepted, wanted: NDArray[np.int64], recorded: int, place: tuple[Layout, Watch, int]
) -> Updates:
    layout, watch, now = place
    series = part.series[wanted]
    column_of, row = layout.places(series)
    values: list[Any] = [None] * len(wanted)
    deadline = np.zeros(len(wanted), np.int64)
    told = np.full(len(wanted), recorded)
    for index in np.unique(column_of[column_of >= 0]).tolist():
        column = layout.columns[index]
        which = np.flatnonzero(column_of == index)
        chosen = wanted[which]
        for i, value in zip(which, plain_values(column, part.value[chosen], part.quality[chosen]), strict=True):
            values[i] = value
        deadline[which] = watch.rules.deadline(_rules(column, row[which]), part.time[chosen], told[which])
    return Updates(
        series,
        names_of(series.tolist(), layout),
        values,
        part.time[wanted],
        told,
        part.changed[wanted],
        part.quality[wanted],
        part.position[wanted],
        np.where(deadline <= now, deadline, 0),
    )


def _rules(column: Column, rows: NDArray[np.int32]) -> NDArray[np.int32] | int:
    if all(cells is None or cells.rule is None for cells in column.chunks):
        return column.rule
    found = np.full(len(rows), column.rule, np.int32)
    for i, row in enumerate(rows.tolist()):
        cells = column.cells(row)
        if cells is not None and cells.rule is not None:
            found[i] = cells.rule[row & (CHUNK_ROWS - 1)]
    return found


def names_of(series: Iterable[int], layout: Layout) -> list[tuple[str, str]]:
    """(twin id, property name) of each series; empty text for what is not known."""
    listed = list(series)
    ids = layout.directory.ids([one >> PROPERTY_BITS for one in listed])
    refs = (layout.directory.property(one & (MAX_PROPERTIES - 1)) for one in listed)
    return [(id, ref.property.name if ref is not None else "") for id, ref in zip(ids, refs, strict=True)]
