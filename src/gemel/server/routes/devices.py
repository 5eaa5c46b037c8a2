"""Devices: who may report for which twins; how they get in, and how they are kept out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from litestar import delete, get, patch, post
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.access import Credential, Device, Devices
from gemel.clock import SECOND
from gemel.errors import InvalidInput
from gemel.server.call import Call, call_of
from gemel.server.device_views import (
    CertificateView,
    CredentialView,
    DeviceChange,
    DeviceView,
    Invited,
    NewCode,
    NewDevice,
    Revocation,
    Secret,
    Signing,
)
from gemel.server.encode import rfc3339
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Limit, Req, decoded, etag, if_match, json, page_of
from gemel.server.options import API
from gemel.twin import Page

__all__ = ["ROUTES"]

T = TypeVar("T")
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


def _register(call: Call) -> Devices:
    return call.services.platform.gate.devices


async def _done(call: Call, verb: Callable[..., T], *given: Any, **named: Any) -> T:
    """What a verb of the register gives, asked for by whoever calls; off the event loop."""
    return await call.services.waiting.run(verb, *given, actor=call.who.id, **named)


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
        for one in _register(call).all()
        if (not in_state or one.state(now) == in_state)
        and (not part or any(part in text.casefold() for text in (one.id, *one.twins)))
    ]
    page = page_of(call, found, limit, cursor, lambda one: one.id)
    return json(Page(await _views(call, page.items), page.next))


@post(
    f"{API}/devices",
    opt=CONFIGURE | speaks(NewDevice, Invited),
    tags=["devices"],
    summary="Let a device in; its claim code is shown this once",
)
async def add_device(request: Req) -> Response[bytes]:
    call, given = call_of(request), await decoded(request, NewDevice)
    made, code = await _done(call, _register(call).add, given.id, given.twins, claim_s=given.claim_hours * 3600)
    return await _invited(call, made, code, 201)


@get(f"{API}/devices/{{device:str}}", opt=READ_ONE | speaks(None, DeviceView), tags=["devices"], summary="One device")
async def device_of(request: Req, device: FromPath[str]) -> Response[bytes]:
    """With its credentials (never the secrets); what it sent and was refused: GET /quarantine?source=<its source>."""
    call = call_of(request)
    return await _whole(call, _register(call).get(device))


@patch(
    f"{API}/devices/{{device:str}}",
    opt=CONFIGURE_ONE | speaks(DeviceChange, DeviceView),
    tags=["devices"],
    summary="Say anew which twins it speaks for",
)
async def change_device(request: Req, device: FromPath[str]) -> Response[bytes]:
    call, given = call_of(request), await decoded(request, DeviceChange)
    changed = await _done(call, _register(call).change, device, given.twins, if_revision=if_match(request))
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
    await _done(call, _register(call).remove, device)


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
    known, code = await _done(call, _register(call).claim_code, device, claim_s=given.claim_hours * 3600)
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
    secret = await _done(call, _register(call).rotate, device)
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
    known = await _done(call, _register(call).revoke, device, credential=given.credential)
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
    certificates = _register(call).certificates
    if bool(given.csr) == bool(given.certificate):
        raise InvalidInput("send either a `csr` to be signed or a `certificate` to be pinned, in PEM form")
    if given.certificate:
        return await _whole(call, await _done(call, certificates.pin, device, given.certificate), 201)
    issued = await _done(call, certificates.issue, device, given.csr, days=given.days)
    return json(CertificateView(issued.certificate, issued.authority, rfc3339(issued.ends)), status=201)


ROUTES = [
    devices,
    add_device,
    device_of,
    change_device,
    remove_device,
    claim_code,
    rotate,
    revoke,
    certify,
]
