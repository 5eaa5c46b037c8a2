"""The time-weighted average: each value counts for as long as it held; gaps do not count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gemel.errors import InvalidQuery
from gemel.history.coverage import holds
from gemel.history.dropped import dropped_spans, kept_spans
from gemel.history.points import Past, Points
from gemel.history.rows import Rows
from gemel.history.series import within_of
from gemel.twin import Form
from gemel.units import affine

__all__ = ["Average", "average_of"]


@dataclass(frozen=True, slots=True)
class Average:
    """∫ value dt over the time in which it was known, divided by that time."""

    value: float | None
    """None when no value was known in the interval."""
    unit: str
    covered_s: float
    """For so many seconds of the interval a value was known; days whose readings were dropped are left out."""
    position: int


def average_of(past: Past, start: int, end: int, *, now: int, unit: str = "") -> Average:
    """Of a number, integer or boolean in [start, end), as a step function. Raises InvalidQuery, InvalidUnit."""
    property = past.subject.property
    if past.form not in (Form.NUMBER, Form.INTEGER):
        raise InvalidQuery(f"{property.name} is a {property.kind}; only numbers have an average")
    if end <= start:
        raise InvalidQuery("the range ends before it begins; give start < end")
    known_end = min(end, max(now, start))
    within = within_of(property)
    weighted, covered = 0.0, 0
    for low, high in kept_spans(start, known_end, dropped_spans(past, start, known_end)):
        held, chunks = past.read(low, high)
        for chunk in chunks:
            joined = Points.of(Rows.concat(past.form, [held.rows, chunk.rows]))
            last = len(joined) - 1
            area, length = _area(joined, int(joined.time[last]), within, low)
            weighted, covered = weighted + area, covered + length
            held = Points.of(joined.rows.take(np.array([last])))
        area, length = _area(held, high, within, low)
        weighted, covered = weighted + area, covered + length
    value = weighted / covered if covered else None
    if value is not None and unit and unit != property.unit:
        factor, offset = affine(property.unit or "1", unit)
        value = value * factor + offset
    return Average(value, unit or property.unit, covered / 1e6, past.view.position)


def _area(points: Points, after: int, within: int | None, start: int) -> tuple[float, int]:
    """(∫ value dt in µs, covered µs) of points whose last holds until `after`."""
    if len(points) == 0:
        return 0.0, 0
    begin, stop = holds(points, after, within)
    length = np.maximum(0, np.minimum(stop, after) - np.maximum(begin, start))
    values = np.where(points.good, points.rows.numbers(), 0.0)
    return float(np.dot(values, length)), int(length.sum())
