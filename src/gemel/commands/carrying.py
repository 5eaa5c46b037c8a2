"""Between orders and the connectors that carry them: what is handed over, and what comes back."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from gemel.twin import Binding

__all__ = ["OWN", "Carrier", "Errand", "Outcome", "Result", "Routed", "Tell"]

OWN = "gemel"
"""In place of a connector: the twin itself is commanded, here."""


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """One order as a connector carries it out."""

    order: str
    """Its id; hand it over where the protocol has room for it."""
    connector: str
    binding: Binding
    twin: str
    name: str
    value: Any = None
    """Of a property: in the binding's unit, its scale undone; as the object wants it."""
    input: dict[str, Any] | None = None
    """Of a command: every input by name, in the order of the type. None for a property."""
    outputs: tuple[str, ...] = ()
    """Of a command: names of its outputs, in the order of the type."""
    expires: int
    """Nothing is sent from this moment on; microseconds since the epoch, UTC."""
    attempt: int = 1


class Result(StrEnum):
    """What became of an errand."""

    UNSENT = "unsent"
    """Nothing has left, for sure: it may be tried again."""
    LEFT = "left"
    """It is on its way, and what comes after it will stay after it; the answer is still awaited."""
    DELIVERED = "delivered"
    """Whoever carries it on has it; whether the object has it is not known yet."""
    ACKNOWLEDGED = "acknowledged"
    """The object has it."""
    DONE = "done"
    """The object has carried it out; `output` is what it answered."""
    REFUSED = "refused"
    """The object will not carry it out."""
    UNKNOWN = "unknown"
    """It may have left; nobody can tell what became of it."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a connector tells of an errand; it may tell several, one after the other."""

    result: Result
    detail: str = ""
    output: dict[str, Any] | None = None


Tell = Callable[[str, Outcome], None]
"""(id of the order, outcome); from any thread, at once."""


class Carrier(Protocol):
    """Hands orders to connectors; the supervisor."""

    def ready(self, connector: str) -> str:
        """Why it can carry nothing just now; empty if it can."""

    def carry(self, errand: Errand, tell: Tell) -> None:
        """Have the connector carry it out; returns at once. `tell` is called at least once, whatever happens."""


class Routed:
    """A carrier that hands commands to twins themselves to `own`, and everything else to `others`."""

    def __init__(self, own: Carrier, others: Carrier) -> None:
        self._own, self._others = own, others

    def ready(self, connector: str) -> str:
        return self._own.ready(connector) if connector == OWN else self._others.ready(connector)

    def carry(self, errand: Errand, tell: Tell) -> None:
        (self._own if errand.connector == OWN else self._others).carry(errand, tell)
