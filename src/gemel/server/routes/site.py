"""The place, the caller, and whether the server is well."""

from __future__ import annotations

import msgspec
from litestar import get
from litestar.params import FromPath
from litestar.response import Response

import gemel
from gemel.errors import NotFound
from gemel.server.call import call_of
from gemel.server.encode import rfc3339
from gemel.server.guard import PUBLIC, SELF, needs
from gemel.server.http import Req, json
from gemel.server.measure import tell_health
from gemel.server.openapi import docs_page, document
from gemel.server.options import API
from gemel.twin import json_schema

__all__ = ["ROUTES"]

SCHEMAS = ("twin-type.json", "plant.json")


class Me(msgspec.Struct):
    """Who asks."""

    id: str
    name: str
    kind: str
    """user, token, device or demo."""
    role: str
    """Empty of a device: it has no role, only its twins."""
    party: str
    """The organisation that one belongs to; empty: the operating one."""
    roles: list[str]
    """The role and all below it: viewer, operator, engineer, administrator."""
    second_factor: bool
    """Whether a code of it is asked for at sign-in."""
    demo: bool
    """True: nobody signed in; this is the demonstration on this machine."""
    expires: str | None


class SiteView(msgspec.Struct):
    """The place that this platform runs for."""

    name: str
    time_zone: str
    """IANA name; people see times in it."""
    version: str
    position: int
    revision: int
    """Rises when types, twins or links change."""
    demo: bool
    now: str


@get(f"{API}/me", opt=SELF, tags=["access"], summary="Who am I")
async def me(request: Req) -> Me:
    call = call_of(request)
    who, gate = call.who, call.services.platform.gate
    name = {"User": gate.accounts.name(who.id), "Demo": "Demo"}.get(who.kind, who.id)
    roles = who.role.includes() if who.role is not None else []
    return Me(
        id=who.id,
        name=name,
        kind=who.kind.lower(),
        role=roles[-1] if roles else "",
        party=who.party,
        roles=roles,
        second_factor=gate.second_factors.has(who.id),
        demo=who.kind == "Demo",
        expires=None if who.expires is None else rfc3339(who.expires),
    )


@get(f"{API}/site", opt=needs("read", "Fleet"), tags=["site"], summary="Name, time zone, version, position")
async def site(request: Req) -> SiteView:
    call = call_of(request)
    platform = call.services.platform
    known = await call.services.reads.run(platform.registry.site)
    return SiteView(
        name=known.name or "Gemel",
        time_zone=known.time_zone,
        version=gemel.__version__,
        position=call.position,
        revision=platform.registry.directory.revision,
        demo=call.services.options.demo,
        now=rfc3339(platform.clock.now()),
    )


@get(f"{API}/schemas/{{name:str}}", opt=PUBLIC, tags=["types"], summary="JSON Schema of twin types and plants")
async def schema(name: FromPath[str]) -> Response[bytes]:
    if name not in SCHEMAS:
        raise NotFound(f"there is no schema {name!r:.80}; there are {', '.join(SCHEMAS)}")
    found = json_schema(name.removesuffix(".json"))
    return Response(msgspec.json.encode(found), media_type="application/schema+json")


@get(f"{API}/openapi.json", opt=PUBLIC, tags=["site"], summary="This interface as OpenAPI 3.1")
async def openapi(request: Req) -> Response[bytes]:
    return json(document(request.app))


@get(f"{API}/docs", opt=PUBLIC, tags=["site"], summary="This interface for people")
async def docs(request: Req) -> Response[bytes]:
    return Response(docs_page(document(request.app)), media_type="text/html; charset=utf-8")


@get("/healthz", opt=PUBLIC, tags=["health"], summary="The process lives")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@get("/readyz", opt=PUBLIC, tags=["health"], summary="It can take requests")
async def readyz(request: Req) -> Response[bytes]:
    services = call_of(request).services
    ready = not services.stopping.is_set() and await services.waiting.run(services.is_well)
    return json({"status": "ready" if ready else "not ready"}, status=200 if ready else 503)


@get("/metrics", opt=needs("read"), tags=["health"], summary="For Prometheus")
async def metrics(request: Req) -> Response[bytes]:
    services = call_of(request).services
    platform, gauges = services.platform, services.metrics
    gauges.position.labels("state").set(platform.state.position)
    gauges.position.labels("computation").set(platform.computation.standing().position)
    gauges.position.labels("history").set(platform.history.position)
    gauges.position.labels("journal").set(platform.journal.head().position)
    gauges.twins.set(len(platform.registry.directory))
    devices, now = platform.gate.devices.all(), platform.clock.now()
    for state in ("waiting", "active", "lapsed", "revoked"):
        gauges.devices.labels(state).set(sum(one.state(now) == state for one in devices))
    held = await services.reads.run(platform.intake.held, [one.principal for one in devices])
    gauges.refused.set(sum(held.values()))
    await services.slow.run(tell_health, services)
    return Response(services.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


ROUTES = [me, site, schema, openapi, docs, healthz, readyz, metrics]
