"""Devices: who may report for which twins; how they get in, and how they are kept out."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from litestar import delete, get, patch, post
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.access import Credential, Decision, Device, Row, codes_csv
from gemel.clock import SECOND
from gemel.connectors.base import settings_of
from gemel.errors import GemelError, InvalidInput, Unauthenticated
from gemel.server.call import Call, call_of
from gemel.server.device_views import (
    CertificateView,
    Claim,
    Credentials,
    CredentialView,
    DeviceChange,
    DeviceView,
    Endpoint,
    Enrolled,
    Invited,
    NewCode,
    NewDevice,
    Renewal,
    Renewed,
    Revocation,
    RowView,
    Secret,
    Signing,
)
from gemel.server.encode import rfc3339
from gemel.server.guard import PUBLIC, needs, speaks
from gemel.server.http import Cursor, Limit, Req, decoded, etag, if_match, json, page_of
from gemel.server.options import API
from gemel.twin import Page

__all__ = ["ROUTES"]

DAY = 86_400 * SECOND
READ = needs("read", "Device")
READ_ONE = needs("read", "Device", id_in="device")
CONFIGURE = needs("configure", "Device")
CONFIGURE_ONE = needs("configure", "Device", id_in="device")
STATES = ("waiting", "active", "lapsed", "revoked")


def _credential(one: Credential, now: int) -> CredentialView:
    return CredentialView(
        one.id,
        one.kind,
        one.serial,
        rfc3339(one.created),
        _time(one.ends),
        _time(one.used),
        _time(one.revoked),
        one.good(now),
    )


def _time(moment: int | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def _fields(call: Call, device: Device, refused: int) -> dict[str, Any]:
    platform = call.services.platform
    now = platform.clock.now()
    ends = device.certificate_ends(now)
    return {
        "id": device.id,
        "twins": list(device.twins),
        "state": device.state(now),
        "created": rfc3339(device.created),
        "changed": rfc3339(device.changed),
        "revision": device.revision,
        "last_seen": _time(platform.gate.devices.last_seen(device.id)),
        "claim_ends": _time(device.claim_ends),
        "certificate_ends": _time(ends),
        "certificate_days": None if ends is None else max(0, (ends - now) // DAY),
        "refused": refused,
        "source": device.principal,
    }


async def _views(call: Call, devices: list[Device]) -> list[DeviceView]:
    counts = await call.services.reads.run(call.services.platform.intake.held, [one.principal for one in devices])
    return [DeviceView(**_fields(call, one, counts.get(one.principal, 0))) for one in devices]


async def _whole(call: Call, device: Device, status: int = 200) -> Response[bytes]:
    view = (await _views(call, [device]))[0]
    now = call.services.platform.clock.now()
    view.credentials = [_credential(one, now) for one in device.credentials]
    return json(view, status=status, headers=etag(device.revision))


async def _invited(call: Call, device: Device, code: str, status: int) -> Response[bytes]:
    ends = rfc3339(device.claim_ends or 0)
    invited = Invited(**_fields(call, device, 0), code=code, code_ends=ends)
    headers = {**etag(device.revision), "Location": f"{API}/devices/{device.id}", "Cache-Control": "no-store"}
    return json(invited, status=status, headers=headers)


@get(f"{API}/devices", opt=READ | speaks(None, Page[DeviceView]), tags=["devices"], summary="Devices, by id")
async def devices(
    request: Req,
    q: Annotated[str, QueryParameter(max_length=128, description="Part of an id, or of a twin's.")] = "",
    in_state: Annotated[
        str, QueryParameter(name="state", max_length=20, description="waiting, active, lapsed or revoked.")
    ] = "",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Response[bytes]:
    call = call_of(request)
    if in_state and in_state not in STATES:
        raise InvalidInput(f"state {in_state:.20} is not one of {', '.join(STATES)}")
    now, part = call.services.platform.clock.now(), q.casefold()
    found = [
        one
        for one in call.services.platform.gate.devices.all()
        if (not in_state or one.state(now) == in_state)
        and (not part or any(part in text.casefold() for text in (one.id, *one.twins)))
    ]
    page = page_of(found, limit, cursor, lambda one: one.id)
    return json(Page(await _views(call, page.items), page.next))


@post(
    f"{API}/devices",
    opt=CONFIGURE | speaks(NewDevice, Invited),
    tags=["devices"],
    summary="Let a device in; its claim code is shown this once",
)
async def add_device(request: Req) -> Response[bytes]:
    call, given = call_of(request), await decoded(request, NewDevice)
    made, code = await call.services.waiting.run(
        call.services.platform.gate.devices.add,
        given.id,
        given.twins,
        claim_s=given.claim_hours * 3600,
        actor=call.who.id,
    )
    return await _invited(call, made, code, 201)


@get(f"{API}/devices/{{device:str}}", opt=READ_ONE | speaks(None, DeviceView), tags=["devices"], summary="One device")
async def device_of(request: Req, device: FromPath[str]) -> Response[bytes]:
    """With its credentials (never the secrets); what it sent and was refused: GET /quarantine?source=<its source>."""
    call = call_of(request)
    return await _whole(call, call.services.platform.gate.devices.get(device))


@patch(
    f"{API}/devices/{{device:str}}",
    opt=CONFIGURE_ONE | speaks(DeviceChange, DeviceView),
    tags=["devices"],
    summary="Say anew which twins it speaks for",
)
async def change_device(request: Req, device: FromPath[str]) -> Response[bytes]:
    call, given = call_of(request), await decoded(request, DeviceChange)
    changed = await call.services.waiting.run(
        call.services.platform.gate.devices.change,
        device,
        given.twins,
        if_revision=if_match(request),
        actor=call.who.id,
    )
    return await _whole(call, changed)


@delete(
    f"{API}/devices/{{device:str}}",
    opt=CONFIGURE_ONE,
    status_code=204,
    tags=["devices"],
    summary="Forget a device; all it could show ends at once",
)
async def remove_device(request: Req, device: FromPath[str]) -> None:
    call = call_of(request)
    await call.services.waiting.run(call.services.platform.gate.devices.remove, device, actor=call.who.id)


@post(
    f"{API}/devices/{{device:str}}/claim-code",
    opt=CONFIGURE_ONE | speaks(NewCode, Invited),
    status_code=200,
    tags=["devices"],
    summary="A new claim code; the earlier one is void",
)
async def claim_code(request: Req, device: FromPath[str]) -> Response[bytes]:
    """Also for a device that lost its secret, and to let in one that was revoked."""
    call, given = call_of(request), await decoded(request, NewCode, optional=True)
    known, code = await call.services.waiting.run(
        call.services.platform.gate.devices.claim_code,
        device,
        claim_s=given.claim_hours * 3600,
        actor=call.who.id,
    )
    return await _invited(call, known, code, 200)


@post(
    f"{API}/devices/{{device:str}}/rotate",
    opt=CONFIGURE_ONE | speaks(None, Secret),
    status_code=200,
    tags=["devices"],
    summary="A new secret; the earlier one is good until this one is used",
)
async def rotate(request: Req, device: FromPath[str]) -> Response[bytes]:
    call = call_of(request)
    secret = await call.services.waiting.run(call.services.platform.gate.devices.rotate, device, actor=call.who.id)
    return json(Secret(device, secret), headers={"Cache-Control": "no-store"})


@post(
    f"{API}/devices/{{device:str}}/revoke",
    opt=CONFIGURE_ONE | speaks(Revocation, DeviceView),
    status_code=200,
    tags=["devices"],
    summary="Keep a device out at once, or end one credential",
)
async def revoke(request: Req, device: FromPath[str]) -> Response[bytes]:
    """Its open connections end; a new claim code lets it in again."""
    call, given = call_of(request), await decoded(request, Revocation, optional=True)
    known = await call.services.waiting.run(
        call.services.platform.gate.devices.revoke, device, credential=given.credential, actor=call.who.id
    )
    return await _whole(call, known)


@post(
    f"{API}/devices/{{device:str}}/certificates",
    opt=CONFIGURE_ONE | speaks(Signing, CertificateView),
    tags=["devices"],
    summary="Issue a certificate on a signing request, or pin one from outside",
)
async def certify(request: Req, device: FromPath[str]) -> Response[bytes]:
    """The request's subject and extensions are not looked at: we say who it is. RSA from 2048 bits, P-256, Ed25519."""
    call, given = call_of(request), await decoded(request, Signing)
    certificates = call.services.platform.gate.devices.certificates
    if bool(given.csr) == bool(given.certificate):
        raise InvalidInput("send either a `csr` to be signed or a `certificate` to be pinned, in PEM form")
    if given.certificate:
        known = await call.services.waiting.run(certificates.pin, device, given.certificate, actor=call.who.id)
        return await _whole(call, known, 201)
    issued = await call.services.waiting.run(certificates.issue, device, given.csr, days=given.days, actor=call.who.id)
    return json(CertificateView(issued.certificate, issued.authority, rfc3339(issued.ends)), status=201)


