"""What became of a transaction as a whole, from what became of its members; what has to be put back, and by what."""

from __future__ import annotations

from collections.abc import Mapping

from gemel.commands.order import Order, OrderState
from gemel.commands.transaction import Member, Transaction, TransactionState

__all__ = ["effect_of", "failed", "outcome_of"]

S, T = OrderState, TransactionState
DONE, MAYBE, NOTHING, OTHERS = "done", "maybe", "nothing", "others"
_EFFECTS = {
    S.APPLIED: DONE,
    S.TIMED_OUT: DONE,  # the object has it: it may still follow
    S.UNKNOWN: MAYBE,
    S.SUPERSEDED: OTHERS,  # a newer order decides now
}
Orders = Mapping[str, Order]


def effect_of(member: Member, orders: Orders) -> str:
    """What stays of a member whose orders have ended."""
    order, undone = orders.get(member.order), orders.get(member.undone)
    effect = NOTHING if order is None else _EFFECTS.get(order.state, NOTHING)
    if undone is None or effect in (NOTHING, OTHERS):
        return effect
    if undone.state is S.APPLIED:
        return NOTHING
    return MAYBE if undone.state is S.UNKNOWN else OTHERS if undone.state is S.SUPERSEDED else effect


def failed(transaction: Transaction, orders: Orders) -> Order | None:
    """The first member that has ended otherwise than applied."""
    for member in transaction.members:
        order = orders.get(member.order)
        if order is not None and order.ended and order.state is not S.APPLIED:
            return order
    return None


def outcome_of(transaction: Transaction, orders: Orders) -> TransactionState:
    """Of one that was requested, once every order of it has ended."""
    members = transaction.members
    undone = [orders[one.undone] for one in members if one.undone in orders]
    states = [orders[one.order].state for one in members if one.order in orders]
    if not undone and len(states) == len(members) and all(state is S.APPLIED for state in states):
        return T.COMMITTED
    effects = [effect_of(one, orders) for one in members]
    if MAYBE in effects:
        return T.UNKNOWN
    if DONE in effects:
        return T.PARTLY
    if any(order.state is S.APPLIED for order in undone):
        return T.COMPENSATED
    if OTHERS in effects:
        return T.PARTLY
    return T.CANCELLED if transaction.reason == "cancelled" else T.REFUSED
