"""Many readings and events at once, in JSON, Arrow or as CloudEvents; and what was not accepted."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from hashlib import blake2b
from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.params import QueryParameter
from litestar.response import Response

from gemel.access import Action
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
from gemel.intake import Message, Quarantined, Receipt, ReplayRule, summed
from gemel.server.call import Call, call_of
from gemel.server.encode import pure, rfc3339
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Limit, Req, decoded, done, json, media_type, onward, onward_from, source_of
from gemel.server.options import API
from gemel.twin import Page, check_id

__all__ = ["ROUTES"]

DISCARDED_AT_ONCE = 10_000
LONGEST_SOURCE = 128
Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
SOURCE = Annotated[str, QueryParameter(max_length=128, description="Who measured it; default: the caller.")]


@post(
    f"{API}/ingest",
    opt=needs("write", "Intake") | speaks(IngestBody, Receipt),
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
    with call.services.under_way.entered(call.who.id) as ticket:
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
            ticket.check(given.messages)
            receipt = await _messages(request, given.source or source, given.messages)
        else:
            raise WrongMediaType(f"this takes application/json, {ARROW}, {STRUCTURED} or {BATCH}, not {form:.80}")
    call.position = max(call.position, receipt.last)
    return json(receipt)


class ReachedView(msgspec.Struct):
    """Where a source that numbers its messages goes on."""

    sequence: int | None
    """The highest number of the epoch that is on stable storage; null if there is none."""


@get(
    f"{API}/ingest/reached",
    opt=needs("write", "Intake"),
    tags=["ingest"],
    summary="Up to which number a source's messages have come",
)
async def reached(
    request: Req,
    source: SOURCE = "",
    epoch: Annotated[str, QueryParameter(max_length=500, description="As the messages name it.")] = "",
    formerly: Annotated[
        str, QueryParameter(max_length=128, description="As whom the caller spoke before: the id of another token.")
    ] = "",
) -> ReachedView:
    """Of the caller's own source, as `POST /ingest` names it; or of the one that it was under another token, for the
    operating organisation's own programs: then what that one still has under way is waited for, or stays out."""
    call = call_of(request)
    intake, who = call.services.platform.intake, call.who
    if formerly and who.kind != "Device" and not who.party:
        who = msgspec.structs.replace(who, id=check_id(formerly, "formerly"))
        call.services.under_way.pass_over(who.id, epoch)
        await done(request, intake.submit(source_of(who, source), []))  # after all that it has handed in
    name = source_of(who, source)
    return ReachedView(await call.services.reads.run(intake.reached, name, epoch))


def _scope(call: Call) -> Callable[[str], bool] | None:
    """Which twins who asks may speak of: a device of its own, a party of those that are granted to it with all their
    properties. None: of all."""
    platform, who = call.services.platform, call.who
    if who.kind == "Device":
        return platform.gate.devices.scope(who)
    granted = platform.gate.projection(who, Action.WRITE)
    if granted is None:
        return None

    def speaks_of(twin: str) -> bool:
        entry = platform.registry.directory.twin(twin)
        return entry is not None and entry.properties.keys() <= granted.names(entry)

    return speaks_of


def _keyed(call: Call, messages: list[Message]) -> list[Message]:
    """Messages that are told from their repeats, if not by themselves then by the Idempotency-Key."""
    if call.once is None:
        return messages
    return [
        one
        if one.id or one.sequence is not None
        else msgspec.structs.replace(one, id=f"key:{call.once.who}:{call.once.key}:{place}")
        for place, one in enumerate(messages)
    ]


async def _messages(request: Req, source: str, messages: list[Message]) -> Receipt:
    call = call_of(request)
    platform = call.services.platform
    messages = _keyed(call, messages)
    name, scope = source_of(call.who, source), _scope(call)
    posted = platform.supervisor.deliver(source, messages) if source and scope is None else None
    if posted is None:
        posted = platform.intake.submit(name, messages, actor=call.who.id, scope=scope)
    return await done(request, posted)


async def _events(request: Req, events: list[tuple[str, Message]]) -> Receipt:
    """CloudEvents name their sources freely (URIs): those of a caller are kept apart from its `source=`."""
    call = call_of(request)
    groups: dict[str, list[Message]] = {}
    for source, message in events:
        if call.who.kind == "Device":  # it is one source, so the ids of what it calls its sources are kept apart
            named = msgspec.structs.replace(message, id=f"{source} {message.id}"[:250] if message.id else "")
            groups.setdefault(call.who.id, []).append(named)
        else:
            groups.setdefault(_short(f"http:{call.who.id}/cloudevents:{source}"), []).append(message)
    intake, scope = call.services.platform.intake, _scope(call)
    futures = [intake.submit(source, messages, actor=call.who.id, scope=scope) for source, messages in groups.items()]
    return summed([await done(request, future) for future in futures])


def _short(name: str) -> str:
    """`name`, or what stands for it if it is longer than the intake takes; equal names give equal ones."""
    if len(name) <= LONGEST_SOURCE and name.isprintable():
        return name
    return f"{ascii(name)[1:61]}#{blake2b(name.encode(errors='backslashreplace'), digest_size=16).hexdigest()}"


async def _frames(request: Req, source: str, body: bytes) -> Receipt:
    call = call_of(request)
    batches = await call.services.reads.run(decode_arrow, body)
    intake, name, scope = call.services.platform.intake, source_of(call.who, source), _scope(call)
    key = f"key:{call.once.who}:{call.once.key}" if call.once is not None else ""
    futures = [
        intake.submit_frame(name, batch, actor=call.who.id, scope=scope, identity=(key, place) if key else None)
        for place, batch in enumerate(batches)
    ]
    return summed([await done(request, future) for future in futures])


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
    call = call_of(request)
    services = call.services
    page = await services.reads.run(
        services.platform.intake.quarantined,
        source=source,
        code=code,
        twin=twin,
        state=in_state,
        limit=limit,
        cursor=onward_from(call, cursor) or None,
    )
    return json(onward(call, Page([_view(one) for one in page.items], page.next)))


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


ROUTES = [ingest, reached, quarantine, replay, discard]
