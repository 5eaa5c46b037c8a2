"""Freshness: until when a value may be believed, by its own age or by its source's heartbeat."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from gemel.clock import SECOND
from gemel.twin import Freshness, FreshnessMode

__all__ = ["FOREVER", "Rules", "SourceState"]

FOREVER = int(np.iinfo(np.int64).max)
"""The deadline of what never becomes stale."""


class _Way(IntEnum):
    NONE = 0  # no bound
    AGE = 1  # samples: age of the reading by its time, or by when we were told if its clock runs ahead
    REPORT = 2  # changes, no source bound: time since we were last told
    SOURCE = 3  # changes of a bound source: silence of the source


@dataclass(slots=True)
class SourceState:
    """What is known of a source's life."""

    index: int
    seen: int = 0
    """When it was last heard: a heartbeat or a reading. 0: never."""
    lost: int = 0
    """Since when its connection is lost; 0 when it is not."""
    rules: list[int] = field(default_factory=list)


class Rules:
    """The few different freshness rules there are; cells refer to them by number. Rule 0: always fresh.

    A cell's *deadline* is the moment from which it is stale: it is fresh at `now` exactly when now < deadline.
    """

    def __init__(self) -> None:
        self._way: NDArray[np.uint8] = np.zeros(16, np.uint8)
        self._within: NDArray[np.int64] = np.zeros(16, np.int64)
        self._fixed: NDArray[np.int64] = np.zeros(16, np.int64)  # deadline of SOURCE rules; 0: source never heard
        self.source_of: NDArray[np.int32] = np.full(16, -1, np.int32)
        self.announced: NDArray[np.int8] = np.full(16, -1, np.int8)
        """Of SOURCE rules: whether they were fresh (1) or stale (0) at the last sweep; -1 before the first."""
        self._count = 1
        self._ways: list[_Way] = [_Way.NONE]  # the same for single look-ups
        self._withins: list[int] = [0]
        self._numbers: dict[tuple[int, int, str], int] = {}
        self.sources: dict[str, SourceState] = {}
        self.names: list[str] = []

    def rule(self, freshness: Freshness | None, source: str = "") -> int:
        """The number of a rule; made when it is new."""
        if freshness is None:
            return 0
        within = round(freshness.within_s * SECOND)
        if freshness.mode is FreshnessMode.SAMPLES:
            way, source = _Way.AGE, ""
        else:
            way = _Way.SOURCE if source else _Way.REPORT
        key = (int(way), within, source)
        if (number := self._numbers.get(key)) is not None:
            return number
        number = self._count
        self._make_room()
        self._way[number] = way
        self._ways.append(way)
        self._withins.append(within)
        self._within[number] = within
        self._numbers[key] = number
        self._count += 1
        if source:
            state = self.source(source)
            state.rules.append(number)
            self.source_of[number] = state.index
            self._follow(state)
        return number

    def source(self, name: str) -> SourceState:
        if (state := self.sources.get(name)) is None:
            state = self.sources[name] = SourceState(len(self.names))
            self.names.append(name)
        return state

    def heard(self, name: str, now: int) -> None:
        """A reading or a heartbeat came from the source: all that it brings is confirmed."""
        state = self.source(name)
        if now > state.seen:
            state.seen = now
            self._follow(state)

    def set_lost(self, name: str, now: int) -> None:
        state = self.source(name)
        if not state.lost:
            state.lost = now
            self._follow(state)

    def set_found(self, name: str, now: int) -> None:
        state = self.source(name)
        state.lost = 0
        state.seen = max(state.seen, now)
        self._follow(state)

    def _follow(self, state: SourceState) -> None:
        for number in state.rules:
            silent = state.seen + int(self._within[number]) if state.seen else 0
            self._fixed[number] = min(state.lost, silent or state.lost) if state.lost else silent

    def deadline(
        self, rule: NDArray[np.int32] | int, time: NDArray[np.int64], recorded: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """int64[n]: from when each cell is stale; FOREVER for those without a bound."""
        if isinstance(rule, int):
            way = self._way[rule]
            if way == _Way.NONE:
                return np.full(len(time), FOREVER)
            fixed = self._fixed[rule]
            if way == _Way.SOURCE and fixed:
                return np.full(len(time), fixed)
            base = np.minimum(time, recorded) if way == _Way.AGE else recorded
            return np.asarray(base + self._within[rule])
        ways = self._way[rule]
        fixed_all = self._fixed[rule]
        base = np.where(ways == _Way.AGE, np.minimum(time, recorded), recorded)
        found = np.where((ways == _Way.SOURCE) & (fixed_all != 0), fixed_all, base + self._within[rule])
        found[ways == _Way.NONE] = FOREVER
        return found

    def deadline_of_one(self, rule: int, time: int, recorded: int) -> int:
        """From when one cell is stale."""
        way = self._ways[rule]
        if way is _Way.NONE:
            return FOREVER
        if way is _Way.SOURCE and (fixed := self._fixed.item(rule)):
            return int(fixed)
        base = min(time, recorded) if way is _Way.AGE else recorded
        return base + self._withins[rule]

    def source_name(self, rule: int) -> str | None:
        """The source that a rule follows, if it follows one."""
        return self.names[self.source_of[rule]] if self._ways[rule] is _Way.SOURCE else None

    def by_age(self, rule: NDArray[np.int32] | int) -> NDArray[np.bool_] | bool:
        """Whether a cell's deadline is its own and not its source's."""
        way = self._way[rule]
        aged = (way == _Way.AGE) | (way == _Way.REPORT)
        return bool(aged) if isinstance(rule, int) else aged

    def flipped(self, now: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The SOURCE rules whose freshness differs from what was announced, and announce it.

        (rule int64[k], bool[k]: whether nothing was announced of it before)."""
        n = self._count
        heard = (self._way[:n] == _Way.SOURCE) & (self._fixed[:n] != 0)
        fresh = (now < self._fixed[:n]).astype(np.int8)
        found = np.flatnonzero(heard & (fresh != self.announced[:n]))
        first = self.announced[found] < 0
        self.announced[found] = fresh[found]
        return found, first

    def fixed_deadline(self, rule: int) -> int:
        return int(self._fixed[rule])

    def _make_room(self) -> None:
        if self._count < len(self._way):
            return
        size = len(self._way)
        for name, fill in (("_way", 0), ("_within", 0), ("_fixed", 0), ("announced", -1), ("source_of", -1)):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.full(size, fill, old.dtype)]))
