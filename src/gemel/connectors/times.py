"""Moments as sources write them. The unit of a number is declared, never guessed from its size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from gemel.clock import MAX_TIME, MIN_TIME, parse_time
from gemel.errors import InvalidTime

__all__ = ["TimeFormat", "time_reader"]

TimeFormat = Literal["rfc3339", "s", "ms", "us", "ns"]
"""RFC 3339 text, or seconds (fractions too), milliseconds, microseconds, nanoseconds since the epoch."""

_MICROS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
_WHOLE_MICROS = {"s": 1_000_000, "ms": 1_000, "us": 1}


def time_reader(form: TimeFormat) -> Callable[[Any], int]:
    """A function that gives microseconds since the epoch of a value in `form`; it raises InvalidTime."""
    if form == "rfc3339":
        return _rfc3339
    factor, whole = _MICROS[form], _WHOLE_MICROS.get(form)

    def number(value: Any) -> int:
        if type(value) is int:
            micros = value * whole if whole else value // 1000
        elif type(value) is float and abs(value) < 1e19:
            micros = round(value * factor)
        else:
            raise InvalidTime(f"time {value!r:.80} is not a number of {form} since 1970, as was declared")
        if not MIN_TIME <= micros < MAX_TIME:
            raise InvalidTime(f"time {value!r:.80} read as {form} since 1970 is outside the years 1900 to 2261")
        return micros

    return number


def _rfc3339(value: Any) -> int:
    if type(value) is not str:
        raise InvalidTime(f"time {value!r:.80} is not RFC 3339 text, as was declared; set the time format")
    return parse_time(value)
