"""What happened: events of machines and all other changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.params import FromPath, QueryParameter

from gemel.history import CHANGED, EventQuery, Fact
from gemel.server.call import Call, call_of
from gemel.server.encode import rfc3339, shown
from gemel.server.guard import needs
from gemel.server.http import Cursor, Limit, Req, onward, onward_from, time_or
from gemel.server.options import API
from gemel.server.routes.now import entry_for
from gemel.twin import Change, Page

__all__ = ["ROUTES", "EventView", "event_view", "told_to"]

KIND = Annotated[
    list[str] | None,
    QueryParameter(description="Kinds of change, as `event.happened`; `twin.` for all that begin so; may repeat."),
]
WHEN = Annotated[str | None, QueryParameter(description="RFC 3339.")]
PARTS = Annotated[bool, QueryParameter(description="Also what happened to their parts, at any depth.")]
ORDER = Annotated[bool, QueryParameter(description="The oldest first.")]


class EventView(msgspec.Struct):
    """Something that happened."""

    position: int
    twin: str
    kind: str
    time: str
    recorded: str
    actor: str
    source: str
    id: str
    body: dict[str, Any]


class Asked(msgspec.Struct):
    """The query parameters, for both routes."""

    start: str | None
    end: str | None
    kind: list[str] | None
    parts: bool
    oldest_first: bool
    limit: int
    cursor: str


@get(f"{API}/events", opt=needs("read", "Fleet"), tags=["history"], summary="What happened, newest first")
async def events(
    request: Req,
    twin: Annotated[list[str] | None, QueryParameter(description="Ids; may repeat.")] = None,
    start: WHEN = None,
    end: WHEN = None,
    kind: KIND = None,
    parts: PARTS = False,
    oldest_first: ORDER = False,
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Page[EventView]:
    """Events, conditions that came and went (`condition.changed`), and changes of twins, types, connectors, rights."""
    call = call_of(request)
    asked = Asked(start, end, kind, parts, oldest_first, limit, cursor)
    twins = tuple(entry_for(call, one).id for one in twin or ())
    return await _answer(call, twins, asked)


@get(
    f"{API}/twins/{{twin:str}}/events",
    opt=needs("read", "Twin", id_in="twin"),
    tags=["history"],
    summary="What happened to one twin, newest first",
)
async def events_of(
    request: Req,
    twin: FromPath[str],
    start: WHEN = None,
    end: WHEN = None,
    kind: KIND = None,
    parts: PARTS = False,
    oldest_first: ORDER = False,
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Page[EventView]:
    call = call_of(request)
    asked = Asked(start, end, kind, parts, oldest_first, limit, cursor)
    return await _answer(call, (entry_for(call, twin).id,), asked)


def _with_parts(call: Call, twins: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*twins, *(part.id for one in twins for _, part in call.view.parts(one))]))


async def _answer(call: Call, twins: tuple[str, ...], asked: Asked) -> Page[EventView]:
    if asked.parts and twins:
        twins = await call.services.reads.run(_with_parts, call, twins)
    query = EventQuery(
        twins=twins,
        kinds=tuple(asked.kind or ()),
        start=time_or(asked.start, 0) if asked.start else None,
        end=time_or(asked.end, 0) if asked.end else None,
        newest_first=not asked.oldest_first,
        limit=asked.limit,
        cursor=onward_from(call, asked.cursor),
    )
    page = await call.services.past(call, call.view.events, query)
    shown = [event_view(fact, body) for fact, body in told_to(call, page.items)]
    return onward(call, Page(shown, page.next))


def told_to(call: Call, facts: Iterable[Fact]) -> list[tuple[Fact, dict[str, Any]]]:
    """What of these may be told to who asks, each with its body as it may be told."""
    identities, whole = call.view.administers(), call.view.configures_connectors()
    told = [fact for fact in facts if identities or not fact.change.kind.startswith("access.")]
    return [(fact, _body(fact.change, settings=whole)) for fact in told]


def event_view(fact: Fact, body: dict[str, Any]) -> EventView:
    change = fact.change
    return EventView(
        fact.position,
        change.subject,
        change.kind,
        rfc3339(change.time),
        rfc3339(fact.recorded),
        change.actor,
        change.source,
        change.id,
        body,
    )


def _body(change: Change, *, settings: bool) -> dict[str, Any]:
    """As it was recorded; without `settings`, those of a connector are left out."""
    if "connector" in change.body and change.kind.startswith("connector.") and not settings:
        kept = {key: value for key, value in change.body["connector"].items() if key != "settings"}
        return {**change.body, "connector": kept}
    if change.kind != CHANGED:
        return change.body
    return {**change.body, "raised": shown(change.body["raised"]), "cleared": shown(change.body["cleared"])}


ROUTES = [events, events_of]
