"""Orders that people carry out: what waits for somebody, confirming and declining it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.commands import Instruction
from gemel.server.call import Call, call_of
from gemel.server.guard import needs, speaks
from gemel.server.http import Limit, Req, decoded, done, json
from gemel.server.options import API
from gemel.server.order_views import OrderView
from gemel.server.orders_seen import readable, shown_order
from gemel.server.routes.orders import COMMAND_ORDER, person

__all__ = ["ROUTES"]


class InstructionView(msgspec.Struct):
    """An order that waits for a person."""

    order: OrderView
    where: str
    """Where that person finds it."""


class Confirmed(msgspec.Struct, forbid_unknown_fields=True):
    """It was carried out."""

    value: Any = None
    """Of a desired value: the one that was found; null: the one that was ordered."""
    output: dict[str, Any] | None = None
    """Of a command: its outputs by name."""
    note: str = ""
    """What there is to say; kept sealed with your key."""


class Declined(msgspec.Struct, forbid_unknown_fields=True):
    """It was not carried out, and will not be."""

    note: str = ""


@get(f"{API}/instructions", opt=needs("read", "Fleet"), tags=["orders"], summary="Orders that wait for a person")
async def instructions(
    request: Req,
    twin: Annotated[str, QueryParameter(max_length=200, description="Only to this twin.")] = "",
    limit: Limit = 100,
) -> list[InstructionView]:
    """The newest first: shown to people, and neither confirmed nor declined yet."""
    call = call_of(request)
    return await call.services.reads.run(_open, call, twin, limit)


def _open(call: Call, twin: str, limit: int) -> list[InstructionView]:
    if twin:
        call.view.entry(twin)
    found: list[Instruction] = call.services.platform.commander.instructions.open(twin, limit=limit)
    return [InstructionView(shown_order(call, one.order), one.where) for one in found if readable(call, one.order)]


@post(
    f"{API}/orders/{{order:str}}/confirm",
    opt=COMMAND_ORDER | speaks(Confirmed, OrderView),
    status_code=200,
    tags=["orders"],
    summary="Say that an instruction was carried out, and what was found",
)
async def confirm(request: Req, order: FromPath[str]) -> Response[bytes]:
    """What was found is entered by hand, as yours; one that does not agree with what was ordered refuses the order."""
    call, given = call_of(request), await decoded(request, Confirmed, optional=True)
    told: dict[str, Any] = {"value": given.value, "output": given.output, "said": given.note}
    found = call.services.platform.commander.instructions
    future = await call.services.waiting.run(lambda: found.confirm(order, actor=person(call.who), **told))
    return json(shown_order(call, await done(request, future)))


@post(
    f"{API}/orders/{{order:str}}/decline",
    opt=COMMAND_ORDER | speaks(Declined, OrderView),
    status_code=200,
    tags=["orders"],
    summary="Say that an instruction was not carried out",
)
async def decline(request: Req, order: FromPath[str]) -> Response[bytes]:
    call, given = call_of(request), await decoded(request, Declined, optional=True)
    found = call.services.platform.commander.instructions
    future = await call.services.waiting.run(lambda: found.decline(order, actor=person(call.who), said=given.note))
    return json(shown_order(call, await done(request, future)))


ROUTES = [instructions, confirm, decline]
