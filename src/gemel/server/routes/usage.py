"""Who used what, what each caller costs the server, and what waits in it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get
from litestar.params import QueryParameter

from gemel.server.call import call_of
from gemel.server.encode import rfc3339
from gemel.server.http import Limit, Req, time_or
from gemel.server.options import API
from gemel.server.routes.users import ADMINISTER
from gemel.twin import Page

__all__ = ["ROUTES"]

MONTH = 30 * 86_400_000_000


class UsageView(msgspec.Struct):
    """How much somebody used a twin for something."""

    principal: str
    party: str
    twin: str
    action: str
    policy: str
    """By which grant or rule."""
    requests: int
    rows: int
    first: str
    """The hour in which it began."""
    last: str


class CallerView(msgspec.Struct):
    """What one user, token or device has cost since the server started."""

    principal: str
    party: str
    requests: int
    failed: int
    """Answered with a fault of ours."""
    refused: int
    """That came too fast, or found no room; they were told when to come again."""
    busy_s: float
    """Time of answering, together; without streams."""
    sent_bytes: int
    last: str


class QueueView(msgspec.Struct):
    """Work of one kind: how much of it is under way or waits, and how much there may be."""

    name: str
    waiting: int
    most: int


class LoadView(msgspec.Struct):
    """What the server has to do now, and for whom it did most."""

    since: str
    """When it started to count."""
    writing: int
    """Submissions that wait to be made durable."""
    writing_bytes: int
    behind: int
    """Positions that the history has still to take in."""
    queues: list[QueueView]
    callers: list[CallerView]


@get(f"{API}/usage", opt=ADMINISTER, tags=["access"], summary="Who used what: by principal, twin, action and right")
async def usage(
    request: Req,
    twin: Annotated[str, QueryParameter(max_length=200, description="Only of this twin.")] = "",
    principal: Annotated[str, QueryParameter(max_length=100, description="Only by this user, token or device.")] = "",
    party: Annotated[str, QueryParameter(max_length=64, description="Only by this party.")] = "",
    start: Annotated[str | None, QueryParameter(description="RFC 3339; 30 days ago if left out.")] = None,
    end: Annotated[str | None, QueryParameter(description="RFC 3339; now if left out.")] = None,
    limit: Limit = 100,
) -> Page[UsageView]:
    """Counted by the hour; whoever used it most comes first."""
    call = call_of(request)
    until = time_or(end, call.services.platform.clock.now())
    wanted = {"twin": twin, "principal": principal, "party": party}
    found = await call.services.reads.run(
        call.services.platform.gate.usage.used,
        (time_or(start, until - MONTH), until),
        only={name: value for name, value in wanted.items() if value},
        limit=limit,
    )
    told = [msgspec.structs.asdict(one) for one in found]
    return Page([UsageView(**{**one, "first": rfc3339(one["first"]), "last": rfc3339(one["last"])}) for one in told])


@get(f"{API}/load", opt=ADMINISTER, tags=["access"], summary="What waits in the server, and what each caller costs it")
async def load(request: Req, limit: Limit = 100) -> LoadView:
    """Since the server started; whoever has kept it busiest comes first."""
    services = call_of(request).services
    platform = services.platform
    writing, size = platform.intake.waiting()
    return LoadView(
        since=rfc3339(services.since),
        writing=writing,
        writing_bytes=size,
        behind=max(0, platform.position - platform.history.followed),
        queues=[QueueView(name, held, most) for name, held, most in services.queues()],
        callers=[
            CallerView(
                principal=one.id,
                party=one.party,
                requests=one.requests,
                failed=one.failed,
                refused=one.refused,
                busy_s=round(one.busy_s, 3),
                sent_bytes=one.sent_bytes,
                last=rfc3339(one.last),
            )
            for one in services.callers.all()[:limit]
        ],
    )


ROUTES = [usage, load]
