"""Prospects: which machines and customers fit a service, and where upgrades are worth while. For our own people."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import delete, get, post, put
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.server.bitemporal import plain, understood
from gemel.server.call import call_of
from gemel.server.guard import needs, speaks
from gemel.server.http import Req, decoded, json
from gemel.server.options import API
from gemel.server.routes.offers import reached, text_of
from gemel.server.routes.orders import person
from gemel.services.declared import Difference
from gemel.services.prospects import Candidates, Profile, Ranking, Upgrade

__all__ = ["ROUTES"]

READ, SELL = needs("read", "Platform"), needs("configure", "Platform")
"""What customers have, and how it fits, is told to no other party."""
Ids = FromPath[str]


@get(
    f"{API}/prospects/profiles",
    opt=READ | speaks(None, list[Profile]),
    tags=["prospects"],
    summary="Profiles of services",
)
async def profiles(request: Req) -> Response[bytes]:
    call = call_of(request)
    found = await call.services.reads.run(call.services.platform.prospects.profiles.all)
    return json(plain(list(found.values())))


@put(
    f"{API}/prospects/profiles",
    opt=SELL | speaks(str, list[Difference]),
    tags=["prospects"],
    summary="Declare what makes machines fit for services",
)
async def declare(
    request: Req, dry_run: Annotated[bool, QueryParameter(description="Only say what would change.")] = False
) -> list[Difference]:
    """A document (YAML or JSON, `profiles: [...]`). What it does not name stays as it is."""
    call = call_of(request)
    text = await text_of(request, "profiles")
    declared = call.services.platform.prospects.profiles
    told = await call.services.waiting.run(lambda: declared.apply(text, dry_run=dry_run, actor=person(call.who)))
    reached(call)
    return told


@delete(
    f"{API}/prospects/profiles/{{profile:str}}",
    opt=SELL,
    status_code=204,
    tags=["prospects"],
    summary="Rank by it no more",
)
async def withdraw(request: Req, profile: Ids) -> None:
    call = call_of(request)
    declared = call.services.platform.prospects.profiles
    await call.services.waiting.run(lambda: declared.withdraw(profile, actor=person(call.who)))


@get(
    f"{API}/prospects/profiles/{{profile:str}}/ranking",
    opt=READ | speaks(None, Ranking, moments=True),
    tags=["prospects"],
    summary="Machines and customers by how they fit, each with the reasons",
)
async def ranking(request: Req, profile: Ids) -> Response[bytes]:
    """What is unknown counts neither for nor against; `low` and `high` say how far it could change the score."""
    call = call_of(request)
    return json(plain(await call.services.slow.run(call.services.platform.prospects.rank, profile)))


@post(
    f"{API}/prospects/upgrades",
    opt=needs("maintain", "Platform") | speaks(Upgrade, Candidates, moments=True),
    status_code=200,
    tags=["prospects"],
    summary="Where an upgrade is worth while and possible",
)
async def upgrades(request: Req) -> Response[bytes]:
    """Each place is tried as the machine is now, and nothing of it stays."""
    call = call_of(request)
    given = understood(await decoded(request, Any), Upgrade)
    found = call.services.platform.prospects.upgrades
    return json(plain(await call.services.slow.run(lambda: found(given, actor=person(call.who)))))


ROUTES = [profiles, declare, withdraw, ranking, upgrades]
