"""Effectiveness: OEE and the other key figures of ISO 22400-2, by twin, by item, by configuration and by setting."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.errors import InvalidInput
from gemel.server.bitemporal import answered, plain
from gemel.server.call import Call, call_of
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Req, json, onward, onward_from, time_or
from gemel.server.options import API
from gemel.server.routes.items import KNOWN, moments
from gemel.server.work_seen import WorkSeen
from gemel.services.effectiveness import (
    BUCKETS,
    KPIS,
    By,
    Compared,
    Declared,
    Effectiveness,
    Figures,
    Report,
    Setting,
)
from gemel.services.work import Costs
from gemel.twin import Page

__all__ = ["ROUTES"]

READ_ALL = needs("read", "Fleet")
WEEK = 7 * 24 * 3600 * 1_000_000
START = Annotated[str, QueryParameter(max_length=40, description="RFC 3339; a week before the end if left out.")]
END = Annotated[str, QueryParameter(max_length=40, description="RFC 3339, not included; now if left out.")]
BY = Annotated[str, QueryParameter(max_length=10, description=f"Also by {', '.join(BUCKETS)} of the site.")]
MACHINE = Annotated[
    list[str] | None, QueryParameter(max_items=200, description="Twins of machines; repeats; all if left out.")
]
TYPE = Annotated[str, QueryParameter(max_length=200, description="Of all twins of this type, if no machine is named.")]
TARGET = Annotated[str, QueryParameter(max_length=40, description=f"What is compared: {', '.join(KPIS)}.")]
PROPERTY = Annotated[
    str, QueryParameter(max_length=300, description="A property whose time-weighted mean is told, too: power.")
]
Name = Annotated[str, QueryParameter(max_length=300)]


class MachineFigures(msgspec.Struct):
    """One machine of an overview."""

    twin: str
    name: str
    declared: tuple[Declared, ...]
    figures: Figures
    cost: Costs | None


def _room(call: Call) -> Effectiveness:
    return call.services.platform.effectiveness.as_seen(call.view, prices=WorkSeen(call).price)


def _span(call: Call, start: str, end: str) -> tuple[int, int]:
    until = time_or(end, call.services.platform.clock.now())
    return time_or(start, until - WEEK), until


@get(
    f"{API}/twins/{{twin:str}}/effectiveness",
    opt=needs("read", "Twin", id_in="twin") | speaks(None, Report, moments=True),
    tags=["effectiveness"],
    summary="How effectively a machine was used: OEE and its factors",
)
async def of_twin(request: Req, twin: FromPath[str], start: START = "", end: END = "", by: BY = "") -> Response[bytes]:
    """What is not known says what is missing. 404 with `declared: false` where its type says nothing about it."""
    call = call_of(request)
    span = _span(call, start, end)
    found = await call.services.past(call, lambda: _room(call).of(twin, *span, by=by))
    return json(plain(found))


@get(
    f"{API}/items/{{item:str}}/effectiveness",
    opt=READ_ALL | speaks(None, Report, moments=True),
    tags=["effectiveness"],
    summary="How effectively the machines were used that an item was in, while it was in them",
)
async def of_item(
    request: Req, item: FromPath[str], start: START = "", end: END = "", by: BY = "", known: KNOWN = ""
) -> Response[bytes]:
    """`stays` one by one; their sums are the total's."""
    call = call_of(request)
    span, believed = _span(call, start, end), moments("", known)["known"]
    found = await call.services.past(call, lambda: _room(call).of_item(item, *span, by=by, known=believed))
    return json(plain(found))


@get(
    f"{API}/effectiveness",
    opt=READ_ALL | speaks(None, Page[MachineFigures], moments=True),
    tags=["effectiveness"],
    summary="All machines whose type says from what their effectiveness is told",
)
async def machines(
    request: Req,
    start: START = "",
    end: END = "",
    type: Annotated[str, QueryParameter(max_length=200)] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 20,
    cursor: Cursor = "",
) -> Response[bytes]:
    """In order of their ids; each over the whole interval."""
    call = call_of(request)
    span, last = _span(call, start, end), onward_from(call, cursor)

    def ask() -> Page[MachineFigures]:
        room = _room(call)
        left = [one for one in room.machines(type) if one > last]
        some = left[:limit]
        told = []
        for id in some:
            report = room.of(id, *span)
            told.append(MachineFigures(id, call.view.twin(id).name, report.declared, report.total, report.cost))
        return onward(call, Page(told, some[-1] if len(left) > limit else None))

    page = await call.services.past(call, ask)
    return json({"items": plain(page.items), "next": page.next})


@get(
    f"{API}/effectiveness/configurations",
    opt=READ_ALL | speaks(None, Compared, moments=True),
    tags=["effectiveness"],
    summary="Performance by configuration: machines grouped by what was in them",
)
async def configurations(
    request: Req,
    slot: Annotated[str, QueryParameter(max_length=300, description="spindle, head.spindle, controller.plc")] = "",
    part: Annotated[str, QueryParameter(max_length=200, description="A part or software, wherever it is.")] = "",
    items: Annotated[bool, QueryParameter(description="By single item, not by part and revision.")] = False,
    machine: MACHINE = None,
    type: TYPE = "",
    start: START = "",
    end: END = "",
    target: TARGET = "oee",
    property: PROPERTY = "",
    known: KNOWN = "",
) -> Response[bytes]:
    """By `slot` or by `part`. The group with the most hours comes first; the others tell how they differ from it."""
    call = call_of(request)
    by = By(slot=slot, part=part, items=items, property=property, target=target)
    span, believed = _span(call, start, end), moments("", known)["known"]

    def ask() -> Compared:
        room = _room(call)
        return room.compare(_named(room, machine, type), *span, by=by, known=believed)

    return answered(request, await call.services.past(call, ask))


@get(
    f"{API}/effectiveness/settings",
    opt=READ_ALL | speaks(None, Compared, moments=True),
    tags=["effectiveness"],
    summary="Which settings went with the best figures",
)
async def settings(
    request: Req,
    setting: Annotated[list[Name] | None, QueryParameter(description="A property: feed_override; up to three.")] = None,
    bins: Annotated[int, QueryParameter(ge=2, le=20, description="Groups that a number is cut into.")] = 4,
    machine: MACHINE = None,
    type: TYPE = "",
    start: START = "",
    end: END = "",
    target: TARGET = "oee",
    property: PROPERTY = "",
) -> Response[bytes]:
    """The best group first. What was observed is not what was tried: see `warnings`."""
    call = call_of(request)
    if not setting:
        raise InvalidInput("say by which property to group: setting=feed_override")
    asked = Setting(properties=tuple(setting), bins=bins, property=property, target=target)
    span = _span(call, start, end)

    def ask() -> Compared:
        room = _room(call)
        return room.settings(_named(room, machine, type), *span, setting=asked)

    return answered(request, await call.services.past(call, ask))


def _named(room: Effectiveness, machine: list[str] | None, type_id: str) -> list[str]:
    return machine or room.machines(type_id)


ROUTES: list[Any] = [of_twin, of_item, machines, configurations, settings]
