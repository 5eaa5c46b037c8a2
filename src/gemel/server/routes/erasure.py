"""Erasing a twin, in two steps, and the record of what was erased."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import FromPath, QueryParameter

from gemel.erasure import Erased, Preview
from gemel.server.call import call_of
from gemel.server.encode import rfc3339
from gemel.server.guard import needs, speaks
from gemel.server.http import Req, decoded
from gemel.server.options import API

__all__ = ["ROUTES"]

PARTS = Annotated[bool, QueryParameter(description="Its parts, too.")]


class Confirm(msgspec.Struct):
    """The code of the preview; after this there is no way back."""

    code: str
    parts: bool = False


class ErasureView(msgspec.Struct):
    """That something was erased; never what."""

    kind: str
    subject: str
    time: str
    actor: str
    done: bool
    counts: dict[str, int]


@get(
    f"{API}/twins/{{twin:str}}/erasure",
    opt=needs("administer", "Platform", id_in="twin"),
    tags=["twins"],
    summary="What erasing the twin would take; nothing is done",
)
async def preview(request: Req, twin: FromPath[str], parts: PARTS = False) -> Preview:
    services = call_of(request).services
    return await services.slow.run(services.platform.erasures.preview, twin, parts=parts)


@post(
    f"{API}/twins/{{twin:str}}/erasure",
    opt=needs("administer", "Platform", id_in="twin") | speaks(Confirm),
    status_code=200,
    tags=["twins"],
    summary="Erase the twin for good",
)
async def erase(request: Req, twin: FromPath[str]) -> Erased:
    call = call_of(request)
    given = await decoded(request, Confirm)
    return await call.services.slow.run(
        call.services.platform.erasures.erase_twin, twin, given.code, parts=given.parts, actor=call.who.id
    )


@get(f"{API}/erasures", opt=needs("administer", "Identity"), tags=["access"], summary="What was erased, and by whom")
async def erasures(request: Req) -> list[ErasureView]:
    services = call_of(request).services
    found = await services.reads.run(services.platform.erasures.ledger.all)
    return [ErasureView(one.kind, one.subject, rfc3339(one.time), one.actor, one.done, one.counts) for one in found]


ROUTES = [preview, erase, erasures]
