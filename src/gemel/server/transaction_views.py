"""Transactions and goals as the interface shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from gemel.commands import GoalRun, Member, Order, Transaction
from gemel.server.encode import Value, rfc3339
from gemel.twin import GoalType

__all__ = [
    "GoalRunView",
    "GoalView",
    "MemberView",
    "TransactionStepView",
    "TransactionView",
    "goal_view",
    "run_view",
    "transaction_view",
]


class TransactionStepView(msgspec.Struct):
    """One step of its life."""

    state: str
    time: str
    detail: str


class MemberView(msgspec.Struct):
    """One member: what is requested of it, and what became of that."""

    twin: str
    kind: str
    """command, or property."""
    name: str
    input: Any
    undo: Any
    """What puts it back: {kind, name, input}; null: nothing does, or it is not known yet."""
    order: str
    """Id of its order; empty: nothing is requested yet."""
    state: str
    """Of that order."""
    detail: str
    reported: Value | None
    """Of a property: what it is now."""
    asked: str
    asked_state: str
    """Of the order that asked the object beforehand whether it could."""
    undone: str
    undone_state: str
    """Of the order that puts it back."""
    note: str
    """Why it is not put back."""


class TransactionView(msgspec.Struct):
    """A transaction as it is now."""

    id: str
    title: str
    state: str
    """preparing, committing, compensating; and at the end committed, compensated, partly, unknown, refused, cancelled,
    expired."""
    ended: bool
    actor: str
    created: str
    deadline: str
    on_failure: str
    in_order: bool
    approval: str
    goal: str
    waits_for: str
    """Id of the earlier transaction of one of its twins that has to end first."""
    reason: str
    detail: str
    members: list[MemberView]
    steps: list[TransactionStepView]


class GoalRunView(msgspec.Struct):
    """A run towards a goal as it is now."""

    id: str
    twin: str
    goal: str
    value: float
    start: float | None
    at: float | None
    """The value that all members have followed to."""
    state: str
    """running; and at the end reached, stopped, partly, unknown, refused, superseded, cancelled."""
    ended: bool
    actor: str
    created: str
    transaction: str
    """Of the stage under way, or of the last one."""
    reason: str
    detail: str


class GoalView(msgspec.Struct):
    """A goal of a twin: what can be asked for, where it stands, what was asked last."""

    name: str
    title: str
    description: str
    unit: str
    minimum: float | None
    maximum: float | None
    ramp_per_s: float | None
    now: float | None
    why: str
    """Why `now` is not known."""
    run: GoalRunView | None


def transaction_view(
    one: Transaction, orders: Mapping[str, Order], waits_for: str, reported: Callable[[Member], Value | None]
) -> TransactionView:
    return TransactionView(
        id=one.id,
        title=one.title,
        state=str(one.state),
        ended=one.settled,
        actor=one.actor,
        created=rfc3339(one.created),
        deadline=rfc3339(one.deadline),
        on_failure=str(one.on_failure),
        in_order=one.in_order,
        approval=one.approval,
        goal=one.goal,
        waits_for=waits_for,
        reason=one.reason,
        detail=one.detail,
        members=[_member(member, orders, reported(member)) for member in one.members],
        steps=[TransactionStepView(str(step.state), rfc3339(step.time), step.detail) for step in one.steps],
    )


def _member(member: Member, orders: Mapping[str, Order], reported: Value | None) -> MemberView:
    order, asked, undone = (orders.get(id) for id in (member.order, member.asked, member.undone))
    undo = member.undo
    return MemberView(
        twin=member.twin,
        kind=str(member.kind),
        name=member.name,
        input=member.input,
        undo=None if undo is None else {"kind": str(undo.kind), "name": undo.name, "input": undo.input},
        order=member.order,
        state="" if order is None else str(order.state),
        detail="" if order is None else order.detail,
        reported=reported,
        asked=member.asked,
        asked_state="" if asked is None else str(asked.state),
        undone=member.undone,
        undone_state="" if undone is None else str(undone.state),
        note=member.note,
    )


def run_view(run: GoalRun) -> GoalRunView:
    return GoalRunView(
        id=run.id,
        twin=run.twin,
        goal=run.name,
        value=run.value,
        start=run.start,
        at=run.at,
        state=str(run.state),
        ended=run.over,
        actor=run.actor,
        created=rfc3339(run.created),
        transaction=run.transaction,
        reason=run.reason,
        detail=run.detail,
    )


def goal_view(goal: GoalType, now: float | None, why: str, run: GoalRunView | None) -> GoalView:
    return GoalView(
        name=goal.name,
        title=goal.title,
        description=goal.description,
        unit=goal.unit,
        minimum=goal.minimum,
        maximum=goal.maximum,
        ramp_per_s=goal.ramp_per_s,
        now=now,
        why=why,
        run=run,
    )
