"""Capabilities of machines, and the licences that unlock them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gemel.cli.offers import PANEL, declared
from gemel.cli.show import output
from gemel.cli.target import target
from gemel.clock import parse_time, to_rfc3339

__all__ = ["add_to"]

capabilities = typer.Typer(
    invoke_without_command=True, help="What is unlocked on machines by licences, proved by what they report."
)


def add_to(app: typer.Typer) -> None:
    app.add_typer(capabilities, name="capabilities", rich_help_panel=PANEL)


@capabilities.callback()
def list_capabilities(context: typer.Context) -> None:
    """What can be unlocked on machines."""
    if context.invoked_subcommand is not None:
        return
    with target.open() as plant:
        found = plant.capabilities()
    columns = ["id", "title", "part", "unlocked", "locked"]
    output.rows("", found, columns, empty="No capabilities. `gemel capabilities apply FILE` declares them.")


@capabilities.command("apply")
def apply(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A document of capabilities.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
) -> None:
    """Declare capabilities: each is a piece of the software book.

    Example: gemel capabilities apply capabilities.yaml
    """
    with target.open() as plant:
        declared(plant.capabilities.declare(file, dry_run=dry_run), dry_run=dry_run)


@capabilities.command("withdraw")
def withdraw(capability: str) -> None:
    """Sell it no more; nothing of it is told to machines any more."""
    with target.open() as plant:
        plant.capabilities.withdraw(capability)
    output.done(f"{capability} is sold no more.", capability=capability)


@capabilities.command("of")
def of(twin: str) -> None:
    """The capabilities of a machine: what it reports, and which licence holds."""
    with target.open() as plant:
        found = plant.capabilities.of(twin)
    rows = found
    if not output.json:
        rows = [
            one
            | {
                "reports": one["reported"] or None,
                "licence": (one["licence"] or {}).get("state"),
                "until": (one["licence"] or {}).get("ends"),
                "note": "no licence holds" if one["unlicensed"] else "; ".join(one["objections"]),
            }
            for one in found
        ]
    columns = ["capability", "twin", "reports", "licence", "until", "note"]
    output.rows("", rows, columns, empty=f"{twin} has no place for a capability.")


@capabilities.command("licences")
def licences(
    twin: Annotated[str, typer.Option(help="Only of this twin or machine.")] = "",
    capability: Annotated[str, typer.Option(help="Only of this capability.")] = "",
    state: Annotated[list[str] | None, typer.Option(help="Only in this state (may repeat).")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """Licences, the newest first."""
    with target.open() as plant:
        found = plant.capabilities.licences(twin=twin, capability=capability, states=state or (), limit=limit).items
    columns = ["id", "capability", "twin", "state", "starts", "ends", "reported", "detail"]
    output.rows("", found, columns, empty="No licences. `gemel capabilities grant` grants one.")


@capabilities.command("grant")
def grant(
    capability: Annotated[str, typer.Argument(help="Id of the capability.")],
    twin: Annotated[str, typer.Argument(help="Twin of the machine, or of the part of it that has it.")],
    starts: Annotated[str, typer.Option("--from", help="From when on, RFC 3339; now if left out.")] = "",
    ends: Annotated[str, typer.Option("--until", help="Until when, RFC 3339; for ever if left out.")] = "",
    reference: Annotated[str, typer.Option(help="What it was sold by: an offer, an order.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say whether it could be.")] = False,
) -> None:
    """License a capability on a machine, from–until.

    Example: gemel capabilities grant soft-start drive-1 --until 2027-12-31T00:00:00Z
    """
    given: dict[str, Any] = {"capability": capability, "twin": twin, "reference": reference}
    given |= {name: to_rfc3339(parse_time(text)) for name, text in (("starts", starts), ("ends", ends)) if text}
    with target.open() as plant:
        _told(plant.capabilities.grant(given, dry_run=dry_run))
    if dry_run:
        output.note("It could be; nothing was granted (--dry-run).")


@capabilities.command("revoke")
def revoke(licence: str, reason: Annotated[str, typer.Option(help="Why.", prompt=True)]) -> None:
    """Take a licence back from now on: the machine is told to lock it."""
    with target.open() as plant:
        _told(plant.capabilities.revoke(licence, reason))


@capabilities.command("retry")
def retry(licence: str) -> None:
    """Tell the machine again, what was refused or is unknown."""
    with target.open() as plant:
        _told(plant.capabilities.retry(licence))


@capabilities.command("show")
def show(licence: str) -> None:
    """One licence, with every step of its life."""
    with target.open() as plant:
        told = plant.capabilities.licence(licence)
    _told(told)
    if not output.json:
        output.rows("", told["steps"], ["time", "state", "actor", "detail"], empty="")


def _told(licence: dict[str, Any]) -> None:
    if output.json:
        output.value(licence)
        return
    until = licence["ends"] or "further notice"
    output.console.print(
        f"[bold]{licence['state']}[/bold] {output.cell(licence['capability'])} on {output.cell(licence['twin'])} "
        f"until {until} [dim]{licence['id']}[/dim]"
    )
    if licence["detail"]:
        output.console.print(f"  {output.cell(licence['detail'])}", markup=False)
