"""Exchanges with other systems: declared, tried, run, and what waits, failed or is in conflict."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.errors import InvalidInput
from gemel.server.bitemporal import plain
from gemel.server.call import call_of
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Limit, Req, decoded, json
from gemel.server.options import API
from gemel.server.routes.orders import person
from gemel.server.routes.thread import listed
from gemel.server.routes.work import before, paged, reached
from gemel.services.work.exchange import ExchangeDifference, Preview, Ran, Standing, Thing
from gemel.twin import Page

__all__ = ["ROUTES"]

READ, CONFIGURE = needs("read", "Platform"), needs("configure", "Platform")
"""An exchange tells of the whole plant: no grant to another party gives it."""


class Settle(msgspec.Struct, forbid_unknown_fields=True):
    """Whose the fields are that both sides changed."""

    external: str
    keep: Literal["ours", "theirs"]


@get(f"{API}/work/exchanges", opt=READ | speaks(None, list[Standing], moments=True), tags=["work"], summary="Exchanges")
async def exchanges(request: Req) -> Response[bytes]:
    """What is declared, how many things wait, failed or are in conflict, and the last run of each."""
    call = call_of(request)
    return json(plain(await call.services.reads.run(call.services.platform.work.exchanges.standing)))


@put(
    f"{API}/work/exchanges",
    opt=CONFIGURE | speaks(str, list[ExchangeDifference]),
    tags=["work"],
    summary="Declare exchanges",
)
async def declare(
    request: Req, dry_run: Annotated[bool, QueryParameter(description="Only say what would change.")] = False
) -> list[ExchangeDifference]:
    """A document (YAML or JSON, `exchanges: [...]`). What it does not name stays as it is."""
    call = call_of(request)
    try:
        text = (await request.body()).decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the document is no UTF-8: {error.reason} at byte {error.start}") from error
    room = call.services.platform.work.exchanges
    told = await call.services.waiting.run(room.apply, text, dry_run=dry_run, actor=person(call.who))
    reached(call)
    return told


@delete(f"{API}/work/exchanges/{{exchange:str}}", opt=CONFIGURE, status_code=204, tags=["work"], summary="Withdraw one")
async def withdraw(request: Req, exchange: FromPath[str]) -> None:
    """What was taken in stays."""
    call = call_of(request)
    await call.services.waiting.run(call.services.platform.work.exchanges.withdraw, exchange, actor=person(call.who))


@post(
    f"{API}/work/exchanges/{{exchange:str}}/preview",
    opt=CONFIGURE | speaks(None, Preview),
    status_code=200,
    tags=["work"],
    summary="What a run would do, row by row",
)
async def preview(request: Req, exchange: FromPath[str]) -> Response[bytes]:
    """The other system is asked, and told nothing; nothing is kept."""
    call = call_of(request)
    return json(plain(await call.services.slow.run(call.services.platform.work.exchanges.preview, exchange)))


@post(
    f"{API}/work/exchanges/{{exchange:str}}/run",
    opt=CONFIGURE | speaks(None, list[Ran], moments=True),
    status_code=200,
    tags=["work"],
    summary="Exchange now",
)
async def run(
    request: Req,
    exchange: FromPath[str],
    only: Annotated[str, QueryParameter(max_length=4, description="pull or push; empty: both.")] = "",
) -> Response[bytes]:
    """Also what was to wait after a failure. Rows that cannot be taken are told, with why."""
    call = call_of(request)
    if only not in ("", "pull", "push"):
        raise InvalidInput(f"only={only} is neither pull nor push")
    way: Any = only
    done = await call.services.slow.run(call.services.platform.work.exchanges.run, exchange, only=way)
    reached(call)
    return json(plain(done))


@get(
    f"{API}/work/exchanges/{{exchange:str}}/things",
    opt=READ | speaks(None, Page[Thing], moments=True),
    tags=["work"],
    summary="What is exchanged, and what waits",
)
async def things(
    request: Req,
    exchange: FromPath[str],
    states: Annotated[
        str, QueryParameter(name="state", max_length=60, description="same, waiting, conflict, refused.")
    ] = "",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Response[bytes]:
    """The last told first."""
    call = call_of(request)
    room = call.services.platform.work.exchanges

    def work() -> dict[str, Any]:
        page = room.things(exchange, states=listed(states), limit=limit, after=before(call, cursor))
        return paged(call, page, page.items)

    return json(await call.services.reads.run(work))


@get(
    f"{API}/work/exchanges/{{exchange:str}}/runs",
    opt=READ | speaks(None, Page[Ran], moments=True),
    tags=["work"],
    summary="What was exchanged when",
)
async def runs(request: Req, exchange: FromPath[str], limit: Limit = 100, cursor: Cursor = "") -> Response[bytes]:
    """Runs that did something, or failed; the newest first, with the rows that were refused."""
    call = call_of(request)
    room = call.services.platform.work.exchanges

    def work() -> dict[str, Any]:
        page = room.runs(exchange, limit=limit, after=before(call, cursor))
        return paged(call, page, page.items)

    return json(await call.services.reads.run(work))


@post(
    f"{API}/work/exchanges/{{exchange:str}}/settle",
    opt=CONFIGURE | speaks(Settle, Thing, moments=True),
    status_code=200,
    tags=["work"],
    summary="Say whose the fields are that both changed",
)
async def settle(request: Req, exchange: FromPath[str]) -> Response[bytes]:
    call = call_of(request)
    given = await decoded(request, Settle)
    room = call.services.platform.work.exchanges
    done = await call.services.waiting.run(room.settle, exchange, given.external, given.keep)
    reached(call)
    return json(plain(done))


ROUTES: list[Any] = [exchanges, declare, withdraw, preview, run, things, runs, settle]
