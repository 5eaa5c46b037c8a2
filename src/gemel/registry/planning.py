"""From a plant document to a plan: what differs from what is, and everything that forbids it, all at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from gemel.errors import GemelError, InvalidDocument, Problem
from gemel.registry import tables
from gemel.registry.computing import computing_problems
from gemel.registry.connectors import site_of
from gemel.registry.cycles import find_cycle
from gemel.registry.directory import Directory
from gemel.registry.links import ACYCLIC, holds
from gemel.registry.plan import Action, FieldChange, Plan, Step, differences, type_differences
from gemel.registry.twins import visible
from gemel.registry.types import merged_problems
from gemel.twin import (
    Binding,
    ConnectorSpec,
    Direction,
    LifeStage,
    Plant,
    TwinSpec,
    TwinType,
    evolve,
    former,
    located,
)
from gemel.twin.stages import check_reachable
from gemel.units import same_dimension

__all__ = ["make_plan"]

CHUNK = 500
_OVER = (LifeStage.RETIRED, LifeStage.RECYCLED)


def make_plan(tx: Connection, directory: Directory, plant: Plant, *, prune: bool, name: str = "plant") -> Plan:
    """The difference. Raises InvalidDocument with everything that stands against it, each with its place."""
    planner = _Planner(tx, directory.snapshot(), plant)
    planner.site()
    planner.types()
    planner.twins()
    planner.links()
    planner.connectors()
    if prune:
        planner.prune()
    if planner.problems:
        raise InvalidDocument(name, located(plant, planner.problems))
    plan = Plan(steps=tuple(planner.steps))
    plan.__dict__["plant"] = plant
    return plan


def chunks(items: Sequence[Any], size: int = CHUNK) -> Iterator[Sequence[Any]]:
    for first in range(0, len(items), size):
        yield items[first : first + size]


class _Planner:
    def __init__(self, tx: Connection, directory: Directory, plant: Plant) -> None:
        self.tx = tx
        self.directory = directory
        self.plant = plant
        self.steps: list[Step] = []
        self.problems: list[Problem] = []
        self.specs = {spec.id: spec for spec in plant.twins}
        self.types_after: dict[str, TwinType] = dict(directory.types)
        self.rows: dict[str, Any] = {}

    def site(self) -> None:
        if self.plant.site is None:
            return
        found = differences(msgspec.to_builtins(site_of(self.tx)), msgspec.to_builtins(self.plant.site))
        if found:
            self.steps.append(Step(action=Action.CHANGE, what="site", id="site", fields=tuple(found)))

    def types(self) -> None:
        for i, declared in enumerate(self.plant.types):
            current = self.directory.type(declared.id)
            try:
                made = evolve(current or TwinType(id=declared.id, version=0), declared)
            except InvalidDocument as error:
                self.problems += [replace(p, field=f"types[{i}].{p.field}") for p in error.problems]
                made = declared
            self.types_after[declared.id] = made
            if current is None:
                told = FieldChange("properties", None, [p.name for p in made.properties])
                self.steps.append(Step(action=Action.CREATE, what="type", id=made.id, fields=(told,)))
            elif made is not current:
                names = {new: old.name for new, old in former(current, declared).items() if old is not None}
                fields = tuple(type_differences(current, made, names))
                self.steps.append(
                    Step(action=Action.CHANGE, what="type", id=made.id, fields=fields, revision=current.version)
                )
        for i, declared in enumerate(self.plant.types):
            for slot_index, slot in enumerate(declared.slots):
                if slot.type not in self.types_after:
                    self._unknown_type(slot.type, f"types[{i}].slots[{slot_index}].type")
        places = {t.id: f"types[{i}]." for i, t in enumerate(self.plant.types)}
        self.problems += computing_problems(self.types_after, places)
        changed = {t.id for t in self.plant.types}
        for shape in self.directory.shapes():
            if len(shape.types) > 1 and changed & set(shape.types):
                self._merge(shape.types, "types")

    def _unknown_type(self, id: str, field: str) -> None:
        self.problems.append(Problem(f"there is no twin type {id}{_meant(id, self.types_after)}", field))

    def _merge(self, types: Iterable[str], field: str) -> None:
        known = [self.types_after[id] for id in types if id in self.types_after]
        self.problems += [replace(p, field=field) for p in merged_problems(known)]

    def twins(self) -> None:
        for ids in chunks(list(self.specs)):
            found = self.tx.execute(select(tables.twin).where(tables.twin.c.id.in_(ids), visible(tables.twin)))
            self.rows |= {row.id: row for row in found}
        types_of = {shape.number: shape.types for shape in self.directory.shapes()}
        names: dict[str, str] = {}
        shapes: set[tuple[str, ...]] = set()
        for i, spec in enumerate(self.plant.twins):
            field = f"twins[{i}]"
            for j, id in enumerate(spec.types):
                if id not in self.types_after:
                    self._unknown_type(id, f"{field}.types[{j}]")
            if spec.types not in shapes:
                shapes.add(spec.types)
                self._merge(spec.types, f"{field}.types")
            self._names(spec, names, field)
            row = self.rows.get(spec.id)
            if row is None:
                self.steps.append(Step(action=Action.CREATE, what="twin", id=spec.id, fields=_first_fields(spec)))
                continue
            fields = self._twin_changes(spec, row, types_of.get(row.shape, ()), field)
            if fields:
                self.steps.append(
                    Step(action=Action.CHANGE, what="twin", id=spec.id, fields=tuple(fields), revision=row.revision)
                )

    def _names(self, spec: TwinSpec, names: dict[str, str], field: str) -> None:
        """An id or alias means one twin, in the document and in what is there already."""
        for name in (spec.id, *spec.aliases):
            other = names.setdefault(name, spec.id)
            entry = self.directory.twin(name)
            if entry is not None and entry.id != spec.id and name not in self._given_up(entry.id):
                other = entry.id
            if other != spec.id:
                where = f"{field}.id" if name == spec.id else f"{field}.aliases"
                self.problems.append(Problem(f"{name} already means the twin {other}", where))

    def _given_up(self, id: str) -> set[str]:
        """Aliases that a twin of the document no longer has."""
        spec, row = self.specs.get(id), self.rows.get(id)
        if spec is None or row is None:
            return set()
        return set(msgspec.json.decode(row.aliases)) - set(spec.aliases)

    def _twin_changes(self, spec: TwinSpec, row: Any, types: tuple[str, ...], field: str) -> list[FieldChange]:
        stage = LifeStage(row.stage)
        if stage in _OVER and spec.stage is None:
            self.problems.append(
                Problem(
                    f"{spec.id} is {stage} and its id is not used again; choose another id"
                    + (", or say stage: commissioned to bring it back" if stage is LifeStage.RETIRED else ""),
                    f"{field}.id",
                )
            )
        try:
            check_reachable(spec.id, stage, spec.stage or stage)
        except GemelError as error:
            self.problems.append(Problem(error.detail, f"{field}.stage"))
        before = {
            "types": list(types),
            "name": row.name,
            "description": row.description,
            "serial": row.serial,
            "stage": row.stage,
            "aliases": msgspec.json.decode(row.aliases),
            "attributes": msgspec.json.decode(row.attributes),
            "declared": bool(row.declared),
        }
        after = {
            "types": list(spec.types),
            "name": spec.name,
            "description": spec.description,
            "serial": spec.serial,
            "stage": (spec.stage or stage).value,
            "aliases": list(spec.aliases),
            "attributes": msgspec.to_builtins(spec.attributes),
            "declared": True,
        }
        return differences(before, after)

    def links(self) -> None:
        ids = self._link_ends()
        open_: dict[str, set[tuple[str, str, str]]] = {}
        declared: set[tuple[str, str, str, str]] = set()
        c = tables.link.c
        by_number = {row.number: id for id, row in self.rows.items()}
        for numbers in chunks(list(by_number)):
            for row in self.tx.execute(select(tables.link).where(c.source.in_(numbers), holds(None))):
                source, target = by_number[row.source], self.directory.ids([row.target])[0]
                open_.setdefault(source, set()).add((row.kind, target, row.slot))
                if row.declared:
                    declared.add((row.kind, source, target, row.slot))
        removals, wanted = [], {}
        for i, spec in enumerate(self.plant.twins):
            links = {(kind, ids.get(target, target), slot) for kind, target, slot in spec.declared_links()}
            wanted[spec.id] = links
            is_open = open_.get(spec.id, set())
            for kind, target, slot in sorted(links - is_open):
                field = f"twins[{i}].{'part_of' if kind == 'part_of' else f'links.{kind}'}"
                self._check_link(spec, target, slot, field)
                self.steps.append(_link_step(Action.CREATE, kind, spec.id, target, slot))
            gone = [link for link in is_open - links if (link[0], spec.id, *link[1:]) in declared]
            removals += [_link_step(Action.REMOVE, kind, spec.id, target, slot) for kind, target, slot in sorted(gone)]
            open_[spec.id] = (is_open - set(gone)) | links
        self.steps += removals
        self._full_slots(open_)
        for kind in ACYCLIC:
            self._cycles(kind, wanted, open_)

    def _link_ends(self) -> dict[str, str]:
        """Id or alias → id, of the twins of the document and of what they link to."""
        ids = {name: spec.id for spec in self.plant.twins for name in (spec.id, *spec.aliases)}
        for spec in self.plant.twins:
            for _, target, _ in spec.declared_links():
                if target not in ids:
                    entry = self.directory.twin(target)
                    if entry is not None:
                        ids[target] = entry.id
        return ids

    def _types_of(self, id: str) -> tuple[str, ...] | None:
        spec = self.specs.get(id)
        if spec is not None:
            return spec.types
        entry = self.directory.twin(id)
        return None if entry is None else entry.types

    def _check_link(self, spec: TwinSpec, target: str, slot: str, field: str) -> None:
        types = self._types_of(target)
        if types is None:
            near = [*self.specs] if len(self.specs) < 5000 else []
            self.problems.append(Problem(f"there is no twin {target}{_meant(target, near)}", field))
            return
        if not slot:
            return
        slots = {s.name: s for id in types if id in self.types_after for s in self.types_after[id].slots}
        if slot not in slots:
            self.problems.append(Problem(f"{target} has no slot {slot}{_meant(slot, slots)}", field))
        elif slots[slot].type not in spec.types:
            wanted = slots[slot].type
            message = f"slot {slot} of {target} takes a {wanted}; {spec.id} is a {', '.join(spec.types)}"
            self.problems.append(Problem(message, field))

    def _full_slots(self, open_: Mapping[str, set[tuple[str, str, str]]]) -> None:
        filled: dict[tuple[str, str], list[str]] = {}
        for source, links in open_.items():
            for kind, target, slot in links:
                if slot and kind == "part_of":
                    filled.setdefault((target, slot), []).append(source)
        index = {spec.id: i for i, spec in enumerate(self.plant.twins)}
        for (target, slot), sources in filled.items():
            types = self._types_of(target) or ()
            most = {s.name: s.maximum for id in types if id in self.types_after for s in self.types_after[id].slots}
            maximum = most.get(slot)
            if maximum is not None and len(sources) > maximum:
                told = ", ".join(sorted(sources)[:5])
                message = f"slot {slot} of {target} holds {maximum}, not {len(sources)} ({told})"
                self.problems.append(Problem(message, f"twins[{index[max(sources)]}].part_of"))

    def _cycles(
        self,
        kind: str,
        wanted: Mapping[str, set[tuple[str, str, str]]],
        open_: Mapping[str, set[tuple[str, str, str]]],
    ) -> None:
        """Follow the links of a kind upwards from every twin of the document; coming back is a cycle."""
        beyond: dict[str, list[str]] = {}

        def above(id: str) -> list[str]:
            if id in wanted:
                return [target for k, target, _ in open_[id] if k == kind]
            if id not in beyond:
                beyond[id] = self._targets(kind, id)
            return beyond[id]

        path = find_cycle((spec.id for spec in self.plant.twins), above)
        if path:
            i = next(i for i, spec in enumerate(self.plant.twins) if spec.id in path)
            field = "part_of" if kind == "part_of" else f"links.{kind}"
            self.problems.append(Problem(f"a cycle of {kind}: {' → '.join(path)}", f"twins[{i}].{field}"))

    def _targets(self, kind: str, id: str) -> list[str]:
        entry = self.directory.twin(id)
        if entry is None:
            return []
        c = tables.link.c
        numbers = self.tx.scalars(select(c.target).where(c.source == entry.number, c.kind == kind, holds(None)))
        return self.directory.ids(numbers)

    def connectors(self) -> None:
        c = tables.connector.c
        self.connector_rows = {row.id: row for row in self.tx.execute(select(tables.connector).order_by(c.id))}
        for i, spec in enumerate(self.plant.connectors):
            for j, binding in enumerate(spec.bindings):
                if binding.is_template:
                    continue  # which twins it means, only its messages tell
                self._check_binding(binding, f"connectors[{i}].bindings[{j}]")
            row = self.connector_rows.get(spec.id)
            if row is None:
                told = (FieldChange("kind", None, spec.kind), FieldChange("bindings", None, len(spec.bindings)))
                self.steps.append(Step(action=Action.CREATE, what="connector", id=spec.id, fields=told))
                continue
            before = msgspec.to_builtins(msgspec.json.decode(row.document, type=ConnectorSpec))
            fields = differences(_by_address(before), _by_address(msgspec.to_builtins(spec)))
            if not row.declared:
                fields.append(FieldChange("declared", False, True))
            if fields:
                self.steps.append(Step(action=Action.CHANGE, what="connector", id=spec.id, fields=tuple(fields)))

    def _check_binding(self, binding: Binding, field: str) -> None:
        twin, name, unit = binding.twin, binding.property, binding.unit
        types = self._types_of(twin)
        if types is None:
            by_alias = {alias: spec for spec in self.plant.twins for alias in spec.aliases}
            if twin not in by_alias:
                near = [*self.specs] if len(self.specs) < 5000 else []
                self.problems.append(Problem(f"there is no twin {twin}{_meant(twin, near)}", f"{field}.twin"))
                return
            types = by_alias[twin].types
        known = [self.types_after[id] for id in types if id in self.types_after]
        properties = {n: p for t in known for p in t.properties for n in (p.name, *p.aliases)}
        commands = {c.name for t in known for c in t.commands}
        others = commands | {e.name for t in known for e in t.events}
        if name in commands and name not in properties and binding.direction is not Direction.OUT:
            message = f"{name} is a command, which goes to the object; say direction: out"
            self.problems.append(Problem(message, f"{field}.direction"))
        elif name in properties and binding.direction is not Direction.IN and not properties[name].writable:
            message = f"{name} only tells; say writable: true in its type, or direction: in"
            self.problems.append(Problem(message, f"{field}.direction"))
        if name not in properties and name not in others:
            message = f"{twin} has no property {name}{_meant(name, [*properties, *others])}"
            self.problems.append(Problem(message, f"{field}.property"))
        elif name in properties and properties[name].computed is not None:
            message = f"{name} of {twin} is computed, so no connector brings it; leave the binding out"
            self.problems.append(Problem(message, f"{field}.property"))
        elif unit and name in properties:
            own = properties[name].unit
            if not own:
                self.problems.append(Problem(f"{name} has no unit; leave it out", f"{field}.unit"))
            elif not same_dimension(unit, own):
                self.problems.append(
                    Problem(f"{unit} cannot be converted to {own}, the unit of {name}", f"{field}.unit")
                )

    def prune(self) -> None:
        """What a former apply declared and this document does not."""
        t = tables.twin.c
        over = [stage.value for stage in _OVER]
        for row in self.tx.execute(
            select(t.id, t.revision).where(t.declared, visible(tables.twin), t.stage.not_in(over)).order_by(t.id)
        ):
            if row.id not in self.specs:
                self.steps.append(Step(action=Action.REMOVE, what="twin", id=row.id, revision=row.revision))
        kept = {spec.id for spec in self.plant.connectors}
        for id, row in self.connector_rows.items():
            if row.declared and id not in kept:
                self.steps.append(Step(action=Action.REMOVE, what="connector", id=id))


def _first_fields(spec: TwinSpec) -> tuple[FieldChange, ...]:
    told = [FieldChange("types", None, list(spec.types))]
    if spec.serial:
        told.append(FieldChange("serial", None, spec.serial))
    return tuple(told)


def _link_step(action: Action, kind: str, source: str, target: str, slot: str) -> Step:
    told = f"{source} {kind} {target}" + (f" ({slot})" if slot else "")
    return Step(action=action, what="link", id=told, link=(kind, source, target, slot))


def _by_address(connector: dict[str, Any]) -> dict[str, Any]:
    """Its bindings as a mapping, so that one changed binding shows as one."""
    bindings = {
        f"{b['twin']}.{b['property']} at {b['address']}": {k: v for k, v in b.items() if v not in (None, "")}
        for b in connector["bindings"]
    }
    return connector | {"bindings": bindings}


def _meant(given: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(given, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""
