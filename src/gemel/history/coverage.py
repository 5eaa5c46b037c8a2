"""Where a value was known, and where not: gaps are told as intervals and never bridged by a line."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gemel.history.points import Points

__all__ = ["NEVER", "Coverage", "holds"]

NEVER = np.iinfo(np.int64).max
"""A moment that does not come."""

Moments = NDArray[np.int64]


def holds(points: Points, after: int, within: int | None) -> tuple[Moments, Moments]:
    """For each point the interval [from, to) in which its value is known.

    It holds until the next reading, until `after` (when the next piece begins or the present ends) for the last, and
    no longer than `within` microseconds where the property is sampled. Bad and unavailable readings hold nothing.
    """
    begin = points.time
    end = np.append(begin[1:], after)
    if within is not None:
        end = np.minimum(end, begin + within)
    return begin, np.where(points.good, np.maximum(end, begin), begin)


class Coverage:
    """Collects, in order of time, in which intervals a value was known, and tells the rest as gaps."""

    def __init__(self, start: int, end: int, within: int | None) -> None:
        """Of [start, end); `within`: greatest age of a sampled value in microseconds, None when only changes come."""
        self.start, self.end, self.within = start, end, within
        self._held: tuple[int, int, int] | None = None
        self._pieces: list[tuple[Moments, Moments]] = []

    def add_points(self, points: Points) -> None:
        never = np.full(len(points), NEVER, np.int64)
        self.add(points.time, points.time, points.time, np.where(points.good, never, points.time))

    def add(self, event: Moments, begin: Moments, seen: Moments, stop: Moments) -> None:
        """Spells in order, each arrays of n: its first reading of any quality (`event`), its first good one (`begin`,
        NEVER if none), its last good one (`seen`), and when it turned bad at its end (`stop`, NEVER if it did not)."""
        if len(event) == 0:
            return
        if self._held is not None:
            held = np.array(self._held, np.int64)
            event = np.append(event[:1], event)  # only where the held spell ends at the latest matters
            begin, seen, stop = (np.append(h, a) for h, a in zip(held, (begin, seen, stop), strict=True))
        self._held = int(begin[-1]), int(seen[-1]), int(stop[-1])
        if len(event) > 1:
            self._cover(begin[:-1], seen[:-1], stop[:-1], event[1:])

    def _cover(self, begin: Moments, seen: Moments, stop: Moments, following: Moments) -> None:
        end = np.minimum(stop, following)
        if self.within is not None:
            end = np.minimum(end, np.where(seen < NEVER - self.within, seen + self.within, NEVER))
        begin, end = np.clip(begin, self.start, self.end), np.clip(end, self.start, self.end)
        keep = begin < end
        begin, end = begin[keep], end[keep]
        if len(begin) == 0:
            return
        # Touching intervals become one, so that a year of samples is a few intervals.
        breaks = np.flatnonzero(end[:-1] < begin[1:])
        self._pieces.append((begin[np.append(0, breaks + 1)], end[np.append(breaks, len(end) - 1)]))

    def _finish(self) -> tuple[Moments, Moments]:
        if self._held is not None:
            begin, seen, stop = (np.array([h], np.int64) for h in self._held)
            self._held = None
            self._cover(begin, seen, stop, np.array([NEVER], np.int64))
        if not self._pieces:
            none = np.zeros(0, np.int64)
            return none, none
        return np.concatenate([p[0] for p in self._pieces]), np.concatenate([p[1] for p in self._pieces])

    def gaps(self, least: int = 1) -> list[tuple[int, int]]:
        """The intervals of [start, end) in which no value was known, of at least `least` microseconds."""
        begin, end = self._finish()
        gap_begin = np.append(self.start, end)
        gap_end = np.append(begin, self.end)
        keep = gap_end - gap_begin >= max(1, least)
        return list(zip(gap_begin[keep].tolist(), gap_end[keep].tolist(), strict=True))
