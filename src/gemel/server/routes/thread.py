"""The digital thread: followed from anything, both ways; what is said of it; imports with a look at them first."""

from __future__ import annotations

import io
import lzma
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.clock import parse_time
from gemel.configuration import Basis
from gemel.errors import InvalidInput, TooLarge
from gemel.server.bitemporal import answered, plain, understood
from gemel.server.call import Call, call_of
from gemel.server.encode import dumps
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Limit, Number, Req, cursor_of, decoded, json, onward, onward_from, time_if
from gemel.server.options import API
from gemel.server.routes.items import AT, KNOWN, moments
from gemel.server.routes.jobs import JobView, job_view
from gemel.server.thread_seen import CallerSight
from gemel.server.thread_views import FollowedView, followed_view
from gemel.thread import (
    LinkSpec,
    Measurement,
    MeasurementQuery,
    Node,
    NodeKind,
    Phase,
    Record,
    RecordQuery,
    RecordSpec,
    Status,
    Thread,
    Traced,
    Woven,
    excerpt,
    trace,
)
from gemel.thread.importing import Preview, load_mapping, shipped
from gemel.twin import Page

__all__ = ["ROUTES", "listed", "of_words", "sight_of", "thread_of"]

READ = needs("read", "Fleet")
"""What is told is what is linked to twins and items that the caller sees."""
SAY = needs("operate", "Platform")
QUICK_S = 2.0
UNPACKED = 512 << 20
Text = Annotated[str, QueryParameter(max_length=400)]
_NO_ARCHIVE = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, OSError, EOFError),
    *(zlib.error, lzma.LZMAError, ValueError),  # of what is packed, and of names that are no text
)


class Weaving(msgspec.Struct, forbid_unknown_fields=True):
    """Records and links that are to be known, all or none."""

    records: list[RecordSpec] = []
    links: list[LinkSpec] = []
    basis: Basis = Basis()


class MappingView(msgspec.Struct):
    """A mapping that comes with Gemel."""

    name: str
    title: str


def sight_of(call: Call) -> CallerSight:
    """What who asks sees."""
    return CallerSight(call.view, call.items)


def thread_of(call: Call) -> Thread:
    """On behalf of who asks."""
    return call.services.platform.thread.as_(call.who.id)


def listed(text: str) -> tuple[str, ...]:
    """Of a parameter with commas."""
    return tuple(one.strip() for one in text.split(",") if one.strip())


def of_words(text: str, kind: type[StrEnum], name: str) -> tuple[Any, ...]:
    """Words of an enumeration. Raises InvalidInput."""
    wrong = [one for one in listed(text) if one not in set(kind)]
    if wrong:
        raise InvalidInput(f"{name}={wrong[0]:.40} is none of {', '.join(kind)}")
    return tuple(kind(one) for one in listed(text))


