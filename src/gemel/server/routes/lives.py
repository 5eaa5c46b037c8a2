"""The life of items: readings and events, in whatever machine they were."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.access import View
from gemel.configuration import Happening, LifeSeries, Piece, assigned
from gemel.server.bitemporal import answered, plain
from gemel.server.call import Call, call_of
from gemel.server.guard import needs, speaks
from gemel.server.http import Limit, Req, json, time_if, time_or
from gemel.server.options import API
from gemel.server.routes.events import KIND, EventView, event_view, told_to
from gemel.server.routes.history import UNIT, SeriesView, series_told
from gemel.server.routes.items import KNOWN, moments

__all__ = ["ROUTES"]

READ = needs("read", "Fleet")
HAPPENS = ("event.", "condition.", "command.")
"""What happens to an item, if nothing else is asked for: not that its slot's twin was declared or linked."""
START = Annotated[str, QueryParameter(max_length=40, description="RFC 3339; its beginning if left out.")]
END = Annotated[str, QueryParameter(max_length=40, description="RFC 3339, not included; now if left out.")]


class PieceView(msgspec.Struct):
    """A part of a life, and what is told of it there."""

    piece: Piece
    properties: list[str]
    """Of the item itself."""


class StretchView(msgspec.Struct):
    """A property over one piece."""

    piece: Piece
    series: SeriesView | None
    missing: str
    """Why there is none."""


class LifeView(msgspec.Struct):
    """A property over a life."""

    item: str
    property: str
    unit: str
    stretches: list[StretchView]
    position: int


class LivedView(msgspec.Struct):
    """Something that happened to an item, and where it was."""

    piece: Piece
    event: EventView


class LivedPage(msgspec.Struct):
    """The newest first."""

    items: list[LivedView]
    more: bool
    """Ask again with `end` at the time of the last one."""


@get(
    f"{API}/items/{{item:str}}/life",
    opt=READ | speaks(None, list[PieceView], moments=True),
    tags=["items"],
    summary="Where it was, and which twin tells of it there",
)
async def pieces(
    request: Req, item: FromPath[str], start: START = "", end: END = "", known: KNOWN = ""
) -> Response[bytes]:
    """In order of time. Without a twin: nobody told of it alone; `machine` is then the nearest twin around it."""
    call = call_of(request)
    found = await call.services.reads.run(_pieces, call, item, (start, end), moments("", known)["known"])
    return answered(request, found)


def _span(call: Call, item: str, when: tuple[str, str]) -> tuple[int, int]:
    end = time_or(when[1], call.services.platform.clock.now())
    told = time_if(when[0])
    return (call.items.item(item).item.born if told is None else told), end


def _pieces(call: Call, item: str, when: tuple[str, str], known: int | None) -> list[PieceView]:
    def names(piece: Piece, view: View) -> list[str]:
        entry = view.find(piece.twin) if piece.twin else None
        return sorted({*(() if entry is None else view.names(entry)), *assigned(piece, view)})

    told = call.life.along(item, *_span(call, item, when), names, known=known)
    return [PieceView(piece, properties) for piece, properties in told]


@get(
    f"{API}/items/{{item:str}}/life/{{name:str}}",
    opt=READ | speaks(None, LifeView, moments=True),
    tags=["items"],
    summary="One of its properties over its life, across machines",
)
async def series(
    request: Req,
    item: FromPath[str],
    name: FromPath[str],
    start: START = "",
    end: END = "",
    around: Annotated[bool, QueryParameter(description="Of the machine that it was in, in place of its own.")] = False,
    points: Annotated[int | None, QueryParameter(ge=1, le=100_000, description="About how many in all.")] = None,
    method: Annotated[str | None, QueryParameter(max_length=20)] = None,
    unit: UNIT = "",
    known: KNOWN = "",
) -> Response[bytes]:
    """Piece by piece, in one unit; each `series` as `/twins/{twin}/history/{property}` tells it."""
    call = call_of(request)
    how = {"points": points, "method": method, "unit": unit, "around": around, "known": moments("", known)["known"]}
    found: LifeSeries = await call.services.past(call, _series, call, (item, name), (start, end), how)
    stretches = [
        {
            "piece": plain(one.piece),
            "series": None if one.series is None else series_told(one.series),
            "missing": one.missing,
        }
        for one in found.stretches
    ]
    told = {"item": found.item, "property": found.property, "unit": found.unit, "stretches": stretches}
    return json({**told, "position": call.position})


def _series(call: Call, what: tuple[str, str], when: tuple[str, str], how: dict[str, Any]) -> LifeSeries:
    return call.life.series(*what, *_span(call, what[0], when), **how)


@get(
    f"{API}/items/{{item:str}}/events",
    opt=READ | speaks(None, LivedPage, moments=True),
    tags=["items"],
    summary="What happened to it, in whatever machine it was",
)
async def events(
    request: Req,
    item: FromPath[str],
    start: START = "",
    end: END = "",
    kind: KIND = None,
    limit: Limit = 100,
    known: KNOWN = "",
) -> Response[bytes]:
    """Its faults, too: conditions that came and went are `condition.changed`."""
    call, kinds = call_of(request), tuple(kind or HAPPENS)
    believed = moments("", known)["known"]
    found, more = await call.services.past(call, _events, call, (item, kinds), (start, end), (limit, believed))
    told = {id(fact): body for fact, body in told_to(call, [one.fact for one in found])}
    listed = [
        {"piece": plain(one.piece), "event": event_view(one.fact, told[id(one.fact)])}
        for one in found
        if id(one.fact) in told
    ]
    return json({"items": listed, "more": more})


def _events(
    call: Call, what: tuple[str, tuple[str, ...]], when: tuple[str, str], how: tuple[int, int | None]
) -> tuple[list[Happening], bool]:
    item, kinds = what
    return call.life.events(item, *_span(call, item, when), kinds=kinds, limit=how[0], known=how[1])


ROUTES: list[Any] = [pieces, series, events]
