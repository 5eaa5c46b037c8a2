"""From a browsed server to a proposal: types, twins and one connector that binds them, as a plant document."""

from __future__ import annotations

from typing import Any

import msgspec

from gemel.connectors.drafts import document_of, free_of, name_of, slug_of
from gemel.connectors.opcua.browse import BrowsedNode, browse
from gemel.connectors.opcua.settings import OpcuaSettings
from gemel.connectors.reach import Reach
from gemel.twin import Binding, ConnectorSpec, Kind, PartOf, Plant, PropertyType, Slot, TwinSpec, TwinType

__all__ = ["plant_of", "propose"]

_MOST_ID = 128


async def propose(
    settings: OpcuaSettings,
    root: str = "",
    *,
    connector: str = "opcua-1",
    reach: Reach | None = None,
) -> dict[str, Any]:
    """A plant document (docs/reference/plant.md) for a server, or what is under a node of it, to be edited and applied.

    Every object with variables is a twin, every variable a property, objects of one object type share a twin type.
    Raises ConnectionError and InvalidInput.
    """
    top = await browse(settings, root, reach=reach)
    stated = {key: value for key, value in msgspec.to_builtins(settings).items() if value != _DEFAULTS.get(key)}
    return document_of(plant_of(top, connector=connector, settings=stated))


def plant_of(top: BrowsedNode, *, connector: str, settings: dict[str, Any]) -> Plant:
    """The same, of a tree, as values."""
    draft = _Draft()
    draft.add(top, None)
    return Plant(
        types=tuple(draft.types()),
        twins=tuple(draft.twins),
        connectors=(ConnectorSpec(id=connector, kind="opcua", settings=settings, bindings=tuple(draft.bindings)),),
    )


class _Draft:
    """Types, twins and bindings, as they are found."""

    def __init__(self) -> None:
        self.twins: list[TwinSpec] = []
        self.bindings: list[Binding] = []
        self._type_of: dict[str, str] = {}
        self._properties: dict[str, dict[str, PropertyType]] = {}
        self._slots: dict[str, dict[str, tuple[str, int]]] = {}
        self._titles: dict[str, str] = {}
        self._taken: set[str] = set()

    def types(self) -> list[TwinType]:
        return [
            TwinType(
                id=id,
                title=self._titles[id],
                purpose="operation",
                properties=tuple(properties.values()),
                slots=tuple(
                    Slot(name=name, type=part, maximum=1 if most == 1 else None)
                    for name, (part, most) in self._slots[id].items()
                ),
            )
            for id, properties in self._properties.items()
        ]

    def add(self, node: BrowsedNode, whole: TwinSpec | None) -> None:
        """The twin of an object, and of what is below it; an object without variables of its own is passed through
        when nothing stands above it (a folder)."""
        variables = [one for child in node.children for one in _variables(child)]
        objects = [child for child in node.children if not child.is_variable]
        twin = whole
        if variables:
            twin = self._twin(node, variables, whole)
        for child in objects:
            self.add(child, twin)

    def _twin(self, node: BrowsedNode, variables: list[tuple[str, BrowsedNode]], whole: TwinSpec | None) -> TwinSpec:
        prefix = f"{whole.id}." if whole is not None else ""
        id = free_of(f"{prefix}{slug_of(node.name)}"[:_MOST_ID], self._taken)
        self._taken.add(id)
        kind = self._type(node, variables)
        part_of: PartOf | tuple[()] = ()
        if whole is not None:
            part_of = PartOf(twin=whole.id, slot=self._slot(whole, kind))
        twin = TwinSpec(id=id, types=(kind,), name=node.name, description=node.description, part_of=part_of)
        self.twins.append(twin)
        told: set[str] = set()
        for name, variable in variables:
            known = free_of(name_of(name), told, "_")
            told.add(known)
            unit = variable.unit if variable.unit != self._properties[kind][known].unit else ""
            self.bindings.append(Binding(address=variable.address, twin=id, property=known, unit=unit))
        return twin

    def _type(self, node: BrowsedNode, variables: list[tuple[str, BrowsedNode]]) -> str:
        """The twin type: of the object type, or of its own when it has none, or one with other kinds of variables."""
        properties: dict[str, PropertyType] = {}
        for name, variable in variables:
            known = free_of(name_of(name), properties, "_")
            properties[known] = _property(known, name, variable)
        key = node.type_definition or node.address
        found = self._type_of.get(key)
        if found is None or any(
            self._properties[found].get(name, one).kind is not one.kind for name, one in properties.items()
        ):
            title = _last(node.type_definition) or node.name
            found = free_of(slug_of(title).replace(".", "-")[:_MOST_ID], self._properties)
            self._type_of[key] = found
            self._properties[found], self._slots[found], self._titles[found] = {}, {}, title
        self._properties[found] = {**properties, **self._properties[found]}
        return found

    def _slot(self, whole: TwinSpec, kind: str) -> str:
        slots = self._slots[whole.types[0]]
        name = name_of(kind)
        already = sum(
            1
            for twin in self.twins
            if isinstance(twin.part_of, PartOf) and (twin.part_of.twin, twin.part_of.slot) == (whole.id, name)
        )
        slots[name] = (kind, max(already + 1, slots.get(name, (kind, 0))[1]))
        return name


def _variables(node: BrowsedNode, prefix: str = "") -> list[tuple[str, BrowsedNode]]:
    """(name, node) of a variable, and of the variables that it consists of."""
    if not node.is_variable:
        return []
    name = prefix + node.name
    return [(name, node), *(one for child in node.children for one in _variables(child, f"{name}_"))]


def _property(name: str, title: str, node: BrowsedNode) -> PropertyType:
    numeric = node.kind in (Kind.NUMBER, Kind.INTEGER)
    return PropertyType(
        name=name,
        title=title if title != name else "",
        kind=node.kind or Kind.TEXT,
        unit=node.unit,
        description=node.description,
        minimum=node.limits[0] if node.limits and numeric else None,
        maximum=node.limits[1] if node.limits and numeric else None,
        normal=node.normal if numeric else None,
        values=node.values,
        writable=node.writable,
    )


def _last(address: str) -> str:
    """The name at the end of a type's address, when it has one."""
    return address.partition(";s=")[2].rpartition(".")[2]


_DEFAULTS = msgspec.to_builtins(OpcuaSettings(url="opc.tcp://localhost"))
