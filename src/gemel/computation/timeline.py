"""One series over an interval, as the computation would have seen it at each moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemel.history import EventQuery, History
from gemel.state import Readout
from gemel.twin import Kind, PropertyType, Quality

__all__ = ["Timeline", "timeline"]

_Ints = NDArray[np.int64]
_LEVELS = {"normal": 0, "warning": 1, "fault": 2}


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """What held from each of k moments on; ascending, the last one of equal moments counts."""

    time: _Ints
    number: NDArray[np.float64]
    text: NDArray[np.object_]
    quality: NDArray[np.uint8]
    stale: tuple[tuple[int, int], ...] = ()
    """[from, to) in which it was stale."""

    def moments(self, start: int, end: int) -> _Ints:
        """When it changed in [start, end)."""
        edges = np.array([edge for span in self.stale for edge in span], np.int64)
        every = np.concatenate([self.time, edges])
        return np.unique(every[(every >= start) & (every < end)])

    def put(self, into: Readout, to: _Ints, moments: _Ints) -> None:
        """Its cells at these moments."""
        at = np.searchsorted(self.time, moments, "right") - 1
        there = at >= 0
        at, to, moments = at[there], to[there], moments[there]
        into.number[to], into.text[to] = self.number[at], self.text[at]
        into.quality[to], into.time[to] = self.quality[at], self.time[at]
        into.position[to] = 1
        for start, end in self.stale:
            inside = (moments >= start) & (moments < end)
            into.stale_since[to[inside]] = max(1, start)


def timeline(history: History, twin: str, property_: PropertyType, start: int, end: int) -> Timeline:
    """Of one property in [start, end), with what held before."""
    if property_.kind is Kind.CONDITION:
        found = _of_condition(history, twin, property_, start, end)
    else:
        rows = history.readings(twin, property_.name, start, end)
        gone = rows.quality == Quality.UNAVAILABLE
        number, text = np.full(len(rows), np.nan), np.full(len(rows), None, np.object_)
        if pa.types.is_floating(rows.value.type) or pa.types.is_integer(rows.value.type):
            number = np.where(gone, np.nan, rows.value.cast(pa.float64()).fill_null(np.nan).to_numpy())
        else:
            text[:] = rows.value.to_pylist()
        found = Timeline(rows.time, number, text, rows.quality.astype(np.uint8))
    return _with_staleness(history, twin, property_, found, (start, end))


def _of_condition(history: History, twin: str, property_: PropertyType, start: int, end: int) -> Timeline:
    columns: dict[str, Any] = history.range(twin, property_.name, start, end).columns
    levels = [max((e["level"] for e in v), key=lambda x: _LEVELS.get(x, 0), default="normal") for v in columns["value"]]
    text = np.array([*levels, None], np.object_)[:-1]
    time = np.asarray(columns["start"], np.int64)
    return Timeline(time, np.full(len(time), np.nan), text, np.zeros(len(time), np.uint8))


def _with_staleness(
    history: History, twin: str, property_: PropertyType, found: Timeline, span: tuple[int, int]
) -> Timeline:
    """Freshness was journaled when it turned: from `lost` until the next reading, or until it was regained."""
    turns: list[tuple[int, bool]] = []
    query = EventQuery(
        twins=(twin,), kinds=("freshness.lost", "freshness.regained"), end=span[1], newest_first=False, limit=10_000
    )
    while True:
        page = history.events(query)
        turns += [
            (fact.change.time, fact.change.kind == "freshness.lost")
            for fact in page.items
            if property_.name in fact.change.body.get("properties", ())
        ]
        if page.next is None:
            break
        query = EventQuery(
            twins=query.twins, kinds=query.kinds, end=query.end, newest_first=False, limit=10_000, cursor=page.next
        )
    stale: list[tuple[int, int]] = []
    for i, (time, lost) in enumerate(turns):
        if not lost:
            continue
        until = next((moment for moment, still in turns[i + 1 :] if not still), span[1])
        after = found.time[np.searchsorted(found.time, time, "right") :]
        until = min(until, int(after[0])) if len(after) else until
        if until > span[0]:
            stale.append((time, until))
    return Timeline(found.time, found.number, found.text, found.quality, tuple(stale))
