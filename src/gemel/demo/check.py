"""`gemel demo --check`: prove that the shop is live, fresh, in history and readable over HTTP, and that the trial plant
takes orders and refuses what a rule forbids; then stop."""

from __future__ import annotations

import tempfile
from dataclasses import astuple, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

import gemel
from gemel.client import Client
from gemel.commands import Order, OrderState
from gemel.demo.machines import MACHINES, Machine
from gemel.demo.shop import Running, running_shop
from gemel.demo.trial.start import ACTOR, desire, do, wait_for_both
from gemel.platform import Platform
from gemel.twin import Quality

__all__ = ["check_shop"]

WITHIN_S = 90.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found of one machine and its parts."""

    twins: int
    """The machine and its parts that anything is known of."""
    values: int
    """Properties with a value (a machine also says of some that they are unavailable; those are not counted)."""
    live: int
    """Values that came over the machine's protocol since the demo started."""
    fresh: int
    stored: int
    """Twins whose values of a minute ago come back from the history."""
    readable: int
    """Twins whose values come over HTTP."""

    @property
    def ok(self) -> bool:
        return bool(self.live) and self.values == self.fresh and self.twins == self.stored == self.readable


def check_shop(console: Console, *, speed: float = 1.0) -> int:
    """Run the demo on free ports in a temporary folder; returns the exit code."""
    with (
        tempfile.TemporaryDirectory(prefix="gemel-demo-") as folder,
        running_shop(Path(folder), console, speed=speed) as running,
        gemel.connect(running.url) as client,
    ):
        clock, began = running.platform.clock, running.platform.clock.monotonic()
        wait_for_both(running.platform, running.before)
        orders = give_orders(running.platform)
        while True:
            position = running.platform.position
            seen = {machine: look(machine, running, client) for machine in MACHINES}
            done = all(one.ok for one in seen.values())
            if done or clock.monotonic() - began > WITHIN_S:
                break
            running.platform.state.wait(position + 1, 1.0)
        console.print(table(seen))
        console.print()
        console.print(table_of_orders(orders))
        console.print()
        took = clock.monotonic() - began
        said = f"every twin is live, fresh, in history and over HTTP, {took:.0f} s after the start"
        console.print(f"[green]✓[/green] {said}" if done else f"[red]✗ not within {took:.0f} s[/red]")
        obeyed = all(one.ok for one in orders)
        said = "orders are carried out, and refused by the rule that forbids them"
        console.print(f"[green]✓[/green] {said}" if obeyed else f"[red]✗ not so: {said}[/red]")
    return 0 if done and obeyed else 1


@dataclass(frozen=True, slots=True)
class Given:
    """An order of the check, and what is to become of it."""

    order: Order
    state: OrderState
    reason: str = ""

    @property
    def ok(self) -> bool:
        return self.order.state is self.state and self.order.reason == self.reason


def give_orders(platform: Platform) -> list[Given]:
    """To each object one order that is applied, and before it one that its rule refuses: the suction valve is closed at
    first, and nobody has control of the cell."""
    found = [
        Given(do(platform, "skid", "start"), OrderState.REFUSED, "interlock:suction_open"),
        Given(desire(platform, "skid", "suction_valve", 100), OrderState.APPLIED),
        Given(desire(platform, "cell", "gripper", "closed"), OrderState.REFUSED, "control"),
    ]
    platform.commander.authority.take("cell", ACTOR)
    return [*found, Given(desire(platform, "cell", "gripper", "closed"), OrderState.APPLIED)]


def table_of_orders(given: list[Given]) -> Table:
    """What became of the orders of the check."""
    found = Table("object", "order", "became", "because", "", box=None)
    for one in given:
        order = one.order
        found.add_row(order.twin, order.name, order.state, order.reason, "ok" if one.ok else "[red]no[/red]")
    return found


def look(machine: Machine, running: Running, client: Client) -> Seen:
    """Ask the state, the history and the server for every twin of the machine."""
    platform = running.platform
    ids = [machine.twin, *(part.id for _, part in platform.registry.parts(machine.twin))]
    now = {id: platform.now(id) for id in ids}
    known = {id: values for id, values in now.items() if values}
    told = [value for values in known.values() for value in values.values() if value.quality != Quality.UNAVAILABLE]
    instant = platform.clock.now()
    return Seen(
        twins=len(known),
        values=len(told),
        live=sum(value.position > running.before for value in told),
        fresh=sum(value.fresh for value in told),
        stored=sum(platform.at(id, instant).keys() >= known[id].keys() for id in known),
        readable=sum(client.now(id).keys() == known[id].keys() for id in known),
    )


def table(seen: dict[Machine, Seen]) -> Table:
    """What was found, a row per machine."""
    found = Table("machine", "protocol", "twins", "values", "live", "fresh", "in history", "over HTTP", "", box=None)
    for machine, one in seen.items():
        found.add_row(machine.device, machine.protocol, *map(str, astuple(one)), "ok" if one.ok else "[red]no[/red]")
    return found
