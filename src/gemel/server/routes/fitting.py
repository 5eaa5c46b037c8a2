"""What there is to put into a slot of exactly this machine."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import get
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.configuration import FOREVER, Offer, OfferQuery, offer
from gemel.server.bitemporal import answered
from gemel.server.call import call_of
from gemel.server.guard import needs, speaks
from gemel.server.http import Req
from gemel.server.options import API
from gemel.server.routes.items import AT, KNOWN, moments

__all__ = ["ROUTES"]

READ = needs("read", "Fleet")


@get(
    f"{API}/items/{{item:str}}/slots/{{slot:str}}/fitting",
    opt=READ | speaks(None, Offer, moments=True),
    tags=["items"],
    summary="What may come into one of its slots",
)
async def fitting(
    request: Req,
    item: FromPath[str],
    slot: FromPath[str],
    q: Annotated[str, QueryParameter(max_length=200, description="As of items; left out: what is in stock.")] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 20,
    at: AT = "",
    known: KNOWN = "",
) -> Response[bytes]:
    """What the parts book allows there, as the machine is, and which pieces are at hand, each with what the rules would
    say of it; what fits first. To whoever sees it whole."""
    call, when = call_of(request), moments(at, known)
    now = call.services.platform.clock.now()
    place, query = (item, slot), OfferQuery(q=q.strip(), limit=limit)

    def ask() -> Offer:
        configuration = call.services.platform.configuration
        at = now if when["at"] is None else when["at"]
        believed = FOREVER - 1 if when["known"] is None else when["known"]
        return offer(call.items, configuration, place, query, at, believed)

    return answered(request, await call.services.reads.run(ask))


ROUTES: list[Any] = [fitting]
