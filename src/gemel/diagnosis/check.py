"""One thing that was looked at: how it is, in a sentence, and the way out."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

__all__ = ["Check", "Level", "bad", "ok", "warn", "worst"]


class Level(StrEnum):
    """ok, warn (look at it soon), bad (something does not work now)."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one part: the value, its bound where it is over it, and the way out."""

    part: str
    level: Level
    told: str
    way_out: str = ""
    since: int | None = None
    """From when it is at this level, as far as this process saw; microseconds since the epoch, UTC."""
    fixed: bool = False
    """It was not well, and has been mended by this very look."""


def ok(part: str, told: str) -> Check:
    """It is well."""
    return Check(part=part, level=Level.OK, told=told)


def warn(part: str, told: str, way_out: str) -> Check:
    """Look at it soon."""
    return Check(part=part, level=Level.WARN, told=told, way_out=way_out)


def bad(part: str, told: str, way_out: str) -> Check:
    """Something does not work now."""
    return Check(part=part, level=Level.BAD, told=told, way_out=way_out)


def worst(checks: Iterable[Check]) -> Level:
    """The worst level of them."""
    ranks = list(Level)
    return max((check.level for check in checks), key=ranks.index, default=Level.OK)
