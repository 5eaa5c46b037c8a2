"""Room on the disk: what takes it, for how long it lasts, what is held."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gemel.cli.show import output
from gemel.cli.target import target

__all__ = ["add_to"]

storage = typer.Typer(
    invoke_without_command=True, help="Room on the disk: what takes it, and for how many days it lasts."
)


def add_to(app: typer.Typer) -> None:
    app.add_typer(storage, name="storage", rich_help_panel="Operate")


@storage.callback()
def show(context: typer.Context) -> None:
    """What takes room, by part, type and twin; how fast it grows; for how many days it lasts."""
    if context.invoked_subcommand is not None:
        return
    with target.open() as plant:
        room = plant.storage()
    if output.json:
        output.value(room)
        return
    budget = "none" if room["budget"] is None else size(room["budget"])
    output.console.print(
        f"[bold]{size(room['used'])}[/bold] used, [bold]{size(room['left'])}[/bold] left; budget {budget}\n"
        f"database {size(room['database'])}, history {size(room['history'])}, documents {size(room['documents'])}, "
        f"other {size(room['other'])}"
    )
    output.console.print(lasts(room["forecast"]))
    rows = [
        {
            "type": one["type"],
            "readings": f"{one['rows']:,}",
            "takes": size(one["bytes"]),
            "budget": one["budget"] and size(one["budget"]),
        }
        for one in room["types"]
    ]
    output.rows("", rows, ["type", "readings", "takes", "budget"], empty="The history has no readings yet.")
    for warning in room["warnings"]:
        output.console.print(f"[yellow]![/yellow] {output.cell(warning)}")


def size(count: float) -> str:
    """Bytes as people read them."""
    for unit, least in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= least:
            return f"{count / least:,.1f} {unit}"
    return f"{count / 1e3:,.0f} kB"


def lasts(forecast: dict[str, Any]) -> str:
    """For how many days the room lasts, with the range."""
    if forecast["bytes_per_day"] is None:
        return "How fast it grows is told after ten minutes."
    seen = f"seen over {forecast['seen_s'] / 3600:,.1f} h"
    if forecast["days"] is None:
        return f"It does not grow ({seen})."
    least, most = forecast["least_days"], forecast["most_days"]
    range_ = f"{least:,.0f} to {'unlimited' if most is None else f'{most:,.0f}'}"
    per_day = size(forecast["bytes_per_day"])
    return f"It grows by {per_day} a day: room for {forecast['days']:,.0f} days ({range_}; {seen})."


@storage.command()
def due() -> None:
    """What retention would drop next, by day; does nothing."""
    with target.open() as plant:
        rows = plant.storage_due()
    output.rows("", rows, ["table", "day", "rows", "bytes"], empty="Nothing is old enough to be dropped.")


@storage.command()
def holds() -> None:
    """Twins of which nothing may be dropped or erased, and why."""
    with target.open() as plant:
        rows = plant.holds()
    output.rows("", rows, ["twin", "since", "actor", "reason"], empty="Nothing is held.")


@storage.command()
def hold(twin: str, reason: Annotated[str, typer.Option(prompt=True, help="Why, for who finds it in years.")]) -> None:
    """Keep everything of a twin until this is released: a dispute, a contract, a duty to keep."""
    with target.open() as plant:
        plant.hold(twin, reason)
    output.done(f"{twin} is held", twin=twin)


@storage.command()
def release(twin: str) -> None:
    """End a hold."""
    with target.open() as plant:
        plant.release(twin)
    output.done(f"{twin} is held no more", twin=twin)
