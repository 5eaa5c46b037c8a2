"""Readings of the past as a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from litestar import get
from litestar.params import QueryParameter
from litestar.response import Stream

from gemel.access import Projection
from gemel.errors import InvalidInput, UnknownProperty
from gemel.server.call import Call, call_of
from gemel.server.guard import needs, require_twin
from gemel.server.http import ARROW, Req
from gemel.server.options import API
from gemel.server.pipe import Pipe
from gemel.server.routes.history import END, START, interval
from gemel.server.routes.now import entry_for

__all__ = ["ROUTES"]

FORMATS = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet", "arrow": ARROW}


@get(f"{API}/export", opt=needs("export", "Fleet"), tags=["history"], summary="Download readings")
async def export(
    request: Req,
    twins: Annotated[list[str], QueryParameter(description="Ids, with commas; may repeat.")],
    properties: Annotated[
        list[str] | None, QueryParameter(description="Names, with commas; may repeat; all if left out.")
    ] = None,
    start: START = None,
    end: END = None,
    form: Annotated[str, QueryParameter(name="format", max_length=20, description="csv, parquet or arrow.")] = "csv",
) -> Stream:
    """One row each: twin, property, time, the value as number, integer or text, unit, quality, recorded, position."""
    call = call_of(request)
    if form not in FORMATS:
        raise InvalidInput(f"format {form!r:.20} is not known; use {', '.join(FORMATS)}")
    since, until = interval(call, start, end)
    seen, chosen = call.look(), _chosen(call, _listed(twins), _listed(properties or []))
    pipe = Pipe()
    await call.services.past(call, lambda: None)
    parts = await pipe.start(
        call.services.exports,
        lambda: call.view.export(chosen, since, until, pipe, form=form),  # type: ignore[arg-type]  # it writes as a file does
    )
    headers = {"Content-Disposition": f'attachment; filename="gemel.{form}"', "Cache-Control": "no-store"}
    return Stream(_while_granted(call, seen, pipe, parts), media_type=FORMATS[form], headers=headers)


async def _while_granted(
    call: Call, seen: Projection | None, pipe: Pipe, parts: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    """What is not granted any more breaks the download off."""
    with call.services.rights.until_changed(call, seen, pipe.leave):
        async for part in parts:
            yield part


def _listed(given: list[str]) -> list[str]:
    return [name.strip() for part in given for name in part.split(",") if name.strip()]


def _chosen(call: Call, twins: list[str], wanted: list[str]) -> list[tuple[str, str]]:
    """(twin, property) of what is asked for. Raises UnknownTwin, Denied, UnknownProperty."""
    chosen = []
    for twin in twins:
        require_twin(call, call.who, "export", twin)
        entry = entry_for(call, twin)
        seen = call.view.names(entry)
        chosen += [(entry.id, name) for name in (wanted or sorted(seen)) if name in entry.properties]
        for name in wanted:
            if name in entry.properties:
                call.view.property(entry, name)
    if not chosen:
        raise UnknownProperty(f"none of {', '.join(twins):.100} has any of the properties {', '.join(wanted):.100}")
    return chosen


ROUTES = [export]
