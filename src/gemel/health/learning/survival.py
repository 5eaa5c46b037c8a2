"""Lifetimes: Kaplan-Meier, and the Weibull model of accelerated failure time, with delayed entry. No I/O, no clock.

Sources: Kalbfleisch and Prentice, The Statistical Analysis of Failure Time Data, 2nd ed., 1.4 and 3.6 (likelihood),
Klein and Moeschberger, Survival Analysis, 2nd ed., 4.2-4.3 (product limit, Greenwood, log-log interval) and 4.6 (left
truncation). log T = mu + x b + W / k, with W of the smallest extreme value distribution; so that
H(t | x) = exp(k log(t / scale) + g0 + x g), g = -k b.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Curve", "Exposure", "Weibull", "fit", "kaplan_meier"]

Floats = NDArray[np.float64]
PENALTY = 0.05
"""Of the squares of effects, in log-likelihood: a level that never failed has a large effect, not an endless one."""
STEPS = 200
ENOUGH = 1e-9
Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Exposure:
    """Times under risk: one row each."""

    entry: Floats
    """float64[n]: from which age on it was watched; 0: from the beginning."""
    exit: Floats
    """float64[n]: until which age; more than `entry`."""
    failed: NDArray[np.bool_]
    """bool[n]: it failed then; else it was well when last seen (censored)."""
    x: Floats
    """float64[n, k]: what is known of each; k may be 0."""

    def __len__(self) -> int:
        return len(self.exit)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Exposure:
        return Exposure(self.entry[rows], self.exit[rows], self.failed[rows], self.x[rows])

    def without(self) -> Exposure:
        """The same, with nothing known of each."""
        return replace(self, x=np.empty((len(self), 0)))


@dataclass(frozen=True, slots=True)
class Curve:
    """The share that lives beyond each age."""

    time: Floats
    """float64[m], rising: ages at which something failed."""
    alive: Floats
    low: Floats
    high: Floats
    """Of the interval of 95 %."""
    at_risk: NDArray[np.int64]

    def at(self, age: float) -> tuple[float, float, float]:
        """(share alive, low, high) at an age."""
        place = int(np.searchsorted(self.time, age, side="right")) - 1
        if place < 0:
            return 1.0, 1.0, 1.0
        return float(self.alive[place]), float(self.low[place]), float(self.high[place])


def kaplan_meier(of: Exposure) -> Curve:
    """The product-limit estimate, with Greenwood's variance and the log-log interval of 95 %."""
    times = np.unique(of.exit[of.failed])
    failed = np.sort(of.exit[of.failed])
    died = np.searchsorted(failed, times, "right") - np.searchsorted(failed, times, "left")
    entered = np.searchsorted(np.sort(of.entry), times, "left")
    left = np.searchsorted(np.sort(of.exit), times, "left")
    at_risk = (entered - left).astype(np.int64)
    with np.errstate(divide="ignore", invalid="ignore"):
        alive = np.cumprod(1.0 - died / at_risk)
        spread = np.sqrt(np.cumsum(died / (at_risk * (at_risk - died)))) / np.abs(np.log(alive))
        low, high = alive ** np.exp(Z95 * spread), alive ** np.exp(-Z95 * spread)
    gone = ~np.isfinite(low)
    low, high = np.where(gone, 0.0, low), np.where(gone, alive, high)
    return Curve(times, np.asarray(alive, np.float64), low, high, at_risk)


