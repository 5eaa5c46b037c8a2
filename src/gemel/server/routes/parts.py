"""The parts book: what part types are, in which order their revisions come, what may be in their slots."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import get, put
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.configuration import PartsDocument, PartsPlan, PartType, WhereUsed, parse_parts, parts_schema, parts_yaml
from gemel.errors import InvalidInput, NotFound, RevisionConflict
from gemel.server.bitemporal import answered
from gemel.server.call import Call, call_of
from gemel.server.encode import rfc3339
from gemel.server.guard import PUBLIC, needs, speaks
from gemel.server.http import Cursor, Limit, Req, if_match, json, page_of
from gemel.server.options import API
from gemel.server.routes.items import KNOWN, moments
from gemel.server.routes.orders import person
from gemel.twin import Page

__all__ = ["ROUTES"]

READ = needs("read", "TwinType")
Maker = Annotated[str, QueryParameter(max_length=128, description="Of this maker, where several use the number.")]


class PartsPlanView(msgspec.Struct):
    """The difference between the document and the book."""

    dry_run: bool
    empty: bool
    steps: list[Any]
    """`{action: create|change|remove, what, id, fields: [{field, before, after}]}`."""
    text: str
    """For people."""
    position: int
    revision: int
    """Of the book that the document was compared with; handed back in If-Match, just this difference is applied."""


class PartState(msgspec.Struct):
    """A part as it was declared for a time."""

    since: str
    part: PartType


@get(f"{API}/parts", opt=READ | speaks(None, Page[PartType]), tags=["parts"], summary="Parts of the book")
async def parts(
    request: Req,
    q: Annotated[str, QueryParameter(max_length=200, description="Part of the number, the name or the maker.")] = "",
    known: KNOWN = "",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Response[bytes]:
    call = call_of(request)
    book = call.services.platform.configuration.parts
    found = await call.services.reads.run(book.all, q, known=moments("", known)["known"])
    return json(page_of(call, found, limit, cursor, lambda part: f"{part.part}\x00{part.maker}"))


@get(
    f"{API}/parts.yaml",
    opt=READ,
    tags=["parts"],
    summary="The book as the document that PUT /parts takes",
)
async def parts_document(
    request: Req,
    part: Annotated[str, QueryParameter(max_length=128, description="Only this part number, of all makers.")] = "",
    known: KNOWN = "",
) -> Response[bytes]:
    """Without what is as by default. Comments of a document that was applied are not kept."""
    call = call_of(request)
    text = await call.services.reads.run(_document, call, part, moments("", known)["known"])
    headers = {"Content-Disposition": 'attachment; filename="parts.yaml"', "Cache-Control": "no-store"}
    return Response(text.encode(), media_type="application/yaml", headers=headers)


def _document(call: Call, part: str, known: int | None) -> str:
    found = call.services.platform.configuration.parts.all(known=known)
    chosen = [one for one in found if not part or one.part == part]
    if part and not chosen:
        raise NotFound(f"the parts book has no part {part!r:.80}")
    return parts_yaml(chosen)


@put(
    f"{API}/parts",
    opt=needs("configure", "TwinType") | speaks(PartsDocument),
    status_code=200,
    tags=["parts"],
    summary="Make the book as a parts document says, in YAML or JSON",
)
async def put_parts(
    request: Req,
    dry_run: Annotated[bool, QueryParameter(description="Only show the difference.")] = False,
    prune: Annotated[bool, QueryParameter(description="Take out what the document does not have.")] = False,
) -> PartsPlanView:
    """All of it or nothing. What was declared before stays known: every question can be asked as of then.

    With If-Match it is refused (412) when the book is not at that revision any more.
    """
    call, body = call_of(request), await request.body()
    if not body.strip():
        raise InvalidInput("the body is empty; send a parts document, in YAML or JSON")
    wanted = if_match(request)
    plan = await call.services.waiting.run(_apply, call, body, wanted, dry_run=dry_run, prune=prune)
    call.position = max(call.position, call.services.platform.state.position)
    steps = msgspec.to_builtins(plan.steps, enc_hook=str)
    return PartsPlanView(dry_run, not plan.steps, steps, str(plan), call.position, plan.revision)


def _apply(call: Call, body: bytes, wanted: int | None, *, dry_run: bool, prune: bool) -> PartsPlan:
    book = call.services.platform.configuration.parts.as_(person(call.who))
    plan = book.plan(parse_parts(body, "body"), prune=prune)
    if wanted is not None and wanted != plan.revision:
        text = f"the parts book is at revision {plan.revision}, not {wanted}; look at the difference again and retry"
        raise RevisionConflict(text)
    if not dry_run:
        book.apply(plan)
    return plan


@get(f"{API}/parts/{{part:str}}", opt=READ | speaks(None, PartType), tags=["parts"], summary="One part")
async def part_of(request: Req, part: FromPath[str], maker: Maker = "", known: KNOWN = "") -> Response[bytes]:
    call = call_of(request)
    book = call.services.platform.configuration.parts
    found = await call.services.reads.run(book.part, part, maker, known=moments("", known)["known"])
    return answered(request, msgspec.to_builtins(found))


@get(
    f"{API}/parts/{{part:str}}/states",
    opt=READ | speaks(None, list[PartState]),
    tags=["parts"],
    summary="As it was declared, from when on",
)
async def states(request: Req, part: FromPath[str], maker: Maker = "") -> Response[bytes]:
    call = call_of(request)
    book = call.services.platform.configuration.parts
    found = await call.services.reads.run(book.states, part, maker)
    return json([PartState(rfc3339(since), one) for since, one in found])


@get(
    f"{API}/parts/{{part:str}}/where-used",
    opt=READ | speaks(None, list[WhereUsed]),
    tags=["parts"],
    summary="The slots that it may be in, by the book",
)
async def where_used(request: Req, part: FromPath[str], known: KNOWN = "") -> Response[bytes]:
    call = call_of(request)
    book = call.services.platform.configuration.parts
    found = await call.services.reads.run(book.where_used, part, known=moments("", known)["known"])
    return answered(request, found)


@get(f"{API}/schemas/parts.json", opt=PUBLIC, sync_to_thread=False, tags=["parts"], summary="JSON Schema of the book")
def schema() -> dict[str, Any]:
    return parts_schema()


ROUTES: list[Any] = [parts, parts_document, put_parts, part_of, states, where_used, schema]
