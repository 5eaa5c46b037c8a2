"""Connecting a machine: look into it, choose, name it, apply. Asks what is not said, when a person is there."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from gemel.cli.show import output
from gemel.cli.target import target
from gemel.errors import GemelError, InvalidInput
from gemel.twin import check_id

if TYPE_CHECKING:
    from gemel.client import Client

__all__ = ["add_to"]

T = TypeVar("T")
connecting = typer.Typer(no_args_is_help=True, help="Connect a machine step by step.")
KINDS = {
    "opcua": ("OPC UA server", "opc.tcp://127.0.0.1:4840"),
    "mqtt": ("MQTT broker", "mqtt://127.0.0.1:1883"),
    "sparkplug": ("MQTT broker with Sparkplug B", "mqtt://127.0.0.1:1883"),
    "mtconnect": ("MTConnect agent", "http://127.0.0.1:5000"),
}
BY_HAND = {
    "modbus": "a Modbus device cannot say what it has; take its register map and follow docs/how-to/connect-modbus.md",
    "itself": "it sends by itself: let it in with `gemel devices add DEVICE TWIN`, see docs/how-to/onboard-devices.md",
}
WAYS = [*KINDS, *BY_HAND]
MOST_SHOWN = 60
SECURITY = {
    "policy": "Basic256Sha256",
    "mode": "SignAndEncrypt",
    "certificate": "pki/own.der",
    "key": "pki/own.pem",
    "generate": True,
    "trust": ["pki/trusted"],
}


def add_to(app: typer.Typer) -> None:
    app.add_typer(connecting, name="connect", rich_help_panel="Twins")


@connecting.command("machine")
def machine(
    kind: Annotated[str, typer.Option(help=f"How it speaks: {', '.join([*KINDS, *BY_HAND])}.")] = "",
    endpoint: Annotated[str, typer.Option(help="Where: opc.tcp://host:4840, mqtt://host:1883, http://host:5000.")] = "",
    where: Annotated[str, typer.Option(help="Only below this node, topic filter or device.")] = "",
    user: Annotated[str, typer.Option(help="User there.")] = "",
    password_env: Annotated[
        str, typer.Option(help="Environment variable of the server with the password; begins with GEMEL_SECRET_.")
    ] = "",
    password_file: Annotated[str, typer.Option(help="The same as a file below the plant's secrets/.")] = "",
    secure: Annotated[
        bool, typer.Option("--secure", help="OPC UA with certificates, in the plant's secrets/pki (Basic256Sha256).")
    ] = False,
    choose: Annotated[
        str, typer.Option(help="Only these, by name or number, with spaces between: 'oil_* 3-7'. Without: all.")
    ] = "",
    name: Annotated[str, typer.Option("--as", metavar="TWIN", help="Id of the twin, like press-7.")] = "",
    type: Annotated[str, typer.Option(help="Its type, new or there already; without: press for press-7.")] = "",
    seconds: Annotated[float, typer.Option(min=0.1, max=30, help="How long to listen to a broker.")] = 5.0,
    watch: Annotated[float, typer.Option(min=0, max=600, help="Show live values for so many seconds first.")] = 0.0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the plant document here (YAML).")] = None,
    now: Annotated[bool, typer.Option("--apply", help="Apply it.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,
) -> None:
    """Find what a machine tells, choose, name it, and connect it.

    Example: gemel connect machine --kind opcua --endpoint opc.tcp://10.0.0.7:4840 --as press-7 --apply --yes
    """
    asks = not yes and not output.json and sys.stdin.isatty()
    kind = _insist(asks and not kind, lambda: _kind(kind or _asked(asks, "How does it speak", "--kind", "opcua", WAYS)))
    settings: dict[str, Any] = {}
    if user:
        settings["user"] = user
    if password_env or password_file:
        settings["password"] = {"env": password_env} if password_env else {"file": password_file}
    if secure and kind == "opcua":
        settings["security"] = SECURITY
    search = {"where": where, "seconds": seconds}
    with target.open(create=True) as plant:
        found = _insist(asks and not endpoint, lambda: _look(plant, kind, endpoint, settings, search, asks=asks))
        points = found["points"]
        if not output.json:
            _show(points, found)
        if not points:
            raise InvalidInput(
                "nothing was found that can be bound; " + ("; ".join(found["notes"]) or "look elsewhere")
            )
        which = "Which? Names or numbers like `oil_* 3-7`, or all"
        picks = asks and not choose
        points = _insist(picks, lambda: _chosen(points, typer.prompt(which, default="all") if picks else choose))
        if watch:
            _watch(plant, found, search, points, watch)
        called = _slug(found["name"]) or "machine-1"
        names = asks and not name
        name = _insist(
            names, lambda: check_id(name or _asked(asks, "What is the machine called (its id)", "--as", called))
        )
        if asks and not type:
            type = typer.prompt(
                "Which type of machine is it (empty: its own, or a new one)", default="", show_default=False
            )
        wanted = {"kind": kind, "settings": found["settings"], "points": points, "twin": name, "type": type}
        document = plant.discoveries.document(wanted | {"name": "" if name == found["name"] else found["name"]})
        plan = plant.apply(document["yaml"], dry_run=True)
        if out:
            out.write_text(document["yaml"])
            output.note(f"{out} is written")
        if not output.json:
            output.console.print(plan.text, markup=False)
        if asks and not now:
            now = typer.confirm("Apply?", default=True)
        if now:
            plan = plant.apply(document["yaml"])
        url = plant.url
    _tell(name, plan, url, {"file": str(out) if out else None, "document": document["document"], "applied": now})


@connecting.command("remove")
def remove(connector: Annotated[str, typer.Argument(help="Its id, as `gemel connectors` lists it.")]) -> None:
    """Take a connection away again: its connector goes; the twin, its type and its history stay.

    Example: gemel connect remove press-7-opcua
    """
    with target.open() as plant:
        plant.remove_connector(connector)
    output.done(f"{connector} is gone; its twins and their history stay", connector=connector)


def _insist(asks: bool, ask: Callable[[], T]) -> T:
    """What a person answers; asked again until it can be used."""
    while True:
        try:
            return ask()
        except GemelError as error:
            if not asks:
                raise
            output.note(error.detail)


def _kind(kind: str) -> str:
    if kind in BY_HAND:
        raise InvalidInput(BY_HAND[kind])
    if kind not in KINDS:
        raise InvalidInput(f"--kind {kind:.40} is not one of {', '.join(WAYS)}")
    return kind


def _look(
    plant: Client, kind: str, endpoint: str, settings: dict[str, Any], search: dict[str, Any], *, asks: bool
) -> dict[str, Any]:
    where, usual = KINDS[kind]
    settings["url"] = endpoint or _asked(asks, f"Where is the {where}", "--endpoint", usual)
    what = f"Looking into {settings['url']}"
    if output.json or not output.errors.is_terminal:
        return plant.discoveries.look(kind, settings, **search)
    with output.errors.status(what):
        return plant.discoveries.look(kind, settings, **search)


def _show(points: Sequence[dict[str, Any]], found: dict[str, Any]) -> None:
    output.console.print(_table(points[:MOST_SHOWN]))
    if len(points) > MOST_SHOWN:
        output.note(f"… and {len(points) - MOST_SHOWN} more; --where or --choose narrow it")
    if found["left_out"]:
        output.note(f"{found['left_out']} more were left out; narrow it with --where")
    for note in found["notes"]:
        output.note(note)


def _table(points: Sequence[dict[str, Any]]) -> Table:
    table = Table("#", "name", "value", "unit", "kind", "found at", header_style="bold", box=None, pad_edge=False)
    for number, point in enumerate(points, 1):
        told = point["property"]
        value = output.cell(point["value"])
        if point["quality"] not in ("good", ""):
            value += f" [yellow]({point['quality']})[/yellow]"
        place = point["address"] if len(point["address"]) < 60 else "…" + point["address"][-59:]
        table.add_row(
            str(number),
            told["name"],
            value,
            escape(told.get("unit", "")),
            told.get("kind", "number"),
            output.cell(place),
        )
    return table


def _chosen(points: list[dict[str, Any]], choose: str) -> list[dict[str, Any]]:
    """The points of names (with * and ?), numbers and ranges of numbers. Raises InvalidInput for one that fits none."""
    wishes = choose.replace(",", " ").split()
    if not wishes or wishes == ["all"]:
        return points
    kept: set[int] = set()
    for wish in wishes:
        first, _, last = wish.partition("-")
        if first.isdecimal() and (not last or last.isdecimal()):
            fits = (
                {n for n in range(int(first), int(last or first) + 1) if 1 <= n <= len(points)}
                if len(wish) < 12
                else set()
            )
        else:
            fits = {n for n, one in enumerate(points, 1) if fnmatchcase(one["property"]["name"], wish)}
        if not fits:
            raise InvalidInput(f"{wish:.80} is none of what was found; write names (oil_*) or numbers (3-7)")
        kept |= fits
    return [one for n, one in enumerate(points, 1) if n in kept]


def _watch(
    plant: Client, found: dict[str, Any], search: dict[str, Any], points: list[dict[str, Any]], seconds: float
) -> None:
    """Look again and again, so that a person sees what moves."""
    addresses = [one["address"] for one in points]
    until = time.monotonic() + seconds
    with Live(_table(points), console=output.errors, transient=True) as live:
        while time.monotonic() < until:
            again = plant.discoveries.look(
                found["kind"], found["settings"], **search | {"seconds": 1.0, "addresses": addresses}
            )
            told = {one["address"]: one for one in again["points"]}
            points = [{**one, **_now(told.get(one["address"], one))} for one in points]
            live.update(_table(points))


def _now(point: dict[str, Any]) -> dict[str, Any]:
    return {"value": point["value"], "quality": point["quality"]}


def _asked(asks: bool, question: str, option: str, default: str, choices: Sequence[str] = ()) -> str:
    """What a person answers. Raises InvalidInput that names the option when nobody is asked."""
    if not asks:
        raise InvalidInput(f"{question.lower()}? say it with {option}, like {option} {default}")
    shown = f"{question} ({', '.join(choices)})" if choices else question
    return str(typer.prompt(shown, default=default)).strip()


def _slug(text: str) -> str:
    from gemel.connectors.drafts import slug_of

    return slug_of(text) if text else ""


def _tell(name: str, plan: Any, url: str, facts: dict[str, Any]) -> None:
    if not facts["applied"]:
        file = facts["file"] or "FILE"
        way = f"`gemel apply {file}`" if facts["file"] else "the same again with --apply, or --out FILE to keep it"
        output.done(f"Nothing was changed yet; next: {way}", twin=name, plan=plan.text, **facts)
        return
    look = f"{url}/twins/{name}" if target.is_url else f"`gemel --at {target.at} serve`, then /twins/{name} there"
    made = [one["id"] for one in facts["document"].get("connectors", [])]
    undo = "".join(f"; undo: `gemel connect remove {id}`" for id in made)
    output.done(
        f"{name} is connected; look at it: {look}, or `gemel twin {name}`{undo}", twin=name, plan=plan.text, **facts
    )
