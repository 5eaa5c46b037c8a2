"""Which gaps of configurations threaten operation: of one machine, and of all that who asks sees."""

from __future__ import annotations

from bisect import bisect_right
from contextlib import suppress
from typing import Any

import msgspec
from litestar import get
from litestar.params import FromPath
from litestar.response import Response

from gemel.configuration import (
    FleetSeen,
    Gravity,
    Item,
    ItemKind,
    ItemQuery,
    Looked,
    MachineSeen,
    SoftwareState,
    Threat,
    worst_first,
)
from gemel.errors import Denied, NotFound
from gemel.server.bitemporal import answered, plain
from gemel.server.call import Call, call_of
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Limit, Req, json, onward, onward_from
from gemel.server.options import API
from gemel.server.routes.configurations import of_machine, viewed_by
from gemel.server.routes.items import AT, KNOWN, Times, moments
from gemel.twin import Page, PropertyGroup

__all__ = ["ROUTES"]

READ = needs("read", "Fleet")
_LOOKED_AT = 1_000
"""Machines that are looked at for one answer."""
_SOFTWARE = {SoftwareState.FORBIDDEN: Gravity.STOPS, SoftwareState.BEHIND: Gravity.THREATENS}


class Threatened(msgspec.Struct, frozen=True, kw_only=True):
    """A machine with its gaps, the gravest first."""

    item: str
    part: str
    serial: str
    threats: tuple[Threat, ...]


@get(
    f"{API}/items/{{item:str}}/threats",
    opt=READ | speaks(None, list[Threat], moments=True),
    tags=["items"],
    summary="Which gaps of its configuration threaten operation",
)
async def of_item(request: Req, item: FromPath[str], at: AT = "", known: KNOWN = "") -> Response[bytes]:
    """What is not safe, wrong, worn out, missing or not known, the gravest first. To holders of a view what is worn out
    of what that is of, and the rest where all that is in it is shared."""
    call, when = call_of(request), moments(at, known)

    def whole() -> list[Threat]:
        call.items.require(item, when["at"], known=when["known"])
        found = call.items.item(item, when["at"], known=when["known"]).item
        looked = call.services.platform.software.look_all([found.twin] if found.twin else [], **when)
        return _threats(call, found, when, looked.get(item))

    def ask() -> list[Threat]:
        return call.items.first(whole, lambda one: viewed_by(call, one, "threats", item, when))

    return answered(request, await call.services.reads.run(ask))


@get(
    f"{API}/threats",
    opt=READ | speaks(None, Page[Threatened], moments=True),
    tags=["items"],
    summary="Machines whose configuration has gaps that threaten operation",
)
async def threats(request: Req, limit: Limit = 100, cursor: Cursor = "") -> Response[bytes]:
    """In the order of their ids. An answer may have fewer machines than were asked for, and still a cursor."""
    call = call_of(request)
    ask = _page if call.items.everything else _seen_page
    page = await call.services.slow.run(ask, call, onward_from(call, cursor), limit)
    return json(plain(onward(call, page)))


def _page(call: Call, after: str, limit: int) -> Page[Threatened]:
    found: list[Threatened] = []
    looked, now = 0, Times(at=None, known=None)
    while True:
        listed = call.items.search(ItemQuery(loose=True, after=after, limit=200))
        machines = [one.item for one in listed.items if one.item.kind is not ItemKind.LOCATION]
        software = call.services.platform.software.look_all([one.twin for one in machines if one.twin])
        for item in machines:
            if len(found) == limit or looked == _LOOKED_AT:
                return Page(found, after)
            after, looked = item.id, looked + 1
            try:
                told = _threats(call, item, now, software.get(item.id))
            except NotFound:
                continue
            if told:
                found.append(Threatened(item=item.id, part=item.part, serial=item.serial, threats=tuple(told)))
        if listed.next is None:
            return Page(found, None)
        after = listed.next


def _seen_page(call: Call, after: str, limit: int) -> Page[Threatened]:
    """By the names that machines have for who asks; what is not seen is as if it were not there."""
    machines = FleetSeen(call.items, of_machine(call)).machines()
    first = bisect_right(machines, after, key=lambda one: one[0].name)
    found: list[Threatened] = []
    now = Times(at=None, known=None)
    for machine, view in machines[first : first + _LOOKED_AT]:
        if len(found) == limit:
            return Page(found, after)
        after = machine.name
        with suppress(NotFound, Denied):
            if view is None:
                item = call.items.item(machine.name).item
                looked = call.services.platform.software.look_all([item.twin] if item.twin else [])
                told = _threats(call, item, now, looked.get(item.id))
            else:
                told = viewed_by(call, view, "threats", machine.name, now)
            if told:
                found.append(
                    Threatened(item=machine.name, part=machine.part, serial=machine.serial, threats=tuple(told))
                )
    return Page(found, after if len(machines) > first + _LOOKED_AT else None)


def _threats(call: Call, item: Item, when: Times, software: Looked | None) -> list[Threat]:
    at, known = when["at"], when["known"]
    usage = call.items.everything or call.items.sees(item.id, at, known=known, group=PropertyGroup.USAGE)
    found = MachineSeen(call.items, of_machine(call)).threats(item.id, at, known=known, usage=usage)
    for one in () if software is None else software.standings:
        if one.state in _SOFTWARE:
            text = "; ".join(one.reasons) or f"{one.module.part} {one.module.version} is {one.state}"
            slot = "/".join(one.module.path)
            gravity = _SOFTWARE[one.state]
            found.append(Threat(gravity=gravity, kind="software", slot=slot, item=one.module.item, text=text))
    return worst_first(found)


ROUTES: list[Any] = [of_item, threats]
