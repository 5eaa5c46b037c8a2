"""What is granted to whom, what somebody would see by a grant, and why somebody may do something."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.access import (
    TEMPLATES,
    Grant,
    ItemView,
    PreviewType,
    Selector,
    Template,
    Why,
    check_item_view,
    explain,
    preview,
    principal_called,
)
from gemel.clock import parse_time
from gemel.configuration import Seen, explain_item
from gemel.server.bitemporal import plain
from gemel.server.call import Call, call_of
from gemel.server.encode import rfc3339, rfc3339_or_none
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Limit, Req, decoded, json, page_of
from gemel.server.options import API
from gemel.server.routes.users import ADMINISTER
from gemel.twin import Page, parse_duration

__all__ = ["ROUTES"]

MOST_TREES = 3
ONE_GRANT = needs("administer", "Identity", id_in="grant")


class NewGrant(msgspec.Struct, forbid_unknown_fields=True):
    """Who may do what to which twins, with which groups of their properties, from when until when."""

    to: str
    """party:<id>, user:<id or name> or role:<role>."""
    actions: list[str]
    """Of read, subscribe, query, export, write, command, configure."""
    selector: Selector
    groups: list[str] = []
    """Of properties; empty: all, and each twin as a whole."""
    starts: str | None = None
    """RFC 3339; null: now."""
    ends: str | None = None
    """RFC 3339; null: until it is revoked."""
    history: str = ""
    """How much of the past may be read: empty, all; a moment (RFC 3339) from which on; or the last 7d, 12h, 0s."""
    purpose: str = ""
    """What for, for people."""
    items: ItemView | None = None
    """Then it is a view of the configuration of these twins' machines: which items, and what of them."""


class Sketch(msgspec.Struct, forbid_unknown_fields=True):
    """Of which twins, with which groups of their properties."""

    selector: Selector
    groups: list[str] = []
    items: ItemView | None = None


class Sketched(msgspec.Struct):
    """What would be seen."""

    twins: int
    selected: str
    some: list[str]
    unknown: list[str]
    types: list[PreviewType]
    """Of twins; none by a view of the configuration."""
    trees: list[dict[str, Any]] = []
    """By a view of the configuration: the first machines, or their parts, as they would be told."""


class GrantView(msgspec.Struct):
    """A grant."""

    id: str
    to: str
    actions: list[str]
    selector: Selector
    selected: str
    """The selector in words."""
    groups: list[str]
    starts: str | None
    ends: str | None
    history: str
    purpose: str
    created: str
    actor: str
    revoked: str | None
    state: str
    """holds, waiting (it begins later), ended or revoked."""
    items: ItemView | None
    """Of a view of the configuration."""


def _grant(call: Call, grant: Grant) -> GrantView:
    history = "" if grant.history_s is None else f"{grant.history_s}s"
    return GrantView(
        grant.id,
        grant.to,
        [str(action) for action in grant.actions],
        grant.selector,
        str(grant.selector) if grant.items is None else f"items of {grant.selector}: {grant.items}",
        [str(group) for group in grant.groups],
        rfc3339_or_none(grant.starts),
        rfc3339_or_none(grant.ends),
        history if grant.history_from is None else rfc3339(grant.history_from),
        grant.purpose,
        rfc3339(grant.created),
        grant.actor,
        rfc3339_or_none(grant.revoked),
        grant.state(call.services.platform.gate.now()),
        grant.items,
    )


