"""Reading many cells at once: those of a selection, or those that were just folded, as updates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemel.state.cells import CHUNK_BITS, CHUNK_ROWS
from gemel.state.freshness import Rules
from gemel.state.layout import Layout
from gemel.state.now import Updates, plain
from gemel.state.selection import Resolved
from gemel.state.table import Column, Table
from gemel.twin import PROPERTY_BITS, Form, Quality

__all__ = ["Gathered", "gather", "updates_of"]

_FEW = 8
_FIELDS = ("value", "time", "recorded", "changed", "quality", "position")


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """Copies of cells of one column, taken under the state's lock."""

    column: Column
    numbers: NDArray[np.int64]
    cells: dict[str, NDArray[Any]]
    deadline: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.numbers)

    def only(self, chosen: NDArray[np.bool_]) -> Gathered:
        cells = {name: array[chosen] for name, array in self.cells.items()}
        return Gathered(self.column, self.numbers[chosen], cells, self.deadline[chosen])


def gather(layout: Layout, rules: Rules, chosen: Resolved, after: int = 0) -> list[Gathered]:
    """All reported cells of the selection whose position is above `after`; call it under the state's lock."""
    found = []
    for table in layout.tables:
        rows = _rows(layout, table, chosen)
        if not len(rows):
            continue
        for column in _columns(table, chosen, rows, after):
            for chunk in range(len(column.chunks)):
                part = _of_chunk(column, chunk, rows, rules, after)
                if part is not None and chosen.sight is not None:
                    part = part.only(chosen.sight.holds((part.numbers << PROPERTY_BITS) | column.ref.number))
                if part:
                    found.append(part)
    return found


def _columns(table: Table, chosen: Resolved, rows: NDArray[np.int64], after: int) -> Iterator[Column]:
    """The selected columns; for a few rows only those where there is anything new, found without vectors."""
    allowed = chosen.allowed
    few = rows.tolist() if len(rows) <= _FEW else None
    for number, column in table.columns.items():
        if not column.chunks or number >= len(allowed) or not allowed.item(number):
            continue
        if few is None or any(column.position(row) > after for row in few):
            yield column


def _rows(layout: Layout, table: Table, chosen: Resolved) -> NDArray[np.int64]:
    """Rows of the table that the selection's twins have, ascending."""
    if chosen.wide is None and len(chosen.numbers) < 64:
        found = [layout.row(table, int(number)) for number in chosen.numbers]
        return np.sort(np.array([row for row in found if row is not None], np.int64))
    return np.flatnonzero(chosen.has_twins(table.numbers[: table.count]))


def _of_chunk(column: Column, chunk: int, rows: NDArray[np.int64], rules: Rules, after: int) -> Gathered | None:
    cells = column.chunks[chunk]
    if cells is None:
        return None
    first = chunk << CHUNK_BITS
    a, b = np.searchsorted(rows, [first, first + min(CHUNK_ROWS, len(cells))])
    low = rows[a:b] - first
    low = low[cells.position[low] > after]
    if not len(low):
        return None
    copies = {name: getattr(cells, name)[low] for name in _FIELDS}
    rule = column.rule if cells.rule is None else cells.rule[low]
    deadline = rules.deadline(rule, copies["time"], copies["recorded"])
    return Gathered(column, column.table.numbers[low + first], copies, deadline)


def updates_of(parts: Sequence[Gathered], ids: Any, now: int) -> Updates:
    """The gathered cells as one `Updates`; `ids` maps twin numbers to ids."""
    series = [(part.numbers << PROPERTY_BITS) | part.column.ref.number for part in parts]
    names: list[tuple[str, str]] = []
    values: list[Any] = []
    for part in parts:
        name = part.column.ref.property.name
        names += [(id, name) for id in ids(part.numbers.tolist())]
        values += plain_values(part.column, part.cells["value"], part.cells["quality"])
    deadline = _joined([part.deadline for part in parts], np.int64)
    times = {name: _joined([part.cells[name] for part in parts], np.int64) for name in ("time", "recorded", "changed")}
    return Updates(
        series=_joined(series, np.int64),
        names=names,
        value=values,
        quality=_joined([part.cells["quality"] for part in parts], np.uint8),
        position=_joined([part.cells["position"] for part in parts], np.int64),
        stale_since=np.where(deadline <= now, deadline, 0),
        **times,
    )


def plain_values(column: Column, value: NDArray[Any], quality: NDArray[np.uint8]) -> list[Any]:
    """Cells' values as users of the library see them."""
    if column.ref.form is Form.NUMBER:
        listed: list[Any] = value.tolist()
        for i in np.flatnonzero(quality == Quality.UNAVAILABLE):
            listed[i] = None
        return listed
    kind = column.ref.property.kind
    return [None if q == Quality.UNAVAILABLE else plain(v, kind) for v, q in zip(value, quality, strict=True)]


def _joined(parts: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype)
