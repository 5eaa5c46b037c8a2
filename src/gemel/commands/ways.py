"""Which connector carries what to the object: the bindings that lead outward."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec

from gemel.commands.carrying import OWN, Errand
from gemel.commands.order import Order, OrderKind
from gemel.errors import Conflict, InvalidInput
from gemel.registry import Directory, Entry
from gemel.twin import MANUAL, Binding, CommandType, ConnectorSpec, Direction, Kind, PropertyType
from gemel.units import affine

__all__ = ["DEADLINE_S", "Way", "Ways", "command_of", "property_of"]

DEADLINE_S = 30.0
PATIENCE_S = 8 * 3600.0
"""What people have for an instruction, if its binding does not say: a shift."""
_VARIABLE = re.compile(r"\{([A-Za-z][A-Za-z0-9_]*)\}", re.ASCII)


class Way(msgspec.Struct, frozen=True):
    """A connector, and the binding that names the twin and the property or command; its variables are filled."""

    connector: str
    binding: Binding
    by_hand: bool = False
    """People carry it out."""
    told: bool = False
    """A connector tells by itself what it is."""


class Ways:
    """Of the connectors that are declared and enabled; made anew when they change."""

    def __init__(self, specs: Iterable[ConnectorSpec], directory: Directory) -> None:
        self._directory = directory
        self._plain: dict[tuple[str, str], Way] = {}
        self._patterns: list[Way] = []
        self._told: set[tuple[str, str]] = set()
        for spec in specs:
            for binding in spec.bindings if spec.enabled else ():
                by_hand = spec.kind == MANUAL
                way = Way(spec.id, _patient(binding) if by_hand else binding, by_hand)
                if not by_hand and binding.direction is not Direction.OUT:
                    self._told.add(_named(binding, directory))
                if binding.is_template:
                    self._patterns.append(way)
                else:
                    named = _named(binding, directory)
                    known = self._plain.get(named)
                    if known is None or known.binding.direction is Direction.IN:
                        self._plain[named] = way

    def twins(self) -> set[str]:
        """Ids of the twins that orders can go to, but for those of bindings with variables."""
        return {twin for (twin, _), way in self._plain.items() if way.binding.direction is not Direction.IN}

    def of(self, twin: str, name: str) -> Way | None:
        """The way of an order; None if nothing carries it."""
        entry = self._directory.twin(twin)
        command = None if entry is None else command_of(self._directory, entry, name)
        if command is not None and command.effect:
            own = Binding(address="", twin=twin, property=name, direction=Direction.OUT, deduplicates=True)
            return Way(OWN, own)
        way = self._plain.get((twin, name))
        if way is not None and way.binding.direction is not Direction.IN:
            return msgspec.structs.replace(way, told=(twin, name) in self._told) if way.by_hand else way
        for pattern in self._patterns:
            if pattern.binding.direction is not Direction.IN and (filled := _filled(pattern, twin, name)) is not None:
                return filled
        return None


def _patient(binding: Binding) -> Binding:
    return msgspec.structs.replace(binding, deadline_s=binding.deadline_s or PATIENCE_S)


def _named(binding: Binding, directory: Directory) -> tuple[str, str]:
    """(twin, property) as they are called now, whatever earlier names the binding says."""
    entry = directory.twin(binding.twin)
    if entry is None:
        return binding.twin, binding.property
    ref = entry.properties.get(binding.property)
    return entry.id, binding.property if ref is None else ref.property.name


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    parts, at, seen = [], 0, set[str]()
    for found in _VARIABLE.finditer(text):
        name = found[1]
        parts.append(re.escape(text[at : found.start()]))
        parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+?)")
        seen.add(name)
        at = found.end()
    return re.compile("".join(parts) + re.escape(text[at:]))


def _filled(way: Way, twin: str, name: str) -> Way | None:
    binding = way.binding
    one, other = _pattern(binding.twin).fullmatch(twin), _pattern(binding.property).fullmatch(name)
    if one is None or other is None:
        return None
    found = one.groupdict() | other.groupdict()
    filled = _with(msgspec.to_builtins(binding.out), found)
    address = _with(binding.address, found)
    replaced = msgspec.structs.replace(binding, address=address, twin=twin, property=name, out=filled)
    return Way(way.connector, replaced, way.by_hand)


def _with(value: Any, found: dict[str, str]) -> Any:
    """`value` with its {variables} filled, those that are known."""
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: found.get(match[1], match[0]), value)
    if isinstance(value, dict):
        return {key: _with(item, found) for key, item in value.items()}
    return [_with(item, found) for item in value] if isinstance(value, list | tuple) else value


def command_of(directory: Directory, entry: Entry, name: str) -> CommandType | None:
    """The command of this name, of one of the twin's types."""
    for type_id in entry.types:
        type_ = directory.type(type_id)
        for command in type_.commands if type_ is not None else ():
            if command.name == name:
                return command
    return None


def property_of(entry: Entry, name: str) -> PropertyType | None:
    """The property of this name, or of this earlier one."""
    ref = entry.properties.get(name)
    return None if ref is None else ref.property


def errand_of(order: Order, way: Way, entry: Entry, directory: Directory) -> Errand:
    """The order as its connector carries it out. Raises InvalidInput for units that do not fit, Conflict for types
    that have changed."""
    binding = way.binding
    facts: dict[str, Any] = {
        "order": order.id,
        "connector": way.connector,
        "binding": binding,
        "twin": order.twin,
        "name": order.name,
        "expires": order.deadline,
        "attempt": order.attempts + 1,
    }
    if order.kind is OrderKind.COMMAND:
        command = command_of(directory, entry, order.name)
        if command is None:
            raise Conflict(f"{order.twin} has no command {order.name} any more")
        return Errand(input=order.input, outputs=tuple(one.name for one in command.output), **facts)
    property_ = property_of(entry, order.name)
    if property_ is None:
        raise Conflict(f"{order.twin} has no property {order.name} any more")
    return Errand(value=outward(order.input, binding, property_), **facts)


def outward(value: Any, binding: Binding, property_: PropertyType) -> Any:
    """A value in the property's unit as the object wants it: in the binding's unit, with its scale undone."""
    if type(value) not in (int, float):
        return value
    told: float = value
    if binding.unit and binding.unit != property_.unit:
        told = affine(property_.unit, binding.unit)(float(told))
    if binding.scale is not None:
        told = (told - binding.scale.offset) / binding.scale.factor
        if abs(told - round(told)) < 1e-9 * max(1.0, abs(told)):
            told = round(told)
    return int(told) if property_.kind is Kind.INTEGER and told == int(told) else told


def check_out(binding: Binding, allowed: Iterable[str]) -> None:
    """Raises InvalidInput when `out` of a binding says what its connector does not know."""
    if unknown := sorted(set(binding.out) - set(allowed)):
        known = ", ".join(sorted(allowed)) or "nothing"
        raise InvalidInput(f"binding {binding.address!r:.120}: out says {', '.join(unknown)}; this kind takes {known}")
