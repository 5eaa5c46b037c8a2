"""How a twin type changes while twins live: what may change, what a change keeps, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from gemel.errors import InvalidDocument, Problem
from gemel.twin.reading import Kind
from gemel.twin.types import Conversion, PropertyType, TwinType
from gemel.units import same_dimension

__all__ = ["HOWS", "evolve", "former"]

HOWS = ("unit", "cast", "map", "none")

# Casts that lose nothing need no word of the author; every kind can be told as text.
_LOSSLESS = {(Kind.INTEGER, Kind.NUMBER), (Kind.BOOLEAN, Kind.INTEGER), (Kind.BOOLEAN, Kind.NUMBER)}
_CASTS = _LOSSLESS | {(Kind.NUMBER, Kind.INTEGER), (Kind.ENUMERATION, Kind.TEXT), (Kind.TEXT, Kind.ENUMERATION)}


class _Named(Protocol):
    @property
    def name(self) -> str: ...


def former(current: TwinType, declared: TwinType) -> dict[str, PropertyType | None]:
    """Name in the declared type → the property of the current type that it continues; None for a new one."""
    by_name = {p.name: p for p in current.properties}
    return {
        p.name: by_name.get(p.name) or next((by_name[a] for a in p.aliases if a in by_name), None)
        for p in declared.properties
    }


def evolve(current: TwinType, declared: TwinType) -> TwinType:
    """The next version: what is declared, with what the registry remembers (earlier names, earlier shapes).

    A property is continued by one of the same name, or by one that lists its name among its aliases (a rename).
    Another kind or unit starts a new generation. The version is the current one if nothing changed, else the next.
    Raises InvalidDocument when something would be lost: a property, command, event or slot that is gone, a
    retyping without a conversion, a name used again for something else.
    """
    problems: list[Problem] = []
    continued = former(current, declared)
    taken: dict[str, str] = {}
    properties = []
    for index, property_ in enumerate(declared.properties):
        field = f"properties[{index}]"
        before = continued[property_.name]
        if before is None:
            owner = next((p for p in current.properties if property_.name in p.aliases), None)
            if owner is not None:
                problems.append(
                    Problem(
                        f"{property_.name} is an earlier name of {owner.name}; write {owner.name}, "
                        f"or rename it back with aliases: [{owner.name}]",
                        f"{field}.name",
                    )
                )
            properties.append(_first(property_))
            continue
        if before.name in taken:
            problems.append(Problem(f"both {taken[before.name]} and {property_.name} continue {before.name}", field))
        taken[before.name] = property_.name
        properties.append(_continue(before, property_, field, problems))
    problems += [_lost("property", p.name, "properties") for p in current.properties if p.name not in taken]
    for what, olds, news in (
        ("command", current.commands, declared.commands),
        ("event", current.events, declared.events),
        ("slot", current.slots, declared.slots),
    ):
        problems += [_lost(what, name, f"{what}s") for name in _missing(olds, news)]
    if not problems:
        problems += _shared_names(properties)
    if problems:
        raise InvalidDocument(f"twin type {declared.id}", problems)
    next_ = msgspec.structs.replace(declared, version=current.version, properties=tuple(properties))
    if next_ == current:
        return current
    return msgspec.structs.replace(next_, version=current.version + 1)


def _shared_names(properties: Sequence[PropertyType]) -> list[Problem]:
    """A name, present or earlier, means one property: readings under it must not change sides."""
    owners: dict[str, str] = {}
    return [
        Problem(
            f"{name} is a name of {owners[name]}, now or earlier; choose another for {p.name}", f"properties[{i}].name"
        )
        for i, p in enumerate(properties)
        for name in (p.name, *p.aliases)
        if owners.setdefault(name, p.name) != p.name
    ]


def _missing(olds: Sequence[_Named], news: Sequence[_Named]) -> list[str]:
    kept = {n.name for n in news}
    return [o.name for o in olds if o.name not in kept]


def _lost(what: str, name: str, field: str) -> Problem:
    rename = (
        f", or list it in the aliases of its new name ({{name: …, aliases: [{name}]}})" if what == "property" else ""
    )
    return Problem(
        f'{what} {name} is gone: twins and history use it. Keep it and say deprecated: "use … instead"{rename}', field
    )


def _first(property_: PropertyType) -> PropertyType:
    return msgspec.structs.replace(property_, generation=1, earlier=())


def _continue(before: PropertyType, declared: PropertyType, field: str, problems: list[Problem]) -> PropertyType:
    earlier_names = (*before.aliases, before.name, *declared.aliases)
    aliases = tuple(dict.fromkeys(name for name in earlier_names if name != declared.name))
    if (declared.kind, declared.unit) == (before.kind, before.unit):
        return msgspec.structs.replace(declared, aliases=aliases, generation=before.generation, earlier=before.earlier)
    conversion = _conversion(before, declared)
    why = _refusal(before, declared, conversion)
    if why:
        problems.append(Problem(why, f"{field}.kind" if declared.kind != before.kind else f"{field}.unit"))
    return msgspec.structs.replace(
        declared,
        aliases=aliases,
        generation=before.generation + 1,
        earlier=(*before.earlier, conversion) if conversion else before.earlier,
    )


def _conversion(before: PropertyType, declared: PropertyType) -> Conversion | None:
    """The author's word on how to convert, or the one way that loses nothing."""
    for said in reversed(declared.earlier):
        if said.generation in (0, before.generation) and (said.kind, said.unit) == (before.kind, before.unit):
            return msgspec.structs.replace(said, generation=before.generation)
    how = ""
    if declared.unit != before.unit:
        if declared.kind in (Kind.NUMBER, Kind.ARRAY) and before.unit and declared.unit:
            how = "unit"
    elif (before.kind, declared.kind) in _LOSSLESS or declared.kind is Kind.TEXT:
        how = "cast"
    if not how:
        return None
    return Conversion(generation=before.generation, kind=before.kind, unit=before.unit, how=how)


def _refusal(before: PropertyType, after: PropertyType, conversion: Conversion | None) -> str:
    """Why this retyping would lose what was read before; empty if it does not."""
    was = f"{before.kind} in {before.unit}" if before.unit else f"{before.kind}"
    now = f"{after.kind} in {after.unit}" if after.unit else f"{after.kind}"
    if conversion is None:
        return (
            f"{after.name} changes from {was} to {now}; say how its earlier readings convert: "
            f'earlier: [{{kind: {before.kind}, unit: "{before.unit}", how: cast|map|none}}]'
        )
    both = bool(before.unit and after.unit)
    if conversion.how == "unit":
        pairs = {(Kind.NUMBER, Kind.NUMBER), (Kind.INTEGER, Kind.NUMBER), (Kind.ARRAY, Kind.ARRAY)}
        if not both or (before.kind, after.kind) not in pairs:
            return f"how: unit needs numbers with units before and after, not {was} and {now}; use cast, map or none"
    elif (
        conversion.how == "cast"
        and (before.kind, after.kind) not in _CASTS
        and after.kind
        not in (
            Kind.TEXT,
            before.kind,
        )
    ):
        return f"{was} cannot be cast to {now}; use how: map with a mapping, or how: none"
    elif conversion.how == "map" and not conversion.mapping:
        return 'how: map needs a mapping: {"old value": new value}'
    if conversion.how in ("unit", "cast") and both and not same_dimension(before.unit, after.unit):
        return f"{before.unit} cannot be converted to {after.unit}: they measure different things; use how: map or none"
    return ""
