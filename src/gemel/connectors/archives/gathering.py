"""What the exports have in common: values are gathered into one long Parquet file, and what they are is found out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from gemel.connectors.drafts import name_of, slug_of
from gemel.errors import InvalidId, InvalidInput
from gemel.history import Mapping
from gemel.twin import Kind, Plant, PropertyType, TwinSpec, TwinType, check_id, check_name

__all__ = ["Fault", "Found", "Gathered", "Names", "Value", "gather", "mapping", "plant_of"]

_ROWS = 200_000
_FIRST = 10
_EXAMPLES = 100
_SCHEMA = pa.schema(
    [
        ("time", pa.int64()),
        ("twin", pa.dictionary(pa.int32(), pa.utf8())),
        ("property", pa.dictionary(pa.int32(), pa.utf8())),
        ("value", pa.utf8()),
    ]
)


class Value(NamedTuple):
    """One value of an export. `kind`: what it was written as."""

    group: str
    """What names the type: a measurement, a device type."""
    twin: str
    property: str
    time: int
    value: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that cannot be read."""

    line: int
    reason: str


@dataclass(slots=True)
class Found:
    """One property of one twin."""

    kind: Kind
    count: int = 0
    start: int = 0
    end: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Gathered:
    """What an export holds."""

    rows: int = 0
    properties: dict[tuple[str, str], Found] = field(default_factory=dict)
    """By (twin, property)."""
    groups: dict[str, dict[str, None]] = field(default_factory=dict)
    """Twin → what its type is made of, in order."""
    first: list[Value] = field(default_factory=list)
    faults: int = 0
    problems: list[Fault] = field(default_factory=list)
    """The first hundred."""


class Names:
    """From names of the export to ids and names of ours; `renamed` goes before ("press 7" → press-7)."""

    def __init__(self, renamed: dict[str, str] | None = None) -> None:
        self._renamed = renamed or {}
        self._twins: dict[str, str] = {}
        self._properties: dict[str, str] = {}

    def twin(self, text: str) -> str:
        found = self._twins.get(text)
        if found is None:
            found = self._twins[text] = _first(check_id, (self._renamed.get(text), text, slug_of(text)[:128]))
        return found

    def property(self, text: str) -> str:
        found = self._properties.get(text)
        if found is None:
            found = self._properties[text] = _first(check_name, (self._renamed.get(text), text, name_of(text)))
        return found


def gather(values: Iterable[Value | Fault], target: Path | None, *, limit: int | None = None) -> Gathered:
    """Read all (or `limit` values), and write them to `target` for `History.load` with `mapping()`."""
    found = Gathered()
    writer = pq.ParquetWriter(target, _SCHEMA, compression="zstd") if target is not None else None
    try:
        for batch in _batches(values, found, limit):
            if writer is not None:
                _, twins, names, times, told, _ = zip(*batch, strict=True)
                columns = [list(one) for one in (times, twins, names, told)]
                writer.write_batch(pa.record_batch(columns, schema=_SCHEMA))
    finally:
        if writer is not None:
            writer.close()
    return found


def mapping() -> Mapping:
    """How the gathered file is read."""
    return Mapping(time="time", time_unit="us", twin_column="twin", property_column="property", value_column="value")


def plant_of(gathered: Gathered, known: Callable[[str], set[str] | None] = lambda _: None) -> Plant:
    """Types and twins for what there is no twin or property for; units are unknown to an export, and left empty.

    `known`: the properties of a twin that there is already. Raises InvalidInput for a twin that lacks some: its type
    has to get them.
    """
    types: dict[str, dict[str, Kind]] = {}
    twins: list[TwinSpec] = []
    by_twin: dict[str, dict[str, Kind]] = {}
    for (twin, name), found in gathered.properties.items():
        by_twin.setdefault(twin, {})[name] = found.kind
    for twin in gathered.groups:
        by_twin.setdefault(twin, {})
    for twin, properties in sorted(by_twin.items()):
        there = known(twin)
        if there is not None:
            if missing := sorted(properties.keys() - there):
                raise InvalidInput(
                    f"twin {twin} has no {', '.join(missing[:10])}; add them to its type, or rename them with "
                    f"--map {missing[0]}=PROPERTY"
                )
            continue
        type_id = slug_of("-".join(gathered.groups.get(twin, {})) or "imported")[:100]
        type_properties = types.setdefault(type_id, {})
        for name, kind in properties.items():
            type_properties[name] = _joined(type_properties.get(name, kind), kind)
        twins.append(TwinSpec(id=twin, types=(type_id,)))
    return Plant(
        types=tuple(
            TwinType(
                id=id,
                title=id.replace("-", " "),
                properties=tuple(PropertyType(name=name, kind=kind) for name, kind in sorted(properties.items())),
            )
            for id, properties in types.items()
        ),
        twins=tuple(twins),
    )


def _batches(values: Iterable[Value | Fault], found: Gathered, limit: int | None) -> Iterator[list[Value]]:
    batch: list[Value] = []
    for one in values:
        if isinstance(one, Fault):
            found.faults += 1
            if len(found.problems) < _EXAMPLES:
                found.problems.append(one)
            continue
        if one.property:
            _note(found, one)
            batch.append(one)
        else:  # a device without values
            found.groups.setdefault(one.twin, {})[one.group] = None
        if len(batch) >= _ROWS:
            yield batch
            batch = []
        if limit is not None and found.rows >= limit:
            break
    if batch:
        yield batch


def _note(found: Gathered, one: Value) -> None:
    found.rows += 1
    if len(found.first) < _FIRST:
        found.first.append(one)
    found.groups.setdefault(one.twin, {})[one.group] = None
    known = found.properties.get((one.twin, one.property))
    if known is None:
        known = found.properties[one.twin, one.property] = Found(one.kind, 0, one.time, one.time)
    elif known.kind is not one.kind:
        known.kind = _joined(known.kind, one.kind)
    known.count += 1
    known.start, known.end = min(known.start, one.time), max(known.end, one.time)
    if len(known.examples) < 3:
        known.examples.append(one.value)


def _joined(one: Kind, other: Kind) -> Kind:
    """What can hold both."""
    if one is other:
        return one
    return Kind.NUMBER if {one, other} == {Kind.NUMBER, Kind.INTEGER} else Kind.TEXT


def _first(check: Callable[[Any, str], str], wishes: tuple[str | None, ...]) -> str:
    for wish in wishes:
        if wish:
            try:
                return check(wish, "name")
            except InvalidId:
                continue
    raise InvalidInput(f"{wishes[1]!r:.80} cannot be a name here; rename it with --map '{wishes[1]}=NAME'")
