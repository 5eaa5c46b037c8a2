"""The device model (MTConnectDevices) as values: devices, components, data items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gemel.errors import InvalidDocument, Problem
from gemel.safe_xml import local_name, parse_xml

__all__ = ["Component", "DataItem", "read_devices"]


@dataclass(slots=True)
class DataItem:
    """One data item, its attributes as they are written."""

    id: str
    name: str
    type: str
    category: str
    sub_type: str = ""
    units: str = ""
    native_units: str = ""
    native_scale: str = ""
    representation: str = ""
    statistic: str = ""
    coordinate_system: str = ""
    source: str = ""
    values: tuple[str, ...] = ()
    """Constraints/Value: what this item can be, narrower than the standard's vocabulary."""
    minimum: float | None = None
    maximum: float | None = None
    line: int = 0


@dataclass(slots=True)
class Component:
    """A device or a component of one."""

    class_: str
    """Its element's name: Device, Linear, Controller …"""
    id: str
    name: str
    uuid: str = ""
    native_name: str = ""
    description: str = ""
    manufacturer: str = ""
    model: str = ""
    serial: str = ""
    items: list[DataItem] = field(default_factory=list)
    parts: list[Component] = field(default_factory=list)
    line: int = 0

    def walk(self) -> Iterator[Component]:
        """Itself and everything below, parents first."""
        yield self
        for part in self.parts:
            yield from part.walk()


def read_devices(data: bytes, name: str = "Devices.xml") -> list[Component]:
    """The devices of a Devices.xml or of an agent's probe. Raises InvalidDocument."""
    root = parse_xml(data, name)
    found = [e for e in root.iter() if local_name(e) in ("Device", "Agent") and local_name(e.getparent()) == "Devices"]
    if local_name(root) in ("Device", "Agent"):
        found = [root]
    if not found:
        raise InvalidDocument(name, [Problem(f"it holds no Device; its root is {local_name(root)}", line=1)])
    problems: list[Problem] = []
    devices = [_component(element, problems, depth=0) for element in found]
    if problems:
        raise InvalidDocument(name, problems)
    return devices


def _component(element: Any, problems: list[Problem], depth: int) -> Component:
    get = element.get
    component = Component(
        class_=local_name(element),
        id=get("id", ""),
        name=get("name", ""),
        uuid=get("uuid", ""),
        native_name=get("nativeName", ""),
        line=element.sourceline or 0,
    )
    if not component.id:
        problems.append(Problem("it has no id", field=component.class_, line=component.line))
    if depth > 30:
        problems.append(Problem("components are nested deeper than 30 levels", line=component.line))
        return component
    for child in element:
        match local_name(child):
            case "Description":
                component.description = " ".join((child.text or "").split())
                component.manufacturer = child.get("manufacturer", "")
                component.model = child.get("model", "")
                component.serial = child.get("serialNumber", "")
            case "DataItems":
                component.items += [_item(e, problems) for e in child if local_name(e) == "DataItem"]
            case "Components":
                component.parts += [_component(e, problems, depth + 1) for e in child if local_name(e)]
    return component


def _item(element: Any, problems: list[Problem]) -> DataItem:
    get = element.get
    line = element.sourceline or 0
    problems += [
        Problem(f"a DataItem needs {name}", field=get("id", "DataItem"), line=line)
        for name in ("id", "type", "category")
        if not get(name)
    ]
    item = DataItem(
        id=get("id", ""),
        name=get("name", ""),
        type=get("type", ""),
        category=get("category", ""),
        sub_type=get("subType", ""),
        units=get("units", ""),
        native_units=get("nativeUnits", ""),
        native_scale=get("nativeScale", ""),
        representation=get("representation", ""),
        statistic=get("statistic", ""),
        coordinate_system=get("coordinateSystem", ""),
        line=line,
    )
    if item.category not in ("SAMPLE", "EVENT", "CONDITION"):
        problems.append(Problem(f"category {item.category!r:.40} is none of SAMPLE, EVENT, CONDITION", item.id, line))
    for child in element.iter():
        match local_name(child):
            case "Source":
                item.source = (child.text or "").strip()
            case "Value" if local_name(child.getparent()) == "Constraints" and child.text:
                item.values += (child.text.strip(),)
            case "Minimum":
                item.minimum = _float(child.text)
            case "Maximum":
                item.maximum = _float(child.text)
    return item


def _float(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None
