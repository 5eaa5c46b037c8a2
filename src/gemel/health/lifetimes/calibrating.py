"""Whether predictions came true as often as they said. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import msgspec
import numpy as np

from gemel.health.learning.survival import Exposure, kaplan_meier
from gemel.health.lifetimes.values import Band, Calibration, Recorded

__all__ = ["LEAST_KNOWN", "calibrated", "outcomes"]

BANDS = 5
LEAST_KNOWN = 20
"""Predictions of which it is known what became of them; of fewer, no share is told."""
Lived = Mapping[tuple[str, int], tuple[float, str]]
"""(item, life) → its age now, and how it ended."""


def outcomes(kept: Sequence[Recorded], lived: Lived) -> list[Recorded]:
    """What became of each: failed within its use, lived through it, open, or lost."""
    return [msgspec.structs.replace(one, outcome=_outcome(one, lived)) for one in kept]


def _outcome(one: Recorded, lived: Lived) -> str:
    age, ended = lived.get((one.item, one.life), (one.age, "removed"))
    if age - one.age >= one.more:
        return "lived"
    if ended == "failed":
        return "failed"
    return "open" if ended == "running" else "lost"


def calibrated(model: str, kept: Sequence[Recorded], lived: Lived) -> Calibration:
    """By bands of probability: what was predicted, and what was observed (Kaplan-Meier; open and lost are censored)."""
    told = outcomes(kept, lived)
    known = [one for one in told if one.outcome in ("failed", "lived")]
    failed = sum(one.outcome == "failed" for one in known)
    summary = Calibration(
        model=model,
        predictions=len(told),
        open=sum(one.outcome == "open" for one in told),
        failed=failed,
        bands=(),
        expected=sum(one.probability for one in known),
    )
    if len(known) < LEAST_KNOWN:
        why = f"of {len(known)} predictions it is known what became of them; {LEAST_KNOWN} are needed to judge"
        return msgspec.structs.replace(summary, why=why)
    ordered = sorted(told, key=lambda one: one.probability)
    count = max(1, min(BANDS, len(known) // LEAST_KNOWN))
    edges = [round(n * len(ordered) / count) for n in range(count + 1)]
    bands = [_band(ordered[start:end], lived) for start, end in pairwise(edges) if start < end]
    return msgspec.structs.replace(summary, bands=tuple(bands))


def _band(some: Sequence[Recorded], lived: Lived) -> Band:
    uses = [(lived.get((one.item, one.life), (one.age, ""))[0] - one.age, one) for one in some]
    watched = [(min(use, one.more) / one.more, one.outcome == "failed") for use, one in uses if use > 0]
    observed: tuple[float, float, float] | None = None
    if watched:
        share = np.array([use for use, _ in watched])
        failed = np.array([gone for _, gone in watched])
        curve = kaplan_meier(Exposure(np.zeros(len(share)), share, failed, np.empty((len(share), 0))))
        alive, low, high = curve.at(1.0)
        observed = 1 - alive, 1 - high, 1 - low
    return Band(
        low=some[0].probability,
        high=some[-1].probability,
        predictions=len(some),
        predicted=sum(one.probability for one in some) / len(some),
        observed=observed[0] if observed else None,
        observed_low=observed[1] if observed else None,
        observed_high=observed[2] if observed else None,
    )
