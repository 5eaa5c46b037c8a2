"""What the simulated objects of the trial plant have in common: they are stepped, told, and asked."""

from __future__ import annotations

import math
from typing import Any, Protocol

__all__ = ["FAULT", "FAULT_S", "LOST_S", "Refusal", "Simulated", "Trouble", "approach", "drive"]

FAULT = "simulated_fault"
"""The property by which a visitor injects a fault; "none" while there is none."""
FAULT_S = 60.0
"""An injected fault ends by itself."""
LOST_S = 12.0
"""How long a lost link stays away."""
_STILL_S = 3.0
"""Before that it is still there, so that the order to lose it is answered."""


class Refusal(Exception):
    """The object does not do what it is told; says why."""


class Simulated(Protocol):
    """One object with first-order physics and noise from a seed: the same steps give the same values."""

    @property
    def linked(self) -> bool:
        """Whether its link is there; its server or publisher acts accordingly."""

    def step(self, dt_s: float) -> None:
        """Let `dt_s` seconds go by."""

    def values(self) -> dict[tuple[str, str], Any]:
        """What it reports: (twin, property) → value, in the unit of the property."""

    def set(self, name: str, value: Any) -> None:
        """Take a set point of its own property. Raises Refusal."""

    def call(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        """Carry a command out; returns its output. Raises Refusal."""


class Trouble:
    """An injected fault and how long it has left."""

    def __init__(self) -> None:
        self.name = "none"
        self._left_s = 0.0

    @property
    def linked(self) -> bool:
        return self.name != "link_lost" or self._left_s > LOST_S

    def inject(self, name: str) -> None:
        self.name = name
        self._left_s = LOST_S + _STILL_S if name == "link_lost" else FAULT_S

    def step(self, dt_s: float) -> None:
        self._left_s -= dt_s
        if self._left_s <= 0:
            self.name = "none"


def approach(value: float, target: float, dt_s: float, tau_s: float) -> float:
    """First-order lag, exact for any step: after `tau_s` 63 % of the way is gone."""
    return target + (value - target) * math.exp(-dt_s / tau_s)


def drive(value: float, target: float, most: float) -> float:
    """Towards the target by at most `most`."""
    return target if abs(target - value) <= most else value + math.copysign(most, target - value)