@post(
    f"{API}/devices/enrol",
    opt=CONFIGURE | speaks(None, Enrolled),
    status_code=200,
    tags=["devices"],
    summary="Many devices from a table (CSV); dry_run shows what would be done",
)
async def enrol(
    request: Req,
    dry_run: Annotated[bool, QueryParameter(description="Only say what becomes of each line.")] = False,
    leave_out: Annotated[bool, QueryParameter(description="Take the good lines of a table that has others.")] = False,
    claim_hours: Annotated[float, QueryParameter(gt=0, le=2160)] = 24,
) -> Response[bytes]:
    """Columns id, twins, type, serial, name; others become attributes of twins that are made. The same table again
    changes nothing. With `Accept: text/csv` the claim codes come as a table."""
    call, table = call_of(request), await request.body()
    known, services = call.services.platform.gate.devices, call.services
    ends = None
    if dry_run:
        rows: list[Row] = await services.reads.run(known.preview, table)
    else:
        ends = services.platform.clock.now() + int(claim_hours * 3600 * SECOND)
        rows = await services.reads.run(
            known.enrol, table, claim_s=claim_hours * 3600, leave_out=leave_out, actor=call.who.id
        )
    if "text/csv" in request.headers.get("accept", ""):
        headers = {"Content-Disposition": 'attachment; filename="claim-codes.csv"', "Cache-Control": "no-store"}
        return Response(codes_csv(rows, ends or 0).encode(), media_type="text/csv; charset=utf-8", headers=headers)
    counts = {outcome: sum(row.outcome == outcome for row in rows) for outcome in ("new", "same", "refused")}
    listed = [RowView(**{**msgspec.structs.asdict(row), "twins": list(row.twins)}) for row in rows]
    return json(Enrolled(dry_run, **counts, claim_ends=_time(ends), rows=listed), headers={"Cache-Control": "no-store"})


