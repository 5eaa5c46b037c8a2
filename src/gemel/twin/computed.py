"""Computed properties: what their expressions mean within their types, and everything that stands against them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gemel.errors import InvalidExpression, Problem
from gemel.expression import (
    EVERYTHING_BELOW,
    LEVELS,
    PARTS,
    Expression,
    Formula,
    Input,
    Members,
    Quantity,
    meant,
)
from gemel.expression import Kind as Sort
from gemel.twin.reading import Kind
from gemel.twin.types import Computed, PropertyType, TwinType

__all__ = [
    "computed_problems",
    "dependencies",
    "expressions_of",
    "form_problems",
    "formula_of",
    "formulas",
    "part_types",
    "property_named",
    "quantity",
    "source_problems",
]

_SORTS = {
    Kind.NUMBER: Sort.NUMBER,
    Kind.INTEGER: Sort.NUMBER,
    Kind.BOOLEAN: Sort.BOOLEAN,
    Kind.TEXT: Sort.TEXT,
    Kind.ENUMERATION: Sort.TEXT,
    Kind.CONDITION: Sort.TEXT,
}
MAX_INPUTS = 50
"""Of a function."""
MAX_TIMEOUT_S, MIN_MEMORY_MB, MAX_MEMORY_MB = 600.0, 64, 65_536
_USUAL = Computed().timeout_s, Computed().memory_mb
Types = Mapping[str, TwinType]


def quantity(property_: PropertyType) -> Quantity | None:
    """What the property is in an expression: of a condition its worst level; None for arrays and objects."""
    sort = _SORTS.get(property_.kind)
    if sort is None:
        return None
    values = LEVELS if property_.kind is Kind.CONDITION else property_.values
    return Quantity(sort, property_.unit, tuple(values))


def property_named(type_: TwinType, name: str) -> PropertyType | None:
    """By its name or an earlier one."""
    named = [p for p in type_.properties if p.name == name] or [p for p in type_.properties if name in p.aliases]
    return named[0] if named else None


def expressions_of(computed: Computed) -> list[Expression]:
    """Its expression, or those that its function is given. Raises InvalidExpression."""
    texts = [computed.expression] if computed.expression else list(computed.inputs)
    return [Expression.parse(text) for text in texts]


def formulas(type_: TwinType, property_: PropertyType, types: Types) -> list[Formula]:
    """Ready to run: one, or one for each input of its function. Raises InvalidExpression."""
    computed = property_.computed
    assert computed is not None
    result = quantity(property_) if computed.expression else None
    return [_formula(type_, one, types, result) for one in expressions_of(computed)]


def _formula(type_: TwinType, expression: Expression, types: Types, result: Quantity | None) -> Formula:
    if not expression.inputs and not expression.members:
        raise InvalidExpression("this reads no property, so it is never computed")
    known = dict(_named(type_, types)) | {one.name: _of_path(type_, one, types) for one in expression.inputs}
    members = {one.name: _of_members(type_, one, types) for one in expression.members}
    return expression.check(known, members, result=result)


def formula_of(type_: TwinType, text: str, types: Types) -> Formula:
    """An expression over a type's properties and its single components, ready to run. Raises InvalidExpression."""
    return _formula(type_, Expression.parse(text), types, None)


def _named(type_: TwinType, types: Types, before: str = "") -> Iterator[tuple[str, Quantity]]:
    """What may be named: the type's own properties, and those of single components."""
    for property_ in type_.properties:
        if (found := quantity(property_)) is not None:
            yield f"{before}{property_.name}", found
    for slot in type_.slots if not before else ():
        if slot.maximum == 1 and slot.type in types:
            yield from _named(types[slot.type], types, f"{slot.name}.")


def _of_path(type_: TwinType, asked: Input, types: Types) -> Quantity:
    """Raises InvalidExpression for a path that leads nowhere, or to many."""
    here = type_
    for step in asked.path[:-1]:
        slot = next((s for s in here.slots if s.name == step), None)
        if slot is None or slot.type not in types:
            hint = meant(asked.name, [name for name, _ in _named(type_, types)])
            raise InvalidExpression(f"{here.id} has no slot {step!r:.80}{hint}", position=asked.at)
        if slot.maximum != 1:
            raise InvalidExpression(
                f"slot {step} of {here.id} holds many; say what of them: sum({asked.name}), avg({asked.name}) …",
                position=asked.at,
            )
        here = types[slot.type]
    return _of_property(here, asked.path[-1], asked, types if here is type_ else {})


def _of_property(type_: TwinType, name: str, asked: Input, types: Types) -> Quantity:
    property_ = property_named(type_, name)
    if property_ is None:
        hint = meant(name, [name for name, _ in _named(type_, types)])
        raise InvalidExpression(f"{type_.id} has no property {name!r:.80}{hint}", position=asked.at)
    found = quantity(property_)
    if found is None:
        raise InvalidExpression(
            f"{name} of {type_.id} is an {property_.kind}; an expression reads numbers, booleans and texts",
            position=asked.at,
        )
    return found


def _of_members(type_: TwinType, members: Members, types: Types) -> dict[str, Quantity]:
    """What the properties of a set of parts are; parts of several types may tell them in several units."""
    candidates = part_types(type_, members, types)
    return {
        one.path[-1]: _shared(candidates, one)
        if len(candidates) != 1
        else _of_property(candidates[0], one.name, one, {})
        for one in members.inputs
    }


