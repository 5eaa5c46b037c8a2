"""Who relied on what was believed of machines, on the command line."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gemel.cli.items import PANEL
from gemel.cli.show import output
from gemel.cli.target import target

__all__ = ["add_to"]

reliances = typer.Typer(
    invoke_without_command=True,
    help="Who relied on what was believed of machines, and what is believed otherwise now.",
)
COLUMNS = ["kind", "reference", "root", "valid", "known", "otherwise"]


def add_to(app: typer.Typer) -> None:
    app.add_typer(reliances, name="reliances", rich_help_panel=PANEL)


@reliances.callback()
def list_(
    context: typer.Context,
    kind: Annotated[str, typer.Option(help="work-order, visit, campaign, invoice …")] = "",
    reference: Annotated[str, typer.Option(help="Its id.")] = "",
    root: Annotated[str, typer.Option("--machine", help="Only on this machine.")] = "",
    changed: Annotated[bool, typer.Option("--changed", help="Only where something else is believed now.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
) -> None:
    """Who relied on what was believed of machines, the newest first: crews that were sent, campaigns that were frozen.

    Example: gemel reliances --changed
    """
    if context.invoked_subcommand is not None:
        return
    with target.open() as plant:
        found = plant.reliances(kind=kind, reference=reference, root=root, changed=changed, limit=limit)
    empty = "Nobody relied on what is not believed any more." if changed else "Nobody said so."
    output.rows("", found["items"] if output.json else _rows(found["items"]), COLUMNS, empty=empty)
    if found["next"]:
        output.note("there are more; raise --limit")


@reliances.command()
def dependants(act: Annotated[int, typer.Argument(help="Its number; `gemel item acts` lists them.")]) -> None:
    """What an act, a correction say, changed of what was believed, and who had relied on that.

    Example: gemel reliances dependants 42
    """
    with target.open() as plant:
        found = plant.reliances.on(act)
    if output.json:
        output.value(found)
        return
    span = found["span"]
    if span is None:
        output.console.print(f"act {act} changed nothing of what was believed")
        return
    said = f"{', '.join(found['items'])} from {span['start'] or 'ever'} to {span['end'] or 'now'}"
    output.console.print(f"otherwise since {found['recorded']}: {output.cell(said)}")
    output.console.print(f"in: {output.cell(', '.join(found['roots']))}")
    output.rows("", _rows(found["relied"]), COLUMNS, empty="Nobody had relied on that.")


def _rows(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one["reliance"] | {"otherwise": [_difference(each) for each in one["differences"]]} for one in found]


def _difference(one: dict[str, Any]) -> str:
    before, after = (_item(one[name]) for name in ("before", "after"))
    return f"{' › '.join(one['path']) or 'itself'}: {before} → {after}"


def _item(one: dict[str, Any] | None) -> str:
    return "nothing" if one is None else " ".join(text for text in (one["id"], one["revision"]) if text)
