"""Which part of a range its roll-ups can tell as truly as the readings themselves."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from gemel.history import rollups
from gemel.history.buckets import Buckets
from gemel.history.derived import DAY, Grain, Rollup
from gemel.history.points import Past
from gemel.history.reader import Wanted, tail_rows
from gemel.history.subject import Source
from gemel.history.tables import READINGS
from gemel.twin import Conversion, Form
from gemel.units import affine

__all__ = ["rolled"]

_DTYPES = {Form.NUMBER: np.float64, Form.INTEGER: np.int64}


def rolled(past: Past, grain: Grain, low: int, high: int) -> Iterator[tuple[int, int, Buckets]]:
    """(start, end, buckets) of the runs of days in [low, high) that roll-ups cover, in order; both are multiples of
    the grain's width. Days with late data in the tail, or newer files than their roll-up, are left to the readings."""
    if high <= low or not all(_linear(source, past) for source in past.subject.sources):
        return
    open_days = _tail_days(past, low, high)
    run: list[int] = []
    for day in range(low // DAY * DAY, high, DAY):
        if day not in open_days and all(_covered(past, source, grain, day) for source in past.subject.sources):
            run.append(day)
            continue
        yield from _of_run(past, grain, run, low, high)
        run = []
    yield from _of_run(past, grain, run, low, high)


def _linear(source: Source, past: Past) -> bool:
    """Whether sums of converted values are converted sums."""
    if source.form not in rollups.FORMS:
        return False
    if source.form not in rollups.FORMS:
        return False
    steps = _steps(source, past)
    kinds = [*(step.kind for step in steps[1:]), past.subject.property.kind] if steps else []
    return all(step.how in ("unit", "cast") for step in steps) and all(kind.form is Form.NUMBER for kind in kinds)


def _steps(source: Source, past: Past) -> list[Conversion]:
    """How the values of a source become today's, generation by generation."""
    if source.conversion is None:
        return []
    first = source.conversion.generation
    return sorted((c for c in past.subject.property.earlier if c.generation >= first), key=lambda c: c.generation)


def _tail_days(past: Past, low: int, high: int) -> set[int]:
    days: set[int] = set()
    for source in past.subject.sources:
        rows = tail_rows(past.view, source.form, Wanted(np.array([source.series], np.int64), low, high))
        days.update(np.unique(rows.time // DAY * DAY).tolist())
    return days


def _rollup(past: Past, source: Source, grain: Grain, day: int) -> Rollup | None:
    return past.view.derived.rollups.get((source.form, grain), {}).get(day)


def _covered(past: Past, source: Source, grain: Grain, day: int) -> bool:
    rows = past.view.table(READINGS[source.form]).day_rows.get(day)
    if rows is None:
        return True  # an empty day needs no roll-up
    rollup = _rollup(past, source, grain, day)
    return rollup is not None and rollup.rows == rows


def _of_run(past: Past, grain: Grain, days: list[int], low: int, high: int) -> Iterator[tuple[int, int, Buckets]]:
    if not days:
        return
    start, end = max(low, days[0]), min(high, days[-1] + DAY)
    found = []
    for source in past.subject.sources:
        files = [rollup for day in days if (rollup := _rollup(past, source, grain, day)) is not None]
        buckets = rollups.read(past.reader, source.form, files, source.series, (start, end))
        if len(buckets):
            found.append(_told(buckets, source, past))
    if len(found) > 1:  # two generations at once: only the readings can say which came first
        return
    yield start, end, found[0] if found else Buckets.empty(_DTYPES[past.form])


def _told(buckets: Buckets, source: Source, past: Past) -> Buckets:
    units = [*(step.unit for step in _steps(source, past)), past.subject.property.unit]
    for unit, next_ in pairwise(units):
        if unit and next_ and unit != next_:
            buckets = buckets.scaled(*affine(unit, next_))
    return buckets
