"""Computed properties: where a value comes from, computing the past anew, how far a simplified one is off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.computation import Deviation, FunctionHealth, Lineage, Origin
from gemel.errors import GemelError, InvalidQuery, NotFound
from gemel.server.call import Call, call_of
from gemel.server.encode import rfc3339
from gemel.server.guard import needs, speaks
from gemel.server.http import Req, decoded, json, time_or
from gemel.server.options import API
from gemel.server.routes.history import END, START, interval
from gemel.server.routes.jobs import JobView, job_view
from gemel.twin import Computed

__all__ = ["ROUTES"]

QUICK_S = 2.0
PROPERTY = Annotated[str, QueryParameter(max_length=200, description="A property, or other-twin:property.")]


class OriginView(msgspec.Struct):
    """One input as it was when the value was computed."""

    twin: str
    property: str
    value: Any
    unit: str
    time: str | None
    quality: str
    position: int
    corrected: bool
    """A reading that came later says something else of that moment."""
    computed: bool


class LineageView(msgspec.Struct):
    """The value in force at a moment, and what it was made of."""

    twin: str
    property: str
    value: Any
    unit: str
    time: str
    quality: str
    computed_at: str
    position: int
    type: str
    version: int
    expression: str
    function: str
    reads: list[str]
    """Of a function, what it is given."""
    redone: bool
    inputs: list[OriginView]
    hidden: bool
    """There are further inputs, which the caller may not see; then the definition, which names them, is not told."""


class RedoWanted(msgspec.Struct, forbid_unknown_fields=True):
    """From when to when (RFC 3339; `end` left out: now), and of which twins; of all, if none are named."""

    start: str
    end: str | None = None
    twins: list[str] = []


class RedoneView(msgspec.Struct):
    """What was computed anew."""

    type: str
    property: str
    version: int
    twins: int
    values: int
    start: str
    end: str
    position: int
    before: list[str]
    """Computed properties that it reads, which were computed anew first."""


class DeviationView(msgspec.Struct):
    """simple - detailed in [start, end), weighted by time, in the detailed one's unit."""

    twin: str
    simple: str
    detailed: str
    unit: str
    start: str
    end: str
    compared_s: float
    bias: float | None
    rmse: float | None
    largest: float | None
    largest_at: str | None
    bound: float | None
    within: float | None


class StandingView(msgspec.Struct):
    """How the computation stands."""

    position: int
    behind: int
    behind_s: float
    waiting: int
    properties: int
    computed: int
    refused: int
    broken: dict[str, str]
    functions: list[FunctionHealth]
    error: str


@get(
    f"{API}/twins/{{twin:str}}/properties/{{name:str}}/lineage",
    opt=needs("read", "Twin", id_in="twin"),
    tags=["computed"],
    summary="What a computed value was made of",
)
async def lineage_of(
    request: Req,
    twin: FromPath[str],
    name: FromPath[str],
    at: Annotated[str | None, QueryParameter(description="RFC 3339; now if left out.")] = None,
) -> LineageView:
    """The inputs as they were known then, the version of the type that said how, and when it was computed."""
    call = call_of(request)
    moment = time_or(at, call.services.platform.clock.now())
    return await call.services.past(call, _lineage, call, twin, name, moment)


def _lineage(call: Call, twin: str, name: str, at: int) -> LineageView:
    view = call.view
    name = view.property(view.entry(twin), name)
    if view.projection is not None and name not in view.at(twin, at):
        raise NotFound(f"nothing of {twin:.100}.{name:.80} at that time may be seen")
    found = call.services.platform.computation.lineage(twin, name, at)
    seen = [origin for origin in found.inputs if _seen(call, origin, at)]
    return _told(found, seen)


def _seen(call: Call, origin: Origin, at: int) -> bool:
    """Whether the caller may see this input as of then."""
    try:
        name = call.view.property(call.view.entry(origin.twin), origin.property)
        return origin.time is None or name in call.view.at(origin.twin, at)
    except GemelError:
        return False


