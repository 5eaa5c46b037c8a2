"""Copies of twins elsewhere: a replica of a server here, and what an edge node hands on."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import gemel
from gemel.cli.show import output
from gemel.cli.target import target

if TYPE_CHECKING:
    from gemel.client import Update
    from gemel.replicas import Standing

__all__ = ["add_to"]

edge = typer.Typer(no_args_is_help=True, help="An edge node: what it handed on upstream, and what waits.")


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Values")(replica)
    app.add_typer(edge, name="edge", rich_help_panel="Operate")


def replica(
    twins: Annotated[list[str] | None, typer.Argument(help="Ids or aliases; all if left out.")] = None,
    type: Annotated[str, typer.Option(help="All twins of a type.")] = "",
    property: Annotated[list[str] | None, typer.Option(help="Only properties of this name (may repeat).")] = None,
    depth: Annotated[int, typer.Option(help="How many levels of parts too.")] = 0,
    rate: Annotated[float | None, typer.Option(help="At most so many steps a second; all changes if left out.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Where the copy is kept over a restart.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Hold it against the platform, say how it is, and end.")] = False,
) -> None:
    """Keep a copy of twins here, and print what changes; stop with Ctrl-C.

    Example: gemel --at https://plant.example replica press-7 --rate 1 --folder copy/
    """
    from gemel.replicas import Select

    names = tuple(property) if property else None
    select = Select(twins=tuple(twins or ()), type=type, depth=depth, properties=names)
    with (
        target.open() as plant,
        gemel.replica(plant.url, **plant.access_again, select=select, rate=rate, folder=folder) as copy,
    ):
        if once:
            copy.check()
            _stands(copy.standing())
            return
        if not output.json:
            _stands(copy.standing())
        copy.on_change(_changed)
        threading.Event().wait()


def _changed(position: int, new: Sequence[Update]) -> None:
    for one in new:
        if output.json:
            output.value(one)
        else:
            output.console.print(
                f"[dim]{position:>9,}[/dim] {one.twin} [bold]{one.property}[/bold] {output.cell(one.value)}"
            )


def _stands(one: Standing) -> None:
    if output.json:
        output.value(one)
        return
    since = "" if one.restarted is None else f"\n[yellow]made anew: {output.cell(one.restarted.reason)}[/yellow]"
    behind = "" if one.lag.seconds is None else f", at most {one.lag.seconds:.1f} s old"
    output.console.print(
        f"[bold]{one.values:,}[/bold] values of {one.twins:,} twins at position {one.position:,}{behind}\n"
        f"hash {one.hash}{f', the same at the platform at position {one.checked_at:,}' if one.checked else ''}{since}"
    )


@edge.command()
def status() -> None:
    """What is upstream, what waits here since when, and what stands in the way."""
    with target.open() as plant:
        told = plant.edge()
    if output.json:
        output.value(told)
        return
    waits = "nothing waits" if not told["buffered"] else f"{told['buffered']:,} positions wait, {told['lag_s']:,.0f} s"
    output.console.print(
        f"[bold]{told['state']}[/bold] to {told['url']} as {told['name']}: {waits}\n"
        f"upstream up to position {told['acknowledged']:,}; since the start {told['sent']:,} accepted there, "
        f"{told['repeated']:,} repeated, {told['quarantined']:,} in quarantine, {told['skipped']:,} skipped"
    )
    for what in ("error", "note", "problem"):
        if told[what]:
            output.console.print(f"[yellow]![/yellow] {output.cell(told[what])}")
