"""How fast the folder grows, and for how many days the room lasts: from samples, with an honest range."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import msgspec

from gemel.clock import SECOND

__all__ = ["Forecast", "Growth", "Sample", "forecast"]

EVERY_US = 600 * SECOND
DAY_US = 86_400 * SECOND
KEEP_US = 14 * DAY_US
LEAST_US = 600 * SECOND
"""Less than ten minutes of samples tell nothing."""
PIECES = 12


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """What the folder took at a moment; bytes."""

    time: int
    used: int


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """Days until the room is used up: by the growth of the whole time that was seen, and by its fastest and slowest
    parts. None: it does not shrink at that growth, or nothing is known yet."""

    bytes_per_day: float | None = None
    days: float | None = None
    least_days: float | None = None
    most_days: float | None = None
    seen_s: float = 0.0
    """So long a time was seen; a forecast reaches hardly further than it looked back."""


def forecast(samples: Sequence[Sample], left: int) -> Forecast:
    """From samples by rising time; `left`: bytes that are free."""
    if len(samples) < 2 or samples[-1].time - samples[0].time < LEAST_US:
        return Forecast()
    whole = _slope(samples[0], samples[-1])
    step = max(1, (len(samples) - 1) // PIECES)
    marks = [*samples[:-1:step], samples[-1]]
    slopes = [_slope(first, second) for first, second in pairwise(marks) if second.time > first.time]
    return Forecast(
        bytes_per_day=whole,
        days=_days(left, whole),
        least_days=_days(left, max([whole, *slopes])),
        most_days=_days(left, min([whole, *slopes])),
        seen_s=(samples[-1].time - samples[0].time) / SECOND,
    )


def _slope(first: Sample, last: Sample) -> float:
    return (last.used - first.used) * DAY_US / (last.time - first.time)


def _days(left: int, per_day: float) -> float | None:
    return max(0, left) / per_day if per_day > 0 else None


class Growth:
    """Samples of two weeks in a small file, one each ten minutes: long enough for weekdays to even out."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.samples: list[Sample] = []
        try:
            self.samples = msgspec.json.decode(path.read_bytes(), type=list[Sample])
        except (OSError, msgspec.MsgspecError):  # the first start, or a torn file: it is only a forecast
            self.samples = []

    def due(self, now: int) -> bool:
        return not self.samples or not self.samples[-1].time <= now < self.samples[-1].time + EVERY_US

    def add(self, now: int, used: int) -> None:
        """Keep a sample; those from after `now` (a clock that was set back) are forgotten. On a full disk it is kept in
        memory alone: making room must not wait for a forecast."""
        kept = [sample for sample in self.samples if now - KEEP_US <= sample.time < now]
        self.samples = [*kept, Sample(now, used)]
        fresh = self._path.with_suffix(".new")
        with suppress(OSError):
            fresh.write_bytes(msgspec.json.encode(self.samples))
            fresh.replace(self._path)
