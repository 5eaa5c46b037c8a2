"""Software: what is declared of it, its files, and what machines run against what they have to run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gemel.cli.show import output
from gemel.cli.target import target
from gemel.cli.values import told_at
from gemel.clock import parse_time

__all__ = ["add_to"]

software = typer.Typer(invoke_without_command=True, help="Software: what is declared, and what machines run.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(software, name="software", rich_help_panel="Software")


@software.callback()
def list_software(context: typer.Context) -> None:
    """What is declared."""
    if context.invoked_subcommand is not None:
        return
    with target.open() as plant:
        rows = plant.software()
    if not output.json:
        rows = [
            {
                "part": row["part"],
                "title": row["title"],
                "versions": ", ".join(one["version"] for one in row["versions"][-4:]),
                "required": "; ".join(one["versions"] for one in row["required"]),
                "for": ", ".join(f"{way['type']}.{way['slot']}" for way in row["ways"]),
            }
            for row in rows
        ]
    output.rows(
        "", rows, ["part", "title", "versions", "required", "for"], empty="No software. `gemel software apply FILE`."
    )


@software.command("apply")
def apply(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="YAML or JSON: software: [...]")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the difference.")] = False,
) -> None:
    """Declare software: versions, what they need, where they are required, how they get there.

    Example: gemel software apply software.yaml
    """
    with target.open(create=not dry_run, scratch=dry_run) as plant:
        rows = plant.software.apply(file, dry_run=dry_run)
    if not output.json:
        rows = [row | {"changes": ", ".join(row["fields"])} for row in rows]
    output.rows("", rows, ["part", "what", "changes"], empty="The document names no software.")


@software.command("show")
def show_software(part: str) -> None:
    """One piece of software, with its versions and rules."""
    with target.open() as plant:
        row = plant.software.get(part)
    output.value(row)


@software.command("withdraw")
def withdraw(part: str) -> None:
    """Know it no more; what machines reported of it stays."""
    with target.open() as plant:
        plant.software.withdraw(part)
    output.done(f"{part} is not declared any more", part=part)


@software.command("installed")
def installed(
    part: Annotated[str, typer.Option(help="Only this software.")] = "",
    twin: Annotated[str, typer.Option(help="Only the machine of this twin.")] = "",
    as_of: Annotated[str, typer.Option("--as-of", help="As it was then: RFC 3339, a date, or 3d.")] = "",
    known: Annotated[str, typer.Option(help="As it was believed then; the same.")] = "",
    wrong: Annotated[bool, typer.Option("--wrong", help="Only what is behind, forbidden or unknown.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
) -> None:
    """What machines run, against what they have to run."""
    with target.open() as plant:
        if twin:
            found = [plant.software.of(twin, at=told_at(as_of) or "", known=told_at(known) or "")]
        else:
            page = plant.software.installed(part, at=told_at(as_of) or "", known=told_at(known) or "", limit=limit)
            found = page.items
            if page.next is not None:
                output.note(f"There are more than {limit} machines; --limit shows more.")
    rows = [
        one | {"machine": looked["machine"]["item"], "serial": looked["machine"]["serial"]}
        for looked in found
        for one in looked["software"]
        if not wrong or one["state"] in ("behind", "forbidden", "unknown")
    ]
    if not output.json:
        rows = [
            {
                "machine": row["machine"],
                "serial": row["serial"],
                "software": row["module"]["part"],
                "runs": row["module"]["version"] or None,
                "required": "; ".join(row["required"]),
                "state": row["state"],
                "told": None if row["told"] is None else output.time(parse_time(row["told"])),
                "works": row["works"],
                "why": "; ".join(row["reasons"]),
            }
            for row in rows
        ]
    columns = ["machine", "serial", "software", "runs", "required", "state", "told", "works", "why"]
    output.rows("", rows, columns, empty="No machine has a place for software that is declared.")


@software.command("files")
def files() -> None:
    """Files that are here, by the hash of their content."""
    with target.open() as plant:
        rows = plant.software.files()
    output.rows("", rows, ["sha256", "name", "size", "signature"], empty="No files. `gemel software add-file FILE`.")


@software.command("add-file")
def add_file(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    signature: Annotated[str, typer.Option(help="Ed25519 over the SHA-256 of the file, base64.")] = "",
) -> None:
    """Put a file in; a version names it by its SHA-256."""
    with target.open() as plant:
        row = plant.software.add_file(file, signature=signature)
    output.done(f"{row['name']} is {row['sha256']}", **row)
