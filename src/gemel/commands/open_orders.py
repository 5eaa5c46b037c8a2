"""Orders that have not ended, in memory; and the only way in which they move.

Every move is a row and a change in one transaction of the writer, on stable storage before anything follows from it; a
move from a state that the order has left meanwhile does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from msgspec.structs import replace
from sqlalchemy import Connection

from gemel.clock import SECOND, Clock
from gemel.commands.book import answered_late, find, moved, open_orders
from gemel.commands.fate import DOUBTFUL, Move
from gemel.commands.order import Order, OrderKind, OrderState
from gemel.database import Database
from gemel.errors import NotFound
from gemel.intake import Intake
from gemel.registry import Directory
from gemel.state import State
from gemel.twin import Change, series_of

__all__ = ["OpenOrders"]

S = OrderState


class OpenOrders:
    """Of one platform; the dispatcher's thread alone changes it."""

    def __init__(self, database: Database, intake: Intake, directory: Directory, state: State, clock: Clock) -> None:
        self.database = database
        self._intake, self._directory, self._state, self._clock = intake, directory, state, clock
        self._orders: dict[str, Order] = {}
        """By id, in the order of their numbers: what has not ended, and desired values of which nothing is known."""
        self._ends: dict[str, float] = {}
        """When the deadline passes in monotonic seconds, for clocks that are set back meanwhile."""
        self._watched: dict[int, str] = {}
        """Series → the newest order that wants a value of it."""
        self._listeners: list[Callable[[Order], None]] = []

    def __iter__(self) -> Iterator[Order]:
        """By number."""
        return iter(list(self._orders.values()))

    def get(self, id: str) -> Order | None:
        return self._orders.get(id)

    @property
    def watched(self) -> dict[int, str]:
        """Series whose values are waited for; replaced as a whole."""
        return self._watched

    def over(self, order: Order) -> bool:
        """Its deadline has passed: by the clock, or by the seconds that went by, whichever says so first."""
        return order.deadline <= self._clock.now() or self._ends.get(order.id, 0.0) <= self._clock.monotonic()

    def listen(self, listener: Callable[[Order], None]) -> None:
        """Call with each order that has moved, on the dispatcher's or the writer's thread; quick."""
        self._listeners.append(listener)

    def announce(self, orders: Sequence[Order]) -> None:
        for order in orders:
            for listener in list(self._listeners):
                listener(order)

    def take_up(self) -> list[Order]:
        """What an earlier run left."""
        with self.database.read() as tx:
            orders = open_orders(tx)
        for order in orders:
            self.keep(order)
        return orders

    def keep(self, order: Order) -> None:
        """What is known of an order now."""
        doubtful = order.state is S.UNKNOWN and order.kind is OrderKind.PROPERTY
        if order.ended and not doubtful:
            self._orders.pop(order.id, None)
            self._ends.pop(order.id, None)
        else:
            self._orders[order.id] = order
            left_s = (order.deadline - self._clock.now()) / SECOND
            self._ends.setdefault(order.id, self._clock.monotonic() + left_s)
        self._watch(order)

    def commit(self, moves: Sequence[Move]) -> list[Order]:
        """Write moves, all in one transaction; returns the orders that moved, as they are now."""
        if not moves:
            return []
        (orders, others), _ = self._intake.transact(partial(self._moved, moves)).result()
        for order in (*others, *orders):
            self.keep(order)
        self.announce(orders)
        return list(orders)

    def _moved(self, moves: Sequence[Move], tx: Connection) -> tuple[tuple[list[Order], list[Order]], list[Change]]:
        """(those that moved, those that had left the state in which they were looked for)."""
        now, orders, others, changes = self._clock.now(), list[Order](), list[Order](), list[Change]()
        for move in moves:
            try:
                order = find(tx, move.id)
            except NotFound:  # its twin was erased
                others += [replace(held, state=S.CANCELLED) for held in (self.get(move.id),) if held is not None]
                continue
            if order.state not in move.since:
                found = None if move.told is None else answered_late(tx, order, move.told, now)
                others.append(order if found is None else found[0])
                changes += [] if found is None else [found[1]]
                continue
            facts = dict(move.facts)
            if move.to is S.SENT:
                facts["sent_after"] = self._state.position  # the writer's thread: all that is durable is folded
            after, change = moved(tx, order, move.to, now, **facts)
            orders.append(after)
            changes.append(change)
        return (orders, others), changes

    def _watch(self, order: Order) -> None:
        if order.kind is not OrderKind.PROPERTY:
            return
        entry = self._directory.twin(order.twin)
        ref = None if entry is None else entry.properties.get(order.name)
        if entry is None or ref is None:
            return
        series, watched = series_of(entry.number, ref.number), dict(self._watched)
        before = self.get(watched.get(series, ""))
        if order.state in DOUBTFUL:
            if before is None or before.number <= order.number:
                watched[series] = order.id
        elif watched.get(series) == order.id:
            del watched[series]
        self._watched = watched
