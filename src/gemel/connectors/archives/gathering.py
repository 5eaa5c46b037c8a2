"""What the exports have in common: values are gathered into one long Parquet file, and what they are is found out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gemel.connectors.archives.many import KINDS, Many, Value
from gemel.connectors.drafts import name_of, slug_of
from gemel.errors import InvalidId, InvalidInput
from gemel.history import Mapping
from gemel.twin import Kind, Plant, PropertyType, TwinSpec, TwinType, check_id, check_name

__all__ = ["Fault", "Found", "Gathered", "Names", "gather", "mapping", "plant_of"]

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


def gather(values: Iterable[Many | Value | Fault], target: Path | None, *, limit: int | None = None) -> Gathered:
    """Read all (or `limit` values), and write them to `target` for `History.load` with `mapping()`."""
    found = Gathered()
    writer = pq.ParquetWriter(target, _SCHEMA, compression="lz4") if target is not None else None
    try:
        for one in values:
            if isinstance(one, Fault):
                found.faults += 1
                if len(found.problems) < _EXAMPLES:
                    found.problems.append(one)
            elif isinstance(one, Value):  # a device without values
                found.groups.setdefault(one.twin, {})[one.group] = None
            else:
                some = one if limit is None else one.head(limit - found.rows)
                _note(found, some)
                if writer is not None:
                    writer.write_batch(_batch(some))
            if limit is not None and found.rows >= limit:
                break
    finally:
        if writer is not None:
            writer.close()
    return found


def _batch(some: Many) -> pa.RecordBatch:
    twins = pa.array([owner.twin for owner in some.owners], pa.string()).dictionary_encode()
    names = pa.array([owner.property for owner in some.owners], pa.string()).dictionary_encode()
    code = pa.array(some.code)
    return pa.record_batch([pa.array(some.time), twins.take(code), names.take(code), some.value], schema=_SCHEMA)


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


def _note(found: Gathered, some: Many) -> None:
    """Count what these values are of, and of what kind."""
    found.first += list(some.head(_FIRST - len(found.first)))
    found.rows += len(some)
    key = some.code * len(KINDS) + some.kind
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    times = some.time[order]
    alike = zip(
        key[order[starts]].tolist(),
        np.diff(starts, append=len(key)).tolist(),
        np.minimum.reduceat(times, starts).tolist() if len(key) else (),
        np.maximum.reduceat(times, starts).tolist() if len(key) else (),
        starts.tolist(),
        strict=True,
    )
    for value, count, start, end, at in alike:
        owner, kind = some.owners[value // len(KINDS)], KINDS[value % len(KINDS)]
        found.groups.setdefault(owner.twin, {})[owner.group] = None
        known = found.properties.setdefault((owner.twin, owner.property), Found(kind, 0, start, end))
        known.kind = _joined(known.kind, kind)
        known.count += count
        known.start, known.end = min(known.start, start), max(known.end, end)
        wanted = order[at : at + min(count, 3 - len(known.examples))]
        known.examples += some.value.take(pa.array(wanted)).to_pylist()


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
