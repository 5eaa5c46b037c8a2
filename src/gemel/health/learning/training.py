"""Learning from lives, and judging what was learnt by what came after. No I/O, no clock; runs in a process of its own.

The lives are cut at a moment. What was known then teaches two models, with what is known of the configuration and
without it; what became of the items after it judges both. Then both learn from all lives. The configuration is used
only where it makes predictions better beyond chance.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemel.health.learning.features import Encoding, encoding_of
from gemel.health.learning.scoring import RESAMPLES, Compared, Lives, compare
from gemel.health.learning.survival import Exposure, Floats, Weibull, fit, kaplan_meier
from gemel.health.learning.values import Draft, Effect, Plot

__all__ = ["CONFIGURATION", "LEAST_FAILURES", "NO_CONFIGURATION", "Learnt", "Parameters", "learn"]

LEAST_FAILURES = 10
"""Fewer teach no model, and judge none: the answer is unknown."""
CONFIGURATION, NO_CONFIGURATION = "configuration", "no-configuration"
DRAWS = 400
AGES = 40
MOST_LEVELS = 6


class Parameters(msgspec.Struct, frozen=True):
    """A fitted model, to be kept."""

    scale: float
    values: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    likelihood: float
    encoding: Encoding

    def model(self) -> Weibull:
        return Weibull(self.scale, np.array(self.values), np.array(self.covariance), self.likelihood)


class Learnt(msgspec.Struct, frozen=True, kw_only=True):
    """What a training gives."""

    lives: int
    failures: int
    without: Parameters | None = None
    with_configuration: Parameters | None = None
    compared: Compared | None = None
    uses: str = ""
    why: str = ""
    effects: tuple[Effect, ...] = ()
    plots: tuple[Plot, ...] = ()


def learn(draft: Draft, now: pa.Table, then: pa.Table, *, resamples: int = RESAMPLES) -> Learnt:
    """`now`: all lives (one row each, `LIVES`); `then`: the same as they were at the cut."""
    now, then = _risked(now), _risked(then)
    failures = _failures(now)
    if failures < LEAST_FAILURES:
        why = f"{failures} of {now.num_rows} lives ended by a failure; {LEAST_FAILURES} are needed to learn from"
        return Learnt(lives=now.num_rows, failures=failures, why=why)
    encoding = encoding_of(now, draft.features, failures)
    whole = _exposure(now, encoding)
    without = fit(whole.without())
    learnt = Learnt(
        lives=now.num_rows,
        failures=failures,
        without=_kept(without, Encoding()),
        uses=NO_CONFIGURATION,
        plots=_plots(now, whole, encoding, without, None),
    )
    if not encoding.columns:
        why = "nothing of the configuration that can be learnt differs between these lives"
        if encoding.left_out:
            why = f"{failures} failures are too few for the levels of {', '.join(encoding.left_out)}"
        return msgspec.structs.replace(learnt, why=why)
    with_it = fit(whole)
    compared, why = _compared(draft, now, then, resamples)
    better = compared is not None and compared.better
    if compared is not None:
        gain = compared.scores[0]
        why = (
            f"the configuration adds {gain.gain:+.3f} to the log-likelihood of an item "
            f"(95 %: {gain.low:+.3f} to {gain.high:+.3f}): {'it is used' if better else 'that may be chance'}"
        )
    if encoding.left_out:
        why += f"; too few failures for the levels of {', '.join(encoding.left_out)}"
    return msgspec.structs.replace(
        learnt,
        with_configuration=_kept(with_it, encoding),
        compared=compared,
        uses=CONFIGURATION if better else NO_CONFIGURATION,
        why=why,
        effects=_effects(with_it, encoding, now, draft.seed),
        plots=_plots(now, whole, encoding, without, with_it),
    )


def _compared(draft: Draft, now: pa.Table, then: pa.Table, resamples: int) -> tuple[Compared | None, str]:
    """Of models that know nothing from after the cut: their levels neither."""
    before = _failures(then)
    if before < LEAST_FAILURES:
        return None, f"{before} failures came before the cut; {LEAST_FAILURES} are needed to tell what is better"
    encoding = encoding_of(then, draft.features, before)
    if not encoding.columns:
        return None, "before the cut nothing of the configuration that can be learnt differed between the lives"
    aged = dict(zip(_keys(then), then["exit"].to_pylist(), strict=True))
    over = {key for key, ended in zip(_keys(then), then["ended"].to_pylist(), strict=True) if ended == "failed"}
    keys = _keys(now)
    entry = np.array([aged.get(key, old) for key, old in zip(keys, now["entry"].to_pylist(), strict=True)])
    exits = now["exit"].to_numpy()
    after = np.array([key not in over for key in keys]) & (exits > entry)
    held = _exposure(now, encoding)
    held = Exposure(np.maximum(entry, held.entry), held.exit, held.failed, held.x).take(after)
    failed = int(held.failed.sum())
    if failed < LEAST_FAILURES:
        return None, f"{failed} failures came after the cut; {LEAST_FAILURES} are needed to tell what is better"
    items = _numbers(now.filter(pa.array(after)))
    order = np.argsort(items, kind="stable")
    learnt = _numbers(then)
    by_item = np.argsort(learnt, kind="stable")
    return compare(
        Lives(_exposure(then, encoding).take(by_item), learnt[by_item]),
        Lives(held.take(order), items[order]),
        draft.seed,
        resamples=resamples,
    ), ""


def _keys(rows: pa.Table) -> list[tuple[str, int]]:
    return list(zip(rows["item"].to_pylist(), rows["life"].to_pylist(), strict=True))


def _risked(rows: pa.Table) -> pa.Table:
    """Only lives of which something was watched."""
    entry, exits = rows["entry"].to_numpy(), rows["exit"].to_numpy()
    return rows.filter(pa.array(exits > entry))


def _failures(rows: pa.Table) -> int:
    return sum(ended == "failed" for ended in rows["ended"].to_pylist())


def _numbers(rows: pa.Table) -> NDArray[np.int64]:
    names = rows["item"].to_pylist()
    places = {name: at for at, name in enumerate(dict.fromkeys(names))}
    return np.array([places[name] for name in names], np.int64)


def _exposure(rows: pa.Table, encoding: Encoding) -> Exposure:
    failed = np.array([ended == "failed" for ended in rows["ended"].to_pylist()], np.bool_)
    return Exposure(rows["entry"].to_numpy(), rows["exit"].to_numpy(), failed, encoding.matrix(rows))


def _kept(model: Weibull, encoding: Encoding) -> Parameters:
    covariance = tuple(tuple(row) for row in model.covariance.tolist())
    return Parameters(model.scale, tuple(model.values.tolist()), covariance, model.likelihood, encoding)


def _effects(model: Weibull, encoding: Encoding, rows: pa.Table, seed: int) -> tuple[Effect, ...]:
    drawn = model.drawn(DRAWS, seed).values
    times = np.exp(-drawn[:, 2:] / np.exp(drawn[:, :1]))
    best = np.exp(-model.values[2:] / model.shape)
    matrix = encoding.matrix(rows)
    failed = np.array([ended == "failed" for ended in rows["ended"].to_pylist()])
    found = []
    for at, column in enumerate(encoding.columns):
        low, high = np.quantile(times[:, at], (0.025, 0.975))
        has = matrix[:, at] > 0
        found.append(
            Effect(
                feature=column.feature,
                level=column.level,
                reference=column.reference,
                times=float(best[at]),
                low=float(low),
                high=float(high),
                items=int(has.sum()),
                failures=int((has & failed).sum()),
            )
        )
    return tuple(found)


def _plots(
    rows: pa.Table, of: Exposure, encoding: Encoding, without: Weibull, with_it: Weibull | None
) -> tuple[Plot, ...]:
    """Of all lives, and of each level of what few levels there are of."""
    ages = np.linspace(0, float(np.quantile(of.exit, 0.98)), AGES + 1)
    found = [_plot("", of, ages, without, of.without())]
    if with_it is None:
        return tuple(found)
    for feature, kept in encoding.levels.items():
        if len(kept) > MOST_LEVELS:
            continue
        told = rows[feature].to_pylist()
        for level in kept:
            has = np.array([(str(value) or "unknown") == level for value in told])
            some = of.take(has)
            found.append(_plot(f"{feature} {level}", some, ages, with_it, some))
    return tuple(found)


def _plot(level: str, of: Exposure, ages: Floats, model: Weibull, rows: Exposure) -> Plot:
    curve = kaplan_meier(of)
    seen = [curve.at(float(age)) for age in ages]
    expected = np.mean(np.exp(-model.hazard(ages[:, None], rows.x)), axis=1).tolist()
    at_risk = [int(np.sum((of.entry < age) & (age <= of.exit))) if age else int(np.sum(of.entry == 0)) for age in ages]
    return Plot(
        level=level,
        age=tuple(ages.tolist()),
        seen=tuple(one[0] for one in seen),
        low=tuple(one[1] for one in seen),
        high=tuple(one[2] for one in seen),
        model=tuple(expected),
        at_risk=tuple(at_risk),
    )
