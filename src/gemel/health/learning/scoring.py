"""How good predictions of lifetimes are, on lives that they were not learnt from. No I/O, no clock.

Sources: Harrell, Lee, Mark 1996 (concordance); Graf, Schmoor, Sauerbrei, Schumacher 1999 (Brier score with inverse
probability of censoring weights); Efron and Tibshirani 1993 (percentile bootstrap, of items). The log-likelihood of
what became of each item is a proper score that needs no weights, so it alone decides what is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from gemel.health.learning.survival import Exposure, Floats, Weibull, fit, kaplan_meier

__all__ = ["RESAMPLES", "Compared", "Lives", "Score", "compare"]

Rows = NDArray[np.intp]
RESAMPLES = 200
MOST_PAIRED = 500
"""Items of which pairs are made; of more, a sample."""
GRID = 25


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One measure, with the configuration and without it, and the difference with its interval of 95 %."""

    measure: str
    """log_likelihood (of an item, more is better), concordance (0.5: as by lot), brier (0.25: as by lot, less is
    better)."""
    without: float
    with_configuration: float
    gain: float
    """With minus without, signed so that more is better."""
    low: float
    high: float


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """Both models on the same lives."""

    items: int
    failures: int
    horizon: float
    """Use after the cut for which concordance ranks; the Brier score is the mean up to twice that, at most."""
    scores: tuple[Score, ...]

    @property
    def better(self) -> bool:
        """The configuration makes predictions better, and that is not by chance."""
        return self.scores[0].low > 0


@dataclass(frozen=True, slots=True)
class Lives:
    """Times under risk, and whose they are: an item that failed and was repaired has several."""

    of: Exposure
    item: NDArray[np.int64]
    """int64[n], rising."""

    def drawn(self, rng: np.random.Generator) -> Rows:
        """As many items, drawn with replacement, each with all its lives: the rows."""
        _, first, count = np.unique(self.item, return_index=True, return_counts=True)
        some = rng.integers(0, len(first), len(first))
        return np.concatenate([np.arange(first[one], first[one] + count[one]) for one in some])


@dataclass(frozen=True, slots=True)
class _Told:
    """What a model says of each item."""

    likelihood: Floats
    risk: Floats
    """Of failing within the horizon."""
    alive: Floats
    """float64[GRID, n]: beyond each moment of the grid."""


def compare(learnt: Lives, held: Lives, seed: int, *, resamples: int = RESAMPLES) -> Compared:
    """Learn from some lives, with what is known of each and without it, and hold both against what became of others.

    Of those that are held out, `entry` is their age at the cut. The interval is of drawing items anew, both those that
    were learnt from and those held out: so it has in it that other lives would have taught another model.
    """
    lasted = held.of.exit - held.of.entry
    horizon = float(np.median(lasted[held.of.failed]))
    grid = np.linspace(0, min(2 * horizon, float(np.quantile(lasted, 0.95))), GRID + 1)[1:]
    rng = np.random.default_rng(seed)
    errors, paired = _brier_errors(held.of, lasted, grid), _pairs(held.of, lasted, rng)

    def measures(rows: Rows | None, weight: Floats) -> Floats:
        """float64[3, 2]: each measure, without and with, learnt from some rows, over weighted others."""
        found = np.empty((3, 2))
        learn = learnt.of if rows is None else learnt.of.take(rows)
        for at, (one, of) in enumerate(((learn.without(), held.of.without()), (learn, held.of))):
            told = _told(fit(one), of, horizon, grid)
            found[0, at] = float(weight @ told.likelihood / weight.sum())
            found[1, at] = paired(told.risk, weight)
            found[2, at] = float(np.mean((errors(told.alive) @ weight) / weight.sum()))
        return found

    whole = measures(None, np.ones(len(held.of)))
    drawn: list[Floats] = []
    while len(drawn) < resamples:
        rows, counts = learnt.drawn(rng), np.bincount(held.drawn(rng), minlength=len(held.of))
        if learnt.of.failed[rows].any() and counts.any():
            drawn.append(measures(rows, counts.astype(float)))
    sign = (1.0, 1.0, -1.0)
    gained = np.array(drawn)[:, :, 1] - np.array(drawn)[:, :, 0]
    scores = []
    for row, measure in enumerate(("log_likelihood", "concordance", "brier")):
        low, high = np.nanquantile(sign[row] * gained[:, row], (0.025, 0.975))
        without, with_it = (float(value) for value in whole[row])
        gain = sign[row] * (with_it - without)
        scores.append(
            Score(
                measure=measure,
                without=without,
                with_configuration=with_it,
                gain=gain,
                low=float(low),
                high=float(high),
            )
        )
    return Compared(
        items=len(np.unique(held.item)), failures=int(held.of.failed.sum()), horizon=horizon, scores=tuple(scores)
    )


def _told(model: Weibull, of: Exposure, horizon: float, grid: Floats) -> _Told:
    risk = model.failing(of.entry, np.full(len(of), horizon), of.x)
    alive = np.exp(model.hazard(of.entry, of.x) - model.hazard(of.entry + grid[:, None], of.x))
    return _Told(model.likelihood_of(of), risk, alive)


def _pairs(of: Exposure, lasted: Floats, rng: np.random.Generator) -> Callable[[Floats, Floats], float]:
    """(risks, weights) -> concordance over the pairs of which it is known who failed first; ties of risk count half."""
    some = np.arange(len(of))
    if len(of) > MOST_PAIRED:
        some = np.sort(rng.choice(len(of), MOST_PAIRED, replace=False))
    last, failed = lasted[some], of.failed[some]
    first = failed[:, None] & ((last[:, None] < last[None, :]) | ((last[:, None] == last[None, :]) & ~failed[None, :]))

    def concordance(risk: Floats, weight: Floats) -> float:
        here, weigh = risk[some], weight[some]
        wins = (here[:, None] > here[None, :]) + 0.5 * (here[:, None] == here[None, :])
        total = weigh @ (first @ weigh)
        return float(weigh @ ((first * wins) @ weigh) / total) if total else float("nan")

    return concordance


def _brier_errors(of: Exposure, lasted: Floats, grid: Floats) -> Callable[[Floats], Floats]:
    """alive float64[GRID, n] -> weighted squared errors float64[GRID, n]."""
    nothing = np.zeros(len(of))
    kept = kaplan_meier(Exposure(nothing, lasted, ~of.failed, np.empty((len(of), 0))))

    def watched(moment: float, *, before: bool) -> float:
        place = int(np.searchsorted(kept.time, moment, side="left" if before else "right")) - 1
        return 1.0 if place < 0 else max(float(kept.alive[place]), 0.05)

    at_end = np.array([watched(moment, before=True) for moment in lasted])
    died: NDArray[np.bool_] = of.failed[None, :] & (lasted[None, :] <= grid[:, None])
    lived = lasted[None, :] > grid[:, None]
    at_grid = np.array([watched(moment, before=False) for moment in grid])

    def errors(alive: Floats) -> Floats:
        squared: Floats = died * alive**2 / at_end[None, :] + lived * (1 - alive) ** 2 / at_grid[:, None]
        return squared

    return errors
