"""Programs of everything that is computed: formulas resolved to the cells of all twins, in an order that works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import structlog
from numpy.typing import NDArray

from gemel.computation.program import Program, Source, Spread
from gemel.errors import GemelError
from gemel.expression import EVERYTHING_BELOW, PARTS, Formula, Members, Quantity
from gemel.registry import Assembly, Directory
from gemel.twin import (
    PROPERTY_BITS,
    PropertyType,
    TwinType,
    dependencies,
    expressions_of,
    formulas,
    part_types,
    property_named,
    quantity,
)
from gemel.units import affine

__all__ = ["Built", "build"]

_Ints = NDArray[np.int64]
_log = structlog.get_logger("gemel.computation")


@dataclass(frozen=True, slots=True)
class Built:
    """All programs, those first that others read; and what could not be made ready, with the reason."""

    programs: tuple[Program, ...]
    broken: Mapping[str, str]


def build(directory: Directory, assembly: Assembly) -> Built:
    """Of all types as they are now."""
    types = directory.types
    found, broken = [], {}
    for type_id, name in _in_order(types):
        type_ = types[type_id]
        property_ = property_named(type_, name)
        assert property_ is not None
        try:
            found.append(_program(type_, property_, directory, assembly))
        except GemelError as error:  # it was checked when it was declared; another version may see it differently
            broken[f"{type_id}.{name}"] = error.detail
            _log.warning("a property cannot be computed", property=f"{type_id}.{name}", error=error.detail)
    return Built(tuple(found), broken)


def _in_order(types: Mapping[str, TwinType]) -> list[tuple[str, str]]:
    """(type, property) of all computed ones, after what they read. Parts of parts cannot go round in a circle."""
    done: dict[tuple[str, str], None] = {}

    def visit(node: tuple[str, str], path: frozenset[tuple[str, str]]) -> None:
        if node in done or node in path:
            return
        type_ = types[node[0]]
        property_ = property_named(type_, node[1])
        if property_ is None or property_.computed is None:
            return
        for before in [*dependencies(type_, property_, types), *_through_parts(type_, property_, types)]:
            visit(before, path | {node})
        done[node] = None

    for type_ in types.values():
        for property_ in type_.properties:
            if property_.computed is not None:
                visit((type_.id, property_.name), frozenset())
    return list(done)


def _through_parts(type_: TwinType, property_: PropertyType, types: Mapping[str, TwinType]) -> list[tuple[str, str]]:
    assert property_.computed is not None
    found = []
    for expression in expressions_of(property_.computed):
        for members in expression.members:
            if members.path[0] in (PARTS, EVERYTHING_BELOW):
                for one in part_types(type_, members, types):
                    named = [property_named(one, name.name) for name in members.inputs]
                    found += [(one.id, p.name) for p in named if p is not None]
    return found


def _program(type_: TwinType, property_: PropertyType, directory: Directory, assembly: Assembly) -> Program:
    types = directory.types
    refs = {ref.property.name: ref.number for ref in directory.type_properties(type_.id)}
    numbers = directory.numbers(type_.id)
    ready = formulas(type_, property_, types)
    resolver = _Resolver(type_, numbers, directory, assembly)
    sources = [[resolver.source(one.path, one.name) for one in formula.expression.inputs] for formula in ready]
    spreads = [[resolver.spread(one, formula) for one in formula.expression.members] for formula in ready]
    return Program(type_.id, property_, (numbers << PROPERTY_BITS) | refs[property_.name], ready, (sources, spreads))


class _Resolver:
    """From names to series, for all twins of a type."""

    def __init__(self, type_: TwinType, numbers: _Ints, directory: Directory, assembly: Assembly) -> None:
        self.type, self.numbers, self.directory, self.assembly = type_, numbers, directory, assembly

    def source(self, path: Sequence[str], name: str) -> Source:
        if len(path) == 1:
            property_ = property_named(self.type, path[0])
            assert property_ is not None
            number = next(
                ref.number
                for ref in self.directory.type_properties(self.type.id)
                if ref.property.name == property_.name
            )
            return Source(name, (self.numbers << PROPERTY_BITS) | number)
        here = self.numbers
        for slot in path[:-1]:
            row, part = self.assembly.parts(here, slot)
            below = np.zeros(len(here), np.int64)  # no twin has number 0
            below[row] = part
            here = below
        return Source(name, self._series(here, path[-1], None)[0])

    def spread(self, members: Members, formula: Formula) -> Spread:
        row, part = self._members(members)
        order = np.argsort(row, kind="stable")
        row, part = row[order], part[order]
        quantities = formula.members[members.name]
        sources = []
        for one in members.inputs:
            series, scale = self._series(part, one.name, quantities[one.name])
            sources.append(Source(one.name, series, scale))
        is_a = {id: np.isin(part, self.directory.numbers(id)) for id in members.types}
        return Spread(members.name, row, part, tuple(sources), is_a)

    def _members(self, members: Members) -> tuple[_Ints, _Ints]:
        if members.path[0] == PARTS:
            return self.assembly.parts(self.numbers)
        if members.path[0] == EVERYTHING_BELOW:
            return self.assembly.below(self.numbers)
        row, part = np.arange(len(self.numbers)), self.numbers
        for slot in members.path:
            at, part = self.assembly.parts(part, slot)
            row = row[at]
        return row, part

    def _series(
        self, twins: _Ints, name: str, wanted: Quantity | None
    ) -> tuple[_Ints, tuple[NDArray[np.float64], NDArray[np.float64]] | None]:
        """(series of a property of these twins, -1 where one has none; the scale to the unit that is wanted)."""
        series = np.full(len(twins), -1, np.int64)
        factor, offset = np.ones(len(twins)), np.zeros(len(twins))
        for i, number in enumerate(twins.tolist()):
            entry = self.directory.entry(number)
            ref = entry.properties.get(name) if entry is not None else None
            if ref is None:
                continue
            series[i] = number << PROPERTY_BITS | ref.number
            if wanted is None or ref.property.unit == wanted.unit:
                continue
            own = quantity(ref.property)
            if own is None or own.kind is not wanted.kind or not (own.unit and wanted.unit):
                factor[i] = np.nan if own is None or own.kind is not wanted.kind else 1.0
                continue
            try:
                factor[i], offset[i] = affine(own.unit, wanted.unit)
            except GemelError:
                factor[i] = np.nan  # a part that measures something else under this name: unknown
        plain = bool((factor == 1.0).all() and (offset == 0.0).all())
        return series, None if plain else (factor, offset)
