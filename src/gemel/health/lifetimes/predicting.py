"""What a model expects of items: pure arithmetic of what was learnt. No I/O, no clock.

Three intervals, each of its own: of a probability, what the model does not know of its parameters (90 %); of the use
left, also that chance decides (80 %); of moments, besides, that the pace of use is known only so well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gemel.clock import MAX_TIME
from gemel.health.learning.survival import Floats
from gemel.health.learning.training import Parameters
from gemel.health.lifetimes.values import Pace

__all__ = ["Expected", "expect", "moment_after", "pace_of", "probabilities"]

DRAWS = 400
POINTS = 30
DAY = 86_400_000_000
_T90 = {1: 6.314, 2: 2.920, 3: 2.353, 4: 2.132, 5: 2.015, 6: 1.943, 7: 1.895}
"""Student's t by degrees of freedom, two-sided 90 %."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Of one item."""

    probability: float
    low: float
    high: float
    left: float
    left_low: float
    left_high: float
    curve: tuple[tuple[float, float, float, float], ...]


def expect(parameters: Parameters, x: Floats, age: float, more: tuple[float, float, float], seed: int) -> Expected:
    """Of an item with features x float64[k] at an age; `more` use, at least, at most: as far as that is known."""
    model = parameters.model()
    row, aged = x[None, :], np.array([age])
    drawn = model.drawn(DRAWS, seed)
    least, most = (drawn.failing(aged, np.array([use]), row) for use in more[1:])
    shares = (np.random.default_rng(seed).permutation(DRAWS) + 0.5) / DRAWS
    left_low, left_high = np.quantile(drawn.left(aged, shares[:, None], row), (0.1, 0.9))
    ends = np.linspace(0, max(more[0], float(left_high)), POINTS + 1)
    alive = 1 - model.failing(aged, ends, row)
    low, high = np.quantile(1 - drawn.failing(aged, ends, row), (0.05, 0.95), axis=0)
    return Expected(
        probability=float(model.failing(aged, np.array([more[0]]), row)[0]),
        low=float(np.quantile(least, 0.05)),
        high=float(np.quantile(most, 0.95)),
        left=float(model.left(aged, 0.5, row)[0]),
        left_low=float(left_low),
        left_high=float(left_high),
        curve=tuple(zip(ends.tolist(), alive.tolist(), low.tolist(), high.tolist(), strict=True)),
    )


def probabilities(parameters: Parameters, x: Floats, age: Floats, more: float, seed: int) -> tuple[Floats, ...]:
    """(probability, low, high, median left) float64[n] of many items."""
    model = parameters.model()
    uses = np.full(len(age), more)
    drawn = model.drawn(DRAWS, seed).failing(age, uses, x)
    low, high = np.quantile(drawn, (0.05, 0.95), axis=0) if len(age) else (age, age)
    return model.failing(age, uses, x), low, high, model.left(age, 0.5, x)


def pace_of(amounts: list[float], days_each: float) -> Pace | None:
    """Of the use in each of some times of one length, the mean with its interval; None where there are too few."""
    free = len(amounts) - 1
    if free < 1:
        return None
    rates = np.array(amounts) / days_each
    mean, spread = float(rates.mean()), float(rates.std(ddof=1)) / math.sqrt(len(rates)) * _T90[min(free, 7)]
    return Pace(per_day=mean, low=max(mean - spread, 0.0), high=mean + spread, days=days_each * len(amounts))


def moment_after(at: int, use: float, per_day: float) -> int | None:
    """When so much use is reached at this pace; None: never, as far as anybody plans."""
    if per_day <= 0 or not math.isfinite(use):
        return None
    moment = at + max(use, 0.0) / per_day * DAY
    return int(moment) if moment < MAX_TIME else None
