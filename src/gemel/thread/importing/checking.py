"""What is looked at before anything is taken in: readings fit their properties, and an id stands for one item."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gemel.configuration import ItemSpec
from gemel.configuration.acts.acting import fit_item
from gemel.errors import InvalidId, InvalidInput
from gemel.registry import Registry
from gemel.thread.importing.found import Found
from gemel.twin import Kind, Plant, check_id

__all__ = ["check_items", "check_readings", "kinds_of"]


def kinds_of(plant: Plant | None, registry: Registry) -> Callable[[str, str], Kind | None]:
    """What a property of a twin is, or will be once the plant of the mapping is applied."""
    types = {one.id: one for one in plant.types} if plant else {}
    twins = {one.id: one.types for one in plant.twins} if plant else {}

    def kind(twin: str, name: str) -> Kind | None:
        for type in twins.get(twin, ()):
            if type in types:
                for one in types[type].properties:
                    if one.name == name:
                        return one.kind
        entry = registry.directory.twin(twin)
        ref = entry.properties.get(name) if entry is not None else None
        return None if ref is None else ref.property.kind

    return kind


def check_readings(found: Found, kinds: Callable[[str, str], Kind | None]) -> None:
    """Leave out what does not fit its property; a property that nobody knows is an error."""
    known: dict[tuple[str, str], Kind | None] = {}
    good = []
    for row in found.readings:
        where = row[0], row[1]
        if where not in known:
            known[where] = kinds(*where)
            if known[where] is None:
                found.fault("", f"there is no {row[0]}.{row[1]}; name twins and properties that are there")
        if known[where] in (Kind.NUMBER, Kind.INTEGER) and not _is_number(row[3]):
            found.fault("", f"{row[0]}.{row[1]}: {row[3]!r:.60} is no number", "left out")
            continue
        good.append(row)
    found.readings[:] = good


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) < float("inf")
    except ValueError:
        return False


def check_items(found: Sequence[Found]) -> None:
    """An id that stands for two serial numbers, or two ids for one, would mix their threads up."""
    by_id: dict[str, tuple[ItemSpec, str]] = {}
    by_serial: dict[tuple[str, str, str], tuple[str, str]] = {}
    for one in found:
        for spec, _ in one.items:
            if wrong := _unfit(spec):
                one.fault("", f"item {spec.id:.80}: {wrong}")
            other, where = by_id.setdefault(spec.id, (spec, one.name))
            if (other.part, other.maker, other.serial) != (spec.part, spec.maker, spec.serial):
                one.fault(
                    "", f"item {spec.id} is {spec.part} {spec.serial} here and {other.part} {other.serial} in {where}"
                )
            who = spec.part, spec.maker, spec.serial
            id, where = by_serial.setdefault(who, (spec.id, one.name))
            if id != spec.id:
                one.fault("", f"{spec.part} with serial number {spec.serial} is {spec.id} here and {id} in {where}")


def _unfit(spec: ItemSpec) -> str:
    """Why an item cannot be made known; empty: it can."""
    try:
        check_id(spec.id, "the id of an item")
        fit_item(spec)
    except (InvalidId, InvalidInput) as error:
        return error.detail
    return ""
