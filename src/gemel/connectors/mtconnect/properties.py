"""From data items to properties: names, kinds and units, shared by all components of one class in a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from gemel.connectors.mtconnect.address import Shape
from gemel.connectors.mtconnect.devices import Component, DataItem
from gemel.connectors.mtconnect.vocabulary import HEADLINES, INTEGERS, NORMAL, UNITS, VALUES, VECTOR_UNITS
from gemel.errors import InvalidUnit
from gemel.twin import Kind, PropertyType, Slot, TwinType
from gemel.units import same_dimension

__all__ = ["TypeBook", "shape_of", "snake"]

_CLASS_IDS = {"Device": "machine_tool", "Agent": "mtconnect_agent", "Linear": "linear_axis", "Rotary": "rotary_axis"}
_SEMANTICS = "urn:mtconnect.org"
MAX_NAME = 64


def snake(text: str) -> str:
    """PATH_FEEDRATE, PathFeedrate, `Path feedrate` → path_feedrate; of x:UNIT, unit."""
    text = text.rpartition(":")[2]
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", text)
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def shape_of(item: DataItem) -> Shape | None:
    """How the item is told on a line, where the kind of its property does not say so."""
    if item.category == "CONDITION":
        return Shape.CONDITION
    if item.representation == "TIME_SERIES":
        return Shape.TIME_SERIES
    if item.representation in ("DATA_SET", "TABLE"):
        return Shape.DATA_SET
    return Shape.MESSAGE if item.type == "MESSAGE" else None


class TypeBook:
    """The twin types of a file: one per component class, with the properties of all its components."""

    def __init__(self, devices: Sequence[Component]) -> None:
        self._properties: dict[str, dict[str, PropertyType]] = {}
        self._slots: dict[str, dict[str, int]] = {}
        self._of_item: dict[int, tuple[str, str]] = {}
        self._classes: dict[str, str] = {}
        for device in devices:
            for component in device.walk():
                self._learn(component)

    def type_id(self, component: Component) -> str:
        return _CLASS_IDS.get(component.class_) or snake(component.class_)

    def property_of(self, item: DataItem) -> PropertyType:
        """The property that an item of these devices is read into."""
        type_id, name = self._of_item[id(item)]
        return self._properties[type_id][name]

    def types(self) -> Iterator[TwinType]:
        for type_id, properties in self._properties.items():
            class_ = self._classes[type_id]
            yield TwinType(
                id=type_id,
                title=_title(type_id),
                description=f"MTConnect component {class_}.",
                purpose="operation",
                semantic_id=f"{_SEMANTICS}:{class_}",
                properties=tuple(properties.values()),
                slots=tuple(
                    Slot(name=part, type=part, title=_title(part), maximum=1 if most == 1 else None)
                    for part, most in self._slots[type_id].items()
                ),
            )

    def _learn(self, component: Component) -> None:
        type_id = self.type_id(component)
        self._classes.setdefault(type_id, component.class_)
        slots = self._slots.setdefault(type_id, {})
        for part in {self.type_id(p): None for p in component.parts}:
            count = sum(self.type_id(p) == part for p in component.parts)
            slots[part] = max(slots.get(part, 0), count)
        known = self._properties.setdefault(type_id, {})
        taken: set[str] = set()
        for item in component.items:
            property = _property(item)
            property = _named(property, _names(property.name, item, property), known, taken)
            taken.add(property.name)
            known[property.name] = _joined(known.get(property.name), property)
            self._of_item[id(item)] = type_id, property.name


def _names(plain: str, item: DataItem, property: PropertyType) -> Iterator[str]:
    """Names for an item, the best first."""
    yield plain
    own = snake(item.name or item.id)
    if own and own != plain:
        yield f"{plain}_{own}"[:MAX_NAME]
    yield f"{plain}_{property.kind}"[:MAX_NAME]
    number = 2
    while True:
        yield f"{plain[: MAX_NAME - 5]}_{number}"
        number += 1


def _named(
    property: PropertyType, names: Iterable[str], known: dict[str, PropertyType], taken: set[str]
) -> PropertyType:
    """The property under the first name that is free in its component, and of one kind and quantity in its type."""
    for name in names:
        other = known.get(name)
        if name not in taken and (other is None or _fits(other, property)):
            return msgspec.structs.replace(property, name=name)
    raise AssertionError("names never end")


def _fits(one: PropertyType, other: PropertyType) -> bool:
    if one.kind is not other.kind:
        return False
    if one.unit == other.unit or not one.unit or not other.unit:
        return True
    try:
        return same_dimension(one.unit, other.unit)
    except InvalidUnit:
        return False


def _joined(one: PropertyType | None, other: PropertyType) -> PropertyType:
    """One property for both: with the unit of the first, and the values of either."""
    if one is None:
        return other
    values = tuple(dict.fromkeys((*one.values, *other.values))) if one.values and other.values else ()
    return msgspec.structs.replace(one, values=values, unit=one.unit or other.unit)


def _property(item: DataItem) -> PropertyType:
    kind = _kind(item)
    unit = UNITS.get(item.units) or UNITS.get(item.native_units) or ""
    has_unit = kind in (Kind.NUMBER, Kind.ARRAY)
    bare = item.type.rpartition(":")[2]
    meaning = f"{bare}.{item.sub_type.rpartition(':')[2]}" if item.sub_type else bare
    return PropertyType(
        name=_plain_name(item),
        kind=kind,
        unit=unit if has_unit else "",
        title=_title(_plain_name(item)),
        minimum=item.minimum if kind is Kind.NUMBER else None,
        maximum=item.maximum if kind is Kind.NUMBER else None,
        normal=NORMAL.get((bare, unit)) if kind is Kind.NUMBER and not item.statistic else None,
        values=(item.values or VALUES.get(bare, ())) if kind is Kind.ENUMERATION else (),
        semantic_id=f"{_SEMANTICS}:{item.category}:{meaning}",
        headline=bare in HEADLINES and item.category != "CONDITION" and item.sub_type in ("", "ACTUAL", "ALL"),
    )


def _plain_name(item: DataItem) -> str:
    parts = [snake(item.type), snake(item.sub_type), snake(item.statistic)]
    if item.category == "CONDITION":
        parts.append("condition")
    elif item.representation in ("TIME_SERIES", "DATA_SET", "TABLE"):
        parts.append(item.representation.lower())
    name = "_".join(part for part in parts if part)[:MAX_NAME].strip("_")
    return name if name[:1].isalpha() else f"item_{name}"[:MAX_NAME]


def _kind(item: DataItem) -> Kind:
    if item.category == "CONDITION":
        return Kind.CONDITION
    if item.representation == "TIME_SERIES" or item.units in VECTOR_UNITS:
        return Kind.ARRAY
    if item.representation in ("DATA_SET", "TABLE") or item.type == "MESSAGE":
        return Kind.OBJECT
    if item.category == "SAMPLE" or item.units:
        return Kind.NUMBER
    if item.type in INTEGERS:
        return Kind.INTEGER
    if item.values or item.type in VALUES:
        return Kind.ENUMERATION
    return Kind.TEXT


def _title(name: str) -> str:
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]
