"""What orders, transactions and goals have in common: what is given, what became of it, and with which exit code."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any

import msgspec
import typer

from gemel.cli.show import output
from gemel.clock import parse_time
from gemel.errors import InvalidInput
from gemel.twin import parse_expected

__all__ = [
    "WAIT_S",
    "Deadline",
    "Expects",
    "Key",
    "Wait",
    "brief",
    "expected",
    "headline",
    "inputs",
    "leave",
    "parsed_value",
    "steps",
    "to_agree",
]

Wait = Annotated[float, typer.Option(min=0, max=60, help="Seconds to wait for its end.")]
WAIT_S = 35.0
"""Longer than the thirty seconds that an order has if nothing is said: that its time is over is seen, too."""
Deadline = Annotated[float | None, typer.Option(help="Seconds it has to be carried out; default as declared.")]
Key = Annotated[str, typer.Option(help="The same key again is the same order.")]
Expects = Annotated[
    list[str] | None,
    typer.Option(
        help="What you assume of its configuration: a hash, SLOT=ITEM, or what it has, as P-7:<C, !P-9 (repeats)."
    ),
]


def expected(told: Collection[str] | None) -> list[dict[str, Any]]:
    """What is assumed, as it is sent. Raises InvalidInput."""
    return [msgspec.to_builtins(parse_expected(one)) for one in told or ()]


def headline(row: dict[str, Any], well: str, what: str) -> None:
    """The state, in the colour that says how it stands (`well`: the state that was wanted), and of what."""
    colour = {well: "green", "unknown": "yellow"}.get(row["state"], "red" if row["ended"] else "cyan")
    output.console.print(f"[{colour}]{row['state']}[/{colour}] {what} [dim]{row['id']}[/dim]")
    if row["detail"]:
        output.console.print(f"  {output.cell(row['detail'])}")


def brief(row: dict[str, Any]) -> str:
    """speed = 1500, or start(ramp=5)."""
    if row["kind"] == "property":
        return f"{row['name']} = {output.cell(row['input'])}"
    given = ", ".join(f"{name}={output.cell(value)}" for name, value in (row["input"] or {}).items())
    return f"{row['name']}({given})"


def steps(row: dict[str, Any]) -> None:
    """Every step of its life."""
    listed = [step | {"time": output.time(parse_time(step["time"]))} for step in row["steps"]]
    output.rows("", listed, ["time", "state", "detail"], empty="")


def to_agree(row: dict[str, Any], noun: str) -> None:
    """How somebody else agrees, while that is what it waits for."""
    if row["approval"] == "waiting" and not row["ended"]:
        output.note(f"Somebody else has to agree: gemel {noun} approve {row['id']}")


def leave(row: dict[str, Any], good: Collection[str], waited_s: float) -> None:
    """Exit code 3 when what was asked did not go well, 4 when its end was waited for and did not come."""
    if row["ended"] and row["state"] not in good:
        raise typer.Exit(3)
    if not row["ended"] and waited_s:
        output.note(f"Not at its end after {waited_s:g} s; it goes on by itself.")
        raise typer.Exit(4)


def inputs(given: list[str]) -> dict[str, Any]:
    """ramp=5@s as {"ramp": {"value": 5, "unit": "s"}}. Raises InvalidInput."""
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InvalidInput(f"{text!r:.80} is not INPUT=VALUE, like ramp=5 or ramp=5@s")
        number, at, unit = value.rpartition("@")
        found[name] = {"value": parsed_value(number), "unit": unit} if at and number else parsed_value(value)
    return found


def parsed_value(text: str) -> Any:
    """A number, true, false, or other JSON; else the text itself."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
