"""Capabilities of machines: declared, licensed, revoked, and how it stands with them on a machine."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, QueryParameter
from litestar.response import Response
from msgspec.structs import replace

from gemel.access import Action, Resource, ResourceKind
from gemel.errors import NotFound
from gemel.server.bitemporal import plain, understood
from gemel.server.call import Call, call_of
from gemel.server.guard import needs, require_twin, speaks
from gemel.server.http import Cursor, Limit, Req, decoded, json
from gemel.server.options import API
from gemel.server.routes.offers import reached, text_of
from gemel.server.routes.orders import key_of, person
from gemel.server.sold_seen import page_seen, sees, sees_licence
from gemel.services.capabilities import Capabilities, CapabilityStanding, Grant, Licence, LicenceState
from gemel.services.declared import Difference
from gemel.twin import Page, PropertyGroup

__all__ = ["ROUTES"]

READ, FLEET, SELL = needs("read", "Platform"), needs("read", "Fleet"), needs("configure", "Platform")
Ids = FromPath[str]


class Revoke(msgspec.Struct, forbid_unknown_fields=True):
    """That a licence counts no longer."""

    reason: str


def _rooms(call: Call) -> Capabilities:
    return call.services.platform.capabilities


@get(f"{API}/capabilities", opt=READ, tags=["capabilities"], summary="What can be unlocked on machines")
async def capabilities(request: Req) -> Response[bytes]:
    call = call_of(request)
    found = await call.services.reads.run(_rooms(call).declared.all)
    return json(plain(list(found.values())))


@put(
    f"{API}/capabilities",
    opt=SELL | speaks(str, list[Difference]),
    tags=["capabilities"],
    summary="Declare capabilities, each a piece of the software book",
)
async def declare(
    request: Req, dry_run: Annotated[bool, QueryParameter(description="Only say what would change.")] = False
) -> list[Difference]:
    """A document (YAML or JSON, `capabilities: [...]`). What it does not name stays as it is."""
    call = call_of(request)
    text = await text_of(request, "capabilities")
    declared = _rooms(call).declared
    told = await call.services.waiting.run(lambda: declared.apply(text, dry_run=dry_run, actor=person(call.who)))
    reached(call)
    return told


@delete(
    f"{API}/capabilities/{{capability:str}}",
    opt=SELL,
    status_code=204,
    tags=["capabilities"],
    summary="Sell it no more; nothing is told to machines any more",
)
async def withdraw(request: Req, capability: Ids) -> None:
    call = call_of(request)
    await call.services.waiting.run(lambda: _rooms(call).declared.withdraw(capability, actor=person(call.who)))


@get(
    f"{API}/twins/{{twin:str}}/capabilities",
    opt=needs("read", "Twin", id_in="twin") | speaks(None, list[CapabilityStanding], moments=True),
    tags=["capabilities"],
    summary="The capabilities of a machine: what it reports, which licence holds",
)
async def of_twin(request: Req, twin: Ids) -> Response[bytes]:
    """`unlocked` is what the machine reports, never what was sent. Of parts of it whose configuration may be seen."""
    call = call_of(request)
    entry = call.view.entry(twin)

    def work() -> list[CapabilityStanding]:
        now = call.services.platform.clock.now()
        return [_shown(call, one, now) for one in _rooms(call).of(entry.id) if sees(call, one.twin, now)]

    return json(plain(await call.services.reads.run(work)))


@get(
    f"{API}/licences",
    opt=FLEET | speaks(None, Page[Licence], moments=True),
    tags=["capabilities"],
    summary="Licences, the newest first",
)
async def licences(
    request: Req,
    twin: Annotated[str, QueryParameter(max_length=128, description="Of this twin, or of the machine of it.")] = "",
    capability: Annotated[str, QueryParameter(max_length=128)] = "",
    states: Annotated[
        list[LicenceState] | None, QueryParameter(description=", ".join(LicenceState) + "; may repeat.")
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Response[bytes]:
    """Of twins whose configuration the caller may see."""
    call = call_of(request)
    twins = [twin] if twin else None

    def read(count: int, before: int) -> Page[Licence]:
        return _rooms(call).licences(
            twins=twins, capability=capability, states=states or (), limit=count, before=before
        )

    def work() -> Page[Licence]:
        page = page_seen(read, sees_licence, call, limit=limit, cursor=cursor)
        return Page([_cut(call, one) for one in page.items], page.next)

    return json(plain(await call.services.reads.run(work)))


@get(
    f"{API}/licences/{{licence:str}}",
    opt=FLEET | speaks(None, Licence, moments=True),
    tags=["capabilities"],
    summary="One licence, with every step of its life",
)
async def licence_of(request: Req, licence: Ids) -> Response[bytes]:
    call = call_of(request)
    return json(plain(await call.services.reads.run(_found, call, licence)))


def _found(call: Call, id: str) -> Licence:
    """Raises NotFound, also where it may not be seen."""
    found = _rooms(call).get(id)
    if not sees_licence(call, found):
        raise NotFound(f"there is no licence {id!r:.60}; `gemel capabilities licences` lists them")
    return _cut(call, found)


@post(
    f"{API}/licences",
    opt=SELL | speaks(Grant, Licence, moments=True),
    tags=["capabilities"],
    summary="License a capability on a machine, from–until",
)
async def grant(
    request: Req, dry_run: Annotated[bool, QueryParameter(description="Only say whether it could be.")] = False
) -> Response[bytes]:
    """Needs the right to command its twin, too: it is told to unlock on behalf of who grants. Refused (409 rule-broken)
    where the machine's configuration does not support it."""
    call = call_of(request)
    given = understood(await decoded(request, Any), Grant)
    given = replace(given, key=key_of(call, given.key))

    def work() -> Licence:
        require_twin(call, call.who, Action.COMMAND, given.twin, detail=f"license {given.capability:.100}")
        return _rooms(call).grant(given, actor=person(call.who), dry_run=dry_run)

    made = await call.services.waiting.run(work)
    reached(call)
    return json(plain(made), status=200 if dry_run else 201)


