"""What the demo orders before a visitor does, so that there is something to see."""

from __future__ import annotations

from typing import Any

import msgspec

from gemel.commands import Ask, Order, OrderKind, OrderState
from gemel.errors import NotYet
from gemel.platform import Platform
from gemel.state import Selection
from gemel.twin import Position

__all__ = ["ACTOR", "desire", "do", "set_going", "wait_for_both"]

ACTOR = "demo"
"""Whoever visits the demo, and the demo itself."""
_WAIT_S = 60.0
_TRIES = 5
_QUIET_S = 1.0


def wait_for_both(platform: Platform, after: Position) -> None:
    """Until skid and cell have told their state themselves: what has a higher position came over their protocols."""

    def silent() -> list[str]:
        states = {twin: platform.now(twin).get("state") for twin in ("skid", "cell")}
        return [twin for twin, now in states.items() if now is None or now.position <= after]

    with platform.subscribe(Selection(twins=("skid", "cell"))) as changes:
        while waiting := silent():
            if changes.get(_WAIT_S) is None:
                raise NotYet(f"{' and '.join(waiting)} have told nothing for {_WAIT_S:.0f} s")
        while changes.get(_QUIET_S) is not None:  # a link that has come may set off a fail-safe, which goes first
            pass


def set_going(platform: Platform) -> list[Order]:
    """Open the suction valve and start the pump; run a program in the cell. Returns the orders, as they ended."""
    orders = [
        desire(platform, "skid", "suction_valve", 100),
        do(platform, "skid", "start"),
    ]
    authority = platform.commander.authority
    authority.take("cell", ACTOR)
    orders += [
        desire(platform, "cell", "conveyor_speed", 0.2),
        do(platform, "cell", "run_program", {"program": "pick_and_place", "cycles": 1000}),
    ]
    authority.release("cell", ACTOR)
    return orders


def desire(platform: Platform, twin: str, property: str, value: Any) -> Order:
    """Have a property become a value; the order as it ended."""
    return _carried_out(platform, Ask(twin=twin, name=property, kind=OrderKind.PROPERTY, input=value))


def do(platform: Platform, twin: str, command: str, given: dict[str, Any] | None = None) -> Order:
    """Have a command carried out; the order as it ended."""
    return _carried_out(platform, Ask(twin=twin, name=command, kind=OrderKind.COMMAND, input=given))


def _carried_out(platform: Platform, ask: Ask) -> Order:
    """What waits when a link comes expires, unsent, so that a fail-safe goes first: then it is asked for again."""
    ask = msgspec.structs.replace(ask, deadline_s=_WAIT_S)
    for _ in range(_TRIES):
        order = platform.commander.carry_out(ask, actor=ACTOR, wait_s=_WAIT_S)
        if order.state is not OrderState.EXPIRED or order.reason != "link":
            break
    return order
