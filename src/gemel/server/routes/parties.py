"""Parties, what is granted to them, and why somebody may do something."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import delete, get, patch, post
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.access import Grant, Party, Selector, Why, explain, principal_called
from gemel.clock import parse_time
from gemel.server.call import Call, call_of
from gemel.server.encode import rfc3339
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Limit, Req, decoded, etag, if_match, json, page_of
from gemel.server.options import API
from gemel.twin import Page, parse_duration

__all__ = ["ROUTES"]

ADMINISTER = needs("administer", "Identity")
ONE_PARTY = needs("administer", "Identity", id_in="party")
ONE_GRANT = needs("administer", "Identity", id_in="grant")


class PartyView(msgspec.Struct):
    """An organisation that sees some of this plant."""

    id: str
    name: str
    disabled: bool
    """Nobody of it is let in."""
    created: str
    changed: str
    revision: int
    users: int
    grants: int
    """That hold now, or will."""


class NewParty(msgspec.Struct, forbid_unknown_fields=True):
    """An organisation."""

    id: str
    name: str


class PartyChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is given changes."""

    name: str | None = None
    disabled: bool | None = None


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


def _party(call: Call, party: Party) -> PartyView:
    gate = call.services.platform.gate
    users = sum(account.party == party.id for account in gate.accounts.all())
    states = [one.state(gate.now()) for one in gate.grants.all() if one.to == f"party:{party.id}"]
    return PartyView(
        party.id,
        party.name,
        party.disabled,
        rfc3339(party.created),
        rfc3339(party.changed),
        party.revision,
        users,
        sum(state in {"holds", "waiting"} for state in states),
    )


def _grant(call: Call, grant: Grant) -> GrantView:
    def told(moment: int | None) -> str | None:
        return None if moment is None else rfc3339(moment)

    history = "" if grant.history_s is None else f"{grant.history_s}s"
    return GrantView(
        grant.id,
        grant.to,
        [str(action) for action in grant.actions],
        grant.selector,
        str(grant.selector),
        [str(group) for group in grant.groups],
        told(grant.starts),
        told(grant.ends),
        history if grant.history_from is None else rfc3339(grant.history_from),
        grant.purpose,
        rfc3339(grant.created),
        grant.actor,
        told(grant.revoked),
        grant.state(call.services.platform.gate.now()),
    )


@get(f"{API}/parties", opt=ADMINISTER, tags=["access"], summary="Other organisations that see some of this plant")
async def parties(request: Req, limit: Limit = 100, cursor: Cursor = "") -> Page[PartyView]:
    call = call_of(request)
    known = [_party(call, one) for one in call.services.platform.gate.parties.all()]
    return page_of(known, limit, cursor, lambda party: party.id)


@post(f"{API}/parties", opt=ADMINISTER | speaks(NewParty, PartyView), tags=["access"], summary="Add an organisation")
async def add_party(request: Req) -> Response[bytes]:
    """It sees nothing until something is granted to it."""
    call, given = call_of(request), await decoded(request, NewParty)
    made = await call.services.waiting.run(
        call.services.platform.gate.parties.add, given.id, given.name, actor=call.who.id
    )
    return json(_party(call, made), status=201, headers={**etag(made.revision), "Location": f"{API}/parties/{made.id}"})


@get(f"{API}/parties/{{party:str}}", opt=ONE_PARTY | speaks(None, PartyView), tags=["access"], summary="One of them")
async def party_of(request: Req, party: FromPath[str]) -> Response[bytes]:
    call = call_of(request)
    found = call.services.platform.gate.parties.get(party)
    return json(_party(call, found), headers=etag(found.revision))


@patch(
    f"{API}/parties/{{party:str}}",
    opt=ONE_PARTY | speaks(PartyChange, PartyView),
    tags=["access"],
    summary="Rename it, or let nobody of it in",
)
async def change_party(request: Req, party: FromPath[str]) -> Response[bytes]:
    """`disabled: true` ends what its people and programs have open, within a second."""
    call, given = call_of(request), await decoded(request, PartyChange)
    changed = await call.services.waiting.run(
        call.services.platform.gate.parties.change,
        party,
        name=given.name,
        disabled=given.disabled,
        if_revision=if_match(request),
        actor=call.who.id,
    )
    return json(_party(call, changed), headers=etag(changed.revision))


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
    return page_of(found, limit, cursor, lambda grant: f"{9 * 10**18 - parse_time(grant.created):020d}{grant.id}")


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
        actor=call.who.id,
    )
    return json(_grant(call, made), status=201, headers={"Location": f"{API}/grants/{made.id}"})


def _history(text: str) -> tuple[int | None, int | None]:
    """(from when on, the last so many seconds). Raises InvalidTime, InvalidInput."""
    if not text:
        return None, None
    if "T" in text or text.count("-") == 2:
        return parse_time(text), None
    seconds = parse_duration(text)
    return None, None if seconds is None else int(seconds)


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
    twin: Annotated[str, QueryParameter(max_length=200, description="Id of the twin.")],
    action: Annotated[str, QueryParameter(max_length=20, description="read, write, command …")] = "read",
    property: Annotated[str, QueryParameter(max_length=128, description="One property; all if left out.")] = "",
) -> Why:
    """By which grant or rule; where it is a no, what would be needed."""
    call = call_of(request)
    gate = call.services.platform.gate
    return explain(gate, principal_called(gate, who), action, (call.view.entry(twin), twin, property))


ROUTES = [
    parties,
    add_party,
    party_of,
    change_party,
    grants,
    add_grant,
    grant_of,
    revoke_grant,
    why,
]
