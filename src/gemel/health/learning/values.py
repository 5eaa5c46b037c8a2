"""What is to be learnt, and what is told of it: values of a training, light enough for a process of its own."""

from __future__ import annotations

import math

import msgspec

from gemel.errors import InvalidInput

__all__ = ["CALENDAR", "FEATURES", "Asked", "Draft", "Effect", "Failures", "Plot"]

CALENDAR = "days"
"""A counter that is not counted but passes: since the item was first in a machine."""
FEATURES = (
    "revision",
    "maker",
    "lot",
    "machine_type",
    "position",
    "software",
    "nonconforming",
    "repairs",
)
"""Columns of the configuration that a model may learn from: all are known when a life begins."""


class Failures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What counts as a failure of an item, besides that somebody said so (its trait `failed`).

    ISO 13381-1 wants the end of life declared: here it is.
    """

    events: tuple[str, ...] = ()
    """Names of events of the twin that tells of it."""
    conditions: tuple[str, ...] = ()
    """Names of its conditions: a fault that was raised."""


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose lives, and how they are counted."""

    parts: tuple[str, ...]
    """Part numbers."""
    counter: str = CALENDAR
    """hours, cycles, strokes …, as it is counted of items; `days`: by the calendar."""
    failures: Failures = Failures()

    def __post_init__(self) -> None:
        if not 0 < len(self.parts) <= 100 or any(not 0 < len(part) <= 128 for part in self.parts):
            raise InvalidInput("name the parts whose lives are asked for: 1 to 100 part numbers")
        if not 0 < len(self.counter) <= 64:
            raise InvalidInput(f"counter is a kind of use, hours say, or {CALENDAR}, of 1 to 64 characters")
        if len(self.failures.events) + len(self.failures.conditions) > 100:
            raise InvalidInput("at most 100 events and conditions count as failures")


class Draft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model to be learnt."""

    id: str
    """Its name; learnt again under the same one, it is the next version."""
    asked: Asked
    horizon: float
    """Use for which risks are told and recorded, in the counter's unit."""
    features: tuple[str, ...] = FEATURES
    learn_share: float = 0.7
    """Of the failures: the model is judged by what came after this share of them."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < len(self.id) <= 64 or not self.id.replace("-", "").replace("_", "").isalnum():
            raise InvalidInput(f"{self.id!r:.80} names no model; use up to 64 letters, digits, - and _")
        if unknown := [name for name in self.features if name not in FEATURES]:
            raise InvalidInput(f"{unknown[0]!r:.60} is not known of lives; there are {', '.join(FEATURES)}")
        if not (math.isfinite(self.horizon) and self.horizon > 0):
            raise InvalidInput(f"a horizon is more than 0 of the counter, not {self.horizon:g}")
        if not 0.2 <= self.learn_share <= 0.9:
            raise InvalidInput(f"learn_share is from 0.2 to 0.9, not {self.learn_share:g}")


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What one thing that is known of an item does to its life, with everything else the same."""

    feature: str
    level: str
    """Empty: of one more of a number."""
    reference: str
    """Compared with this level."""
    times: float
    """Lives are so many times as long."""
    low: float
    high: float
    """Interval of 95 %."""
    items: int
    failures: int


class Plot(msgspec.Struct, frozen=True, kw_only=True):
    """The share alive by age: of what was seen (Kaplan-Meier) and by the model."""

    level: str
    """All; or of one feature: `revision B`."""
    age: tuple[float, ...]
    seen: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    model: tuple[float, ...]
    at_risk: tuple[int, ...]
