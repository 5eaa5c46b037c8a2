"""From a topic and a payload to a message of readings, as the bindings say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from gemel.connectors.paths import MISSING, Path, parse_path
from gemel.connectors.times import TimeFormat, time_reader
from gemel.connectors.topics import Template, fill, parse_address, variables
from gemel.errors import GemelError, InvalidInput
from gemel.intake import Message, Reported
from gemel.twin import Quality
from gemel.twin.binding import Binding, Scale

__all__ = ["Payload", "Reader", "Router", "Unreadable"]

_MOST_TOPICS = 200_000
"""Topics whose reader is remembered; a broker with more costs a match each, not memory."""

_GOOD, _UNAVAILABLE = Quality.GOOD, Quality.UNAVAILABLE
_decode = msgspec.json.Decoder().decode


class Payload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the messages of a topic are read."""

    format: Literal["json", "text"] = "json"
    """text: the payload is one value, as it stands. json: a document; a binding without a path takes all of it."""
    time: str = ""
    """Path of the moment the values were so; empty: the moment of arrival."""
    time_format: TimeFormat = "rfc3339"
    """The unit is declared, never guessed."""
    id: str = ""
    """Path of what identifies a message (with its topic): the same one again has no second effect."""
    sequence: str = ""
    """Path of a number that rises by message, per topic; with it, every repeat is recognised."""
    epoch: str = ""
    """Path of what changes when the device starts to count anew (boot id, start time)."""

    def __post_init__(self) -> None:
        for path in (self.time, self.id, self.sequence, self.epoch):
            parse_path(path)


class Unreadable(Exception):
    """A payload that is not what was declared; the text says where and why."""


@dataclass(frozen=True, slots=True)
class _Field:
    """One binding, for one topic."""

    path: Path
    get: Callable[[Any], Any]
    twin: str
    property: str
    unit: str
    scale: Scale | None


@dataclass(frozen=True, slots=True)
class _Route:
    """All bindings of one topic template."""

    template: Template
    payload: Payload
    bindings: tuple[tuple[Path, Binding], ...]


class Reader:
    """Reads the payloads of one topic."""

    __slots__ = (
        "_epoch",
        "_fields",
        "_id",
        "_json",
        "_only",
        "_plain",
        "_sequence",
        "_time",
        "_time_of",
        "seen",
        "timed",
        "topic",
        "twins",
    )

    def __init__(self, topic: str, payload: Payload, fields: Sequence[_Field]) -> None:
        self._json = payload.format == "json"
        self._fields = fields
        self._only = next((field for field in fields if not field.path.keys and not field.path.every), None)
        self._plain = _plain(fields)
        self._time = _getter(payload.time)
        self._time_of = time_reader(payload.time_format)
        self._id = _getter(payload.id)
        self._sequence = _getter(payload.sequence)
        self._epoch = _getter(payload.epoch)
        self.timed = self._time is not None
        self.topic = topic
        self.twins = frozenset(field.twin for field in fields)
        self.seen = False
        """A live message (not a retained one) has come on this topic."""

    def read(self, raw: bytes, *, retained: bool = False) -> Message:
        """The message that `raw` is; without readings when it holds nothing that is bound. Raises Unreadable.

        A retained message is a value of unknown age: without a time of its own its readings are uncertain.
        """
        document = self._document(raw)
        time = self._moment(document) if self._time is not None else None
        quality = Quality.UNCERTAIN if retained and time is None else _GOOD
        readings: list[Reported] = []
        add = readings.append
        if self._plain and type(document) is dict:  # single keys, no scales: the hot path
            find = document.get
            for key, twin, name, unit in self._plain:
                value = find(key, MISSING)
                if value is None:
                    add(Reported(twin=twin, property=name, value=None, time=time, quality=_UNAVAILABLE, unit=unit))
                elif value is not MISSING:
                    add(Reported(twin=twin, property=name, value=value, time=time, quality=quality, unit=unit))
            return self._message(readings, document)
        for field in self._fields:
            value = field.get(document)
            if field.path.every:
                if type(value) is dict:
                    readings += self._all(field, value, time, quality)
            elif value is not MISSING:
                add(_reported(field, field.property, value, time, quality))
        return self._message(readings, document)

    def _document(self, raw: bytes) -> Any:
        try:
            return _decode(raw) if self._json else str(raw, "utf-8")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            # a bare word is what many devices send as a value: AUTOMATIC
            if self._only is None or raw[:1] in (b"{", b"[", b'"', b""):
                raise Unreadable(f"not {'JSON' if self._json else 'UTF-8'}: {error}") from None
            try:
                return str(raw, "utf-8")
            except UnicodeDecodeError:
                raise Unreadable(f"neither JSON nor UTF-8 text: {error}") from None

    def _moment(self, document: Any) -> int | None:
        assert self._time is not None
        value = self._time(document)
        if value is MISSING or value is None:
            return None
        try:
            return self._time_of(value)
        except GemelError as error:
            raise Unreadable(error.detail) from None

    def _all(self, field: _Field, values: dict[str, Any], time: int | None, quality: Quality) -> list[Reported]:
        return [
            _reported(field, fill(field.property, {"key": key}), value, time, quality) for key, value in values.items()
        ]

    def _message(self, readings: list[Reported], document: Any) -> Message:
        if self._sequence is not None:
            sequence = self._sequence(document)
            if type(sequence) is not int or sequence < 0:
                raise Unreadable("the declared sequence is missing or not a whole number")
            epoch = self._epoch(document) if self._epoch is not None else ""
            return Message(readings=readings, sequence=sequence, epoch=f"{self.topic}:{_text(epoch)}")
        if self._id is not None:
            if (identity := self._id(document)) is MISSING or identity is None:
                raise Unreadable("the declared id is missing")
            # devices number for themselves: the topic tells their ids apart
            return Message(readings=readings, id=f"{self.topic}:{_text(identity)}")
        return Message(readings=readings)


