"""One property over an interval as what held from when to when; what is bad, stale or missing holds nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np
import pyarrow as pa

from gemel.access import View
from gemel.errors import InvalidQuery
from gemel.history import EventQuery, Series
from gemel.services.effectiveness.course import Floats, Ints
from gemel.twin import Kind, Quality

__all__ = ["Signal", "Stale", "chunked", "readings", "signal"]

_LEVELS = {"normal": 0, "warning": 1, "fault": 2}
_FINEST = 60_000_000
_TURNS = ("freshness.lost", "freshness.regained")
T = TypeVar("T")


class Signal(NamedTuple):
    """Ascending and apart: value[i] held in [start[i], end[i])."""

    start: Ints
    end: Ints
    value: pa.Array

    @classmethod
    def nothing(cls, form: pa.DataType) -> Signal:
        none = np.zeros(0, np.int64)
        return cls(none, none, pa.nulls(0, form))

    def at(self, moments: Ints) -> pa.Array:
        """n values; null where nothing held."""
        if not len(self.start):
            return pa.nulls(len(moments), self.value.type)
        place = np.searchsorted(self.start, moments, "right") - 1
        held = (place >= 0) & (moments < self.end[np.maximum(place, 0)])
        return self.value.take(pa.array(place, pa.int64(), mask=~held))

    def without(self, gaps: list[tuple[int, int]]) -> Signal:
        """The same, but nothing held within these."""
        for start, end in gaps:
            meets = (self.start < end) & (self.end > start)
            if not meets.any():
                continue
            low = np.where(meets, np.minimum(self.end, start), self.end)
            high_start = np.maximum(self.start[meets], end)
            starts = np.concatenate([self.start, high_start])
            ends = np.concatenate([np.maximum(low, self.start), self.end[meets]])
            order = np.argsort(starts, kind="stable")
            keep = starts[order] < ends[order]
            rows = np.concatenate([np.arange(len(self.start)), np.flatnonzero(meets)])[order][keep]
            self = Signal(starts[order][keep], ends[order][keep], self.value.take(pa.array(rows)))
        return self


class Stale:
    """When what a source last told of twins was not to be believed any more: it was lost, and journaled so."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._turns: dict[tuple[str, int, int], list[tuple[int, bool, frozenset[str]]]] = {}

    def of(self, twin: str, name: str, span: tuple[int, int], told: Callable[[], Ints]) -> list[tuple[int, int]]:
        """[from, to) within the span; each ends with the next reading (`told`: when they came) or once regained."""
        turns = [(time, lost) for time, lost, names in self._of_twin(twin, *span) if name in names]
        found = []
        for i, (time, lost) in enumerate(turns):
            if not lost:
                continue
            until = next((moment for moment, still in turns[i + 1 :] if not still), span[1])
            came = told()
            after = came[np.searchsorted(came, time, "right") :]
            until = min(until, int(after[0])) if len(after) else until
            if until > span[0] and time < span[1]:
                found.append((max(time, span[0]), min(until, span[1])))
        return found

    def _of_twin(self, twin: str, start: int, end: int) -> list[tuple[int, bool, frozenset[str]]]:
        key = (twin, start, end)
        if key not in self._turns:
            known = EventQuery(twins=(twin,), kinds=_TURNS, limit=1000)
            before = self._view.events(msgspec.structs.replace(known, end=start)).items[::-1]
            facts = list(before)
            cursor: str | None = ""
            while cursor is not None:
                asked = msgspec.structs.replace(known, start=start, end=end, newest_first=False, cursor=cursor)
                page = self._view.events(asked)
                facts += page.items
                cursor = page.next
            self._turns[key] = [
                (one.change.time, one.change.kind == _TURNS[0], frozenset(one.change.body.get("properties", ())))
                for one in facts
            ]
        return self._turns[key]


def signal(view: View, stale: Stale, twin: str, name: str, kind: Kind, span: tuple[int, int]) -> Signal:
    """A property in [start, end), as an expression reads it. Raises InvalidQuery (too much at once), Denied."""
    start, end = span
    raw = cache(lambda: view.range(twin, name, start, end, method="raw"))
    if kind in (Kind.NUMBER, Kind.INTEGER):
        found = _of_numbers(raw(), end)
    else:
        series = view.range(twin, name, start, end)
        values: Any = series.columns["value"]
        if kind is Kind.CONDITION:
            values = [
                max((e["level"] for e in one), key=lambda x: _LEVELS.get(x, 0), default="normal") for one in values
            ]
        form = pa.bool_() if kind is Kind.BOOLEAN else pa.string()
        begin, stop = (np.asarray(series.columns[side], np.int64) for side in ("start", "end"))
        found = Signal(begin, stop, pa.array(list(values), form))
    # States that are alike are one, however often they were told: when, only the readings themselves say.
    return found.without(stale.of(twin, name, span, lambda: np.asarray(raw().columns["time"], np.int64)))


def _of_numbers(series: Series, end: int) -> Signal:
    time, value = readings(series)
    if series.before is not None:
        time, value = np.append(np.int64(series.start), time), np.append(float(series.before[1]), value)
    until = np.append(time[1:], end)
    gaps = np.array(sorted(one for one, _ in series.gaps), np.int64)
    place = np.searchsorted(gaps, time, "left")
    cut = np.append(gaps, np.iinfo(np.int64).max)[place]
    known = ~np.isnan(value)
    return Signal(time[known], np.minimum(until, cut)[known], pa.array(value[known], pa.float64()))


def readings(series: Series) -> tuple[Ints, Floats]:
    """(time, value) of a raw series of numbers; NaN where bad or missing."""
    column = series.columns["value"]
    array = (
        column.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
        if isinstance(column, pa.Array)
        else np.asarray(column, np.float64)
    )
    bad = np.asarray(series.columns["quality"]) > Quality.UNCERTAIN
    return np.asarray(series.columns["time"], np.int64), np.where(bad, np.nan, array)


def chunked(ask: Callable[[int, int], T], start: int, end: int) -> list[T]:
    """What `ask` answers of [start, end), in as few pieces as it takes to be answered."""
    try:
        return [ask(start, end)]
    except InvalidQuery:
        if end - start <= _FINEST:
            raise
    half = start + (end - start) // 2
    return [*chunked(ask, start, half), *chunked(ask, half, end)]
