"""The key figures of ISO 22400-2 from their elements: pure arithmetic, unknown where an input is.

OEE = availability × effectiveness × quality ratio, with availability = APT/PBT, effectiveness = ΣPRI·PQ/APT, quality
ratio = GQ/PQ (ISO 22400-2:2014, as OPC 40501 C.2.4 tells it). The standard's MTBF, MTTF and MTTR divide by FE+1; what
is common divides by FE: both are told, and none is called by the bare name.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from gemel.services.effectiveness.elements import Elements
from gemel.twin import ProductionState

__all__ = ["KPIS", "Figures", "Loss", "Missing", "figures"]

S = ProductionState
_SECOND = 1e6
LITTLE_KNOWN = 0.9
"""With less of the planned time known than this, figures are told with a warning."""


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """Why a key figure is not known."""

    what: str
    """shifts, states, data, parts, run_time, quality, production, not_told"""
    text: str
    """What is missing, and the way out."""


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """One step down from the time asked for to the time in which good parts were made as planned."""

    name: str
    """all, not_planned, unknown, planned_stop, planned_busy, idle, set_up, down, producing, speed, quality, effective:
    in this order"""
    seconds: float
    """How long; of a loss it is taken off."""
    kind: str
    """total, loss"""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Of one interval, or of several together. Ratios from 0 to 1 (effectiveness may be more); None: not known."""

    oee: float | None
    availability: float | None
    effectiveness: float | None
    quality_ratio: float | None
    nee: float | None
    """Net equipment effectiveness: as OEE, but set-up is no loss."""
    utilisation_efficiency: float | None
    """APT/AUBT"""
    allocation_efficiency: float | None
    """AUBT/PBT"""
    technical_effectiveness: float | None
    """APT/(APT+ADET)"""
    setup_ratio: float | None
    """AUST/AUPT"""
    corrective_maintenance_ratio: float | None
    """CMT/(CMT+PMT)"""
    availability_at_least: float | None
    """If it did not produce in any of the time that is not known."""
    availability_at_most: float | None
    """If it produced in all of it."""
    mtbf_iso22400_s: float | None
    """Operating time / (FE+1)"""
    mttf_iso22400_s: float | None
    """Time not down / (FE+1)"""
    mttr_iso22400_s: float | None
    """Time down / (FE+1)"""
    mean_operating_s_per_failure: float | None
    """Operating time / FE, as is common; None without a failure."""
    mean_down_s_per_failure: float | None
    """Time down / FE, as is common; None without a failure."""
    failures: int
    seconds: dict[str, float]
    """Planned time by state, and `unknown`; where no plan is declared, all time."""
    unplanned: dict[str, float]
    """The same of time that was not planned."""
    planned_busy_s: float | None
    """PBT, as far as the state is known: planned time without planned stops."""
    known_share: float | None
    """Of the planned time, the part of which the state is known."""
    parts: float | None
    good: float | None
    parts_outside: float
    """Made in time that was not planned; in no key figure."""
    parts_unknown: float
    """Made in, or across, time of which nothing is known; in no key figure."""
    planned_run_s: float | None
    """Σ PRI × PQ"""
    losses: list[Loss]
    missing: list[Missing]
    warnings: list[str]


KPIS = (
    "oee",
    "availability",
    "effectiveness",
    "quality_ratio",
    "nee",
    "utilisation_efficiency",
    "allocation_efficiency",
    "technical_effectiveness",
    "setup_ratio",
    "corrective_maintenance_ratio",
)


def figures(e: Elements, *, missing: tuple[Missing, ...] = ()) -> Figures:
    """All that these elements tell; `missing`: what is known to be missing besides."""
    apt, aust, adot = e.of(S.PRODUCING), e.of(S.SET_UP), e.of(S.IDLE)
    adet = e.of(S.DOWN, S.REPAIR)
    aupt = apt + aust
    aubt = aupt + adet
    pbt = aubt + adot
    whole = sum(e.inside)
    availability = _ratio(apt, pbt) if e.plan else None
    rated = e.counted and not e.unrated
    effectiveness = _ratio(e.ideal_us, apt) if rated and e.parts > 0 else None
    quality = _ratio(e.good, e.parts) if e.counted and e.judged else None
    speed = _product(effectiveness, quality)
    nothing_made = rated and e.judged and e.parts == 0
    oee = 0.0 if nothing_made and availability is not None else _product(availability, speed)
    nee = 0.0 if nothing_made and availability is not None else _product(_ratio(aupt, pbt) if e.plan else None, speed)
    operating, down = e.ever(S.PRODUCING, S.SET_UP), e.ever(S.DOWN, S.REPAIR)
    up = operating + e.ever(S.IDLE)
    any_known = up + down > 0
    cmt, pmt = e.ever(S.REPAIR), e.ever(S.MAINTENANCE)
    return Figures(
        oee=oee,
        availability=availability,
        effectiveness=effectiveness,
        quality_ratio=quality,
        nee=nee,
        utilisation_efficiency=_ratio(apt, aubt),
        allocation_efficiency=_ratio(aubt, pbt) if e.plan else None,
        technical_effectiveness=_ratio(apt, apt + adet),
        setup_ratio=_ratio(aust, aupt),
        corrective_maintenance_ratio=_ratio(cmt, cmt + pmt),
        availability_at_least=_ratio(apt, pbt + e.unknown) if e.plan else None,
        availability_at_most=_ratio(apt + e.unknown, pbt + e.unknown) if e.plan else None,
        mtbf_iso22400_s=operating / (e.failures + 1) / _SECOND if any_known else None,
        mttf_iso22400_s=up / (e.failures + 1) / _SECOND if any_known else None,
        mttr_iso22400_s=down / (e.failures + 1) / _SECOND if any_known else None,
        mean_operating_s_per_failure=operating / e.failures / _SECOND if e.failures else None,
        mean_down_s_per_failure=down / e.failures / _SECOND if e.failures else None,
        failures=e.failures,
        seconds=_by_name(e.inside),
        unplanned=_by_name(e.outside),
        planned_busy_s=pbt / _SECOND if e.plan else None,
        known_share=_ratio(whole - e.unknown, whole),
        parts=e.parts if e.counted else None,
        good=e.good if e.counted and e.judged else None,
        parts_outside=e.parts_outside,
        parts_unknown=e.parts_unknown,
        planned_run_s=e.ideal_us / _SECOND if rated else None,
        losses=list(_losses(e, pbt, quality)),
        missing=[*missing, *_missing(e, pbt, apt)],
        warnings=list(_warnings(e, effectiveness, quality)),
    )


