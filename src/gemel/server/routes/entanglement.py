"""How twins are tied to their objects: one twin, the shop, one property over a range; values entered by hand."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.clock import moment
from gemel.entanglement import Declared, Latency, Level, Shop, Stretch, Tie, TwinTie, summed
from gemel.errors import InvalidInput
from gemel.intake import Message, Reported
from gemel.registry import TwinQuery
from gemel.server.call import Call, call_of
from gemel.server.encode import rfc3339
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Limit, Req, decoded, json, onward, onward_from
from gemel.server.options import API
from gemel.server.routes.history import END, START, interval
from gemel.server.routes.now import Written
from gemel.server.routes.orders import person
from gemel.twin import MANUAL, Twin

__all__ = ["ROUTES"]

READ_ONE = needs("read", "Twin", id_in="twin")


class TieView(msgspec.Struct):
    """How one property is tied to its object now."""

    property: str
    level: str
    """model, shadow or twin."""
    since: str | None
    """Since when; null: since before the platform began to look."""
    why: str
    inward: str
    """automatic, manual, computed or none."""
    outward: str
    fresh: bool | None
    stale_since: str | None
    share: float | None
    """The part of the last minutes in which it was fresh; null without a bound."""
    looked_s: float
    latency: Latency | None
    rate_hz: float | None
    lost: int
    declared: Declared
    entered: str | None
    """When its value was told by hand, if that is the one it has."""
    entered_by: str


class TwinTieView(msgspec.Struct):
    """How a twin is tied to its object: the sum of its properties."""

    twin: str
    name: str
    types: tuple[str, ...]
    level: str
    levels: dict[str, int]
    properties: int
    stale: int
    stale_since: str | None
    share: float | None
    p95_s: float | None
    lost: int


class EntanglementView(msgspec.Struct):
    """One twin, property by property."""

    summary: TwinTieView
    properties: list[TieView]
    position: int


class ShopView(msgspec.Struct):
    """All that is seen as one, and twins one by one."""

    shop: Shop
    items: list[TwinTieView]
    next: str | None
    position: int


class LostView(msgspec.Struct):
    """Messages of a source that never came."""

    source: str
    time: str
    count: int


class LevelView(msgspec.Struct):
    """From when to when a property had a level."""

    start: str
    end: str
    level: str


class StretchView(msgspec.Struct):
    """How a property was tied to its object over a range."""

    twin: str
    property: str
    start: str
    end: str
    position: int
    within_s: float | None
    covered_s: float
    share: float | None
    stale: list[tuple[str, str]]
    stale_s: float
    latency: Latency | None
    received: int
    expected: int | None
    lost: list[LostView]
    lost_count: int
    levels: list[LevelView]
    level_s: dict[str, float]
    complete: bool


class Entry(msgspec.Struct, forbid_unknown_fields=True):
    """A value that a person read or knows."""

    value: Any
    time: str | int | None = None
    """When it was so: RFC 3339, or microseconds since the epoch; null: now."""
    unit: str = ""


@get(
    f"{API}/twins/{{twin:str}}/entanglement",
    opt=READ_ONE,
    tags=["entanglement"],
    summary="How each property of a twin is tied to its object now",
)
async def of_twin(request: Req, twin: FromPath[str]) -> EntanglementView:
    """Level, freshness, latency, loss and share of the last minutes; what is declared; what flows."""
    call = call_of(request)
    return await call.services.reads.run(_of_twin, call, twin)


def _of_twin(call: Call, twin: str) -> EntanglementView:
    view = call.view
    entry = view.entry(twin)
    ties = view.ties(entry)
    return EntanglementView(_summary(view.twin(twin), summed(entry.id, ties)), [_tie(t) for t in ties], call.position)


@get(f"{API}/entanglement", opt=needs("read", "Fleet"), tags=["entanglement"], summary="How the shop is tied")
async def of_shop(
    request: Req,
    q: Annotated[
        str, QueryParameter(max_length=200, description="Part of the id, an alias, the serial or the name.")
    ] = "",
    type: Annotated[str, QueryParameter(max_length=200)] = "",
    level: Annotated[str, QueryParameter(max_length=20, description="model, shadow or twin.")] = "",
    broken: Annotated[bool, QueryParameter(description="Only twins of which a bound is broken now.")] = False,
    limit: Limit = 100,
    cursor: Cursor = "",
) -> ShopView:
    """The sums are of everything that you see; the twins are those that the filters find, in order of their ids."""
    if level and level not in list(Level):
        raise InvalidInput(f"level {level!r:.40} is none of {', '.join(Level)}")
    call = call_of(request)
    query = TwinQuery.parse({"q": q, "type": type, "limit": str(limit), "cursor": onward_from(call, cursor)})
    return await call.services.reads.run(_of_shop, call, query, level, broken=broken)


def _of_shop(call: Call, query: TwinQuery, level: str, *, broken: bool) -> ShopView:
    view, found = call.view, dict[str, TwinTie]()

    def fits(twin: Twin) -> bool:
        entry = view.entry(twin.id)
        if broken and not view.breaks(entry):
            return False
        tie = found[twin.id] = summed(twin.id, view.ties(entry))
        return not level or tie.level == level

    page = view.search(query, fits)
    items = [_summary(twin, found[twin.id]) for twin in page.items]
    following = onward(call, page).next
    return ShopView(view.shop(), items, following, call.position)


@get(
    f"{API}/twins/{{twin:str}}/properties/{{property:str}}/entanglement",
    opt=READ_ONE,
    tags=["entanglement"],
    summary="How a property was tied to its object over a range",
)
async def of_past(
    request: Req,
    twin: FromPath[str],
    property: FromPath[str],
    start: START = None,
    end: END = None,
    within_s: Annotated[
        float | None,
        QueryParameter(gt=0, description="Judge freshness by this bound, by age, not by the declared one."),
    ] = None,
) -> StretchView:
    """Computed from what is stored: where it was stale, how late readings came, what was lost, which level it had."""
    call = call_of(request)
    span = interval(call, start, end)
    return await call.services.past(call, _of_past, call, (twin, property), span, within_s)


def _of_past(call: Call, of: tuple[str, str], span: tuple[int, int], within_s: float | None) -> StretchView:
    return _stretch(call.view.stretch(*of, *span, within_s=within_s))


@post(
    f"{API}/twins/{{twin:str}}/properties/{{property:str}}/entries",
    opt=needs("write", "Twin", id_in="twin") | speaks(Entry, Written),
    status_code=201,
    tags=["entanglement"],
    summary="Enter a value by hand; answers when it is on stable storage",
)
async def enter(request: Req, twin: FromPath[str], property: FromPath[str]) -> Response[bytes]:
    """Recorded as entered by you: with it, the property is a model until its source tells it again."""
    call, given = call_of(request), await decoded(request, Entry)
    time = None if given.time is None else moment(given.time)
    told = Reported(twin=twin, property=property, value=given.value, time=time, unit=given.unit)
    key = "" if call.once is None else f"key:{call.once.who}:{call.once.key}"
    message = Message(readings=[told], id=key)
    receipt = await call.services.platform.intake.deliver(MANUAL, [message], strict=True, actor=person(call.who))
    call.position = receipt.last
    return json(Written(receipt.last, receipt.accepted, receipt.repeated), status=201)


def _maybe(time: int | None) -> str | None:
    return None if time is None else rfc3339(time)


def _tie(tie: Tie) -> TieView:
    return TieView(
        property=tie.property,
        level=str(tie.level),
        since=_maybe(tie.since),
        why=tie.why,
        inward=str(tie.inward),
        outward=str(tie.outward),
        fresh=tie.fresh,
        stale_since=_maybe(tie.stale_since),
        share=tie.share,
        looked_s=tie.looked_s,
        latency=tie.latency,
        rate_hz=tie.rate_hz,
        lost=tie.lost,
        declared=tie.declared,
        entered=_maybe(tie.entered),
        entered_by=tie.entered_by,
    )


def _summary(twin: Twin, tie: TwinTie) -> TwinTieView:
    return TwinTieView(
        twin=twin.id,
        name=twin.name,
        types=twin.types,
        level=str(tie.level),
        levels=tie.levels,
        properties=tie.properties,
        stale=tie.stale,
        stale_since=_maybe(tie.stale_since),
        share=tie.share,
        p95_s=tie.p95_s,
        lost=tie.lost,
    )


def _stretch(told: Stretch) -> StretchView:
    return StretchView(
        twin=told.twin,
        property=told.property,
        start=rfc3339(told.start),
        end=rfc3339(told.end),
        position=told.position,
        within_s=told.within_s,
        covered_s=told.covered_s,
        share=told.share,
        stale=[(rfc3339(since), rfc3339(until)) for since, until in told.stale],
        stale_s=told.stale_s,
        latency=told.latency,
        received=told.received,
        expected=told.expected,
        lost=[LostView(one.source, rfc3339(one.time), one.count) for one in told.lost],
        lost_count=told.lost_count,
        levels=[LevelView(rfc3339(one.start), rfc3339(one.end), str(one.level)) for one in told.levels],
        level_s=told.level_s,
        complete=told.complete,
    )


ROUTES = [of_twin, of_shop, of_past, enter]
