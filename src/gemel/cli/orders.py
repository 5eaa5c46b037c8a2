"""Orders to machines: commands, desired values, what became of them, and who has control."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from gemel.cli.show import output
from gemel.cli.target import target
from gemel.clock import parse_time
from gemel.errors import InvalidInput

__all__ = ["Deadline", "Key", "Wait", "add_to", "inputs", "parsed_value"]

orders = typer.Typer(invoke_without_command=True, help="What was asked of machines, and what became of it.")
control = typer.Typer(no_args_is_help=True, help="Who has control of a machine.")
COLUMNS = ["id", "time", "twin", "order", "state", "detail"]
Wait = Annotated[float, typer.Option(min=0, max=60, help="Seconds to wait for its end.")]
Deadline = Annotated[float | None, typer.Option(help="Seconds it has to be carried out; default as declared.")]
Key = Annotated[str, typer.Option(help="The same key again is the same order.")]


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Command")(command)
    app.command("set", rich_help_panel="Command")(set_)
    app.add_typer(orders, name="orders", rich_help_panel="Command")
    app.add_typer(control, name="control", rich_help_panel="Command")


def command(
    twin: Annotated[str, typer.Argument(help="Id or alias.")],
    name: Annotated[str, typer.Argument(help="Of the command.")],
    given: Annotated[list[str] | None, typer.Argument(metavar="[INPUT=VALUE]...", help="ramp=5, ramp=5@s")] = None,
    wait: Wait = 30.0,
    deadline: Deadline = None,
    key: Key = "",
) -> None:
    """Have a machine do something, and say what became of it.

    Example: gemel command pump-1 start ramp=5
    """
    with target.open() as plant:
        told(plant.command(twin, name, inputs(given or []), deadline_s=deadline, key=key, wait_s=wait))


def set_(
    twin: Annotated[str, typer.Argument(help="Id or alias.")],
    property: Annotated[str, typer.Argument(help="A writable one.")],
    value: Annotated[str, typer.Argument(help="A number, true/false, text, or JSON.")],
    unit: Annotated[str, typer.Option(help="UCUM code of the value, when it is not the property's own.")] = "",
    wait: Wait = 30.0,
    deadline: Deadline = None,
    key: Key = "",
    if_revision: Annotated[int | None, typer.Option(help="Only if this is still what is desired.")] = None,
) -> None:
    """Have a property of a machine become a value, and say what became of it.

    Example: gemel set pump-1 speed 1500
    """
    how: dict[str, Any] = {"unit": unit, "deadline_s": deadline, "key": key}
    parsed = parsed_value(value)
    with target.open() as plant:
        told(plant.set(twin, property, parsed, if_revision=if_revision, wait_s=wait, **how))


def told(order: dict[str, Any]) -> None:
    """The order as a sentence; exit code 3 when it did not go well."""
    if output.json:
        output.value(order)
    else:
        colour = {"applied": "green", "unknown": "yellow"}.get(order["state"], "red" if order["ended"] else "cyan")
        what = f"{order['twin']}.{order['name']}"
        answer = f" {output.cell(order['output'])}" if order["output"] else ""
        output.console.print(f"[{colour}]{order['state']}[/{colour}] {what}{answer} [dim]{order['id']}[/dim]")
        if order["detail"]:
            output.console.print(f"  {output.cell(order['detail'])}")
        if order["state"] == "unknown":
            output.note(f"Look at the machine, then: gemel orders resolve {order['id']} --applied (or --not-applied)")
        if order["approval"] == "waiting" and not order["ended"]:
            output.note(f"Somebody else has to agree: gemel orders approve {order['id']}")
    if order["ended"] and order["state"] not in ("applied", "cancelled", "superseded"):
        raise typer.Exit(3)


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
        rows = [row | {"time": output.time(parse_time(row["created"])), "order": _brief(row)} for row in rows]
    output.rows("", rows, COLUMNS, empty="Nothing was ordered. `gemel set TWIN PROPERTY VALUE` does.")


def _brief(row: dict[str, Any]) -> str:
    if row["kind"] == "property":
        return f"{row['name']} = {output.cell(row['input'])}"
    inputs = ", ".join(f"{name}={output.cell(value)}" for name, value in (row["input"] or {}).items())
    return f"{row['name']}({inputs})"


@orders.command()
def show(order: str) -> None:
    """One order with every step of its life."""
    with target.open() as plant:
        row = plant.orders.get(order)
    if output.json:
        output.value(row)
        return
    output.console.print(f"[bold]{row['twin']}[/bold] {_brief(row)} [dim]by {row['actor']}[/dim]")
    steps = [step | {"time": output.time(parse_time(step["time"]))} for step in row["steps"]]
    output.rows("", steps, ["time", "state", "detail"], empty="")


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
    who = f"{row['holder']}{' (you)' if row['mine'] else ''}, until {row['until']}" if row["holder"] else "nobody"
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
def hand_over(twin: str, to: Annotated[str, typer.Argument(help="Id of the person.")]) -> None:
    """Give control to somebody else."""
    with target.open() as plant:
        row = plant.control.hand_over(twin, to)
    output.done(f"{to} has control of {twin} until {row['until']}", **row)


@control.command()
def release(twin: str) -> None:
    """Give control up."""
    with target.open() as plant:
        plant.control.release(twin)
    output.done(f"nobody has control of {twin} now", twin=twin)


def inputs(given: list[str]) -> dict[str, Any]:
    """ramp=5@s as {"ramp": {"value": 5, "unit": "s"}}. Raises InvalidInput."""
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InvalidInput(f"{text!r:.80} is not INPUT=VALUE, like ramp=5 or ramp=5@s")
        number, at, unit = value.rpartition("@")
        found[name] = {"value": parsed_value(number), "unit": unit} if at and number else parsed_value(value)
    return found


def parsed_value(text: str) -> Any:
    """A number, true, false, or other JSON; else the text itself."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
