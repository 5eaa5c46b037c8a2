"""Exchanges with other systems: ERP, CRM, CMMS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gemel.cli.show import output
from gemel.cli.target import target

__all__ = ["add_to"]

exchanges = typer.Typer(invoke_without_command=True, help="Exchange with systems that plan work, sell it or count it.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(exchanges, name="exchanges", rich_help_panel="Work")


@exchanges.callback()
def list_exchanges(context: typer.Context) -> None:
    """What is declared, and how each stands."""
    if context.invoked_subcommand is not None:
        return
    with target.open() as plant:
        found = plant.exchanges()
    rows = found
    if not output.json:
        rows = [
            one["exchange"]
            | {
                "ways": ", ".join(way for way in ("pull", "push") if one["exchange"].get(way)),
                "things": ", ".join(f"{many} {state}" for state, many in one["things"].items()),
                "last": "" if one["last"] is None else f"{one['last']['outcome']} {one['last']['end']}",
                "detail": "" if one["last"] is None else one["last"]["detail"],
            }
            for one in found
        ]
        rows = [{"kind": "work_orders"} | row for row in rows]
    columns = ["id", "kind", "system", "ways", "things", "last", "detail"]
    output.rows("", rows, columns, empty="No exchanges. `gemel exchanges apply FILE` declares them.")


@exchanges.command()
def apply(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A document with `exchanges:`, YAML.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
) -> None:
    """Declare exchanges; others stay.

    Example: gemel exchanges apply exchanges.yaml --dry-run
    """
    with target.open() as plant:
        told = plant.exchanges.apply(file, dry_run=dry_run)
    output.rows("", told, ["id", "what"], empty="The document declares none.")
    if dry_run:
        output.note("Nothing was changed (--dry-run).")


@exchanges.command()
def run(
    exchange: str,
    only: Annotated[str, typer.Option(help="pull or push; left out: both.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would become of each row.")] = False,
) -> None:
    """Exchange now; exit code 3 if something was refused or failed.

    Example: gemel exchanges run cmms --dry-run
    """
    with target.open() as plant:
        if dry_run:
            _preview(plant.exchanges.preview(exchange))
            return
        done = plant.exchanges.run(exchange, only=only)
    if output.json:
        output.value(done)
    else:
        for one in done:
            told = ", ".join(f"{many} {what}" for what, many in one["counts"].items() if many) or "nothing"
            output.console.print(f"{one['direction']}: {told}" + (f" – {one['detail']}" if one["detail"] else ""))
            output.rows("", one["faults"], ["place", "external", "message"], empty="")
    if any(one["outcome"] == "failed" or one["counts"].get("refused") for one in done):
        raise typer.Exit(3)


def _preview(told: dict[str, Any]) -> None:
    if output.json:
        output.value(told)
        return
    rows = [
        one | {"fields": ", ".join(f"{name}: {was} → {now}" for name, (was, now) in one["fields"].items())[:300]}
        for one in told["rows"]
    ]
    output.rows("They would tell us", rows, ["place", "external", "what", "fields", "message"], empty="Nothing new.")
    going = [one | {"body": one["body"]} for one in told["outgoing"]]
    output.rows("We would tell them", going, ["ours", "external", "body", "detail"], empty="Nothing waits.")
    output.note(", ".join(f"{many} {what}" for what, many in told["counts"].items() if many) or "nothing to do")
    if told["detail"]:
        output.note(told["detail"])


@exchanges.command()
def things(
    exchange: str,
    state: Annotated[list[str] | None, typer.Option(help="same, waiting, conflict, refused (may repeat).")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """What is exchanged, and what waits."""
    with target.open() as plant:
        found = plant.exchanges.things(exchange, states=state or (), limit=limit).items
    columns = ["external", "ours", "state", "attempts", "due", "detail", "changed"]
    output.rows("", found, columns, empty="Nothing was exchanged yet.")


@exchanges.command()
def runs(exchange: str, limit: Annotated[int, typer.Option(min=1, max=1000)] = 20) -> None:
    """What was exchanged when; the newest first."""
    with target.open() as plant:
        found = plant.exchanges.runs(exchange, limit=limit).items
    rows = found
    if not output.json:
        rows = [
            one | {"counts": ", ".join(f"{many} {what}" for what, many in one["counts"].items() if many)}
            for one in found
        ]
    output.rows("", rows, ["end", "direction", "outcome", "counts", "detail"], empty="It never did anything yet.")


@exchanges.command()
def settle(
    exchange: str,
    external: Annotated[str, typer.Argument(help="Their id of it.")],
    keep: Annotated[str, typer.Argument(help="ours or theirs.")],
) -> None:
    """Say whose the fields are that both sides changed."""
    with target.open() as plant:
        told = plant.exchanges.settle(exchange, external, keep)
    output.done(f"{external} keeps {keep}", **told)


@exchanges.command()
def withdraw(exchange: str) -> None:
    """Exchange nothing more by it; what was taken in stays."""
    with target.open() as plant:
        plant.exchanges.withdraw(exchange)
    output.done(f"{exchange} is withdrawn", exchange=exchange)
