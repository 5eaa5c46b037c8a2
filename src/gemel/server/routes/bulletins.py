"""Bulletins: which are in force, and how each machine that the caller sees stands to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.configuration import Basis
from gemel.errors import InvalidInput
from gemel.server.bitemporal import answered, plain, understood
from gemel.server.call import call_of
from gemel.server.csv import FORM, as_table, table
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Limit, Req, cursor_of, decoded, json, onward, onward_from
from gemel.server.options import API
from gemel.server.routes.items import AT, KNOWN, moments
from gemel.server.routes.orders import person
from gemel.server.routes.thread import READ, sight_of, thread_of
from gemel.thread import Bulletin, BulletinStanding, BulletinState, Woven
from gemel.twin import Page

__all__ = ["ROUTES"]


class BulletinMachines(msgspec.Struct, frozen=True, kw_only=True):
    """A bulletin, and some of its machines."""

    bulletin: Bulletin
    items: tuple[BulletinStanding, ...]
    next: str | None
    total: int


class NewCompliance(msgspec.Struct, forbid_unknown_fields=True):
    """That what a bulletin says was done."""

    item: str
    """The machine, or the part of it that the bulletin is about."""
    at: int | None = None
    """Left out: now."""
    version: str = ""
    """Left out: the one in force then."""
    basis: Basis = Basis()


@get(
    f"{API}/bulletins",
    opt=READ | speaks(None, Page[Bulletin], moments=True),
    tags=["documents"],
    summary="Bulletins in force, with how many machines are in which state",
)
async def bulletins(
    request: Req,
    q: Annotated[str, QueryParameter(max_length=200, description="Part of the id or title.")] = "",
    at: AT = "",
    known: KNOWN = "",
    limit: Limit = 20,
    cursor: Cursor = "",
) -> Response[bytes]:
    """Documents of kind `bulletin`. Counted are the machines that the caller sees."""
    call, when = call_of(request), moments(at, known)
    told, sight = thread_of(call).bulletins, sight_of(call)
    page = await call.services.slow.run(
        told.all, q, **when, after=onward_from(call, cursor), limit=limit, sight=sight, items=call.items
    )
    return json(plain(onward(call, page)))


@get(
    f"{API}/bulletins/{{bulletin:str}}",
    opt=READ | speaks(None, BulletinMachines, moments=True),
    tags=["documents"],
    summary="One bulletin with its machines",
)
async def bulletin_of(
    request: Req,
    bulletin: FromPath[str],
    standing: Annotated[str, QueryParameter(name="state", max_length=20, description=", ".join(BulletinState))] = "",
    form: FORM = "json",
    at: AT = "",
    known: KNOWN = "",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Response[bytes]:
    """Where it is open, where that cannot be told, where it is not needed any more and by which act, and where it was
    complied with; in this order."""
    if standing and standing not in set(BulletinState):
        raise InvalidInput(f"state={standing:.40} is none of {', '.join(BulletinState)}")
    call, when = call_of(request), moments(at, known)
    told, sight = thread_of(call).bulletins, sight_of(call)
    one, machines = await call.services.slow.run(told.get, bulletin, **when, sight=sight, items=call.items)
    chosen = [each for each in machines if standing in ("", each.state)]
    if as_table(form):
        return _table(chosen)
    start = int(onward_from(call, cursor) or 0)
    more = cursor_of(call, str(start + limit)) if len(chosen) > start + limit else None
    page = chosen[start : start + limit]
    some = tuple(await call.services.slow.run(told.with_acts, page, known=when["known"], items=call.items))
    return answered(request, BulletinMachines(bulletin=one, items=some, next=more, total=len(chosen)))


def _table(standings: Sequence[BulletinStanding]) -> Response[bytes]:
    rows = [plain(one) for one in standings]
    names = ("bulletin", "version", "machine", "part", "serial", "state", "since")
    told = [{name: row[name] for name in names} for row in rows]
    for line, one in zip(told, standings, strict=True):
        line |= {"items": ", ".join(one.items), "note": one.note}
        line["work_order"] = one.complied.work_order if one.complied else ""
    return table("bulletin", told)


@get(
    f"{API}/items/{{item:str}}/bulletins",
    opt=READ | speaks(None, list[BulletinStanding], moments=True),
    tags=["documents"],
    summary="How it stands with every bulletin at a machine",
)
async def of_item(request: Req, item: FromPath[str], at: AT = "", known: KNOWN = "") -> Response[bytes]:
    """At the machine that the item is in, itself perhaps; of a part in it, the bulletins that are about it. To whoever
    sees the machine whole."""
    call, when = call_of(request), moments(at, known)
    told, sight = thread_of(call).bulletins, sight_of(call)

    def ask() -> list[BulletinStanding]:
        call.items.require(item, when["at"], known=when["known"])
        return told.of(item, **when, sight=sight, items=call.items)

    return answered(request, await call.services.slow.run(ask))


@post(
    f"{API}/bulletins/{{bulletin:str}}/compliances",
    opt=needs("maintain") | speaks(NewCompliance, Woven, moments=True),
    tags=["documents"],
    summary="Say that a bulletin was complied with",
)
async def comply(request: Req, bulletin: FromPath[str]) -> Response[bytes]:
    """On a machine, or on the part that it is about: that keeps it wherever it goes. It was not so after all: end the
    link that says so (`complied.link`), with the reason."""
    call, given = call_of(request), understood(await decoded(request, Any), NewCompliance)
    thread = call.services.platform.thread.as_(person(call.who))
    done = await call.services.waiting.run(
        thread.bulletins.comply, bulletin, given.item, given.at, version=given.version, basis=given.basis
    )
    call.position = max(call.position, call.services.platform.state.position)
    return json(plain(done), status=201)


ROUTES: list[Any] = [bulletins, bulletin_of, of_item, comply]
