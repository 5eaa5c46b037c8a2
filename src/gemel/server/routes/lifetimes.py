"""How long items live: their lives as a table, models learnt from it, what is expected of each, and if it came true."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import pyarrow as pa
from litestar import get, post
from litestar.params import FromPath, QueryParameter
from litestar.response import Response
from pyarrow import ipc
from pyarrow import parquet as pq

from gemel.errors import InvalidInput
from gemel.health.lifetimes import (
    CALENDAR,
    Asked,
    Calibration,
    Compared,
    Draft,
    Failures,
    Model,
    Prediction,
    Recorded,
    Risks,
)
from gemel.server.bitemporal import answered, plain
from gemel.server.call import call_of
from gemel.server.csv import csv_of
from gemel.server.encode import rfc3339_or_none
from gemel.server.guard import needs, speaks
from gemel.server.http import ARROW, Limit, Req, decoded, json, time_if
from gemel.server.lifetimes_seen import LifetimesSeen
from gemel.server.options import API
from gemel.server.routes.items import AT, KNOWN, moments
from gemel.server.routes.jobs import JobView, job_view

__all__ = ["ROUTES"]

READ = needs("read", "Fleet")
MODELS = needs("read")
"""Models tell of all lives, so no grant gives them."""
QUICK_S = 2.0
MOST = 10_000
"""Rows of one JSON answer; files have all."""
FORMATS = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet", "arrow": ARROW}
MODEL = Annotated[str, QueryParameter(max_length=64, description="Its name; the newest that fits if left out.")]
MORE = Annotated[
    float | None, QueryParameter(gt=0, description="So much use from now on; the model's horizon if left out.")
]


class LivesPage(msgspec.Struct):
    """Lives as JSON; as a file there are all of them."""

    items: list[dict[str, Any]]
    total: int


class ModelBrief(msgspec.Struct):
    """A model in a list."""

    id: str
    version: int
    asked: Asked
    horizon: float
    trained: int
    lives: int
    failures: int
    uses: str
    why: str
    compared: Compared | None


class RecordedView(msgspec.Struct):
    """How many predictions were kept."""

    recorded: int


@get(
    f"{API}/lifetimes/lives",
    opt=needs("export", "Fleet") | speaks(None, LivesPage, moments=True),
    tags=["lifetimes"],
    summary="The table that predictive maintenance needs",
)
async def lives(
    request: Req,
    part: Annotated[list[str], QueryParameter(description="Part numbers; may repeat.")],
    counter: Annotated[
        str, QueryParameter(max_length=64, description="hours, cycles …; days by the calendar.")
    ] = "days",
    event: Annotated[list[str] | None, QueryParameter(description="Events that say it failed; may repeat.")] = None,
    condition: Annotated[
        list[str] | None, QueryParameter(description="Conditions whose faults do; may repeat.")
    ] = None,
    changing: Annotated[bool, QueryParameter(description="A row for each time in which nothing changed.")] = False,
    at: AT = "",
    known: KNOWN = "",
    form: Annotated[
        str, QueryParameter(name="format", max_length=20, description="json, csv, parquet or arrow.")
    ] = "json",
) -> Response[bytes]:
    """One row a life: what the item was, what it was in, its counter at both ends, and how it ended. Only lives that
    may be seen from end to end. Asked as of the same two moments, it is the same for ever."""
    if form != "json" and form not in FORMATS:
        raise InvalidInput(f"format {form!r:.20} is not known; use json, {', '.join(FORMATS)}")
    call = call_of(request)
    failures = Failures(events=tuple(event or ()), conditions=tuple(condition or ()))
    asked = Asked(parts=tuple(part), counter=counter or CALENDAR, failures=failures)
    when, seen = moments(at, known), LifetimesSeen(call)
    table = await call.services.past(call, seen.table, asked, changing=changing, when=when)
    if form == "json":
        rows = [row | _moments_of(row) for row in table.slice(0, MOST).to_pylist()]
        return json({"items": plain(rows), "total": table.num_rows})
    body = await call.services.reads.run(_written, table, form)
    headers = {"Content-Disposition": f'attachment; filename="lives.{form}"', "Cache-Control": "no-store"}
    return Response(body, media_type=FORMATS[form], headers=headers)


def _moments_of(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name].isoformat().replace("+00:00", "Z") for name in ("begin", "end")}


def _plain(column: pa.ChunkedArray) -> list[Any]:
    """As a spreadsheet takes it; moments in RFC 3339."""
    moments = pa.types.is_timestamp(column.type)
    told: list[Any] = (column.cast(pa.int64()) if moments else column).to_pylist()
    return [rfc3339_or_none(one) for one in told] if moments else told


def _written(table: pa.Table, form: str) -> bytes:
    out = io.BytesIO()
    if form == "csv":
        out.write(csv_of({name: _plain(table[name]) for name in table.column_names}))
    elif form == "parquet":
        pq.write_table(table, out)
    else:
        with ipc.new_stream(out, table.schema) as stream:
            stream.write_table(table)
    return out.getvalue()


@get(
    f"{API}/lifetimes/models",
    opt=MODELS | speaks(None, list[ModelBrief], moments=True),
    tags=["lifetimes"],
    summary="Models that were learnt",
)
async def models(request: Req) -> Response[bytes]:
    """The newest version of each. To those who see the whole plant: a model tells of all lives."""
    call = call_of(request)
    seen = LifetimesSeen(call)
    found = await call.services.reads.run(lambda: seen.all_told().models())
    return answered(request, [{name: getattr(one, name) for name in ModelBrief.__struct_fields__} for one in found])


@post(
    f"{API}/lifetimes/models",
    opt=needs("configure") | speaks(Draft, JobView),
    status_code=202,
    tags=["lifetimes"],
    summary="Learn a model from lives",
)
async def train(request: Req, at: AT = "", known: KNOWN = "") -> Response[bytes]:
    """Learnt again under the same name, it is the next version. A job, in a process of its own: 200 with the model when
    it is over within two seconds, else 202, and `GET /jobs/{id}` tells how far it is."""
    call = call_of(request)
    draft, when, services = await decoded(request, Draft), moments(at, known), call.services
    learn, actor = LifetimesSeen(call).all_told().train, call.who.id

    def work(progress: Callable[[float], None]) -> Any:
        model = learn(draft, at=when["at"], known=when["known"], actor=actor, progress=progress)
        return plain({name: getattr(model, name) for name in ModelBrief.__struct_fields__})

    begun = services.jobs.start("lifetimes", draft.id, work, actor=actor)
    job = await services.waiting.run(services.jobs.outcome, begun.id, wait_s=QUICK_S)
    return json(job_view(job), status=200 if job.over else 202, headers={"Location": f"{API}/jobs/{job.id}"})


@get(
    f"{API}/lifetimes/models/{{model:str}}",
    opt=MODELS | speaks(None, Model, moments=True),
    tags=["lifetimes"],
    summary="A model, and how good it is",
)
async def model_of(
    request: Req,
    model: FromPath[str],
    version: Annotated[int | None, QueryParameter(ge=1, description="The newest if left out.")] = None,
) -> Response[bytes]:
    """With the configuration and without it on lives that it was not learnt from, and what each level does."""
    call = call_of(request)
    return answered(request, await call.services.reads.run(LifetimesSeen(call).model, model, version))


@get(
    f"{API}/lifetimes/models/{{model:str}}/calibration",
    opt=MODELS | speaks(None, Calibration),
    tags=["lifetimes"],
    summary="Whether what it said came true",
)
async def calibration(request: Req, model: FromPath[str]) -> Response[bytes]:
    """Predictions that were kept, by bands of probability, and how many of the items failed."""
    call = call_of(request)
    seen = LifetimesSeen(call)
    return json(plain(await call.services.past(call, lambda: seen.all_told().calibration(model))))


@post(
    f"{API}/lifetimes/models/{{model:str}}/predictions",
    opt=needs("configure") | speaks(None, RecordedView),
    status_code=200,
    tags=["lifetimes"],
    summary="Keep what it expects of all items now",
)
async def record(request: Req, model: FromPath[str]) -> Response[bytes]:
    """To be held against what happens; of an item, one for each horizon of use. Once a day it happens by itself."""
    call = call_of(request)
    of, actor = LifetimesSeen(call).all_told(), call.who.id
    return json({"recorded": await call.services.past(call, lambda: of.record(model, actor=actor))})


@get(
    f"{API}/lifetimes/risks",
    opt=READ | speaks(None, Risks, moments=True),
    tags=["lifetimes"],
    summary="Items that run, by risk",
)
async def risks(
    request: Req,
    model: MODEL = "",
    more: MORE = None,
    root: Annotated[str, QueryParameter(max_length=200, description="Only what is in this machine.")] = "",
    at: AT = "",
    known: KNOWN = "",
    limit: Limit = 100,
) -> Response[bytes]:
    """Those most likely to fail within so much use first; the first one of a machine is its worst."""
    call = call_of(request)
    seen, when = LifetimesSeen(call), moments(at, known)
    found = await call.services.past(call, seen.risks, model, more=more, root=root, limit=limit, when=when)
    return json(plain(found))


@get(
    f"{API}/items/{{item:str}}/prediction",
    opt=READ | speaks(None, Prediction, moments=True),
    tags=["lifetimes"],
    summary="What is expected of an item",
)
async def prediction(
    request: Req,
    item: FromPath[str],
    model: MODEL = "",
    more: MORE = None,
    until: Annotated[str, QueryParameter(max_length=40, description="RFC 3339: at its pace until then.")] = "",
    at: AT = "",
    known: KNOWN = "",
) -> Response[bytes]:
    """The probability of failing, the use left, when that is at its pace, when life limits are reached: each with its
    interval; `why` says what is not known. ISO 13381-1."""
    call = call_of(request)
    seen, end = LifetimesSeen(call), time_if(until)
    how: dict[str, Any] = {"model": model, "more": more, "until": end, "when": moments(at, known)}
    return json(plain(await call.services.past(call, lambda: seen.predict(item, **how))))


@get(
    f"{API}/items/{{item:str}}/predictions",
    opt=READ | speaks(None, list[Recorded], moments=True),
    tags=["lifetimes"],
    summary="What was expected of an item, and what became of it",
)
async def predictions(request: Req, item: FromPath[str], limit: Limit = 100) -> Response[bytes]:
    """Predictions as they were kept, the newest first, each with its position."""
    call = call_of(request)
    return json(plain(await call.services.past(call, LifetimesSeen(call).recorded, item, limit)))


ROUTES: list[Any] = [lives, models, train, model_of, calibration, record, risks, prediction, predictions]
