"""Parties: other organisations that see some of the plant."""

from __future__ import annotations

import msgspec
from litestar import get, patch, post
from litestar.params import FromPath
from litestar.response import Response

from gemel.access import Party
from gemel.server.call import Call, call_of
from gemel.server.encode import rfc3339
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Limit, Req, decoded, if_match, page_of, revised
from gemel.server.options import API
from gemel.server.routes.users import ADMINISTER
from gemel.twin import Page

__all__ = ["ROUTES"]

ONE_PARTY = needs("administer", "Identity", id_in="party")


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


@get(f"{API}/parties", opt=ADMINISTER, tags=["access"], summary="Other organisations that see some of this plant")
async def parties(request: Req, limit: Limit = 100, cursor: Cursor = "") -> Page[PartyView]:
    call = call_of(request)
    known = [_party(call, one) for one in call.services.platform.gate.parties.all()]
    return page_of(call, known, limit, cursor, lambda party: party.id)


@post(f"{API}/parties", opt=ADMINISTER | speaks(NewParty, PartyView), tags=["access"], summary="Add an organisation")
async def add_party(request: Req) -> Response[bytes]:
    """It sees nothing until something is granted to it."""
    call, given = call_of(request), await decoded(request, NewParty)
    made = await call.services.waiting.run(
        call.services.platform.gate.parties.add, given.id, given.name, actor=call.who.id
    )
    return revised(_party(call, made), made.revision, made=f"{API}/parties/{made.id}")


@get(f"{API}/parties/{{party:str}}", opt=ONE_PARTY | speaks(None, PartyView), tags=["access"], summary="One of them")
async def party_of(request: Req, party: FromPath[str]) -> Response[bytes]:
    call = call_of(request)
    found = call.services.platform.gate.parties.get(party)
    return revised(_party(call, found), found.revision)


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
    return revised(_party(call, changed), changed.revision)


ROUTES = [parties, add_party, party_of, change_party]
