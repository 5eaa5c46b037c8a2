"""Scores from measures, and ranks from scores. Without I/O. What is unknown counts as unknown, never as zero."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gemel.services.prospects.values import NUMBERS, Criterion, Ranked, RankedParty, Scored

__all__ = ["bounds", "by_party", "ranked", "scored"]

MOST_REASONS = 3


def scored(criterion: Criterion, value: float | bool | None, evidence: str, unit: str = "") -> Scored:
    """One criterion with its score."""
    return Scored(
        criterion=criterion.name,
        weight=criterion.weight,
        value=value,
        unit=unit,
        score=None if value is None else _score(criterion, value),
        evidence=evidence,
    )


def _score(criterion: Criterion, value: float | bool) -> float:
    if criterion.measure not in NUMBERS:
        return 1.0 if bool(value) is criterion.want else 0.0
    worst = 0.0 if criterion.worst is None else criterion.worst
    best = 1.0 if criterion.best is None else criterion.best
    share = (float(value) - worst) / (best - worst)
    return min(1.0, max(0.0, share))


def bounds(criteria: Iterable[Scored]) -> tuple[float | None, float, float, float]:
    """(score of what is known, the least and the most that it can be, the part that is known), by weight."""
    told = list(criteria)
    whole = sum(one.weight for one in told)
    known = [(one.weight, one.score) for one in told if one.score is not None]
    weight = sum(each for each, _ in known)
    points = sum(each * score for each, score in known)
    if not whole:
        return None, 0.0, 1.0, 0.0
    low, high = points / whole, (points + whole - weight) / whole
    return (points / weight if weight else None), low, high, weight / whole


def ranked(machines: Iterable[Ranked], least_known: float) -> tuple[tuple[Ranked, ...], tuple[Ranked, ...]]:
    """Those of which enough is known, the best first, and the others."""
    told = list(machines)
    enough = [one for one in told if one.score is not None and one.known >= least_known]
    others = [one for one in told if one.score is None or one.known < least_known]
    enough.sort(key=lambda one: (-(one.score or 0.0), -one.known, one.machine))
    others.sort(key=lambda one: (-one.known, one.machine))
    return tuple(enough), tuple(others)


def by_party(machines: Sequence[Ranked], unsure: Sequence[Ranked], names: Mapping[str, str]) -> tuple[RankedParty, ...]:
    """Customers by how much there is to be sold."""
    found = []
    for party in sorted({one.party for one in (*machines, *unsure)}):
        mine = [one for one in machines if one.party == party]
        scores = [one.score for one in mine if one.score is not None]
        found.append(
            RankedParty(
                party=party,
                name=names.get(party, party),
                machines=len(mine),
                unsure=sum(one.party == party for one in unsure),
                score=sum(scores) / len(scores) if scores else None,
                total=sum(scores),
                reasons=_reasons(mine),
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.total, one.party)))


def _reasons(machines: Sequence[Ranked]) -> tuple[str, ...]:
    points: dict[str, list[float]] = {}
    for machine in machines:
        for one in machine.criteria:
            if one.score is not None:
                points.setdefault(one.criterion, []).append(one.score * one.weight)
    means = {name: sum(some) / len(some) for name, some in points.items()}
    best = sorted((name for name, mean in means.items() if mean > 0), key=lambda name: (-means[name], name))
    return tuple(best[:MOST_REASONS])
