"""When a machine stood by its own words, each time as a whole; and which of these times are noted as stops already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gemel.clock import SECOND
from gemel.configuration import Span
from gemel.errors import Denied, InvalidQuery
from gemel.services.work.stop import Stop, stood
from gemel.twin import Kind

__all__ = ["Standing", "Stood", "Tell", "noted"]

DAY = 86_400 * SECOND
WIDEST = 7 * DAY
FARTHEST = 400 * DAY
"""So far back it looks for when a machine came to stand."""
Tell = Callable[[str, int, int], Sequence[tuple[int, int, Any]]]
"""What a property of the machine said in [start, end): (start, end, value)."""
Stood = tuple[Span, tuple[str, ...]]
"""A time that it stood, and what said so."""


class Standing:
    """Reads what properties of one machine said, piece by piece, as far as it is needed."""

    def __init__(
        self, kinds: Mapping[str, Kind], tell: Tell, now: int, *, values: frozenset[str], at_least_s: float
    ) -> None:
        self._kinds, self._tell, self._now = kinds, tell, now
        self._values, self._at_least_s = values, at_least_s

    def during(self, start: int, until: int, *, also: Iterable[int] = ()) -> list[Stood]:
        """Of what meets [start, until) or one of some moments, by their starts: each from when it came to stand until
        it ran again. What lasts until now ends now; what is older than 400 days begins there.
        """
        spans = self._whole(start, until)
        for moment in also:
            if not any(span.covers(moment) for span, _ in spans):
                spans += self._whole(moment, moment + 1)
        spans.sort(key=lambda one: one[0].start, reverse=True)
        return list({span.end: (span, seen) for span, seen in spans}.values())[::-1]

    def _whole(self, start: int, until: int) -> list[Stood]:
        told = {name: list(self._tell(name, start, until)) for name in self._kinds}
        first, last, width = start, until, DAY
        while True:
            spans = self._stood(told, last)
            before = bool(spans) and spans[0][0].start <= first and start - first < FARTHEST
            after = bool(spans) and spans[-1][0].end >= last and last < self._now
            if not before and not after:
                break
            if before:
                for name in self._kinds:
                    told[name] += self._past(name, first - width, first)
                first -= width
            if after:
                until_then = min(last + width, self._now)
                for name in self._kinds:
                    told[name] += self._tell(name, last, until_then)
                last = until_then
            width = min(2 * width, WIDEST)
        asked = Span(start, until)
        return [one for one in self._stood(told, last, self._at_least_s) if one[0].meets(asked) is not None]

    def _past(self, name: str, start: int, end: int) -> Sequence[tuple[int, int, Any]]:
        try:
            return self._tell(name, start, end)
        except (Denied, InvalidQuery):  # as far as who asks may look, and as much as can be told
            return ()

    def _stood(self, told: Mapping[str, list[tuple[int, int, Any]]], until: int, least: float = 0.0) -> list[Stood]:
        properties = [(name, kind, told[name]) for name, kind in self._kinds.items()]
        return stood(properties, until=until, values=self._values, at_least_s=least)


def noted(spans: Sequence[Stood], known: Sequence[Stop]) -> dict[int, Stop]:
    """Start of a span → the stop that it is already: they overlap, and the same word shows it.

    An open stop is one span alone: the first that it meets between its start and when it was noted.
    """
    found: dict[int, Stop] = {}
    for one in sorted(known, key=lambda stop: stop.number):
        lasted = max(one.recorded, one.start + 1) if one.end is None else one.end
        for span, seen in spans:
            if one.seen in seen and span.meets(Span(one.start, lasted)) is not None:
                found.setdefault(span.start, one)
                if one.end is None:
                    break
    return found