def part_types(type_: TwinType, members: Members, types: Types) -> list[TwinType]:
    """The types that the parts of this set can have, those of the type's own slots first. Raises InvalidExpression."""
    for id in members.types:
        if id not in types:
            raise InvalidExpression(f"there is no type {id!r:.80}{meant(id, types)}", position=members.at)
    if members.path[0] in (PARTS, EVERYTHING_BELOW):
        if len(members.path) > 1:
            raise InvalidExpression(
                f"{members.path[0]} leads to properties, not on to {members.path[1]}; "
                f"use {EVERYTHING_BELOW}, or name slots",
                position=members.at,
            )
        if members.types:
            return [types[id] for id in members.types]
        slots = [slot.type for slot in type_.slots if slot.type in types]
        return [types[id] for id in dict.fromkeys([*slots, *sorted(types)])]
    here = type_
    for step in members.path:
        slot = next((s for s in here.slots if s.name == step), None)
        if slot is None or slot.type not in types:
            hint = meant(step, [s.name for s in here.slots] + [PARTS, EVERYTHING_BELOW])
            raise InvalidExpression(f"{here.id} has no slot {step!r:.80}{hint}", position=members.at)
        here = types[slot.type]
    return [here]


def _shared(candidates: list[TwinType], asked: Input) -> Quantity:
    """Of the first type that has it; parts with one of another kind count as unknown."""
    for type_ in candidates:
        property_ = property_named(type_, asked.name)
        if property_ is not None and (found := quantity(property_)) is not None:
            return found
    known = dict.fromkeys(p.name for t in candidates for p in t.properties)
    raise InvalidExpression(f"no type has a property {asked.name!r:.80}{meant(asked.name, known)}", position=asked.at)


def dependencies(type_: TwinType, property_: PropertyType, types: Types) -> list[tuple[str, str]]:
    """(type, property) of what a computed property reads on its own twin and through slots, computed or not."""
    found = []
    for expression in expressions_of(property_.computed) if property_.computed else ():
        paths = [one.path for one in expression.inputs]
        paths += [
            (*m.path, *one.path)
            for m in expression.members
            if m.path[0] not in (PARTS, EVERYTHING_BELOW)
            for one in m.inputs
        ]
        for path in paths:
            here: TwinType | None = type_
            for step in path[:-1]:
                slot = next((s for s in here.slots if s.name == step), None) if here else None
                here = types.get(slot.type) if slot else None
            named = property_named(here, path[-1]) if here else None
            if here is not None and named is not None:
                found.append((here.id, named.name))
    return found


def _limit_problems(computed: Computed) -> Iterator[tuple[str, str]]:
    if computed.expression and (computed.timeout_s, computed.memory_mb) != _USUAL:
        yield "computed", "timeout_s and memory_mb are of a function; an expression needs neither"
    if not 0.1 <= computed.timeout_s <= MAX_TIMEOUT_S:
        yield "computed.timeout_s", f"a call may last 0.1 to {MAX_TIMEOUT_S:.0f} s, not {computed.timeout_s:g}"
    if not MIN_MEMORY_MB <= computed.memory_mb <= MAX_MEMORY_MB:
        yield (
            "computed.memory_mb",
            f"a function's process takes {MIN_MEMORY_MB} to {MAX_MEMORY_MB:,} MB, not {computed.memory_mb:,}",
        )


def form_problems(property_: PropertyType) -> Iterator[tuple[str, str]]:
    """(field, fault) of what shows without knowing other properties."""
    computed = property_.computed
    if computed is None:
        return
    yield from source_problems(computed)
    if property_.writable:
        yield "writable", "a computed property cannot be written; leave writable out"
    if property_.kind not in _SORTS or property_.kind is Kind.CONDITION:
        yield "kind", f"a computed property is a number, integer, boolean, text or enumeration, not a {property_.kind}"


def source_problems(computed: Computed) -> Iterator[tuple[str, str]]:
    """The same of where its values come from: an expression, or a function."""
    if bool(computed.expression) == bool(computed.function):
        yield "computed", "a computed property has an expression, or a function with its inputs"
    if computed.expression and computed.inputs:
        yield "computed.inputs", "an expression names its inputs itself; leave them out"
    if computed.function and not 1 <= len(computed.inputs) <= MAX_INPUTS:
        yield "computed.inputs", f"a function has 1 to {MAX_INPUTS} inputs, not {len(computed.inputs)}"
    if computed.function and computed.function.count(":") != 1:
        yield "computed.function", "write package.module:name, as its distribution declares it"
    yield from _limit_problems(computed)
    for field, text in _texts(computed):
        try:
            Expression.parse(text)
        except InvalidExpression as error:
            yield field, error.detail


def _texts(computed: Computed) -> list[tuple[str, str]]:
    if computed.expression:
        return [("computed.expression", computed.expression)]
    return [(f"computed.inputs[{i}]", text) for i, text in enumerate(computed.inputs)]


def computed_problems(type_: TwinType, types: Types) -> list[Problem]:
    """Every fault of a type's computed properties, given all types; only of those whose form is sound."""
    problems = []
    for i, property_ in enumerate(type_.properties):
        if property_.computed is None or any(form_problems(property_)):
            continue
        result = quantity(property_) if property_.computed.expression else None
        for field, text in _texts(property_.computed):
            try:
                _formula(type_, Expression.parse(text), types, result)
            except InvalidExpression as error:
                problems.append(Problem(error.detail, f"properties[{i}].{field}"))
    return problems
