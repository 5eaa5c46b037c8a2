"""The past: a whole twin at an instant, a property over a range, its average."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa
from litestar import get
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.errors import InvalidInput, InvalidQuery
from gemel.history import Series
from gemel.server.arrow import arrow, wants_arrow
from gemel.server.call import Call, call_of
from gemel.server.csv import csv_of
from gemel.server.encode import Value, rfc3339, shown, value_then
from gemel.server.guard import needs, speaks
from gemel.server.http import ARROW, Req, json, time_or
from gemel.server.options import API
from gemel.twin import Kind

__all__ = ["END", "ROUTES", "START", "SeriesView", "interval", "series_told"]

READ_ONE = needs("read", "Twin", id_in="twin")
HOUR = 3_600_000_000
START = Annotated[str | None, QueryParameter(description="RFC 3339; an hour before the end if left out.")]
END = Annotated[str | None, QueryParameter(description="RFC 3339, not included; now if left out.")]
UNIT = Annotated[str, QueryParameter(max_length=64, description="UCUM code; the property's own if left out.")]
FORMS = ("json", "csv")
_MICROS = {"time", "start", "end"}


class AtView(msgspec.Struct):
    """A twin as it was at an instant."""

    time: str
    position: int
    values: dict[str, Value]


class AverageView(msgspec.Struct):
    """∫ value dt over the time in which it was known, divided by that time."""

    value: float | None
    unit: str
    covered_s: float
    start: str
    end: str
    position: int


class Held(msgspec.Struct):
    """A value, and when it was told (µs)."""

    time: int
    value: float | None


class SeriesView(msgspec.Struct):
    """A property over a range."""

    twin: str
    property: str
    kind: str
    unit: str
    method: str
    start: str
    end: str
    resolution_s: float
    position: int
    gaps: list[tuple[int, int]]
    before: Held | None
    """Of numbers: the value held at `start`, so that a line begins at its left edge."""
    columns: dict[str, list[Any]]


def interval(call: Call, start: str | None, end: str | None) -> tuple[int, int]:
    """[start, end) in microseconds; the last hour when nothing is said. Raises InvalidTime, InvalidQuery."""
    until = time_or(end, call.services.platform.clock.now())
    since = time_or(start, until - HOUR)
    if since >= until:
        raise InvalidQuery(f"the range ends at {rfc3339(until)}, before it starts at {rfc3339(since)}")
    return since, until


@get(f"{API}/twins/{{twin:str}}/at", opt=READ_ONE, tags=["history"], summary="The whole twin as of an instant")
async def twin_at(
    request: Req, twin: FromPath[str], time: Annotated[str, QueryParameter(description="RFC 3339.")]
) -> AtView:
    call = call_of(request)
    moment = time_or(time, 0)
    found = await call.services.past(call, call.view.at, twin, moment)
    return AtView(rfc3339(moment), call.position, {name: value_then(reading) for name, reading in found.items()})


@get(
    f"{API}/twins/{{twin:str}}/history/{{name:str}}",
    opt=READ_ONE | speaks(None, SeriesView),
    tags=["history"],
    summary="A property over a range",
)
async def history_of(
    request: Req,
    twin: FromPath[str],
    name: FromPath[str],
    start: START = None,
    end: END = None,
    points: Annotated[
        int | None, QueryParameter(ge=1, le=100_000, description="About how many; all if left out.")
    ] = None,
    method: Annotated[
        str | None, QueryParameter(max_length=20, description="minmax, mean, last, lttb, states or raw.")
    ] = None,
    unit: UNIT = "",
    form: Annotated[str, QueryParameter(name="format", max_length=20, description="json or csv.")] = "json",
) -> Response[bytes]:
    """`columns`: `time` in microseconds since the epoch with `value`, or with `min, max, mean, first, last, count`.

    Texts, enumerations, booleans and conditions come as `start, end, value`. `gaps`: nothing was known from–to.
    As CSV the columns alone, times in RFC 3339, safe to open in a spreadsheet.
    """
    call = call_of(request)
    since, until = interval(call, start, end)
    if form not in FORMS:
        raise InvalidInput(f"format {form!r:.20} is not known; use {' or '.join(FORMS)}, or Accept: {ARROW}")
    wanted = "arrow" if wants_arrow(request) else form
    return await call.services.past(call, _range, call, (twin, name), (since, until), (points, method, unit, wanted))


def _range(call: Call, what: tuple[str, str], when: tuple[int, int], how: tuple[Any, ...]) -> Response[bytes]:
    points, method, unit, form = how
    found = call.view.range(*what, *when, points=points, method=method, unit=unit)
    if form == "arrow":
        return arrow(_table(found, _about(found)))
    if form == "csv":
        return Response(csv_of(_plain(found)), media_type="text/csv; charset=utf-8")
    return json(series_told(found))


def series_told(found: Series) -> dict[str, Any]:
    """The series as JSON has it: a `SeriesView`."""
    columns = {name: _listed(column) for name, column in found.columns.items()}
    if found.kind is Kind.CONDITION:
        columns["value"] = [shown(value) for value in columns["value"]]
    return {**_about(found), "columns": columns}


def _about(found: Series) -> dict[str, Any]:
    return {
        "twin": found.twin,
        "property": found.property,
        "kind": str(found.kind),
        "unit": found.unit,
        "method": str(found.method),
        "start": rfc3339(found.start),
        "end": rfc3339(found.end),
        "resolution_s": found.resolution_s,
        "position": found.position,
        "gaps": found.gaps,
        "before": None if found.before is None else {"time": found.before[0], "value": found.before[1]},
    }


def _plain(found: Series) -> dict[str, list[Any]]:
    """The columns as a spreadsheet takes them."""
    columns = {name: _listed(column) for name, column in found.columns.items()}
    return {
        name: [rfc3339(value) for value in values] if name in _MICROS else [shown(value) for value in values]
        for name, values in columns.items()
    }


def _listed(column: Any) -> Any:
    if isinstance(column, np.ndarray | pa.Array | pa.ChunkedArray):
        return column.tolist() if isinstance(column, np.ndarray) else column.to_pylist()
    return list(column)


def _table(found: Series, about: dict[str, Any]) -> pa.Table:
    columns = {}
    for name, column in found.columns.items():
        array = column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column)
        columns[name] = array.cast(pa.timestamp("us", tz="UTC")) if name in _MICROS else array
    return pa.table(columns).replace_schema_metadata({"gemel": msgspec.json.encode(about)})


@get(
    f"{API}/twins/{{twin:str}}/history/{{name:str}}/average",
    opt=READ_ONE,
    tags=["history"],
    summary="The time-weighted average",
)
async def average(
    request: Req, twin: FromPath[str], name: FromPath[str], start: START = None, end: END = None, unit: UNIT = ""
) -> AverageView:
    """Gaps do not count; `covered_s` says for how many seconds a value was known."""
    call = call_of(request)
    since, until = interval(call, start, end)
    found = await call.services.past(call, call.view.average, twin, name, since, until, unit=unit)
    return AverageView(found.value, found.unit, found.covered_s, rfc3339(since), rfc3339(until), found.position)


ROUTES = [twin_at, history_of, average]
