"""Effectiveness: OEE and its kin of machines and items, and what they were with which configuration or setting."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gemel.cli.show import output
from gemel.cli.target import target
from gemel.cli.values import moment_of
from gemel.cli.work import spent
from gemel.errors import InvalidInput

__all__ = ["add_to"]

FACTORS = ["availability", "effectiveness", "quality_ratio", "oee"]
RATIOS = [
    ("oee", "OEE = availability × effectiveness × quality"),
    ("availability", "availability = producing / planned busy time"),
    ("effectiveness", "effectiveness = planned run time of all parts / producing"),
    ("quality_ratio", "quality ratio = good / all parts"),
    ("nee", "NEE: as OEE, set-up is no loss"),
    ("utilisation_efficiency", "utilisation = producing / busy"),
    ("allocation_efficiency", "allocation = busy / planned busy time"),
    ("technical_effectiveness", "technical effectiveness = producing / (producing + down)"),
    ("setup_ratio", "set-up ratio = set-up / (producing + set-up)"),
    ("corrective_maintenance_ratio", "corrective maintenance / all maintenance"),
]
TIMES = [
    ("mtbf_iso22400_s", "operating time / (failures + 1), ISO 22400"),
    ("mttf_iso22400_s", "time not down / (failures + 1), ISO 22400"),
    ("mttr_iso22400_s", "time down / (failures + 1), ISO 22400"),
    ("mean_operating_s_per_failure", "operating time / failures, as is common"),
    ("mean_down_s_per_failure", "time down / failures, as is common"),
]

From = Annotated[str, typer.Option("--from", help="RFC 3339, a date, or back from now: 8h, 7d.")]
To = Annotated[str, typer.Option("--to", help="The same, or `now`.")]
Known = Annotated[str, typer.Option(help="Where an item was, as it was believed then.")]
Machines = Annotated[list[str] | None, typer.Argument(help="Twins of machines; left out: all that tell of it.")]
Type = Annotated[str, typer.Option(help="All twins of this type.")]
Target = Annotated[str, typer.Option(help="The key figure that is compared: oee, availability, quality_ratio …")]
Mean = Annotated[str, typer.Option("--mean", help="A property whose time-weighted mean is told, too: power.")]


class _OfByDefault(TyperGroup):
    """`gemel effectiveness press-7` is `gemel effectiveness of press-7`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["of", *args]
        return super().parse_args(ctx, args)


