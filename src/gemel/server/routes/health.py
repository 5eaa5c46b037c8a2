"""Health and diagnosis, room on the disk, holds, the support bundle."""

from __future__ import annotations

import asyncio
import io

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath
from litestar.response import Response

from gemel.diagnosis import Check, Level, bundle, worst
from gemel.plugins import PlugIn
from gemel.server.call import call_of
from gemel.server.encode import rfc3339
from gemel.server.guard import PUBLIC, needs, speaks
from gemel.server.http import Req, decoded, json
from gemel.server.logs import recent_logs
from gemel.server.options import API
from gemel.server.services import Services
from gemel.storage import Standing

__all__ = ["ROUTES"]

ADMINISTER, OPERATE = needs("administer"), needs("operate")
LOOP_S = 0.05


class CheckView(msgspec.Struct):
    """One part: ok, warn or bad, in a sentence, with the way out."""

    part: str
    level: str
    told: str
    way_out: str
    since: str | None


class Diagnosis(msgspec.Struct):
    """How the platform is."""

    level: str
    checks: list[CheckView]
    version: str
    position: int
    now: str


class HoldView(msgspec.Struct):
    """Nothing of this twin is dropped or erased."""

    twin: str
    since: str
    actor: str
    reason: str


class NewHold(msgspec.Struct):
    """The twin, and why, for who finds it in years."""

    twin: str
    reason: str


class WouldDrop(msgspec.Struct):
    """A day of a table that the next looks drop from, with all it holds."""

    table: str
    day: str
    rows: int
    bytes: int


@get("/health", opt=PUBLIC, tags=["health"], summary="For load balancers: live, and ready to take requests")
async def health(request: Req) -> Response[bytes]:
    services = call_of(request).services
    ready = not services.stopping.is_set() and await services.waiting.run(services.is_well)
    return json({"live": True, "ready": ready}, status=200 if ready else 503)


@get(f"{API}/diagnosis", opt=OPERATE, tags=["health"], summary="Every part of the platform: how it is, and the way out")
async def diagnosis(request: Req) -> Diagnosis:
    services = call_of(request).services
    checks = await _look(services)
    platform = services.platform
    return Diagnosis(
        level=str(worst(checks)),
        checks=[_check(check) for check in checks],
        version=_version(),
        position=platform.position,
        now=rfc3339(platform.clock.now()),
    )


async def _look(services: Services) -> list[Check]:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await asyncio.sleep(LOOP_S)
    lag = max(0.0, loop.time() - begun - LOOP_S)
    checks = await services.slow.run(services.platform.health.look)
    slow = lag > 0.2
    told = f"the server answers with a delay of {1000 * lag:.0f} ms of its own"
    way_out = "too many requests at once, or too little CPU" if slow else ""
    return [*checks, Check(part="server", level=Level.WARN if slow else Level.OK, told=told, way_out=way_out)]


def _check(check: Check) -> CheckView:
    since = None if check.since is None else rfc3339(check.since)
    return CheckView(check.part, str(check.level), check.told, check.way_out, since)


def _version() -> str:
    import gemel

    return gemel.__version__


@get(
    f"{API}/storage", opt=OPERATE, tags=["health"], summary="What takes room, how fast it grows, for how long it lasts"
)
async def storage(request: Req) -> Standing:
    services = call_of(request).services
    return await services.slow.run(services.platform.storage.standing)


@get(f"{API}/plugins", opt=OPERATE, tags=["health"], summary="What is installed besides: whose, and how it stands")
async def plugins(request: Req) -> list[PlugIn]:
    """Connectors, importers, exchanges and functions, ours too; none is run of a distribution that nobody named."""
    services = call_of(request).services
    return await services.slow.run(services.platform.plugins)


@get(f"{API}/storage/due", opt=OPERATE, tags=["health"], summary="What retention would drop next; nothing is done")
async def due(request: Req) -> list[WouldDrop]:
    services = call_of(request).services
    found = await services.slow.run(services.platform.storage.would_drop)
    return [WouldDrop(*one) for one in found]


@get(f"{API}/storage/holds", opt=OPERATE, tags=["health"], summary="Twins of which nothing may go")
async def holds(request: Req) -> list[HoldView]:
    services = call_of(request).services
    found = await services.reads.run(services.platform.holds.all)
    return [HoldView(hold.twin, rfc3339(hold.since), hold.actor, hold.reason) for hold in found]


@post(f"{API}/storage/holds", opt=ADMINISTER | speaks(NewHold), tags=["health"], summary="Hold a twin, with the reason")
async def hold(request: Req) -> HoldView:
    call = call_of(request)
    given, holds = await decoded(request, NewHold), call.services.platform.holds
    made = await call.services.waiting.run(holds.put, given.twin, given.reason, actor=call.who.id)
    return HoldView(made.twin, rfc3339(made.since), made.actor, made.reason)


@delete(f"{API}/storage/holds/{{twin:str}}", opt=ADMINISTER, status_code=204, tags=["health"], summary="End a hold")
async def release(request: Req, twin: FromPath[str]) -> None:
    call = call_of(request)
    await call.services.waiting.run(call.services.platform.holds.release, twin, actor=call.who.id)


@post(
    f"{API}/support-bundle",
    opt=ADMINISTER,
    status_code=200,
    tags=["health"],
    summary="A ZIP for who helps; no secrets, no readings",
)
async def support_bundle(request: Req) -> Response[bytes]:
    services = call_of(request).services
    checks = await _look(services)

    def make() -> bytes:
        platform, out = services.platform, io.BytesIO()
        parts = {
            "health": checks,
            "settings": platform.folder.settings(),
            "storage": platform.storage.standing(),
            "connectors": platform.registry.connectors(),
            "connector_health": list(platform.supervisor.health().values()),
            "history": platform.history.status(),
            "types": platform.types(),
            "quarantine": [
                {"id": one.id, "source": one.source, "code": one.code, "twin": one.twin, "property": one.property}
                for one in platform.intake.quarantined(limit=200).items
            ],
            "metrics": services.metrics.text().decode(),
        }
        bundle(out, parts, logs=recent_logs())
        return out.getvalue()

    made = await services.slow.run(make)
    headers = {"Content-Disposition": 'attachment; filename="gemel-support.zip"'}
    return Response(made, media_type="application/zip", headers=headers)


ROUTES = [health, diagnosis, plugins, storage, due, holds, hold, release, support_bundle]
