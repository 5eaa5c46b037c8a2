"""`gemel import mtconnect Devices.xml`: from a device model to a plant document of types, twins and connectors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from gemel.connectors.drafts import document_of, plant_yaml
from gemel.connectors.mtconnect.address import Address
from gemel.connectors.mtconnect.devices import Component, DataItem, read_devices
from gemel.connectors.mtconnect.properties import TypeBook, shape_of, snake
from gemel.connectors.mtconnect.vocabulary import ORGANIZERS, UNITS
from gemel.twin import Binding, ConnectorSpec, PartOf, Plant, Scale, TwinSpec

__all__ = ["import_devices", "plant_of", "plant_yaml"]

Wire = Literal["shdr", "agent"]
_PLACEHOLDER = {"shdr": "shdr://127.0.0.1:7878", "agent": "http://127.0.0.1:5000"}


def import_devices(
    data: bytes,
    *,
    wire: Wire = "shdr",
    urls: Mapping[str, str] | None = None,
    values_in: Literal["units", "native"] | None = None,
    name: str = "Devices.xml",
) -> dict[str, Any]:
    """The plant document of a Devices.xml, as plain dicts and lists (docs/reference/plant.md).

    `wire`: what the connectors talk to, an adapter each or an agent. `urls`: device name → URL; a device without
    one gets a connector that is not enabled yet. `values_in`: how values come: an adapter tells native units, an agent
    (and a log that an agent wrote) the units of the model. Raises InvalidDocument.
    """
    plant = plant_of(read_devices(data, name), wire=wire, urls=urls or {}, values_in=values_in)
    return document_of(plant)


def plant_of(
    devices: Sequence[Component],
    *,
    wire: Wire = "shdr",
    urls: Mapping[str, str] | None = None,
    values_in: Literal["units", "native"] | None = None,
) -> Plant:
    """The same as values."""
    native = (values_in or ("native" if wire == "shdr" else "units")) == "native"
    book = TypeBook(devices)
    twins: list[TwinSpec] = []
    connectors: list[ConnectorSpec] = []
    taken: set[str] = set()
    for device in devices:
        bindings: list[Binding] = []
        root = _free(_slug(device.name or device.id), _slug(device.id), taken)
        first = len(twins)
        _add(device, root, None, twins, taken, book)
        for component, twin in zip(device.walk(), twins[first:], strict=True):
            bindings += [_binding(item, twin.id, book, native=native) for item in component.items]
        url = (urls or {}).get(device.name) or (urls or {}).get(device.id)
        connectors.append(
            ConnectorSpec(
                id=f"{root}-mtconnect",
                kind="mtconnect",
                title=f"{device.name or device.id} over MTConnect",
                settings={"url": url or _PLACEHOLDER[wire], "device": device.name or device.id},
                bindings=tuple(bindings),
                enabled=url is not None,
            )
        )
    return Plant(types=tuple(book.types()), twins=tuple(twins), connectors=tuple(connectors))


def _add(
    component: Component, id: str, whole: TwinSpec | None, twins: list[TwinSpec], taken: set[str], book: TypeBook
) -> None:
    """The twin of a component and of all below it, in the order of `walk`."""
    type_id = book.type_id(component)
    facts = {"maker": component.manufacturer, "model": component.model, "mtconnect_id": component.id}
    twin = TwinSpec(
        id=id,
        types=(type_id,),
        name=component.name or component.class_,
        description=component.description,
        serial=component.serial,
        aliases=(component.uuid,) if component.uuid and component.uuid != id else (),
        attributes={key: value for key, value in facts.items() if value},
        part_of=PartOf(twin=whole.id, slot=type_id) if whole is not None else (),
    )
    twins.append(twin)
    prefix = id if component.class_ not in ORGANIZERS else id.rpartition(".")[0] or id
    for part in component.parts:
        # Mazak01 has two axes named C: the second is told by its id, Mazak01-C2
        own = part.id.removeprefix(component.id).removeprefix(_root_id(component.id)).lstrip("-_.")
        short, long = _slug(part.name or part.class_), _slug(own or part.id)
        _add(part, _free(f"{prefix}.{short}", f"{prefix}.{long}", taken), twin, twins, taken, book)


def _root_id(id: str) -> str:
    return re.split(r"[-_.]", id, maxsplit=1)[0]


def _binding(item: DataItem, twin: str, book: TypeBook, *, native: bool) -> Binding:
    property = book.property_of(item)
    source = item.source if item.source != item.name else ""
    shape = shape_of(item)
    address = Address(name=item.name or item.id, id=item.id if item.name else "", source=source, shape=shape)
    unit = UNITS.get(item.native_units, "") if native and item.native_units else UNITS.get(item.units, "")
    scale = None
    if native and item.native_scale:  # the value on the wire is nativeScale times what it means
        factor = float(item.native_scale)
        scale = Scale(factor=1 / factor) if factor not in (0.0, 1.0) else None
    if not property.unit or unit == property.unit:
        unit = ""
    return Binding(address=str(address), twin=twin, property=property.name, unit=unit, scale=scale)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", snake(text) if " " in text else text.lower()).strip("-") or "part"


def _free(wish: str, other: str, taken: set[str]) -> str:
    """The first of `wish`, `other`, `wish-2`, `wish-3` … that no twin has yet; takes it."""
    number = 1
    found = wish
    while found in taken:
        number += 1
        found = other if number == 2 else f"{wish}-{number - 1}"
    taken.add(found)
    return found