effectiveness = typer.Typer(cls=_OfByDefault, help="OEE and the other key figures of ISO 22400-2.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(effectiveness, name="effectiveness", rich_help_panel="Values")


@effectiveness.command("of")
def of(
    twin: Annotated[str, typer.Argument(help="Id or alias; left out: all machines that tell of it.")] = "",
    item: Annotated[str, typer.Option("--item", help="Of an item, in whatever machine it was.")] = "",
    by: Annotated[str, typer.Option(help="Also by hour, shift, day or week of the site.")] = "",
    since: From = "7d",
    until: To = "now",
    known: Known = "",
) -> None:
    """How effectively a machine, or an item in whatever machine it was, was used. `of` may be left out.

    Example: gemel effectiveness press-7 --by day
    """
    if twin and item:
        raise InvalidInput("name a twin, or an item with --item, not both")
    span = moment_of(since), moment_of(until)
    with target.open() as plant:
        if item:
            believed = None if not known else moment_of(known)
            found = plant.effectiveness.of_item(item, *span, by=by, known=believed)
        elif twin:
            found = plant.effectiveness.of(twin, *span, by=by)
        else:
            rows = plant.effectiveness(*span, limit=100).items
            if output.json:
                output.value(rows)
                return
            shown = [{"twin": one["twin"], **_row(one["figures"], one["cost"])} for one in rows]
            output.rows(
                "",
                shown,
                ["twin", *FACTORS, "parts", "known", *_priced(shown)],
                empty="No machine's type says from what its effectiveness is told; declare `effectiveness` in it.",
            )
            return
    if output.json:
        output.value(found)
    else:
        _print(found)


@effectiveness.command("compare")
def compare(
    machines: Machines = None,
    slot: Annotated[str, typer.Option(help="By what is in a slot of the machine: spindle, head.spindle.")] = "",
    part: Annotated[str, typer.Option(help="By the revision of a part, or the version of software, in it.")] = "",
    items: Annotated[bool, typer.Option("--items", help="By single item, not by part and revision.")] = False,
    type: Type = "",
    target_kpi: Target = "oee",
    mean: Mean = "",
    since: From = "30d",
    until: To = "now",
    known: Known = "",
) -> None:
    """Performance by configuration: machines' time grouped by what was in them.

    Example: gemel effectiveness compare --slot spindle --from 90d
    """
    span = moment_of(since), moment_of(until)
    believed = None if not known else moment_of(known)
    asked: dict[str, Any] = {"slot": slot, "part": part, "items": str(items).lower(), "type": type, "known": believed}
    with target.open() as plant:
        found = plant.effectiveness.compare(machines or (), *span, target=target_kpi, property=mean, **asked)
    _print_groups(found)


@effectiveness.command("settings")
def settings(
    machines: Machines = None,
    setting: Annotated[list[str] | None, typer.Option(help="A property to group by; up to three.")] = None,
    bins: Annotated[int, typer.Option(min=2, max=20, help="Groups that a number is cut into.")] = 4,
    type: Type = "",
    target_kpi: Target = "oee",
    mean: Mean = "",
    since: From = "30d",
    until: To = "now",
) -> None:
    """Which settings went with the best figures: machines' time grouped by values of properties.

    Example: gemel effectiveness settings --setting feed_override --target-kpi effectiveness
    """
    span = moment_of(since), moment_of(until)
    asked: dict[str, Any] = {"setting": list(setting or ()), "bins": bins, "type": type}
    with target.open() as plant:
        found = plant.effectiveness.settings(machines or (), *span, target=target_kpi, property=mean, **asked)
    _print_groups(found)


def _print(found: dict[str, Any]) -> None:
    total = found["total"]
    console = output.console
    console.print(f"[bold]{found['twin'] or found['item']}[/bold] {found['start']} – {found['end']}")
    for one in found["declared"]:
        if one["assumed"]:
            console.print("[yellow]assumed:[/yellow] ", end="")
            console.print(one["assumed"], markup=False)
    rows = [{"figure": label, "value": _share(total[name])} for name, label in RATIOS]
    rows += [{"figure": label, "value": _hours(total[name])} for name, label in TIMES]
    rows += [{"figure": "parts, good parts", "value": f"{_count(total['parts'])}, {_count(total['good'])}"}]
    output.rows("", rows, ["figure", "value"], empty="")
    console.print("")
    losses = [{"time": one["name"].replace("_", " "), "hours": _signed(one)} for one in total["losses"]]
    output.rows("From all time to the time of good parts", losses, ["time", "hours"], empty="")
    if found["cost"] is not None and (told := spent(found["cost"])):
        console.print(f"\nDowntime cost {told}", markup=False)
        for text in found["cost"]["rests_on"]:
            output.note(f"Cost rests on {text}")
    if found["stays"]:
        rows = [{**one, "path": ".".join(one["path"]), **_row(one["figures"], one["cost"])} for one in found["stays"]]
        output.rows("Stays", rows, ["start", "end", "root", "path", *FACTORS, *_priced(rows), "why"], empty="")
    if found["buckets"]:
        rows = [{**one, **_row(one["figures"], one["cost"])} for one in found["buckets"]]
        columns = ["start", *(["label"] if found["by"] == "shift" else []), *FACTORS, "parts", "known", *_priced(rows)]
        output.rows(f"By {found['by']} ({found['zone']})", rows, columns, empty="")
    for one in total["missing"]:
        output.note(f"not known, for want of {one['what'].replace('_', ' ')}: {one['text']}")
    for text in total["warnings"]:
        output.note(text)


def _print_groups(found: dict[str, Any]) -> None:
    if output.json:
        output.value(found)
        return
    rows = [
        {
            "group": one["label"],
            "machines": len(one["machines"]),
            "hours": f"{one['hours']:,.1f}",
            **_row(one["figures"], one["cost"]),
            "difference": _points(one["difference"]),
            "same machine": _points((one["paired"] or {}).get("difference")),
            "mean": "–" if one["mean"] is None else f"{one['mean']:,.6g} {found['unit']}".rstrip(),
            "beware": "; ".join(one["warnings"]),
        }
        for one in found["groups"]
    ]
    columns = ["group", "machines", "hours", *FACTORS, "difference", "same machine"]
    columns += [*_priced(rows), *(["mean"] if found["property"] else []), "beware"]
    output.rows(f"By {found['by']}", rows, columns, empty="Nothing is told of any machine in this time.")
    for text in found["warnings"]:
        output.note(text)
    for machine, why in found["left_out"].items():
        output.note(f"left out: {machine}: {why}")


def _row(figures: dict[str, Any] | None, cost: dict[str, Any] | None) -> dict[str, Any]:
    if figures is None:
        return {}
    shares = {name: _share(figures[name]) for name in FACTORS}
    priced = {} if cost is None else {"downtime cost": spent(cost)}
    return {**shares, "parts": _count(figures["parts"]), "known": _share(figures["known_share"]), **priced}


def _priced(rows: list[dict[str, Any]]) -> list[str]:
    """The column of costs, where any is told."""
    return ["downtime cost"] if any(row.get("downtime cost") for row in rows) else []


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"


def _points(value: float | None) -> str:
    return "–" if value is None else f"{value * 100:+.1f} pp"


def _hours(value: float | None) -> str:
    return "unknown" if value is None else f"{value / 3600:,.2f} h"


def _count(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.6g}"


def _signed(loss: dict[str, Any]) -> str:
    sign = "= " if loss["kind"] == "total" else "- "
    return f"{sign}{loss['seconds'] / 3600:,.2f}"
