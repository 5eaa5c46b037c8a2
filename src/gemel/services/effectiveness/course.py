"""What a work unit did over an interval, as columns, and its sums over any pieces of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemel.services.effectiveness.elements import STATES, UNKNOWN, Elements
from gemel.twin import Effectiveness, ProductionState

__all__ = ["Course", "Labels", "Pieces", "States", "Steps"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_DOWN = [STATES.index(ProductionState.DOWN), STATES.index(ProductionState.REPAIR)]


@dataclass(frozen=True, slots=True, eq=False)
class States:
    """[edges[i], edges[i + 1]) is in state[i]: a place in STATES, or UNKNOWN."""

    edges: Ints
    """int64[n + 1], rising."""
    state: NDArray[np.int8]
    """int8[n]"""
    before: int = UNKNOWN
    """The state just before the first edge."""

    def at(self, moments: Ints) -> NDArray[np.int8]:
        """int8[k]; UNKNOWN outside."""
        place = np.searchsorted(self.edges, moments, "right") - 1
        inside = (place >= 0) & (place < len(self.state))
        found = np.full(len(moments), UNKNOWN, np.int8)
        found[inside] = self.state[place[inside]]
        return found

    def failures(self) -> Ints:
        """When it went down, from a known state that was not."""
        earlier = np.append(np.int8(self.before), self.state[:-1])
        down, was = np.isin(self.state, _DOWN), np.isin(earlier, [*_DOWN, UNKNOWN])
        return self.edges[:-1][down & ~was]


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """Parts as they were counted: `amount[i]` at `time[i]`; not `sure`: at some time in a gap before."""

    time: Ints
    amount: Floats
    sure: NDArray[np.bool_]

    @classmethod
    def none(cls) -> Steps:
        return cls(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.bool_))

    def scaled(self, each: float) -> Steps:
        return self if each == 1.0 else Steps(self.time, self.amount * each, self.sure)


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """What program ran: names[code[i]] in [edges[i], edges[i + 1]); code -1: not known."""

    edges: Ints
    code: Ints
    names: tuple[str, ...]

    def at(self, moments: Ints) -> Ints:
        place = np.searchsorted(self.edges, moments, "right") - 1
        inside = (place >= 0) & (place < len(self.code))
        found = np.full(len(moments), -1, np.int64)
        found[inside] = self.code[place[inside]]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Spans apart from one another, in order, each of a group: [start[i], end[i]) of group[i] in 0 … groups - 1."""

    start: Ints
    end: Ints
    group: Ints
    groups: int

    @classmethod
    def of(cls, spans: Sequence[tuple[int, int, int]], groups: int) -> Pieces:
        """(start, end, group) in any order."""
        table = np.array(sorted(spans), np.int64).reshape(-1, 3)
        return cls(table[:, 0], table[:, 1], table[:, 2], groups)

    def at(self, moments: Ints) -> Ints:
        """The group of each moment; -1: none."""
        found = np.full(len(moments), -1, np.int64)
        if len(self.start):
            place = np.searchsorted(self.start, moments, "right") - 1
            inside = (place >= 0) & (moments < self.end[np.maximum(place, 0)])
            found[inside] = self.group[place[inside]]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """Of one work unit over [start, end)."""

    start: int
    end: int
    states: States
    declared: Effectiveness
    plan: Pieces | None = None
    """When it was planned to be busy; None: nobody says."""
    parts: Steps | None = None
    """None: nobody counts."""
    good: Steps | None = None
    rejected: Steps | None = None
    programs: Labels | None = None
    notes: tuple[str, ...] = field(default=())
    """What of the declaration could not be read, and why."""

    def sums(self, pieces: Pieces) -> list[Elements]:
        """The elements of each group of pieces. Time and counts that lie in no piece are in none."""
        times = self._times(pieces)
        failures = _per_group(pieces.at(self._inside(self.states.failures())), pieces.groups)
        counts = self._counts(pieces)
        return [
            Elements(
                inside=tuple(times[group, 0].tolist()),
                outside=tuple(times[group, 1].tolist()),
                failures=int(failures[group]),
                plan=self.plan is not None,
                counted=self.parts is not None,
                judged=self.judged,
                **counts[group],
            )
            for group in range(pieces.groups)
        ]

    def whole(self) -> Elements:
        return self.sums(Pieces.of([(self.start, self.end, 0)], 1))[0]

    def down(self, pieces: Pieces) -> list[int]:
        """Microseconds down or in repair of each group, in planned time; all time where no plan is declared."""
        found: list[int] = self._times(pieces)[:, 0, _DOWN].sum(axis=1).tolist()
        return found

    @property
    def judged(self) -> bool:
        """Whether anybody tells which parts are good."""
        return self.good is not None or self.rejected is not None or self.declared.all_good

    def _inside(self, moments: Ints) -> Ints:
        return moments[(moments >= self.start) & (moments < self.end)]

    def _planned(self, moments: Ints) -> NDArray[np.bool_]:
        return np.ones(len(moments), np.bool_) if self.plan is None else self.plan.at(moments) >= 0

    def _times(self, pieces: Pieces) -> Ints:
        """int64[groups, planned or not, states]: microseconds."""
        edges = [self.states.edges, pieces.start, pieces.end, np.array([self.start, self.end], np.int64)]
        if self.plan is not None:
            edges += [self.plan.start, self.plan.end]
        cuts = np.unique(np.clip(np.concatenate(edges), self.start, self.end))
        begin, length = cuts[:-1], np.diff(cuts)
        group, state = pieces.at(begin), self.states.at(begin).astype(np.int64)
        keep = group >= 0
        width = UNKNOWN + 1
        place = (group * 2 + ~self._planned(begin)) * width + state
        # Sums of microseconds below 2^53 (285 years) are exact as float64.
        found = np.bincount(place[keep], length[keep].astype(np.float64), minlength=pieces.groups * 2 * width)
        return found.astype(np.int64).reshape(pieces.groups, 2, width)

    def _counts(self, pieces: Pieces) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = [{} for _ in range(pieces.groups)]
        if self.parts is None:
            return told
        steps = self._within(self.parts)
        group, counts = pieces.at(steps.time), self._counts_in_figures(steps)
        planned = self._planned(steps.time)
        n = pieces.groups
        made = _per_group(group, n, np.where(counts, steps.amount, 0.0))
        outside = _per_group(group, n, np.where(steps.sure & ~planned, steps.amount, 0.0))
        unknown = _per_group(group, n, np.where(~counts & ~(steps.sure & ~planned), steps.amount, 0.0))
        good = self._good(pieces, made)
        names, of_program = self._by_program(steps, pieces, counts)
        for place in range(n):
            row = of_program[place]
            rated = [self._run_time(name) for name in names]
            told[place] = {
                "parts": float(made[place]),
                "good": float(good[place]),
                "parts_outside": float(outside[place]),
                "parts_unknown": float(unknown[place]),
                "ideal_us": sum(float(a) * s * 1e6 for a, s in zip(row, rated, strict=True) if s is not None),
                "unrated": {
                    name: float(a) for name, a, s in zip(names, row, rated, strict=True) if s is None and a > 0
                },
            }
        return told

    def _within(self, steps: Steps) -> Steps:
        keep = (steps.time >= self.start) & (steps.time < self.end)
        return Steps(steps.time[keep], steps.amount[keep], steps.sure[keep])

    def _counts_in_figures(self, steps: Steps) -> NDArray[np.bool_]:
        """Counted in planned time of which the state is known."""
        found: NDArray[np.bool_] = steps.sure & self._planned(steps.time) & (self.states.at(steps.time) != UNKNOWN)
        return found

    def _good(self, pieces: Pieces, made: Floats) -> Floats:
        told = self.good if self.good is not None else self.rejected
        if told is None:
            return made if self.declared.all_good else np.zeros(len(made))
        steps = self._within(told)
        amount = np.where(self._counts_in_figures(steps), steps.amount, 0.0)
        counted = _per_group(pieces.at(steps.time), pieces.groups, amount)
        return counted if self.good is not None else made - counted

    def _by_program(self, steps: Steps, pieces: Pieces, counts: NDArray[np.bool_]) -> tuple[tuple[str, ...], Floats]:
        """Names, and float64[groups, names]."""
        names = ("", *(self.programs.names if self.programs is not None else ()))
        code = np.zeros(len(steps.time), np.int64) if self.programs is None else self.programs.at(steps.time) + 1
        group = pieces.at(steps.time)
        keep = (group >= 0) & counts
        place = group[keep] * len(names) + code[keep]
        found = np.bincount(place, steps.amount[keep], minlength=pieces.groups * len(names))
        return names, found.astype(np.float64).reshape(pieces.groups, len(names))

    def _run_time(self, program: str) -> float | None:
        return self.declared.run_times_s.get(program, self.declared.run_time_s)


def _per_group(group: Ints, groups: int, amount: Floats | None = None) -> Floats:
    keep = group >= 0
    return np.bincount(group[keep], None if amount is None else amount[keep], minlength=groups).astype(np.float64)
