"""What is published at a broker, as points: every leaf of the JSON that comes while we listen."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from typing import Any, cast

import msgspec

from gemel.connectors.base import Port
from gemel.connectors.discovery import Found, Point, Search, free, kind_of, sample_of
from gemel.connectors.drafts import name_of
from gemel.connectors.mqtt.ear import Ear
from gemel.connectors.mqtt.link import Link
from gemel.connectors.mqtt.settings import MqttSettings
from gemel.connectors.reach import Reach
from gemel.connectors.symbols import ucum_of_symbol, unit_of_name
from gemel.connectors.topics import Template
from gemel.errors import InvalidInput
from gemel.twin import Kind, PropertyType

__all__ = ["discover", "leaves"]

_MOST_TOPICS = 5_000
_MOST_LEAVES = 500
"""Of one message."""
_DEEPEST = 8
_PLAIN_KEY = re.compile(r'[^.\[\]"*]+')
_UNIT_KEYS = ("unit", "units", "uom", "engUnit")
_TIME_KEYS = frozenset({"ts", "time", "timestamp", "t", "datetime", "date_time", "sent", "measured_at"})


async def discover(settings: MqttSettings, search: Search, reach: Reach) -> Found:
    """Listen to the topics of `search.where` (a filter; empty: all). Raises ConnectionError, InvalidInput."""
    wanted = search.where or "#"
    messages = await heard(settings, wanted, search.seconds, reach)
    notes, points, taken = [], [], set[str]()
    topics = sorted(messages)
    common = len(_common([topic.split("/") for topic in topics]))
    for topic in topics:
        if topic.startswith("spBv1.0/"):
            notes = ["Sparkplug B is spoken at this broker; choose Sparkplug to read it with its types and units"]
            continue
        points += _points(topic, messages[topic], common, taken)
    if not points and not notes:
        notes = [
            f"nothing came on {wanted} within {search.seconds:g} s; listen longer, look at the filter, "
            "and at what the broker lets this user read"
        ]
    name = topics[0].split("/")[common - 1] if topics and common else ""
    return Found(kind="mqtt", settings={}, points=points, name=name, notes=notes)


async def heard(settings: MqttSettings, wanted: str, seconds: float, reach: Reach) -> dict[str, bytes]:
    """The latest payload of each topic that came, in a session that the broker forgets."""
    _check_filter(wanted)
    own = msgspec.structs.replace(settings, client_id=f"gemel-look-{secrets.token_hex(4)}")
    link = Link(own, cast("Port", Ear(reach)), clean=True)
    messages: dict[str, bytes] = {}
    try:
        await link.open([wanted])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while link.failure is None:
                    arrivals = link.session.take(1_000)
                    for arrival in arrivals:
                        topic = arrival.topic.decode(errors="replace")
                        if arrival.payload is not None and (topic in messages or len(messages) < _MOST_TOPICS):
                            messages[topic] = arrival.payload
                    link.session.acknowledge(arrivals)
                    await link.event.wait()
                    link.event.clear()
        if link.failure is not None:
            raise link.failure
    finally:
        await asyncio.to_thread(link.session.stop)
    return messages


def leaves(document: Any, path: str = "", depth: int = 0) -> list[tuple[str, str, Any, str]]:
    """(path, name, value, unit's symbol) of all that a binding can take; `{value: 3, unit: bar}` is one with a unit."""
    if not isinstance(document, dict) or not document or depth >= _DEEPEST:
        return [(path, path, document, "")]
    symbol = next((document[key] for key in _UNIT_KEYS if isinstance(document.get(key), str)), "")
    found: list[tuple[str, str, Any, str]] = []
    for key, value in document.items():
        if symbol and key in _UNIT_KEYS:
            continue
        inner = _joined(path, key)
        if isinstance(value, dict) and value:
            found += leaves(value, inner, depth + 1)
        else:
            name = path if symbol and key in ("value", "val", "v") and path else inner
            found.append((inner, name, value, symbol))
        if len(found) >= _MOST_LEAVES:
            break
    return found[:_MOST_LEAVES]


def _points(topic: str, payload: bytes, common: int, taken: set[str]) -> list[Point]:
    try:
        if set(topic) & set("{}+#\0") or "**" in topic.split("/"):
            return []
        Template.parse(topic)
    except InvalidInput:
        return []
    levels = topic.split("/")
    document = _document(payload)
    if document is None:
        return []
    time, form = _time_of(document)
    needs = {"topics": {topic: {"time": time, "time_format": form}}} if time else {}
    points = []
    for path, name, value, symbol in leaves(document):
        if path and path == time:
            continue
        words = name_of(" ".join([*levels[common:], name]) or levels[-1])
        kind = kind_of(value)
        measured = kind in (Kind.NUMBER, Kind.ARRAY)
        unit = (ucum_of_symbol(symbol) if symbol else unit_of_name(words)) if measured else ""
        points.append(
            Point(
                address=f"{topic}#{path}" if path else topic,
                property=PropertyType(name=free(words, taken), kind=kind, unit=unit),
                place=tuple(levels),
                value=sample_of(value),
                quality="unavailable" if value is None else "good",
                needs=needs,
            )
        )
    return points


def _document(payload: bytes) -> Any:
    """As the connector reads it: JSON, or one text. None for bytes that are neither."""
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        if payload[:1] in (b"{", b"[", b'"', b""):
            return None
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


def _time_of(document: Any) -> tuple[str, str]:
    """The path of the moment that a message tells, and how it is written; by the size of a number, to be looked at."""
    if not isinstance(document, dict):
        return "", ""
    for key, value in document.items():
        if not isinstance(key, str) or key.lower() not in _TIME_KEYS:
            continue
        if isinstance(value, str) and re.match(
            r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$", value
        ):
            return key, "rfc3339"
        if isinstance(value, int | float) and not isinstance(value, bool):
            for form, least in (("ns", 1e17), ("us", 1e14), ("ms", 1e11), ("s", 1e8)):
                if least <= value < least * 1e2:
                    return key, form
    return "", ""


def _common(levels: list[list[str]]) -> list[str]:
    """The levels that all topics begin with; the last level of a single topic is its own."""
    if not levels:
        return []
    found = []
    for column in zip(*levels, strict=False):
        if len(set(column)) > 1:
            break
        found.append(column[0])
    return found


def _joined(path: str, key: str) -> str:
    if not _PLAIN_KEY.fullmatch(key):
        return f"{path}[{msgspec.json.encode(key).decode()}]"
    return f"{path}.{key}" if path else key


def _check_filter(wanted: str) -> None:
    levels = wanted.split("/")
    wrong = [one for one in levels if len(one) > 1 and set(one) & set("+#")]
    if wrong or "#" in levels[:-1] or "\0" in wanted or len(wanted.encode()) > 1024:
        raise InvalidInput(f"{wanted!r:.200} is no topic filter; write it like plant/line-1/# or plant/+/state")
