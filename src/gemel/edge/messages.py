"""Blocks of the journal as messages for another Gemel: one block, one number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from gemel.folder import EdgeSelect
from gemel.registry import Directory
from gemel.twin import Block, Change, Form, Frame, Kind, Quality, split_series

__all__ = ["Outgoing", "Writer"]

PART_BYTES = 4_000_000
"""About what one message weighs. A larger block goes in parts, which have ids; its number comes with the last."""
READING_BYTES, EVENT_BYTES = 200, 400
OWN = "gemel_"
"""Types of the platform itself: connectors, its health. Every Gemel has its own."""
_QUALITIES = [quality.name.lower() for quality in sorted(Quality)]

_Target = tuple[str, str, str, Kind]
"""twin, property, unit, kind"""


class Outgoing(msgspec.Struct, frozen=True):
    """One block, ready to go."""

    sequence: int
    """The block's."""
    recorded: int
    messages: list[tuple[dict[str, Any], int]]
    """Each with about what it weighs in bytes."""
    count: int
    """Readings and events."""


class Writer:
    """Writes messages for what is selected; for one thread."""

    def __init__(self, directory: Directory, select: EdgeSelect) -> None:
        self._directory, self._select = directory, select
        self._revision = -1
        self._targets: dict[int, _Target | None] = {}

    def of(self, block: Block, epoch: str) -> Outgoing:
        """The messages of a block: numbered by its sequence, in the order of its readings."""
        if self._revision != self._directory.revision:
            self._revision = self._directory.revision
            self._targets.clear()
        readings = [reading for _, reading in sorted(self._readings(block), key=lambda one: one[0])]
        events = [event for change in block.changes if (event := self._event(change)) is not None]
        *early, last = _parts(readings)
        messages: list[tuple[dict[str, Any], int]] = [
            ({"id": f"{epoch}:{block.sequence}:{place}", "readings": part}, weight)
            for place, (part, weight) in enumerate(early)
        ]
        rest, weight = last
        weight += sum(EVENT_BYTES + len(str(event["fields"])) for event in events)
        messages.append(
            (
                {"sequence": block.sequence - 1, "epoch": epoch, "readings": rest, "events": events},
                weight,
            )
        )
        return Outgoing(block.sequence, block.recorded, messages, len(readings) + len(events))

    def selects(self, twin: str, types: tuple[str, ...]) -> bool:
        """Whether a twin is forwarded."""
        chosen = self._select
        if any(one.startswith(OWN) for one in types):
            return False
        named = not chosen.twins or twin in chosen.twins
        return named and (not chosen.types or not set(chosen.types).isdisjoint(types))

    def _readings(self, block: Block) -> Iterator[tuple[int, dict[str, Any]]]:
        for frame in block.frames.values():
            yield from self._of_frame(frame)

    def _of_frame(self, frame: Frame) -> Iterator[tuple[int, dict[str, Any]]]:
        columns = (frame.ordinal.tolist(), frame.series.tolist(), frame.time.tolist(), frame.quality.tolist())
        for ordinal, series, time, quality, value in zip(*columns, frame.value.to_pylist(), strict=True):
            target = self._targets[series] if series in self._targets else self._resolved(series)
            if target is None:
                continue
            twin, name, unit, kind = target
            reading = {"twin": twin, "property": name, "time": time, "value": _plain(value, kind, frame.form)}
            if quality == Quality.UNAVAILABLE:
                reading["value"] = None
            elif quality:
                reading["quality"] = _QUALITIES[quality]
            if unit:
                reading["unit"] = unit
            yield ordinal, reading

    def _resolved(self, series: int) -> _Target | None:
        number, property_number = split_series(series)
        entry, ref = self._directory.entry(number), self._directory.property(property_number)
        target: _Target | None = None
        if entry is not None and ref is not None and self.selects(entry.id, entry.types):
            property_ = ref.property
            wanted = self._select.properties is None or property_.name in self._select.properties
            if wanted and property_.computed is None:  # what is computed is computed again upstream
                unit = property_.unit if property_.kind in (Kind.NUMBER, Kind.INTEGER, Kind.ARRAY) else ""
                target = entry.id, property_.name, unit, property_.kind
        self._targets[series] = target
        return target

    def _event(self, change: Change) -> dict[str, Any] | None:
        if change.kind != "event.happened" or not self._select.events:
            return None
        entry = self._directory.twin(change.subject)
        if entry is None or not self.selects(entry.id, entry.types):
            return None
        body = change.body
        return {"twin": change.subject, "event": body["event"], "time": change.time, "fields": body["fields"]}


def _parts(readings: list[dict[str, Any]]) -> list[tuple[list[dict[str, Any]], int]]:
    """The readings in parts of about PART_BYTES, each with its weight; at least one. Equal readings, equal parts."""
    parts: list[tuple[list[dict[str, Any]], int]] = []
    begun, weight = 0, 0
    for place, reading in enumerate(readings):
        value = reading["value"]
        weight += READING_BYTES + (len(str(value)) if isinstance(value, str | list | dict) else 0)
        if weight > PART_BYTES:
            parts.append((readings[begun : place + 1], weight))
            begun, weight = place + 1, 0
    return [*parts, (readings[begun:], weight)]


def _plain(value: Any, kind: Kind, form: Form) -> Any:
    if value is None:
        return None
    if kind is Kind.BOOLEAN:
        return bool(value)
    if kind in (Kind.OBJECT, Kind.CONDITION) and form is Form.TEXT:
        return msgspec.json.decode(value)
    return value
