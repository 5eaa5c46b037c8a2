"""Carries transactions on: prepares, commits, puts back. On the dispatcher's thread; every step is on stable storage
before anything follows from it, so whoever begins again after a crash goes on where it stands."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection

from gemel.clock import Clock
from gemel.commands.fate import WAITING, Move
from gemel.commands.ledger import brought, find_transaction, open_transactions, orders_in, rewritten
from gemel.commands.open_orders import OpenOrders
from gemel.commands.order import Order, OrderState
from gemel.commands.placing import Placing
from gemel.commands.transaction import Role, Transaction, TransactionState
from gemel.commands.verdicts import failed, outcome_of
from gemel.errors import GemelError, NotFound, RevisionConflict, StorageFailed
from gemel.intake import Intake
from gemel.twin import Change, OnFailure

__all__ = ["Coordinator"]

S, T = OrderState, TransactionState
Listener = Callable[[Transaction], None]
Step = Callable[[Connection, Transaction], tuple[Transaction, list[Order], Sequence[Change]]]
ROUNDS = 20
"""Steps that follow from each other at once, in one turn."""


class Coordinator:
    """Of one platform."""

    def __init__(self, intake: Intake, clock: Clock, orders: OpenOrders, placing: Placing) -> None:
        self._intake, self._clock, self._placing, self._all = intake, clock, placing, orders
        self._open: dict[str, Transaction] = {}
        self._orders: dict[str, Order] = {}
        """Those of open transactions, by id."""
        self._touched: set[str] = set()
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        orders.listen(self._heard)

    # from other threads

    def listen(self, listener: Listener) -> None:
        """Call with each transaction that has moved; quick."""
        self._listeners.append(listener)

    def touch(self, id: str) -> None:
        """Look at it again: it is new, or somebody did something to it."""
        with self._lock:
            self._touched.add(id)

    def waits_for(self, transaction: Transaction) -> str:
        """The id of an earlier one of the same twins that has not ended; empty if there is none."""
        if transaction.state is not T.PREPARING:
            return ""
        twins = set(transaction.twins)
        for other in list(self._open.values()):
            undecided = other.state is T.PREPARING and other.approval == "waiting"
            if other.number < transaction.number and not undecided and not twins.isdisjoint(other.twins):
                return other.id
        return ""

    def _heard(self, order: Order) -> None:
        if order.transaction:
            self.touch(order.transaction)

    # the dispatcher's thread

    def take_up(self) -> None:
        with self._all.database.read() as tx:
            for one in open_transactions(tx):
                self.touch(one.id)
        self._refresh()

    def turn(self) -> None:
        for _ in range(ROUNDS):
            fresh = self._refresh()
            for one in sorted(self._open.values(), key=lambda one: one.number):
                if not one.settled:
                    self._carry_on(one)
            if not fresh and not self._touched:
                return

    def holds(self, order: Order, /) -> bool:
        """A member waits until the one before it is applied, where they go in order; what puts back, until what puts
        back the one after it has ended."""
        transaction = self._open.get(order.transaction)
        if transaction is None:
            return False
        if order.role == Role.UNDO:
            ids = [one.undone for one in reversed(transaction.members) if one.undone]
            before = ids[: ids.index(order.id)] if order.id in ids else ids
            return any(not known.ended for id in before if (known := self._orders.get(id)) is not None)
        if order.role == Role.MEMBER and transaction.in_order:
            ids = [one.order for one in transaction.members]
            before = ids[: ids.index(order.id)] if order.id in ids else ids
            return any((known := self._orders.get(id)) is None or known.state is not S.APPLIED for id in before)
        return False

    def abandon(self, why: str) -> None:
        """Nothing more is requested or put back: what the members did before this moment is not known any more."""
        self._refresh()
        for one in list(self._open.values()):
            to = T.EXPIRED if one.state is T.PREPARING else T.UNKNOWN
            self._settle(one, to, "restored", why)

    def _refresh(self) -> bool:
        """Read again what was touched; whether there was any."""
        with self._lock:
            touched, self._touched = self._touched, set()
        if not touched:
            return False
        found = list[Transaction]()
        with self._all.database.read() as tx:
            for id in touched:
                try:
                    found.append(find_transaction(tx, id))
                except NotFound:  # all its twins were erased
                    self._open.pop(id, None)
            orders = orders_in(tx, found)
        self._orders |= orders
        for one in found:
            if one.settled:
                self._drop(one, orders)
            else:
                self._open[one.id] = one
        return True

    def _drop(self, one: Transaction, orders: dict[str, Order]) -> None:
        """It has ended; but what became of an unknown one may be known meanwhile."""
        self._open.pop(one.id, None)
        for id in one.orders():
            self._orders.pop(id, None)
        ended = all(order.ended for order in orders.values() if order.id in one.orders())
        if one.state is T.UNKNOWN and one.reason != "restored" and ended:
            known = outcome_of(one, orders)
            if known is not T.UNKNOWN:
                self._settle(one, known, one.reason, "what was unknown is known now", since=T.UNKNOWN)

    def _carry_on(self, one: Transaction) -> None:
        if one.state is T.PREPARING:
            self._prepare(one)
        elif one.state is T.COMMITTING:
            self._follow(one)
        elif self._ended(one):
            self._settle(one, outcome_of(one, self._orders), one.reason, one.detail)

    # preparing

    def _prepare(self, one: Transaction) -> None:
        if one.reason == "cancelled":
            self._end_preparing(one, T.CANCELLED, "cancelled", "")
            return
        waits = self.waits_for(one)
        if one.deadline <= self._clock.now():
            why = "nobody else approved it" if one.approval == "waiting" else f"{waits or 'an answer'} was waited for"
            self._end_preparing(one, T.EXPIRED, "deadline", f"nothing was requested by the deadline: {why}")
        if one.deadline <= self._clock.now() or one.approval == "waiting" or waits:
            return
        asked = [self._orders[member.asked] for member in one.members if member.asked in self._orders]
        if not asked and (questions := self._placing.questions(one)):
            self._step(one, T.PREPARING, lambda tx, now: self._placing.ask(tx, now, questions))
            return
        if any(not order.ended for order in asked):
            return
        for order in asked:
            if order.state is not S.APPLIED:
                self._end_preparing(
                    one, T.REFUSED, "prepare", f"{order.twin} does not agree: {order.detail or order.state}"
                )
                return
        try:
            if (verdict := self._placing.objection(one)) is not None:
                self._end_preparing(one, T.REFUSED, verdict.reason, verdict.detail)
                return
            drafts = self._placing.drafts(one)
            self._step(one, T.PREPARING, lambda tx, now: self._placing.commit(tx, now, drafts))
        except StorageFailed:
            raise
        except RevisionConflict as error:
            self._end_preparing(one, T.REFUSED, "revision", error.detail)
        except GemelError as error:
            self._end_preparing(one, T.REFUSED, "member", error.detail)

    def _end_preparing(self, one: Transaction, to: TransactionState, reason: str, detail: str) -> None:
        """Nothing was requested; objects that agreed are told so."""

        def work(tx: Connection, now: Transaction) -> tuple[Transaction, list[Order], Sequence[Change]]:
            orders, changes = self._placing.release(tx, now, self._orders)
            after, told = brought(tx, now, to, self._clock.now(), reason=reason, detail=detail)
            return after, orders, [*changes, *told]

        self._step(one, T.PREPARING, work)

    # following

    def _follow(self, one: Transaction) -> None:
        bad = failed(one, self._orders)
        if bad is None and not one.reason:
            if self._ended(one):
                self._settle(one, outcome_of(one, self._orders))
            return
        reason, detail = one.reason, one.detail
        if bad is not None and not reason:
            reason, detail = bad.reason or str(bad.state), f"{bad.twin}.{bad.name} is {bad.state}: {bad.detail}"
            self._step(one, T.COMMITTING, lambda tx, now: _noted(tx, now, reason, detail))
        if one.on_failure is OnFailure.COMPENSATE or one.in_order or reason == "cancelled":
            why = {"reason": "transaction", "detail": f"another member of its transaction failed: {detail}"}
            mine = [self._orders[member.order] for member in one.members if member.order in self._orders]
            self._all.commit([Move(o.id, WAITING, S.CANCELLED, why) for o in mine if o.state is S.REQUESTED])
            self._touched_now(one)
        if not self._ended(one):
            return
        if one.on_failure is OnFailure.COMPENSATE:
            self._step(
                self._open.get(one.id, one),
                T.COMMITTING,
                lambda tx, now: self._placing.put_back(tx, now, dict(self._orders)),
            )
        else:
            self._settle(one, outcome_of(one, self._orders), reason, detail)

    def _touched_now(self, one: Transaction) -> None:
        self.touch(one.id)
        self._refresh()

    def _ended(self, one: Transaction) -> bool:
        """Whether every order that came of it has ended; those of erased twins have."""
        return all(known.ended for id in one.orders() if (known := self._orders.get(id)) is not None)

    # moving

    def _settle(
        self, one: Transaction, to: TransactionState, reason: str = "", detail: str = "", *, since: Any = None
    ) -> None:
        def work(tx: Connection, now: Transaction) -> tuple[Transaction, list[Order], Sequence[Change]]:
            after, changes = brought(tx, now, to, self._clock.now(), reason=reason, detail=detail)
            return after, [], changes

        self._step(one, since or one.state, work)

    def _step(self, one: Transaction, since: TransactionState, step: Step) -> None:
        """One step from the state `since`, in one transaction of the writer; if it left that state, nothing."""

        def work(tx: Connection) -> tuple[tuple[Transaction, list[Order]], Sequence[Change]]:
            now = find_transaction(tx, one.id)
            if now.state is not since:
                return (now, []), ()
            after, orders, changes = step(tx, now)
            return (after, orders), changes

        try:
            (after, orders), _ = self._intake.transact(work, actor=one.actor).result()
        except NotFound:  # all its twins were erased
            self._open.pop(one.id, None)
            return
        for order in orders:
            self._all.keep(order)
            if order.transaction:
                self._orders[order.id] = order
        if after.settled:
            self._open.pop(after.id, None)
        else:
            self._open[after.id] = after
        self.touch(after.id)
        self._all.announce(orders)
        for listener in self._listeners:
            listener(after)


def _noted(tx: Connection, now: Transaction, reason: str, detail: str) -> tuple[Transaction, list[Order], list[Change]]:
    after = replace(now, reason=reason[:128], detail=detail[:1000])
    rewritten(tx, after)
    return after, [], []
