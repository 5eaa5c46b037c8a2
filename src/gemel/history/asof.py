"""What was so at a past instant: the newest reading of each property at or before it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from gemel.history.keyframes import keyframe_before
from gemel.history.published import View
from gemel.history.reader import Reader, Wanted
from gemel.history.rows import Rows
from gemel.history.subject import Source, Subject, converted, decode
from gemel.twin import Form, Quality, Reading

__all__ = ["latest_rows", "readings_at"]


def latest_rows(reader: Reader, view: View, form: Form, series: NDArray[np.int64], at: int) -> Rows:
    """The newest row of each series with time ≤ `at`; series without one are left out."""
    keyframe = keyframe_before(view, form, at)
    if keyframe is None or len(series) == 0:
        return reader.rows(view, form, Wanted(series, end=at + 1), newest=True)
    parts = [
        reader.of_files([reader.folder / keyframe.path], form, Wanted(series)),
        reader.rows(view, form, Wanted(series, keyframe.hour, at + 1), newest=True),
        # What came late for the keyframe; the tail is late for every keyframe.
        reader.rows(view, form, Wanted(series, None, keyframe.hour, after_position=keyframe.position), newest=True),
    ]
    return Rows.concat(form, parts).latest()


def readings_at(reader: Reader, view: View, subjects: Sequence[Subject], at: int) -> list[Reading | None]:
    """For each subject its reading in force at `at`, or None if it had none yet."""
    found: dict[int, tuple[Rows, int]] = {}
    for form in Form:
        series = _series(subject.sources for subject in subjects)[form]
        if len(series) == 0:
            continue
        rows = latest_rows(reader, view, form, series, at)
        for i, number in enumerate(rows.series.tolist()):
            found[number] = (rows, i)
    return [_reading(subject, found) for subject in subjects]


def _series(groups: Iterable[Sequence[Source]]) -> dict[Form, NDArray[np.int64]]:
    by_form: dict[Form, list[int]] = {form: [] for form in Form}
    for sources in groups:
        for source in sources:
            by_form[source.form].append(source.series)
    return {form: np.unique(np.array(numbers, np.int64)) for form, numbers in by_form.items()}


def _reading(subject: Subject, found: dict[int, tuple[Rows, int]]) -> Reading | None:
    newest: tuple[tuple[int, int], Source] | None = None
    for source in subject.sources:
        held = found.get(source.series)
        if held is not None:
            rows, i = held
            key = (int(rows.time[i]), int(rows.position[i]))
            if newest is None or key > newest[0]:
                newest = (key, source)
    if newest is None:
        return None
    source = newest[1]
    rows, i = found[source.series]
    if source.conversion is not None:
        rows, i = converted(rows.take(np.array([i])), source, subject.property), 0
    return Reading(
        twin=subject.twin,
        property=subject.property.name,
        value=decode(rows.value[i].as_py(), subject.property.kind),
        time=int(rows.time[i]),
        recorded=int(rows.recorded[i]),
        quality=Quality(int(rows.quality[i])),
        position=int(rows.position[i]),
    )
