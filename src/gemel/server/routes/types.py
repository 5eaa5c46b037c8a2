"""Twin types and their versions."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import get, put
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.errors import InvalidInput
from gemel.server.call import call_of
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Limit, Req, change, decoded, etag, if_match, json, page_of, unchanged
from gemel.server.options import API
from gemel.twin import Page, TwinType

__all__ = ["ROUTES"]

READ = needs("read", "Fleet")
READ_ONE = needs("read", "Fleet", id_in="type_id")


@get(f"{API}/types", opt=READ, tags=["types"], summary="All twin types")
async def types(request: Req, limit: Limit = 100, cursor: Cursor = "") -> Page[TwinType]:
    call = call_of(request)
    return page_of(call, call.view.types(), limit, cursor, lambda one: one.id)


@get(f"{API}/types/{{type_id:str}}", opt=READ_ONE | speaks(None, TwinType), tags=["types"], summary="One twin type")
async def type_of(
    request: Req,
    type_id: FromPath[str],
    version: Annotated[int | None, QueryParameter(ge=1, le=10**9, description="An earlier version.")] = None,
) -> Response[bytes]:
    call = call_of(request)
    found = await call.services.reads.run(call.view.type, type_id, version)
    if unchanged(request, found.version):
        return Response(b"", status_code=304, headers=etag(found.version))
    return json(found, headers=etag(found.version))


@get(f"{API}/types/{{type_id:str}}/versions", opt=READ_ONE, tags=["types"], summary="All versions, the first one first")
async def versions(request: Req, type_id: FromPath[str]) -> Page[TwinType]:
    call = call_of(request)
    return Page(await call.services.reads.run(call.view.type_versions, type_id))


@put(
    f"{API}/types/{{type_id:str}}",
    opt=needs("configure", "TwinType", id_in="type_id") | speaks(TwinType, TwinType),
    tags=["types"],
    summary="Create a twin type, or evolve it",
)
async def put_type(request: Req, type_id: FromPath[str]) -> Response[bytes]:
    """Add, rename (the old name goes to `aliases`), deprecate or retype properties while twins live."""
    registry = call_of(request).services.platform.registry
    given = await decoded(request, dict[str, Any])
    if given.setdefault("id", type_id) != type_id:
        raise InvalidInput(f"the body is about type {given['id']!r:.80}, the address about {type_id!r:.80}")
    try:
        wanted = msgspec.convert(given, TwinType)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"the body is no twin type: {error}") from error
    new = registry.directory.type(type_id) is None
    read = if_match(request)
    await change(request, lambda tx: registry.put_type(tx, wanted, if_version=read))
    found = registry.type(type_id)
    return json(found, status=201 if new else 200, headers=etag(found.version))


ROUTES = [types, type_of, versions, put_type]
