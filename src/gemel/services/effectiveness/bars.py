"""States as a bar of time: so many pieces at most as a screen can show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gemel.services.effectiveness.course import Course
from gemel.services.effectiveness.elements import STATES, UNKNOWN
from gemel.services.effectiveness.values import StateSpan

__all__ = ["MOST", "bar"]

MOST = 1_500
_NAMES = (*map(str, STATES), "unknown")


def bar(courses: Sequence[Course], start: int, end: int) -> tuple[tuple[StateSpan, ...], float]:
    """The states of courses that follow one another, and below which length (s) they are left out."""
    begin = np.concatenate([one.states.edges[:-1] for one in courses] or [np.zeros(0, np.int64)])
    stop = np.concatenate([one.states.edges[1:] for one in courses] or [np.zeros(0, np.int64)])
    code = np.concatenate([one.states.state for one in courses] or [np.zeros(0, np.int8)]).astype(np.int64)
    width = 0
    if len(begin) > MOST:
        width = -(-(end - start) // MOST)
        begin, stop, code = _thinned(begin, stop, code, (start, end, width))
    planned = np.zeros(len(begin), np.bool_)
    for one in courses:
        inside = (begin >= one.start) & (begin < one.end)
        planned[inside] = True if one.plan is None else one.plan.at(begin[inside]) >= 0
    rows = zip(begin.tolist(), stop.tolist(), code.tolist(), planned.tolist(), strict=True)
    told = [StateSpan(start=a, end=b, state=_NAMES[c], planned=p) for a, b, c, p in rows]
    return tuple(told), width / 1e6


def _thinned(
    begin: np.ndarray, stop: np.ndarray, code: np.ndarray, span: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cells of one width, each with the state that held longest in it; neighbours that are alike are one."""
    start, end, width = span
    grid = np.append(np.arange(start, end, width), end)
    cuts = np.unique(np.concatenate([grid, begin, stop]))
    at = np.searchsorted(begin, cuts[:-1], "right") - 1
    inside = (at >= 0) & (cuts[:-1] < stop[np.maximum(at, 0)])
    state = np.where(inside, code[np.maximum(at, 0)], UNKNOWN)
    cell = np.searchsorted(grid, cuts[:-1], "right") - 1
    held = np.bincount(cell * (UNKNOWN + 1) + state, np.diff(cuts), minlength=(len(grid) - 1) * (UNKNOWN + 1))
    longest = held.reshape(-1, UNKNOWN + 1).argmax(axis=1)
    first = np.append(True, longest[1:] != longest[:-1])
    edges = np.append(grid[:-1][first], end)
    return edges[:-1], edges[1:], longest[first]
