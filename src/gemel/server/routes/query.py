"""SQL over the live fleet and its past."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import msgspec
from litestar import post
from litestar.response import Response

from gemel.errors import Denied, InvalidInput, InvalidQuery
from gemel.server.arrow import arrow, wants_arrow
from gemel.server.call import Call, call_of
from gemel.server.guard import needs, speaks
from gemel.server.http import Req, decoded, json
from gemel.server.options import API

__all__ = ["ROUTES"]

MOST_ROWS = 1_000_000


class Query(msgspec.Struct, forbid_unknown_fields=True):
    """One SELECT."""

    sql: str
    limit: int = 10_000


class ResultColumn(msgspec.Struct):
    """One column of the answer."""

    name: str
    type: str


class Rows(msgspec.Struct):
    """The answer, row by row."""

    columns: list[ResultColumn]
    rows: list[list[Any]]
    position: int


@post(
    f"{API}/query",
    opt=needs("query", "Fleet") | speaks(Query, Rows),
    status_code=200,
    tags=["query"],
    summary="One SELECT over the fleet",
)
async def query(request: Req) -> Response[bytes]:
    """Over `live.<type>`, `history.*`, `twins`, `links`; `{columns, rows, position}`, or Arrow if `Accept` says so."""
    call = call_of(request)
    given = await decoded(request, Query)
    if not 1 <= given.limit <= MOST_ROWS:
        raise InvalidInput(f"limit {given.limit} is not between 1 and {MOST_ROWS}")
    unwanted, revoked = threading.Event(), threading.Event()

    def revoke() -> None:
        revoked.set()
        unwanted.set()

    watching = asyncio.ensure_future(_gone(request, unwanted)) if call.once is None else None
    try:
        with call.services.rights.until_changed(call, call.look(), revoke):
            return await call.services.past(call, _answer, call, given, unwanted, as_arrow=wants_arrow(request))
    except InvalidQuery:
        if revoked.is_set():
            raise Denied(
                "what you may see has changed meanwhile; ask again", action="query", policy="rights-changed"
            ) from None
        raise
    finally:
        if watching is not None:
            watching.cancel()


async def _gone(request: Req, unwanted: threading.Event) -> None:
    """Say so when the caller goes. Not for requests with an Idempotency-Key: their answer is kept for later."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    unwanted.set()


def _answer(call: Call, given: Query, unwanted: threading.Event, *, as_arrow: bool) -> Response[bytes]:
    table = call.view.query(given.sql, limit=given.limit, timeout_s=call.services.options.query_s, unwanted=unwanted)
    if as_arrow:
        return arrow(table)
    rows: list[Any] = list(zip(*(column.to_pylist() for column in table.columns), strict=True)) if table.columns else []
    columns = [ResultColumn(field.name, str(field.type)) for field in table.schema]
    return json(Rows(columns, rows, call.position))


ROUTES = [query]
