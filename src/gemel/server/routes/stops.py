"""Unplanned stops of machines: noted, found in what they told, classified; and what an hour costs."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.errors import UnknownProperty
from gemel.server.bitemporal import answered, plain, understood
from gemel.server.call import call_of
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Limit, Req, decoded, json, time_if, time_or
from gemel.server.options import API
from gemel.server.routes.orders import person
from gemel.server.routes.thread import listed, of_words
from gemel.server.routes.work import DAY, FLEET, before, paged, reached
from gemel.server.work_seen import WorkSeen
from gemel.services.work import (
    STANDING,
    Candidate,
    Price,
    PriceSpec,
    Stop,
    StopKind,
    StopQuery,
    StopSpec,
    WorkQuery,
)
from gemel.twin import Page

__all__ = ["ROUTES"]


class Said(msgspec.Struct, forbid_unknown_fields=True):
    """What failed."""

    kind: StopKind
    reason: str = ""


@get(f"{API}/work/stops", opt=FLEET | speaks(None, Page[Stop], moments=True), tags=["work"], summary="Unplanned stops")
async def stops(
    request: Req,
    twin: Annotated[str, QueryParameter(max_length=128)] = "",
    item: Annotated[str, QueryParameter(max_length=128)] = "",
    order: Annotated[str, QueryParameter(max_length=128)] = "",
    kind: Annotated[
        str, QueryParameter(max_length=200, description=f"Only these, with commas: {', '.join(StopKind)}.")
    ] = "",
    start: Annotated[str, QueryParameter(max_length=40, description="RFC 3339.")] = "",
    end: Annotated[str, QueryParameter(max_length=40)] = "",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Response[bytes]:
    """The newest first, each with all that was said of what failed."""
    call = call_of(request)
    query = StopQuery(
        twin=twin,
        item=item,
        order=order,
        kinds=of_words(kind, StopKind, "kind"),
        start=time_if(start),
        end=time_if(end),
        limit=limit,
        after=before(call, cursor),
    )

    def work() -> dict[str, Any]:
        page = WorkSeen(call).stops(query)
        return paged(call, page, page.items)

    return json(await call.services.reads.run(work))


@post(f"{API}/work/stops", opt=FLEET | speaks(StopSpec, Stop, moments=True), tags=["work"], summary="Note a stop")
async def put(request: Req) -> Response[bytes]:
    """With the key of one that was told before it is that one, as it is known now."""
    call = call_of(request)
    spec = understood(await decoded(request, Any), StopSpec)

    def work() -> Stop:
        seen = WorkSeen(call)
        seen.permit(spec.twin, spec.item, f"stop of {spec.twin}")
        if spec.order:
            seen.found(spec.order)
        done = seen.work.stops.put(spec, actor=person(call.who))
        reached(call)
        return done

    return json(plain(await call.services.waiting.run(work)), status=201)


@get(f"{API}/work/stops/{{stop:str}}", opt=FLEET | speaks(None, Stop, moments=True), tags=["work"], summary="One stop")
async def stop_of(request: Req, stop: FromPath[str]) -> Response[bytes]:
    call = call_of(request)
    return answered(request, await call.services.reads.run(lambda: WorkSeen(call).stopped(stop)))


@post(
    f"{API}/work/stops/{{stop:str}}/class",
    opt=FLEET | speaks(Said, Stop, moments=True),
    status_code=200,
    tags=["work"],
    summary="Say what failed",
)
async def classify(request: Req, stop: FromPath[str]) -> Response[bytes]:
    """What was said before stays on record."""
    call = call_of(request)
    said = understood(await decoded(request, Any), Said)

    def work() -> Stop:
        seen = WorkSeen(call)
        known = seen.stopped(stop)
        seen.permit(known.twin, "", f"stop {known.id}: {said.kind}")
        done = seen.work.stops.classify(known.id, said.kind, reason=said.reason, actor=person(call.who))
        reached(call)
        return done

    return json(plain(await call.services.waiting.run(work)))


@get(
    f"{API}/work/found-stops",
    opt=FLEET | speaks(None, list[Candidate], moments=True),
    tags=["work"],
    summary="When a machine's own words say that it stood",
)
async def found(
    request: Req,
    twin: Annotated[str, QueryParameter(max_length=128)],
    start: Annotated[str, QueryParameter(max_length=40, description="RFC 3339; left out: a day ago.")] = "",
    end: Annotated[str, QueryParameter(max_length=40, description="Left out: now.")] = "",
    values: Annotated[
        str, QueryParameter(max_length=400, description="Of enumerations, with commas: what means that it stands.")
    ] = "",
    at_least_s: Annotated[float, QueryParameter(ge=0, le=86_400, description="Shorter ones are left out.")] = 60.0,
) -> Response[bytes]:
    """From conditions in fault and from states, as far as the caller sees them. Nothing is noted: send one back to
    `POST /work/stops` with its key."""
    call = call_of(request)
    words = frozenset(one.lower() for one in listed(values)) or STANDING
    until = time_or(end, call.services.platform.clock.now())
    since = time_or(start, until - DAY)

    def tell(name: str, begin: int, stop: int) -> list[tuple[int, int, Any]]:
        try:
            columns = call.view.range(twin, name, begin, stop).columns
        except UnknownProperty:
            return []
        return list(zip(columns["start"].tolist(), columns["end"].tolist(), columns["value"], strict=True))

    def work() -> list[Candidate]:
        seen = WorkSeen(call)
        entry = call.view.entry(twin)
        query = WorkQuery(twin=entry.id, start=since, end=until)
        orders = [one for one in seen.work.orders.each(query) if seen.order(one)]
        return seen.work.stops.find(
            entry.id, since, until, tell=tell, values=words, at_least_s=at_least_s, orders=orders
        )

    return json(plain(await call.services.past(call, work)))


@get(f"{API}/work/prices", opt=needs("read", "Platform"), tags=["work"], summary="What an hour costs")
async def prices(request: Req) -> Response[bytes]:
    """Of downtime and of work: of a machine, of a type, or of all; each with the assumption that it rests on."""
    call = call_of(request)
    found: list[Price] = await call.services.reads.run(call.services.platform.work.prices.all)
    return json(plain(found))


@post(
    f"{API}/work/prices",
    opt=needs("configure", "Platform") | speaks(PriceSpec, list[Price], moments=True),
    tags=["work"],
    summary="Say what an hour costs",
)
async def price(request: Req) -> Response[bytes]:
    """What was said before stays on record. An empty `per_hour`: there is no price from then on."""
    call = call_of(request)
    spec = understood(await decoded(request, Any), PriceSpec)
    book = call.services.platform.work.prices

    def work() -> list[Price]:
        book.put(spec, actor=person(call.who))
        reached(call)
        return book.all()

    return json(plain(await call.services.waiting.run(work)), status=201)


ROUTES: list[Any] = [stops, put, stop_of, classify, found, prices, price]
