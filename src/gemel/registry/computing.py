"""Computed properties of all types at once: do their names mean something, and does none need itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gemel.errors import Problem
from gemel.registry.cycles import find_cycle
from gemel.twin import TwinType, computed_problems, dependencies, effectiveness_problems, property_named

__all__ = ["computing_problems"]


def computing_problems(types: Mapping[str, TwinType], declared: Mapping[str, str]) -> list[Problem]:
    """Every fault of computed properties among all types as they would be, and of names in declared effectiveness.

    `declared`: id of each type that is being changed → the field it is declared in ("types[0]."; "" for one type
    alone). What others stand against it is told at the type that they read.
    """
    problems = []
    for id, field in declared.items():
        problems += [replace(one, field=field + one.field) for one in effectiveness_problems(types[id], types)]
    for type_ in types.values():
        if not any(p.computed for p in type_.properties):
            continue
        for problem in computed_problems(type_, types):
            if type_.id in declared:
                problems.append(replace(problem, field=declared[type_.id] + problem.field))
            else:
                index = int(problem.field.partition("[")[2].partition("]")[0])
                name = type_.properties[index].name
                message = f"{type_.id}.{name} is computed and could not be any more: {problem.message}"
                problems.append(Problem(message, next(iter(declared.values()), "") + "properties"))
    return problems or _cycles(types, declared)


def _cycles(types: Mapping[str, TwinType], declared: Mapping[str, str]) -> list[Problem]:
    """A property that needs itself, through its own twin or through slots; its path is told."""

    def after(node: tuple[str, str]) -> list[tuple[str, str]]:
        type_ = types[node[0]]
        property_ = property_named(type_, node[1])
        return [] if property_ is None else dependencies(type_, property_, types)

    for id, field in declared.items():
        starts = [(id, p.name) for p in types[id].properties if p.computed]
        path = find_cycle(starts, after)
        if path:
            told = " → ".join(name if type_ == id else f"{type_}.{name}" for type_, name in path)
            index = next((i for i, p in enumerate(types[id].properties) if (id, p.name) in path), 0)
            return [
                Problem(f"a property cannot be computed from itself: {told}", f"{field}properties[{index}].computed")
            ]
    return []
