"""The JSON body of `POST /ingest`: {"messages": [{"readings": [...], "events": [...], "id": …}], "source": …}."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from gemel.clock import MAX_TIME, MIN_TIME, SECOND
from gemel.connectors.sizes import check_size
from gemel.errors import InvalidInput, InvalidTime
from gemel.intake import Happened, Message, Reported
from gemel.twin import Quality

__all__ = ["Ingest", "MessageBody", "decode_json", "message_of", "micros_of", "typed"]

LEAP = re.compile(rb'("time"\s*:\s*"[^"]{1,20}:)60(?:\.\d*)?([Zz+-][^"]{0,6}")')
"""A leap second, 23:59:60Z, which POSIX time does not have: the last microsecond before it stands for it."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_QUALITIES = {quality.name.lower(): quality for quality in Quality}

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
QualityName = Literal["good", "uncertain", "bad", "unavailable"]
T = TypeVar("T")


class ReadingBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One value of one property of one twin."""

    twin: str
    property: str
    value: Any
    time: Moment | None = None
    quality: QualityName = "good"
    unit: str = ""


class EventBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that happened to a twin."""

    twin: str
    event: str
    time: Moment | None = None
    fields: dict[str, Any] = {}
    id: str = ""


class MessageBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What belongs together, and how it is told from its repeats: by id, or by sequence within an epoch."""

    readings: list[ReadingBody] = []
    events: list[EventBody] = []
    id: str = ""
    sequence: int | None = None
    epoch: str = ""
    sparse: bool = False


class IngestBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole body."""

    messages: list[MessageBody]
    source: str = ""


class Ingest(msgspec.Struct, frozen=True, kw_only=True):
    """A decoded body: the messages, and the source that they name (may be empty)."""

    messages: list[Message]
    source: str = ""


def decode_json(body: bytes) -> Ingest:
    """What a JSON body holds. Raises InvalidInput naming the place, as `$.messages[0].readings[2].time`."""
    decoded = typed(body, IngestBody)
    return Ingest(messages=[message_of(message) for message in decoded.messages], source=decoded.source)


def typed(body: bytes, shape: type[T]) -> T:
    """`body` as `shape`. Raises InvalidInput with the path of the first fault."""
    check_size(body)
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        if LEAP.search(body):
            return typed(LEAP.sub(rb"\g<1>59.999999\g<2>", body), shape)
        raise InvalidInput(f"the body is not as documented: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the body is not JSON: {error}") from None
    except RecursionError:
        raise InvalidInput("the body is nested too deeply") from None


def message_of(body: MessageBody, otherwise: int | None = None) -> Message:
    """The message that a body says; `otherwise`: the time of what has none. Raises InvalidTime."""
    readings = [
        Reported(
            twin=one.twin,
            property=one.property,
            value=one.value,
            time=otherwise if one.time is None else micros_of(one.time),
            quality=_QUALITIES[one.quality] if one.value is not None else Quality.UNAVAILABLE,
            unit=one.unit,
        )
        for one in body.readings
    ]
    events = [
        Happened(
            twin=one.twin,
            event=one.event,
            time=otherwise if one.time is None else micros_of(one.time),
            fields=one.fields,
            id=one.id,
        )
        for one in body.events
    ]
    return Message(
        readings=readings,
        events=events,
        id=body.id,
        sequence=body.sequence,
        epoch=body.epoch,
        sparse=body.sparse,
    )


def micros_of(moment: datetime) -> int:
    """Microseconds since the epoch of an aware datetime. Raises InvalidTime."""
    delta = moment - _EPOCH
    micros = (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds
    if not MIN_TIME <= micros < MAX_TIME:
        raise InvalidTime(f"{moment.isoformat()} is outside the years 1900 to 2261")
    return micros
