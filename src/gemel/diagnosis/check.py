"""One thing that was looked at: how it is, in a sentence, and the way out."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

__all__ = ["Check", "Level", "worst"]


class Level(StrEnum):
    """ok, warn (look at it soon), bad (something does not work now)."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one part."""

    part: str
    level: Level
    told: str
    way_out: str = ""
    since: int | None = None
    """From when it is at this level, as far as this process saw; microseconds since the epoch, UTC."""
    fixed: bool = False
    """It was not well, and has been mended by this very look."""


def worst(checks: Iterable[Check]) -> Level:
    """The worst level of them."""
    ranks = list(Level)
    return max((check.level for check in checks), key=ranks.index, default=Level.OK)
