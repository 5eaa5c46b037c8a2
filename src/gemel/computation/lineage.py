"""Where a computed value comes from: the inputs that it was made of, the definition that held, and when."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from gemel.computation.building import build
from gemel.computation.program import Program
from gemel.computation.redo import REDONE
from gemel.errors import InvalidInput, UnknownProperty, UnknownTwin
from gemel.history import EventQuery, History
from gemel.registry import Directory, Registry
from gemel.twin import Computed, Position, Quality, Reading, TwinType, property_named, split_series

__all__ = ["Lineage", "Origin", "lineage"]

LOOK_BACK_US = 86_400_000_000


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """One input as it was when the value was computed."""

    twin: str
    property: str
    value: Any = None
    unit: str = ""
    time: int | None = None
    """None: nothing had been reported."""
    quality: Quality = Quality.UNAVAILABLE
    position: Position = 0
    corrected: bool = False
    """A reading that came later says something else of that moment; `gemel compute redo` takes it into account."""
    computed: bool = False
    """It is computed, too, and has a lineage of its own."""


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """The value in force at a moment, and what it was made of."""

    twin: str
    property: str
    value: Any
    unit: str
    time: int
    quality: Quality
    computed_at: int
    """When it was computed."""
    position: Position
    type: str
    version: int
    """Of the type, when it was computed."""
    computed: Computed
    """As that version defines it."""
    redone: bool
    """By `gemel compute redo`, not live."""
    inputs: list[Origin]


def lineage(registry: Registry, history: History, twin: str, name: str, at: int) -> Lineage:
    """Of the value in force at `at`. Raises UnknownTwin, UnknownProperty (also when there was no value yet),
    InvalidInput for what is not computed."""
    entry = registry.directory.twin(twin)
    if entry is None:
        raise UnknownTwin(f"there is no twin {twin!r:.160}")
    ref = entry.properties.get(name)
    if ref is None:
        raise UnknownProperty(f"{entry.id} has no property {name!r:.80}")
    if ref.property.computed is None:
        raise InvalidInput(f"{name} of {entry.id} is reported, not computed; it has no lineage")
    reading = history.value((entry.id, name), at)
    if reading is None:
        raise UnknownProperty(f"nothing was computed of {entry.id}.{name} at that time")
    redone = _redo_of(history, ref.type_id, ref.property.name, entry.id, reading)
    type_ = (
        _type_then(registry, history, ref.type_id, reading.position)
        if redone is None
        else registry.type(ref.type_id, redone)
    )
    property_ = property_named(type_, ref.property.name)
    computed = (property_ or ref.property).computed or ref.property.computed
    assert computed is not None
    return Lineage(
        twin=entry.id,
        property=ref.property.name,
        value=reading.value,
        unit=ref.property.unit,
        time=reading.time,
        quality=reading.quality,
        computed_at=reading.recorded,
        position=reading.position,
        type=type_.id,
        version=type_.version,
        computed=computed,
        redone=redone is not None,
        inputs=_origins(registry, history, (ref.type_id, ref.property.name, entry.number), reading),
    )


def _type_then(registry: Registry, history: History, id: str, position: Position) -> TwinType:
    """The version that the type had at a position of the journal."""
    query = EventQuery(twins=(id,), kinds=("type.created", "type.changed"), limit=1000)
    versions = [fact.change.body["version"] for fact in history.events(query).items if fact.position <= position]
    return registry.type(id, max(versions)) if versions else registry.type(id)


def _redo_of(history: History, type_id: str, name: str, twin: str, reading: Reading) -> int | None:
    """The version of the type by which the value was recomputed; None if it was computed live."""
    query = EventQuery(twins=(type_id,), kinds=(REDONE,), limit=10_000)
    for fact in history.events(query).items:
        body = fact.change.body
        mine = body["property"] == name and (not body["twins"] or twin in body["twins"])
        inside = body["first"] <= reading.position <= body["last"] and body["start"] <= reading.time < body["end"]
        if mine and inside:
            return int(body["version"])
    return None


def _origins(registry: Registry, history: History, of: tuple[str, str, int], reading: Reading) -> list[Origin]:
    type_id, name, number = of
    program = _program(registry, type_id, name, reading.time)
    row = None if program is None else program.row_of(number)
    if program is None or row is None:
        return []
    return [_origin(registry.directory, history, series, reading) for series in program.inputs_of(row)]


def _program(registry: Registry, type_id: str, name: str, at: int) -> Program | None:
    """With the parts that twins had at that moment."""
    built = build(registry.directory.snapshot(), registry.assemblies().at(at))
    return next((p for p in built.programs if (p.type_id, p.property.name) == (type_id, name)), None)


def _origin(directory: Directory, history: History, series: int, result: Reading) -> Origin:
    number, property_number = split_series(series)
    entry, ref = directory.entry(number), directory.property(property_number)
    assert entry is not None
    assert ref is not None
    property_ = ref.property
    plain = Origin(twin=entry.id, property=property_.name, unit=property_.unit, computed=property_.computed is not None)
    now = history.value((entry.id, property_.name), result.time)
    if now is None:
        return plain
    used = now
    if now.position > result.position:  # it came later: look for the one that was known then
        rows = history.readings(entry.id, property_.name, result.time - LOOK_BACK_US, result.time + 1)
        known = np.flatnonzero((rows.position < result.position) & (rows.time <= result.time))
        if not len(known):
            return msgspec.structs.replace(plain, corrected=True)
        last = int(known[-1])
        used = msgspec.structs.replace(
            now,
            value=rows.value[last].as_py(),
            time=int(rows.time[last]),
            quality=Quality(int(rows.quality[last])),
            position=int(rows.position[last]),
        )
    return msgspec.structs.replace(
        plain,
        value=used.value,
        time=used.time,
        quality=used.quality,
        position=used.position,
        corrected=used is not now and used.value != now.value,
    )
