"""Attached sources: configurations of others, asked where they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from gemel.cli.items import PANEL, AsOf, Known, drawn, moments_of
from gemel.cli.show import output
from gemel.cli.target import target
from gemel.errors import InvalidInput

__all__ = ["Document", "add_to", "document_of"]

sources = typer.Typer(no_args_is_help=True, help="Configurations of others, asked where they lie.")
Document = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="YAML or JSON, with its id.")]


def add_to(app: typer.Typer) -> None:
    app.add_typer(sources, name="sources", rich_help_panel=PANEL)


def document_of(file: Path) -> dict[str, Any]:
    """A declaration. Raises InvalidInput."""
    try:
        told = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file} is no YAML: {str(error).partition(chr(10))[0]:.200}") from error
    if not isinstance(told, dict) or not isinstance(told.get("id"), str):
        raise InvalidInput(f"{file} is no mapping with an id: write id: NAME")
    return told


@sources.command("list")
def list_sources() -> None:
    """What is attached, and whether it answers; exit code 3 if one does not."""
    with target.open() as plant:
        rows = plant.sources()
    told = [{**one, "where": _where(one["source"])} for one in rows]
    empty = "None; `gemel sources attach FILE` attaches Parquet, CSV or a table of a database."
    output.rows("", rows if output.json else told, ["id", "kind", "where", "lines", "error"], empty=empty)
    if any(one["error"] for one in rows):
        raise typer.Exit(3)


def _where(source: dict[str, Any] | None) -> str | None:
    return None if source is None else " ".join(source[name] for name in ("path", "table") if source.get(name))


@sources.command()
def attach(file: Document) -> None:
    """Attach a source from now on: id, kind, path or table, secret, columns. Nothing is copied.

    Example: gemel sources attach installed-base.yaml
    """
    with target.open() as plant:
        said = document_of(file)
        told = plant.sources.attach(said["id"], said)
    output.done(f"{told['id']} is attached: {told['lines']:,} lines", **told)


@sources.command("show")
def show_source(id: str) -> None:
    """One source: how it is declared, and whether it answers."""
    with target.open() as plant:
        output.value(plant.sources.get(id))


@sources.command()
def tree(
    id: str, root: Annotated[str, typer.Argument(help="Its id there.")], as_of: AsOf = "", known: Known = ""
) -> None:
    """A machine of a source, with all that it consists of; `gemel configuration find --source` finds them.

    Example: gemel sources tree installed-base N1 --as-of 2026-03-11
    """
    with target.open() as plant:
        drawn(plant.sources.tree(id, root, **moments_of(as_of, known)))


@sources.command("remove")
def remove_source(id: str) -> None:
    """Ask it no more; nothing of it was ever taken in."""
    with target.open() as plant:
        plant.sources.remove(id)
    output.done(f"{id} is attached no more", id=id)
