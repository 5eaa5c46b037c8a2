"""OData: tables for Excel, Power BI and other tools that read. Read only, by the same rights as all else."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlencode

import msgspec
from litestar import Request, get
from litestar.params import FromPath
from litestar.response import Response

from gemel.errors import InvalidQuery, NotFound, UnknownTwin
from gemel.server.call import Call, call_of
from gemel.server.encode import dumps, rfc3339
from gemel.server.guard import needs
from gemel.server.http import Req, cursor_of, place_of
from gemel.server.odata import PAGE, SETS, Asked, EntitySet, asked_of, metadata, service
from gemel.server.odata.model import MOMENT
from gemel.server.odata.rows import count_of, rows_of
from gemel.server.options import API
from gemel.server.problems import told

__all__ = ["ODATA", "ROUTES"]

ODATA = f"{API}/odata"
_VERSION = {"OData-Version": "4.0"}


def _refused(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Errors as OData has them: {error: {code, message}}. OData JSON Format 4.01, 21.1."""
    status, headers, body = told(error, request.scope["path"])
    problem = msgspec.json.decode(body, type=dict[str, Any])
    kept = {
        name.decode(): value.decode() for name, value in headers if name not in (b"content-length", b"content-type")
    }
    shown = dumps({"error": {"code": problem["code"], "message": problem["detail"]}})
    return Response(shown, status_code=status, headers={**kept, **_VERSION}, media_type="application/json")


_OPT: dict[str, Any] = {"tags": ["odata"], "exception_handlers": {Exception: _refused}}


@get(ODATA, opt=needs("read", "Fleet"), summary="OData: the tables there are", **_OPT)
async def odata(request: Req) -> Response[bytes]:
    return _json(service(_root(request)))


@get(f"{ODATA}/$metadata", opt=needs("read", "Fleet"), summary="OData: their columns, as CSDL", **_OPT)
async def odata_metadata() -> Response[bytes]:
    return Response(metadata(), media_type="application/xml", headers=_VERSION)


@get(f"{ODATA}/{{name:str}}", opt=needs("read", "Fleet"), summary="OData: rows of a table", **_OPT)
async def odata_rows(request: Req, name: FromPath[str]) -> Response[bytes]:
    """Twins, Now, Readings or Events. `$filter` (eq, ne, gt, ge, lt, le, and, or, not, contains, startswith, endswith),
    `$select`, `$top`, `$skip`, `$count`, `$orderby`; further rows are at `@odata.nextLink`.
    """
    call = call_of(request)
    set_name, key = _named(name)
    found = _set(set_name)
    asked = asked_of(_query(request), found)
    if key is not None:
        return _json(await call.services.past(call, _one, call, found, key, _root(request)))
    return _json(await call.services.past(call, _page, call, found, asked, (_root(request), _query(request))))


@get(f"{ODATA}/{{name:str}}/$count", opt=needs("read", "Fleet"), summary="OData: how many rows", **_OPT)
async def odata_count(request: Req, name: FromPath[str]) -> Response[bytes]:
    call = call_of(request)
    found = _set(name)
    number = await call.services.past(call, count_of, name, call, asked_of(_query(request), found))
    return Response(str(number).encode(), media_type="text/plain", headers=_VERSION)


def _page(call: Call, of: EntitySet, asked: Asked, at: tuple[str, dict[str, str]]) -> dict[str, Any]:
    """One page; `at`: the address of the service, and the query as it was asked."""
    root, query = at
    most = PAGE if asked.top is None else min(asked.top, PAGE)
    place = place_of(call, asked.token, list[Any]) or []
    rows: list[dict[str, Any]] = []
    left, more = asked.skip, False
    for row, after in rows_of(of.name, call, asked, place) if most else ():
        if left:
            left -= 1
            continue
        if len(rows) == most:
            more = asked.top is None or asked.top > most
            break
        rows.append(_shown(row, asked.columns, of))
        place = after
    answer: dict[str, Any] = {"@odata.context": _context(root, of, asked)}
    if asked.count:
        answer["@odata.count"] = count_of(of.name, call, asked)
    answer["value"] = rows
    if more:
        kept = {name: value for name, value in query.items() if name not in ("$skip", "$skiptoken", "$top", "$count")}
        if asked.top is not None:
            kept["$top"] = str(asked.top - most)
        answer["@odata.nextLink"] = f"{root}/{of.name}?{urlencode({**kept, '$skiptoken': cursor_of(call, *place)})}"
    return answer


def _one(call: Call, of: EntitySet, key: str, root: str) -> dict[str, Any]:
    """The row with a key: Twins('press-7')."""
    if of.name != "Twins":
        raise NotFound(f"{of.name} has no address for one row; use $filter")
    asked = asked_of({"$filter": f"Id eq {key}"}, of)
    for row, _ in rows_of(of.name, call, asked, []):
        return {"@odata.context": f"{_context(root, of, asked)}/$entity", **_shown(row, asked.columns, of)}
    raise UnknownTwin(f"there is no twin {key:.130}")


def _shown(row: dict[str, Any], columns: tuple[str, ...], of: EntitySet) -> dict[str, Any]:
    return {
        name: rfc3339(row[name]) if of.columns[name] == MOMENT and row[name] is not None else row[name]
        for name in columns
    }


def _context(root: str, of: EntitySet, asked: Asked) -> str:
    chosen = f"({','.join(asked.columns)})" if asked.selected else ""
    return f"{root}/$metadata#{of.name}{chosen}"


def _named(text: str) -> tuple[str, str | None]:
    """`Twins('press-7')` → Twins, 'press-7'."""
    name, bracket, key = text.partition("(")
    if not bracket:
        return name, None
    if not key.endswith(")"):
        raise InvalidQuery(f"{text:.100} lacks a closing bracket")
    return name, unquote(key[:-1])


def _set(name: str) -> EntitySet:
    if name not in SETS:
        raise NotFound(f"there is no table {name!r:.60}; there are {', '.join(SETS)}")
    return SETS[name]


def _query(request: Req) -> dict[str, str]:
    return {name: values[-1] for name, values in request.query_params.dict().items()}


def _root(request: Req) -> str:
    """The address that the caller knows; behind a proxy it is one of the origins that the operator named."""
    known = str(request.base_url).rstrip("/")
    host = known.partition("//")[2]
    public = (one for one in call_of(request).services.options.origins if one.partition("//")[2] == host)
    return next(public, known) + ODATA


def _json(value: Any) -> Response[bytes]:
    return Response(dumps(value), media_type="application/json;odata.metadata=minimal", headers=_VERSION)


ROUTES = [odata, odata_metadata, odata_count, odata_rows]
