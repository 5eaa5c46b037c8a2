"""Lifetimes by themselves: against published results, and against a truth that was made."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from gemel.health.learning.scoring import Lives, compare
from gemel.health.learning.survival import Exposure, fit, kaplan_meier

# Remission of leukaemia in weeks; negative: censored. Gehan 1965, as in Kalbfleisch and Prentice, 1.1.
SIX_MP = [6, 6, 6, 7, 10, 13, 16, 22, 23, -6, -9, -10, -11, -17, -19, -20, -25, -32, -32, -34, -35]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]


def exposure(*groups: list[int]) -> Exposure:
    weeks = np.array([float(one) for weeks in groups for one in weeks])
    group = np.array([[float(at)] for at, weeks in enumerate(groups) for _ in weeks])
    x = group if len(groups) > 1 else np.empty((len(weeks), 0))
    return Exposure(np.zeros(len(weeks)), np.abs(weeks), weeks > 0, x)


def simulated(seed: int, *, effect: float, count: int = 400) -> Exposure:
    """Weibull of shape 2 and scale 1,000; what has x = 1 lives exp(-effect) times as long. Some watched late."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2, (count, 1)).astype(float)
    lives = 1000 * np.exp(-effect * x[:, 0]) * rng.weibull(2.0, count)
    entry = np.where(rng.random(count) < 0.3, rng.uniform(0, 300, count), 0.0)
    last = entry + rng.uniform(300, 1500, count)
    watched = lives > entry
    of = Exposure(entry, np.minimum(lives, last), lives <= last, x)
    return of.take(watched)


def test_the_share_alive_is_the_published_one() -> None:
    curve = kaplan_meier(exposure(SIX_MP))
    assert curve.time.tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert curve.alive == pytest.approx([0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], abs=5e-4)
    assert curve.at_risk.tolist() == [21, 17, 15, 12, 11, 7, 6]
    assert curve.at(10)[1:] == pytest.approx((0.503, 0.889), abs=1e-3)  # survival::survfit, conf.type "log-log"


def test_the_model_of_accelerated_failure_is_the_published_one() -> None:
    """As survival::survreg(Surv(time, cens) ~ treat, MASS::gehan) tells it; the effect is held back a little."""
    model = fit(exposure(PLACEBO, SIX_MP))
    effects = -model.values[1:] / model.shape
    assert np.log(model.scale) + effects[0] == pytest.approx(2.248, abs=0.02)
    assert effects[1] == pytest.approx(1.267, abs=0.04)
    assert 1 / model.shape == pytest.approx(0.732, abs=0.01)
    assert model.likelihood == pytest.approx(-106.6, abs=0.1)
    assert fit(exposure([*SIX_MP, *PLACEBO])).likelihood == pytest.approx(-116.4, abs=0.1)


def test_who_is_watched_from_late_on_tells_only_of_later() -> None:
    """Delayed entry: without regard to it, those that died before they could be watched would make lives longer."""
    of = simulated(1, effect=0.0, count=4000)
    model = fit(of.without())
    scale = model.scale * np.exp(-model.values[1] / model.shape)
    assert (model.shape, scale) == (pytest.approx(2.0, abs=0.1), pytest.approx(1000, rel=0.05))


@settings(max_examples=15, deadline=None)
@given(
    age=some.floats(0, 3000),
    more=some.floats(1, 3000),
    share=some.floats(0.01, 0.99),
)
def test_use_left_and_risk_are_two_sides_of_one_model(age: float, more: float, share: float) -> None:
    model = fit(exposure(PLACEBO))
    nothing, aged = np.empty((1, 0)), np.array([age / 100])
    left = model.left(aged, share, nothing)
    assert model.failing(aged, left, nothing)[0] == pytest.approx(share, abs=1e-6)
    risks = [model.failing(aged, np.array([use]), nothing)[0] for use in (more / 200, more / 100)]
    assert 0 <= risks[0] <= risks[1] <= 1


def test_a_gain_is_shown_where_there_is_one_and_not_where_there_is_none() -> None:
    for effect, gains in ((0.7, True), (0.0, False)):
        learnt, held = simulated(2, effect=effect), simulated(3, effect=effect)
        found = compare(Lives(learnt, np.arange(len(learnt))), Lives(held, np.arange(len(held))), seed=0, resamples=25)
        assert found.better == gains
        for score in found.scores:
            assert score.low <= score.gain <= score.high
            assert (score.low > 0) == gains
            assert gains or score.low <= 0 <= score.high, score


@pytest.mark.soak
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    inside = 0
    for seed in range(200):
        model = fit(simulated(seed, effect=0.5, count=200))
        spread = float(np.sqrt(model.covariance[2, 2]))
        inside += abs(model.values[2] - 2.0 * 0.5) < 1.96 * spread
    assert 180 <= inside <= 199
