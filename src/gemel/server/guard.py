"""Every route declares what it does to what; one guard asks the gate, before anything of the request is read.

A handler says `opt=needs("read", "Twin")`. What declares nothing is refused: a forgotten declaration shows at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from gemel.access import AUDITED, VIEWED, Action, Principal, Resource, ResourceKind
from gemel.errors import Denied, GemelError, NotFound, UnknownTwin
from gemel.server.call import Call, call_of
from gemel.twin import PropertyGroup

__all__ = ["PUBLIC", "SELF", "guard", "needs", "permit", "require_twin", "speaks"]

PUBLIC: dict[str, Any] = {"action": "public"}
"""Open to everybody: it tells nothing of the plant."""
Through = Callable[[Call, str], tuple[str, NotFound | None]]
SELF: dict[str, Any] = {"action": "self"}
"""Open to whoever is signed in, about themselves."""


def needs(action: str, kind: str = "Platform", *, id_in: str = "", through: Through | None = None) -> dict[str, Any]:
    """What a route needs: an action on a kind of thing, whose id is the path parameter `id_in`; or, of something that
    belongs to such a thing, the one that `through` finds (an order's twin). Where the caller may not know of what
    belongs to it, `through` also says as what a refusal is told: as of what is not there."""
    return {"action": Action(action), "kind": ResourceKind(kind), "id_in": id_in, "through": through}


def speaks(body: Any = None, answer: Any = None, *, moments: bool = False) -> dict[str, Any]:
    """For the OpenAPI document: the structs of a body that the route decodes, of an answer that it encodes itself;
    with `moments`, theirs are numbers inside (`bitemporal`)."""
    return {"body": body, "answer": answer, "moments": moments}


async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Raises Unauthenticated, Denied, or UnknownTwin; returns when the gate said yes.

    Async although it waits for nothing: a plain function would be run in a thread for each request.
    """
    scope = connection.scope
    call: Call | None = None if handler.opt.get("action") == "public" else call_of(connection)
    try:
        permit(call, handler.opt, connection.path_params, str(scope.get("method", "WEBSOCKET")), scope["path"])
    except GemelError as error:
        if call is not None:
            call.refused = error
        raise


def permit(call: Call | None, declared: dict[str, Any], names: dict[str, Any], method: str, path: str) -> None:
    """Ask the gate for what a route declares; `names` are the parameters of its path."""
    action = declared.get("action")
    if action == "public" or call is None:
        return
    who = call.who
    if action == "self":
        return
    if action is None:
        raise Denied(f"{path:.200} declares no action, so nobody may use it")
    call.action = action
    kind: ResourceKind = declared["kind"]
    name = str(names.get(declared["id_in"], "")) if declared["id_in"] else ""
    detail = f"{method} {path:.200}"
    if (through := declared.get("through")) is not None:
        name, hidden = through(call, name)
        try:
            require_twin(call, who, action, name, detail=detail)
        except (Denied, UnknownTwin):
            if hidden is None:
                raise
            raise hidden from None
        return
    if kind is ResourceKind.TWIN and name:
        require_twin(call, who, action, name, property=str(names.get("name", "")), detail=detail)
    else:
        looks = method in {"GET", "HEAD"}
        call.services.platform.gate.require(who, action, Resource(kind, name), detail=detail, looks=looks)


def require_twin(call: Call, who: Principal, action: str, twin: str, *, property: str = "", detail: str = "") -> None:
    """Ask the gate about one twin, by id or alias, and of a property that is to be written.

    A twin of which nothing may be read looks like one that is not there. What of it may be read, its view says.
    """
    platform = call.services.platform
    entry = platform.registry.directory.twin(twin)
    resource = Resource(ResourceKind.TWIN, twin if entry is None else entry.id)
    if entry is not None and platform.gate.allows(who, action, resource):
        if action in AUDITED:
            platform.gate.require(who, action, resource, detail=detail)
        if action not in VIEWED:
            _used(call, who, action, resource)
        return
    if entry is not None and action in VIEWED and platform.view(who, action).shows(entry, twin):
        return
    missing = UnknownTwin(f"there is no twin {twin!r:.100}; search for a part of its name", twin=twin[:128])
    if entry is None:
        platform.gate.require(who, action, resource, missing=missing, detail=detail)
        if action != Action.CONFIGURE:
            raise missing
        return
    view = platform.view(who)
    shown = view.shows(entry, twin)
    if action == Action.COMMAND:
        resource = Resource(ResourceKind.TWIN, entry.id, PropertyGroup.PROCESS)
    elif shown and property:
        resource = Resource(
            ResourceKind.TWIN, entry.id, entry.properties[view.property(entry, property)].property.shared_as
        )
    platform.gate.require(who, action, resource, missing=None if shown else missing, detail=detail)
    _used(call, who, action, resource)


def _used(call: Call, who: Principal, action: str, resource: Resource) -> None:
    """What is read is counted where it is told, in its view; this counts the rest."""
    gate = call.services.platform.gate
    gate.usage.count(who, action, resource.id, gate.decide(who, action, resource).policy)
    if who.party and action not in AUDITED:
        gate.audit.record(who, action, resource, decision=gate.decide(who, action, resource))