@dataclass(frozen=True, slots=True)
class Weibull:
    """A fitted model. Ages in the counter's own unit."""

    scale: float
    """The unit in which ages were put for the fit."""
    values: Floats
    """float64[2 + k]: log of the shape, then g0 and g; float64[m, 2 + k]: of m models, and answers
    have a row for each."""
    covariance: Floats
    """float64[2 + k, 2 + k]: inverse of the observed information."""
    likelihood: float
    """Log-likelihood of what it was fitted to."""

    @property
    def shape(self) -> float:
        """Over 1: it wears out; under 1: the early ones fail."""
        return float(np.exp(self.values[0]))  # of one model

    def hazard(self, age: Floats, x: Floats) -> Floats:
        """Cumulated hazard float64[n] at ages float64[n] of rows float64[n, k]."""
        return _hazard(self.values, _log(age / self.scale), x)

    def failing(self, age: Floats, more: Floats, x: Floats) -> Floats:
        """The probability of failing within `more` of use, of what has lived to `age`: float64[n]."""
        return -np.expm1(self.hazard(age, x) - self.hazard(age + more, x))

    def left(self, age: Floats, share: float | Floats, x: Floats) -> Floats:
        """float64[n]: the use after which this share of those that lived to `age` has failed."""
        reached = self.hazard(age, x) - np.log1p(-share)
        effect = self.values[..., 1:2] + self.values[..., 2:] @ x.T
        shape = np.exp(self.values[..., :1])
        return np.asarray(self.scale * np.exp((np.log(reached) - effect) / shape) - age, np.float64)

    def likelihood_of(self, of: Exposure) -> Floats:
        """Log-likelihood float64[n] of what became of each row, given that it was alive at its entry."""
        u = _log(of.exit / self.scale)
        risen = _hazard(self.values, u, of.x) - self.hazard(of.entry, of.x)
        density = self.values[0] + (self.shape - 1) * u + self.values[1] + of.x @ self.values[2:] - np.log(self.scale)
        return np.where(of.failed, density, 0.0) - risen

    def drawn(self, count: int, seed: int) -> Weibull:
        """So many models as likely as this one, by the normal approximation: what is not known of its parameters."""
        rng = np.random.default_rng(seed)
        draws = rng.multivariate_normal(self.values, self.covariance, size=count, method="eigh")
        draws[:, 0] = np.clip(draws[:, 0], -3.0, 5.0)
        return replace(self, values=draws)


def _log(age: Floats) -> Floats:
    """Of 0: a number whose hazard is nothing."""
    return np.log(np.maximum(age, 1e-12))


def _hazard(values: Floats, u: Floats, x: Floats) -> Floats:
    told = np.exp(values[..., :1]) * u + values[..., 1:2] + values[..., 2:] @ x.T
    return np.asarray(np.exp(np.minimum(told, 700.0)), np.float64)


def fit(of: Exposure) -> Weibull:
    """The most likely model, by Newton's method with Levenberg's damping.

    Effects are held back by `PENALTY`. The caller sees to it that there are failures enough.
    """
    scale = float(np.median(of.exit))
    u, v = _log(of.exit / scale), _log(of.entry / scale)
    x = np.column_stack([np.ones(len(of)), of.x])
    values = np.zeros(1 + x.shape[1])
    values[1] = np.log(max(of.failed.sum(), 0.5) / np.sum((of.exit - of.entry) / scale))
    held = np.full(len(values), PENALTY)
    held[:2] = 0.0
    damping = 1e-3
    best, slope, bend = _look(values, (u, v, x, of), held)
    for _ in range(STEPS):
        step = np.linalg.solve(bend + damping * np.diag(np.maximum(np.diag(bend), 1e-6)), slope)
        step *= min(1.0, 2.0 / float(np.max(np.abs(step)) or 1.0))
        there, next_slope, next_bend = _look(values + step, (u, v, x, of), held)
        if there >= best:
            gain, values, best, slope, bend = there - best, values + step, there, next_slope, next_bend
            damping = max(damping / 10, 1e-12)
            if gain < ENOUGH and float(np.max(np.abs(slope))) < 1e-4:
                break
        else:
            damping *= 10
            if damping > 1e12:
                break
    covariance = np.asarray(np.linalg.pinv(bend, hermitian=True), np.float64)
    lost = float(0.5 * np.sum(held * values**2))
    return Weibull(scale, values, covariance, best + lost - float(of.failed.sum()) * float(np.log(scale)))


def _look(values: Floats, of: tuple[Floats, Floats, Floats, Exposure], held: Floats) -> tuple[float, Floats, Floats]:
    """(penalised log-likelihood, its slope, minus its second derivative) at these values."""
    u, v, x, rows = of
    failed = rows.failed.astype(float)
    k = float(np.exp(values[0]))
    effect = x @ values[1:]
    out = np.exp(np.minimum(k * u + effect, 700.0))
    into = np.where(rows.entry > 0, np.exp(np.minimum(k * v + effect, 700.0)), 0.0)
    risen, first = out - into, u * out - v * into
    second = u * u * out - v * v * into
    total = np.sum(failed * (values[0] + (k - 1) * u + effect)) - np.sum(risen) - 0.5 * np.sum(held * values**2)
    slope = np.concatenate([[np.sum(failed * (1 + k * u)) - k * np.sum(first)], x.T @ (failed - risen)])
    bend = np.empty((len(values), len(values)))
    bend[0, 0] = -np.sum(failed * k * u) + k * np.sum(first) + k * k * np.sum(second)
    bend[0, 1:] = bend[1:, 0] = k * (x.T @ first)
    bend[1:, 1:] = (x * risen[:, None]).T @ x
    return float(total), slope - held * values, bend + np.diag(held)