@post(
    f"{API}/devices/claim",
    opt=PUBLIC | speaks(Claim, Credentials),
    status_code=200,
    tags=["devices"],
    summary="A device trades its claim code for a secret, and for a certificate",
)
async def claim(request: Req) -> Response[bytes]:
    """Once. Slows down after five failures (429 with Retry-After)."""
    call, given = call_of(request), await decoded(request, Claim)
    platform, base = call.services.platform, str(request.base_url).rstrip("/")
    mqtt = await call.services.reads.run(_endpoints, call, urlsplit(base).hostname or "")  # before the code is spent
    try:
        claimed = await call.services.waiting.run(
            platform.gate.devices.claim, given.code, csr=given.csr, address=call.address
        )
    except GemelError:
        _noted(call, "claim", "unknown", allowed=False)
        raise
    device, issued = claimed.device, claimed.issued
    _noted(call, "claim", device.principal, allowed=True)
    answer = Credentials(
        id=device.id,
        twins=list(device.twins),
        secret=claimed.secret,
        certificate=issued.certificate if issued else "",
        certificate_ends=_time(issued.ends if issued else None),
        authority=issued.authority if issued else "",
        http=f"{base}{API}/ingest",
        mqtt=mqtt,
    )
    return json(answer, headers={"Cache-Control": "no-store"})


