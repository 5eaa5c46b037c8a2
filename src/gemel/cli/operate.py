"""Running a plant: serve it, show it, look after it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gemel.cli.show import output
from gemel.cli.target import target
from gemel.errors import InvalidInput

__all__ = ["add_to"]

quarantine = typer.Typer(no_args_is_help=True, help="What was not accepted, and why; take it in after a fix.")
users = typer.Typer(no_args_is_help=True, help="People who may sign in.")
tokens = typer.Typer(no_args_is_help=True, help="API tokens for programs.")


def add_to(app: typer.Typer) -> None:
    for command in (demo, serve):
        app.command(rich_help_panel="Run")(command)
    for command in (connectors, verify):
        app.command(rich_help_panel="Operate")(command)
    for group, name in ((quarantine, "quarantine"), (users, "users"), (tokens, "tokens")):
        app.add_typer(group, name=name, rich_help_panel="Operate")


def demo(
    check: Annotated[
        bool,
        typer.Option("--check", help="Prove on free ports that every twin is live, fresh and queryable; then exit."),
    ] = False,
    port: Annotated[int, typer.Option(help="Port of the web app and API.")] = 8080,
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its plant.")] = Path("demo-shop"),
    speed: Annotated[float, typer.Option(min=0.1, max=100, help="How much faster than life the machines run.")] = 1.0,
) -> None:
    """Run a shop of five real machine tools from recorded logs, over real protocols."""
    from gemel.demo import check_shop, run_shop

    if check:
        raise typer.Exit(check_shop(output.console, speed=speed))
    run_shop(folder, output.console, port=port, speed=speed)


def serve(
    folder: Annotated[Path | None, typer.Argument(help="The plant's folder (default: --at).")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8080,
    tls_cert: Annotated[Path | None, typer.Option(exists=True, help="Certificate chain (PEM): serves https.")] = None,
    tls_key: Annotated[Path | None, typer.Option(exists=True, help="Its private key (PEM).")] = None,
) -> None:
    """Serve a plant: HTTP API, WebSocket and web app; its connectors run.

    Example: gemel serve plant --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem
    """
    if bool(tls_cert) != bool(tls_key):
        raise InvalidInput("TLS needs both --tls-cert and --tls-key")
    if target.is_url:
        raise InvalidInput(f"--at {target.at} is a server already; name a folder to serve")
    import gemel
    from gemel.server import serve as run

    with gemel.open(folder or target.at) as plant:
        run(plant, host=host, port=port, tls_cert=tls_cert, tls_key=tls_key, announce=output.console.print)


def connectors() -> None:
    """Connectors with their health: state, rate, lag, errors, last seen."""
    with target.open() as plant:
        rows = [msgspec.to_builtins(one) for one in plant.connectors()]
    if not output.json:
        rows = [row | {"last_seen": output.time(row["last_seen"]) if row.get("last_seen") else None} for row in rows]
    columns = ["id", "kind", "state", "rate", "lag_s", "errors", "last_seen", "detail"]
    output.rows("", rows, columns, empty="No connectors; declare them in a plant document.")


def verify() -> None:
    """Recompute every hash of the journal; says what is damaged, and what a witness holds."""
    with target.open() as plant, output.progress("Verifying") as bars:
        bar = bars.add_task("", total=None)
        result = plant.verify(progress=lambda done, total: bars.update(bar, completed=done, total=total))
    if output.json:
        output.value(result)
    else:
        output.console.print(result.sentence())
    if not result.ok:
        raise typer.Exit(1)


@quarantine.command("list")
def quarantine_list(
    source: Annotated[str | None, typer.Option(help="Only from this source.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
) -> None:
    """What was not accepted, newest first, with the reason."""
    with target.open() as plant:
        page = plant.quarantined(source=source, limit=limit)
        rows = [msgspec.to_builtins(item) for item in page.items]
    columns = ["id", "source", "twin", "property", "code", "detail"]
    output.rows("", rows, columns, empty="Nothing is in quarantine.")


@quarantine.command("replay")
def quarantine_replay(
    ids: Annotated[list[int], typer.Argument(help="Which ones.")],
    shift_s: Annotated[float, typer.Option(help="Add so many seconds to their times (a clock that was wrong).")] = 0.0,
) -> None:
    """Take them in again after a fix; the original stays beside what came of it."""
    with target.open() as plant:
        receipt = plant.replay(ids, shift_s=shift_s)
    output.done(f"{receipt.accepted} accepted, {receipt.quarantined} still refused", receipt=receipt)


@quarantine.command("discard")
def quarantine_discard(ids: list[int]) -> None:
    """Close them without taking them in; they stay on record as discarded."""
    with target.open() as plant:
        plant.discard(ids)
    output.done(f"{len(ids)} discarded")


@users.command("list")
def users_list() -> None:
    """Everybody who may sign in."""
    with target.open() as plant:
        rows = [msgspec.to_builtins(user) for user in plant.users()]
    output.rows(
        "", rows, ["id", "name", "role", "disabled"], empty="No users yet; `gemel users add NAME --role administrator`."
    )


@users.command("add")
def users_add(
    name: str,
    role: Annotated[str, typer.Option(help="viewer, operator, engineer or administrator.")] = "viewer",
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)] = "",
) -> None:
    """Let a person sign in; asks for the password."""
    with target.open() as plant:
        user = plant.add_user(name, password, role)
    output.done(f"{name} may sign in as {role}", id=user.id)


@tokens.command("list")
def tokens_list() -> None:
    """Every API token, without its secret."""
    with target.open() as plant:
        rows = [msgspec.to_builtins(token) for token in plant.tokens()]
    output.rows("", rows, ["id", "name", "role", "expires", "last_used"], empty="No tokens; `gemel tokens add NAME`.")


@tokens.command("add")
def tokens_add(
    name: str,
    role: Annotated[str, typer.Option(help="viewer, operator, engineer or administrator.")] = "viewer",
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long it is good for.")] = 365,
) -> None:
    """Make an API token; it is shown once."""
    with target.open() as plant:
        token, secret = plant.add_token(name, role, days=days)
    if output.json:
        output.value({"id": token.id, "secret": secret})
    else:
        output.console.print(f"{secret}\n[dim]Shown only now; give it as GEMEL_TOKEN or `Authorization: Bearer`.[/dim]")


@tokens.command("revoke")
def tokens_revoke(id: str) -> None:
    """End a token at once."""
    with target.open() as plant:
        plant.revoke_token(id)
    output.done(f"token {id} is revoked")
