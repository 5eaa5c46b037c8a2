"""Many readings and events at once, in JSON, Arrow or as CloudEvents; and what was not accepted."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.params import QueryParameter
from litestar.response import Response

from gemel.connectors.http import (
    ARROW,
    BATCH,
    STRUCTURED,
    Ingest,
    decode_arrow,
    decode_cloudevents,
    decode_json,
    is_cloudevent,
)
from gemel.connectors.http.bodies import IngestBody
from gemel.errors import InvalidInput, WrongMediaType
from gemel.intake import Message, Quarantined, Receipt, ReplayRule
from gemel.server.call import Call, call_of
from gemel.server.encode import pure, rfc3339
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Limit, Req, decoded, done, json, media_type
from gemel.server.options import API
from gemel.twin import Page, check_id

__all__ = ["ROUTES"]

DISCARDED_AT_ONCE = 10_000
Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
SOURCE = Annotated[str, QueryParameter(max_length=128, description="Who measured it; default: the caller.")]


@post(
    f"{API}/ingest",
    opt=needs("write") | speaks(IngestBody, Receipt),
    status_code=200,
    tags=["ingest"],
    summary="Report many values and events",
)
async def ingest(request: Req, source: SOURCE = "") -> Response[bytes]:
    """Answers when everything accepted is on stable storage; what is not accepted goes to quarantine, with reasons.

    `application/json`: `{messages: [{id, readings: [{twin, property, value, time}], events: [...]}], source}`;
    `application/vnd.apache.arrow.stream`: columns twin, property, time, value, quality; CloudEvents structured, batched
    or binary. The same (source, message id) again has no second effect.
    """
    call = call_of(request)
    body = await request.body()
    headers = {name.lower(): value for name, value in request.headers.items()}
    form = media_type(request)
    if is_cloudevent(headers):
        receipt = await _events(request, decode_cloudevents(headers, body))
    elif form == ARROW:
        receipt = await _frames(request, source, body)
    elif form in {"", "application/json", "text/json"}:
        big = len(body) > 100_000
        given: Ingest = await call.services.reads.run(decode_json, body) if big else decode_json(body)
        receipt = await _messages(request, given.source or source, given.messages)
    else:
        raise WrongMediaType(f"this takes application/json, {ARROW}, {STRUCTURED} or {BATCH}, not {form:.80}")
    call.position = max(call.position, receipt.last)
    return json(receipt)


def _source(request: Req, given: str) -> str:
    who = call_of(request).who.id
    return f"http:{check_id(given, 'source') if given else who}"


async def _messages(request: Req, source: str, messages: list[Message]) -> Receipt:
    call = call_of(request)
    platform = call.services.platform
    posted = platform.supervisor.deliver(source, messages) if source else None
    if posted is None:
        posted = platform.intake.submit(_source(request, source), messages, actor=call.who.id)
    return await done(request, posted)


async def _events(request: Req, events: list[tuple[str, Message]]) -> Receipt:
    """CloudEvents name their sources freely (URIs): they are kept apart from those of `source=`."""
    call = call_of(request)
    groups: dict[str, list[Message]] = {}
    for source, message in events:
        groups.setdefault(f"cloudevents:{source}"[:500], []).append(message)
    intake = call.services.platform.intake
    futures = [intake.submit(source, messages, actor=call.who.id) for source, messages in groups.items()]
    return _sum([await done(request, future) for future in futures])


async def _frames(request: Req, source: str, body: bytes) -> Receipt:
    call = call_of(request)
    batches = await call.services.reads.run(decode_arrow, body)
    intake, name = call.services.platform.intake, _source(request, source)
    futures = [intake.submit_frame(name, batch, actor=call.who.id) for batch in batches]
    return _sum([await done(request, future) for future in futures])


def _sum(receipts: list[Receipt]) -> Receipt:
    if len(receipts) == 1:
        return receipts[0]
    taken = [receipt for receipt in receipts if receipt.first]
    return Receipt(
        first=min((receipt.first for receipt in taken), default=0),
        last=max((receipt.last for receipt in taken), default=0),
        accepted=sum(receipt.accepted for receipt in receipts),
        repeated=sum(receipt.repeated for receipt in receipts),
        quarantined=sum(receipt.quarantined for receipt in receipts),
        problems=[problem for receipt in receipts for problem in receipt.problems][:100],
    )


class Chosen(msgspec.Struct, forbid_unknown_fields=True):
    """Which of the quarantine: by number, all that fit, or all there are."""

    ids: list[Whole] | None = None
    source: str = ""
    code: str = ""
    twin: str = ""
    all: bool = False


class Rule(ReplayRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to mend times. A field that is not known is refused: nothing is replayed with half a rule."""


