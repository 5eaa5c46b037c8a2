"""How far a simplified property is from the detailed one on the same inputs."""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemel.errors import GemelError, InvalidInput, InvalidQuery, UnknownProperty, UnknownTwin
from gemel.history import History
from gemel.registry import Directory
from gemel.twin import Form, PropertyType, Quality
from gemel.units import affine

__all__ = ["Deviation", "deviation"]

_Floats = NDArray[np.float64]


class Deviation(msgspec.Struct, frozen=True, kw_only=True):
    """Of `simple` from `detailed` in [start, end): simple - detailed, in the detailed one's unit.

    Each value holds until the next; a difference counts for as long as it held (time-weighted).
    """

    twin: str
    simple: str
    detailed: str
    unit: str
    start: int
    end: int
    compared_s: float
    """For how many seconds both were known."""
    bias: float | None
    """The mean difference; None where nothing could be compared."""
    rmse: float | None
    """The root of the mean squared difference."""
    largest: float | None
    """The greatest absolute difference."""
    largest_at: int | None
    """When it began."""
    bound: float | None = None
    within: float | None = None
    """The share of the compared time in which the absolute difference was at most `bound`, 0 to 1."""


def deviation(
    directory: Directory,
    history: History,
    twin: str,
    simple: str,
    detailed: str,
    *,
    span: tuple[int, int],
    bound: float | None = None,
) -> Deviation:
    """`simple`, `detailed`: a property of the twin, or of another one as `other-twin:property`.

    Raises UnknownTwin, UnknownProperty, InvalidInput (no numbers, units that do not fit), InvalidQuery.
    """
    start, end = span
    if end <= start:
        raise InvalidQuery("the interval ends before it begins; give from < to")
    if bound is not None and not bound >= 0:
        raise InvalidInput(f"a bound of {bound} allows nothing; give a number of at least 0")
    one, other = _asked(directory, twin, simple), _asked(directory, twin, detailed)
    scale = _scale(one[1], other[1])
    time_a, value_a = _known(history, one, span)
    time_b, value_b = _known(history, other, span)
    time = np.unique(np.concatenate([time_a, time_b, [start]]))
    time = time[(time >= start) & (time < end)]
    difference = _held(time_a, value_a * scale[0] + scale[1], time) - _held(time_b, value_b, time)
    lasts = np.diff(np.append(time, end)) / 1e6
    both = ~np.isnan(difference)
    difference, lasts, time = difference[both], lasts[both], time[both]
    whole = float(lasts.sum())
    told = Deviation(
        twin=twin,
        simple=simple,
        detailed=detailed,
        unit=other[1].unit,
        start=start,
        end=end,
        compared_s=whole,
        bias=None,
        rmse=None,
        largest=None,
        largest_at=None,
        bound=bound,
    )
    if not whole:
        return told
    worst = int(np.argmax(np.abs(difference)))
    inside = None if bound is None else float(lasts[np.abs(difference) <= bound].sum() / whole)
    return msgspec.structs.replace(
        told,
        bias=float((difference * lasts).sum() / whole),
        rmse=float(np.sqrt((difference**2 * lasts).sum() / whole)),
        largest=float(abs(difference[worst])),
        largest_at=int(time[worst]),
        within=inside,
    )


def _asked(directory: Directory, twin: str, name: str) -> tuple[str, PropertyType]:
    other, _, property_ = name.rpartition(":")
    entry = directory.twin(other or twin)
    if entry is None:
        raise UnknownTwin(f"there is no twin {other or twin!r:.160}")
    ref = entry.properties.get(property_)
    if ref is None:
        raise UnknownProperty(f"{entry.id} has no property {property_!r:.80}")
    if ref.property.form not in (Form.NUMBER, Form.INTEGER):
        raise InvalidInput(f"{property_} of {entry.id} is a {ref.property.kind}; only numbers deviate")
    return entry.id, ref.property


def _scale(simple: PropertyType, detailed: PropertyType) -> tuple[float, float]:
    if simple.unit == detailed.unit:
        return 1.0, 0.0
    try:
        found = affine(simple.unit or "1", detailed.unit or "1")
    except GemelError as error:
        raise InvalidInput(f"{simple.name} and {detailed.name} cannot be compared: {error.detail}") from error
    return found[0], found[1]


def _known(
    history: History, asked: tuple[str, PropertyType], span: tuple[int, int]
) -> tuple[NDArray[np.int64], _Floats]:
    """(times, values), NaN where it was not known."""
    twin, property_ = asked
    rows = history.readings(twin, property_.name, *span)
    value = rows.value.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
    return rows.time, np.where(rows.quality <= Quality.UNCERTAIN, value, np.nan)


def _held(time: NDArray[np.int64], value: _Floats, moments: NDArray[np.int64]) -> _Floats:
    at = np.searchsorted(time, moments, "right") - 1
    if not len(value):
        return np.full(len(moments), np.nan)
    return np.where(at >= 0, value[np.maximum(at, 0)], np.nan)
