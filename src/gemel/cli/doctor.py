"""What is wrong, and the way out: `gemel doctor`, and a bundle for who helps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gemel.cli.show import output
from gemel.cli.target import target
from gemel.clock import WallClock
from gemel.errors import NotFound
from gemel.folder import Folder

__all__ = ["add_to"]

MARKS = {"ok": "[green]✓[/green]", "warn": "[yellow]![/yellow]", "bad": "[red]✗[/red]"}


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Operate")(doctor)
    app.command("support-bundle", rich_help_panel="Operate")(support_bundle)


def doctor(
    full: Annotated[bool, typer.Option("--full", help="Recompute every hash of the journal, too.")] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Mend what is safe to mend: permissions, notes of processes that are gone.")
    ] = False,
) -> None:
    """Look at everything, and say what is wrong and the way out. Exit code 1 if something does not work.

    Of a folder it looks at the files, open or not; of a server, or a folder that is served, at how it runs.
    """
    found: list[dict[str, Any]] = []
    if not target.is_url:
        if not Folder.exists(target.at):
            raise NotFound(f"there is no plant in {target.at}; name another with --at FOLDER or --at URL")
        from gemel.diagnosis import doctor as look

        with output.errors.status("looking …") as status:
            checks = look(
                Path(target.at), WallClock(), full=full, fix=fix, progress=lambda what: status.update(f"{what} …")
            )
        found += [
            {"part": one.part, "level": str(one.level), "told": one.told, "way_out": one.way_out, "fixed": one.fixed}
            for one in checks
        ]
    if target.is_url or Folder.server(target.at) is not None:
        with target.open() as plant:
            running = plant.diagnosis()["checks"]
        found += [{**one, "part": one["part"] if target.is_url else f"running: {one['part']}"} for one in running]
    if output.json:
        output.value(found)
    else:
        for one in found:
            mark = MARKS["ok"] if one.get("fixed") else MARKS[one["level"]]
            output.console.print(f"{mark} [bold]{output.cell(one['part'])}[/bold]  {output.cell(one['told'])}")
            if one["way_out"]:
                output.console.print(f"    → {output.cell(one['way_out'])}")
        counts = {level: sum(one["level"] == level for one in found) for level in MARKS}
        told = f"{counts['bad']} do not work, {counts['warn']} to look at soon, {counts['ok']} well"
        output.console.print(told if counts["bad"] or counts["warn"] else "All is well.")
    if any(one["level"] == "bad" for one in found):
        raise typer.Exit(1)


def support_bundle(
    file: Annotated[Path, typer.Argument(help="Where to write the ZIP.")] = Path("gemel-support.zip"),
) -> None:
    """Pack what a helper needs: versions, settings, health, sizes, problems, logs. No secrets, no readings."""
    with target.open() as plant:
        made = plant.support_bundle()
    file.write_bytes(made)
    output.done(f"{file} has {len(made) / 1000:,.0f} kB; look through it before you send it", file=str(file))
