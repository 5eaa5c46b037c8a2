"""Looking into a machine before it is connected, and the plant document of what was chosen."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import post

from gemel.connectors.discovery import Found, Search, discover
from gemel.connectors.drafts import plant_yaml
from gemel.connectors.joining import Machine, document_for
from gemel.server.call import Call, call_of
from gemel.server.guard import needs, speaks
from gemel.server.http import Req, decoded
from gemel.server.options import API

__all__ = ["ROUTES"]


class DiscoveryRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Where to look."""

    kind: str
    settings: dict[str, Any]
    """Of a connector of that kind; secrets are references."""
    search: Search = Search()


class DraftView(msgspec.Struct):
    """A plant document, to be looked at and applied."""

    document: dict[str, Any]
    yaml: str


@post(
    f"{API}/discoveries",
    opt=needs("configure", "Connector") | speaks(DiscoveryRequest, Found),
    status_code=200,
    tags=["connectors"],
    summary="Look into a machine: what it has to tell",
)
async def look(request: Req) -> Found:
    """Connects from the server, reads or listens for `search.seconds`, and changes nothing."""
    call = call_of(request)
    wanted = await decoded(request, DiscoveryRequest)
    platform = call.services.platform
    return await call.services.waiting.run(
        discover, wanted.kind, wanted.settings, wanted.search, platform.supervisor.reach
    )


@post(
    f"{API}/discoveries/document",
    opt=needs("configure", "Connector") | speaks(Machine, DraftView),
    status_code=200,
    tags=["connectors"],
    summary="The plant document that connects what was chosen",
)
async def draft(request: Req) -> DraftView:
    """Changes nothing; hand the document to `POST /apply`, first with `dry_run`."""
    call = call_of(request)
    machine = await decoded(request, Machine)
    return await call.services.reads.run(_draft, call, machine)


def _draft(call: Call, machine: Machine) -> DraftView:
    document = document_for(machine, call.services.platform.registry)
    return DraftView(document, plant_yaml(document))


ROUTES = [look, draft]
