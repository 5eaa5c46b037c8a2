"""Orders to machines: commands, desired values, what became of them, and who has control."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gemel.cli.asked import (
    WAIT_S,
    Deadline,
    Expects,
    Key,
    Wait,
    brief,
    expected,
    headline,
    inputs,
    leave,
    parsed_value,
    steps,
    to_agree,
)
from gemel.cli.show import output
from gemel.cli.target import target
from gemel.clock import parse_time

__all__ = ["add_to", "told"]

orders = typer.Typer(invoke_without_command=True, help="What was asked of machines, and what became of it.")
control = typer.Typer(no_args_is_help=True, help="Who has control of a machine.")
COLUMNS = ["id", "time", "twin", "order", "state", "detail"]


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Command")(command)
    app.command("set", rich_help_panel="Command")(set_)
    app.add_typer(orders, name="orders", rich_help_panel="Command")
    app.add_typer(control, name="control", rich_help_panel="Command")


def command(
    twin: Annotated[str, typer.Argument(help="Id or alias.")],
    name: Annotated[str, typer.Argument(help="Of the command.")],
    given: Annotated[list[str] | None, typer.Argument(metavar="[INPUT=VALUE]...", help="ramp=5, ramp=5@s")] = None,
    wait: Wait = WAIT_S,
    deadline: Deadline = None,
    key: Key = "",
    expects: Expects = None,
) -> None:
    """Have a machine do something, and say what became of it.

    Example: gemel command pump-1 start ramp=5
    """
    how: dict[str, Any] = {"deadline_s": deadline, "key": key, "expects": expected(expects)}
    with target.open() as plant:
        told(plant.command(twin, name, inputs(given or []), wait_s=wait, **how), wait)


def set_(
    twin: Annotated[str, typer.Argument(help="Id or alias.")],
    property: Annotated[str, typer.Argument(help="A writable one.")],
    value: Annotated[str, typer.Argument(help="A number, true/false, text, or JSON.")],
    unit: Annotated[str, typer.Option(help="UCUM code of the value, when it is not the property's own.")] = "",
    wait: Wait = WAIT_S,
    deadline: Deadline = None,
    key: Key = "",
    if_revision: Annotated[int | None, typer.Option(help="Only if this is still what is desired.")] = None,
    expects: Expects = None,
) -> None:
    """Have a property of a machine become a value, and say what became of it.

    Example: gemel set pump-1 speed 1500
    """
    how: dict[str, Any] = {"unit": unit, "deadline_s": deadline, "key": key, "expects": expected(expects)}
    parsed = parsed_value(value)
    with target.open() as plant:
        told(plant.set(twin, property, parsed, if_revision=if_revision, wait_s=wait, **how), wait)


def told(order: dict[str, Any], waited_s: float = 0) -> None:
    """The order as a sentence, and the exit code by `leave`."""
    if output.json:
        output.value(order)
    else:
        answer = f" {output.cell(order['output'])}" if order["output"] else ""
        headline(order, "applied", f"{order['twin']}.{order['name']}{answer}")
        if order["state"] == "unknown":
            output.note(f"Look at the machine, then: gemel orders resolve {order['id']} --applied (or --not-applied)")
        to_agree(order, "orders")
    leave(order, ("applied", "cancelled", "superseded"), waited_s)


@orders.callback()
def list_(
    context: typer.Context,
    twin: Annotated[str, typer.Option(help="Only to this one.")] = "",
    state: Annotated[list[str] | None, typer.Option(help="Only in this state (may repeat).")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """Orders, the newest first."""
    if context.invoked_subcommand is not None:
        return
    with target.open() as plant:
        rows = plant.orders(twin, states=state or (), limit=limit).items
    if not output.json:
        rows = [
            row | {"time": output.time(parse_time(row["created"])), "order": brief(row), "state": _standing(row)}
            for row in rows
        ]
    output.rows("", rows, COLUMNS, empty="Nothing was ordered. `gemel set TWIN PROPERTY VALUE` does.")


def _standing(row: dict[str, Any]) -> str:
    waits = row["approval"] == "waiting" and not row["ended"]
    return f"{row['state']}, waits for approval" if waits else str(row["state"])


@orders.command()
def show(order: str) -> None:
    """One order with every step of its life."""
    with target.open() as plant:
        row = plant.orders.get(order)
    if output.json:
        output.value(row)
        return
    output.console.print(f"[bold]{row['twin']}[/bold] {brief(row)} [dim]by {row['actor']}[/dim]")
    steps(row)


@orders.command()
def cancel(order: str) -> None:
    """Take back what has not left."""
    with target.open() as plant:
        told(plant.orders.cancel(order))


@orders.command()
def approve(order: str) -> None:
    """Agree, as the second person, to somebody's order."""
    with target.open() as plant:
        told(plant.orders.approve(order))


@orders.command()
def resolve(
    order: str,
    applied: Annotated[bool, typer.Option("--applied/--not-applied", help="What became of it.")],
    note: Annotated[str, typer.Option(help="How you know.")] = "",
) -> None:
    """Say what became of an order of which nobody could tell."""
    with target.open() as plant:
        row = plant.orders.resolve(order, applied=applied, note=note)
    output.done(f"{order} is {row['state']}", **row)


@control.command("show")
def show_control(twin: str) -> None:
    """Who has control, and which rules hold now."""
    with target.open() as plant:
        row = plant.control.of(twin)
    if output.json:
        output.value(row)
        return
    holder = row["name"] or row["holder"]
    who = f"{holder}{' (you)' if row['mine'] else ''}, until {row['until']}" if holder else "nobody"
    output.console.print(f"control of {twin}: [bold]{who}[/bold]")
    output.rows("", row["rules"], ["rule", "holds", "detail"], empty="No rules are declared for it.")


@control.command()
def take(
    twin: str,
    seconds: Annotated[float | None, typer.Option("--for", help="Seconds; default as declared.")] = None,
    force: Annotated[str, typer.Option(help="The reason to take it from who has it.")] = "",
) -> None:
    """Take control, or renew it; of the twin and of all that is part of it."""
    with target.open() as plant:
        row = plant.control.take(twin, for_s=seconds, force=force)
    output.done(f"you have control of {twin} until {row['until']}", **row)


@control.command("hand-over")
def hand_over(twin: str, to: Annotated[str, typer.Argument(help="Name or id of who may command it.")]) -> None:
    """Give control to somebody else."""
    with target.open() as plant:
        row = plant.control.hand_over(twin, to)
    output.done(f"{row['name'] or row['holder']} has control of {twin} until {row['until']}", **row)


@control.command()
def release(twin: str) -> None:
    """Give control up."""
    with target.open() as plant:
        plant.control.release(twin)
    output.done(f"nobody has control of {twin} now", twin=twin)