@get(f"{API}/grants", opt=ADMINISTER, tags=["access"], summary="What was granted, the newest first")
async def grants(
    request: Req,
    to: Annotated[str, QueryParameter(max_length=100, description="Only to party:<id>, user:<id>, role:<role>.")] = "",
    twin: Annotated[str, QueryParameter(max_length=200, description="Only what is for this twin now.")] = "",
    current: Annotated[bool, QueryParameter(description="Without what has ended or was revoked.")] = False,
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Page[GrantView]:
    call = call_of(request)
    gate, number = call.services.platform.gate, 0
    if twin:
        number = call.view.entry(twin).number
    found = [
        _grant(call, one)
        for one in gate.grants.all()
        if (not to or one.to == to)
        and (not twin or gate.covers.covers(one.selector, number))
        and (not current or one.state(gate.now()) in {"holds", "waiting"})
    ]
    return page_of(call, found, limit, cursor, lambda grant: f"{9 * 10**18 - parse_time(grant.created):020d}{grant.id}")


@post(f"{API}/grants", opt=ADMINISTER | speaks(NewGrant, GrantView), tags=["access"], summary="Grant something")
async def add_grant(request: Req) -> Response[bytes]:
    call, given = call_of(request), await decoded(request, NewGrant)
    since, last_s = _history(given.history)
    made = await call.services.waiting.run(
        call.services.platform.gate.grant,
        given.to,
        given.actions,
        given.selector,
        groups=given.groups,
        starts=None if given.starts is None else parse_time(given.starts),
        ends=None if given.ends is None else parse_time(given.ends),
        history_from=since,
        history_s=last_s,
        purpose=given.purpose,
        items=given.items,
        actor=call.who.id,
    )
    return json(_grant(call, made), status=201, headers={"Location": f"{API}/grants/{made.id}"})


def _history(text: str) -> tuple[int | None, int | None]:
    """(from when on, the last so many seconds). Raises InvalidTime, InvalidInput."""
    if not text:
        return None, None
    if "T" in text or text.count("-") == 2:
        return parse_time(text), None
    if told := re.fullmatch(r"(\d{1,11})s", text, re.ASCII):  # as a grant tells it
        return None, int(told[1])
    seconds = parse_duration(text)
    return None, None if seconds is None else int(seconds)


@get(f"{API}/grant-templates", opt=ADMINISTER, tags=["access"], summary="Usual grants, to begin with")
async def templates() -> list[Template]:
    return list(TEMPLATES)


@post(
    f"{API}/grants/preview",
    opt=ADMINISTER | speaks(Sketch, Sketched),
    status_code=200,
    tags=["access"],
    summary="What somebody would see by a grant; nothing is done",
)
async def preview_grant(request: Req) -> Response[bytes]:
    call, given = call_of(request), await decoded(request, Sketch)
    return json(plain(await call.services.reads.run(_sketched, call, given)))


def _sketched(call: Call, given: Sketch) -> Sketched:
    platform = call.services.platform
    found = preview(platform.gate, platform.registry.directory, given.selector, given.groups)
    told = Sketched(found.twins, found.selected, found.some, found.unknown, found.types)
    if given.items is None:
        return told
    view = check_item_view(given.items)
    items = platform.gate.items_of("preview", given.selector, view, groups=given.groups)
    trees = [plain(tree) for tree in Seen.by(platform.database, platform.clock, call.view, items).looks(MOST_TREES)]
    return msgspec.structs.replace(told, types=[], trees=trees)


@get(f"{API}/grants/{{grant:str}}", opt=ONE_GRANT, tags=["access"], summary="One grant")
async def grant_of(request: Req, grant: FromPath[str]) -> GrantView:
    call = call_of(request)
    return _grant(call, call.services.platform.gate.grants.get(grant))


@delete(
    f"{API}/grants/{{grant:str}}", opt=ONE_GRANT, status_code=200, tags=["access"], summary="Revoke a grant, at once"
)
async def revoke_grant(request: Req, grant: FromPath[str]) -> GrantView:
    """Streams, downloads and queries that rest on it end within a second. It stays in the list, as revoked."""
    call = call_of(request)
    revoked = await call.services.waiting.run(call.services.platform.gate.grants.revoke, grant, actor=call.who.id)
    return _grant(call, revoked)


@get(f"{API}/access/why", opt=ADMINISTER, tags=["access"], summary="Why may somebody do something, or why not")
async def why(
    request: Req,
    who: Annotated[str, QueryParameter(max_length=128, description="A user, token, device:<id> or party:<id>.")],
    twin: Annotated[str, QueryParameter(max_length=200, description="Id of the twin.")] = "",
    item: Annotated[str, QueryParameter(max_length=200, description="In place of a twin: id of an item.")] = "",
    action: Annotated[str, QueryParameter(max_length=20, description="read, write, command …")] = "read",
    property: Annotated[str, QueryParameter(max_length=128, description="One property; all if left out.")] = "",
) -> Why:
    """By which grant or rule; where it is a no, what would be needed."""
    call = call_of(request)
    platform = call.services.platform
    gate = platform.gate
    if item:
        principal = principal_called(gate, who)
        seen = Seen(platform.database, platform.clock, platform.view(principal))
        return await call.services.reads.run(explain_item, gate, principal, seen, item)
    return explain(gate, principal_called(gate, who), action, (call.view.entry(twin), twin, property))


ROUTES = [grants, add_grant, templates, preview_grant, grant_of, revoke_grant, why]
