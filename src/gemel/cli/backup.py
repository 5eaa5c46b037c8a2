"""Backups, restores, drills; leaving with everything; upgrades and the way back."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gemel.cli.show import output
from gemel.cli.storage import size
from gemel.cli.target import target
from gemel.cli.values import moment_of
from gemel.clock import to_rfc3339
from gemel.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from gemel.backup import Goal, Manifest
    from gemel.client import Client

__all__ = ["add_to"]

LOOK_S = 0.3
COLUMNS = ["id", "made", "position", "size", "gemel", "secrets", "log"]
backup = typer.Typer(no_args_is_help=True, help="Back up while running, restore, and prove that a restore works.")
Source = Annotated[Path, typer.Argument(help="The folder that backups went to.")]


def add_to(app: typer.Typer) -> None:
    app.add_typer(backup, name="backup", rich_help_panel="Operate")
    for command in (upgrade, rollback):
        app.command(rich_help_panel="Operate")(command)


def _watched(plant: Client, what: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do `work`, with a bar that the platform's own count moves."""
    with ThreadPoolExecutor(1) as pool, output.progress(what) as bars:
        bar = bars.add_task("", total=1.0)
        done: Future[dict[str, Any]] = pool.submit(work)
        while True:
            try:
                return done.result(LOOK_S)
            except TimeoutError:
                if done.done():
                    raise
                bars.update(bar, completed=float(plant.backups.standing()["part"]))


@backup.command("create")
def create(
    to: Annotated[Path | None, typer.Argument(help="A folder outside of the plant's (default: as set).")] = None,
    with_secrets: Annotated[
        bool, typer.Option("--with-secrets", help="Also the keys of the plant's own certificate authority.")
    ] = False,
) -> None:
    """Back up this moment; everything goes on meanwhile.

    Example: gemel backup create /mnt/backups
    """
    place = str(to.absolute()) if to else ""
    with target.open() as plant:
        made = _watched(plant, "Backing up", lambda: plant.backups.make(place, secrets=with_secrets or None))
    output.done(f"{made['id']}: position {made['position']:,}, {size(made['size'])} in {made['seconds']:.1f} s", **made)


@backup.command("list")
def listing(source: Annotated[Path | None, typer.Argument(help="Where they are (default: as set).")] = None) -> None:
    """Which backups there are; without a folder also when the last one and the last drill were."""
    from gemel.backup import Vault

    if source is not None:
        _show([_row(one) for one in Vault(source).all()])
        return
    with target.open() as plant:
        standing = plant.backups.standing()
    if output.json:
        output.value(standing)
        return
    _show(standing.pop("items"))
    if told := [name for name, value in standing.items() if value not in ("", None, 0.0)]:
        output.rows("", [standing], told, empty="")


def _show(rows: list[dict[str, Any]]) -> None:
    if not output.json:
        rows = [{**row, "size": size(row["size"])} for row in rows]
    output.rows("", rows, COLUMNS, empty="No backups yet; make one with `gemel backup create FOLDER`.")


def _row(made: Manifest) -> dict[str, Any]:
    return {
        "id": made.id,
        "made": to_rfc3339(made.made),
        "position": made.position,
        "size": made.size,
        "gemel": made.gemel,
        "secrets": made.secrets,
        "log": made.log is not None,
    }


@backup.command("verify")
def verify(source: Source, id: Annotated[str, typer.Option(help="Which one (default: the newest).")] = "") -> None:
    """Compute the hash of every file of a backup again."""
    from gemel.backup import Vault

    vault = Vault(source)
    made = vault.newest(id)
    with output.progress("Verifying") as bars:
        bar = bars.add_task("", total=1.0)
        vault.verify(made, progress=lambda part: bars.update(bar, completed=part))
    output.done(f"{made.id}: {len(made.files) + len(made.shared)} files are as they were written", id=made.id, ok=True)


