"""Orders that people carry out: an instruction, and what came back of it. Recorded like everything else.

A binding of a connector of kind `manual` makes an order an instruction: it is `delivered` once it is shown, and stays
so until somebody confirms it (with the value that was found), declines it, or its time is over; also over a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import Connection

from gemel.access import seal
from gemel.clock import Clock
from gemel.commands.agreement import agrees
from gemel.commands.book import change_of, find, note
from gemel.commands.carrying import Outcome, Result
from gemel.commands.order import UNDER_WAY, Order, OrderKind, OrderState
from gemel.commands.ways import Way, Ways, property_of
from gemel.errors import Conflict, InvalidInput
from gemel.intake import Intake, Message, Reported, fitted
from gemel.twin import MANUAL, Change

if TYPE_CHECKING:
    from gemel.commands.commander import Commander

__all__ = ["Instruction", "Instructions"]

LONGEST_NOTE = 500
_SHOWN = frozenset({OrderState.SENT, OrderState.DELIVERED})


class Instruction(msgspec.Struct, frozen=True, kw_only=True):
    """An order that waits for a person, and where that person finds what it is about."""

    order: Order
    where: str
    """The address of its binding: words."""


class _Answer(NamedTuple):
    """What a person said of an instruction."""

    what: str
    """confirmed or declined."""
    actor: str
    said: str
    found: Any = None
    entered: tuple[Reported, ...] = ()
    """To be told as a value."""


class Instructions:
    """Of one platform."""

    def __init__(self, commander: Commander, intake: Intake, clock: Clock, ways: Callable[[], Ways]) -> None:
        self._commander, self._intake, self._clock, self._ways = commander, intake, clock, ways

    def open(self, twin: str = "", *, limit: int = 100) -> list[Instruction]:
        """Those that nobody has confirmed or declined yet, the newest first."""
        found: list[Instruction] = []
        cursor = ""
        while len(found) < limit:
            page = self._commander.orders(twin, states=[str(one) for one in _SHOWN], limit=1000, cursor=cursor)
            found += [
                Instruction(order=order, where=way.binding.address)
                for order in page.items
                if (way := self._way(order)) is not None
            ]
            if page.next is None:
                break
            cursor = page.next
        return found[:limit]

    def confirm(
        self, id: str, *, actor: str, value: Any = None, output: dict[str, Any] | None = None, said: str = ""
    ) -> Future[Order]:
        """It was carried out. Of a property with the value that was found there: left out, the one that was ordered.

        What was found is entered as a value by hand, unless nobody found one and a connector tells it by itself. A
        value that does not agree ends the order as refused. The future resolves when that is on stable storage.
        Raises NotFound, Conflict, InvalidInput, InvalidValue.
        """
        order, way = self._shown(id, said)
        if order.kind is OrderKind.COMMAND:
            if value is not None:
                raise InvalidInput(f"{id} is a command; tell what came of it as output, by name")
            return self._answered(order, _Answer("confirmed", actor, said), Outcome(result=Result.DONE, output=output))
        if output is not None:
            raise InvalidInput(f"{id} desires a value; tell the one that was found as value")
        property_ = property_of(self._commander.entry(order.twin), order.name)
        if property_ is None:
            raise Conflict(f"{order.twin} has no property {order.name} any more")
        found = order.input if value is None else fitted(order.twin, property_, value, "")
        outcome = Outcome(result=Result.DONE, detail="confirmed by a person")
        if not agrees(found, order.input, property_):
            detail = f"a person found {found!r:.80}, not {order.input!r:.80}"
            outcome = Outcome(result=Result.REFUSED, detail=detail)
        told = Reported(twin=order.twin, property=order.name, value=found)
        entered = (told,) if value is not None or not way.told else ()
        return self._answered(order, _Answer("confirmed", actor, said, found, entered), outcome)

    def decline(self, id: str, *, actor: str, said: str = "") -> Future[Order]:
        """It was not carried out, and will not be. Raises as `confirm`."""
        order, _ = self._shown(id, said)
        outcome = Outcome(result=Result.REFUSED, detail="declined by a person")
        return self._answered(order, _Answer("declined", actor, said), outcome)

    def _shown(self, id: str, said: str) -> tuple[Order, Way]:
        if len(said) > LONGEST_NOTE:
            raise InvalidInput(f"a note has at most {LONGEST_NOTE} characters")
        order = self._commander.order(id)
        way = self._way(order)
        if way is None:
            raise Conflict(f"{id} is carried by {order.connector or 'no connector yet'}, not by people")
        if order.state not in _SHOWN:
            raise Conflict(f"{id} is {order.state}; nothing waits for a person", state=str(order.state))
        return order, way

    def _way(self, order: Order) -> Way | None:
        """The way of an order that people carry out."""
        way = self._ways().of(order.twin, order.name)
        return way if way is not None and way.by_hand and way.connector == order.connector else None

    def _answered(self, order: Order, answer: _Answer, outcome: Outcome) -> Future[Order]:
        """Journal who answered and what was found, and let the dispatcher move the order; it alone does."""

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            now = find(tx, order.id)
            if now.state not in UNDER_WAY:
                raise Conflict(f"{order.id} is {now.state} meanwhile", state=str(now.state))
            if answer.said.strip():
                note(tx, now, seal(tx, answer.actor, answer.said.strip()))
            told = change_of(now, self._clock.now(), actor=answer.actor, kind=f"command.{answer.what}")
            body = told.body if answer.found is None else told.body | {"found": answer.found}
            return None, [msgspec.structs.replace(told, body=body)]

        self._intake.transact(work, actor=answer.actor).result()
        if answer.entered:
            message = Message(readings=list(answer.entered))
            self._intake.submit(MANUAL, [message], strict=True, actor=answer.actor).result()
        reached = self._commander.reached(order.id, {OrderState.ACKNOWLEDGED})
        self._commander.dispatcher.tell(order.id, outcome)
        return reached
