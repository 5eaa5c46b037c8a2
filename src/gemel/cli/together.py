"""Several machines at once: transactions, and goals over many actuators."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any

import typer

from gemel.cli.asked import (
    WAIT_S,
    Deadline,
    Expects,
    Key,
    Wait,
    brief,
    expected,
    headline,
    inputs,
    leave,
    parsed_value,
    steps,
    to_agree,
)
from gemel.cli.show import output
from gemel.cli.target import target
from gemel.clock import parse_time
from gemel.errors import InvalidInput

__all__ = ["add_to"]

transactions = typer.Typer(invoke_without_command=True, help="What was asked of several machines at once.")
goals = typer.Typer(no_args_is_help=True, help="One number for many actuators.")
COLUMNS = ["id", "time", "state", "members", "detail"]


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Command")(transaction)
    app.add_typer(transactions, name="transactions", rich_help_panel="Command")
    app.command(rich_help_panel="Command")(goal)
    app.add_typer(goals, name="goals", rich_help_panel="Command")


def transaction(
    members: Annotated[
        list[str],
        typer.Argument(metavar="MEMBER...", help="pump-1.speed=1500, pump-1.speed=25@/s, pump-2.start:ramp=5"),
    ],
    title: Annotated[str, typer.Option(help="What it is called in lists.")] = "",
    leave: Annotated[
        bool, typer.Option("--leave", help="When a member fails, leave what the others did; default: put it back.")
    ] = False,
    in_order: Annotated[
        bool, typer.Option("--in-order", help="Tell a member only when the one before it has followed.")
    ] = False,
    wait: Wait = WAIT_S,
    deadline: Deadline = None,
    key: Key = "",
    expects: Annotated[
        list[str] | None,
        typer.Option(help="TWIN:WHAT: what you assume of a member's configuration, as of `gemel command` (repeats)."),
    ] = None,
) -> None:
    """Have several machines do something, all of them or none, and say what became of it.

    Example: gemel transaction valve-1.position=100 pump-1.speed=1500 --in-order
    """
    how: dict[str, Any] = {"deadline_s": deadline, "key": key, "title": title, "in_order": in_order}
    with target.open() as plant:
        told = _assuming([_member(one) for one in members], expects or ())
        row = plant.transaction(told, on_failure="leave" if leave else "compensate", wait_s=wait, **how)
    _told(row, wait)


def _member(text: str) -> dict[str, Any]:
    """pump-1.speed=1500 or pump-2.start:ramp=5,program=a as the interface takes it."""
    command, colon, given = text.partition(":")
    name, equals, wanted = text.partition("=")
    if colon and "=" not in command:
        twin, dot, name = command.rpartition(".")
        member: dict[str, Any] = {"command": name, "input": inputs(given.split(",")) if given else {}}
    elif equals:
        twin, dot, name = name.rpartition(".")
        number, at, unit = wanted.rpartition("@")
        member = {"property": name, "value": parsed_value(number if at and number else wanted)}
        member |= {"unit": unit} if at and number else {}
    else:
        twin, dot, name = text.rpartition(".")
        member = {"command": name}
    if not (dot and twin and name):
        raise InvalidInput(f"{text!r:.80} is not TWIN.PROPERTY=VALUE, TWIN.COMMAND or TWIN.COMMAND:INPUT=VALUE,…")
    return {"twin": twin, **member}


def _assuming(members: list[dict[str, Any]], expects: Collection[str]) -> list[dict[str, Any]]:
    """The members, each with what is assumed of its twin. Raises InvalidInput."""
    for text in expects:
        twin, colon, what = text.partition(":")
        mine = [one for one in members if one["twin"] == twin]
        if not (colon and what and mine):
            twins = ", ".join(dict.fromkeys(one["twin"] for one in members))
            raise InvalidInput(f"{text!r:.80} is not TWIN:WHAT of a member, like {twins}:SLOT=ITEM")
        for one in mine:
            one.setdefault("expects", []).extend(expected([what]))
    return members


def _told(row: dict[str, Any], waited_s: float = 0) -> None:
    """The transaction as a sentence, and its members; the exit code by `leave`."""
    if output.json:
        output.value(row)
    else:
        headline(row, "committed", output.cell(row["title"]))
        members = [
            {
                "member": _brief(one),
                "state": one["state"] or "–",
                "put back": one["undone_state"] or one["note"],
                "detail": one["detail"],
            }
            for one in row["members"]
        ]
        output.rows("", members, ["member", "state", "put back", "detail"], empty="Its twins were erased.")
        if row["waits_for"]:
            output.note(f"It waits for {row['waits_for']}, which was asked for before and shares a twin.")
        to_agree(row, "transactions")
    leave(row, ("committed", "cancelled"), waited_s)


def _brief(member: dict[str, Any]) -> str:
    return f"{member['twin']}.{brief(member)}"


@transactions.callback()
def list_(
    context: typer.Context,
    twin: Annotated[str, typer.Option(help="Only with this one.")] = "",
    state: Annotated[list[str] | None, typer.Option(help="Only in this state (may repeat).")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """Transactions, the newest first."""
    if context.invoked_subcommand is not None:
        return
    with target.open() as plant:
        rows = plant.transactions(twin, states=state or (), limit=limit).items
    if not output.json:
        rows = [
            row
            | {"time": output.time(parse_time(row["created"])), "members": "; ".join(_brief(m) for m in row["members"])}
            for row in rows
        ]
    output.rows("", rows, COLUMNS, empty="Nothing was asked of several at once. `gemel transaction MEMBER...` does.")


@transactions.command()
def show(transaction: str) -> None:
    """One transaction with every member and step."""
    with target.open() as plant:
        row = plant.transactions.get(transaction)
    if output.json:
        output.value(row)
        return
    steps(row)
    _told(row | {"ended": False})


@transactions.command()
def cancel(transaction: str) -> None:
    """Take it back; what was done already is put back or stays, as it says."""
    with target.open() as plant:
        _told(plant.transactions.cancel(transaction))


@transactions.command()
def approve(transaction: str) -> None:
    """Agree, as the second person, to all of it."""
    with target.open() as plant:
        _told(plant.transactions.approve(transaction))


def goal(
    twin: Annotated[str, typer.Argument(help="Id or alias.")],
    name: Annotated[str, typer.Argument(help="Of the goal.")],
    value: Annotated[float, typer.Argument(help="What it is to come to.")],
    unit: Annotated[str, typer.Option(help="UCUM code of the value, when it is not the goal's own.")] = "",
    wait: Wait = WAIT_S,
    deadline: Deadline = None,
    key: Key = "",
    expects: Expects = None,
) -> None:
    """Bring a goal to a value, by what its members are told.

    Example: gemel goal line-1 output 80
    """
    with target.open() as plant:
        how: dict[str, Any] = {"deadline_s": deadline, "key": key, "expects": expected(expects)}
        _run_told(plant.goal(twin, name, value, unit=unit, wait_s=wait, **how), wait)


def _run_told(row: dict[str, Any], waited_s: float = 0) -> None:
    if output.json:
        output.value(row)
    else:
        at = "" if row["at"] is None else f", at {row['at']:g}"
        headline(row, "reached", f"{row['twin']}.{row['goal']} to {row['value']:g}{at}")
    leave(row, ("reached", "cancelled", "superseded"), waited_s)


@goals.command("show")
def show_goals(twin: str) -> None:
    """The goals of a twin: where they stand, what was asked last."""
    with target.open() as plant:
        rows = plant.goals(twin)
    if not output.json:
        rows = [
            row
            | {
                "now": row["why"] if row["now"] is None else f"{row['now']:g} {row['unit']}",
                "asked": "" if row["run"] is None else f"{row['run']['value']:g}, {row['run']['state']}",
            }
            for row in rows
        ]
    output.rows("", rows, ["name", "now", "asked"], empty=f"{twin} has no goals; its type declares them.")


@goals.command("runs")
def runs(twin: str, name: str, limit: Annotated[int, typer.Option(min=1, max=1000)] = 50) -> None:
    """Runs towards a goal, the newest first."""
    with target.open() as plant:
        rows = plant.goals.runs(twin, name, limit=limit).items
    output.rows("", rows, ["id", "created", "value", "at", "state", "detail"], empty="Nobody asked for it yet.")


@goals.command("cancel")
def cancel_run(run: str) -> None:
    """Begin no further stage; a stage under way goes on to its own end."""
    with target.open() as plant:
        _run_told(plant.goals.cancel(run))
