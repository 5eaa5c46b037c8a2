"""Attached sources: configurations of others in files and databases, asked where they lie."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import delete, get, put
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.access import Action, Resource, ResourceKind
from gemel.configuration import Item, Node, Source, SourceStatus
from gemel.errors import InvalidInput
from gemel.server.bitemporal import answered
from gemel.server.call import Call, call_of
from gemel.server.guard import needs, speaks
from gemel.server.http import Req, decoded
from gemel.server.options import API
from gemel.server.routes.items import AT, KNOWN, moments
from gemel.server.routes.orders import person

__all__ = ["ROUTES"]

READ, CONFIGURE = needs("read"), needs("configure")


class SourceView(msgspec.Struct, frozen=True, kw_only=True):
    """A source, and whether it answers."""

    id: str
    kind: str
    lines: int
    """Items, or places of items, that it tells of."""
    error: str
    """Why it does not answer; empty: it does."""
    source: Source | None
    """As it is declared, its secret by name; null for whoever may not configure."""


def _view(call: Call, told: SourceStatus) -> SourceView:
    of = told.source
    whole = call.services.platform.gate.allows(call.who, Action.CONFIGURE, Resource(ResourceKind.PLATFORM))
    error = told.error if whole or not told.error else "it does not answer as it is declared; an engineer sees why"
    return SourceView(id=of.id, kind=of.kind, lines=told.lines, error=error, source=of if whole else None)


@get(f"{API}/sources", opt=READ, tags=["items"], summary="Attached sources, and whether they answer")
async def sources(request: Req) -> list[SourceView]:
    """Each is asked now, one after the other."""
    call = call_of(request)
    found = await call.services.slow.run(call.services.platform.configuration.sources.status)
    return [_view(call, one) for one in found]


@get(f"{API}/sources/{{source:str}}", opt=READ, tags=["items"], summary="One attached source, and whether it answers")
async def source_of(request: Req, source: FromPath[str]) -> SourceView:
    call = call_of(request)
    known = call.services.platform.configuration.sources

    def ask() -> SourceStatus:
        return known.look(known.get(source))

    return _view(call, await call.services.slow.run(ask))


@put(
    f"{API}/sources/{{source:str}}",
    opt=CONFIGURE | speaks(Source, SourceView),
    tags=["items"],
    summary="Attach a source, or tell one otherwise",
)
async def attach(request: Req, source: FromPath[str]) -> SourceView:
    """Nothing is copied: it is asked where it lies, a file below `inbox/`, or a table of a database whose address is
    in a file below the secrets. All of it is looked through once, so that what is not as told is told at once."""
    call, given = call_of(request), await decoded(request, dict[str, Any])
    if given.setdefault("id", source) != source:
        raise InvalidInput(f"the body is about {given['id']!r:.80}, the address about {source!r:.80}")
    try:
        said = msgspec.convert(given, Source)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"the body is no source: {error!s:.300}") from error
    known = call.services.platform.configuration.as_(person(call.who)).sources
    return _view(call, await call.services.slow.run(known.declare, said))


@delete(f"{API}/sources/{{source:str}}", opt=CONFIGURE, status_code=204, tags=["items"], summary="Ask a source no more")
async def remove(request: Req, source: FromPath[str]) -> None:
    """What it told is not touched: it was never taken in."""
    call = call_of(request)
    known = call.services.platform.configuration.as_(person(call.who)).sources
    await call.services.waiting.run(known.remove, source)


@get(
    f"{API}/sources/{{source:str}}/machines",
    opt=READ | speaks(None, list[Item], moments=True),
    tags=["items"],
    summary="The first machines of a source",
)
async def machines(
    request: Req,
    source: FromPath[str],
    q: Annotated[str, QueryParameter(max_length=200, description="Part of the id, the part or the serial.")] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=200, description="At most so many.")] = 20,
) -> Response[bytes]:
    """What is in nothing, by id. Which have what, `GET /configurations?source=` tells."""
    call = call_of(request)
    known = call.services.platform.configuration.sources

    def ask() -> list[Item]:
        return known.machines(known.get(source), q=q.strip(), limit=limit)

    return answered(request, await call.services.slow.run(ask))


@get(
    f"{API}/sources/{{source:str}}/tree",
    opt=READ | speaks(None, Node, moments=True),
    tags=["items"],
    summary="A machine of a source with all that it consists of",
)
async def tree(
    request: Req,
    source: FromPath[str],
    root: Annotated[str, QueryParameter(max_length=300, description="Its id in the source.")],
    at: AT = "",
    known: KNOWN = "",
) -> Response[bytes]:
    """As a tree of our own; which machines there are, `machines` tells."""
    call, when = call_of(request), moments(at, known)
    ask = call.services.platform.configuration.attached_tree

    def work() -> Node:
        return ask(source, root, when["at"], known=when["known"])

    return answered(request, await call.services.slow.run(work))


ROUTES: list[Any] = [sources, source_of, attach, remove, machines, tree]
