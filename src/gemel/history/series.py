"""What a range query answers with."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gemel.twin import FreshnessMode, Kind, PropertyType, Tabular

__all__ = ["Method", "Series", "within_of"]


class Method(StrEnum):
    """How a range is told."""

    RAW = "raw"
    """Every reading."""
    MINMAX = "minmax"
    """Per bucket: least, greatest, mean, first, last, count. Peaks never vanish."""
    MEAN = "mean"
    """Per bucket: the mean of the readings."""
    LAST = "last"
    """Per bucket: the last reading."""
    LTTB = "lttb"
    """Chosen readings that keep the shape of the line (MinMaxLTTB)."""
    STATES = "states"
    """From–to intervals of equal value: texts, enumerations, booleans, conditions."""


@dataclass(frozen=True, slots=True)
class Series(Tabular):
    """The answer to a range query. Moments are microseconds since the epoch, UTC."""

    twin: str
    property: str
    kind: Kind
    unit: str
    method: Method
    start: int
    end: int
    position: int
    """The journal position it was read at."""
    resolution_s: float = 0.0
    """The width of a bucket; 0 where every reading is told."""
    columns: dict[str, Any] = field(default_factory=dict)
    """Equal lengths: time int64[n] with value, or min, max, mean, first, last, count; states: start, end, value."""
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """[from, to) in which no value was known: unavailable, bad, before the first reading, or older than its freshness
    allows. For buckets only those at least one bucket long."""
    dropped: list[tuple[int, int]] = field(default_factory=list)
    """[from, to) of which the readings were dropped for their age: sums per minute or hour tell of them, or, for `raw`
    and `lttb`, nothing (and they are gaps)."""
    before: tuple[int, Any] | None = None
    """Of numbers: the value held at `start`, with its time; None if none was known, or only an outdated one."""


def within_of(property: PropertyType) -> int | None:
    """How long a sampled value holds, in microseconds; None where the source reports changes only."""
    freshness = property.freshness
    if freshness is None or freshness.mode is not FreshnessMode.SAMPLES:
        return None
    return round(freshness.within_s * 1e6)
