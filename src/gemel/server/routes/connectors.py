"""Connectors: what is declared, and how it is."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath
from litestar.response import Response

from gemel.access import Resource, ResourceKind
from gemel.errors import InvalidDocument, InvalidInput, UnknownConnector
from gemel.server.call import Call, call_of
from gemel.server.encode import rfc3339
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Limit, Req, change, decoded, json, page_of
from gemel.server.options import API
from gemel.twin import ConnectorSpec, Page
from gemel.twin.check import secret_problems

__all__ = ["ROUTES"]

READ_ONE = needs("read", "Connector", id_in="connector")
CONFIGURE_ONE = needs("configure", "Connector", id_in="connector")


class HealthView(msgspec.Struct):
    """How a connector is."""

    state: str
    rate: float
    """Readings and events per second."""
    lag_s: float
    errors: int
    last_seen: str | None
    detail: str
    last_error: str = ""
    readings: int = 0
    events: int = 0
    repeated: int = 0
    quarantined: int = 0
    waiting: int = 0
    problems: list[str] = []


class ConnectorView(msgspec.Struct):
    """A connector as declared (secrets are references), and its health."""

    id: str
    kind: str
    title: str
    settings: dict[str, Any] | None
    """Where and how it connects; null for whoever may not configure it."""
    bindings: list[Any]
    enabled: bool
    health: HealthView | None


def _views(call: Call) -> list[ConnectorView]:
    platform = call.services.platform
    health = platform.supervisor.health()
    return [_view(call, spec, health.get(spec.id)) for spec in platform.registry.connectors()]


def _view(call: Call, spec: ConnectorSpec, health: Any) -> ConnectorView:
    allows = call.services.platform.gate.allows
    whole = allows(call.who, "configure", Resource(ResourceKind.CONNECTOR, spec.id))
    shown = None
    if health is not None:
        shown = HealthView(
            state=health.state,
            rate=health.rate,
            lag_s=health.lag_s,
            errors=health.errors,
            last_seen=None if health.last_seen is None else rfc3339(health.last_seen),
            detail=health.detail,
            last_error=health.last_error,
            readings=health.readings,
            events=health.events,
            repeated=health.repeated,
            quarantined=health.quarantined,
            waiting=health.waiting,
            problems=health.problems(),
        )
    bindings: list[Any] = msgspec.to_builtins(spec.bindings)
    settings = spec.settings if whole else None
    return ConnectorView(spec.id, spec.kind, spec.title, settings, bindings, spec.enabled, shown)


def _one(call: Call, connector: str) -> ConnectorView:
    found = next((view for view in _views(call) if view.id == connector), None)
    if found is None:
        raise UnknownConnector(f"there is no connector {connector!r:.80}; GET /connectors lists them")
    return found


@get(f"{API}/connectors", opt=needs("read", "Connector"), tags=["connectors"], summary="All, with their health")
async def connectors(request: Req, limit: Limit = 100, cursor: Cursor = "") -> Page[ConnectorView]:
    call = call_of(request)
    return page_of(call, await call.services.reads.run(_views, call), limit, cursor, lambda one: one.id)


@get(f"{API}/connectors/{{connector:str}}", opt=READ_ONE, tags=["connectors"], summary="One, with its health")
async def connector_of(request: Req, connector: FromPath[str]) -> ConnectorView:
    call = call_of(request)
    return await call.services.reads.run(_one, call, connector)


@put(
    f"{API}/connectors/{{connector:str}}",
    opt=CONFIGURE_ONE | speaks(ConnectorSpec, ConnectorView),
    tags=["connectors"],
    summary="Declare a connector",
)
async def put_connector(request: Req, connector: FromPath[str]) -> Response[bytes]:
    """It starts, or starts anew, at once. Secrets in `settings` are references: `{"env": "NAME"}`."""
    call = call_of(request)
    platform = call.services.platform
    given = await decoded(request, dict[str, Any])
    if given.setdefault("id", connector) != connector:
        raise InvalidInput(f"the body is about connector {given['id']!r:.80}, the address about {connector!r:.80}")
    try:
        spec = msgspec.convert(given, ConnectorSpec)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"the body is no connector: {error}") from error
    refused = secret_problems(spec.settings, "settings") or await call.services.reads.run(
        platform.supervisor.problems, spec
    )
    if refused:
        raise InvalidDocument(f"connector {connector:.160}", refused)
    await change(request, lambda tx: platform.registry.put_connector(tx, spec))
    return json(await call.services.reads.run(_one, call, connector))


@delete(
    f"{API}/connectors/{{connector:str}}",
    opt=CONFIGURE_ONE,
    status_code=204,
    tags=["connectors"],
    summary="Stop a connector and forget it",
)
async def remove_connector(request: Req, connector: FromPath[str]) -> None:
    call = call_of(request)
    await change(request, lambda tx: call.services.platform.registry.remove_connector(tx, connector))


@post(
    f"{API}/connectors/{{connector:str}}/restart",
    opt=needs("operate", "Connector", id_in="connector"),
    status_code=200,
    tags=["connectors"],
    summary="Stop it and start it at once",
)
async def restart(request: Req, connector: FromPath[str]) -> ConnectorView:
    call = call_of(request)
    await call.services.reads.run(call.services.platform.supervisor.restart, connector)
    return await call.services.reads.run(_one, call, connector)


ROUTES = [connectors, connector_of, put_connector, remove_connector, restart]
