"""Texts, enumerations, booleans and conditions over an interval: what was so from when to when."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gemel.errors import InvalidQuery
from gemel.history.conditions import conditions_at, followed
from gemel.history.coverage import Coverage, holds
from gemel.history.dropped import dropped_spans, merged
from gemel.history.points import Past, Points
from gemel.history.rows import Rows
from gemel.history.series import Method, Series, within_of
from gemel.history.subject import decode
from gemel.state.condition import Conditions
from gemel.twin import Kind, Quality

__all__ = ["states_of"]

_LIMIT = 200_000


def states_of(past: Past, start: int, end: int, *, now: int, limit: int | None = None) -> Series:
    """Intervals [start, end) of equal value, by rising start; equal neighbours are one interval.

    With `limit`, short intervals give way: of each bucket of (end - start) / limit the value that held longest is
    told, and `resolution_s` says the bucket's width. Raises InvalidQuery for more than 200,000 intervals.
    """
    property = past.subject.property
    known_end = min(end, max(now, start))
    within = within_of(property)
    coverage = Coverage(start, known_end, within)
    before, chunks = past.read(start, end)
    coverage.add_points(before)
    parts = [before]
    dropped = dropped_spans(past, start, end)
    for chunk in chunks:
        coverage.add_points(chunk)
        parts.append(chunk)
    points = Points.of(Rows.concat(past.form, [part.rows for part in parts]))
    if property.kind is Kind.CONDITION:
        points = _active(past, points)
    begin, stop = holds(points, known_end, within)
    begin, stop = np.maximum(begin, start), np.minimum(stop, known_end)
    keep = begin < stop
    begin, stop, value = begin[keep], stop[keep], points.value.filter(pa.array(keep))
    first = _firsts(begin, stop, value)
    starts = begin[first]
    ends = stop[np.append(first[1:] - 1, len(stop) - 1)] if len(first) else stop
    value = value.take(pa.array(first))
    width = 0
    if limit is not None and len(starts) > limit:
        width = max(1, -(-(end - start) // limit))
        starts, ends, value = _longest(starts, ends, value, start, width)
    if len(starts) > _LIMIT:
        raise InvalidQuery(f"{property.name} changed more than {_LIMIT:,} times; ask for points, or a shorter range")
    values: list[Any] = [decode(v, property.kind) for v in value.to_pylist()]
    return Series(
        twin=past.subject.twin,
        property=property.name,
        kind=property.kind,
        unit=property.unit,
        method=Method.STATES,
        start=start,
        end=end,
        position=past.view.position,
        resolution_s=width / 1e6,
        columns={"start": starts, "end": ends, "value": values},
        gaps=merged([*coverage.gaps(width), *dropped]),
        dropped=dropped,
    )


def _active(past: Past, points: Points) -> Points:
    """Updates of a condition as the lists that were active after each, in JSON; null while that is not known."""
    if len(points) == 0:
        return points
    rows = points.rows
    series = past.subject.sources[0].series
    first = int(rows.time[0]), int(rows.position[0])
    states = conditions_at(past.reader, past.view, np.array([series], np.int64), first)
    updates = zip(rows.time.tolist(), rows.position.tolist(), rows.value.to_pylist(), strict=True)
    lists = followed(states.get(series, Conditions()), updates)
    told = [None if one is None else msgspec.json.encode(one).decode() for one in lists]
    quality = np.array([Quality.UNAVAILABLE if one is None else Quality.GOOD for one in lists], np.uint8)
    return Points.in_order(dataclasses.replace(rows, value=pa.array(told, rows.value.type), quality=quality))


def _firsts(begin: np.ndarray[Any, Any], stop: np.ndarray[Any, Any], value: pa.Array) -> np.ndarray[Any, Any]:
    """Where a run of touching intervals with equal value begins."""
    if len(begin) == 0:
        return np.zeros(0, np.int64)
    if len(begin) == 1:
        return np.zeros(1, np.int64)
    if pa.types.is_large_list(value.type):
        listed = value.to_pylist()
        same = np.array([a == b for a, b in pairwise(listed)])
    else:
        same = pc.equal(value[1:], value[:-1]).to_numpy(zero_copy_only=False).astype(np.bool_)
    changed = ~same | (begin[1:] > stop[:-1])
    return np.append(0, np.flatnonzero(changed) + 1)


def _longest(
    starts: np.ndarray[Any, Any], ends: np.ndarray[Any, Any], value: pa.Array, origin: int, width: int
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], pa.Array]:
    """Of the intervals that begin in one bucket only the longest, drawn out to the next that is told."""
    bucket = (starts - origin) // width
    order = np.lexsort((starts - ends, bucket))
    picked = order[np.append(True, bucket[order][1:] != bucket[order][:-1])]
    picked.sort()
    value = value.take(pa.array(picked))
    # An interval grows over the short ones that gave way, never over a gap longer than a bucket.
    starts, ends = starts[picked], ends[picked]
    following = np.append(starts[1:], ends[-1:])
    ends = np.where(following - ends < width, np.maximum(ends, following), ends)
    return starts, ends, value
