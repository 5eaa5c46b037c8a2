"""The audit log, to look into and to take along."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from litestar import get
from litestar.params import QueryParameter
from litestar.response import Stream

from gemel.access import Action, AuditEntry, Resource, ResourceKind
from gemel.clock import MAX_TIME, MIN_TIME
from gemel.server.call import Call, call_of
from gemel.server.csv import csv_of
from gemel.server.encode import rfc3339, rfc3339_or_none
from gemel.server.http import Cursor, Limit, Req, onward, onward_from, time_or
from gemel.server.options import API
from gemel.server.routes.users import ADMINISTER
from gemel.twin import Page

__all__ = ["ROUTES"]

AT_ONCE = 1_000
PRINCIPAL = Annotated[str, QueryParameter(max_length=100, description="Only of this user, token or device.")]
PARTY = Annotated[str, QueryParameter(max_length=64, description="Only of people and programs of this party.")]
ACTION = Annotated[str, QueryParameter(max_length=16, description="Only this action.")]
RESOURCE = Annotated[str, QueryParameter(max_length=200, description="Only on this twin, user, connector …")]
ALLOWED = Annotated[bool | None, QueryParameter(description="Only what was allowed, or only what was not.")]
START = Annotated[str | None, QueryParameter(description="RFC 3339; from the beginning if left out.")]
END = Annotated[str | None, QueryParameter(description="RFC 3339, not included; until now if left out.")]


class AuditView(msgspec.Struct):
    """One line of the audit log."""

    id: int
    time: str
    principal: str
    action: str
    kind: str
    resource: str
    allowed: bool
    policy: str
    position: int
    detail: str
    party: str
    rows: int | None
    since: str | None
    until: str | None


class Wanted(msgspec.Struct, frozen=True):
    """Which entries."""

    only: dict[str, str]
    allowed: bool | None
    span: tuple[int, int]


def _wanted(only: dict[str, str], allowed: bool | None, start: str | None, end: str | None) -> Wanted:
    span = time_or(start, MIN_TIME), time_or(end, MAX_TIME)
    return Wanted({name: value for name, value in only.items() if value}, allowed, span)


def _view(entry: AuditEntry) -> AuditView:
    told = msgspec.structs.asdict(entry)
    times = {name: rfc3339_or_none(told[name]) for name in ("since", "until")}
    return AuditView(**{**told, **times, "time": rfc3339(entry.time)})


def _entries(call: Call, wanted: Wanted, before: int | None, limit: int) -> list[AuditEntry]:
    return call.services.platform.gate.audit.entries(
        before=before, limit=limit, only=wanted.only, allowed=wanted.allowed, span=wanted.span
    )


@get(f"{API}/audit", opt=ADMINISTER, tags=["access"], summary="The audit log, newest first")
async def audit(
    request: Req,
    principal: PRINCIPAL = "",
    party: PARTY = "",
    action: ACTION = "",
    resource: RESOURCE = "",
    allowed: ALLOWED = None,
    start: START = None,
    end: END = None,
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Page[AuditView]:
    """Every command, configuration, operation and administration; every read of another party; every refusal; every
    sign-in. Chained by hashes: `POST /journal/verify` covers it."""
    call = call_of(request)
    last = int(onward_from(call, cursor)) if cursor else None
    only = {"principal": principal, "party": party, "action": action, "resource": resource}
    wanted = _wanted(only, allowed, start, end)
    found = await call.services.reads.run(_entries, call, wanted, last, limit)
    more = str(found[-1].id) if len(found) == limit else None
    return onward(call, Page([_view(entry) for entry in found], more))


@get(f"{API}/audit.csv", opt=ADMINISTER, tags=["access"], summary="The audit log as a table, newest first")
async def audit_csv(
    request: Req,
    principal: PRINCIPAL = "",
    party: PARTY = "",
    action: ACTION = "",
    resource: RESOURCE = "",
    allowed: ALLOWED = None,
    start: START = None,
    end: END = None,
) -> Stream:
    """All that fits, one line each, safe to open in a spreadsheet; as `GET /audit` filters."""
    call = call_of(request)
    only = {"principal": principal, "party": party, "action": action, "resource": resource}
    headers = {"Content-Disposition": 'attachment; filename="gemel-audit.csv"', "Cache-Control": "no-store"}
    lines = _lines(call, _wanted(only, allowed, start, end))
    return Stream(lines, media_type="text/csv; charset=utf-8", headers=headers)


async def _lines(call: Call, wanted: Wanted) -> AsyncIterator[bytes]:
    gate, session = call.services.platform.gate, call.services.platform.gate.sessions.id_of(call.cookie)
    before: int | None = None
    while True:
        who = gate.current(call.who, session)  # whoever may not look any more gets no further page
        gate.require(who, Action.ADMINISTER, Resource(ResourceKind.IDENTITY), looks=True, detail="audit.csv")
        found = await call.services.reads.run(_entries, call, wanted, before, AT_ONCE)
        rows = [msgspec.structs.asdict(_view(entry)) for entry in found]
        table = csv_of({name: [row[name] for row in rows] for name in AuditView.__struct_fields__})
        yield table if before is None else table.partition(b"\r\n")[2]
        if len(found) < AT_ONCE:
            return
        before = found[-1].id


ROUTES = [audit, audit_csv]
