"""Making the platform as a plant document says."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import post
from litestar.params import QueryParameter

from gemel.errors import InvalidInput
from gemel.registry import Plan
from gemel.server.call import Call, call_of
from gemel.server.guard import needs, speaks
from gemel.server.http import Req
from gemel.server.options import API
from gemel.twin import Plant, parse_plant

__all__ = ["ROUTES"]


class PlanView(msgspec.Struct):
    """The difference between the document and what is."""

    dry_run: bool
    empty: bool
    steps: list[Any]
    """`{action: create|change|remove, what, id, fields: [{field, before, after}]}`."""
    text: str
    """For people."""
    position: int


@post(
    f"{API}/apply",
    opt=needs("configure") | speaks(Plant),
    status_code=200,
    tags=["plant"],
    summary="Apply a plant document, in YAML or JSON",
)
async def apply(
    request: Req,
    dry_run: Annotated[bool, QueryParameter(description="Only show the difference.")] = False,
    prune: Annotated[bool, QueryParameter(description="Also remove what an earlier document declared.")] = False,
) -> PlanView:
    """Types, twins, links and connectors are switched at once; applying the same document again changes nothing."""
    call = call_of(request)
    body = await request.body()
    if not body.strip():
        raise InvalidInput("the body is empty; send a plant document, in YAML or JSON")
    plan, position = await call.services.reads.run(_apply, call, body, dry_run=dry_run, prune=prune)
    call.position = max(call.position, position)
    return PlanView(dry_run, not plan.steps, msgspec.to_builtins(plan.steps), str(plan), call.position)


def _apply(call: Call, body: bytes, *, dry_run: bool, prune: bool) -> tuple[Plan, int]:
    platform = call.services.platform
    plan = platform.apply(parse_plant(body, "body"), dry_run=dry_run, prune=prune, actor=call.who.id)
    return plan, platform.state.position


ROUTES = [apply]
