"""Who relied on what was believed of a machine: crews that were sent, campaigns that were frozen; and what has changed
since."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.params import QueryParameter
from litestar.response import Response

from gemel.configuration import Dependant, Dependants, Reliance, RelianceQuery
from gemel.server.bitemporal import answered, plain, understood
from gemel.server.call import Call, call_of
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Limit, Number, Req, decoded, json, onward, onward_from
from gemel.server.options import API
from gemel.server.routes.configurations import of_machine
from gemel.server.routes.orders import person
from gemel.thread import COMMERCIAL
from gemel.twin import Page, PropertyGroup

__all__ = ["ROUTES"]

Text = Annotated[str, QueryParameter(max_length=200)]


class NewReliance(msgspec.Struct, forbid_unknown_fields=True):
    """That something was done because a configuration was believed to be so."""

    kind: str
    """invoice, statement, order …"""
    reference: str
    """Its id."""
    root: str
    valid: int | None = None
    """The moment of the machine that it relied on; left out: now."""
    known: int | None = None
    """As of when that was known; left out: now."""


@get(
    f"{API}/reliances",
    opt=needs("read", "Fleet") | speaks(None, Page[Dependant], moments=True),
    tags=["items"],
    summary="Who relied on what was believed of machines, and what is believed otherwise now",
)
async def reliances(
    request: Req,
    kind: Annotated[str, QueryParameter(max_length=32, description="work-order, visit, campaign, invoice …")] = "",
    reference: Annotated[str, QueryParameter(max_length=200, description="Its id.")] = "",
    root: Annotated[str, QueryParameter(max_length=200, description="Of this machine.")] = "",
    changed: Annotated[bool, QueryParameter(description="Only where something else is believed now.")] = False,
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Response[bytes]:
    """The newest first. An answer may have fewer than were asked for, and still a cursor."""
    call = call_of(request)
    asked = RelianceQuery(
        kind=kind,
        reference=reference,
        root=root,
        changed=changed,
        limit=limit,
        after=int(onward_from(call, cursor)) if cursor else None,
    )

    def ask() -> Page[Dependant]:
        if root:
            call.items.require(root)
        return of_machine(call).reliances(asked, shown=lambda one: _shows(call, one))

    page = await call.services.slow.run(ask)
    return json(plain(onward(call, page)))


def _shows(call: Call, on: Reliance) -> bool:
    """What tells of money is for who sees what is financial of the machine, as on the thread."""
    items = call.items
    if items.everything:
        return True
    return items.sees(on.root, on.valid) and (
        on.kind not in COMMERCIAL or items.sees(on.root, on.valid, group=PropertyGroup.FINANCIAL)
    )


@post(
    f"{API}/reliances",
    opt=needs("maintain") | speaks(NewReliance, Reliance, moments=True),
    tags=["items"],
    summary="Say that something relied on a configuration",
)
async def rely(request: Req) -> Response[bytes]:
    """An invoice, a statement to a customer: it is listed when something else becomes known of that moment. Said again,
    it is the same. Work packs that are sent, work orders that are given to a crew, and campaigns say so themselves."""
    call, given = call_of(request), understood(await decoded(request, Any), NewReliance)
    configuration = of_machine(call).as_(person(call.who))

    def work() -> Reliance:
        now = call.services.platform.clock.now()
        on = Reliance(
            kind=given.kind,
            reference=given.reference,
            root=given.root,
            valid=now if given.valid is None else given.valid,
            known=configuration.latest() if given.known is None else given.known,
        )
        configuration.rely(on)
        return on

    return json(plain(await call.services.waiting.run(work)), status=201)


@get(
    f"{API}/acts/{{number:int}}/dependants",
    opt=needs("read") | speaks(None, Dependants, moments=True),
    tags=["items"],
    summary="What an act changed of what was believed, and who had relied on that",
)
async def dependants(request: Req, number: Number) -> Response[bytes]:
    call = call_of(request)
    return answered(request, await call.services.reads.run(of_machine(call).dependants, number))


ROUTES: list[Any] = [reliances, rely, dependants]
