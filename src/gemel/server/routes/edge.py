"""How the forwarding of an edge node stands."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import get
from litestar.response import Response

from gemel.edge import EdgeStanding
from gemel.errors import NotFound
from gemel.server.call import call_of
from gemel.server.encode import rfc3339
from gemel.server.guard import needs, speaks
from gemel.server.http import Req, json
from gemel.server.options import API

__all__ = ["ROUTES"]


@get(
    f"{API}/edge",
    opt=needs("operate") | speaks(None, EdgeStanding),
    tags=["health"],
    summary="What an edge node has handed on, and what waits",
)
async def edge(request: Req) -> Response[bytes]:
    """404 where `gemel.yaml` names no platform upstream."""
    services = call_of(request).services
    found = services.platform.edge
    if found is None:
        raise NotFound("this plant is no edge node; name the platform upstream under `edge:` in gemel.yaml")
    one = await services.reads.run(found.standing)
    told: dict[str, Any] = msgspec.structs.asdict(one)
    oldest = None if one.oldest is None else rfc3339(one.oldest)
    return json({**told, "oldest": oldest, "since": rfc3339(one.since)})


ROUTES = [edge]
