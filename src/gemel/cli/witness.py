"""Verifiable together: other parties' plants that countersign this one's record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from gemel.cli.show import output
from gemel.cli.target import target

__all__ = ["add_to", "told"]

witness = typer.Typer(no_args_is_help=True, help="Other parties that hold this plant to its record, and it them.")

MARKS = {"well": "[green]✓[/green]", "fault": "[red]✗[/red]"}


def add_to(app: typer.Typer) -> None:
    app.add_typer(witness, name="witness", rich_help_panel="Operate")
    app.command(rich_help_panel="Operate")(proof)


@witness.command()
def status() -> None:
    """How the peers stand: what both hold of each other, since when, what is wrong."""
    with target.open() as plant:
        found = plant.witness.standing()
    _show(found)


@witness.command()
def check() -> None:
    """Look at all peers now instead of at the next interval. Exit code 1 if something is wrong."""
    with target.open() as plant:
        found = plant.witness.check()
    _show(found)
    if any(one["wrong"] or one["said"] or one["error"] for one in found["peers"]):
        raise typer.Exit(1)


@witness.command()
def key() -> None:
    """The public key of this plant: what another party writes into its `witness.peers`."""
    with target.open() as plant:
        found = plant.witness.standing()
    if output.json:
        output.value({"name": found["name"], "key": found["key"]})
    else:
        output.console.print(found["key"], soft_wrap=True, markup=False, highlight=False)


@witness.command()
def rotate() -> None:
    """Make a new key, which the old one signs; peers follow by themselves, and need not pin it anew."""
    with target.open() as plant:
        found = plant.witness.rotate()
    output.done(f"{found['name']} signs with a new key: {found['key']}", **found)


@witness.command()
def accept(
    party: Annotated[str, typer.Argument(help="The peer's name, as `gemel witness status` shows it.")],
    reason: Annotated[str, typer.Option(help="Why; it is journaled.")],
) -> None:
    """Take note of what was wrong with a peer (a restore, a fault that was explained), and go on from what it told.

    Example: gemel witness accept bolt.example/works --reason "disk replaced, restored from Sunday's backup"
    """
    with target.open() as plant:
        found = plant.witness.accept(party, reason)
    output.done(f"{party} is held to what it told last", **found)


def proof(
    position: Annotated[int, typer.Argument(min=1, help="Of the reading or change, as answers and events show it.")],
    to: Annotated[Path | None, typer.Option("--to", help="Write it into this file.")] = None,
) -> None:
    """Prove one record to somebody who has nothing else of the plant: a small JSON file with the record in it.

    docs/check_proof.py checks it without Gemel. Example: gemel proof 81234 --to proof.json
    """
    with target.open() as plant:
        found = plant.witness.proof(position)
    if to is None:
        output.value(found)
        return
    to.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    output.done(f"{to}: {found['about']}, at position {position:,}", file=str(to), about=found["about"])


def told(found: dict[str, Any]) -> None:
    """What `verify --witness` found."""
    for one in found["logs"]:
        name = "audit log" if one["log"] == "audit" else one["log"]
        if not one["ok"]:
            output.console.print(f"[red]✗ {name}[/red]: {output.cell(one['reason'])}")
        elif one["heads"]:
            held = f"{', '.join(one['parties'])} hold{'s' if len(one['parties']) == 1 else ''} it"
            output.console.print(f"[green]✓[/green] {name}: {held} up to {one['position']:,}, as it is.")
        else:
            output.console.print(f"[dim]{name}: nobody has countersigned it.[/dim]")
    _wrong(found["peers"])


def _show(found: dict[str, Any]) -> None:
    if output.json:
        output.value(found)
        return
    output.console.print(f"This plant signs as [bold]{found['name']}[/bold]")
    if not found["peers"]:
        output.console.print(
            "No other party holds it to its record: name one under `witness.peers` in gemel.yaml "
            "(docs/concepts/verifiable-together.md)"
        )
    for one in found["peers"]:
        mark = MARKS.get(one["state"], "[yellow]![/yellow]")
        output.console.print(f"{mark} [bold]{one['name']}[/bold]  {one['state']}, {one['url']}")
        for who, logs in (("it holds our", one["holds"]), ("we hold its", one["held"])):
            for log, held in logs.items():
                output.console.print(f"    {who} {log} up to {held['position']:,} ({output.cell(held['seen'])})")
    _wrong(found["peers"])


def _wrong(peers: list[dict[str, Any]]) -> None:
    for one in peers:
        if one["error"]:
            output.console.print(f"[yellow]![/yellow] {one['name']}: {output.cell(one['error'])}")
        for wrong in one["wrong"]:
            output.console.print(f"[red]✗[/red] {output.cell(wrong['told'])}")
            output.console.print(f"    → clear it up with {one['name']}, then `gemel witness accept {one['name']}`")
        for said in one["said"]:
            output.console.print(f"[red]✗[/red] {one['name']} says: {output.cell(said)}")
