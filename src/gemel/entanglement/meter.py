"""The meter: how fast, how often and how steadily series are told, over the last minutes, in bounded memory.

The writer's thread only leaves a sample of each block here, at most a thousand readings of a frame; once a second
somebody looks, which counts them and asks the state who is fresh.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gemel.clock import SECOND
from gemel.entanglement.latency import BUCKETS, buckets_of
from gemel.state import State
from gemel.twin import Block

__all__ = ["WINDOW_S", "Meter", "Metered"]

WINDOW_S = 300.0
"""What is told is of the last one to two windows."""
MOST_SERIES = 65_536
SAMPLE = 1_024
"""Readings of one frame that are measured."""
CROWDED = 16_384
"""Of readings that wait, from which on samples become thinner."""
AT_ONCE = 4_096
"""Series that are read from the state at once: so long nothing is folded."""

_UNSEEN, _SILENT = -1, -2
"""Not looked at yet; looked at when nothing had been reported."""
_Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Metered:
    """n series as columns. What was not measured has looked 0, and since −1."""

    counts: NDArray[np.int64]
    """int64[n, BUCKETS]: readings by their latency; of a sample, scaled up."""
    fresh: _Ints
    """µs in which it was fresh, of `looked`."""
    looked: _Ints
    """µs."""
    since: _Ints
    """Since when it is as fresh or stale as it is; −1: not known."""


class Meter:
    """Measures at most MOST_SERIES series, those that come first."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._waiting: deque[tuple[int, _Ints, _Ints, int]] = deque(maxlen=CROWDED)
        self._count = 0
        self._turn = 0
        self._lock = threading.Lock()
        self._series: _Ints = np.zeros(0, np.int64)  # rising
        self._slot: _Ints = np.zeros(0, np.int64)  # of each of them
        self._counts = np.zeros((2, 0, BUCKETS), np.int64)
        self._fresh = np.zeros((2, 0), np.int64)
        self._looked = np.zeros((2, 0), np.int64)
        self._is_fresh = np.zeros(0, np.int8)  # 1, 0, _UNSEEN or _SILENT
        self._since = np.zeros(0, np.int64)
        self._last = 0
        self._began = [0, 0]
        self._now = 0  # which of the two windows is filled

    # on the writer's thread

    def follow(self, block: Block) -> None:
        """Keep a sample of the block's readings; microseconds, however large it is."""
        for frame in block.frames.values():
            step = -(-len(frame) // SAMPLE) * (1 + self._count // CROWDED)
            self._turn += 61  # no step of a plant's own: every series has its turn
            chosen = slice(self._turn % step, None, step)
            series, time = frame.series[chosen], frame.time[chosen]
            if step > 1:  # a view would hold the whole frame
                series, time = series.copy(), time.copy()
            self._count += len(series)
            self._waiting.append((block.recorded, series, time, step))

    # on the housekeeper's

    def watch(self, series: _Ints) -> None:
        """Measure these from now on, too, as far as there is room."""
        with self._lock:
            self._know(series)

    def look(self, now: int) -> None:
        """Count what came, and who is fresh since the last look."""
        with self._lock:
            self._drain()
            self._turn_over(now)
            if self._last and now > self._last:
                for first in range(0, len(self._series), AT_ONCE):
                    part = slice(first, first + AT_ONCE)
                    self._see(self._series[part], self._slot[part], now)
            self._last = now

    def _drain(self) -> None:
        waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
        self._count = 0
        if not waiting:
            return
        series = np.concatenate([one[1] for one in waiting])
        latency = np.concatenate([recorded - time for recorded, _, time, _ in waiting])
        weight = np.repeat([step for *_, step in waiting], [len(one[1]) for one in waiting])
        self._know(series)
        slot = self._slots(series)
        known = slot >= 0
        place = slot[known] * BUCKETS + buckets_of(latency[known])
        np.add.at(self._counts[self._now].reshape(-1), place, weight[known])

    def _slots(self, series: _Ints) -> _Ints:
        """int64[n]: where each is measured; −1: nowhere."""
        if not len(self._series):
            return np.full(len(series), -1, np.int64)
        at = np.minimum(np.searchsorted(self._series, series), len(self._series) - 1)
        return np.where(self._series[at] == series, self._slot[at], -1)

    def _know(self, series: _Ints) -> None:
        known = len(self._series)
        if known >= MOST_SERIES:
            return
        new = np.unique(series[self._slots(series) < 0])[: MOST_SERIES - known]
        if not len(new):
            return
        size = known + len(new)
        self._series = np.concatenate([self._series, new])
        self._slot = np.concatenate([self._slot, np.arange(known, size)])
        order = np.argsort(self._series)
        self._series, self._slot = self._series[order], self._slot[order]
        if size > self._counts.shape[1]:
            room = min(MOST_SERIES, max(1_024, 2 * size)) - self._counts.shape[1]
            self._counts = np.concatenate([self._counts, np.zeros((2, room, BUCKETS), np.int64)], axis=1)
            self._fresh = np.concatenate([self._fresh, np.zeros((2, room), np.int64)], axis=1)
            self._looked = np.concatenate([self._looked, np.zeros((2, room), np.int64)], axis=1)
            self._is_fresh = np.concatenate([self._is_fresh, np.full(room, _UNSEEN, np.int8)])
            self._since = np.concatenate([self._since, np.full(room, -1, np.int64)])

    def _turn_over(self, now: int) -> None:
        if not self._began[self._now]:
            self._began = [now, now]
        if now - self._began[self._now] >= WINDOW_S * SECOND:
            self._now = 1 - self._now
            self._began[self._now] = now
            for held in (self._counts, self._fresh, self._looked):
                held[self._now] = 0

    def _see(self, series: _Ints, slot: _Ints, now: int) -> None:
        """Time since the last look goes to fresh or stale; when something turned stale is known to the µs."""
        cells = self._state.read(series)
        reported = cells.position > 0
        self._is_fresh[slot[~reported]] = _SILENT
        slot, stale_since = slot[reported], cells.stale_since[reported]
        is_fresh = (stale_since == 0).astype(np.int8)
        passed = now - self._last
        held = np.where(stale_since == 0, passed, np.clip(stale_since - self._last, 0, passed))
        self._fresh[self._now, slot] += held
        self._looked[self._now, slot] += passed
        before = self._is_fresh[slot]
        turned = (before != _UNSEEN) & (before != is_fresh)
        self._since[slot[turned]] = np.where(is_fresh[turned] == 1, now, stale_since[turned])
        first = (before == _UNSEEN) & (is_fresh == 0)
        self._since[slot[first]] = stale_since[first]
        self._is_fresh[slot] = is_fresh

    # on any

    @property
    def series(self) -> _Ints:
        """int64[n]: what is measured, rising."""
        return self._series

    @property
    def looked_s(self) -> float:
        """How much time what is told is of."""
        return max(0, self._last - min(self._began)) / SECOND if self._last else 0.0

    def of(self, series: _Ints) -> Metered:
        """What was measured of these."""
        with self._lock:
            slot = self._slots(series)
            some = slot >= 0
            n = len(series)
            found = Metered(
                np.zeros((n, BUCKETS), np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64), np.full(n, -1, np.int64)
            )
            held = slot[some]
            found.counts[some] = self._counts[:, held].sum(axis=0)
            found.fresh[some] = self._fresh[:, held].sum(axis=0)
            found.looked[some] = self._looked[:, held].sum(axis=0)
            found.since[some] = self._since[held]
            return found
