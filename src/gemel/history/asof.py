"""What was so at a past instant: the newest reading of each property at or before it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gemel.history.conditions import conditions_at
from gemel.history.keyframes import keyframe_before
from gemel.history.published import View
from gemel.history.reader import Reader, Wanted
from gemel.history.rows import Rows
from gemel.history.subject import Source, Subject, convert_value, decode
from gemel.twin import Form, Kind, Quality, Reading

__all__ = ["latest_rows", "readings_at"]


def latest_rows(reader: Reader, view: View, form: Form, series: NDArray[np.int64], at: int) -> Rows:
    """The newest row of each series with time ≤ `at`; series without one are left out."""
    keyframe = keyframe_before(view, form, at)
    if keyframe is None or len(series) == 0:
        return reader.rows(view, form, Wanted(series, end=at + 1), newest=True)
    parts = [
        reader.of_files([keyframe.path], form, Wanted(series)),
        reader.rows(view, form, Wanted(series, keyframe.hour, at + 1), newest=True),
        # What came late for the keyframe; the tail is late for every keyframe.
        reader.rows(view, form, Wanted(series, None, keyframe.hour, after_position=keyframe.position), newest=True),
    ]
    return Rows.concat(form, parts).latest()


def readings_at(reader: Reader, view: View, subjects: Sequence[Subject], at: int) -> list[Reading | None]:
    """For each subject its reading in force at `at`, or None if it had none yet."""
    found: dict[int, _Held] = {}
    for form, series in _series(subject.sources for subject in subjects).items():
        rows = latest_rows(reader, view, form, series, at)
        columns = rows.time.tolist(), rows.position.tolist(), rows.recorded.tolist(), rows.quality.tolist()
        held = zip(*columns, rows.value.to_pylist(), strict=True)
        found.update(zip(rows.series.tolist(), held, strict=True))
    return _folded(reader, view, [_reading(subject, found) for subject in subjects], subjects, at)


def _folded(
    reader: Reader, view: View, told: list[Reading | None], subjects: Sequence[Subject], at: int
) -> list[Reading | None]:
    """Conditions as the list that was active, not as their last update."""
    series = {
        place: subject.sources[0].series
        for place, subject in enumerate(subjects)
        if subject.property.kind is Kind.CONDITION and told[place] is not None
    }
    if not series:
        return told
    states = conditions_at(reader, view, np.unique(np.array([*series.values()], np.int64)), (at + 1, 0))
    for place, number in series.items():
        if number in states:
            state = states[number]
            quality = Quality.UNAVAILABLE if state.unavailable else Quality.GOOD
            said = {"value": state.active(), "quality": quality}
            told[place] = msgspec.structs.replace(told[place], **said)  # type: ignore[type-var]  # not None, see above
    return told


_Held = tuple[int, int, int, int, Any]
"""time, position, recorded, quality, value"""
_QUALITIES = tuple(Quality)


def _series(groups: Iterable[Sequence[Source]]) -> dict[Form, NDArray[np.int64]]:
    by_form: dict[Form, list[int]] = {form: [] for form in Form}
    for sources in groups:
        for source in sources:
            by_form[source.form].append(source.series)
    return {form: np.unique(np.array(numbers, np.int64)) for form, numbers in by_form.items() if numbers}


def _reading(subject: Subject, found: dict[int, _Held]) -> Reading | None:
    source = subject.sources[0]
    held = found.get(source.series)
    for other in subject.sources[1:]:
        one = found.get(other.series)
        if one is not None and (held is None or one[:2] > held[:2]):
            source, held = other, one
    if held is None:
        return None
    time, position, recorded, quality, value = held
    property = subject.ref.property
    if source.conversion is not None:
        value = convert_value(value, source.conversion, property)
        quality = Quality.UNAVAILABLE if value is None else quality
    return Reading(
        twin=subject.twin,
        property=property.name,
        value=value if property.kind is Kind.NUMBER else decode(value, property.kind),
        time=time,
        recorded=recorded,
        quality=_QUALITIES[quality],
        position=position,
    )