class Router:
    """Finds the reader of a topic. `filters` are to be subscribed to."""

    def __init__(self, bindings: Sequence[Binding], payload: Payload, topics: Mapping[str, Payload]) -> None:
        grouped: dict[str, list[tuple[Path, Binding]]] = {}
        for binding in bindings:
            topic, path = parse_address(binding.address)
            grouped.setdefault(topic, []).append((parse_path(path), binding))
        for topic in topics:
            if topic not in grouped:
                raise InvalidInput(f"settings.topics names {topic!r:.200}, which no binding has as its topic")
        self._routes = [
            _Route(Template.parse(topic), topics.get(topic, payload), tuple(found)) for topic, found in grouped.items()
        ]
        for route in self._routes:
            _check(route)
        self.templates = [route.template for route in self._routes]
        self._readers: dict[bytes, Reader | None] = {}

    def reader(self, topic: bytes) -> Reader | None:
        """The reader for a topic, or None when no binding is on it."""
        try:
            return self._readers[topic]
        except KeyError:
            if len(self._readers) >= _MOST_TOPICS:
                self._readers.clear()
            try:
                found = self.find(str(topic, "utf-8"))
            except UnicodeDecodeError:
                found = None
            self._readers[topic] = found
            return found

    def find(self, text: str) -> Reader | None:
        """The same, not remembered."""
        matched = [(route, values) for route in self._routes if (values := route.template.match(text)) is not None]
        if not matched:
            return None
        fields = [_field(path, binding, values) for route, values in matched for path, binding in route.bindings]
        # the most exact template says how the payload is read
        best = min((route for route, _ in matched), key=lambda route: len(route.template.names) + 99 * _wild(route))
        return Reader(text, best.payload, fields)


def _plain(fields: Sequence[_Field]) -> list[tuple[str, str, str, str]]:
    """(key, twin, property, unit) of all fields when each is one key of the payload and taken as it is; else []."""
    told = [(field.path.keys[0], field.twin, field.property, field.unit) for field in fields if field.path.keys]
    simple = all(len(field.path.keys) == 1 and field.scale is None and not field.path.every for field in fields)
    plain = [(key, twin, name, unit) for key, twin, name, unit in told if isinstance(key, str)]
    return plain if simple and len(plain) == len(fields) else []


def _wild(route: _Route) -> int:
    return route.template.filter.count("+") + 10 * route.template.filter.count("#")


def _field(path: Path, binding: Binding, values: dict[str, str]) -> _Field:
    get = _getter(path.text) or (lambda document: document)
    keep = {**values, "key": "{key}"}
    return _Field(path, get, fill(binding.twin, values), fill(binding.property, keep), binding.unit, binding.scale)


def _check(route: _Route) -> None:
    """Raises InvalidInput when a binding uses a variable that its topic does not have."""
    known = set(route.template.names)
    for path, binding in route.bindings:
        allowed = known | {"key"} if path.every else known
        for name in [*variables(binding.twin), *variables(binding.property)]:
            if name not in allowed or (name == "key" and name in variables(binding.twin)):
                raise InvalidInput(
                    f"binding {binding.address!r:.200} uses {{{name}}}, which its topic does not name; "
                    f"named are {', '.join(sorted(known)) or 'none'}"
                )
        if path.every and "key" not in variables(binding.property):
            raise InvalidInput(
                f"binding {binding.address!r:.200} takes every key, so its property must say where: property: '{{key}}'"
            )
        if "key" in known and path.every:
            raise InvalidInput(
                f"binding {binding.address!r:.200}: {{key}} is the key in the payload; name it otherwise"
            )


def _reported(field: _Field, name: str, value: Any, time: int | None, quality: Quality) -> Reported:
    if field.scale is not None and type(value) in (int, float):
        value = value * field.scale.factor + field.scale.offset
    if value is None:
        quality = Quality.UNAVAILABLE
    return Reported(twin=field.twin, property=name, value=value, time=time, quality=quality, unit=field.unit)


def _getter(text: str) -> Callable[[Any], Any] | None:
    """A function for the path, quick for the common one of a single key; None for the empty path."""
    path = parse_path(text)
    if not path.keys:
        return None
    if len(path.keys) == 1 and type(key := path.keys[0]) is str:
        return lambda document: document.get(key, MISSING) if type(document) is dict else MISSING
    return path.get


def _text(value: Any) -> str:
    return value if type(value) is str else "" if value is MISSING else str(value)
