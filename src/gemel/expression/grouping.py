"""Aggregates over the parts of each twin. Unknown parts make the whole unknown, where they could change it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gemel.errors import InvalidExpression
from gemel.expression.compiled import Compiled, Parts, Rows
from gemel.expression.quantity import Kind

__all__ = ["LEVELS", "aggregated"]

LEVELS = ("normal", "warning", "fault")
"""Of a condition, the best first."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Over:
    """What an aggregate goes over: those parts of a set that have all the properties it names."""

    members: str
    names: frozenset[str]

    def parts(self, rows: Rows) -> Parts:
        parts = rows.parts[self.members]
        for name in self.names:
            if (column := f"has {name}") in parts.table.column_names:
                parts = _where(parts, parts.table.column(column))
        return parts


_Group = Callable[[NDArray[np.int64], int, Sequence[Any]], Any]


def aggregated(name: str, over: Over, arguments: Sequence[Compiled], condition: Compiled | None, at: int) -> Compiled:
    """The aggregate over parts; arguments and condition are compiled for the rows of the parts."""
    kind, measure = Kind.NUMBER, arguments[0].measure if arguments else None
    if name in ("bool_and", "bool_or"):
        arguments[0].need(Kind.BOOLEAN, name)
        kind, measure = Kind.BOOLEAN, None
    elif name == "worst":
        arguments[0].need(Kind.TEXT, name)
        kind = Kind.TEXT
    elif name != "count":
        for one in arguments:
            one.need(Kind.NUMBER, name)
    if name == "count":
        measure = None
    if name == "sum" and measure is not None and measure.is_scale:
        raise InvalidExpression(
            f"readings in {measure.code} have no sum; avg, min, max have a meaning", position=arguments[0].at
        )
    if condition is not None:
        condition.need(Kind.BOOLEAN, "FILTER")
    group = _GROUPS[name]

    def run(rows: Rows) -> Any:
        chosen = over.parts(rows)
        if condition is not None:
            chosen = _where(chosen, condition.run(Rows(chosen.table)))
        within = Rows(chosen.table)
        values = [_long(one.run(within), chosen.table.num_rows) for one in arguments]
        return group(chosen.whole, rows.count, values)

    return Compiled(kind, at, run, measure)


def _where(parts: Parts, condition: Any) -> Parts:
    kept = pc.fill_null(_long(condition, parts.table.num_rows), False)
    kept = kept.combine_chunks() if isinstance(kept, pa.ChunkedArray) else kept
    return replace(parts, whole=parts.whole[kept.to_numpy(zero_copy_only=False)], table=parts.table.filter(kept))


def _long(values: Any, count: int) -> Any:
    if isinstance(values, pa.Scalar):
        return pa.repeat(values, count)
    return values


def _floats(values: Any) -> _Floats:
    """float64[m], NaN where unknown."""
    found: _Floats = pc.fill_null(pc.cast(values, pa.float64()), np.nan).to_numpy(zero_copy_only=False)
    return found


def _told(values: _Floats) -> pa.Array:
    return pa.array(values, mask=~np.isfinite(values))


def _totals(whole: NDArray[np.int64], n: int, values: _Floats) -> _Floats:
    return np.bincount(whole, weights=values, minlength=n).astype(np.float64)


def _numbers_of(whole: NDArray[np.int64], n: int) -> _Floats:
    return np.bincount(whole, minlength=n).astype(np.float64)


def _sum(whole: NDArray[np.int64], n: int, values: Sequence[Any]) -> Any:
    return _told(_totals(whole, n, _floats(values[0])))


def _avg(whole: NDArray[np.int64], n: int, values: Sequence[Any]) -> Any:
    with np.errstate(all="ignore"):
        return _told(_totals(whole, n, _floats(values[0])) / _numbers_of(whole, n))


def _weighted(whole: NDArray[np.int64], n: int, values: Sequence[Any]) -> Any:
    value, weight = map(_floats, values)
    with np.errstate(all="ignore"):
        return _told(_totals(whole, n, value * weight) / _totals(whole, n, weight))


def _count(whole: NDArray[np.int64], n: int, values: Sequence[Any]) -> Any:
    if values:
        known = pc.is_valid(values[0]).to_numpy(zero_copy_only=False)
        whole = whole[known]
    return pa.array(_numbers_of(whole, n))


def _extreme(choose: Any, start: float) -> _Group:
    def group(whole: NDArray[np.int64], n: int, values: Sequence[Any]) -> Any:
        found = np.full(n, start)
        with np.errstate(invalid="ignore"):  # NaN stays
            choose.at(found, whole, _floats(values[0]))
        return _told(found)

    return group


def _any(whole: NDArray[np.int64], n: int, values: _Floats) -> _Floats:
    """Of 0, 1 and NaN: 1 if any is 1, else NaN if any is NaN."""
    found = np.zeros(n)
    np.maximum.at(found, whole, np.where(np.isnan(values), 0.5, values))
    return np.where(found == 0.5, np.nan, found)


def _bool_or(whole: NDArray[np.int64], n: int, values: Sequence[Any]) -> Any:
    return pc.cast(_told(_any(whole, n, _floats(values[0]))), pa.bool_())


def _bool_and(whole: NDArray[np.int64], n: int, values: Sequence[Any]) -> Any:
    return pc.cast(_told(1.0 - _any(whole, n, 1.0 - _floats(values[0]))), pa.bool_())


def _worst(whole: NDArray[np.int64], n: int, values: Sequence[Any]) -> Any:
    """fault if any is one; else unknown if any is unknown or no level; else the worst; unknown without parts."""
    found = pc.index_in(values[0], pa.array(LEVELS))
    rank = pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    top, lowest = np.full(n, -1), np.full(n, len(LEVELS))
    np.maximum.at(top, whole, rank)
    np.minimum.at(lowest, whole, rank)
    known = (lowest >= 0) | (top == len(LEVELS) - 1)
    codes = pa.array(top, mask=~known | (top < 0))
    return pa.array(LEVELS).take(codes)


_GROUPS: dict[str, _Group] = {
    "sum": _sum,
    "avg": _avg,
    "weighted_avg": _weighted,
    "count": _count,
    "min": _extreme(np.minimum, np.inf),
    "max": _extreme(np.maximum, -np.inf),
    "bool_or": _bool_or,
    "bool_and": _bool_and,
    "worst": _worst,
}
