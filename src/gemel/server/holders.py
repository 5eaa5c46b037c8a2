"""People and programs that can have control of a twin: who they are to the caller."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from gemel.access import Action, Principal, Resource, ResourceKind
from gemel.errors import InvalidInput, NotFound
from gemel.registry import Entry
from gemel.server.call import Call
from gemel.server.routes.orders import person
from gemel.twin import PropertyGroup

__all__ = ["PersonView", "may", "may_command", "may_maintain", "name_of", "receiver"]


class PersonView(msgspec.Struct):
    """Somebody who may command a twin."""

    id: str
    name: str


def may_command(call: Call, entry: Entry) -> list[PersonView]:
    """Everybody else who may command it now, by name: of the caller's organisation; of all to the operating one.

    To who may not command it: nobody.
    """
    if not may(call, call.who, entry):
        return []
    found = [
        PersonView(who.id, name) for who, name in _known(call) if who.id != person(call.who) and may(call, who, entry)
    ]
    return sorted(found, key=lambda one: (one.name.casefold(), one.id))


def may(call: Call, who: Principal, entry: Entry) -> bool:
    """Whether somebody may command a twin now; asking is no use of that right."""
    gate, groups = call.services.platform.gate, ("", PropertyGroup.PROCESS)
    return any(gate.allows(who, Action.COMMAND, Resource(ResourceKind.TWIN, entry.id, group)) for group in groups)


def may_maintain(call: Call, item: str) -> bool:
    """Whether the caller may say now what is done to an item, as POST /operations asks it; asking is no use of it."""
    gate, who, items = call.services.platform.gate, call.who, call.items
    if gate.allows(who, Action.MAINTAIN, Resource(ResourceKind.PLATFORM)):
        return True
    try:
        twins = items.holders(item, items.now())
    except NotFound:
        return False
    group = PropertyGroup.CONFIGURATION
    return any(gate.allows(who, Action.MAINTAIN, Resource(ResourceKind.TWIN, twin, group)) for twin in twins)


def receiver(call: Call, entry: Entry, to: str) -> str:
    """The id of whom control is handed over to, by id or name. Raises InvalidInput for who may not command it."""
    for one in may_command(call, entry):
        if to in (one.id, one.name):
            return one.id
    raise InvalidInput(
        f"there is nobody else called {to!r:.80} who may command {entry.id}; "
        f"GET /twins/{entry.id}/control/people lists who may"
    )


def name_of(call: Call, id: str) -> str:
    """What the caller calls somebody: empty for who is of another organisation, erased, or not known."""
    return next((name for who, name in _known(call) if who.id == id), "")


def _known(call: Call) -> Iterator[tuple[Principal, str]]:
    """Accounts that are let in, and tokens that are nobody's."""
    gate, party = call.services.platform.gate, call.who.party
    for one in gate.accounts.all():
        if gate.accounts.lets_in(one) and one.name and party in ("", one.party):
            yield Principal(id=one.id, kind="User", role=one.role, party=one.party), one.name
    for token in gate.tokens.all() if not party else ():
        if not token.owner:
            yield gate.tokens.known(token.id), token.name
