"""How devices get in: from a table, by a claim code; and how they stay in."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from litestar import post
from litestar.params import QueryParameter
from litestar.response import Response

from gemel.access import Decision, Row, codes_csv
from gemel.clock import SECOND
from gemel.connectors.base import settings_of
from gemel.errors import GemelError, Unauthenticated
from gemel.server.call import Call, call_of
from gemel.server.device_views import Claim, Credentials, Endpoint, Enrolled, Renewal, Renewed, RowView
from gemel.server.encode import rfc3339
from gemel.server.guard import PUBLIC, needs, speaks
from gemel.server.http import Req, decoded, json
from gemel.server.options import API

__all__ = ["ROUTES"]

ONCE = {"Cache-Control": "no-store"}
"""Secrets are in the answer."""


@post(
    f"{API}/devices/enrol",
    opt=needs("configure", "Device") | speaks(None, Enrolled),
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
    return json(
        Enrolled(dry_run, **counts, claim_ends=None if ends is None else rfc3339(ends), rows=listed), headers=ONCE
    )


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
        certificate_ends=rfc3339(issued.ends) if issued else None,
        authority=issued.authority if issued else "",
        http=f"{base}{API}/ingest",
        mqtt=mqtt,
    )
    return json(answer, headers=ONCE)


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
    return json(answer, headers=ONCE)


def _noted(call: Call, action: str, principal: str, *, allowed: bool) -> None:
    call.services.platform.gate.audit.note(
        principal,
        action,
        kind="Device",
        resource=principal,
        decision=Decision(allowed, "credentials"),
        detail=f"from {call.address}",
    )


ROUTES = [enrol, claim, renew]
