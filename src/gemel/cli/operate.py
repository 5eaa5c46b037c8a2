"""Running a plant: serve it, show it, look after it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any

import typer

from gemel.cli.show import output
from gemel.cli.target import target
from gemel.cli.values import moment_of
from gemel.cli.witness import told
from gemel.errors import InvalidInput

__all__ = ["add_to"]

quarantine = typer.Typer(no_args_is_help=True, help="What was not accepted, and why; take it in after a fix.")


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Run")(demo)
    app.command(rich_help_panel="Run")(serve)
    app.command(rich_help_panel="Operate")(connectors)
    app.command(rich_help_panel="Operate")(verify)
    app.add_typer(quarantine, name="quarantine", rich_help_panel="Operate")


def demo(
    check: Annotated[
        bool,
        typer.Option("--check", help="Prove on free ports that every twin is live and orders are obeyed; then exit."),
    ] = False,
    port: Annotated[int, typer.Option(help="Port of the web app and API.")] = 8080,
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its plant.")] = Path("demo-shop"),
    speed: Annotated[float, typer.Option(min=0.1, max=100, help="How much faster than life the machines run.")] = 1.0,
) -> None:
    """Run a shop of five real machine tools from recorded logs, and two simulated objects that take orders."""
    from gemel.demo.check import check_shop
    from gemel.demo.shop import run_shop
    from gemel.server import configure_logs

    configure_logs(json=False, level=logging.ERROR if check else logging.WARNING)
    if check:
        raise typer.Exit(check_shop(output.console, speed=speed))
    run_shop(folder, output.console, port=port, speed=speed)


def serve(
    folder: Annotated[Path | None, typer.Argument(help="The plant's folder (default: --at).")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8080,
    tls_cert: Annotated[Path | None, typer.Option(exists=True, help="Certificate chain (PEM): serves https.")] = None,
    tls_key: Annotated[Path | None, typer.Option(exists=True, help="Its private key (PEM).")] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            help="Also accept browsers that come by this address: a proxy's, https://gemel.example (may repeat)."
        ),
    ] = None,
    proxy: Annotated[
        list[str] | None,
        typer.Option(help="Believe X-Forwarded-For of a proxy at this address or network: 127.0.0.1 (may repeat)."),
    ] = None,
    json_logs: Annotated[bool, typer.Option("--json-logs", help="Write the log as JSON lines.")] = False,
) -> None:
    """Serve a plant: HTTP API, WebSocket and web app; its connectors run.

    Example: gemel serve plant --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem
    """
    if target.is_url:
        raise InvalidInput(f"--at {target.at} is a server already; name a folder to serve")
    import gemel
    from gemel.server import Options, Server, configure_logs

    output.note(f"opening {folder or target.at} …")
    with gemel.open(folder or target.at) as plant:
        options = Options(
            host=host,
            port=port,
            tls_cert=tls_cert,
            tls_key=tls_key,
            origins=tuple(origin or ()),
            proxies=tuple(proxy or ()),
            json_logs=json_logs,
        )
        server = Server(plant, options)
        configure_logs(json=json_logs)
        url = server.bind()
        plant.folder.announce(url=url, token=plant.gate.tokens.local())
        output.console.print(f"Open [bold]{url}[/bold]")
        if secret := plant.gate.accounts.setup_token():
            output.console.print(f"First time: set up the administrator at {url}/setup#{secret}", soft_wrap=True)
        server.run()


def connectors() -> None:
    """Connectors with their health: state, rate, lag, errors, last seen."""
    with target.open() as plant:
        rows = plant.connectors()
    columns = ["id", "kind", "state", "rate", "lag_s", "errors", "last_seen", "detail"]
    flat = [row | row.get("health", {}) for row in rows]
    output.rows("", rows if output.json else flat, columns, empty="No connectors; declare them in a plant document.")


def verify(
    witness: Annotated[
        bool, typer.Option("--witness", help="Also against what other parties countersigned, asking them now.")
    ] = False,
) -> None:
    """Recompute every hash of journal and history; says what is damaged, and what a witness holds."""
    with target.open() as plant:
        result = plant.verify()
        together = plant.witness.verify() if witness else None
    if together is not None:
        result |= {"together": together, "ok": result["ok"] and together["ok"]}
    if output.json:
        output.value(result)
    elif result["damaged"] is None:
        held = f"; a witness holds it up to {result['witnessed']:,}" if result["witnessed"] else ""
        output.console.print(
            f"[green]✓[/green] {result['blocks']:,} blocks up to position {result['position']:,} are as written{held}."
        )
    else:
        output.console.print(f"[red]✗ block {result['damaged']}[/red]: {result['reason']}")
    if not output.json:
        past = result["history"]
        for path, reason in past["damaged"].items():
            output.console.print(f"[red]✗ {path}[/red]: {reason}")
        if past["ok"]:
            bare = f"; {past['unhashed']:,} have no hash" if past["unhashed"] else ""
            output.console.print(f"[green]✓[/green] {past['files']:,} files of the history are as written{bare}.")
        if together is not None:
            told(together)
    if not result["ok"]:
        raise typer.Exit(1)


Ids = Annotated[list[int] | None, typer.Argument(help="Which ones; or choose them with the options.")]
BySource = Annotated[str, typer.Option("--source", help="Only from this source.")]
ByCode = Annotated[str, typer.Option("--code", help="Only for this reason: clock, range, unknown-twin …")]
ByTwin = Annotated[str, typer.Option("--twin", help="Only what was told of this twin.")]
All = Annotated[bool, typer.Option("--all", help="All there are.")]


def _chosen(ids: list[int] | None, every: bool, **which: str) -> dict[str, Any]:
    """What the server is asked for. Raises InvalidInput unless exactly one way of choosing is used."""
    named = {name: value for name, value in which.items() if value}
    if [bool(ids), bool(named), every].count(True) != 1:
        raise InvalidInput("name what is meant in one way: ids, or --source, --code and --twin, or --all")
    return {"ids": ids} if ids else named or {"all": True}


@quarantine.command("list")
def quarantine_list(
    source: BySource = "",
    code: ByCode = "",
    twin: ByTwin = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
) -> None:
    """What was not accepted, newest first, with the reason."""
    with target.open() as plant:
        rows = plant.quarantined(source=source, code=code, twin=twin, limit=limit).items
    columns = ["id", "source", "twin", "property", "code", "detail"]
    output.rows("", rows, columns, empty="Nothing is in quarantine.")


@quarantine.command("replay")
def quarantine_replay(
    ids: Ids = None,
    source: BySource = "",
    code: ByCode = "",
    twin: ByTwin = "",
    every: All = False,
    shift_s: Annotated[float, typer.Option(help="Add so many seconds to their times (a clock that was wrong).")] = 0.0,
    rate: Annotated[float, typer.Option(help="True seconds per second of that clock, counted from --anchor.")] = 1.0,
    anchor: Annotated[str, typer.Option(help="The moment, as that clock told it, from which --rate counts.")] = "",
    time_zone: Annotated[str, typer.Option(help="That clock told local time of this zone as if it were UTC.")] = "",
) -> None:
    """Take them in again after a fix; the original stays beside what came of it.

    Example: gemel quarantine replay --code clock --source mqtt:press --shift-s 3600
    """
    chosen = _chosen(ids, every, source=source, code=code, twin=twin)
    if (rate != 1.0) != bool(anchor):
        raise InvalidInput("--rate and --anchor go together: how fast that clock ran, and since when")
    rule = {"shift_s": shift_s, "rate": rate, "anchor": moment_of(anchor) if anchor else 0, "time_zone": time_zone}
    mends = {"rule": rule} if shift_s or anchor or time_zone else {}
    with target.open() as plant:
        receipt = plant.replay(**chosen, **mends)
    output.done(f"{receipt.accepted} accepted, {receipt.quarantined} still refused", receipt=receipt)


@quarantine.command("discard")
def quarantine_discard(
    ids: Ids = None,
    source: BySource = "",
    code: ByCode = "",
    twin: ByTwin = "",
    every: All = False,
) -> None:
    """Close them without taking them in; they stay on record as discarded. At most 10,000 at once."""
    with target.open() as plant:
        count = plant.discard(**_chosen(ids, every, source=source, code=code, twin=twin))
    output.done(f"{count} discarded", discarded=count)