@post(
    f"{API}/licences/{{licence:str}}/revoke",
    opt=SELL | speaks(Revoke, Licence, moments=True),
    status_code=200,
    tags=["capabilities"],
    summary="Take it back from now on: the machine is told to lock it",
)
async def revoke(request: Req, licence: Ids) -> Response[bytes]:
    """Needs the right to command its twin, too: it is told to lock on behalf of who revokes."""
    call = call_of(request)
    given = await decoded(request, Revoke)

    def work() -> Licence:
        _commands(call, licence, "lock")
        return _rooms(call).revoke(licence, given.reason, actor=person(call.who))

    done = await call.services.waiting.run(work)
    reached(call)
    return json(plain(done))


@post(
    f"{API}/licences/{{licence:str}}/retry",
    opt=SELL | speaks(None, Licence, moments=True),
    status_code=200,
    tags=["capabilities"],
    summary="Tell the machine again, what was refused or is unknown",
)
async def retry(request: Req, licence: Ids) -> Response[bytes]:
    call = call_of(request)

    def work() -> Licence:
        _commands(call, licence, "unlock")
        return _rooms(call).retry(licence, actor=person(call.who))

    done = await call.services.waiting.run(work)
    reached(call)
    return json(plain(done))


def _commands(call: Call, id: str, what: str) -> None:
    """Raises NotFound, also where it may not be seen, and Denied unless who asks may command its twin."""
    known = _found(call, id)
    resource = Resource(ResourceKind.TWIN, known.twin)
    call.services.platform.gate.require(call.who, Action.COMMAND, resource, detail=f"{what} {known.capability}")


def _shown(call: Call, one: CapabilityStanding, now: int) -> CapabilityStanding:
    """Why it could not be unlocked tells of the rest of the machine; prices are for who sees what is financial."""
    if call.view.projection is None:
        return one
    prices = one.prices if sees(call, one.twin, now, PropertyGroup.FINANCIAL) else ()
    since = one.since if one.since is None or sees(call, one.twin, one.since) else None
    licence = _cut(call, one.licence) if one.licence is not None and sees_licence(call, one.licence) else None
    return replace(one, objections=(), prices=prices, since=since, licence=licence)


def _cut(call: Call, one: Licence) -> Licence:
    """Another party is told since when and until when it holds, not who sold it by what."""
    if call.view.projection is None:
        return one
    steps = tuple(replace(step, actor="", detail="") for step in one.steps)
    machine = one.machine if call.items.sees(one.machine) else ""
    return replace(one, actor="", reference="", key="", detail="", order="", machine=machine, steps=steps)


ROUTES = [capabilities, declare, withdraw, of_twin, licences, licence_of, grant, revoke, retry]
