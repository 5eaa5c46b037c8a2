"""Work packs: what a crew takes along for exactly this serial number and job, to print."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from litestar import get, post
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.server.bitemporal import answered
from gemel.server.call import Call, call_of
from gemel.server.guard import needs, speaks
from gemel.server.http import Req
from gemel.server.options import API
from gemel.server.routes.items import AT, KNOWN, moments
from gemel.server.routes.orders import person
from gemel.server.routes.thread import sight_of, thread_of
from gemel.work_pack import Gathering, WorkPack, drawn, gather, register

__all__ = ["ROUTES"]

VALUE = f"{API}/items/{{item:str}}/work-pack"
PATH = f"{VALUE}.pdf"
JOB = Annotated[
    str, QueryParameter(max_length=200, description="Number of a plan, or id of a work order or job plan; all plans.")
]


@get(PATH, opt=needs("read", "Fleet"), tags=["items"], summary="Its work pack, as PDF")
async def work_pack(
    request: Req, item: FromPath[str], job: JOB = "", at: AT = "", known: KNOWN = ""
) -> Response[bytes]:
    """As far as the item is shared with who asks. Asked with the `at` and `known` that it prints, it is the same."""
    call = call_of(request)
    return await _answer(request, call, await call.services.slow.run(_pack, call, item, job, moments(at, known)))


@get(VALUE, opt=needs("read", "Fleet") | speaks(None, WorkPack, moments=True), tags=["items"], summary="Its work pack")
async def work_pack_value(
    request: Req, item: FromPath[str], job: JOB = "", at: AT = "", known: KNOWN = ""
) -> Response[bytes]:
    """What the PDF prints, for another system: parts, software, tools, documents."""
    call = call_of(request)
    return answered(request, await call.services.slow.run(_pack, call, item, job, moments(at, known)))


@post(PATH, opt=needs("maintain"), status_code=200, tags=["items"], summary="Its work pack, for a crew that is sent")
async def send_with(
    request: Req, item: FromPath[str], job: JOB = "", at: AT = "", known: KNOWN = ""
) -> Response[bytes]:
    """It is kept that the crew relied on what was believed: `GET /acts/{number}/dependants` lists it when something
    else becomes known of that moment."""
    call = call_of(request)
    pack = await call.services.slow.run(_pack, call, item, job, moments(at, known))
    configuration = call.services.platform.configuration.as_(person(call.who))
    await call.services.waiting.run(register, configuration, pack)
    return await _answer(request, call, pack)


def _pack(call: Call, item: str, job: str, when: dict[str, int | None]) -> WorkPack:
    platform = call.services.platform
    now = platform.clock.now()
    where = Gathering(call.items, platform.configuration, thread_of(call), sight_of(call), platform.forms)
    at, known = (now if moment is None else moment for moment in (when["at"], when["known"]))
    return gather(where, item, job, at, known)


async def _answer(request: Req, call: Call, pack: WorkPack) -> Response[bytes]:
    site = call.services.platform.registry.site()
    page = f"{str(request.base_url).rstrip('/')}/items/{quote(pack.item.id, safe='')}"

    def draw() -> bytes:
        return drawn(pack, page=page, zone=site.time_zone or "UTC", titled=site.name)

    body = await call.services.slow.run(draw)
    headers = {
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(f'{pack.reference} {pack.item.id}.pdf', safe='')}",
        "Gemel-Reference": pack.reference,
    }
    return Response(body, media_type="application/pdf", headers=headers)


ROUTES: list[Any] = [work_pack, work_pack_value, send_with]
