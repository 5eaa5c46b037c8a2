"""SQL over the live fleet and its past."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import post
from litestar.response import Response

from gemel.errors import InvalidInput
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
    opt=needs("query") | speaks(Query, Rows),
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
    return await call.services.past(call, _answer, call, given, as_arrow=wants_arrow(request))


def _answer(call: Call, given: Query, *, as_arrow: bool) -> Response[bytes]:
    table = call.services.platform.query(given.sql, limit=given.limit)
    if as_arrow:
        return arrow(table)
    rows: list[Any] = list(zip(*(column.to_pylist() for column in table.columns), strict=True)) if table.columns else []
    columns = [ResultColumn(field.name, str(field.type)) for field in table.schema]
    return json(Rows(columns, rows, call.position))


ROUTES = [query]