@backup.command("restore")
def restore(
    source: Source,
    folder: Annotated[Path, typer.Argument(help="A new folder for the plant.")],
    to: Annotated[str, typer.Option(help="A journal position, or a time: RFC 3339, or back from now (2h).")] = "",
    id: Annotated[str, typer.Option(help="Which backup (default: the newest that reaches).")] = "",
    database: Annotated[str, typer.Option(help="URL of an empty PostgreSQL database for registry and journal.")] = "",
) -> None:
    """Make a plant of a backup; every file is checked first, and nothing is written over.

    Example: gemel backup restore /mnt/backups plant-again --to 2026-03-01T10:00:00Z
    """
    from gemel.backup import Vault
    from gemel.backup import restore as bring_back

    with output.progress("Restoring") as bars:
        bar = bars.add_task("", total=1.0)
        told = bring_back(
            Vault(source),
            folder,
            id=id,
            goal=_goal(to),
            database=database,
            progress=lambda part: bars.update(bar, completed=part),
        )
    moment = to_rfc3339(told.recorded)
    text = (
        f"{folder} is the plant at position {told.position:,} ({moment}); `gemel --at {folder} verify`, then serve it"
    )
    output.done(text, folder=str(folder), position=told.position, head=told.head, epoch=told.epoch, recorded=moment)


def _goal(to: str) -> Goal:
    from gemel.backup import Goal

    if not to:
        return Goal()
    return Goal(position=int(to)) if to.isdecimal() else Goal(time=moment_of(to))


@backup.command("drill")
def drill(
    source: Annotated[Path | None, typer.Argument(help="Where they are (default: as set).")] = None,
    id: Annotated[str, typer.Option(help="Which backup (default: the newest).")] = "",
) -> None:
    """Restore a backup aside, ask it and the plant the same questions, and throw it away; the result is journaled.

    Example: gemel backup drill /mnt/backups
    """
    place = str(source.absolute()) if source else ""
    with target.open() as plant:
        found = _watched(plant, "Drill", lambda: plant.backups.drill(place, id=id))
    if output.json:
        output.value(found)
    else:
        columns = ["group", "asked", "equal", "skipped", "difference"]
        output.rows("", found["answers"], columns, empty="Nothing could be compared.")
        mark = "[green]✓[/green] All answers are equal" if found["ok"] else f"[red]✗ Not equal[/red] {found['reason']}"
        output.console.print(f"{mark}: backup {found['backup']}, {found['blocks']:,} blocks, {found['seconds']} s")
    if not found["ok"]:
        raise typer.Exit(1)


def upgrade(folder: Annotated[Path | None, typer.Argument(help="The plant's folder (default: --at).")] = None) -> None:
    """Bring a plant's folder to this version: keep a copy of its tables, change them, compute every hash again.

    Opening a folder does the same but for the hashes. Example: gemel upgrade plant
    """
    import gemel
    from gemel.folder import Folder

    place = _folder(folder)
    if not Folder.exists(place):
        raise NotFound(f"there is no plant in {place}")
    output.note(f"opening {place} with Gemel {gemel.__version__} …")
    before = _copies(place)
    with gemel.open(place, run_connectors=False) as plant, output.progress("Computing every hash") as bars:
        bar = bars.add_task("", total=None)
        found = plant.verify(progress=lambda done, blocks: bars.update(bar, completed=done, total=blocks))
        revision = plant.database.revision()
    if not found.ok:
        output.console.print(f"[red]✗ block {found.damaged}[/red]: {found.reason}")
        raise typer.Exit(1)
    back = f"The way back, until something is accepted: gemel rollback {place}"
    output.done(
        f"{place} is of this version ({revision}); {found.blocks:,} blocks are as written. "
        + (back if _copies(place) != before else "Its tables were so already: nothing was changed."),
        folder=str(place),
        schema=revision,
        blocks=found.blocks,
    )


def _copies(place: Path) -> set[tuple[str, int]]:
    """The copies from before an upgrade, and when each was made."""
    from gemel.backup.upgrade import KEPT

    return {(path.name, path.stat().st_mtime_ns) for path in (place / KEPT).glob("*")}


def rollback(folder: Annotated[Path | None, typer.Argument(help="The plant's folder (default: --at).")] = None) -> None:
    """Take the last upgrade of a folder back, if nothing was accepted since; then start the earlier version again."""
    from gemel.backup import rollback as go_back

    place = _folder(folder)
    kept = go_back(place)
    version = f"Gemel {kept.gemel}" if kept.gemel else "the version that wrote it"
    output.done(f"{place} has the tables of {kept.database} again; open it with {version}", schema=kept.database)


def _folder(folder: Path | None) -> Path:
    if folder is None and target.is_url:
        raise InvalidInput(f"--at {target.at} is a server; name the folder on its machine")
    return folder or Path(target.at)
