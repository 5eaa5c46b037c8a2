"""What follows for a campaign: from what devices report, from orders, from the clock. Decides, and does nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from gemel.clock import SECOND
from gemel.commands import Order, OrderState
from gemel.services.campaigns.campaign import (
    ENDED,
    Campaign,
    CampaignState,
    Proof,
    Target,
    TargetState,
    Threshold,
)
from gemel.twin import Position

__all__ = ["Count", "Move", "Report", "fate", "later", "next_move", "stands", "stray"]

T, S = TargetState, CampaignState
_NOT_SENT = frozenset({OrderState.EXPIRED, OrderState.CANCELLED, OrderState.SUPERSEDED})


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a device tells of its software now."""

    version: str = ""
    """Empty: nothing that counts."""
    time: int = 0
    position: Position = 0
    fresh: bool = False
    works: bool | None = None
    """What the function check says; None: not known, or there is none."""
    checked: bool = False
    """Whether there is a function check."""


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """A target is to go into a state, or stay in its own with other facts."""

    to: TargetState
    facts: dict[str, Any] = {}


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How a group stands. Skipped and cancelled targets do not count."""

    total: int = 0
    succeeded: int = 0
    bad: int = 0
    """Failed, or unknown: what is not known to be well counts against going on."""
    left: int = 0
    """Not sent yet, or under way."""


def fate(target: Target, wanted: str, order: Order | None, report: Report, *, settle_s: float, now: int) -> Move | None:
    """What became of a target under way to the version `wanted`; None: nothing new.

    Success is what the device reports since the order was sent, nothing else.
    """
    if order is None:
        return None
    back = target.state is T.ROLLING_BACK
    bad, doubt = (T.NOT_ROLLED_BACK, T.NOT_ROLLED_BACK) if back else (T.FAILED, T.UNKNOWN)
    sent = order.attempts > 0 and order.state is not OrderState.REQUESTED
    facts: dict[str, Any] = {"sent_after": order.sent_after} if sent else {}
    if sent and _proves(report, wanted, order.sent_after):
        proof = Proof(version=report.version, time=report.time, position=report.position, works=report.works)
        if target.proof is None and settle_s > 0:
            return Move(to=target.state, facts=facts | {"proof": replace(proof, noticed=now)})
        since = now if target.proof is None else target.proof.noticed
        if now - since >= settle_s * SECOND:
            return Move(
                to=T.ROLLED_BACK if back else T.SUCCEEDED, facts=facts | {"proof": replace(proof, noticed=since)}
            )
        return None
    if target.proof is not None:  # it did not hold for long enough
        return Move(to=target.state, facts=facts | {"proof": None, "detail": _says(report, wanted)})
    if order.state is OrderState.REFUSED:
        return Move(to=bad, facts=facts | {"reason": order.reason or "refused", "detail": order.detail})
    if order.state in _NOT_SENT:
        detail = f"nothing was sent: {order.detail or order.reason or order.state}"
        return Move(to=bad, facts={"reason": "not-sent", "detail": detail})
    if now < target.deadline or not order.ended:
        return None
    told = report.version != "" and report.position > order.sent_after and report.fresh
    if order.state is OrderState.UNKNOWN or not told:
        unknown = order.state is OrderState.UNKNOWN
        why = order.detail or ("whether it was carried out cannot be known" if unknown else "")
        silent = "" if told else "it has told nothing that counts since it was sent"
        detail = "; ".join(one for one in (why, silent) if one)
        return Move(to=doubt, facts=facts | {"reason": "no-answer" if unknown else "silent", "detail": detail})
    reason = "function" if report.version == wanted else "reports"
    said = ", although it said that it was done" if order.state is OrderState.APPLIED else ""
    return Move(to=bad, facts=facts | {"reason": reason, "detail": f"{_says(report, wanted)}{said}"})


def later(target: Target, wanted: str, before: str, report: Report) -> Move | None:
    """What is known of a target afterwards: proof that comes late, or a device that went back by itself."""
    if not target.order:
        return None
    proof = Proof(version=report.version, time=report.time, position=report.position, works=report.works)
    if target.state in (T.FAILED, T.UNKNOWN) and target.sent_after and _proves(report, wanted, target.sent_after):
        if target.reason == "reverted" and target.proof is not None and report.position <= target.proof.position:
            return None
        return Move(to=T.SUCCEEDED, facts={"proof": proof, "detail": "it was told late"})
    if target.state is T.NOT_ROLLED_BACK and target.sent_after and _proves(report, before, target.sent_after):
        return Move(to=T.ROLLED_BACK, facts={"proof": proof, "detail": "it was told late"})
    if target.state is T.SUCCEEDED and stray(target, wanted, report):
        facts = {"reason": "reverted", "detail": f"it went back by itself: {_says(report, wanted)}", "proof": proof}
        return Move(to=T.FAILED, facts=facts)
    return None


def stray(target: Target, wanted: str, report: Report) -> bool:
    """Whether a device reports something else since its proof."""
    since = 0 if target.proof is None else target.proof.position
    return report.version not in ("", wanted) and report.position > since


def _proves(report: Report, wanted: str, after: Position) -> bool:
    well = report.works is True or not report.checked
    return bool(wanted) and report.version == wanted and report.position > after and well


def _says(report: Report, wanted: str) -> str:
    if report.version != wanted:
        return f"it reports {report.version or 'nothing that counts'}, not {wanted}"
    if report.works is False:
        return f"it reports {wanted}, and fails its function check"
    return f"it reports {wanted}, and whether it works is not known"


def stands(targets: Iterable[Target], groups: int) -> list[Count]:
    """How each group stands."""
    found = [dict.fromkeys(Count.__struct_fields__, 0) for _ in range(groups)]
    for one in targets:
        if one.state in (T.SKIPPED, T.CANCELLED):
            continue
        mine = found[one.group]
        mine["total"] += 1
        mine["succeeded"] += one.state is T.SUCCEEDED
        mine["bad"] += one.state in (T.FAILED, T.UNKNOWN)
        mine["left"] += one.state not in ENDED
    return [Count(**one) for one in found]


def next_move(campaign: Campaign, counts: Sequence[Count]) -> tuple[CampaignState, dict[str, Any]] | None:
    """What becomes of a running campaign: it pauses, its next group begins, it is finished; None: it goes on."""
    for i, (group, count) in enumerate(zip(campaign.groups, counts, strict=True)):
        if i <= campaign.group and tripped(campaign, i, count):
            detail = (
                f"{count.bad} of {count.total} machines of {group.name} failed or are unknown; {group.errors} stop it"
            )
            return S.PAUSED, {"reason": "errors", "detail": detail}
    group, count = campaign.groups[campaign.group], counts[campaign.group]
    if not passed(campaign, campaign.group, count):
        if count.left:
            return None
        wanted = f"{count.succeeded} of {count.total} machines of {group.name} succeeded; {group.success} are needed"
        nobody = f"nobody is left in {group.name}: all were skipped"
        return S.PAUSED, {"reason": "success", "detail": wanted if count.total else nobody}
    if campaign.group + 1 < len(campaign.groups):
        begun = campaign.groups[campaign.group + 1].name
        return S.RUNNING, {"group": campaign.group + 1, "reason": "", "detail": f"{begun} begins"}
    if any(one.left for one in counts):
        return None
    return S.FINISHED, {"reason": "", "detail": ""}


def tripped(campaign: Campaign, place: int, count: Count) -> bool:
    """Whether so many of a group went wrong that nothing more is sent."""
    group = campaign.groups[place]
    return Threshold.parse(group.errors, "errors").reached(count.bad - group.forgiven, count.total)


def passed(campaign: Campaign, place: int, count: Count) -> bool:
    """Whether what comes after a group may begin."""
    group = campaign.groups[place]
    return group.passed or Threshold.parse(group.success, "success").reached(count.succeeded, count.total)