@get(
    f"{API}/thread/{{kind:str}}/{{id:str}}",
    opt=READ | speaks(None, FollowedView, moments=True),
    tags=["thread"],
    summary="Follow the thread from something",
)
async def follow(
    request: Req,
    kind: FromPath[str],
    id: FromPath[str],
    sub: Annotated[str, QueryParameter(max_length=200, description="Revision, slot, property or version.")] = "",
    start: Annotated[
        str, QueryParameter(max_length=40, description="Of a time of an item, a slot or a twin, RFC 3339.")
    ] = "",
    end: Annotated[str, QueryParameter(max_length=40, description="Its end.")] = "",
    depth: Annotated[int, QueryParameter(ge=1, le=10, description="So many links at most.")] = 3,
    direction: Annotated[str, QueryParameter(max_length=10, description="both, forward or back.")] = "both",
    phase: Annotated[str, QueryParameter(max_length=100, description="Only of these phases, with commas.")] = "",
    link: Annotated[str, QueryParameter(max_length=400, description="Only along these kinds, with commas.")] = "",
    siblings: Annotated[
        bool, QueryParameter(description="Also back the way one came: from a program to all runs of it.")
    ] = False,
    limit: Annotated[int, QueryParameter(ge=1, le=5000)] = 500,
    after: Annotated[str, QueryParameter(max_length=2000, description="Of a part: `next` of the answer before.")] = "",
    at: AT = "",
    known: KNOWN = "",
) -> Response[bytes]:
    """kind: part, item, slot, twin, act, record, document or measurement. Everything that is reached has its shortest
    path, each link of it the file and the place that say so."""
    call = call_of(request)
    (node_kind,) = of_words(kind, NodeKind, "kind") or (None,)
    if node_kind is None or direction not in ("both", "forward", "back"):
        raise InvalidInput(f"direction {direction:.20} is none of both, forward, back")
    node = Node(
        kind=node_kind,
        id=id,
        sub=sub,
        start=parse_time(start) if start else None,
        end=parse_time(end) if end else None,
    ).checked()
    when = moments(at, known)
    thread, sight = thread_of(call), sight_of(call)
    asked = thread.asked(
        **when,
        depth=depth,
        direction=direction,
        phases=of_words(phase, Phase, "phase"),
        kinds=listed(link),
        siblings=siblings,
        limit=limit,
        after=onward_from(call, after),
    )

    def work() -> FollowedView:
        found = thread.follow(node, asked, sight=sight)
        view = followed_view(thread, found, known=when["known"], sight=sight)
        return msgspec.structs.replace(view, next=cursor_of(call, view.next) if view.next else "")

    return answered(request, await call.services.reads.run(work))


