"""Twins, their parts and links."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import msgspec
from litestar import delete, get, patch, post, put
from litestar.params import FromPath, QueryParameter
from litestar.response import Response
from sqlalchemy import Connection

from gemel.access import View
from gemel.clock import parse_time
from gemel.errors import InvalidInput, NotFound, RevisionConflict
from gemel.registry import Registry, TwinQuery
from gemel.server.call import Call, call_of
from gemel.server.encode import LinkView, PartsView, TwinView, Value, link_view, twin_view, value_of
from gemel.server.guard import needs, speaks
from gemel.server.http import (
    Cursor,
    Limit,
    Req,
    change,
    decoded,
    etag,
    if_match,
    json,
    onward,
    onward_from,
    time_or,
    unchanged,
)
from gemel.server.options import API
from gemel.server.search import search
from gemel.twin import Change, LifeStage, Link, Page, Twin, TwinSpec

__all__ = ["ROUTES"]

READ_ONE = needs("read", "Twin", id_in="twin")
CONFIGURE_ONE = needs("configure", "Twin", id_in="twin")
INCLUDES = {"now", "headline", "links", "parts"}
ATTEMPTS = 5
AT = Annotated[str | None, QueryParameter(description="A past instant, RFC 3339.")]


class TwinPatch(msgspec.Struct, omit_defaults=True):
    """What is given changes; null empties; attributes are merged."""

    name: str | None = None
    description: str | None = None
    serial: str | None = None
    types: tuple[str, ...] | None = None
    aliases: tuple[str, ...] | None = None
    attributes: dict[str, Any] | None = None
    stage: LifeStage | None = None


@get(f"{API}/twins", opt=needs("read", "Fleet"), tags=["twins"], summary="Search twins")
async def twins(
    request: Req,
    q: Annotated[
        str, QueryParameter(max_length=200, description="Part of the id, an alias, the serial or the name.")
    ] = "",
    type: Annotated[str, QueryParameter(max_length=200)] = "",
    stage: Annotated[str, QueryParameter(max_length=40)] = "",
    serial: Annotated[str, QueryParameter(max_length=200)] = "",
    alias: Annotated[str, QueryParameter(max_length=200)] = "",
    attribute: Annotated[list[str] | None, QueryParameter(description="key:value; may repeat.")] = None,
    property: Annotated[
        list[str] | None, QueryParameter(description="A name, or a condition on the live value: oil_temperature>80.")
    ] = None,
    linked: Annotated[
        list[str] | None, QueryParameter(description="part_of:line-1; part_of*:line-1 for any depth; may repeat.")
    ] = None,
    roots: Annotated[bool, QueryParameter(description="Only what is part of nothing.")] = False,
    retired: Annotated[bool, QueryParameter(description="Also retired ones.")] = False,
    include: Annotated[
        str, QueryParameter(max_length=100, description="now, headline, links, parts; with commas.")
    ] = "",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Page[TwinView]:
    """All conditions must hold; twins come in order of their ids."""
    call = call_of(request)
    wanted = {part.strip() for part in include.split(",") if part.strip()}
    if wanted - INCLUDES:
        raise InvalidInput(f"include={include:.60} is not understood; use {', '.join(sorted(INCLUDES))}")
    query = TwinQuery.parse(
        {
            "q": q,
            "type": type,
            "stage": stage,
            "serial": serial,
            "alias": alias,
            "attribute": attribute or [],
            "property": property or [],
            "linked": linked or [],
            "roots": str(roots).lower(),
            "retired": str(retired).lower(),
            "limit": str(limit),
            "cursor": onward_from(call, cursor),
        }
    )
    return await call.services.reads.run(_found, call, query, wanted)


def _found(call: Call, query: TwinQuery, wanted: set[str]) -> Page[TwinView]:
    page = search(call.view, query)
    view, trees = call.view, dict[str, PartsView]()
    joined: dict[str, list[LinkView]] = {}
    if "links" in wanted:
        joined = {twin.id: [] for twin in page.items}
        for link in view.links_of_all(joined):
            for end in {link.source, link.target} & joined.keys():
                joined[end].append(link_view(link))
    if "parts" in wanted:
        trees = {twin.id: _node(twin, "") for twin in page.items}
        _grown(trees, view.parts_of_all(trees))
        if "headline" in wanted:
            for tree in trees.values():
                _headlined(call, tree.parts)
    designs = _designs(call, page.items)
    views = [
        twin_view(
            twin,
            design_model=twin.id in designs,
            links=joined.get(twin.id),
            now=_values(call, twin.id) if "now" in wanted else None,
            headline=_values(call, twin.id, headline=True) if "headline" in wanted else None,
            parts=trees[twin.id].parts if "parts" in wanted else None,
        )
        for twin in page.items
    ]
    return onward(call, Page(views, page.next))


def _headlined(call: Call, parts: list[PartsView]) -> None:
    for part in parts:
        part.headline = _values(call, part.id, headline=True)
        _headlined(call, part.parts)


def _values(call: Call, twin: str, *, headline: bool = False) -> dict[str, Value] | None:
    """The live values of a twin; with `headline` those that overviews show."""
    entry = call.view.find(twin)
    if entry is None:
        return None
    shown = {name for name, ref in entry.properties.items() if ref.property.headline or not headline}
    return {name: value_of(one) for name, one in call.view.now(entry).items() if name in shown}


@post(f"{API}/twins", opt=needs("configure") | speaks(TwinSpec, TwinView), tags=["twins"], summary="Create a twin")
async def add_twin(request: Req) -> Response[bytes]:
    """The body is a twin as a plant document declares it: `{id, types, name, serial, part_of, links, …}`."""
    call = call_of(request)
    registry = call.services.platform.registry
    spec = await decoded(request, TwinSpec)
    await change(request, lambda tx: registry.put_twin(tx, spec, if_revision=0))
    view = await call.services.reads.run(_one, call, spec.id)
    headers = {**_etag(view, 1), "Location": f"{API}/twins/{view.id}"}
    return json(view, status=201, headers=headers)


@get(
    f"{API}/twins/{{twin:str}}",
    opt=READ_ONE | speaks(None, TwinView),
    tags=["twins"],
    summary="One twin, with its links",
)
async def twin_of(request: Req, twin: FromPath[str]) -> Response[bytes]:
    call = call_of(request)
    view = await call.services.reads.run(_one, call, twin)
    if not view.design_model and unchanged(request, view.revision):
        return Response(b"", status_code=304, headers=etag(view.revision))
    return json(view, headers=etag(view.revision))


def _one(call: Call, twin: str) -> TwinView:
    found = call.view.twin(twin)
    links = [link_view(link) for link in call.view.links(twin)]
    design = bool(_designs(call, [found]))
    if not design and found.stage in _REAL:  # declared so, and its end item was told of afterwards
        design = bool(call.services.platform.configuration.design_models([found.id], end_items=True))
    return twin_view(found, links=links, design_model=design)


_REAL = frozenset(LifeStage) - {LifeStage.PLANNED, LifeStage.RETIRED, LifeStage.RECYCLED}


def _designs(call: Call, twins: list[Twin]) -> frozenset[str]:
    """Those that must not be called twins yet."""
    planned = [twin.id for twin in twins if twin.stage is LifeStage.PLANNED]
    return call.services.platform.configuration.design_models(planned) if planned else frozenset()


@patch(
    f"{API}/twins/{{twin:str}}",
    opt=CONFIGURE_ONE | speaks(TwinPatch, TwinView),
    tags=["twins"],
    summary="Change a twin",
)
async def change_twin(request: Req, twin: FromPath[str]) -> Response[bytes]:
    """A JSON merge patch (RFC 7396) of name, description, serial, types, aliases, attributes, stage."""
    call = call_of(request)
    registry = call.services.platform.registry
    given = await decoded(request, dict[str, Any])
    unknown = given.keys() - set(TwinPatch.__struct_fields__)
    if unknown:
        raise InvalidInput(
            f"{', '.join(sorted(unknown))!r:.100} cannot be patched; use {', '.join(TwinPatch.__struct_fields__)}"
        )
    read = if_match(request)
    for attempt in range(ATTEMPTS):
        before = await call.services.reads.run(registry.twin, twin)
        spec = _patched(before, given)
        wanted = before.revision if read is None else read
        made: list[Change] = []
        try:
            await change(request, partial(_put, registry, spec, wanted, made))
            break
        except RevisionConflict:  # without If-Match the patch is applied to what somebody else made meanwhile
            if read is not None or attempt == ATTEMPTS - 1:
                raise
    view = await call.services.reads.run(_one, call, twin)
    return json(view, headers=_etag(view, wanted + bool(made)))


def _put(registry: Registry, spec: TwinSpec, wanted: int, made: list[Change], tx: Connection) -> list[Change]:
    made[:] = registry.put_twin(tx, spec, if_revision=wanted)
    return made


def _etag(view: TwinView, made: int) -> dict[str, str]:
    """The ETag of what this request made. None when somebody was faster with the next change: whoever writes for that
    one has not seen it, and would overwrite it."""
    return etag(made) if view.revision == made else {}


def _patched(twin: Twin, given: dict[str, Any]) -> TwinSpec:
    document: dict[str, Any] = {
        "id": twin.id,
        "types": list(twin.types),
        "name": twin.name,
        "description": twin.description,
        "serial": twin.serial,
        "aliases": list(twin.aliases),
        "attributes": dict(twin.attributes),
    }
    for name, value in given.items():
        if name == "attributes" and isinstance(value, dict):
            document[name] = _merged(document[name], value)
        elif value is None:
            document.pop(name, None)
        else:
            document[name] = value
    try:
        return msgspec.convert(document, TwinSpec)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"the patched twin does not fit: {error}") from error


def _merged(before: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """RFC 7396: null removes the member."""
    merged = dict(before)
    for name, value in given.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict) and isinstance(merged.get(name), dict):
            merged[name] = _merged(merged[name], value)
        else:
            merged[name] = value
    return merged


@delete(f"{API}/twins/{{twin:str}}", opt=CONFIGURE_ONE, status_code=204, tags=["twins"], summary="Retire a twin")
async def remove_twin(request: Req, twin: FromPath[str]) -> None:
    """Its links end; its history stays; its id is never used again."""
    call = call_of(request)
    registry, read = call.services.platform.registry, if_match(request)
    if read is not None:
        found = await call.services.reads.run(registry.twin, twin)
        if found.revision != read:
            raise RevisionConflict(
                f"{twin} is at revision {found.revision}, not {read}; read it again and retry", revision=found.revision
            )
    await change(request, lambda tx: registry.remove_twin(tx, twin))


@get(f"{API}/twins/{{twin:str}}/parts", opt=READ_ONE, tags=["twins"], summary="What it is made of")
async def parts(
    request: Req,
    twin: FromPath[str],
    depth: Annotated[int | None, QueryParameter(ge=1, le=64, description="Levels; all if left out.")] = None,
    at: AT = None,
) -> PartsView:
    call = call_of(request)
    moment = None if at is None else time_or(at, 0)
    return await call.services.reads.run(_tree, call.view, twin, depth, moment)


def _tree(view: View, twin: str, depth: int | None, at: int | None) -> PartsView:
    root = _node(view.twin(twin), "")
    _grown({root.id: root}, view.parts(twin, depth=depth, at=at))
    return root


def _node(twin: Twin, slot: str) -> PartsView:
    return PartsView(twin.id, twin.name, twin.types, slot, str(twin.stage), [])


def _grown(known: dict[str, PartsView], links: list[tuple[Link, Twin]]) -> None:
    """Hang the parts below what is known of them already."""
    known = dict(known)
    for link, part in links:  # nearest first, so the whole is known before its parts
        shown = known.setdefault(part.id, _node(part, link.slot))
        if link.target in known:
            known[link.target].parts.append(shown)


@get(f"{API}/twins/{{twin:str}}/links", opt=READ_ONE, tags=["twins"], summary="Typed links from and to it")
async def links(
    request: Req,
    twin: FromPath[str],
    kind: Annotated[str | None, QueryParameter(max_length=128)] = None,
    direction: Annotated[str, QueryParameter(pattern="^(out|in|both)$", description="out, in or both.")] = "both",
    at: AT = None,
) -> Page[LinkView]:
    call = call_of(request)
    moment = None if at is None else time_or(at, 0)
    found = await call.services.reads.run(call.view.links, twin, kind=kind, direction=direction, at=moment)
    return Page([link_view(link) for link in found])


class NewLink(msgspec.Struct, forbid_unknown_fields=True):
    """How the link is; all of it may be left out."""

    slot: str = ""
    since: str | None = None
    """RFC 3339; null: from now on."""


@put(
    f"{API}/twins/{{twin:str}}/links/{{kind:str}}/{{target:str}}",
    opt=CONFIGURE_ONE | speaks(NewLink),
    tags=["twins"],
    summary="Link it to another twin",
)
async def put_link(request: Req, twin: FromPath[str], kind: FromPath[str], target: FromPath[str]) -> LinkView:
    registry = call_of(request).services.platform.registry
    call_of(request).view.entry(target)
    given = await decoded(request, NewLink, optional=True)
    since = None if given.since is None else parse_time(given.since)
    await change(request, lambda tx: registry.put_link(tx, kind, twin, target, slot=given.slot, since=since))
    found = await call_of(request).services.reads.run(registry.links, twin, kind=kind, direction="out")
    aimed = registry.directory.twin(target)
    name = target if aimed is None else aimed.id
    held = [link for link in found if link.target == name and (not given.slot or link.slot == given.slot)]
    if not held:
        raise NotFound(f"the link {kind:.80} from {twin:.80} to {target:.80} begins later; ask with ?at=")
    return link_view(held[-1])


@delete(
    f"{API}/twins/{{twin:str}}/links/{{kind:str}}/{{target:str}}",
    opt=CONFIGURE_ONE,
    status_code=204,
    tags=["twins"],
    summary="End a link",
)
async def end_link(
    request: Req,
    twin: FromPath[str],
    kind: FromPath[str],
    target: FromPath[str],
    until: Annotated[str | None, QueryParameter(description="RFC 3339; now if left out.")] = None,
) -> None:
    registry = call_of(request).services.platform.registry
    moment = None if until is None else time_or(until, 0)
    await change(request, lambda tx: registry.end_link(tx, kind, twin, target, until=moment))


ROUTES = [twins, add_twin, twin_of, change_twin, remove_twin, parts, links, put_link, end_link]
