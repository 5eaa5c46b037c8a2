"""Offers: machines that are configured, ordered, built and delivered."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from gemel.cli.show import output
from gemel.cli.target import target
from gemel.clock import parse_time, to_rfc3339
from gemel.errors import InvalidInput

__all__ = ["PANEL", "add_to", "declared", "money"]

PANEL = "Services"
offers = typer.Typer(invoke_without_command=True, help="Machines that are configured, ordered, built and delivered.")
COLOURS = {"ordered": "cyan", "built": "cyan", "delivered": "green", "cancelled": "red", "draft": "yellow"}


def add_to(app: typer.Typer) -> None:
    app.add_typer(offers, name="offers", rich_help_panel=PANEL)


def money(totals: Sequence[dict[str, Any]]) -> str:
    """What lines add up to, for people."""
    return ", ".join(
        f"{one['amount']} {one['currency']}" + ("" if one["per"] == "once" else f" a {one['per']}") for one in totals
    )


def declared(told: Sequence[dict[str, Any]], *, dry_run: bool) -> None:
    """What a document changed."""
    output.rows("", told, ["id", "what", "fields"], empty="The document has nothing in it.")
    if dry_run:
        output.note("Nothing was changed (--dry-run).")


@offers.callback()
def list_offers(
    context: typer.Context,
    state: Annotated[list[str] | None, typer.Option(help="Only in this state (may repeat).")] = None,
    party: Annotated[str | None, typer.Option(help="Only for this organisation.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """Offers, the newest first."""
    if context.invoked_subcommand is not None:
        return
    with target.open() as plant:
        found = plant.offers(states=state or (), party=party, limit=limit).items
    rows = found if output.json else [one | {"stage": _stage(one), "price": money(one["totals"])} for one in found]
    columns = ["id", "title", "party", "state", "machine", "stage", "price"]
    output.rows("", rows, columns, empty="No offers. `gemel offers models` lists what can be configured and ordered.")


def _stage(offer: dict[str, Any]) -> str:
    """Of the twin; a design model is not called one."""
    return "design model" if offer["design_model"] else str(offer["stage"])


@offers.command("models")
def models(
    file: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="A document of models to declare.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    withdraw: Annotated[str, typer.Option(help="Sell this part no more.")] = "",
) -> None:
    """What can be configured and ordered; with a file, declare it: twin types, prices, service plans.

    Example: gemel offers models models.yaml
    """
    with target.open() as plant:
        if withdraw:
            plant.offers.withdraw(withdraw)
        if file is not None:
            declared(plant.offers.declare(file, dry_run=dry_run), dry_run=dry_run)
            return
        found = plant.offers.models()
    rows = found
    if not output.json:
        rows = [
            one | {"plans": ", ".join(plan["id"] for plan in one["plans"]), "prices": len(one["prices"])}
            for one in found
        ]
    columns = ["part", "title", "types", "prices", "plans", "capabilities"]
    output.rows("", rows, columns, empty="Nothing can be ordered. `gemel parts apply` brings machines and their slots.")


Part = Annotated[str, typer.Argument(help="Part number of the machine.")]
Choose = Annotated[
    list[str] | None,
    typer.Option("--choose", help="slot=part or slot/inner=part:revision (may repeat)."),
]
Serial = Annotated[str, typer.Option(help="The serial number that it is to get.")]
At = Annotated[str, typer.Option(help="When it is to be delivered, RFC 3339.")]
Plan = Annotated[str, typer.Option(help="A service plan of the model.")]
Fill = Annotated[bool, typer.Option("--fill/--no-fill", help="Choose what is mandatory and fits.")]


def _asked(part: str, choose: Sequence[str] | None, **given: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {"part": part, "selection": [_choice(text) for text in choose or ()]}
    asked |= {name: value for name, value in given.items() if value}
    if asked.get("at"):
        asked["at"] = to_rfc3339(parse_time(asked["at"]))
    return asked


def _choice(text: str) -> dict[str, Any]:
    slot, equals, part = text.partition("=")
    if not equals or not slot or not part:
        raise InvalidInput(f"{text!r:.80} is not slot=part or slot=part:revision")
    name, _, revision = part.partition(":")
    return {"path": slot.split("/"), "part": name, "revision": revision}


@offers.command("configure")
def configure(
    part: Part, choose: Choose = None, serial: Serial = "", at: At = "", plan: Plan = "", fill: Fill = True
) -> None:
    """What the rules say of a choice, what else fits, and what it costs. Nothing is kept.

    Example: gemel offers configure TP-100 --choose pump_a=CP-40:C --choose pump_a/seal=MS-12
    """
    with target.open() as plant:
        told = plant.offers.configure(_asked(part, choose, serial=serial, at=at, plan=plan, fill=fill))
    if output.json:
        output.value(told)
    else:
        _configured(told)
    if told["level"] == "block" or not told["complete"]:
        raise typer.Exit(3)


def _configured(told: dict[str, Any]) -> None:
    rows = [
        {
            "slot": "/".join(one["path"]),
            "chosen": ", ".join(_named(choice) for choice in one["chosen"]) or ("—" if one["mandatory"] else ""),
            "also fits": ", ".join(_fitting(one)),
        }
        for one in told["slots"]
    ]
    output.rows("", rows, ["slot", "chosen", "also fits"], empty="The parts book gives it no slots.")
    for one in told["findings"]:
        output.console.print(f"[red]{one['level']}[/red] {output.cell(one['text'])}")
        for way in one["nearest"]:
            changes = " and ".join(f"{'/'.join(c['path'])}={_named(c) or 'nothing'}" for c in way)
            output.console.print(f"  instead: {changes}", markup=False)
    for path in told["missing"]:
        output.console.print(f"[yellow]missing[/yellow] {'/'.join(path)}: nothing fits, or nothing is chosen")
    if told["totals"]:
        output.console.print(f"[bold]{money(told['totals'])}[/bold]")
    if told["unpriced"]:
        output.note(f"Without a price: {', '.join(told['unpriced'])}")


def _named(choice: dict[str, Any]) -> str:
    return f"{choice['part']}{':' + choice['revision'] if choice['revision'] else ''}"


def _fitting(slot: dict[str, Any]) -> list[str]:
    chosen = {(one["part"], one["revision"]) for one in slot["chosen"]}
    return [
        _named({"part": option["part"], "revision": one["revision"]})
        for option in slot["options"]
        for one in option["revisions"]
        if one["fits"] and (option["part"], one["revision"]) not in chosen
    ]


@offers.command("draft")
def draft(
    part: Part,
    choose: Choose = None,
    serial: Serial = "",
    at: At = "",
    plan: Plan = "",
    fill: Fill = True,
    title: Annotated[str, typer.Option(help="What it is called in lists.")] = "",
    party: Annotated[str, typer.Option(help="Id of the organisation that is to own it.")] = "",
    capability: Annotated[list[str] | None, typer.Option(help="Unlocked on it from delivery on (may repeat).")] = None,
    order: Annotated[bool, typer.Option("--order", help="Order it at once.")] = False,
) -> None:
    """Keep a configuration as an offer; with --order, order it.

    Example: gemel offers draft TP-100 --choose pump_a=CP-40:C --plan full --party acme
    """
    asked = _asked(part, choose, serial=serial, at=at, plan=plan, fill=fill)
    terms = {"asked": asked, "title": title, "party": party, "capabilities": list(capability or ())}
    with target.open() as plant:
        made = plant.offers.draft(terms)
        if order:
            made = plant.offers.do(made["id"], "order")
    _told(made)


def _told(offer: dict[str, Any]) -> None:
    if output.json:
        output.value(offer)
        return
    colour = COLOURS[offer["state"]]
    name = f"[{colour}]{offer['state']}[/{colour}] {output.cell(offer['title'])} [dim]{offer['id']}[/dim]"
    output.console.print(name)
    if offer["machine"]:
        output.console.print(f"  {output.cell(offer['machine'])}: {_stage(offer)}", markup=False)
    for one in offer["missing"]:
        output.console.print(f"  [yellow]to be recorded:[/yellow] {output.cell(one)}")
    if offer["totals"]:
        output.console.print(f"  {money(offer['totals'])}", markup=False)
    rows = [
        one | {"slot": "/".join(one["path"])} for one in (offer["compared"] or {"lines": []})["lines"] if offer["built"]
    ]
    if rows:
        output.rows("", rows, ["slot", "ordered", "built", "serial", "match", "gap"], empty="")
        output.console.print(f"  {offer['compared']['share']:.0%} as ordered, with all that is to be known")
    if offer["promised"]:
        output.rows("", offer["promised"], ["what", "since", "until", "due", "standing"], empty="")
    follow = {
        "draft": "order it: gemel offers order",
        "ordered": "when it is built: gemel offers build",
        "built": "when it is delivered: gemel offers deliver",
    }
    if offer["state"] in follow:
        output.note(f"Next, {follow[offer['state']]} {offer['id']}")


@offers.command("show")
def show(offer: str) -> None:
    """One offer: what was ordered, what was built, what is promised."""
    with target.open() as plant:
        _told(plant.offers.get(offer))


@offers.command("order")
def order_(
    offer: str,
    machine: Annotated[str, typer.Option(help="The id that its twin and its item get.")] = "",
    concede: Annotated[str, typer.Option(help="Why a rule that asks for a concession is not kept.")] = "",
) -> None:
    """Order it: its planned twin is there from then on."""
    with target.open() as plant:
        _told(plant.offers.do(offer, "order", {"machine": machine, "concede": concede}))


@offers.command("build")
def build(
    offer: str,
    record: Annotated[
        Path | None,
        typer.Argument(exists=True, dir_okay=False, help="The as-built record: CSV with slot,part,…, or JSON."),
    ] = None,
    serial: Annotated[str, typer.Option(help="Serial number of the machine.")] = "",
    at: Annotated[str, typer.Option(help="When it was built, RFC 3339; now if left out.")] = "",
    evidence: Annotated[str, typer.Option(help="A reference to the record of production.")] = "",
) -> None:
    """It was built: record of what, and see it beside the order.

    A CSV file has the columns slot (pump_a/seal), part, revision, maker, serial, lot, quantity, item.

    Example: gemel offers build offer-1a2b as-built.csv --serial M107
    """
    body: dict[str, Any] = {"serial": serial, "evidence": evidence}
    if record is not None:
        body["pieces"] = _pieces(record)
    if at:
        body["at"] = to_rfc3339(parse_time(at))
    with target.open() as plant:
        _told(plant.offers.do(offer, "build", body))


def _pieces(record: Path) -> list[dict[str, Any]]:
    if record.suffix.lower() == ".json":
        told = msgspec.json.decode(record.read_bytes())
        return list(told["pieces"] if isinstance(told, dict) else told)
    with record.open(newline="", encoding="utf-8-sig") as lines:
        rows = list(csv.DictReader(lines))
    if not rows or "slot" not in rows[0] or "part" not in rows[0]:
        raise InvalidInput(f"{record.name} has no columns slot and part in its first line")
    return [_piece(row) for row in rows]


def _piece(row: dict[str, str]) -> dict[str, Any]:
    names = ("part", "revision", "maker", "serial", "lot", "item")
    piece: dict[str, Any] = {name: row[name] for name in names if row.get(name)}
    if row.get("quantity"):
        piece["quantity"] = int(row["quantity"])
    return piece | {"path": [one.strip() for one in row["slot"].split("/")]}


@offers.command("deliver")
def deliver(offer: str, at: Annotated[str, typer.Option(help="When, RFC 3339; now if left out.")] = "") -> None:
    """It was delivered: its promises begin."""
    with target.open() as plant:
        _told(plant.offers.do(offer, "deliver", {"at": to_rfc3339(parse_time(at))} if at else None))


@offers.command("cancel")
def cancel(offer: str, reason: Annotated[str, typer.Option(help="Why.", prompt=True)]) -> None:
    """It will not be built; its twin retires and stays known."""
    with target.open() as plant:
        _told(plant.offers.do(offer, "cancel", {"reason": reason}))
