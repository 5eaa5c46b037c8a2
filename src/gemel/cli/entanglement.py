"""Entanglement: how twins are tied to their objects; values entered by hand, instructions to people."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from gemel.cli.orders import told
from gemel.cli.show import output
from gemel.cli.target import target
from gemel.cli.values import moment_of

__all__ = ["add_to"]

instructions = typer.Typer(invoke_without_command=True, help="Orders that wait for a person.")

COLUMNS = ["property", "level", "fresh", "since", "share", "p95", "rate_hz", "lost", "tied"]
SHOP = ["twin", "level", "stale", "share", "p95", "lost", "levels"]
When = Annotated[str, typer.Option(help="RFC 3339, a date, or back from now: 15m, 8h, 3d.")]


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Values")(entanglement)
    app.command(rich_help_panel="Values")(enter)
    app.add_typer(instructions, name="instructions", rich_help_panel="Command")


def entanglement(
    twin: Annotated[str, typer.Argument(help="Id or alias; left out: the shop.")] = "",
    property: Annotated[str, typer.Argument(help="Of the twin: its past.")] = "",
    since: Annotated[str, typer.Option("--from", help="Of the past: RFC 3339, a date, or back from now: 8h.")] = "1h",
    until: Annotated[str, typer.Option("--to", help="The same, or `now`.")] = "now",
    within: Annotated[float | None, typer.Option(help="Seconds: judge the past by this bound.")] = None,
    broken: Annotated[bool, typer.Option("--broken", help="Only twins of which a bound is broken.")] = False,
    level: Annotated[str, typer.Option(help="Only twins of this level: model, shadow, twin.")] = "",
) -> None:
    """How twins are tied to their objects: level, freshness, latency, loss; of a property also in the past.

    Example: gemel entanglement press-7 temperature --from 8h
    """
    with target.open() as plant:
        if not twin:
            _print_shop(plant.entanglement.shop(broken=str(broken).lower(), level=level, limit=1000))
        elif not property:
            _print_twin(plant.entanglement.of(twin))
        else:
            span = moment_of(since), moment_of(until)
            _print_past(plant.entanglement.then(twin, property, *span, within_s=within))


def _print_shop(found: dict[str, Any]) -> None:
    if output.json:
        output.value(found)
        return
    shop = found["shop"]
    levels = ", ".join(f"{count} {name}" for name, count in shop["levels"].items())
    output.console.print(
        f"{shop['properties']:,} properties of {shop['twins']:,} twins: {levels}; "
        f"{shop['stale']:,} stale; fresh {_share(shop['share'])} of the time; {_latency(shop['latency'])}"
    )
    rows = [{**one, "share": _share(one["share"]), "p95": _seconds(one["p95_s"])} for one in found["items"]]
    output.rows("", rows, SHOP, empty="No twin is like that.")
    if found["next"]:
        output.note("and more; narrow it down with --broken or --level")


def _print_twin(found: dict[str, Any]) -> None:
    if output.json:
        output.value(found)
        return
    summary = found["summary"]
    output.console.print(f"[bold]{summary['twin']}[/bold] is a [bold]{summary['level']}[/bold]")
    rows = [
        {
            **one,
            "share": _share(one["share"]),
            "p95": _seconds((one["latency"] or {}).get("p95_s")),
            "tied": _tied(one["declared"]),
        }
        for one in found["properties"]
    ]
    output.rows("", rows, COLUMNS, empty="It has no properties.")


def _print_past(found: dict[str, Any]) -> None:
    if output.json:
        output.value(found)
        return
    bound = "no bound" if found["within_s"] is None else f"bound {found['within_s']:g} s"
    output.console.print(
        f"[bold]{found['twin']}.{found['property']}[/bold] {found['start']} – {found['end']}: "
        f"fresh {_share(found['share'])} of {found['covered_s']:,.0f} s ({bound}); {_latency(found['latency'])}; "
        f"{found['received']:,} readings, {found['lost_count']:,} messages lost"
    )
    rows = [{"what": "stale", "from": since, "to": until} for since, until in found["stale"]]
    rows += [{"what": f"{one['count']} lost", "from": one["time"], "to": ""} for one in found["lost"]]
    output.rows("", sorted(rows, key=lambda row: row["from"]), ["from", "to", "what"], empty="Nothing was broken.")


def enter(
    twin: Annotated[str, typer.Argument(help="Id or alias.")],
    property: str,
    value: Annotated[str, typer.Argument(help="A number, true/false, text, or JSON.")],
    unit: Annotated[str, typer.Option(help="UCUM code of the value, when it is not the property's own.")] = "",
    time: Annotated[str, typer.Option(help="When you read it; default now.")] = "",
) -> None:
    """Enter a value by hand: recorded as yours, and as told by a person.

    Example: gemel enter press-7 oil_level 62
    """
    with target.open() as plant:
        at = moment_of(time) if time else None
        position = plant.entanglement.enter(twin, property, _value(value), unit=unit, time=at)
    output.done(f"{twin}.{property} is {value}, entered by you, at position {position:,}", position=position)


@instructions.callback()
def listed(context: typer.Context, twin: Annotated[str, typer.Option(help="Only to this twin.")] = "") -> None:
    """Orders that wait for a person.

    Example: gemel instructions
    """
    if context.invoked_subcommand:
        return
    with target.open() as plant:
        found = plant.entanglement.instructions(twin)
    rows = [{**one["order"], "where": one["where"], "wanted": one["order"]["input"]} for one in found]
    columns = ["id", "twin", "name", "wanted", "where", "deadline"]
    output.rows("", rows, columns, empty="Nothing waits for a person.")


@instructions.command()
def confirm(
    order: str,
    value: Annotated[str, typer.Option(help="What you found, if it is not what was ordered.")] = "",
    note: Annotated[str, typer.Option(help="What there is to say.")] = "",
) -> None:
    """Say that an instruction was carried out."""
    with target.open() as plant:
        told(plant.entanglement.confirm(order, value=_value(value) if value else None, note=note))


@instructions.command()
def decline(order: str, note: Annotated[str, typer.Option(help="Why not.")] = "") -> None:
    """Say that an instruction was not carried out, and will not be."""
    with target.open() as plant:
        row = plant.entanglement.decline(order, note=note)
    output.done(f"{order} is {row['state']}", **row)


def _tied(declared: dict[str, Any]) -> str:
    ways = [*declared["sources"], declared["carrier"] and f"→ {declared['carrier']}"]
    return ", ".join(way for way in [*ways, declared["by_hand"] and f"by hand ({declared['by_hand']})"] if way)


def _share(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"


def _latency(latency: dict[str, Any] | None) -> str:
    if latency is None:
        return "no readings"
    return "latency " + ", ".join(f"{_seconds(latency[f'p{q}_s'])} ({q} %)" for q in (50, 95, 99))


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
