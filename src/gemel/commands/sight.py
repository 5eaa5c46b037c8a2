"""What an expression about a twin reads now: fresh, good values of it and its parts, and what is given."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from gemel.expression import Expression, Input, Quantity
from gemel.expression import Kind as ValueKind
from gemel.registry import Directory, Entry
from gemel.state import Now, State
from gemel.twin import Kind, PropertyType, Quality

__all__ = ["Given", "Seen", "Sight", "Slots", "quantity_of", "told"]

Given = Mapping[str, tuple[Quantity, Any]]
"""By the name that the expression uses: what it is, and its value."""
_KINDS = {
    Kind.NUMBER: ValueKind.NUMBER,
    Kind.INTEGER: ValueKind.NUMBER,
    Kind.BOOLEAN: ValueKind.BOOLEAN,
    Kind.TEXT: ValueKind.TEXT,
    Kind.ENUMERATION: ValueKind.TEXT,
}


class Slots(Protocol):
    """How twins are made of twins: the registry."""

    def in_slot(self, twin: str, slot: str) -> tuple[str, ...]:
        """The ids of the parts that fill a slot."""


@dataclass(slots=True)
class Seen:
    """The inputs of an expression, as far as they are known."""

    expression: Expression
    quantities: dict[str, Quantity] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    fault: str = ""
    """Why one of them is not known; empty if all are."""

    def one(self, now: int, result: Quantity | None) -> float | bool | str | None:
        """What the expression gives. Raises InvalidExpression."""
        return self.expression.check(self.quantities, result=result).one(self.values, moment=now)

    def shown(self) -> str:
        """What it reads, for people: door is closed, pressure is 3.2."""
        return ", ".join(f"{one.name} is {told(self.values.get(one.name))}" for one in self.expression.inputs)


class Sight:
    """Of one platform. Any thread."""

    def __init__(self, directory: Directory, state: State, slots: Slots) -> None:
        self._directory, self._state, self.slots = directory, state, slots

    def see(self, text: str, entry: Entry, given: Given, *, reserved: Collection[str] = ()) -> Seen:
        """Look at everything that an expression names. `reserved`: first words that are never of the twin."""
        seen = Seen(Expression.parse(text))
        if seen.expression.members:
            many = seen.expression.members[0].name
            seen.fault = f"it is of {many}, and this reads one twin and its components"
        for one in seen.expression.inputs:
            if seen.fault:
                break
            if one.name in given:
                seen.quantities[one.name], seen.values[one.name] = given[one.name]
            elif one.path[0] in reserved:
                seen.fault = f"there is no {one.name}"
            else:
                seen.fault = self._of_twin(one, entry, seen)
        return seen

    def value(self, entry: Entry, name: str) -> tuple[Now | None, str]:
        """A live value that is fresh and good; or what is wrong with it."""
        now = self._state.property(entry, name)
        if now is None:
            return None, f"{entry.id}.{name} has never been reported"
        if now.quality is not Quality.GOOD:
            return None, f"the quality of {entry.id}.{name} is {now.quality.name.lower()}"
        if not now.fresh:
            return None, f"{entry.id}.{name} is stale (it was {told(now.value)})"
        return now, ""

    def _of_twin(self, one: Input, entry: Entry, seen: Seen) -> str:
        """Take the live value of a property of the twin, or of a component in a slot; why not, else."""
        for slot in one.path[:-1]:
            parts = self.slots.in_slot(entry.id, slot)
            found = self._directory.twin(parts[0]) if len(parts) == 1 else None
            if found is None:
                return f"slot {slot} of {entry.id} is not filled by one part"
            entry = found
        ref = entry.properties.get(one.path[-1])
        if ref is None:
            return f"{entry.id} has no property {one.path[-1]}"
        if ref.property.kind not in _KINDS:
            return f"{entry.id}.{one.path[-1]} is a {ref.property.kind}, which no expression can read"
        seen.quantities[one.name] = quantity_of(ref.property)
        if one.about:
            now = self._state.property(entry, one.path[-1])
            seen.values |= {
                f"{one.name}__fresh": now is not None and now.fresh,
                f"{one.name}__quality": "unavailable" if now is None else now.quality.name.lower(),
                f"{one.name}__time": None if now is None else now.time,
            }
        good, fault = self.value(entry, one.path[-1])
        if good is not None:
            seen.values[one.name] = good.value
        return fault


def quantity_of(property_: PropertyType) -> Quantity:
    return Quantity(_KINDS.get(property_.kind, ValueKind.TEXT), property_.unit, property_.values)


def told(value: Any) -> str:
    """A value in a sentence."""
    return "unknown" if value is None else str(value).lower() if isinstance(value, bool) else f"{value!s:.60}"
