"""Small things that the routes share: pages, revisions, times, bodies, waiting for the writer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Request
from litestar.params import PathParameter, QueryParameter
from litestar.response import Response

from gemel.access import Principal
from gemel.clock import parse_time
from gemel.errors import InvalidInput, WrongMediaType
from gemel.server.allowed import allowed
from gemel.server.call import Call, call_of
from gemel.server.encode import dumps
from gemel.server.tables import carried_out
from gemel.twin import Page, Position, check_id

__all__ = [
    "ARROW",
    "Cursor",
    "Limit",
    "Number",
    "Req",
    "change",
    "cursor_of",
    "decoded",
    "etag",
    "if_match",
    "json",
    "media_type",
    "onward",
    "onward_from",
    "page_of",
    "revised",
    "source_of",
    "time_or",
]

T = TypeVar("T")
Req = Request[Any, Any, Any]
ARROW = "application/vnd.apache.arrow.stream"
Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="How many at most.")]
Cursor = Annotated[str, QueryParameter(max_length=2000, description="`next` of the page before; empty for the first.")]

MOST_COUNTED = 2**63 - 1
Number = Annotated[int, PathParameter(ge=0, le=MOST_COUNTED)]
"""Of a row, in a path: no larger than a database counts."""


def json(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    """A JSON answer."""
    return Response(dumps(value), status_code=status, media_type="application/json", headers=headers)


def media_type(request: Req) -> str:
    """The body's form, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def decoded(request: Req, kind: type[T], *, optional: bool = False) -> T:
    """The JSON body as `kind`. Raises InvalidInput with the place of the fault, WrongMediaType, TooLarge."""
    given = media_type(request)
    if given not in {"", "application/json", "text/json"} and not given.endswith("+json"):
        raise WrongMediaType(f"this takes application/json, not {given:.80}")
    body = await request.body()
    if not body and optional:
        return kind()
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"the body does not fit: {error!s:.300}{allowed(kind, str(error))}") from error


def cursor_of(call: Call, *place: Any) -> str:
    """A place in a list, sealed: good for who asks and for this list alone."""
    return call.services.cursors.seal(msgspec.json.encode(place), _whose(call))


def place_of(call: Call, cursor: str, kind: type[T]) -> T | None:
    """The place that `cursor_of` made a cursor of; None for an empty one. Raises InvalidInput for any other."""
    if not cursor:
        return None
    return msgspec.json.decode(call.services.cursors.unseal(cursor, _whose(call)), type=kind)


def _whose(call: Call) -> bytes:
    return msgspec.json.encode((call.who.kind, call.who.id, call.path))


def onward(call: Call, page: Page[T]) -> Page[T]:
    """A page whose room says after which row it goes on, with a cursor in that place."""
    return Page(page.items, cursor_of(call, page.next) if page.next else None)


def onward_from(call: Call, cursor: str) -> str:
    """What `onward` sealed; empty without a cursor. Raises InvalidInput."""
    place = place_of(call, cursor, tuple[str])
    return place[0] if place else ""


def page_of(call: Call, items: Iterable[T], limit: int, cursor: str, key: Callable[[T], str]) -> Page[T]:
    """A page of a list that is short enough to be sorted here."""
    last = onward_from(call, cursor)
    left = sorted((item for item in items if not cursor or key(item) > last), key=key)
    chosen = left[:limit]
    return onward(call, Page(chosen, key(chosen[-1]) if len(left) > limit else None))


def etag(revision: int) -> dict[str, str]:
    return {"ETag": f'"{revision}"'}


def revised(view: Any, revision: int, *, made: str = "") -> Response[bytes]:
    """A thing at its revision; `made`: it is new, and this is its address."""
    headers = etag(revision) | ({"Location": made} if made else {})
    return json(view, status=201 if made else 200, headers=headers)


def if_match(request: Req) -> int | None:
    """The revision that the caller has read; None without If-Match or with `*`. Raises InvalidInput."""
    given = request.headers.get("if-match")
    if given is None or given.strip() == "*":
        return None
    text = given.strip().removeprefix("W/").strip('"')
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise InvalidInput(f'If-Match: {given:.40} is not a revision; send the ETag that was read, like "12"')
    return int(text)


def source_of(who: Principal, given: str = "") -> str:
    """What the intake knows a caller by. A device is itself, whatever it comes by; others may name what they speak for,
    and names belong to the caller who gives them, so nobody takes another's ids.

    Raises InvalidId, and InvalidInput when a device names another source.
    """
    if who.kind == "Device":
        if given and given != who.id:
            raise InvalidInput(f"a device speaks for itself; leave source={given:.60} out")
        return who.id
    return f"http:{who.id}/{check_id(given, 'source')}" if given else f"http:{who.id}"


def unchanged(request: Req, revision: int) -> bool:
    """The caller has this revision already (If-None-Match)."""
    return request.headers.get("if-none-match", "").removeprefix("W/") == f'"{revision}"'


def time_or(text: str | None, default: int) -> int:
    """An RFC 3339 time of a query parameter. Raises InvalidTime."""
    return default if not text else parse_time(text.replace(" ", "+"))


def time_if(text: str | None) -> int | None:
    """The same; None: left out. Raises InvalidTime."""
    return parse_time(text.replace(" ", "+")) if text else None


async def done(request: Req, future: Future[T]) -> T:
    """The result of a room's future."""
    return await call_of(request).services.bridge.result(future)


async def change(request: Req, work: Callable[[Any], Sequence[Any]]) -> Position:
    """Carry out a change in the writer's transaction; the answer is at the position it got.

    With an Idempotency-Key the transaction also remembers that it was carried out: told again after a crash, it is not.
    """
    call: Call = call_of(request)
    intake, once = call.services.platform.intake, call.once

    def whole(tx: Any) -> tuple[None, Sequence[Any]]:
        if once is None:
            return None, work(tx)
        if once.carried_out:
            return None, ()
        changes = work(tx)
        carried_out(tx, once, call.services.platform.clock.now())
        return None, changes

    future = intake.transact(whole, actor=call.who.id)
    _, position = await call.services.bridge.result(future)
    call.position = max(call.position, position)
    return int(position)
