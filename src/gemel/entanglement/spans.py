"""Intervals of time as two columns: begin and end, half-open, in microseconds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["NO_SPANS", "Spans", "spans_of", "turns"]

_Ints = NDArray[np.int64]


class Spans(NamedTuple):
    """Intervals that do not touch, by rising begin."""

    begin: _Ints
    end: _Ints

    @property
    def length(self) -> int:
        """µs in all of them."""
        return int((self.end - self.begin).sum())

    def listed(self) -> list[tuple[int, int]]:
        return list(zip(self.begin.tolist(), self.end.tolist(), strict=True))

    def within(self, start: int, end: int) -> Spans:
        """What of them lies in [start, end)."""
        return spans_of(np.clip(self.begin, start, end), np.clip(self.end, start, end))

    def rest(self, start: int, end: int) -> Spans:
        """What of [start, end) is in none of them."""
        inside = self.within(start, end)
        return spans_of(np.append(start, inside.end), np.append(inside.begin, end))

    def common(self, other: Spans) -> Spans:
        """What is in both."""
        if not len(self.begin) or not len(other.begin):
            return NO_SPANS
        low, high = int(self.begin[0]), int(self.end[-1])
        return self.rest(low, high).joined(other.rest(low, high)).rest(low, high)

    def without(self, other: Spans) -> Spans:
        """What is in these, and not in the other."""
        if not len(self.begin):
            return self
        return self.common(other.rest(int(self.begin[0]), int(self.end[-1])))

    def joined(self, other: Spans) -> Spans:
        """What is in either."""
        return spans_of(np.concatenate([self.begin, other.begin]), np.concatenate([self.end, other.end]))


NO_SPANS = Spans(np.zeros(0, np.int64), np.zeros(0, np.int64))


def spans_of(begin: _Ints, end: _Ints) -> Spans:
    """The union of [begin, end) of n intervals in any order; empty ones are left out."""
    some = end > begin
    begin, end = begin[some], end[some]
    if not len(begin):
        return NO_SPANS
    order = np.argsort(begin, kind="stable")
    begin, end = begin[order], np.maximum.accumulate(end[order])
    new = np.append(True, begin[1:] > end[:-1])
    return Spans(begin[new], end[np.append(new[1:], True)])


def turns(told: Iterable[tuple[int, bool]], *, before: bool, start: int, end: int) -> Spans:
    """Where it was so in [start, end): `told` says from which moment on it is or is not, by rising moment."""
    begin, stop = list[int](), list[int]()
    since = start if before else None
    for moment, holds in told:
        moment = min(max(moment, start), end)
        if holds and since is None:
            since = moment
        elif not holds and since is not None:
            begin.append(since)
            stop.append(moment)
            since = None
    if since is not None:
        begin.append(since)
        stop.append(end)
    return spans_of(np.array(begin, np.int64), np.array(stop, np.int64))
