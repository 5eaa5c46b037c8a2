"""Values of lifetimes: what was learnt, what is expected of an item, what became of it."""

from __future__ import annotations

import msgspec

from gemel.health.learning.scoring import Compared
from gemel.health.learning.values import Asked, Effect, Plot

__all__ = [
    "Band",
    "Calibration",
    "Limit",
    "Model",
    "Pace",
    "Prediction",
    "Recorded",
    "Risk",
    "Risks",
]


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """What was learnt from lives, and how good it is."""

    id: str
    version: int
    asked: Asked
    features: tuple[str, ...]
    horizon: float
    seed: int
    valid: int
    """Lives up to this moment …"""
    known: int
    """… as they were believed at this one."""
    position: int
    """Of the journal when they were read."""
    table: str
    """SHA-256 of the table of lives: it can be made again as of these two moments."""
    trained: int
    actor: str
    lives: int
    failures: int
    shape: float | None = None
    """Of the Weibull model of all lives: over 1, they wear out; under 1, early ones fail. None: too few failures."""
    median: float | None = None
    """Of a new one's life, of all."""
    compared: Compared | None = None
    uses: str = ""
    """What predictions are made with: configuration, no-configuration; empty: none."""
    why: str = ""
    """Why that, or why there is none."""
    cut: int | None = None
    """The moment at which lives were cut for the comparison."""
    effects: tuple[Effect, ...] = ()
    plots: tuple[Plot, ...] = ()


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How fast an item is used, of its own recent use."""

    per_day: float
    low: float
    high: float
    """Interval of 90 % of the mean."""
    days: float
    """Over so many."""


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """When a life limit is reached at the present pace."""

    kind: str
    limit: float
    hard: bool
    remaining: float
    time: int | None
    earliest: int | None
    latest: int | None
    """None: its pace is not known, or it is not used."""


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """What is expected of one item (ISO 13381-1: item, failure, threshold, time, confidence, influence, method)."""

    item: str
    part: str
    machine: str
    """What it is in; empty: in none that is told."""
    model: str
    version: int
    uses: str
    counter: str
    age: float
    """Of the counter, since it began this life."""
    at: int
    known: int
    position: int
    more: float
    """Use from now on for which the probability is told."""
    until: int | None = None
    """The moment until which that use lasts at its pace, or that was asked for."""
    probability: float | None = None
    """Of failing within that use; None: not known, see `why`."""
    low: float | None = None
    high: float | None = None
    """Interval of 90 % of the probability: what the model does not know of its parameters."""
    left: float | None = None
    """Median of the use left."""
    left_low: float | None = None
    left_high: float | None = None
    """In between it fails with 80 % probability."""
    fails: int | None = None
    """The moment of the median, at its pace."""
    fails_low: int | None = None
    fails_high: int | None = None
    curve: tuple[tuple[float, float, float, float], ...] = ()
    """(use from now on, share alive, low, high)."""
    pace: Pace | None = None
    limits: tuple[Limit, ...] = ()
    failures: int | None = None
    """From how many failures the model learnt; None: not told to the caller."""
    lives: int | None = None
    influences: tuple[Effect, ...] = ()
    why: str = ""
    """Why something of it is not known."""


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    """One item in a list by risk."""

    item: str
    part: str
    revision: str
    machine: str
    position: str
    age: float
    probability: float
    low: float
    high: float
    left: float


class Risks(msgspec.Struct, frozen=True, kw_only=True):
    """Items that run, those most likely to fail within the horizon first."""

    model: str
    version: int
    counter: str
    more: float
    at: int
    known: int
    position: int
    uses: str
    why: str
    expected: float
    """Failures to be expected within that use, over all of them."""
    total: int
    items: tuple[Risk, ...]


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """A prediction as it was made, kept to be held against what happened."""

    number: int
    item: str
    model: str
    version: int
    life: int
    at: int
    known: int
    position: int
    age: float
    more: float
    probability: float
    low: float
    high: float
    left: float
    outcome: str = ""
    """failed, lived, open (its use has not come so far), lost (taken out before, or no longer believed)."""


class Band(msgspec.Struct, frozen=True, kw_only=True):
    """Predictions of like probability, and what became of them."""

    low: float
    high: float
    """Their probabilities lie from–to."""
    predictions: int
    predicted: float
    """Their mean."""
    observed: float | None
    """The share that failed within the use, censored ones accounted for; None: nothing is known yet."""
    observed_low: float | None
    observed_high: float | None


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """Whether what was predicted came about as often as was said."""

    model: str
    predictions: int
    open: int
    failed: int
    bands: tuple[Band, ...]
    expected: float
    """Failures that were to be expected among those of which it is known."""
    why: str = ""
