"""What becomes of an order that was sent: by what its connector tells, by what is reported, by its deadline."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from gemel.commands.agreement import agrees
from gemel.commands.carrying import Outcome, Result
from gemel.commands.order import UNDER_WAY, Order, OrderKind, OrderState
from gemel.commands.ways import command_of
from gemel.errors import GemelError
from gemel.intake import fitted
from gemel.registry import Directory
from gemel.state import State
from gemel.twin import Quality

__all__ = ["AWAITED", "DOUBTFUL", "WAITING", "Fate", "Move"]

S = OrderState
AWAITED = frozenset({S.SENT})
WAITING = frozenset({S.REQUESTED})
DOUBTFUL = UNDER_WAY | {S.UNKNOWN}
_NOT_YET_HAD = frozenset({S.SENT, S.DELIVERED})
_STATES = {
    Result.UNSENT: (AWAITED, S.REQUESTED, "unsent"),
    Result.DELIVERED: (AWAITED, S.DELIVERED, ""),
    Result.ACKNOWLEDGED: (_NOT_YET_HAD, S.ACKNOWLEDGED, ""),
    Result.REFUSED: (UNDER_WAY, S.REFUSED, "device"),
    Result.UNKNOWN: (UNDER_WAY, S.UNKNOWN, "no-answer"),
}


@dataclass(frozen=True, slots=True)
class Move:
    """An order is to go from one of some states into another."""

    id: str
    since: frozenset[OrderState]
    to: OrderState
    facts: dict[str, Any] = field(default_factory=dict)
    told: Outcome | None = None
    """What its connector said; kept as a late answer when the order has ended meanwhile."""


class Fate:
    """Judges; moves nothing."""

    def __init__(self, directory: Directory, state: State) -> None:
        self._directory, self._state = directory, state

    def told(self, order: Order, outcome: Outcome) -> Move:
        """What follows from what a connector said; not for LEFT."""
        return replace(self._told(order, outcome), told=outcome)

    def _told(self, order: Order, outcome: Outcome) -> Move:
        facts: dict[str, Any] = {"detail": outcome.detail}
        if outcome.output is not None:
            facts["output"] = outcome.output
        if outcome.result is Result.DONE:
            return self._done(order, outcome, facts)
        since, to, reason = _STATES[outcome.result]
        return Move(order.id, since, to, facts | {"reason": reason} if reason else facts)

    def _done(self, order: Order, outcome: Outcome, facts: dict[str, Any]) -> Move:
        """The object says it is done: of a property its reported value tells, of a command its output."""
        if order.kind is OrderKind.PROPERTY:
            return Move(order.id, _NOT_YET_HAD, S.ACKNOWLEDGED, facts)
        try:
            facts["output"] = self._output(order, outcome.output or {})
        except GemelError as error:
            facts |= {"reason": "output", "detail": error.detail}
            return Move(order.id, _NOT_YET_HAD, S.ACKNOWLEDGED, facts)
        return Move(order.id, UNDER_WAY, S.APPLIED, facts)

    def _output(self, order: Order, output: dict[str, Any]) -> dict[str, Any]:
        """The outputs that the type names, checked; others are kept as they came. Raises InvalidValue."""
        entry = self._directory.twin(order.twin)
        command = None if entry is None else command_of(self._directory, entry, order.name)
        checked = dict(output)
        for one in command.output if command is not None else ():
            if output.get(one.name) is not None:
                checked[one.name] = fitted(f"the output of {order.twin}.{order.name}", one, output[one.name])
        return checked

    def agrees(self, order: Order, *, confirmed: bool = False) -> bool:
        """The reported value is the desired one: told after the order was sent, or before and confirmed since."""
        entry = self._directory.twin(order.twin)
        ref = None if entry is None else entry.properties.get(order.name)
        now = None if entry is None or ref is None else self._state.property(entry, order.name)
        if ref is None or now is None or now.quality is not Quality.GOOD:
            return False
        later = now.position > order.sent_after
        confirmed = confirmed or order.state is S.ACKNOWLEDGED
        return (later or (confirmed and now.fresh)) and agrees(now.value, order.input, ref.property)

    def over(self, order: Order) -> Move:
        """The deadline of an order that was sent has passed."""
        if order.kind is OrderKind.PROPERTY and self.agrees(order, confirmed=True):
            return Move(order.id, UNDER_WAY, S.APPLIED, {"detail": "it was so already, and still is"})
        if order.state is S.SENT or (order.state is S.DELIVERED and order.kind is OrderKind.COMMAND):
            detail = "nothing came back by the deadline; whether it was carried out cannot be known"
            return Move(order.id, UNDER_WAY, S.UNKNOWN, {"reason": "no-answer", "detail": detail})
        return Move(order.id, UNDER_WAY, S.TIMED_OUT, {"reason": "deadline", "detail": self._why_not_applied(order)})

    def _why_not_applied(self, order: Order) -> str:
        if order.kind is OrderKind.COMMAND:
            return order.detail or "the object took it, and did not answer by the deadline"
        entry = self._directory.twin(order.twin)
        now = None if entry is None else self._state.property(entry, order.name)
        told = "nothing" if now is None else f"{now.value!r:.80}{'' if now.fresh else ' (stale)'}"
        return f"by the deadline {order.twin}.{order.name} reported {told}, not {order.input!r:.80}"
