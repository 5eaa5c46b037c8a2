"""Erasing a twin for good (people: `gemel users erase`), and the record of what was erased."""

from __future__ import annotations

from typing import Annotated

import typer

from gemel.cli.show import output
from gemel.cli.target import target

__all__ = ["add_to"]

erase = typer.Typer(no_args_is_help=True, help="Erase a twin for good; what was erased. A person: `gemel users erase`.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(erase, name="erase", rich_help_panel="Operate")


@erase.command()
def twin(
    id: Annotated[str, typer.Argument(help="Id or alias.")],
    parts: Annotated[bool, typer.Option("--parts", help="Its parts, too.")] = False,
    confirm: Annotated[str, typer.Option(help="The code of the preview; without it nothing is done.")] = "",
) -> None:
    """Show what erasing a twin would take; with the code of that preview, erase it.

    Readings, events and facts go from history, journal, state and quarantine, and the contents of imported
    logs that hold them; hashes and the id stay.
    """
    with target.open() as plant:
        if confirm:
            done = plant.erase_twin(id, confirm, parts=parts)
            output.done(f"{', '.join(done['twins'])} erased for good", **done)
            return
        seen = plant.preview_erasure(id, parts=parts)
    if output.json:
        output.value(seen)
        return
    output.console.print(
        f"Would go: {', '.join(seen['twins'])} with {seen['readings']:,} readings, {seen['events']:,} events and "
        f"{seen['quarantined']:,} rows in quarantine."
    )
    for one in seen["documents"]:
        also = f"; it tells of {', '.join(one['twins'])}, too" if one["twins"] else ""
        output.console.print(f"With them: the content of {one['name']} ({one['size']:,} bytes){also}. Its hash stays.")
    if seen["records"]:
        output.console.print(f"With them: the words of {seen['records']:,} records of the thread about them alone.")
    if seen["parts"]:
        output.console.print(f"Would stay: {', '.join(seen['parts'])}; `--parts` takes them, too.")
    if seen["held"]:
        output.console.print(f"[red]✗[/red] {', '.join(seen['held'])} is held; `gemel storage holds` says why.")
    else:
        flag = " --parts" if parts else ""
        output.console.print(f"There is no way back. To do it: gemel erase twin {id}{flag} --confirm {seen['code']}")


@erase.command("list")
def listed() -> None:
    """What was erased, when and by whom; never what it was."""
    with target.open() as plant:
        rows = plant.erasures()
    output.rows("", rows, ["kind", "subject", "time", "actor", "done", "counts"], empty="Nothing was ever erased.")
