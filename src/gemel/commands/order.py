"""An order: something that a twin's object is to do, or to be; what became of it, step by step."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from gemel.twin import Expected, Position

__all__ = [
    "ABOUT_VALUES",
    "ENDED",
    "PLATFORM",
    "UNDER_WAY",
    "Ask",
    "Desired",
    "Late",
    "Order",
    "OrderKind",
    "OrderState",
    "Step",
]


PLATFORM = "gemel"
"""The actor of orders that the platform gives by itself: fail-safes. No rule holds them up."""


class OrderKind(StrEnum):
    """COMMAND: something to do, with an input. PROPERTY: a value that a property is to have."""

    COMMAND = "command"
    PROPERTY = "property"


class OrderState(StrEnum):
    """requested → sent → delivered → acknowledged → applied; or one of the ends after it.

    `unknown` is an end that a person settles: it may have been carried out, and nothing here can tell.
    """

    REQUESTED = "requested"
    """On stable storage; nothing has left."""
    SENT = "sent"
    """On stable storage before the first byte leaves; from here on it is never sent a second time, except to an object
    that knows an order again by its id."""
    DELIVERED = "delivered"
    """Whoever carries it to the object has it (a broker)."""
    ACKNOWLEDGED = "acknowledged"
    """The object has it."""
    APPLIED = "applied"
    """The reported value agrees with the desired one; or the object's output has come."""
    REFUSED = "refused"
    """By a rule of the plant, or by the object; not carried out."""
    TIMED_OUT = "timed_out"
    """The object has it, and did not show by the deadline that it is carried out."""
    EXPIRED = "expired"
    """Never sent, and not to be sent any more."""
    SUPERSEDED = "superseded"
    """A newer value of the same property took its place."""
    CANCELLED = "cancelled"
    """Taken back before it was sent."""
    UNKNOWN = "unknown"
    """Whether it was carried out cannot be known."""


ABOUT_VALUES = ("interlock", "mode", "rule", "configuration")
"""Refusals whose words tell values of properties or parts, perhaps of other twins: they stay with the order."""
ENDED = frozenset(
    {
        OrderState.APPLIED,
        OrderState.REFUSED,
        OrderState.TIMED_OUT,
        OrderState.EXPIRED,
        OrderState.SUPERSEDED,
        OrderState.CANCELLED,
        OrderState.UNKNOWN,
    }
)
UNDER_WAY = frozenset({OrderState.SENT, OrderState.DELIVERED, OrderState.ACKNOWLEDGED})
"""It may have left, and has not ended."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asks for."""

    twin: str
    """Id or alias."""
    name: str
    """Of the command, or of the property."""
    kind: OrderKind
    input: Any = None
    """Of a command: name → value. Of a property: the desired value."""
    unit: str = ""
    """Of a property's value: UCUM code; empty: the property's own."""
    deadline_s: float | None = None
    """From now; None: as the binding says."""
    key: str = ""
    """The same key of the same person is the same order, however often it is asked for."""
    expects: tuple[Expected, ...] = ()
    """What is assumed of the configuration: it is not sent where that is not so."""
    if_revision: int | None = None
    """Of a property: only if what is desired now has this revision (0: nothing was desired yet)."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of an order's life."""

    state: OrderState
    time: int
    detail: str = ""


class Late(msgspec.Struct, frozen=True, kw_only=True):
    """What the object said of an order after its end."""

    time: int
    result: str
    """delivered, acknowledged, done or refused."""
    detail: str = ""
    output: Any = None


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One order as it is now. Moments are microseconds since the epoch, UTC."""

    id: str
    """Random; what the object may know it again by."""
    number: int
    """Orders of one twin are sent by rising number."""
    twin: str
    kind: OrderKind
    name: str
    input: Any = None
    state: OrderState = OrderState.REQUESTED
    actor: str = ""
    key: str = ""
    created: int
    deadline: int
    """Not sent after it; and what was sent and has not shown by then that it is carried out, has timed out."""
    revision: int = 0
    """Of a property: the revision of what is desired that this order made."""
    approval: str = ""
    """`waiting` for a second person, or that person's id; empty: none is needed."""
    connector: str = ""
    """What carries it; empty before it was sent."""
    attempts: int = 0
    sent_after: Position = 0
    """What was reported up to this position came before it was sent."""
    reason: str = ""
    """Why it ended so: `interlock:door_closed`, `control`, `mode`, `pace`, `device` …"""
    detail: str = ""
    """The same for people, with the values that decided."""
    output: Any = None
    steps: tuple[Step, ...] = ()
    late: tuple[Late, ...] = ()
    """It changes nothing that has ended; it helps whoever has to settle what is unknown."""
    transaction: str = ""
    """That it is a part of; empty: of none."""
    role: str = ""
    """In it: member, undo, ask or release."""
    expects: tuple[Expected, ...] = ()
    """What is assumed of the configuration; asked again before it is sent."""

    @property
    def ended(self) -> bool:
        return self.state in ENDED


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """What a property of a twin is to be."""

    twin: str
    property: str
    value: Any
    revision: int
    """1, 2, 3 …: every desired value of this property."""
    order: str
    """The order that is to bring it about."""
    time: int
    actor: str
