"""Orders, desired values and control as the interface shows them."""

from __future__ import annotations

from typing import Any

import msgspec

from gemel.commands import Desired, Held, Order, Standing
from gemel.server.encode import Value, rfc3339

__all__ = ["ControlView", "DesiredView", "OrderView", "StepView", "control_view", "desired_view", "order_view"]


class StepView(msgspec.Struct):
    """One step of an order's life."""

    state: str
    time: str
    detail: str


class LateView(msgspec.Struct):
    """What the object said of an order after its end."""

    time: str
    result: str
    detail: str
    output: Any


class OrderView(msgspec.Struct):
    """An order as it is now."""

    id: str
    twin: str
    kind: str
    """command, or property: a desired value."""
    name: str
    input: Any
    """Inputs by name, or the desired value."""
    state: str
    """requested, sent, delivered, acknowledged; and at the end applied, refused, timed_out, expired, superseded,
    cancelled, or unknown."""
    ended: bool
    actor: str
    created: str
    deadline: str
    revision: int
    """Of a desired value; 0 of a command."""
    approval: str
    """`waiting` for a second person, or who that was; empty: none is needed."""
    connector: str
    attempts: int
    reason: str
    """Why it ended so: interlock:<name>, control, mode, pace, device, deadline, no-answer …"""
    detail: str
    output: Any
    late: list[LateView]
    """Answers that came after its end; they change nothing, and help whoever settles what is unknown."""
    transaction: str
    """That it is a part of; empty: of none."""
    role: str
    """In it: member, undo, ask or release."""
    steps: list[StepView]


class DesiredView(msgspec.Struct):
    """What a property is to be, beside what it is."""

    value: Any
    revision: int
    order: str
    state: str
    """Of that order."""
    time: str
    actor: str
    reported: Value | None
    agrees: bool
    """The reported value is the desired one, within the property's tolerance."""


class StandingView(msgspec.Struct):
    """One rule for orders, and whether it holds now."""

    rule: str
    holds: bool
    detail: str
    of: list[str]


class ControlView(msgspec.Struct):
    """Who has control of a twin, and how the rules stand."""

    holder: str
    """Empty: nobody."""
    name: str
    """Of who has it; empty for who is of another organisation."""
    mine: bool
    may: bool
    """You may command it."""
    of: str
    """The twin that control was taken of: this one, or one that it is part of."""
    since: str | None
    until: str | None
    required: bool
    """Only who has control may command."""
    forced_because: str
    rules: list[StandingView]


def order_view(order: Order) -> OrderView:
    return OrderView(
        id=order.id,
        twin=order.twin,
        kind=str(order.kind),
        name=order.name,
        input=order.input,
        state=str(order.state),
        ended=order.ended,
        actor=order.actor,
        created=rfc3339(order.created),
        deadline=rfc3339(order.deadline),
        revision=order.revision,
        approval=order.approval,
        connector=order.connector,
        attempts=order.attempts,
        reason=order.reason,
        detail=order.detail,
        output=order.output,
        late=[LateView(rfc3339(one.time), one.result, one.detail, one.output) for one in order.late],
        transaction=order.transaction,
        role=order.role,
        steps=[StepView(str(step.state), rfc3339(step.time), step.detail) for step in order.steps],
    )


def desired_view(desired: Desired, state: str, reported: Value | None, *, agrees: bool) -> DesiredView:
    return DesiredView(
        value=desired.value,
        revision=desired.revision,
        order=desired.order,
        state=state,
        time=rfc3339(desired.time),
        actor=desired.actor,
        reported=reported,
        agrees=agrees,
    )


def control_view(
    held: Held | None, who: str, rules: list[Standing], *, name: str, may: bool, required: bool, forced_because: str
) -> ControlView:
    return ControlView(
        holder="" if held is None else held.holder,
        name=name,
        may=may,
        mine=held is not None and held.holder == who,
        of="" if held is None else held.twin,
        since=None if held is None else rfc3339(held.since),
        until=None if held is None else rfc3339(held.until),
        required=required,
        forced_because=forced_because,
        rules=[StandingView(one.rule, one.holds, one.detail, list(one.of)) for one in rules],
    )
