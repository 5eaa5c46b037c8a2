"""Orders to the objects of twins: commands, desired values, what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Annotated, Any

import msgspec
from litestar import get, post, put
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.access import Principal
from gemel.commands import ENDED, Ask, Commander, Order, OrderKind, no_order
from gemel.errors import NotFound
from gemel.server.call import Call, call_of
from gemel.server.encode import value_of
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Limit, Req, decoded, done, etag, if_match, json, revised
from gemel.server.options import API
from gemel.server.order_views import DesiredView, OrderView, desired_view
from gemel.server.orders_seen import group_of, orders_seen, readable, shown_order
from gemel.twin import Expected, Page, check_expected

__all__ = ["ROUTES", "Wait", "key_of", "may_expect", "person", "readable"]

READ_ONE = needs("read", "Twin", id_in="twin")
COMMAND_ONE = needs("command", "Twin", id_in="twin")
LONGEST_WAIT_S = 60.0
Wait = Annotated[
    float,
    QueryParameter(
        ge=0, le=LONGEST_WAIT_S, description="Answer when it has ended, at the latest after so many seconds."
    ),
]


class Command(msgspec.Struct, forbid_unknown_fields=True):
    """What a command is given. An input is a value, or `{"value": 104, "unit": "[degF]"}`."""

    input: dict[str, Any] = {}
    deadline_s: float | None = None
    """Seconds from now; null: as the binding says, or 30."""
    key: str = ""
    """The same key again is the same order. Left out, the Idempotency-Key."""
    expects: tuple[Expected, ...] = ()
    """What is assumed of the configuration; 412 where it is not so, and refused where it is not so when it is sent."""


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """What a property is to be."""

    value: Any
    unit: str = ""
    deadline_s: float | None = None
    key: str = ""
    expects: tuple[Expected, ...] = ()
    """As of a command."""


class Settled(msgspec.Struct, forbid_unknown_fields=True):
    """What became of an order of which nobody could tell."""

    applied: bool
    note: str = ""
    """How that is known; kept sealed with your key."""


def person(who: Principal) -> str:
    """Who it is behind a token: control and a second person's approval are of people, not of tokens."""
    return who.owner or who.id


def key_of(call: Call, given: str) -> str:
    return given or ("" if call.once is None else call.once.key)


@post(
    f"{API}/twins/{{twin:str}}/commands/{{command:str}}",
    opt=COMMAND_ONE | speaks(Command, OrderView),
    status_code=202,
    tags=["orders"],
    summary="Have the object do something",
)
async def command(request: Req, twin: FromPath[str], command: FromPath[str], wait: Wait = 0.0) -> Response[bytes]:
    """Answers 202 with the order while it is under way, 200 once it has ended; read `state`, it may be refused."""
    given = await decoded(request, Command, optional=True)
    ask = Ask(
        twin=twin,
        name=command,
        kind=OrderKind.COMMAND,
        input=given.input,
        deadline_s=given.deadline_s,
        key=key_of(call_of(request), given.key),
        expects=given.expects,
    )
    return await _asked(request, ask, wait)


@put(
    f"{API}/twins/{{twin:str}}/properties/{{property:str}}/desired",
    opt=COMMAND_ONE | speaks(Wish, OrderView),
    status_code=202,
    tags=["orders"],
    summary="Have a property become a value",
)
async def desire(request: Req, twin: FromPath[str], property: FromPath[str], wait: Wait = 0.0) -> Response[bytes]:
    """As a command. With If-Match (the ETag of what is desired; `"0"`: nothing yet) no other wish is overwritten."""
    given = await decoded(request, Wish)
    ask = Ask(
        twin=twin,
        name=property,
        kind=OrderKind.PROPERTY,
        input=given.value,
        unit=given.unit,
        deadline_s=given.deadline_s,
        key=key_of(call_of(request), given.key),
        expects=given.expects,
        if_revision=if_match(request),
    )
    return await _asked(request, ask, wait)


def may_expect(call: Call, expected: Sequence[Expected], twin: str, item: str = "", at: int | None = None) -> None:
    """Whoever assumes something of a configuration is told when it is otherwise: so they have to see it whole at that
    moment (None: now). Raises NotFound, InvalidInput (more than may be assumed, or nothing)."""
    check_expected(expected)
    if call.items.everything:
        return
    entry = call.view.find(twin) if twin else None
    own = item or (call.services.platform.configuration.item_of(entry.id) if entry is not None else "")
    for root in {one.root or own for one in expected}:
        call.items.require(root, at)


async def _asked(request: Req, ask: Ask, wait: float) -> Response[bytes]:
    call = call_of(request)
    commander = call.services.platform.commander
    if ask.expects:
        await call.services.reads.run(may_expect, call, ask.expects, ask.twin)
        future = await call.services.waiting.run(partial(commander.ask, ask, actor=person(call.who)))
    else:
        future = commander.ask(ask, actor=person(call.who))
    order = await done(request, future)
    call.position = max(call.position, call.services.platform.state.position)
    if wait > 0 and not order.ended:
        order = await _ended(request, order, wait)
    headers = {"Location": f"{API}/orders/{order.id}"}
    if order.revision:
        headers |= etag(order.revision)
    return json(shown_order(call, order), status=200 if order.ended else 202, headers=headers)


