"""Documents: versions with their content, which of them applies to an item, and how they are handed out safely."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from litestar import delete, get, put
from litestar.params import FromPath, QueryParameter
from litestar.response import File, Response

from gemel.configuration import Basis, Having
from gemel.errors import InvalidInput, NotFound
from gemel.server.bitemporal import answered, plain
from gemel.server.call import call_of
from gemel.server.guard import speaks
from gemel.server.http import Cursor, Limit, Req, json, onward, onward_from, time_if
from gemel.server.options import API
from gemel.server.routes.configurations import HAVING
from gemel.server.routes.items import AT, KNOWN, moments
from gemel.server.routes.thread import READ, SAY, listed, sight_of, thread_of
from gemel.thread import Applies, Document, DocumentSpec, Node, Version, Woven
from gemel.twin import Page

__all__ = ["ROUTES"]

SAFE = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "private, no-cache",
}
"""Whatever somebody handed in: a browser saves it, and carries out nothing of it (nosniff: the edge says so)."""
Reason = Annotated[str, QueryParameter(max_length=1000, description="Why.")]


@get(
    f"{API}/documents",
    opt=READ | speaks(None, Page[Document], moments=True),
    tags=["documents"],
    summary="Search documents",
)
async def documents(
    request: Req,
    q: Annotated[str, QueryParameter(max_length=200, description="Part of the id or title.")] = "",
    known: KNOWN = "",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Response[bytes]:
    """Those that are linked to what the caller sees, or apply to a part of which the caller sees an item."""
    call = call_of(request)
    thread, sight = thread_of(call), sight_of(call)
    page = await call.services.reads.run(
        thread.documents,
        q,
        known=moments("", known)["known"],
        limit=limit,
        after=int(onward_from(call, cursor) or 0),
        sight=sight,
    )
    return json(plain(onward(call, page)))


@get(
    f"{API}/documents/{{document:str}}",
    opt=READ | speaks(None, Document, moments=True),
    tags=["documents"],
    summary="One document with its versions",
)
async def document_of(request: Req, document: FromPath[str], known: KNOWN = "") -> Response[bytes]:
    """The newest version first."""
    call = call_of(request)
    thread, sight = thread_of(call), sight_of(call)
    found = await call.services.reads.run(thread.document, document, known=moments("", known)["known"], sight=sight)
    return answered(request, found)


@get(
    f"{API}/items/{{item:str}}/documents",
    opt=READ | speaks(None, list[Version], moments=True),
    tags=["documents"],
    summary="The documents that apply to an item",
)
async def valid_documents(
    request: Req,
    item: FromPath[str],
    at: AT = "",
    known: KNOWN = "",
    language: Annotated[str, QueryParameter(max_length=16, description="Only in this one, or in none.")] = "",
) -> Response[bytes]:
    """By its part and revision, the serial number of the machine that it is in, and the date; and what names it."""
    call = call_of(request)
    thread, sight = thread_of(call), sight_of(call)
    when = moments(at, known)
    found = await call.services.reads.run(
        thread.valid_documents, item, when["at"], known=when["known"], language=language, sight=sight
    )
    return answered(request, found)


@get(
    f"{API}/documents/{{document:str}}/versions/{{version:str}}/content",
    opt=READ,
    tags=["documents"],
    summary="Download a version",
)
async def content(
    request: Req,
    document: FromPath[str],
    version: FromPath[str],
    language: Annotated[str, QueryParameter(max_length=16)] = "",
    known: KNOWN = "",
) -> File:
    """Always as an attachment; the ETag is the SHA-256 of the content."""
    call = call_of(request)
    thread, sight = thread_of(call), sight_of(call)
    found = await call.services.reads.run(thread.document, document, known=moments("", known)["known"], sight=sight)
    chosen = [one for one in found.versions if one.version == version and one.language in (language, "")]
    if not chosen:
        chosen = [one for one in found.versions if one.version == version and not language]
    if not chosen:
        raise NotFound(f"there is no version {version!r:.60} of {document:.80} that is in use")
    one = chosen[0]
    path = await call.services.reads.run(thread.store.path, one.content.sha256)
    named = f"attachment; filename*=UTF-8''{quote(one.name)}"
    headers = {**SAFE, "Content-Disposition": named, "ETag": f'"{one.content.sha256}"'}
    return File(path, filename=one.name, media_type=one.content.media_type, headers=headers)


@put(
    f"{API}/documents/{{document:str}}/versions/{{version:str}}",
    opt=SAY | speaks(None, Woven),
    tags=["documents"],
    summary="Hand in a version",
)
async def hand_in(
    request: Req,
    document: FromPath[str],
    version: FromPath[str],
    kind: Annotated[
        str, QueryParameter(max_length=64, description="manual, drawing, certificate, bulletin …")
    ] = "manual",
    title: Annotated[str, QueryParameter(max_length=400)] = "",
    language: Annotated[str, QueryParameter(max_length=16, description="Like de or en-GB; empty: in none.")] = "",
    name: Annotated[str, QueryParameter(max_length=400, description="Of the file, for who downloads it.")] = "",
    phase: Annotated[
        str, QueryParameter(max_length=20, description="concept, design, manufacturing, quality, service.")
    ] = "",
    applies: Annotated[
        str,
        QueryParameter(
            max_length=8000, description='JSON: [{"part": …, "revisions": […], "serials": ["A1..A9"], "lots": […]}]'
        ),
    ] = "",
    having: HAVING = None,
    links: Annotated[
        str, QueryParameter(max_length=4000, description="What it describes, like item:pump-7; commas.")
    ] = "",
    start: Annotated[str, QueryParameter(max_length=40, description="From when on it applies, RFC 3339.")] = "",
    end: Annotated[str, QueryParameter(max_length=40, description="Until when.")] = "",
    note: Annotated[str, QueryParameter(max_length=2000)] = "",
    reason: Reason = "",
) -> Response[bytes]:
    """The body is the content, of at most 64 MB here. The version before it applies until this one begins to."""
    call = call_of(request)
    body = await request.body()
    if not body:
        raise InvalidInput("the body is empty; it is the content of the document")
    told = {
        "id": document,
        "version": version,
        "kind": kind,
        "title": title,
        "language": language,
        "name": name or document,
        "phase": phase or None,
        "note": note,
        "applies": _applies(applies),
        "having": tuple(Having.parse(one) for one in having or ()),
        "start": time_if(start),
        "end": time_if(end),
    }
    try:
        spec = msgspec.convert(told, DocumentSpec)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"the document does not fit: {error!s:.300}") from error
    nodes = [Node.parse(one) for one in listed(links)]
    thread = thread_of(call)
    done = await call.services.waiting.run(
        thread.add_document, spec, body, links=nodes, basis=Basis(source="documents", reason=reason)
    )
    call.position = max(call.position, call.services.platform.state.position)
    return json(plain(done), status=201)


def _applies(text: str) -> tuple[Applies, ...]:
    try:
        return msgspec.json.decode(text, type=tuple[Applies, ...]) if text else ()
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInput(f"applies does not fit: {error!s:.300}") from error


@delete(
    f"{API}/documents/{{document:str}}/versions/{{version:str}}",
    opt=SAY,
    status_code=200,
    tags=["documents"],
    summary="Withdraw a version",
)
async def withdraw(
    request: Req, document: FromPath[str], version: FromPath[str], reason: Reason = ""
) -> Response[bytes]:
    """It is not to be used any more; who asks as of then still finds it."""
    call = call_of(request)
    thread = thread_of(call)
    done = await call.services.waiting.run(thread.withdraw_document, document, version, basis=Basis(reason=reason))
    return json(plain(done))


ROUTES: list[Any] = [documents, document_of, valid_documents, content, hand_in, withdraw]
