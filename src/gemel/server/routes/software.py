"""Software: what is declared of it, its files, and what machines run against what they have to run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, QueryParameter
from litestar.response import File, Response
from msgspec.structs import replace

from gemel.access import Action, Resource, ResourceKind
from gemel.configuration import (
    FOREVER,
    Looked,
    MachinePartly,
    Module,
    Partly,
    Software,
    SoftwareDifference,
    SoftwareStanding,
)
from gemel.errors import InvalidInput, NotFound
from gemel.server.bitemporal import answered, plain
from gemel.server.call import Call, call_of
from gemel.server.guard import SELF, needs, speaks
from gemel.server.http import Cursor, Limit, Req, json, onward, onward_from
from gemel.server.options import API
from gemel.server.routes.items import AT, KNOWN, moments
from gemel.server.routes.orders import person
from gemel.services.campaigns import Artifact
from gemel.twin import Page

__all__ = ["ROUTES"]

READ, FLEET = needs("read", "Platform"), needs("read", "Fleet")
CONFIGURE = needs("configure", "Platform")
Part = Annotated[str, QueryParameter(max_length=128, description="Only this software.")]


@get(f"{API}/software", opt=READ, tags=["software"], summary="Software that is declared")
async def software(request: Req) -> list[Software]:
    call = call_of(request)
    return list((await call.services.reads.run(call.services.platform.software.all)).values())


@put(
    f"{API}/software",
    opt=CONFIGURE | speaks(str, list[SoftwareDifference]),
    tags=["software"],
    summary="Declare software: versions, what they need, where they are required, how they get there",
)
async def declare(
    request: Req, dry_run: Annotated[bool, QueryParameter(description="Only say what would change.")] = False
) -> list[SoftwareDifference]:
    """A document (YAML or JSON, `software: [...]`). What it does not name stays as it is."""
    call = call_of(request)
    try:
        text = (await request.body()).decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the document is no UTF-8: {error.reason} at byte {error.start}") from error
    book = call.services.platform.software
    told = await call.services.waiting.run(book.apply, text, dry_run=dry_run, actor=person(call.who))
    call.position = max(call.position, call.services.platform.state.position)
    return told


@get(
    f"{API}/software/{{part:str}}",
    opt=READ | speaks(None, Software),
    tags=["software"],
    summary="One piece of software, with everything that was declared of it",
)
async def one(request: Req, part: FromPath[str]) -> Response[bytes]:
    """`history`: every declaration, the newest first; without software: it was withdrawn."""
    call = call_of(request)
    book = call.services.platform.software
    history = await call.services.reads.run(book.history, part)
    return json(plain({"software": history[0].software, "history": history}))


@delete(
    f"{API}/software/{{part:str}}",
    opt=CONFIGURE,
    status_code=204,
    tags=["software"],
    summary="Know a piece of software no more",
)
async def withdraw(request: Req, part: FromPath[str]) -> None:
    """What machines reported of it stays."""
    call = call_of(request)
    book = call.services.platform.software
    await call.services.waiting.run(book.withdraw, part, actor=person(call.who))


@get(f"{API}/software/files", opt=READ, tags=["software"], summary="Files of software")
async def files(request: Req) -> Response[bytes]:
    call = call_of(request)
    return json(plain(await call.services.reads.run(call.services.platform.artifacts.all)))


@post(
    f"{API}/software/files",
    opt=CONFIGURE | speaks(bytes, Artifact),
    request_max_body_size=None,
    tags=["software"],
    summary="Put a file in",
)
async def add(
    request: Req,
    name: Annotated[str, QueryParameter(max_length=200, description="What its maker calls it.")],
    signature: Annotated[
        str, QueryParameter(max_length=128, description="Ed25519 over the SHA-256 of the file, base64.")
    ] = "",
) -> Response[bytes]:
    """The body is the file; it is known by the SHA-256 of its content. The same content again is the same file."""
    call = call_of(request)
    parts = _parts(request.stream(), asyncio.get_running_loop())
    artifacts = call.services.platform.artifacts
    given = signature.replace(" ", "+")
    added = await call.services.exports.run(artifacts.add, parts, name, signature=given, actor=person(call.who))
    return json(plain(added), status=201)


def _parts(stream: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
    """What comes, one part after the other, in another thread."""

    async def more() -> bytes | None:
        return await anext(stream, None)

    while (part := asyncio.run_coroutine_threadsafe(more(), loop).result()) is not None:
        yield part


@get(f"{API}/software/files/{{sha256:str}}", opt=SELF, tags=["software"], summary="The bytes of a file")
async def file(request: Req, sha256: FromPath[str]) -> File:
    """To whoever may configure the plant; to a device, while a campaign has it fetch this file."""
    call = call_of(request)
    platform, who = call.services.platform, call.who
    allowed = platform.gate.allows(who, Action.CONFIGURE, Resource(ResourceKind.PLATFORM))
    if not allowed and who.kind == "Device":
        own = platform.gate.devices.twins(who)
        allowed = await call.services.reads.run(platform.campaigns.handed_out, own, sha256)
    if not allowed:
        raise NotFound(f"there is no file {sha256!r:.80} for you")
    path = await call.services.reads.run(platform.artifacts.path, sha256)
    headers = {"Cache-Control": "private, immutable", "ETag": f'"{sha256}"'}
    return File(path, filename=sha256, media_type="application/octet-stream", headers=headers)


@get(
    f"{API}/installed",
    opt=FLEET | speaks(None, Page[Looked], moments=True),
    tags=["software"],
    summary="What machines run, against what they have to run",
)
async def installed(
    request: Req, part: Part = "", at: AT = "", known: KNOWN = "", limit: Limit = 100, cursor: Cursor = ""
) -> Response[bytes]:
    """`told`: when a machine last told its version; `works`: what its function check says now. By the twins that may
    be seen; what of a machine may not be seen is left out."""
    call = call_of(request)
    seen = call.view.projection
    only = None if seen is None else frozenset(call.view.ids())
    book, when = call.services.platform.software, moments(at, known)
    page = await call.services.reads.run(
        lambda: book.fleet(
            part, when["at"], known=when["known"], only=only, limit=limit, after=onward_from(call, cursor)
        )
    )
    rows = [_shown(call, looked) for looked in page.items]
    return json(plain(onward(call, Page(rows, page.next))))


@get(
    f"{API}/items/{{item:str}}/software",
    opt=FLEET | speaks(None, list[Module], moments=True),
    tags=["items"],
    summary="Which software it has, and what is in it",
)
async def of_item(request: Req, item: FromPath[str], at: AT = "", known: KNOWN = "") -> Response[bytes]:
    """As it was last reported, by the slots from the item down."""
    call, when = call_of(request), moments(at, known)
    within = call.services.platform.software.within

    def whole() -> list[Module]:
        call.items.require(item, when["at"], known=when["known"])
        return list(within(item, when["at"], known=when["known"]))

    def partly(one: Partly) -> list[Module]:
        moment = call.items.now() if when["at"] is None else when["at"]
        believed = FOREVER - 1 if when["known"] is None else when["known"]
        return MachinePartly(one).software(item, within, moment, believed)

    return answered(request, await call.services.reads.run(lambda: call.items.first(whole, partly)))


@get(
    f"{API}/twins/{{twin:str}}/software",
    opt=needs("read", "Twin", id_in="twin") | speaks(None, Looked, moments=True),
    tags=["software"],
    summary="The software of one machine, against what is required",
)
async def of_twin(request: Req, twin: FromPath[str], at: AT = "", known: KNOWN = "") -> Response[bytes]:
    call = call_of(request)
    entry, when = call.view.entry(twin), moments(at, known)
    book = call.services.platform.software
    looked = await call.services.reads.run(lambda: book.look(entry.id, when["at"], known=when["known"]))
    return json(plain(_shown(call, looked)))


def _shown(call: Call, looked: Looked) -> dict[str, Any]:
    """As who asks may see it: of a machine that is not wholly seen only the software of twins that are, and without
    reasons, which tell of the rest."""
    machine, standings = looked.machine, looked.standings
    if call.view.projection is not None:
        standings = tuple(replace(one, reasons=()) for one in standings if _sees(call, one))
        seen = call.view.find(machine.twin) is not None if machine.twin else False
        modules = tuple(one.module for one in standings)
        machine = replace(machine, pieces=(), modules=modules)
        if not seen:
            machine = replace(machine, item="", part="", serial="", lot="", twin="")
    told = {name: getattr(machine, name) for name in ("item", "part", "serial", "lot", "twin")}
    worst = msgspec.structs.replace(looked, standings=standings).worst
    return {"machine": told, "worst": worst, "software": standings}


def _sees(call: Call, standing: SoftwareStanding) -> bool:
    module = standing.module
    entry = call.view.find(module.twin) if module.twin else None
    way = call.services.platform.software.way(module.twin, module.part, module.slot) if entry is not None else None
    seen = call.view.projection
    return entry is not None and way is not None and (seen is None or way.reports in seen.names(entry))


ROUTES = [software, declare, one, withdraw, files, add, file, installed, of_item, of_twin]