async def _ended(request: Req, order: Order, wait: float) -> Order:
    """The order once it has ended, or as it is after so many seconds."""
    commander = call_of(request).services.platform.commander
    reached = commander.reached(order.id, ENDED)
    try:
        async with asyncio.timeout(wait):
            return await done(request, reached)
    except TimeoutError:
        reached.cancel()
        return commander.order(order.id)


@get(f"{API}/twins/{{twin:str}}/desired", opt=READ_ONE, tags=["orders"], summary="What is desired, beside what is")
async def desired(request: Req, twin: FromPath[str]) -> dict[str, DesiredView]:
    call = call_of(request)
    return await call.services.reads.run(_desired, call, twin)


@get(
    f"{API}/twins/{{twin:str}}/properties/{{property:str}}/desired",
    opt=READ_ONE | speaks(None, DesiredView),
    tags=["orders"],
    summary="What one property is to be; its ETag is for If-Match",
)
async def desired_one(request: Req, twin: FromPath[str], property: FromPath[str]) -> Response[bytes]:
    call = call_of(request)
    ref = call.view.entry(twin).properties.get(property)
    found = await call.services.reads.run(_desired, call, twin)
    one = found.get(property if ref is None else ref.property.name)
    if one is None:
        raise NotFound(f"nothing is desired of {twin:.100}.{property:.80}; PUT a value here")
    return revised(one, one.revision)


def _desired(call: Call, twin: str) -> dict[str, DesiredView]:
    platform = call.services.platform
    entry, seen = call.view.entry(twin), call.view.projection
    found = {}
    for name, one in platform.commander.desired(entry.id).items():
        if seen is not None and not seen.has(entry, group_of(entry, OrderKind.PROPERTY, name)):
            continue
        now = call.view.value(entry, name)
        ref = entry.properties.get(name)
        agree = now is not None and ref is not None and platform.commander.agrees(now.value, one.value, ref.property)
        order = platform.commander.order(one.order)
        found[name] = desired_view(one, str(order.state), None if now is None else value_of(now), agrees=agree)
    return found


@get(f"{API}/twins/{{twin:str}}/orders", opt=READ_ONE, tags=["orders"], summary="Orders to one twin, the newest first")
async def orders_of(
    request: Req,
    twin: FromPath[str],
    states: Annotated[list[str] | None, QueryParameter(description="Only in this state; may repeat.")] = None,
    named: Annotated[str, QueryParameter(max_length=80, description="Of this command or property.")] = "",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Page[OrderView]:
    call = call_of(request)
    services = call.services
    return await services.reads.run(
        orders_seen, call, twin, states=states or (), name=named, limit=limit, cursor=cursor
    )


@get(f"{API}/orders", opt=needs("read", "Fleet"), tags=["orders"], summary="Orders to all twins, the newest first")
async def orders(
    request: Req,
    states: Annotated[list[str] | None, QueryParameter(description="Only in this state; may repeat.")] = None,
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Page[OrderView]:
    """Only of twins that may be read."""
    call = call_of(request)
    return await call.services.reads.run(orders_seen, call, states=states or (), limit=limit, cursor=cursor)


def twin_of_order(call: Call, order: str) -> tuple[str, NotFound | None]:
    """The twin that an order is to. Raises NotFound."""
    found = call.services.platform.commander.order(order)
    return found.twin, None if readable(call, found) else no_order(order)


READ_ORDER = needs("read", "Twin", id_in="order", through=twin_of_order)
COMMAND_ORDER = needs("command", "Twin", id_in="order", through=twin_of_order)


@get(f"{API}/orders/{{order:str}}", opt=READ_ORDER, tags=["orders"], summary="One order, with its steps")
async def order_of(request: Req, order: FromPath[str], wait: Wait = 0.0) -> OrderView:
    call = call_of(request)
    found = await call.services.reads.run(call.services.platform.commander.order, order)
    if not readable(call, found):
        raise no_order(order)
    if wait > 0 and not found.ended:
        found = await _ended(request, found, wait)
    return shown_order(call, found)


@post(
    f"{API}/orders/{{order:str}}/cancel",
    opt=COMMAND_ORDER,
    status_code=200,
    tags=["orders"],
    summary="Take back what has not left",
)
async def cancel(request: Req, order: FromPath[str]) -> OrderView:
    return await _moved(request, Commander.cancel, order)


@post(
    f"{API}/orders/{{order:str}}/approve",
    opt=COMMAND_ORDER,
    status_code=200,
    tags=["orders"],
    summary="Agree, as the second person, to somebody's order",
)
async def approve(request: Req, order: FromPath[str]) -> OrderView:
    return await _moved(request, Commander.approve, order)


@post(
    f"{API}/orders/{{order:str}}/resolve",
    opt=COMMAND_ORDER | speaks(Settled, OrderView),
    status_code=200,
    tags=["orders"],
    summary="Say what became of an order of which nobody could tell",
)
async def resolve(request: Req, order: FromPath[str]) -> Response[bytes]:
    given = await decoded(request, Settled)
    return json(await _moved(request, Commander.resolve, order, applied=given.applied, said=given.note))


async def _moved(request: Req, verb: Callable[..., Future[Order]], order: str, **how: Any) -> OrderView:
    """Have a person do something to an order."""
    call = call_of(request)
    future = verb(call.services.platform.commander, order, actor=person(call.who), **how)
    return shown_order(call, await done(request, future))


ROUTES = [command, desire, desired, desired_one, orders_of, orders, order_of, cancel, approve, resolve]
