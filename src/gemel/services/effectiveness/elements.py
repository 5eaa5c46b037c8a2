"""What the key figures are made of: times, parts and failures of an interval, which add up.

Never an average of percentages: numerators and denominators of intervals, machines and stays are added, then divided.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gemel.twin import ProductionState

__all__ = ["STATES", "UNKNOWN", "Elements"]

STATES = tuple(ProductionState)
UNKNOWN = len(STATES)
"""The place of time of which the state is not known, after those of the states."""
_NONE = (0,) * (UNKNOWN + 1)


class Elements(msgspec.Struct, frozen=True, kw_only=True):
    """Of one interval, or of several together. Times in microseconds, by the places of STATES, then UNKNOWN."""

    inside: tuple[int, ...] = _NONE
    """In planned time; all time where no plan is declared."""
    outside: tuple[int, ...] = _NONE
    """In time that was not planned."""
    failures: int = 0
    """How often it went down (FE), from a known state that was not."""
    parts: float = 0.0
    """Produced quantity (PQ), counted in planned time of which the state is known."""
    good: float = 0.0
    """Of them the good ones (GQ)."""
    ideal_us: float = 0.0
    """Planned run time of those parts: Σ PRI × PQ."""
    unrated: dict[str, float] = {}
    """Parts without a planned run time, by program."""
    parts_outside: float = 0.0
    """Counted in time that was not planned; in no key figure."""
    parts_unknown: float = 0.0
    """Counted across or within a time of which nothing is known; in no key figure."""
    plan: bool = True
    """Whether it is declared when it is planned to be busy."""
    counted: bool = True
    """Whether anybody tells how many parts were made."""
    judged: bool = True
    """Whether anybody tells which of them are good."""

    def __add__(self, other: Elements) -> Elements:
        return Elements(
            inside=tuple(a + b for a, b in zip(self.inside, other.inside, strict=True)),
            outside=tuple(a + b for a, b in zip(self.outside, other.outside, strict=True)),
            failures=self.failures + other.failures,
            parts=self.parts + other.parts,
            good=self.good + other.good,
            ideal_us=self.ideal_us + other.ideal_us,
            unrated={
                name: self.unrated.get(name, 0.0) + other.unrated.get(name, 0.0)
                for name in (*self.unrated, *(one for one in other.unrated if one not in self.unrated))
            },
            parts_outside=self.parts_outside + other.parts_outside,
            parts_unknown=self.parts_unknown + other.parts_unknown,
            plan=self.plan and other.plan,
            counted=self.counted and other.counted,
            judged=self.judged and other.judged,
        )

    def __radd__(self, other: Any) -> Elements:
        return self  # so that sum() begins

    def of(self, *states: ProductionState) -> int:
        """Microseconds of these states in planned time."""
        return sum(self.inside[STATES.index(one)] for one in states)

    def ever(self, *states: ProductionState) -> int:
        """Microseconds of these states in all time."""
        return sum(self.inside[STATES.index(one)] + self.outside[STATES.index(one)] for one in states)

    @property
    def unknown(self) -> int:
        """Microseconds of planned time of which the state is not known."""
        return self.inside[UNKNOWN]
