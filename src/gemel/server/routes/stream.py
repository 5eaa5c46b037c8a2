"""Following twins: the live socket, and server-sent events for integrations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from litestar import WebSocket, get, websocket
from litestar.params import QueryParameter
from litestar.response import Stream

from gemel.access import Resource, ResourceKind
from gemel.errors import GemelError, InvalidInput
from gemel.server.call import Call, call_of
from gemel.server.encode import dumps, rfc3339, value_of
from gemel.server.guard import needs, require_twin
from gemel.server.http import Req
from gemel.server.live import MAX_RATE_HZ, Live, owes, resumed
from gemel.server.options import API
from gemel.state import Delta, Selection, Subscription

__all__ = ["ROUTES"]

KEEP_ALIVE_S = 15.0


@websocket(f"{API}/live", opt=needs("subscribe", "Fleet"))
async def live(socket: WebSocket[Any, Any, Any]) -> None:
    await Live(call_of(socket), socket).run()


@get(f"{API}/stream", opt=needs("subscribe", "Fleet"), tags=["now"], summary="Server-sent events: what changes")
async def stream(
    request: Req,
    twins: Annotated[str, QueryParameter(max_length=8000, description="Ids, with commas; all if left out.")] = "",
    properties: Annotated[str, QueryParameter(max_length=8000, description="Names, with commas.")] = "",
    depth: Annotated[int, QueryParameter(ge=0, le=32, description="Levels of parts.")] = 0,
    after: Annotated[int | None, QueryParameter(ge=0, description="A position; Last-Event-ID goes before it.")] = None,
    epoch: Annotated[str, QueryParameter(max_length=64, description="In which epoch `after` was seen.")] = "",
    rate_hz: Annotated[float | None, QueryParameter(description="At most so many messages a second.")] = None,
) -> Stream:
    """Events `snapshot`, `delta`, `fresh`, `gap`, `happened`, `gone`, `changed`, and `reset` where positions of another
    epoch were given. The last one of a position has it as its id: `<position>`, and `-<epoch>` after a restore."""
    call = call_of(request)
    chosen = [one.strip() for one in twins.split(",") if one.strip()]
    for twin in chosen:
        require_twin(call, call.who, "subscribe", twin)
    if not chosen:
        call.services.platform.gate.require(call.who, "subscribe", Resource(ResourceKind.FLEET, "all twins"))
    if rate_hz is not None and not 0 < rate_hz <= MAX_RATE_HZ:
        raise InvalidInput(f"rate_hz {rate_hz} is not between 0 and {MAX_RATE_HZ:g}")
    last, _, life = request.headers.get("last-event-id", "").partition("-")
    if last.isascii() and last.isdecimal() and len(last) < 18:
        after, epoch = int(last), life
    after, reset = resumed(call.services.platform, after, epoch)
    names = tuple(one.strip() for one in properties.split(",") if one.strip()) or None
    selection = Selection(twins=tuple(chosen), depth=depth, properties=names)
    subscription = await call.services.reads.run(
        call.view.subscribe, selection, call.look, after=after, rate_hz=rate_hz
    )
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(_events(call, subscription, reset=reset), media_type="text/event-stream", headers=headers)


class HashView(msgspec.Struct):
    """What stands for a selection at a position: two copies of it that are equal have equal hashes."""

    position: int
    epoch: str
    hash: str
    """The fingerprint of all values, 64 hexadecimal digits; freshness, which is of the moment, left out."""
    count: int
    """How many values these are."""


@get(f"{API}/hash", opt=needs("subscribe", "Fleet"), tags=["now"], summary="What stands for a selection at a position")
async def hash_of(
    request: Req,
    twins: Annotated[str, QueryParameter(max_length=8000, description="Ids, with commas; all if left out.")] = "",
    type: Annotated[str, QueryParameter(max_length=128, description="All twins of this type.")] = "",
    properties: Annotated[str, QueryParameter(max_length=8000, description="Names, with commas.")] = "",
    depth: Annotated[int, QueryParameter(ge=0, le=32, description="Levels of parts.")] = 0,
) -> HashView:
    """Of all that the caller may see of it, at the position that the live state has reached; `at_position` waits."""
    call = call_of(request)
    chosen = [one.strip() for one in twins.split(",") if one.strip()]
    for twin in chosen:
        require_twin(call, call.who, "subscribe", twin)
    names = tuple(one.strip() for one in properties.split(",") if one.strip()) or None
    selection = Selection(twins=tuple(chosen), type=type, depth=depth, properties=names, events=False)
    found = await call.services.slow.run(_hashed, call, selection)
    assert found.mark is not None
    call.position = found.position
    return HashView(found.position, call.services.platform.epoch, found.mark.hash, found.mark.count)


def _hashed(call: Call, selection: Selection) -> Delta:
    with call.view.subscribe(selection, call.look) as subscription:
        subscription.mark()
        found = subscription.get(0)
        assert found is not None  # the first one is there at once
        return found


async def _events(call: Call, subscription: Subscription, *, reset: bool) -> AsyncIterator[bytes]:
    epoch, owed = call.services.platform.epoch, False
    call.services.metrics.streams.inc()
    stopping = asyncio.ensure_future(call.services.stopping.wait())
    following = asyncio.ensure_future(_next(subscription))
    held = call.services.rights.hold(call, subscription.poke)
    try:
        held.__enter__()
        if reset:
            yield b"event: reset\ndata: %s\n\n" % dumps({"epoch": epoch})
        while not stopping.done():
            await asyncio.wait({following, stopping}, timeout=KEEP_ALIVE_S, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                try:
                    delta = following.result()
                except GemelError as error:  # what was granted has ended, or who asks is nobody any more
                    yield b"event: error\ndata: %s\n\n" % dumps({"code": error.code, "detail": error.detail})
                    return
                if delta is None:
                    return
                following = asyncio.ensure_future(_next(subscription))
                owed = owes(delta, owed)
                id = f"{delta.position}-{epoch}" if epoch else str(delta.position)
                yield _framed(_told(delta), "" if owed else id)
            elif not stopping.done():
                yield b": still here\n\n"
    finally:
        call.services.metrics.streams.dec()
        held.__exit__(None, None, None)
        subscription.close()
        stopping.cancel()
        following.cancel()
        await asyncio.gather(stopping, following, return_exceptions=True)


async def _next(subscription: Subscription) -> Delta | None:
    return await anext(aiter(subscription), None)


def _framed(told: list[tuple[str, Any]], id: str) -> bytes:
    """The last one has the id: whoever is cut off before it asks for all of them again."""
    events = [b"event: %s\ndata: %s\n" % (kind.encode(), dumps(body)) for kind, body in told]
    return b"\n".join(events) + (b"id: %s\n\n" % id.encode() if id else b"\n")


def _told(delta: Delta) -> list[tuple[str, Any]]:
    told: list[tuple[str, Any]] = []
    if delta.gap is not None:
        told.append(("gap", {"from": delta.gap.after, "to": delta.gap.until}))
    if delta.snapshot or len(delta.values):
        values: dict[str, dict[str, Any]] = {}
        for update in delta.values:
            values.setdefault(update.twin, {})[update.property] = value_of(update.now)
        kind = "snapshot" if delta.snapshot else "delta"
        told.append((kind, {"position": delta.position, "values": values}))
    if delta.transitions:
        fresh = [
            {
                "twin": one.twin,
                "property": one.property,
                "fresh": one.fresh,
                "stale_since": None if one.stale_since is None else rfc3339(one.stale_since),
            }
            for one in delta.transitions
        ]
        told.append(("fresh", {"items": fresh}))
    if delta.events:
        happened = [
            {**msgspec.to_builtins(one.change), "time": rfc3339(one.change.time), "position": one.position}
            for one in delta.events
        ]
        told.append(("happened", {"events": happened}))
    if delta.gone:
        told.append(("gone", {"twins": list(delta.gone)}))
    if delta.registry_changed:
        told.append(("changed", {}))
    return told


ROUTES = [live, stream, hash_of]