@get(f"{API}/records", opt=READ | speaks(None, Page[Record], moments=True), tags=["thread"], summary="Search records")
async def records(
    request: Req,
    q: Annotated[str, QueryParameter(max_length=200, description="Part of the id, title or external id.")] = "",
    kind: Text = "",
    phase: Text = "",
    system: Text = "",
    external: Annotated[str, QueryParameter(max_length=200, description="Its id in the system that holds it.")] = "",
    known: KNOWN = "",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Response[bytes]:
    """Drawings, programs, operations, inspections, work orders …, in the order of their ids."""
    call = call_of(request)
    query = RecordQuery(
        q=q,
        kind=kind,
        phase=next(iter(of_words(phase, Phase, "phase")), None),
        system=system,
        external=external,
        limit=limit,
        after=int(onward_from(call, cursor) or 0),
    )
    believed = moments("", known)["known"]
    thread, sight = thread_of(call), sight_of(call)
    page = await call.services.reads.run(thread.records, query, known=believed, sight=sight)
    return json(plain(onward(call, page)))


@get(
    f"{API}/records/{{id:str}}",
    opt=READ | speaks(None, Record, moments=True),
    tags=["thread"],
    summary="One record",
)
async def record(request: Req, id: FromPath[str], known: KNOWN = "") -> Response[bytes]:
    call = call_of(request)
    believed = moments("", known)["known"]
    thread, sight = thread_of(call), sight_of(call)
    return answered(request, await call.services.reads.run(thread.record, id, known=believed, sight=sight))


@get(
    f"{API}/measurements",
    opt=READ | speaks(None, Page[Measurement], moments=True),
    tags=["thread"],
    summary="What inspections found",
)
async def measurements(
    request: Req,
    items: Annotated[str, QueryParameter(max_length=4000, description="Ids, with commas; all if left out.")] = "",
    inspection: Text = "",
    characteristic: Text = "",
    status: Annotated[str, QueryParameter(max_length=10, description="pass, fail or unknown.")] = "",
    known: KNOWN = "",
    limit: Annotated[int, QueryParameter(ge=1, le=100_000)] = 1000,
    cursor: Cursor = "",
) -> Response[bytes]:
    """`origin` leads to the file and the place in it."""
    call = call_of(request)
    query = MeasurementQuery(
        items=listed(items),
        inspection=inspection,
        characteristic=characteristic,
        status=next(iter(of_words(status, Status, "status")), None),
        limit=limit,
        after=int(onward_from(call, cursor) or 0),
    )
    believed = moments("", known)["known"]
    thread, sight = thread_of(call), sight_of(call)
    page = await call.services.reads.run(thread.measurements, query, known=believed, sight=sight)
    return json(plain(onward(call, page)))


@get(
    f"{API}/trace",
    opt=READ | speaks(None, Traced, moments=True),
    tags=["thread"],
    summary="From what was out of tolerance to how it was made",
)
async def traced(
    request: Req,
    items: Annotated[str, QueryParameter(max_length=4000, description="Ids, with commas.")],
    status: Annotated[str, QueryParameter(max_length=10, description="fail, pass, unknown; empty: all.")] = "fail",
    known: KNOWN = "",
) -> Response[bytes]:
    """For each item: its measurements that came out so, and the runs that made it, with machine, program, drawing,
    tools, the machine's readings while each tool was at work, and the files that say so. What nobody tells is said."""
    call = call_of(request)
    if not listed(items):
        raise InvalidInput("name the items, like items=box-3,box-4")
    if len(listed(items)) > 100:
        raise TooLarge("at most 100 items are traced at once")
    wanted = next(iter(of_words(status, Status, "status")), None)
    believed = moments("", known)["known"]
    thread, sight, view = thread_of(call), sight_of(call), call.view
    found = await call.services.past(
        call, trace, thread, listed(items), read=view.range, status=wanted, known=believed, sight=sight
    )
    return answered(request, found)


@get(
    f"{API}/thread/sources/{{number:int}}",
    opt=needs("read", "Platform"),
    tags=["thread"],
    summary="The lines of a file that say something",
)
async def source(
    request: Req,
    number: Number,
    place: Annotated[
        str, QueryParameter(max_length=400, description="As an answer told it; empty: its beginning.")
    ] = "",
) -> Response[bytes]:
    """Name, SHA-256 and size of the file, and the lines about that place, where it was kept."""
    call = call_of(request)
    found = await call.services.reads.run(excerpt, thread_of(call), number, place)
    return answered(request, found)


@post(
    f"{API}/thread",
    opt=SAY | speaks(Weaving, Woven, moments=True),
    tags=["thread"],
    summary="Say records and links",
)
async def weave(request: Req) -> Response[bytes]:
    """All or none. What is known already is not said again; with the same `basis.source` and `basis.key` nothing is
    done a second time."""
    call = call_of(request)
    given = understood(await decoded(request, Any), Weaving)
    thread = thread_of(call)
    done = await call.services.waiting.run(thread.weave, given.records, given.links, basis=given.basis)
    call.position = max(call.position, call.services.platform.state.position)
    return json(plain(done), status=200 if done.repeated else 201)


@delete(
    f"{API}/thread/links/{{number:int}}",
    opt=SAY,
    status_code=200,
    tags=["thread"],
    summary="End a link",
)
async def end_link(
    request: Req,
    number: Number,
    reason: Annotated[str, QueryParameter(max_length=1000, description="Why.")] = "",
    at: Annotated[str, QueryParameter(max_length=40, description="It was so until then; left out: it never was.")] = "",
) -> Response[bytes]:
    call = call_of(request)
    until = time_if(at)
    thread = thread_of(call)
    done = await call.services.waiting.run(thread.end, number, until, basis=Basis(reason=reason))
    return json(plain(done))


@get(f"{API}/thread/mappings", opt=needs("read", "Platform"), tags=["thread"], summary="Mappings for imports")
async def mappings(request: Req) -> list[MappingView]:  # noqa: ARG001 - a route
    """Those that come with Gemel; an archive may bring its own as mapping.yaml."""
    told = shipped()
    assert isinstance(told, dict)
    return [MappingView(name, title) for name, title in told.items()]


@post(
    f"{API}/thread/imports",
    opt=needs("configure", "Platform") | speaks(None, JobView),
    status_code=202,
    tags=["thread"],
    summary="Import a folder into the thread",
)
async def imports(
    request: Req,
    mapping: Annotated[str, QueryParameter(max_length=100, description="One that comes with Gemel; empty: the "
                       "archive's mapping.yaml.")] = "",
    name: Annotated[str, QueryParameter(max_length=200, description="The body is this one file, and no archive.")] = "",
    receiving: Annotated[
        bool,
        QueryParameter(name="receive", description="What as-built lists say was seen: the record becomes as they say."),
    ] = False,
    dry_run: Annotated[bool, QueryParameter(description="Only say what would become of it.")] = False,
) -> Response[bytes]:  # fmt: skip
    """The body is a ZIP archive of the files, or one of them. A job: its result is what each file brings, with its
    faults by row, and what as-built lists say otherwise than the record, by slot. With one error nothing is taken in.
    What was taken in before is not taken in again."""
    call = call_of(request)
    body = await request.body()
    services, actor = call.services, call.who.id

    def work(progress: Callable[[float], None]) -> Any:
        with tempfile.TemporaryDirectory(prefix="gemel-import-") as scratch:
            folder = Path(scratch) / "files"
            if name:
                folder.mkdir()
                folder.joinpath(alone(name)).write_bytes(body)
            else:
                unpack(body, folder)
            own = folder / "mapping.yaml"
            if mapping:
                text = shipped(mapping)
            elif own.is_file():
                text = own.read_text("utf-8", "replace")
            else:
                raise InvalidInput("name a mapping, or put mapping.yaml into the archive")
            own.unlink(missing_ok=True)
            how = load_mapping(str(text), mapping or "mapping.yaml")
            room = services.platform.imports
            if dry_run:
                found: Preview = room.preview(folder, how, receive=receiving, progress=progress)
            else:
                found = room.carry_out(folder, how, actor=actor, receive=receiving, progress=progress)
            return msgspec.json.decode(dumps(plain(found)))

    begun = services.jobs.start("import", mapping or "mapping.yaml", work, actor=actor)
    job = await services.waiting.run(services.jobs.outcome, begun.id, wait_s=QUICK_S)
    call.position = max(call.position, services.platform.state.position)
    headers = {"Location": f"{API}/jobs/{job.id}"}
    return json(job_view(job), status=200 if job.over else 202, headers=headers)


def alone(name: str) -> str:
    """The name of a file that is sent by itself. Raises InvalidInput."""
    if PurePosixPath(name).name != name or name.startswith(".") or "\\" in name or not name.isprintable():
        raise InvalidInput(f"{name!r:.100} is no name of a file; name it like list.csv")
    return name


def unpack(data: bytes, folder: Path) -> None:
    """A ZIP archive, with nothing outside of the folder and not too much of it. Raises InvalidInput, TooLarge."""
    folder.mkdir()
    size = 0
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                path = PurePosixPath(entry.filename)
                if entry.is_dir():
                    continue
                if path.is_absolute() or ".." in path.parts or "\\" in entry.filename or not path.parts:
                    raise InvalidInput(f"{entry.filename!r:.100} leads out of the archive")
                target = folder.joinpath(*path.parts)
                with suppress(FileExistsError):
                    target.parent.mkdir(parents=True)
                with archive.open(entry) as reading, target.open("xb") as writing:
                    while part := reading.read(1 << 20):
                        size += len(part)
                        if size > UNPACKED:
                            raise TooLarge(f"the archive is larger than {UNPACKED >> 20} MB unpacked; send it in parts")
                        writing.write(part)
    except _NO_ARCHIVE as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise InvalidInput(f"the body is no whole ZIP archive: {error!s:.200}") from error


ROUTES: list[Any] = [
    follow,
    records,
    record,
    measurements,
    traced,
    source,
    weave,
    end_link,
    mappings,
    imports,
]
