"""From chosen points to the plant document that connects a machine: its type, its twin, its connector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from gemel.connectors.discovery import Point
from gemel.connectors.drafts import document_of, free_of, slug_of
from gemel.errors import Conflict, InvalidDocument, InvalidInput, Problem
from gemel.twin import Binding, ConnectorSpec, Plant, PropertyType, TwinSpec, TwinType

if TYPE_CHECKING:
    from gemel.registry import Registry

__all__ = ["Machine", "document_for"]

HEADLINES = 3
"""Numbers of a new type that overviews show; the first ones, to begin with."""
_NUMERIC = ("number", "integer")


class Machine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A machine to be connected."""

    kind: str
    settings: dict[str, Any]
    points: tuple[Point, ...]
    twin: str
    """Id of a new twin, or of one that is there and has the type."""
    name: str = ""
    type: str = ""
    """Id of a new type, or of one that is there; empty: the twin's own, or a new one named like it (press-7: press)."""


def document_for(machine: Machine, registry: Registry) -> dict[str, Any]:
    """The plant document, for `apply`. What is there already is used: a type gets the properties that it lacks, a
    connector with the same settings the bindings that it lacks, so the same choice again changes nothing.

    Raises InvalidDocument that names the point, InvalidInput, and Conflict when the twin is of another type.
    """
    if not machine.points:
        raise InvalidInput("no point is chosen; choose at least one")
    if not machine.twin:
        raise InvalidInput("the machine has no id; give it one, like press-7")
    _check_names(machine.points)
    entry = registry.directory.twin(machine.twin)
    type_id = machine.type or (
        entry.types[0] if entry is not None and entry.types else _new_type(machine.twin, registry)
    )
    if entry is not None and type_id not in entry.types:
        raise Conflict(
            f"twin {entry.id} is there and of type {', '.join(entry.types)}, not {type_id:.80}; choose that type, or "
            "another id"
        )
    known = registry.directory.type(type_id)
    types = _type(type_id, machine, known)
    twin = entry.id if entry is not None else machine.twin
    declared = () if entry is not None else (TwinSpec(id=twin, types=(type_id,), name=machine.name),)
    spec = _connector(machine, twin, known, registry.connectors())
    return document_of(Plant(types=types, twins=declared, connectors=(spec,)))


def _new_type(twin: str, registry: Registry) -> str:
    slug = slug_of(twin)
    return free_of(slug.rstrip("-0123456789") or slug, registry.directory.types)


def _type(id: str, machine: Machine, known: TwinType | None) -> tuple[TwinType, ...]:
    """What of the type has to be declared: nothing when it has all properties already."""
    have = {one.name: one for one in known.properties} if known is not None else {}
    problems = [
        Problem(
            f"type {id} has {point.property.name} as {have[point.property.name].kind}, not {point.property.kind}; "
            "name it otherwise",
            field=f"points[{place}].property",
        )
        for place, point in enumerate(machine.points)
        if point.property.name in have and not _fits(point.property, have[point.property.name])
    ]
    if problems:
        raise InvalidDocument("the choice", problems)
    new = [point.property for point in machine.points if point.property.name not in have]
    if known is None:
        shown = {one.name for one in [one for one in new if one.kind in _NUMERIC][:HEADLINES]}
        properties = tuple(msgspec.structs.replace(one, headline=one.name in shown) for one in new)
        return (TwinType(id=id, title=machine.name or id, purpose="operation", properties=properties),)
    return (msgspec.structs.replace(known, properties=(*known.properties, *new)),) if new else ()


def _fits(point: PropertyType, known: PropertyType) -> bool:
    return point.kind == known.kind or (point.kind in _NUMERIC and known.kind in _NUMERIC)


def _connector(machine: Machine, twin: str, known: TwinType | None, others: Sequence[ConnectorSpec]) -> ConnectorSpec:
    have = {one.name: one for one in known.properties} if known is not None else {}
    bindings = []
    settings = dict(machine.settings)
    for point in machine.points:
        told = point.unit or point.property.unit
        kept = have[point.property.name].unit if point.property.name in have else point.property.unit
        unit = told if told != kept else ""
        bindings.append(Binding(address=point.address, twin=twin, property=point.property.name, unit=unit))
        settings = _merged(settings, point.needs)
    same = next((one for one in others if one.kind == machine.kind and _same_place(one.settings, settings)), None)
    if same is None:
        id = free_of(f"{slug_of(twin)}-{slug_of(machine.kind)}", {one.id for one in others})
        return ConnectorSpec(id=id, kind=machine.kind, settings=settings, bindings=tuple(bindings))
    bound = {(one.twin, one.property) for one in bindings}
    kept_bindings = [one for one in same.bindings if (one.twin, one.property) not in bound]
    if len(kept_bindings) + len(bindings) == len(same.bindings):  # in their old order, so that nothing changes
        by_target = {(one.twin, one.property): one for one in bindings}
        ordered = tuple(by_target.get((one.twin, one.property), one) for one in same.bindings)
    else:
        ordered = (*kept_bindings, *bindings)
    return msgspec.structs.replace(same, settings=_merged(same.settings, settings), bindings=ordered)


def _same_place(left: dict[str, Any], right: dict[str, Any]) -> bool:
    """Whether two connectors talk to the same, as the same: how single topics are read does not count."""
    return {**left, "topics": None} == {**right, "topics": None}


def _merged(settings: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    merged = dict(settings)
    for key, value in more.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _check_names(points: Sequence[Point]) -> None:
    seen: dict[str, int] = {}
    problems = []
    for place, point in enumerate(points):
        name = point.property.name
        if name in seen:
            problems.append(
                Problem(
                    f"{point.address} and {points[seen[name]].address} are both called {name}; name one otherwise",
                    field=f"points[{place}].property.name",
                )
            )
        seen.setdefault(name, place)
    if problems:
        raise InvalidDocument("the choice", problems)
