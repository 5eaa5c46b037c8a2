"""What is to become of a licence, from what is known: its time, what the machine reports, what became of the order.

Without I/O. What was sent never counts as unlocked or locked: only what the machine reports does.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gemel.commands import Order, OrderState
from gemel.services.capabilities.values import Capability, Licence, LicenceState

__all__ = ["NOT_ASKED", "Move", "decided", "may_follow"]

S = LicenceState
NOT_ASKED = "none"
"""In place of the id of an order that could not be asked for."""
_UNSURE = (OrderState.UNKNOWN, OrderState.TIMED_OUT)
_AGAIN = (OrderState.EXPIRED, OrderState.SUPERSEDED, OrderState.CANCELLED)


class Move(NamedTuple):
    """Where a licence goes, and what the machine is to be told."""

    to: LicenceState
    facts: dict[str, Any]
    tell: str = ""
    """The version that the machine is to be told to take; empty: nothing."""


def decided(
    licence: Licence, capability: Capability, reported: str, order: Order | None, *, now: int, other: bool
) -> Move | None:
    """None: it stays as it is. `other`: another licence of the same capability holds on the same twin."""
    move = _decided(licence, capability, reported, order, now=now, other=other)
    same = move.to is licence.state and not move.tell
    facts = {"reason": "", "detail": ""} | move.facts
    if same and all(getattr(licence, name) == value for name, value in facts.items()) and reported == licence.reported:
        return None
    return move._replace(facts=facts | {"reported": reported})


def _decided(
    licence: Licence, capability: Capability, reported: str, order: Order | None, *, now: int, other: bool
) -> Move:
    over = licence.over
    if over is not None and now >= over:
        return _over(licence, capability, reported, order, now=now, other=other)
    if now < licence.starts:
        return Move(S.SCHEDULED, {})
    if reported == capability.unlocked:
        return Move(S.ACTIVE, {})
    if licence.state is S.ACTIVE:  # it was unlocked, and something locked it again
        return Move(S.UNLOCKING, {"detail": _reports(reported)}, tell=capability.unlocked)
    if licence.state in (S.REFUSED, S.UNKNOWN):
        return Move(licence.state, {"reason": licence.reason, "detail": licence.detail})
    return _told(licence, S.UNLOCKING, capability.unlocked, reported, order, now=now)


def _over(
    licence: Licence, capability: Capability, reported: str, order: Order | None, *, now: int, other: bool
) -> Move:
    if other:
        return Move(S.ENDED, {"reason": "goes-on", "detail": "another licence goes on"})
    if reported != capability.unlocked:
        told = order is not None and licence.wanted == capability.unlocked and may_follow(order, now)
        if not told:
            return Move(S.ENDED, {})
        return Move(S.ENDING, {"detail": "it was told to unlock just before its time was over"})
    return _told(licence, S.ENDING, capability.locked, reported, order, now=now)


def _told(licence: Licence, state: LicenceState, wanted: str, reported: str, order: Order | None, *, now: int) -> Move:
    """On the way to what is wanted: tell the machine, wait, or give up."""
    if licence.wanted != wanted or licence.attempt == 0:
        return Move(state, {}, tell=wanted)
    if licence.order in ("", NOT_ASKED):  # it was to be asked for; whether it was, its key tells
        return Move(state, {"reason": licence.reason, "detail": licence.detail})
    if order is None or not order.ended:
        waits = "" if order is None or order.approval != "waiting" else "somebody else has to approve it"
        return Move(state, {"reason": "waits" if waits else "", "detail": waits})
    if order.state in _AGAIN:
        return Move(state, {}, tell=wanted)
    failed = S.ENDING if state is S.ENDING else S.UNKNOWN if order.state in _UNSURE else S.REFUSED
    if order.state is OrderState.APPLIED:
        if now < order.deadline:
            return Move(state, {"detail": f"the machine says that it is done; {_reports(reported)}"})
        failed = state if state is S.ENDING else S.UNKNOWN
        return Move(failed, {"reason": "reports", "detail": f"the machine said that it is done; {_reports(reported)}"})
    reason = order.reason or str(order.state)
    return Move(failed, {"reason": reason, "detail": order.detail or f"the order was {order.state}"})


def may_follow(order: Order, now: int) -> bool:
    """Whether the machine may still do, and report, what it was told."""
    return not order.ended or (order.state is OrderState.APPLIED and now < order.deadline)


def _reports(reported: str) -> str:
    return f"it reports {reported}" if reported else "it reports nothing"
