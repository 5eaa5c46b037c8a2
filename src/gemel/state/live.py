"""A twin type's table as Arrow: what `live.<type>` is in SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gemel.errors import UnknownType
from gemel.state.cells import CHUNK_BITS, CHUNK_ROWS, Cells
from gemel.state.condition import Conditions
from gemel.state.core import Core
from gemel.state.table import Column, Table
from gemel.twin import Form, Kind, Quality

__all__ = ["Projection", "live_table"]

_MOMENT = pa.timestamp("us", tz="UTC")
_QUALITIES = pa.array([quality.name.lower() for quality in sorted(Quality)])
_SUFFIXES = ("", "__time", "__changed", "__quality", "__fresh")


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """What a reader may see of a type's table; None: everything."""

    twins: NDArray[np.int64] | None = None
    """Numbers of twins."""
    properties: Mapping[str, NDArray[np.int64] | None] | None = None
    """Name → numbers of the twins whose values may be seen; None: of all of them."""


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """A table's chunks, held: they stay as they are while the fold goes on with copies."""

    numbers: NDArray[np.int64]
    chunks: dict[str, tuple[Column, list[Cells | None]]]
    retired: NDArray[np.int64]
    ids: pa.ChunkedArray


@contextmanager
def live_table(
    core: Core,
    type_id: str,
    *,
    wants: Callable[[str], bool] = lambda _: True,
    projection: Projection | None = None,
    release: bool = True,
) -> Iterator[pa.Table]:
    """The table of a type at one position; its memory is the state's own until the context ends.

    Columns: twin, then for each property its value and `<property>__time`, `__changed`, `__quality`, `__fresh`; only
    those that `wants` says, which takes lower-case names. Null where nothing was reported. Without `release` the
    table may be kept. Raises UnknownType.
    """
    projection = projection or Projection()
    table = core.layout.by_type.get(type_id)
    if table is None:
        raise UnknownType(f"there is no twin type {type_id!r:.160}")
    now = core.clock.now()
    with core.lock:
        held = _hold(core, table, wants, projection)
        deadlines = {name: _deadlines(core, column, chunks) for name, (column, chunks) in held.chunks.items()}
    try:
        columns: dict[str, Any] = {}
        if wants("twin") or not held.chunks:
            columns["twin"] = held.ids
        for name, (column, chunks) in held.chunks.items():
            for suffix in _SUFFIXES:
                if wants(f"{name}{suffix}".lower()):
                    columns.setdefault(
                        f"{name}{suffix}", _column(suffix, column, chunks, len(held.numbers), deadlines[name], now)
                    )
        yield _visible(_masked(columns, held, projection), held, projection)
    finally:
        if release:
            with core.lock:
                for _, chunks in held.chunks.values():
                    for cells in chunks:
                        if cells is not None:
                            cells.held -= 1


def _hold(core: Core, table: Table, wants: Callable[[str], bool], projection: Projection) -> _Held:
    chosen: dict[str, tuple[Column, list[Cells | None]]] = {}
    for name, column in table.current.items():
        if projection.properties is not None and name not in projection.properties:
            continue
        for called in (name, *(alias for alias in column.ref.property.aliases if wants(f" {alias.lower()}"))):
            if any(wants(f"{called}{suffix}".lower()) for suffix in _SUFFIXES):
                chosen[called] = (column, [cells.hold() if cells else None for cells in column.chunks])
    retired = np.fromiter(core.retired, np.int64, len(core.retired))
    return _Held(table.numbers[: table.count], chosen, retired, table.ids(core.directory.ids))


def _deadlines(core: Core, column: Column, chunks: list[Cells | None]) -> list[NDArray[np.int64] | None]:
    rules = core.watch.rules
    return [
        None
        if cells is None
        else rules.deadline(column.rule if cells.rule is None else cells.rule, cells.time, cells.recorded)
        for cells in chunks
    ]


def _column(
    suffix: str,
    column: Column,
    chunks: list[Cells | None],
    rows: int,
    deadlines: list[NDArray[np.int64] | None],
    now: int,
) -> pa.ChunkedArray:
    kind = _type_of(suffix, column)
    parts = []
    for chunk in range((rows + CHUNK_ROWS - 1) >> CHUNK_BITS):
        size = min(CHUNK_ROWS, rows - (chunk << CHUNK_BITS))
        cells = chunks[chunk] if chunk < len(chunks) else None
        have = 0 if cells is None else min(size, len(cells))
        if cells is not None and have:
            parts.append(_part(suffix, column, cells, have, deadlines[chunk], now))
        if have < size:
            parts.append(pa.nulls(size - have, kind))
    return pa.chunked_array(parts, kind)


def _type_of(suffix: str, column: Column) -> pa.DataType:
    if suffix in ("__time", "__changed"):
        return _MOMENT
    if suffix == "__quality":
        return pa.dictionary(pa.int8(), pa.string())
    if suffix == "__fresh" or column.ref.property.kind is Kind.BOOLEAN:
        return pa.bool_()
    return {Form.NUMBER: pa.float64(), Form.INTEGER: pa.int64(), Form.ARRAY: pa.list_(pa.float64())}.get(
        column.ref.form, pa.string()
    )


def _part(
    suffix: str, column: Column, cells: Cells, size: int, deadline: NDArray[np.int64] | None, now: int
) -> pa.Array:
    never = cells.position[:size] == 0
    if suffix == "__fresh":
        assert deadline is not None
        return pa.array(deadline[:size] > now, mask=never)
    if suffix == "__quality":
        codes = pa.array(cells.quality[:size].astype(np.int8), mask=never)
        return pa.DictionaryArray.from_arrays(codes, _QUALITIES)
    if suffix:
        return pa.array((cells.time if suffix == "__time" else cells.changed)[:size], mask=never).cast(_MOMENT)
    value, gone = cells.value[:size], cells.quality[:size] == Quality.UNAVAILABLE
    if column.condition:
        return pa.array([_text_of(one, g) for one, g in zip(value, gone, strict=True)], pa.string())
    if column.ref.form is Form.ARRAY:
        return pa.array([None if g else one for one, g in zip(value, gone, strict=True)], pa.list_(pa.float64()))
    if column.ref.form is Form.TEXT:
        return pa.array(value, pa.string(), mask=gone)
    found = pa.array(value, mask=gone)
    return found.cast(pa.bool_()) if column.ref.property.kind is Kind.BOOLEAN else found


def _text_of(value: Conditions | None, gone: bool) -> str | None:
    return None if value is None or gone else msgspec.json.encode(value.active()).decode()


def _masked(columns: dict[str, Any], held: _Held, projection: Projection) -> pa.Table:
    """The table, with nulls where a property may be seen of other twins only."""
    for called, (column, _) in held.chunks.items():
        only = (projection.properties or {}).get(column.ref.property.name)
        if only is None:
            continue
        seen = pa.array(np.isin(held.numbers, only))
        for name in (f"{called}{suffix}" for suffix in _SUFFIXES):
            if name in columns:
                columns[name] = pc.if_else(seen, columns[name], pa.scalar(None, columns[name].type))
    return pa.table(columns)


def _visible(table: pa.Table, held: _Held, projection: Projection) -> pa.Table:
    seen = held.numbers > 0
    if len(held.retired):
        seen &= ~np.isin(held.numbers, held.retired)
    if projection.twins is not None:
        seen &= np.isin(held.numbers, projection.twins)
    return table if seen.all() else table.filter(pa.array(seen))
