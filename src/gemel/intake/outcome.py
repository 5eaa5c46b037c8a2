"""What became of one submission: what was taken, what was a repeat, what is refused and how it is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gemel.intake.base import Receipt, Refusal, Reported
from gemel.intake.quarantine import Held

__all__ = ["MAX_PROBLEMS", "ONE_BY_ONE", "Outcome"]

MAX_PROBLEMS = 100
ONE_BY_ONE = 16
"""So many readings of a twin refused for one reason have a row each in the quarantine; more share one."""
_NONE: tuple[Any, ...] = ()


class _Run:
    """Readings of one twin that were refused for one reason, in order."""

    __slots__ = ("held", "readings")

    def __init__(self) -> None:
        self.held: list[Held] = []  # of the first ones, each with its own words
        self.readings: list[Reported] = []


class Outcome:
    """What became of one item; its positions are known when the block is."""

    __slots__ = ("_held", "_runs", "accepted", "end", "problems", "quarantined", "repeated", "start")

    def __init__(self, start: int) -> None:
        self.start = self.end = start
        self.accepted = 0
        self.repeated = 0
        self.quarantined = 0
        self.problems: Sequence[Refusal] = _NONE
        self._held: Sequence[Held] = _NONE
        self._runs: dict[tuple[str, str, str], _Run] | None = None

    def refuse(self, held: Held) -> None:
        """One thing, or `held.refusal.count` readings at once."""
        self.quarantined += held.refusal.count
        if len(self.problems) < MAX_PROBLEMS:
            self.problems = [*self.problems, held.refusal]
        if type(held.payload) is not Reported:
            self._held = [*self._held, held]
            return
        if self._runs is None:
            self._runs = {}
        key = held.source, held.refusal.code, held.refusal.twin
        run = self._runs.get(key)
        if run is None:
            run = self._runs[key] = _Run()
        run.readings.append(held.payload)
        if len(run.readings) <= ONE_BY_ONE:
            run.held.append(held)

    def held(self) -> Iterator[Held]:
        """What goes to quarantine: a few as they are, many as runs."""
        for run in (self._runs or {}).values():
            if len(run.readings) <= ONE_BY_ONE:
                yield from run.held
            else:
                first = run.held[0]
                yield Held(first.source, first.received, first.refusal, run.readings, first.actor)
        yield from self._held

    def receipt(self, first: int, head: int) -> Receipt:
        """`first`: position of the block's first entry; `head`: the journal's position after it."""
        new = self.end > self.start
        return Receipt(
            first=first + self.start if new else 0,
            last=first + self.end - 1 if new else head,
            accepted=self.accepted,
            repeated=self.repeated,
            quarantined=self.quarantined,
            problems=list(self.problems),
        )
