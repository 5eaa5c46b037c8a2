"""Items: which part, where it is and was, what it consists of, as of two moments."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import get
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.configuration import Act, Count, Difference, ItemFound, ItemKind, ItemQuery, Node, Placement, Stay
from gemel.errors import InvalidInput
from gemel.server.bitemporal import answered, plain
from gemel.server.call import Call, call_of
from gemel.server.guard import needs, speaks
from gemel.server.holders import may_maintain
from gemel.server.http import Cursor, Limit, Req, json, onward, onward_from, time_if, time_or
from gemel.server.options import API
from gemel.twin import Page

__all__ = ["AT", "KNOWN", "ROUTES", "Times", "moments"]

READ = needs("read", "Fleet")
"""An item is asked for once its place is known: whoever sees the twin of the machine that it is in sees it."""
AT = Annotated[str, QueryParameter(max_length=40, description="As it was then, RFC 3339; now if left out.")]
KNOWN = Annotated[str, QueryParameter(max_length=40, description="As it was believed then, RFC 3339; now if left out.")]
Text = Annotated[str, QueryParameter(max_length=200)]
Times = dict[str, int | None]


class ItemAnswer(ItemFound, frozen=True, kw_only=True):
    """One item, and what the caller may do."""

    may: bool
    """Say what is done to it, and to what is in it."""


def moments(at: str, known: str) -> Times:
    """Both moments of a question; None: now. Raises InvalidTime."""
    return {"at": time_if(at), "known": time_if(known)}


@get(f"{API}/items", opt=READ | speaks(None, Page[ItemFound], moments=True), tags=["items"], summary="Search items")
async def items(
    request: Req,
    q: Annotated[
        str, QueryParameter(max_length=200, description="Part of the id, another name, part, serial, maker or lot.")
    ] = "",
    part: Text = "",
    maker: Text = "",
    serial: Text = "",
    lot: Text = "",
    revision: Text = "",
    kind: Annotated[str, QueryParameter(max_length=40, description=", ".join(ItemKind))] = "",
    twin: Annotated[str, QueryParameter(max_length=200, description="Whose live face this twin is.")] = "",
    root: Annotated[str, QueryParameter(max_length=200, description="Only what this item consists of.")] = "",
    loose: Annotated[bool, QueryParameter(description="Only what is in nothing: machines, stores, spares.")] = False,
    retired: Annotated[bool, QueryParameter(description="Also retired ones.")] = False,
    at: AT = "",
    known: KNOWN = "",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Response[bytes]:
    """All that is given must hold; items come in order of their ids, each with where it is."""
    call = call_of(request)
    query = ItemQuery(
        q=q,
        part=part,
        maker=maker,
        serial=serial,
        lot=lot,
        revision=revision,
        kind=_kind(kind),
        twin=twin,
        root=root,
        loose=loose,
        retired=retired,
        limit=limit,
        after=onward_from(call, cursor),
    )
    page = await call.services.reads.run(call.items.search, query, **moments(at, known))
    return json(plain(onward(call, page)))


def _kind(text: str) -> ItemKind | None:
    if text and text not in set(ItemKind):
        raise InvalidInput(f"kind={text:.40} is none of {', '.join(ItemKind)}")
    return ItemKind(text) if text else None


@get(
    f"{API}/items/{{item:str}}",
    opt=READ | speaks(None, ItemAnswer, moments=True),
    tags=["items"],
    summary="One item, and where it is",
)
async def item_of(request: Req, item: FromPath[str], at: AT = "", known: KNOWN = "") -> Response[bytes]:
    """Of one that is not seen any more: as it was when it last was."""
    call = call_of(request)
    when = moments(at, known)

    def ask() -> ItemAnswer:
        found = call.items.item(item, **when)
        told = {name: getattr(found, name) for name in ItemFound.__struct_fields__}
        return ItemAnswer(**told, may=may_maintain(call, item))

    return answered(request, await call.services.reads.run(ask))


@get(
    f"{API}/items/{{item:str}}/tree",
    opt=READ | speaks(None, Node, moments=True),
    tags=["items"],
    summary="What it consists of",
)
async def tree(
    request: Req,
    item: FromPath[str],
    at: AT = "",
    known: KNOWN = "",
    plans: Annotated[bool, QueryParameter(description="Marked with what is planned, where nothing is hidden.")] = False,
) -> Response[bytes]:
    """`path`: the slots from this item down."""
    call, when = call_of(request), moments(at, known)
    if not (plans and call.items.everything):
        return answered(request, await call.services.reads.run(call.items.tree, item, **when))
    asked = call.services.platform.configuration.tree
    return answered(request, await call.services.reads.run(asked, item, when["at"], known=when["known"], plans=True))


@get(
    f"{API}/items/{{item:str}}/history",
    opt=READ | speaks(None, list[Placement], moments=True),
    tags=["items"],
    summary="Where it has been",
)
async def history(request: Req, item: FromPath[str], known: KNOWN = "") -> Response[bytes]:
    """In which slot of what, from–to, and by which acts; without a parent: elsewhere."""
    call = call_of(request)
    believed = moments("", known)["known"]
    return answered(request, await call.services.reads.run(call.items.history, item, known=believed))


@get(
    f"{API}/items/{{item:str}}/stays",
    opt=READ | speaks(None, list[Stay], moments=True),
    tags=["items"],
    summary="In which machines it has been",
)
async def stays(
    request: Req,
    item: FromPath[str],
    start: Annotated[str, QueryParameter(max_length=40, description="RFC 3339; left out: from its beginning.")] = "",
    end: Annotated[str, QueryParameter(max_length=40, description="RFC 3339; left out: now.")] = "",
    known: KNOWN = "",
) -> Response[bytes]:
    """Through all parents, up to the machine or store; without a root: elsewhere."""
    call = call_of(request)
    believed = moments("", known)["known"]
    span = await call.services.reads.run(_span, call, item, start, end)
    return answered(request, await call.services.reads.run(call.items.stays, item, *span, known=believed))


def _span(call: Call, item: str, start: str, end: str) -> tuple[int, int]:
    until = time_or(end, call.services.platform.clock.now())
    told = time_if(start)
    return (call.items.item(item).item.born if told is None else told), until


@get(
    f"{API}/items/{{item:str}}/acts",
    opt=READ | speaks(None, list[Act], moments=True),
    tags=["items"],
    summary="Who said what of it",
)
async def acts(
    request: Req,
    item: FromPath[str],
    known: KNOWN = "",
    inside: Annotated[bool, QueryParameter(description="Also of what it consists of now.")] = False,
) -> Response[bytes]:
    """In the order in which it became known; `operation` is all that was said."""
    call = call_of(request)
    believed = moments("", known)["known"]
    return answered(request, await call.services.reads.run(call.items.acts, item, known=believed, inside=inside))


@get(
    f"{API}/items/{{item:str}}/counters",
    opt=READ | speaks(None, dict[str, Count], moments=True),
    tags=["items"],
    summary="How much it was used",
)
async def counters(request: Req, item: FromPath[str], at: AT = "", known: KNOWN = "") -> Response[bytes]:
    """By kind: its adjustments, and what was told of it or of whatever it was in, for as long as it was."""
    call = call_of(request)
    return answered(request, await call.services.reads.run(call.items.counters, item, **moments(at, known)))


@get(
    f"{API}/items/{{item:str}}/compare",
    opt=READ | speaks(None, list[Difference], moments=True),
    tags=["items"],
    summary="What differs between two machines, moments or beliefs",
)
async def compare(
    request: Req,
    item: FromPath[str],
    other: Annotated[str, QueryParameter(name="with", max_length=200, description="Left out: the same item.")] = "",
    at: AT = "",
    known: KNOWN = "",
    with_at: Annotated[str, QueryParameter(max_length=40, description="As the other was then.")] = "",
    with_known: Annotated[str, QueryParameter(max_length=40, description="As the other was believed then.")] = "",
) -> Response[bytes]:
    """Slots that hold other items, or the same at another revision: `before` is of this item, `after` of the other."""
    call = call_of(request)
    one, two = moments(at, known), moments(with_at, with_known)
    found = await call.services.reads.run(_compared, call, (item, one), (other or item, two))
    return answered(request, found)


def _compared(call: Call, one: tuple[str, Times], two: tuple[str, Times]) -> list[Difference]:
    (this, then), (other, when) = one, two
    return call.items.difference((this, then["at"], then["known"]), (other, when["at"], when["known"]))


ROUTES: list[Any] = [items, item_of, tree, history, stays, acts, counters, compare]
