"""What is installed besides, and whether it may be used."""

from __future__ import annotations

from typing import Annotated

import typer

from gemel.cli.show import output
from gemel.cli.target import target

__all__ = ["add_to"]

COLUMNS = ["what", "name", "distribution", "version", "standing"]


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Operate")(plugins)


def plugins(
    every: Annotated[bool, typer.Option("--all", help="Also those that come with Gemel.")] = False,
) -> None:
    """What is installed besides: connectors, importers, exchanges, functions; whose, and what is wrong with it.

    Example: gemel plugins --all
    """
    with target.open() as plant:
        found = plant.plugins()
    rows = [one for one in found if every or one["distribution"] != "gemel" or one["standing"] in ("failed", "missing")]
    if output.json:
        output.value(rows)
        return
    shown = [{**one, "what": one["group"].removeprefix("gemel.").removesuffix("s")} for one in rows]
    output.rows("", shown, COLUMNS, empty="Nothing but what comes with Gemel (--all); docs/how-to/write-a-plugin.md")
    for one in rows:
        if one["reason"]:
            output.note(f"{one['name']}: {one['reason']}")
