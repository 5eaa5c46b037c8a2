"""Dossiers: all that is known of one machine as of two moments, signed, to hand over."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from litestar import get
from litestar.params import FromPath
from litestar.response import Response

from gemel.server.bitemporal import plain
from gemel.server.call import Call, call_of
from gemel.server.encode import dumps
from gemel.server.guard import needs, speaks
from gemel.server.http import Req
from gemel.server.options import API
from gemel.server.routes.items import AT, KNOWN, Times, moments
from gemel.server.routes.thread import sight_of, thread_of
from gemel.work_pack import Dossier, Gathering, Sealed, compile_dossier, dossier_drawn, seal_dossier

__all__ = ["ROUTES"]

READ = needs("read", "Fleet")


@get(
    f"{API}/items/{{item:str}}/dossier",
    opt=READ | speaks(None, Sealed, moments=True),
    tags=["items"],
    summary="All that is known of it, signed",
)
async def dossier(request: Req, item: FromPath[str], at: AT = "", known: KNOWN = "") -> Response[bytes]:
    """Configuration, its history and acts, nonconformances, documents, records, gaps, materials. To whoever sees the
    item whole. Asked with the `at` and `known` that it tells, it says the same."""
    call = call_of(request)
    _, sealed = await call.services.slow.run(_sealed, call, item, moments(at, known))
    name = quote(f"dossier {item}.json", safe="")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return Response(dumps(plain(sealed)), media_type="application/json", headers=headers)


@get(f"{API}/items/{{item:str}}/dossier.pdf", opt=READ, tags=["items"], summary="The same on paper")
async def on_paper(request: Req, item: FromPath[str], at: AT = "", known: KNOWN = "") -> Response[bytes]:
    """With the SHA-256 and the signature of the JSON."""
    call = call_of(request)
    page = f"{str(request.base_url).rstrip('/')}/items/{quote(item, safe='')}"
    zone = call.services.platform.registry.site().time_zone or "UTC"

    def draw() -> bytes:
        made, sealed = _sealed(call, item, moments(at, known))
        return dossier_drawn(made, sha256=sealed.sha256, signature=sealed.signature, page=page, zone=zone)

    body = await call.services.slow.run(draw)
    name = quote(f"dossier {item}.pdf", safe="")
    headers = {"Content-Disposition": f"inline; filename*=UTF-8''{name}"}
    return Response(body, media_type="application/pdf", headers=headers)


def _sealed(call: Call, item: str, when: Times) -> tuple[Dossier, Sealed]:
    platform = call.services.platform
    now = platform.clock.now()
    where = Gathering(call.items, platform.configuration, thread_of(call), sight_of(call))
    made = compile_dossier(
        where,
        item,
        now if when["at"] is None else when["at"],
        now if when["known"] is None else when["known"],
        plant=platform.registry.site().name,
        software=lambda id, at, known: platform.software.within(id, at, known=known),
    )
    keys = platform.witness.keys
    told: dict[str, Any] = plain(made)
    return made, seal_dossier(told, keys.sign, keys.public)


ROUTES: list[Any] = [dossier, on_paper]