def _ratio(above: float, below: float) -> float | None:
    return above / below if below > 0 else None


def _product(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one * other


def _by_name(times: tuple[int, ...]) -> dict[str, float]:
    names = [*map(str, S), "unknown"]
    return {name: time / _SECOND for name, time in zip(names, times, strict=True)}


def _losses(e: Elements, pbt: int, quality: float | None) -> Iterator[Loss]:
    """From all time down to the effective time, as far as it is known."""

    def step(name: str, time: float, kind: str = "loss") -> Loss:
        return Loss(name=name, seconds=time / _SECOND, kind=kind)

    apt = e.of(S.PRODUCING)
    yield step("all", sum(e.inside) + sum(e.outside), "total")
    if e.plan:
        yield step("not_planned", sum(e.outside))
    yield step("unknown", e.unknown)
    yield step("planned_stop", e.of(S.PLANNED_STOP, S.MAINTENANCE))
    if e.plan:
        yield step("planned_busy", pbt, "total")
    yield step("idle", e.of(S.IDLE))
    yield step("set_up", e.of(S.SET_UP))
    yield step("down", e.of(S.DOWN, S.REPAIR))
    yield step("producing", apt, "total")
    if e.counted and not e.unrated:
        yield step("speed", apt - e.ideal_us)
        if quality is not None:
            yield step("quality", e.ideal_us * (1 - quality))
            yield step("effective", e.ideal_us * quality, "total")


def _missing(e: Elements, pbt: int, apt: int) -> Iterator[Missing]:
    if not e.plan:
        yield Missing(what="shifts", text="nobody says when it is planned to be busy; declare effectiveness.shifts")
    if e.plan and sum(e.inside) == 0:
        yield Missing(what="shifts", text="no planned time lies in this interval; ask for another one")
    elif pbt == 0 and e.unknown > 0:
        yield Missing(what="data", text="nothing is known of its state in this time: a gap, not a stop")
    if not e.counted:
        yield Missing(
            what="parts",
            text="nobody tells how many parts were made; declare effectiveness.parts, and have it reported",
        )
    elif not e.judged:
        yield Missing(
            what="quality",
            text="nobody tells which parts are good; declare effectiveness.good or effectiveness.rejected",
        )
    for program, parts in sorted(e.unrated.items(), key=lambda one: -one[1])[:10]:
        of = f"of {program:.80}, " if program else ""
        text = f"{of}{parts:g} parts were made, and nobody says how long one is planned to take; declare"
        yield Missing(what="run_time", text=f"{text} effectiveness.run_time_s or run_times_s")
    if e.counted and e.parts == 0 and pbt > 0:
        told = "it produced, and no part was counted" if apt else "nothing was produced in this time"
        yield Missing(what="production", text=told)


def _warnings(e: Elements, effectiveness: float | None, quality: float | None) -> Iterator[str]:
    whole = sum(e.inside)
    if whole and (whole - e.unknown) / whole < LITTLE_KNOWN:
        yield f"of {e.unknown / whole:.0%} of the planned time the state is not known; figures are of the rest"
    if effectiveness is not None and effectiveness > 1.0:
        told = "the planned run time per item is too long, or parts are counted twice"
        yield f"effectiveness is {effectiveness:.0%}: {told}"
    if quality is not None and quality > 1.0:
        yield "more good parts than parts: they are counted at other times, or the counters do not match"
    if e.parts_unknown:
        yield f"{e.parts_unknown:g} parts were counted across time of which nothing is known; they are in no figure"
