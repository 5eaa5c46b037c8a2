"""Devices from the command line: let in, given certificates, kept out; and what a device itself runs."""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import gemel
from gemel.cli.show import output
from gemel.cli.target import target
from gemel.errors import Conflict, InvalidInput, NotFound

__all__ = ["add_to"]

devices = typer.Typer(no_args_is_help=True, help="Who may report for which twins: claim codes, certificates, tables.")
device = typer.Typer(no_args_is_help=True, help="What a device runs itself: claim its identity, renew it.")

Name = Annotated[str, typer.Argument(metavar="DEVICE", help="The device's id.")]
Hours = Annotated[float, typer.Option(help="For how long the claim code is good.")]
COLUMNS = ["id", "state", "twins", "last_seen", "certificate_days", "refused"]


def add_to(app: typer.Typer) -> None:
    app.add_typer(devices, name="devices", rich_help_panel="Operate")
    app.add_typer(device, name="device", rich_help_panel="Operate")


@devices.command("list")
def devices_list(
    q: Annotated[str, typer.Argument(help="Part of an id, or of a twin's.")] = "",
    state: Annotated[str, typer.Option(help="waiting, active, lapsed or revoked.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
) -> None:
    """Devices with their state, when each was last seen, and how many of its messages were refused.

    Example: gemel devices list --state waiting
    """
    with target.open() as plant:
        rows = plant.devices.all(q=q, state=state, limit=limit).items
    output.rows("", rows, COLUMNS, empty="No devices; let one in with `gemel devices add DEVICE TWIN`.")


@devices.command("add")
def devices_add(
    name: Name,
    twins: Annotated[list[str] | None, typer.Argument(help="Ids of the twins that it speaks for.")] = None,
    hours: Hours = 24,
) -> None:
    """Let a device in; prints its one-time claim code.

    Example: gemel devices add gateway-7 press-7 press-8
    """
    with target.open() as plant:
        made = plant.devices.add(name, twins or [], claim_hours=hours)
    _show_code(made)


@devices.command("show")
def devices_show(name: Name) -> None:
    """One device with what it can show, and the newest of its messages that were refused."""
    with target.open() as plant:
        found = plant.devices.get(name)
        refused = plant.quarantined(source=found["source"], limit=10).items if found["refused"] else []
    if output.json:
        output.value(found)
        return
    shown = {key: value for key, value in found.items() if key != "credentials"}
    output.rows("", [shown], list(shown), empty="")
    columns = ["kind", "good", "created", "used", "ends", "revoked", "id"]
    output.rows("credentials", found["credentials"], columns, empty="It has claimed nothing yet.")
    if refused:
        output.rows("refused", refused, ["id", "twin", "property", "code", "detail"], empty="")


@devices.command("change")
def devices_change(name: Name, twins: Annotated[list[str] | None, typer.Argument(help="All of them.")] = None) -> None:
    """Say anew which twins a device speaks for.

    Example: gemel devices change gateway-7 press-7
    """
    with target.open() as plant:
        changed = plant.devices.change(name, twins or [])
    output.done(f"{name} speaks for {', '.join(changed['twins']) or 'no twin'}", **changed)


@devices.command("claim-code")
def devices_claim_code(name: Name, hours: Hours = 24) -> None:
    """A new claim code: for a device that lost its secret, or was revoked. The earlier code is void."""
    with target.open() as plant:
        made = plant.devices.claim_code(name, claim_hours=hours)
    _show_code(made)


def _show_code(made: dict[str, Any]) -> None:
    if output.json:
        output.value(made)
        return
    output.console.print(made["code"], markup=False, style="bold")
    output.note(f"Shown only now, good until {made['code_ends']}. On the device: gemel device claim URL {made['code']}")


@devices.command("rotate")
def devices_rotate(name: Name) -> None:
    """Print a new secret; the earlier one is good until this one is first used, at most seven days."""
    with target.open() as plant:
        made = plant.devices.rotate(name)
    if output.json:
        output.value(made)
    else:
        output.console.print(made["secret"], markup=False, soft_wrap=True)
        output.note("Shown only now.")


@devices.command("revoke")
def devices_revoke(
    name: Name,
    credential: Annotated[str, typer.Option(help="Only this credential (its id, as `show` has it).")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Keep a device out at once; its connections end. A new claim code lets it in again."""
    if not yes and not output.json:
        typer.confirm(f"Keep {name} out?", abort=True)
    with target.open() as plant:
        found = plant.devices.revoke(name, credential=credential)
    output.done(f"{name} is {found['state']}", **found)


@devices.command("remove")
def devices_remove(name: Name, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Forget a device; all it could show ends at once. What it reported stays."""
    if not yes and not output.json:
        typer.confirm(f"Forget {name}?", abort=True)
    with target.open() as plant:
        plant.devices.remove(name)
    output.done(f"{name} is forgotten", id=name)


@devices.command("issue")
def devices_issue(
    name: Name,
    csr: Annotated[Path | None, typer.Option(exists=True, help="Signing request (PEM).")] = None,
    pin: Annotated[
        Path | None, typer.Option(exists=True, help="A certificate (PEM) from outside, to be pinned.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the certificate here; default: to the screen.")] = None,
    days: Annotated[int, typer.Option(min=1, max=1825)] = 365,
) -> None:
    """Sign a device's key, or pin a certificate that another authority issued.

    Example: gemel devices issue gateway-7 --csr gateway-7.csr --out gateway-7.pem
    """
    if (csr is None) == (pin is None):
        raise InvalidInput("give either --csr FILE to have it signed, or --pin FILE to pin a certificate")
    with target.open() as plant:
        if csr is not None:
            made = plant.devices.issue(name, _text(csr), days=days)
        else:
            made = plant.devices.pin(name, _text(pin or Path()))
    if output.json:
        output.value(made)
    elif csr is None:
        output.done(f"{name} may show this certificate until {made['certificate_ends']}")
    elif out is not None:
        out.write_text(made["certificate"])
        output.done(f"{out} is good until {made['ends']}")
    else:
        output.console.print(made["certificate"], markup=False, end="")


@devices.command("authority")
def devices_authority(
    revocations: Annotated[bool, typer.Option("--revocations", help="The list of revoked certificates.")] = False,
) -> None:
    """Print the certificate of the plant's own authority (PEM): what brokers and endpoints trust."""
    with target.open() as plant:
        pem = plant.devices.revocations() if revocations else plant.devices.authority()
    if output.json:
        output.value({"pem": pem})
    else:
        output.console.print(pem, markup=False, end="")


@devices.command("endpoint")
def devices_endpoint(
    names: Annotated[list[str], typer.Argument(help="Names or addresses by which devices reach this machine.")],
    days: Annotated[int, typer.Option(min=1, max=825)] = 397,
) -> None:
    """Make a certificate for a server that devices are to trust and that is not ours: a broker, another endpoint.

    An endpoint of Gemel gets its own by itself. Writes secrets/endpoint.pem and secrets/endpoint-key.pem of the plant's
    folder; who signed the devices' certificates, print with `gemel devices authority`.

    Example: gemel devices endpoint broker.plant.example 10.0.0.5
    """
    from gemel.access import Authority, write_private
    from gemel.clock import WallClock

    if target.is_url:
        raise InvalidInput("keys are made beside the plant: run this where its folder is, with --at FOLDER")
    secrets = Path(target.at) / "secrets"
    if not secrets.parent.is_dir():
        raise NotFound(f"there is no plant in {target.at}; name its folder with --at")
    certificate, key = Authority(secrets, WallClock()).server(names, days=days)
    write_private(secrets / "endpoint-key.pem", key.encode())
    write_private(secrets / "endpoint.pem", certificate.encode())
    output.done(f"{secrets / 'endpoint.pem'} is good for {', '.join(names)}", certificate=str(secrets / "endpoint.pem"))


@devices.command("enrol")
def devices_enrol(
    table: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV: id, twins, type, serial, name, …")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what becomes of each line.")] = False,
    go_on: Annotated[bool, typer.Option("--continue", help="Take the good lines although others are faulty.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the claim codes (CSV) here, for this user alone.")] = None,
    hours: Hours = 24,
) -> None:
    """Let in many devices from a table, all together; the same table again changes nothing.

    `twins` holds ids with spaces between (empty: the device's own id). With a `type`, a twin that is not there is made,
    with its `serial`, `name`, and other columns as attributes.

    Example: gemel devices enrol devices.csv --out codes.csv --hours 168
    """
    content = table.read_bytes()
    with target.open() as plant:
        done = plant.devices.enrol(content, dry_run=dry_run, leave_out=go_on, claim_hours=hours)
    if out is not None and done["new"] and not dry_run:
        _write_codes(out, done)
    if output.json:
        output.value(done)
        return
    columns = ["line", "id", "twins", "outcome", "creates", "problem"] + ([] if out or dry_run else ["code"])
    output.rows("", done["rows"], columns, empty="The table has no rows.")
    said = f"{done['new']} new, {done['same']} there already, {done['refused']} refused"
    output.note(f"Nothing was changed: {said}" if dry_run else said + (f"; codes are in {out}" if out else ""))


def _write_codes(path: Path, done: dict[str, Any]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "twins", "claim_code", "claim_ends"])
        for row in done["rows"]:
            if row["code"]:
                writer.writerow([row["id"], " ".join(row["twins"]), row["code"], done["claim_ends"]])


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        raise InvalidInput(f"{path} cannot be read as text; a PEM file is wanted") from None


# on the device

Out = Annotated[Path, typer.Option("--out", help="Folder for its key, certificate and secret.")]


@device.command("claim")
def device_claim(
    url: Annotated[str, typer.Argument(help="The server: https://gemel.example")],
    code: Annotated[str, typer.Argument(help="The claim code; `-` reads it from standard input.")],
    out: Out = Path("gemel-device"),
) -> None:
    """Trade a claim code for a secret and a certificate; the key is made here and never leaves.

    Writes key.pem, certificate.pem, authority.pem, secret and device.json, for this user alone.

    Example: gemel device claim https://gemel.example K7QX-3MHD-9TRA --out /etc/gemel-device
    """
    from gemel.cli.identity import Identity

    typed = sys.stdin.readline().strip() if code == "-" else code
    place = Identity(out)
    if place.exists:
        raise Conflict(f"{out} holds the identity of a device already; name another folder, or renew it")
    with gemel.connect(url, verify=target.cacert or True) as client:
        place.prepare()
        got = client.devices.claim(typed, csr=place.request())
    place.keep(got)
    if output.json:
        output.value({key: value for key, value in got.items() if key != "secret"})
        return
    output.done(f"this is {got['id']}, for {', '.join(got['twins']) or 'no twin yet'}; its identity is in {out}")
    for endpoint in got["mqtt"]:
        output.note(f"MQTT: {endpoint['url']}, user {got['id']}; topics {', '.join(endpoint['topics'])}")
    output.note(f"HTTP: POST {got['http']} with Authorization: Bearer $(cat {out}/secret)")


@device.command("renew")
def device_renew(out: Out = Path("gemel-device")) -> None:
    """A new key and certificate, and a new secret; the earlier ones are good until these are used, at most seven days.

    Example: gemel device renew --out /etc/gemel-device
    """
    from gemel.cli.identity import Identity

    place = Identity(out)
    known = place.known()
    with gemel.connect(known["url"], token=place.secret(), verify=target.cacert or True) as client:
        certificate = client.devices.renew(csr=place.request(fresh=True))
        place.renew(certificate)
        place.keep_secret(client.devices.renew()["secret"])
    output.done(f"{known['id']} is renewed; its certificate is good until {certificate['ends']}", **known)


@device.command("request")
def device_request(out: Out = Path("gemel-device")) -> None:
    """Make a key here and print a signing request for it: for `gemel devices issue --csr`."""
    from gemel.cli.identity import Identity

    place = Identity(out)
    place.prepare()
    output.console.print(place.request(), markup=False, end="")