def _told(found: Lineage, seen: list[Origin]) -> LineageView:
    inputs = [
        OriginView(
            one.twin, one.property, one.value, one.unit, None if one.time is None else rfc3339(one.time),
            one.quality.name.lower(), one.position, one.corrected, one.computed,
        )
        for one in seen
    ]  # fmt: skip
    hidden = len(seen) < len(found.inputs)
    how = Computed() if hidden else found.computed
    return LineageView(
        found.twin, found.property, found.value, found.unit, rfc3339(found.time), found.quality.name.lower(),
        rfc3339(found.computed_at), found.position, found.type, found.version, how.expression,
        how.function, list(how.inputs), found.redone, inputs, hidden,
    )  # fmt: skip


@get(
    f"{API}/twins/{{twin:str}}/deviation",
    opt=needs("read", "Twin", id_in="twin"),
    tags=["computed"],
    summary="How far a simplified property is from the detailed one",
)
async def deviation_of(
    request: Req,
    twin: FromPath[str],
    simple: PROPERTY,
    detailed: PROPERTY,
    start: START = None,
    end: END = None,
    bound: Annotated[float | None, QueryParameter(ge=0, description="What difference is allowed.")] = None,
) -> DeviationView:
    """Bias, root mean square, the largest difference, and the share of the time within `bound`."""
    call = call_of(request)
    since, until = interval(call, start, end)
    found = await call.services.past(call, _deviation, call, twin, (simple, detailed), (since, until), bound)
    worst = None if found.largest_at is None else rfc3339(found.largest_at)
    return DeviationView(
        found.twin, found.simple, found.detailed, found.unit, rfc3339(found.start), rfc3339(found.end),
        found.compared_s, found.bias, found.rmse, found.largest, worst, found.bound, found.within,
    )  # fmt: skip


def _deviation(call: Call, twin: str, names: tuple[str, str], span: tuple[int, int], bound: float | None) -> Deviation:
    told, since = [], span[0]
    for name in names:
        other, _, property_ = name.rpartition(":")
        seen = call.view.range(other or twin, property_, *span, points=1, method="last")  # refuses what is not seen
        since = max(since, seen.start)
        told.append(f"{seen.twin}:{seen.property}")
    if since >= span[1]:
        raise InvalidQuery("nothing of this interval may be seen")
    return call.services.platform.computation.compare(twin, told[0], told[1], since, span[1], bound=bound)


@post(
    f"{API}/types/{{type_id:str}}/properties/{{name:str}}/redo",
    opt=needs("configure", "TwinType", id_in="type_id") | speaks(RedoWanted, JobView),
    status_code=202,
    tags=["computed"],
    summary="Compute a property of the past anew",
)
async def redo(request: Req, type_id: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """As the type defines it now, from the inputs as the history has them now. A job: 200 with its result when it is
    over within two seconds, else 202, and `GET /jobs/{id}` tells how far it is."""
    call = call_of(request)
    wanted = await decoded(request, RedoWanted)
    services, platform = call.services, call.services.platform
    since, until = time_or(wanted.start, 0), time_or(wanted.end, platform.clock.now())

    def work(progress: Callable[[float], None]) -> RedoneView:
        done = platform.computation.redo(
            type_id, name, since, until, twins=wanted.twins, actor=call.who.id, progress=progress
        )
        return RedoneView(
            done.type, done.property, done.version, done.twins, done.values, rfc3339(since), rfc3339(until),
            done.position, done.before,
        )  # fmt: skip

    begun = services.jobs.start("redo", f"{type_id:.80}.{name:.80}", work, actor=call.who.id)
    job = await services.waiting.run(services.jobs.outcome, begun.id, wait_s=QUICK_S)
    if job.state == "done":
        call.position = max(call.position, job.result.position)
    headers = {"Location": f"{API}/jobs/{job.id}"}
    return json(job_view(job), status=200 if job.over else 202, headers=headers)


@get(f"{API}/computation", opt=needs("operate"), tags=["computed"], summary="How the computation stands")
async def computation(request: Req) -> StandingView:
    """How far it is behind, what cannot be computed, and how the functions are."""
    standing = call_of(request).services.platform.computation.standing()
    return StandingView(**msgspec.structs.asdict(standing))


ROUTES = [lineage_of, deviation_of, redo, computation]
