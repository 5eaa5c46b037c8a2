"""How parts are counted: from a counter that may reset, from amounts that are told, from cycles that end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gemel.services.effectiveness.course import Floats, Ints, Steps

__all__ = ["amounts", "counter", "cycles"]


def counter(
    time: Ints,
    value: Floats,
    *,
    before: tuple[int, float] | None = None,
    gaps: Sequence[tuple[int, int]] = (),
) -> Steps:
    """What a counter gained with each reading. A fall is a reset to zero: it gained what it reads then.

    time: int64[n] rising; value: float64[n], NaN where bad or missing; before: what it read when the interval began;
    gaps: [from, to) in which nothing was known. A step that spans a gap is not sure of its time.
    """
    known = ~np.isnan(value)
    time, value = time[known], value[known]
    if before is not None:
        time, value = np.append(np.int64(before[0]), time), np.append(before[1], value)
    if len(time) < 2:
        return Steps.none()
    step = np.diff(value)
    amount = np.where(step >= 0, step, value[1:])
    starts = np.array(sorted(start for start, _ in gaps), np.int64)
    spans = np.searchsorted(starts, time[1:]) > np.searchsorted(starts, time[:-1])
    gained = amount > 0
    return Steps(time[1:][gained], amount[gained], ~spans[gained])


def amounts(time: Ints, value: Floats) -> Steps:
    """Each reading is so many parts. NaN and what is below zero count nothing."""
    counts = np.nan_to_num(value) > 0
    return Steps(time[counts], value[counts], np.ones(int(counts.sum()), np.bool_))


def cycles(edges: Ints, value: NDArray[np.int8]) -> Steps:
    """One each time when something that has been true is false. value: int8[n]: 1 true, 0 false, -1 not known."""
    ended = (value[:-1] == 1) & (value[1:] == 0)
    time = edges[1:-1][ended]
    return Steps(time, np.ones(len(time)), np.ones(len(time), np.bool_))
