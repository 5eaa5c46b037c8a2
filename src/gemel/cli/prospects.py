"""Prospects: which machines and customers fit a service, and where upgrades are worth while."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gemel.cli.offers import PANEL, declared
from gemel.cli.show import output
from gemel.cli.target import target

__all__ = ["add_to"]

prospects = typer.Typer(invoke_without_command=True, help="The installed base, ranked for a service.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(prospects, name="prospects", rich_help_panel=PANEL)


@prospects.callback()
def list_profiles(context: typer.Context) -> None:
    """Profiles of services."""
    if context.invoked_subcommand is not None:
        return
    with target.open() as plant:
        found = plant.prospects()
    rows = found if output.json else [one | {"criteria": [c["name"] for c in one["criteria"]]} for one in found]
    output.rows(
        "", rows, ["id", "title", "types", "criteria"], empty="No profiles. `gemel prospects apply FILE` declares them."
    )


@prospects.command("apply")
def apply(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A document of profiles.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
) -> None:
    """Declare what makes machines fit for services.

    Example: gemel prospects apply profiles.yaml
    """
    with target.open() as plant:
        declared(plant.prospects.declare(file, dry_run=dry_run), dry_run=dry_run)


@prospects.command("withdraw")
def withdraw(profile: str) -> None:
    """Rank by a profile no more."""
    with target.open() as plant:
        plant.prospects.withdraw(profile)
    output.done(f"{profile} is withdrawn.", profile=profile)


@prospects.command("rank")
def rank(
    profile: str,
    machine: Annotated[str, typer.Option(help="Tell all the reasons of this machine.")] = "",
) -> None:
    """Machines and customers by how they fit, with what is known of each."""
    with target.open() as plant:
        told = plant.prospects.rank(profile)
    if output.json:
        output.value(told)
        return
    everything = [*told["machines"], *told["unsure"]]
    if machine:
        mine = [one for one in everything if machine in (one["machine"], one["twin"])]
        rows = [each | {"score": _share(each["score"])} for one in mine for each in one["criteria"]]
        output.rows("", rows, ["criterion", "weight", "value", "unit", "score", "evidence"], empty="It is not ranked.")
        return
    rows = [
        one | {"score": _share(one["score"]), "could be": f"{one['low']:.0%} – {one['high']:.0%}"}
        for one in told["machines"]
    ]
    columns = ["name", "serial", "party", "score", "could be"]
    output.rows("", rows, columns, empty="Of no machine enough is known to rank it.")
    if told["unsure"]:
        output.note(f"Too little is known of {', '.join(one['name'] for one in told['unsure'])}.")
    if len(told["parties"]) > 1:
        parties = [one | {"name": one["name"] or "our own", "score": _share(one["score"])} for one in told["parties"]]
        output.rows("Customers", parties, ["name", "machines", "score", "reasons"], empty="")


def _share(score: float | None) -> str | None:
    return None if score is None else f"{score:.0%}"


@prospects.command("upgrades")
def upgrades(
    part: Annotated[str, typer.Argument(help="Part number of hardware or of software.")],
    to: Annotated[str, typer.Argument(help="The revision or version that it could get.")],
    below: Annotated[str, typer.Option(help="Only what is older than this; than TO if left out.")] = "",
    modify: Annotated[bool, typer.Option("--modify", help="The same item is brought to the revision.")] = False,
    used: Annotated[str, typer.Option(help="Worth while from so much use: hours:4000.")] = "",
    of: Annotated[list[str] | None, typer.Option(help="Only machines of this part (may repeat).")] = None,
) -> None:
    """Where an upgrade is worth while, tried on each machine as it is now. Nothing of it stays.

    Example: gemel prospects upgrades CP-40 C --used hours:4000
    """
    kind, _, least = used.partition(":")
    given: dict[str, Any] = {"part": part, "to": to, "below": below, "way": "modify" if modify else "swap"}
    given |= {"kind": kind, "at_least": float(least or 0), "parts": list(of or ())}
    with target.open() as plant:
        told = plant.prospects.upgrades(given)
    if output.json:
        output.value(told)
        return
    rows = [
        one
        | {
            "worth": {True: "yes", False: "no", None: None}[one["worth"]],
            "possible": "yes" if one["possible"] else "no",
            "findings": "; ".join(one["findings"]),
        }
        for one in told["candidates"]
    ]
    columns = ["machine", "item", "present", "used", "worth", "possible", "findings"]
    output.rows("", rows, columns, empty="Nothing of it is older.")
    if told["unknown"]:
        output.note(f"Of {told['unknown']} it is not known how old they are.")
