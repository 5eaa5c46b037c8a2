"""Which part of a range has no readings any more, because they were dropped for their age."""

from __future__ import annotations

from collections.abc import Iterable

from gemel.history.derived import DAY, Grain
from gemel.history.forgotten import PROPERTY_MASK
from gemel.history.points import Past
from gemel.history.tables import READINGS

__all__ = ["coarsest", "dropped_spans", "kept_spans", "merged"]


def dropped_spans(past: Past, start: int, end: int) -> list[tuple[int, int]]:
    """The days in [start, end), joined, of which readings of this property were dropped and none are left."""
    days: set[int] = set()
    for source in past.subject.sources:
        table = past.view.table(READINGS[source.form])
        number = source.series & PROPERTY_MASK
        days.update(
            day for day, gone in table.forgotten.days.items() if number in gone and day < end and day + DAY > start
        )
    listed = sorted(days)
    if listed and len(past.points(listed[0], listed[0] + DAY)):  # it is held: its readings were left
        return []
    return merged([(max(day, start), min(day + DAY, end)) for day in listed])


def coarsest(past: Past, spans: Iterable[tuple[int, int]]) -> Grain | None:
    """The finest sums that there are for all of the dropped spans; None without any."""
    found: Grain | None = None
    for start, end in spans:
        for source in past.subject.sources:
            minutes = past.view.derived.rollups.get((source.form, Grain.MINUTE), {})
            gone = past.view.table(READINGS[source.form]).forgotten.days
            for day in range(start // DAY * DAY, end, DAY):
                if day in gone and day not in minutes:
                    return Grain.HOUR
        found = Grain.MINUTE
    return found


def merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The union of intervals, by rising start."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def kept_spans(start: int, end: int, dropped: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """[start, end) without the dropped spans, which are by rising start."""
    found = []
    for low, high in dropped:
        if start < low:
            found.append((start, low))
        start = max(start, high)
    return [*found, (start, end)] if start < end else found
