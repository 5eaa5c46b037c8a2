"""Topics that need no binding, for devices that follow us:

    gemel/<twin>/<property>   80.5, "AUTOMATIC", AUTOMATIC or {"value": 80.5, "time": "…", "quality": "uncertain"}
    gemel/<twin>              {"temperature": 80.5, "mode": "AUTOMATIC"} or {"values": {…}, "time": "…", "id": "…"}
    gemel/<twin>/!<event>     nothing, or {"time": "…", "id": "…", "fields": {…}}

`time` is RFC 3339; `id`, or `sequence` with `epoch`, tell a repeat; all of them may be left out. An MQTT 5 client may
write `time`, `id`, `sequence` and `epoch` as user properties instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gemel.clock import parse_time, to_rfc3339
from gemel.connectors.payloads import Unreadable
from gemel.errors import GemelError
from gemel.intake import Happened, Message, Reported
from gemel.twin import Quality, check_id, check_name

__all__ = ["LayoutReader", "layout_reader", "told"]

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(enc_hook=str).encode
_QUALITIES = {quality.name.lower(): quality for quality in Quality}
_OF_VALUE = frozenset({"value", "time", "quality", "unit", "id", "sequence", "epoch"})
_OF_VALUES = frozenset({"values", "time", "quality", "id", "sequence", "epoch"})
_OF_EVENT = frozenset({"fields", "time", "id"})


class LayoutReader:
    """Reads the payloads of one such topic. `name`: a property, an event with its !, or empty for the whole twin."""

    __slots__ = ("_name", "_topic", "_twin", "twins")

    def __init__(self, topic: str, twin: str, name: str) -> None:
        self._topic, self._twin, self._name = topic, twin, name
        self.twins = frozenset((twin,))

    @property
    def is_event(self) -> bool:
        return self._name.startswith("!")

    def read(self, raw: bytes, told: Mapping[str, str] | None = None) -> Message:
        """The message that `raw` is; `told`: user properties. Raises Unreadable."""
        if self.is_event:
            return self._event(_document(raw) if raw else {}, told or {})
        document = _document(raw)
        if not self._name:
            return self._values(document, told or {})
        return self._value(document, told or {})

    def _value(self, document: Any, told: Mapping[str, str]) -> Message:
        more: Mapping[str, Any] = told
        value = document
        if type(document) is dict and "value" in document and document.keys() <= _OF_VALUE:
            value, more = document["value"], {**told, **document}
        elif not told:  # the common case
            return Message(readings=[_reported(self._twin, self._name, value, None, Quality.GOOD)])
        unit = more.get("unit", "")
        if type(unit) is not str:
            raise Unreadable("unit is not text")
        reading = _reported(self._twin, self._name, value, _time(more), _quality(more), unit)
        return Message(readings=[reading], **_identity(self._topic, more))

    def _values(self, document: Any, told: Mapping[str, str]) -> Message:
        if type(document) is not dict:
            raise Unreadable('not an object of values; write {"temperature": 80.5} or use a topic for each property')
        values, more = document, dict[str, Any](told)
        if type(document.get("values")) is dict and document.keys() <= _OF_VALUES:
            values, more = document["values"], {**told, **document}
        time, quality = _time(more), _quality(more)
        readings = [_reported(self._twin, name, value, time, quality) for name, value in values.items()]
        return Message(readings=readings, **_identity(self._topic, more))

    def _event(self, document: Any, told: Mapping[str, str]) -> Message:
        if (
            type(document) is not dict
            or not document.keys() <= _OF_EVENT
            or type(document.get("fields", {})) is not dict
        ):
            raise Unreadable('an event is nothing or {"time": …, "id": …, "fields": {…}}')
        more = {**told, **document}
        identity = more.get("id", "")
        event = Happened(
            twin=self._twin,
            event=self._name[1:],
            time=_time(more),
            fields=document.get("fields", {}),
            id=f"{self._topic}:{identity}" if identity != "" else "",
        )
        return Message(events=[event])


def layout_reader(prefix: str, topic: str) -> LayoutReader | None:
    """The reader of a topic below `prefix`; None when it is no such topic."""
    first, _, rest = topic.partition("/")
    if not prefix or first != prefix:
        return None
    twin, _, name = rest.partition("/")
    try:
        check_id(twin)
        if name or rest.endswith("/"):
            check_name(name.removeprefix("!"))
    except GemelError:
        return None
    return LayoutReader(topic, twin, name)


def told(value: Any, time: int, quality: Quality) -> bytes:
    """A value as subscribers of <prefix>/<twin>/<property> get it."""
    return _encode({"value": value, "time": to_rfc3339(time), "quality": quality.name.lower()})


def _document(raw: bytes) -> Any:
    try:
        return _decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        if raw[:1] in (b"{", b"[", b'"', b""):
            raise Unreadable(f"not JSON: {error}") from None
        try:
            return str(raw, "utf-8")  # a bare word: AUTOMATIC
        except UnicodeDecodeError:
            raise Unreadable(f"neither JSON nor UTF-8 text: {error}") from None


def _reported(twin: str, name: str, value: Any, time: int | None, quality: Quality, unit: str = "") -> Reported:
    if value is None:
        quality = Quality.UNAVAILABLE
    return Reported(twin=twin, property=name, value=value, time=time, quality=quality, unit=unit)


def _time(more: Mapping[str, Any]) -> int | None:
    value = more.get("time")
    if value is None:
        return None
    if type(value) is not str:
        raise Unreadable(f"time {value!r:.60} is not RFC 3339 text")
    try:
        return parse_time(value)
    except GemelError as error:
        raise Unreadable(error.detail) from None


def _quality(more: Mapping[str, Any]) -> Quality:
    value = more.get("quality", "good")
    found = _QUALITIES.get(value) if type(value) is str else None
    if found is None:
        raise Unreadable(f"quality {value!r:.60} is not {', '.join(_QUALITIES)}")
    return found


def _identity(topic: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """`id`, or `sequence` and `epoch`, of a message; devices number for themselves, so the topic tells them apart."""
    if (sequence := more.get("sequence")) is not None:
        try:
            number = int(sequence)
        except (TypeError, ValueError):
            raise Unreadable(f"sequence {sequence!r:.60} is not a whole number") from None
        return {"sequence": number, "epoch": f"{topic}:{more.get('epoch', '')}"}
    if (identity := more.get("id")) is not None and identity != "":
        return {"id": f"{topic}:{identity}"}
    return {}
