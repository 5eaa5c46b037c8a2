"""How long readings were on their way: counts in buckets that grow by a quarter, and quantiles of them."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gemel.clock import SECOND

__all__ = ["BUCKETS", "Latency", "buckets_of", "counted", "latency_of"]

BUCKETS = 80
GROWTH = 1.25
"""A quantile is the middle of its bucket: within 12 % of the exact one."""
_EDGES = np.concatenate([[0.0], 1000.0 * GROWTH ** np.arange(BUCKETS - 2)])
"""µs: bucket 0 holds what was dated after we were told, bucket i what is below _EDGES[i], the last all that is longer
(from 9 hours on)."""


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """The time between a source's moment and the recording of it, in seconds, of `count` readings."""

    count: int
    p50_s: float
    p95_s: float
    p99_s: float
    ahead: int = 0
    """How many were dated after we were told: their source's clock is ahead. They count as 0 s."""
    histogram: list[tuple[float, int]] = []
    """(seconds below which, how many), of the buckets that hold any."""


def buckets_of(latency: NDArray[np.int64]) -> NDArray[np.intp]:
    """The bucket of each latency in microseconds."""
    return np.searchsorted(_EDGES, latency, side="right")


def counted(latency: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64[BUCKETS]: how many of these latencies (µs) fall into each bucket."""
    return np.bincount(buckets_of(latency), minlength=BUCKETS).astype(np.int64)


def latency_of(counts: NDArray[Any]) -> Latency | None:
    """The distribution behind the counts of the buckets; None of nothing."""
    total = int(counts.sum())
    if not total:
        return None
    reached = np.cumsum(counts)
    held = np.flatnonzero(counts)
    histogram = [(_upper(int(i)), int(counts[i])) for i in held]
    told = {f"p{q}_s": _middle(int(np.searchsorted(reached, q / 100 * total, side="left"))) for q in (50, 95, 99)}
    return Latency(count=total, ahead=int(counts[0]), histogram=histogram, **told)


def _upper(bucket: int) -> float:
    return 0.0 if bucket == 0 else float(_EDGES[min(bucket, len(_EDGES) - 1)]) / SECOND


def _middle(bucket: int) -> float:
    if bucket == 0:
        return 0.0
    if bucket == 1:
        return float(_EDGES[1]) / 2 / SECOND
    return float(_EDGES[bucket - 1] * GROWTH**0.5) / SECOND
