"""CloudEvents 1.0 over HTTP, in all three modes: structured, batched, binary. (source, id) is a message's identity.

What an event says:
- type `io.gemel.message`: data is a message as in the JSON body, {"readings": […], "events": […]};
- type `io.gemel.happened.<event>`: the event <event> happened to the twin `subject`, data are its fields;
- any other type: data is an object of property → value of the twin `subject`.
The event's `time` is that of everything in it that has none of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from gemel.connectors.http.bodies import MessageBody, Moment, message_of, micros_of, typed
from gemel.connectors.sizes import check_size
from gemel.errors import InvalidInput
from gemel.intake import Happened, Message, Reported
from gemel.twin import Quality

__all__ = ["BATCH", "STRUCTURED", "CloudEvent", "decode_cloudevents", "is_cloudevent"]

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
_MESSAGE = "io.gemel.message"
_HAPPENED = "io.gemel.happened."


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The context attributes and the data of an event; extensions are let pass."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str = ""
    time: Moment | None = None
    datacontenttype: str = "application/json"
    data: msgspec.Raw = msgspec.Raw(b"")
    data_base64: bytes | None = None


def is_cloudevent(headers: Mapping[str, str]) -> bool:
    """Whether a request carries CloudEvents, by its headers (names in lower case)."""
    return _media(headers) in (STRUCTURED, BATCH) or "ce-specversion" in headers


def decode_cloudevents(headers: Mapping[str, str], body: bytes) -> list[tuple[str, Message]]:
    """(source, message) of every event of a request; header names in lower case.

    Raises InvalidInput that names the event (by its place in a batch) and the attribute.
    """
    media = _media(headers)
    if media == BATCH:
        events = typed(body, list[CloudEvent])
    elif media == STRUCTURED:
        events = [typed(body, CloudEvent)]
    else:
        check_size(body)
        events = [_binary(headers, body)]
    decoded = []
    for number, event in enumerate(events):
        where = f"event {number} of the batch" if media == BATCH else "the event"
        decoded.append((event.source, _message(event, where)))
    return decoded


def _media(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _binary(headers: Mapping[str, str], body: bytes) -> CloudEvent:
    attributes = {name[3:]: unquote(value) for name, value in headers.items() if name.startswith("ce-")}
    attributes["datacontenttype"] = _media(headers) or "application/json"
    for name in ("data", "data_base64"):
        attributes.pop(name, None)
    try:
        event = msgspec.convert(attributes, CloudEvent, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"the ce- headers are not those of a CloudEvent: {error}") from None
    return msgspec.structs.replace(event, data=msgspec.Raw(body))


def _message(event: CloudEvent, where: str) -> Message:
    if event.specversion != "1.0":
        raise InvalidInput(f"{where} has specversion {event.specversion!r:.40}; 1.0 is understood")
    for name in ("id", "source", "type"):
        if not getattr(event, name):
            raise InvalidInput(f"{where} has an empty {name}")
    kind = event.datacontenttype.partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise InvalidInput(f"{where} has data of type {kind!r:.80}; application/json is understood")
    time = micros_of(event.time) if event.time is not None else None
    raw = event.data_base64 if event.data_base64 is not None else bytes(event.data)
    if event.type == _MESSAGE:
        return msgspec.structs.replace(message_of(_data(raw, MessageBody, where), time), id=event.id)
    if not event.subject:
        raise InvalidInput(f"{where} has no subject; it names the twin that the data is of")
    if event.type.startswith(_HAPPENED):
        return _happened(event, _data(raw, dict[str, Any], where) if raw else {}, time)
    return _readings(event, _data(raw, dict[str, Any], where), time)


def _happened(event: CloudEvent, fields: dict[str, Any], time: int | None) -> Message:
    name = event.type.removeprefix(_HAPPENED)
    return Message(id=event.id, events=[Happened(twin=event.subject, event=name, time=time, fields=fields)])


def _readings(event: CloudEvent, values: dict[str, Any], time: int | None) -> Message:
    return Message(
        id=event.id,
        readings=[
            Reported(
                twin=event.subject,
                property=name,
                value=value,
                time=time,
                quality=Quality.GOOD if value is not None else Quality.UNAVAILABLE,
            )
            for name, value in values.items()
        ],
    )


def _data(raw: bytes, shape: Any, where: str) -> Any:
    try:
        return typed(raw, shape)
    except InvalidInput as error:
        raise InvalidInput(error.detail.replace("the body", f"the data of {where}", 1)) from None
