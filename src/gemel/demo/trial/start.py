"""What the demo orders before a visitor does, so that there is something to see."""

from __future__ import annotations

from typing import Any

import msgspec

from gemel.commands import Ask, AskGoal, AskTogether, Order, OrderKind, OrderState, Transaction, Wish
from gemel.errors import NotYet
from gemel.platform import Platform
from gemel.state import Selection
from gemel.twin import Position

__all__ = ["ACTOR", "PLANT", "desire", "do", "set_going", "together", "wait_for_both"]

ACTOR = "demo"
"""Whoever visits the demo, and the demo itself."""
PLANT = "trial-plant"
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


def set_going(platform: Platform) -> list[str]:
    """Start the pump and the program of the cell, both to the pace of the day at once, and the plant to an output.

    Returns how each of it ended.
    """
    found: list[str] = [desire(platform, "skid", "suction_valve", 100).state, do(platform, "skid", "start").state]
    authority = platform.commander.authority
    authority.take(PLANT, ACTOR)
    found.append(do(platform, "cell", "run_program", {"program": "pick_and_place", "cycles": 1000}).state)
    pace = together(platform, "Pace of the day", {("skid", "inlet_valve"): 80, ("cell", "conveyor_speed"): 0.2})
    found.append(pace.state)
    _turning(platform)
    goal = AskGoal(twin=PLANT, name="output", value=60)
    goals, entry = platform.commander.goals, platform.commander.entry(PLANT)
    found.append(goals.carry_out(goal, entry, actor=ACTOR, wait_s=_WAIT_S).state)
    authority.release(PLANT, ACTOR)
    return found


def together(platform: Platform, title: str, values: dict[tuple[str, str], Any]) -> Transaction:
    """Have properties (of twins) become values, all of them or none; the transaction as it ended."""
    commander = platform.commander
    wishes = tuple(
        Wish(ask=Ask(twin=twin, name=name, kind=OrderKind.PROPERTY, input=value))
        for (twin, name), value in values.items()
    )
    entries = [commander.entry(twin) for twin, _ in values]
    ask = AskTogether(wishes=wishes, title=title, deadline_s=_WAIT_S)
    return commander.transactions.carry_out(ask, entries, actor=ACTOR, wait_s=_WAIT_S)


def _turning(platform: Platform) -> None:
    """Until the skid has told that its pump turns."""
    with platform.subscribe(Selection(twins=("skid",))) as changes:
        while (now := platform.now("skid").get("state")) is None or now.value not in ("starting", "running"):
            if changes.get(_WAIT_S) is None:
                raise NotYet(f"the pump of the skid does not turn after {_WAIT_S:.0f} s")


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
