"""Bulletins on the command line: which machines they are still open at, and that they were complied with."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gemel.cli.items import PANEL, AsOf, Known, moments_of
from gemel.cli.operations import Evidence, Time, WorkOrder
from gemel.cli.show import output
from gemel.cli.target import target
from gemel.cli.values import moment_of

__all__ = ["add_to"]

bulletins = typer.Typer(
    invoke_without_command=True, help="What is to be done to some machines: where it is open, and where it was done."
)
COLUMNS = ["machine", "part", "serial", "state", "since", "items", "by", "note"]
STATES = ("open", "unknown", "complied", "not_needed")


def add_to(app: typer.Typer) -> None:
    app.add_typer(bulletins, name="bulletins", rich_help_panel=PANEL)


@bulletins.callback()
def list_(
    context: typer.Context,
    q: Annotated[str, typer.Option(help="Part of the id or title.")] = "",
    as_of: AsOf = "",
    known: Known = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
) -> None:
    """Bulletins in force, with how many machines are in which state."""
    if context.invoked_subcommand is not None:
        return
    with target.open() as plant:
        found = plant.bulletins(q, limit=limit, **moments_of(as_of, known))
    rows = [
        {"bulletin": one["id"], "title": one["title"], "version": one["version"]["version"]}
        | one["counts"]
        | {"about": _about(one["version"]), "problem": one["problem"]}
        for one in found["items"]
    ]
    columns = ["bulletin", "title", "version", *STATES, "about"]
    if any(row["problem"] for row in rows):
        columns.append("problem")
    empty = "There are none. `gemel documents add ID VERSION FILE --kind bulletin --having 'P-7:<C'` hands one in."
    output.rows("", found["items"] if output.json else rows, columns, empty=empty)


def _about(version: dict[str, Any]) -> list[str]:
    told = [_having(one) for one in version["having"]]
    for one in version["applies"]:
        revisions = f" {'/'.join(one.get('revisions', ()))}" if one.get("revisions") else ""
        machines = ", ".join([*one.get("serials", ()), *(f"lot {lot}" for lot in one.get("lots", ()))])
        told.append(f"{one['part']}{revisions}" + (f" in {machines}" if machines else ""))
    return told


def _having(one: dict[str, Any]) -> str:
    bounds = [f"{word} {one[word]}" for word in ("above", "below") if one[word]]
    if one["revisions"]:
        bounds.append("/".join(one["revisions"]))
    if one["unknown"]:
        bounds.append("or not known")
    return " ".join([one["part"], *bounds])


@bulletins.command()
def show(
    bulletin: Annotated[str, typer.Argument(help="Its id.")],
    state: Annotated[str, typer.Option(help=f"Only {', '.join(STATES)}.")] = "",
    as_of: AsOf = "",
    known: Known = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 200,
) -> None:
    """One bulletin with its machines: open, cannot be told, not needed any more and why, complied with and by whom.

    Example: gemel bulletins show SB-12 --state open
    """
    with target.open() as plant:
        found = plant.bulletins.get(bulletin, state=state, limit=limit, **moments_of(as_of, known))
    if output.json:
        output.value(found)
        return
    one = found["bulletin"]
    about = "; ".join(_about(one["version"])) or "the machines that it names"
    head = (
        f"[bold]{output.cell(one['id'])}[/bold] {output.cell(one['version']['version'])}  {output.cell(one['title'])}"
    )
    output.console.print(head)
    output.console.print(f"  for: {output.cell(about)}")
    if one["problem"]:
        output.console.print(f"  [red]cannot be told[/red]: {output.cell(one['problem'])}")
    output.rows("", _rows(found["items"]), COLUMNS, empty="It applies to no machine, and did not before.")
    if found["next"]:
        output.note(f"{found['total']:,} in all; raise --limit")


@bulletins.command("for")
def for_(
    item: Annotated[str, typer.Argument(help="Id of the machine, or of a part in it.")],
    as_of: AsOf = "",
    known: Known = "",
) -> None:
    """How it stands with every bulletin at a machine; exit code 3 if one is open, or may be.

    Example: gemel bulletins for M1
    """
    with target.open() as plant:
        found = plant.bulletins.of(item, **moments_of(as_of, known))
    rows = (
        found
        if output.json
        else [
            {"bulletin": one["bulletin"], "title": one["title"], **row}
            for one, row in zip(found, _rows(found), strict=True)
        ]
    )
    columns = ["bulletin", "title", *COLUMNS[3:]]
    output.rows("", rows, columns, empty=f"No bulletin is, or was, for {item}.")
    if any(one["state"] in ("open", "unknown") for one in found):
        raise typer.Exit(3)


def _rows(standings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        one
        | {
            "since": output.moment(one["since"]),
            "by": _by(one),
            "note": one["note"] or ", ".join(one["orders"]),
        }
        for one in standings
    ]


def _by(one: dict[str, Any]) -> str:
    done, ended = one["complied"], one["ended"]
    if done is not None:
        what = f"act {done['act']}" if done["act"] else f"link {done['link']}"
        return " ".join(text for text in (done["work_order"], f"({what})") if text)
    if ended is not None:
        order = ended["basis"]["work_order"]
        return f"{ended['kind']} (act {ended['number']}{', ' + order if order else ''})"
    return ""


@bulletins.command()
def comply(
    bulletin: Annotated[str, typer.Argument(help="Its id.")],
    item: Annotated[str, typer.Argument(help="The machine, or the part of it that the bulletin is about.")],
    time: Time = "",
    version: Annotated[str, typer.Option(help="Of the bulletin; the one in force then if left out.")] = "",
    work_order: WorkOrder = "",
    evidence: Evidence = "",
    reason: Annotated[str, typer.Option(help="What else is to be said.")] = "",
) -> None:
    """What a bulletin says was done. It was not so after all: `gemel thread end` the link that `show` names.

    Example: gemel bulletins comply SB-12 M1 --work-order WO-17
    """
    basis = {"source": "cli", "work_order": work_order, "evidence": evidence, "reason": reason}
    with target.open() as plant:
        done = plant.bulletins.comply(
            bulletin, item, at=moment_of(time) if time else None, version=version, basis=basis
        )
    said = "is complied with on" if done["links"] else "was said to be complied with before on"
    output.done(f"{bulletin} {said} {item}", **done)
