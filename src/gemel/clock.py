"""Time as an object that is passed in: the wall clock, or one that a test or a simulation steps.

Inside Gemel a moment is an int: microseconds since 1970-01-01T00:00:00Z (UTC, no leap seconds, as POSIX).
At the edges it is RFC 3339. This module is the only caller of the system clock.
"""

from __future__ import annotations

import re
import threading
import time as _time
from datetime import UTC, datetime
from typing import Protocol

from gemel.errors import InvalidTime

__all__ = [
    "MAX_TIME",
    "MIN_TIME",
    "SECOND",
    "Clock",
    "Moment",
    "SteppedClock",
    "WallClock",
    "moment",
    "parse_time",
    "to_rfc3339",
]

Moment = int | str | datetime
"""What the edges take for a moment: microseconds since the epoch, RFC 3339 text, or an aware datetime."""

SECOND = 1_000_000
"""Microseconds in a second."""

MIN_TIME = int(datetime(1900, 1, 1, tzinfo=UTC).timestamp()) * SECOND
MAX_TIME = int(datetime(2262, 1, 1, tzinfo=UTC).timestamp()) * SECOND
"""Moments outside [MIN_TIME, MAX_TIME) are refused: Arrow nanosecond consumers cannot hold them."""


class Clock(Protocol):
    """Tells the time; nothing in Gemel asks the system."""

    def now(self) -> int:
        """Microseconds since the epoch, UTC. May step backwards: never use it for order."""

    def monotonic(self) -> float:
        """Seconds that never go backwards; only differences mean something."""


class WallClock:
    """The system's clock."""

    def now(self) -> int:
        return _time.time_ns() // 1000

    def monotonic(self) -> float:
        return _time.monotonic()


class SteppedClock:
    """A clock that stands still until it is stepped; for tests and simulations."""

    def __init__(self, start: int = 1_600_000_000 * SECOND) -> None:
        self._now = start
        self._monotonic = 0.0
        self._lock = threading.Lock()

    def now(self) -> int:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def step(self, seconds: float) -> int:
        """Go forward by `seconds` and return the new time."""
        with self._lock:
            self._now += round(seconds * SECOND)
            self._monotonic += seconds
            return self._now

    def set(self, now: int) -> None:
        """Jump to a moment, as a stepped system clock does; `monotonic` does not follow."""
        with self._lock:
            self._now = now


_LEAP = re.compile(r"^(.{10}[Tt ]\d\d:\d\d:)60(?:\.\d*)?([Zz+-].*)$")


def parse_time(text: str) -> int:
    """Microseconds since the epoch of an RFC 3339 moment (an offset or Z is required).

    Digits beyond the microsecond are cut off. Raises InvalidTime.
    """
    try:
        if isinstance(text, str) and ":60" in text:  # a leap second: POSIX has none, the last microsecond before stands
            text = _LEAP.sub(r"\g<1>59.999999\g<2>", text)
        moment = datetime.fromisoformat(text)
    except (ValueError, TypeError) as error:
        raise InvalidTime(f"{text!r:.80} is not an RFC 3339 time; write it like 2017-03-20T08:34:14.784Z") from error
    if moment.tzinfo is None:
        raise InvalidTime(f"{text!r:.80} has no offset; add Z for UTC, or an offset like +01:00")
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    micros = (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds
    if not MIN_TIME <= micros < MAX_TIME:
        raise InvalidTime(f"{text!r:.80} is outside the years 1900 to 2261")
    return micros


def to_rfc3339(micros: int) -> str:
    """RFC 3339 in UTC with microseconds only where there are any: 2017-03-20T08:34:14.784Z."""
    seconds, fraction = divmod(micros, SECOND)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    if fraction:
        text += f".{fraction:06d}".rstrip("0")
    return text + "Z"


def moment(value: Moment) -> int:
    """Microseconds since the epoch of whatever an edge was given. Raises InvalidTime."""
    if isinstance(value, bool) or not isinstance(value, int | str | datetime):
        raise InvalidTime(f"{value!r:.80} is not a time; give RFC 3339 text, an aware datetime or microseconds")
    if isinstance(value, int):
        if not MIN_TIME <= value < MAX_TIME:
            raise InvalidTime(f"{value} µs is outside the years 1900 to 2261; are these seconds or nanoseconds?")
        return value
    return parse_time(value if isinstance(value, str) else value.isoformat())
