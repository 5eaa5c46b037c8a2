"""Readings summed up per bucket of time, so that buckets of buckets are exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemel.history.coverage import NEVER
from gemel.history.points import Points

__all__ = ["Buckets", "good_values"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """k buckets that hold any reading, by rising (series, time); good readings are those with a value that is not bad.

    series      int64[k]   0 throughout for one property
    time        int64[k]   when the bucket begins
    count       int64[k]   good readings
    minimum, maximum, first, last   float64[k] or int64[k] by the property's form; 0 where count is 0
    total       float64[k] the sum of the good values
    first_time, last_time           int64[k] of the first and last good reading; NEVER where count is 0
    bad_since   int64[k]   the first of the bad readings at its end; NEVER if the last reading is good
    """

    series: Ints
    time: Ints
    count: Ints
    minimum: NDArray[Any]
    maximum: NDArray[Any]
    first: NDArray[Any]
    last: NDArray[Any]
    total: NDArray[np.float64]
    first_time: Ints
    last_time: Ints
    bad_since: Ints

    def __len__(self) -> int:
        return len(self.time)

    @property
    def mean(self) -> NDArray[np.float64]:
        """float64[k]: of the good readings, each counting once; NaN where there is none."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.count > 0, self.total / self.count, np.nan)

    @property
    def event(self) -> Ints:
        """int64[k]: when the first reading that is known of came, good or bad."""
        return np.minimum(self.first_time, self.bad_since)

    @classmethod
    def of(cls, points: Points, width: int, series: Ints | None = None) -> Buckets:
        """Buckets of `width` microseconds, beginning at multiples of it, of points by rising time.

        With `series` (int64[n], one for each point) the points are by rising (series, time) instead.
        """
        value = good_values(points)
        bucket = points.time // width * width
        if len(bucket) == 0:
            return cls.empty(value.dtype)
        starts = _starts(bucket, series)
        good = points.good
        where = np.flatnonzero(good)
        time = bucket[starts]
        # Of each bucket the run of good points in `where`: [low, high)
        ends = np.append(starts[1:], len(bucket))
        low, high = np.searchsorted(where, starts), np.searchsorted(where, ends)
        count = (high - low).astype(np.int64)
        has = count > 0
        runs = low[has]

        def spread(picked: NDArray[Any], missing: Any) -> NDArray[Any]:
            out = np.full(len(time), missing, picked.dtype)
            out[has] = picked
            return out

        good_times = points.time[where]
        last_good = spread(where[high[has] - 1], -1)
        # The bad run at the end begins after the last good point (or at the start of the bucket).
        after = np.where(has, last_good + 1, starts)
        bad_since = np.where(after < ends, points.time[np.minimum(after, len(bucket) - 1)], NEVER)
        least, most = (f.reduceat(value, runs) if len(runs) else value[:0] for f in (np.minimum, np.maximum))
        return cls(
            series=np.zeros(len(time), np.int64) if series is None else series[starts],
            time=time,
            count=count,
            minimum=spread(least, 0),
            maximum=spread(most, 0),
            first=spread(value[low[has]], 0),
            last=spread(value[high[has] - 1], 0),
            total=spread(_sums(value, runs), 0.0),
            first_time=spread(good_times[low[has]], NEVER),
            last_time=spread(good_times[high[has] - 1], NEVER),
            bad_since=bad_since,
        )

    @classmethod
    def empty(cls, dtype: Any) -> Buckets:
        none, values = np.zeros(0, np.int64), np.zeros(0, dtype)
        return cls(none, none, none, values, values, values, values, np.zeros(0), none, none, none)

    @classmethod
    def concat(cls, parts: Sequence[Buckets]) -> Buckets:
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__))

    def take(self, which: NDArray[Any]) -> Buckets:
        """Those at these places, or where a mask is true."""
        return Buckets(*(getattr(self, name)[which] for name in self.__slots__))

    def coarser(self, width: int) -> Buckets:
        """Buckets of `width` of these, which are by rising (series, time) and do not overlap; exact."""
        if len(self) == 0:
            return self
        bucket = self.time // width * width
        starts = _starts(bucket, self.series)
        ends = np.append(starts[1:], len(bucket))
        where = np.flatnonzero(self.count > 0)
        low, high = np.searchsorted(where, starts), np.searchsorted(where, ends)
        has = high > low
        runs = low[has]

        def spread(picked: NDArray[Any], missing: Any) -> NDArray[Any]:
            out = np.full(len(starts), missing, picked.dtype)
            out[has] = picked
            return out

        def of_runs(reduce: Any, values: NDArray[Any]) -> NDArray[Any]:
            found: NDArray[Any] = reduce(values[where], runs) if len(runs) else values[:0]
            return found

        first, last = where[low[has]], where[high[has] - 1]
        # Bad at its end: the first bad moment at or after the last bucket with a good reading.
        from_bucket = starts.copy()
        from_bucket[has] = last
        bad = np.minimum.reduceat(self.bad_since, np.stack([from_bucket, ends], axis=1).ravel()[:-1])[::2]
        return Buckets(
            series=self.series[starts],
            time=bucket[starts],
            count=np.add.reduceat(self.count, starts),
            minimum=spread(of_runs(np.minimum.reduceat, self.minimum), 0),
            maximum=spread(of_runs(np.maximum.reduceat, self.maximum), 0),
            first=spread(self.first[first], 0),
            last=spread(self.last[last], 0),
            total=spread(of_runs(np.add.reduceat, self.total), 0.0),
            first_time=spread(self.first_time[first], NEVER),
            last_time=spread(self.last_time[last], NEVER),
            bad_since=bad,
        )

    def scaled(self, factor: float, offset: float) -> Buckets:
        """Every value x told as factor · x + offset, in float64."""
        if factor == 1.0 and offset == 0.0:
            return self
        low, high = self.minimum * factor + offset, self.maximum * factor + offset
        return Buckets(
            series=self.series,
            time=self.time,
            count=self.count,
            minimum=np.minimum(low, high),
            maximum=np.maximum(low, high),
            first=self.first * factor + offset,
            last=self.last * factor + offset,
            total=self.total * factor + offset * self.count,
            first_time=self.first_time,
            last_time=self.last_time,
            bad_since=self.bad_since,
        )


def good_values(points: Points) -> NDArray[Any]:
    """float64 or int64 of the good points only."""
    value = points.value
    if not points.good.all():
        value = value.filter(pa.array(points.good))
    array: NDArray[Any] = value.to_numpy(zero_copy_only=False)
    return array


def _sums(value: NDArray[Any], runs: NDArray[Any]) -> NDArray[np.float64]:
    """Sums in float64: int64 would overflow."""
    return np.add.reduceat(value.astype(np.float64, copy=False), runs) if len(runs) else np.zeros(0)


def _starts(bucket: Ints, series: Ints | None) -> NDArray[np.intp]:
    """Where another bucket, or another series, begins."""
    differs = bucket[1:] != bucket[:-1]
    if series is not None:
        differs |= series[1:] != series[:-1]
    return np.append(0, np.flatnonzero(differs) + 1)