def _endpoints(call: Call, host: str) -> list[Endpoint]:
    """Where our own MQTT endpoints listen, as a device reaches them that reached us at `host`."""
    found = []
    for spec in call.services.platform.registry.connectors():
        if spec.kind != "mqtt_endpoint" or not spec.enabled:
            continue
        try:
            settings = settings_of(spec)
        except GemelError:  # it does not run either
            continue
        topics = [f"{settings.prefix}/<twin>{rest}" for rest in ("/<property>", "", "/!<event>")]
        for url in settings.listen:
            parts = urlsplit(url)
            everywhere = parts.hostname in {"0.0.0.0", "::"}
            name = f"[{host}]" if ":" in host else host
            port = f":{parts.port}" if parts.port else ""
            reached = f"{parts.scheme}://{name}{port}{parts.path}" if everywhere else url
            found.append(Endpoint(reached, topics if settings.prefix else []))
    return found


@post(
    f"{API}/devices/renew",
    opt=PUBLIC | speaks(Renewal, Renewed),
    status_code=200,
    tags=["devices"],
    summary="A device renews its certificate or its secret",
)
async def renew(request: Req) -> Response[bytes]:
    """Authenticated by the device's secret, or by its present certificate. What it has is good until the new one is
    first used, at most seven days."""
    call, given = call_of(request), await decoded(request, Renewal)
    known = call.services.platform.gate.devices
    who = call.principal
    if given.certificate and given.csr:
        shown = f"renew:{call.address}"
        known.throttle.check(shown)
        try:
            der = await call.services.waiting.run(known.certificates.proven, given.certificate, given.csr, given.proof)
            who = known.of_certificate(der)
        except Unauthenticated:
            who = None
        if who is None:
            known.throttle.failed(shown)
    if who is None or who.kind != "Device":
        _noted(call, "renew", "unknown", allowed=False)
        raise Unauthenticated(
            "only a device renews its own: send its secret (Authorization: Bearer), or its present certificate with "
            "a proof; otherwise ask for a claim code"
        )
    device = known.of(who)
    if given.csr:
        issued = await call.services.waiting.run(known.certificates.issue, device.id, given.csr, actor=who.id)
        answer = Renewed(device.id, "", issued.certificate, issued.authority, rfc3339(issued.ends))
    else:
        answer = Renewed(device.id, await call.services.waiting.run(known.rotate, device.id, actor=who.id))
    _noted(call, "renew", who.id, allowed=True)
    return json(answer, headers={"Cache-Control": "no-store"})


def _noted(call: Call, action: str, principal: str, *, allowed: bool) -> None:
    call.services.platform.gate.audit.note(
        principal,
        action,
        kind="Device",
        resource=principal,
        decision=Decision(allowed, "credentials"),
        detail=f"from {call.address}",
    )


@get(f"{API}/authority", opt=READ, tags=["devices"], summary="The certificate of the plant's own authority (PEM)")
async def authority(request: Req) -> Response[bytes]:
    """What endpoints trust that take certificates of devices. Its key is never given out."""
    call = call_of(request)
    certificates = call.services.platform.gate.devices.certificates
    pem: str = await call.services.waiting.run(lambda: certificates.authority.certificate)
    return Response(pem.encode(), media_type="application/x-pem-file")


@get(f"{API}/authority/revocations", opt=READ, tags=["devices"], summary="Revoked certificates as a CRL (PEM)")
async def revocations(request: Req) -> Response[bytes]:
    """For servers that are not ours, like a broker; good for a week. Ours know at once."""
    call = call_of(request)
    known = call.services.platform.gate.devices
    pem: str = await call.services.waiting.run(lambda: known.certificates.revocations(known.all()))
    return Response(pem.encode(), media_type="application/x-pem-file")


ROUTES = [
    devices,
    add_device,
    enrol,
    claim,
    renew,
    device_of,
    change_device,
    remove_device,
    claim_code,
    rotate,
    revoke,
    certify,
    authority,
    revocations,
]