class Replay(Chosen, forbid_unknown_fields=True):
    """What to hand in again, and how to mend its times."""

    rule: Rule | None = None


class Discarded(msgspec.Struct):
    """How many were thrown away."""

    discarded: int


def _view(one: Quarantined) -> dict[str, Any]:
    payload = one.payload
    return {
        **msgspec.structs.asdict(one),
        "received": rfc3339(one.received),
        "payload": payload.decode("utf-8", "replace") if isinstance(payload, bytes) else pure(payload),
    }


@get(
    f"{API}/quarantine",
    opt=needs("read", "Quarantine") | speaks(None, Page[Quarantined]),
    tags=["ingest"],
    summary="What was not accepted, and why",
)
async def quarantine(
    request: Req,
    source: Annotated[str, QueryParameter(max_length=500)] = "",
    code: Annotated[str, QueryParameter(max_length=100)] = "",
    twin: Annotated[str, QueryParameter(max_length=128)] = "",
    in_state: Annotated[
        str, QueryParameter(name="state", max_length=20, description="held, replayed or discarded; empty for all.")
    ] = "held",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Response[bytes]:
    services = call_of(request).services
    if len(cursor) > 18:
        raise InvalidInput(f"cursor {cursor:.40} is not one of ours; take `next` of the page before")
    page = await services.reads.run(
        services.platform.intake.quarantined,
        source=source,
        code=code,
        twin=twin,
        state=in_state,
        limit=limit,
        cursor=cursor or None,
    )
    return json(Page([_view(one) for one in page.items], page.next))


@post(
    f"{API}/quarantine/replay",
    opt=needs("operate", "Quarantine") | speaks(Replay, Receipt),
    status_code=200,
    tags=["ingest"],
    summary="Hand in again what was not accepted",
)
async def replay(request: Req) -> Response[bytes]:
    """After a fix of the type, or with a rule that mends the times of a wrong clock; the original is kept."""
    call = call_of(request)
    given = await decoded(request, Replay)
    future = await call.services.reads.run(
        call.services.platform.intake.replay, given.ids, given.rule, actor=call.who.id, **_which(given)
    )
    receipt = await done(request, future)
    call.position = max(call.position, receipt.last)
    return json(receipt)


@post(
    f"{API}/quarantine/discard",
    opt=needs("operate", "Quarantine") | speaks(Chosen),
    status_code=200,
    tags=["ingest"],
    summary="Throw away what was not accepted",
)
async def discard(request: Req) -> Discarded:
    """Its content goes; the row and the reason stay. At most 10,000 at once, the newest first."""
    call = call_of(request)
    given = await decoded(request, Chosen)
    future = await call.services.reads.run(_discard, call, given)
    number, call.position = await done(request, future)
    return Discarded(number)


def _discard(call: Call, given: Chosen) -> Future[tuple[int, int]]:
    intake = call.services.platform.intake
    ids = given.ids
    if ids is None:
        if not given.all and not any(_which(given).values()):
            raise InvalidInput("name what to discard: ids, a source, code or twin, or all")
        ids = [one.id for one in intake.quarantined(limit=DISCARDED_AT_ONCE, **_which(given)).items]
    return intake.discard(ids, actor=call.who.id)


def _which(given: Chosen) -> dict[str, str]:
    return {"source": given.source, "code": given.code, "twin": given.twin}


ROUTES = [ingest, quarantine, replay, discard]
