"""From a register map to few requests: neighbours are read together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from gemel.connectors.modbus.addresses import Address, Table, parse_address
from gemel.connectors.modbus.settings import ModbusSettings
from gemel.errors import GemelError, InvalidDocument, Problem
from gemel.twin import Binding, Direction

__all__ = ["Point", "Request", "points_of", "requests_of"]


@dataclass(eq=False, slots=True)
class Point:
    """One binding, and what it was last."""

    binding: Binding
    at: Address
    period_s: float
    names: dict[int, str] = field(default_factory=dict)
    value: Any = None
    told: bool = False
    """Something was delivered since the connection began."""
    bad: bool = False


@dataclass(eq=False, slots=True)
class Request:
    """Coils or registers in a row, read at once."""

    unit: int
    table: Table
    start: int
    count: int
    period_s: float
    points: list[Point]
    due_s: float = 0.0

    def alone(self) -> list[Request]:
        """A request for each of its ranges: to find out which of them a device refuses."""
        ranges: dict[tuple[int, int], list[Point]] = {}
        for point in self.points:
            ranges.setdefault((point.at.start, point.at.count), []).append(point)
        return [
            Request(self.unit, self.table, start, count, self.period_s, found, self.due_s)
            for (start, count), found in ranges.items()
        ]


def points_of(settings: ModbusSettings, bindings: Sequence[Binding]) -> list[Point]:
    """The map. Raises InvalidDocument with every fault and the binding that has it."""
    problems: list[Problem] = []
    points: list[Point] = []
    places: list[int] = []
    for place, binding in enumerate(bindings):
        if binding.direction is Direction.OUT:
            continue
        try:
            at = parse_address(binding.address, unit=settings.unit, numbering=settings.numbering, order=settings.order)
        except GemelError as error:
            problems.append(Problem(error.detail, field=f"bindings[{place}].address"))
            continue
        told = settings.registers.get(binding.address)
        fault = _fault(settings, binding, at, bool(told and told.values))
        if fault:
            problems.append(Problem(fault, field=f"bindings[{place}].address"))
            continue
        names = {int(number): name for number, name in told.values.items()} if told else {}
        points.append(Point(binding, at, 1 / binding.rate_hz if binding.rate_hz else settings.poll_s, names))
        places.append(place)
    for at_, other in _overlaps(points):
        problems.append(
            Problem(
                f"{points[at_].binding.address!r:.80} overlaps {points[other].binding.address!r:.80} "
                f"(bindings[{places[other]}]); one of them is wrong",
                field=f"bindings[{places[at_]}].address",
            )
        )
    known = {binding.address for binding in bindings}
    problems += [
        Problem(f"no binding has the address {address!r:.80}", field=f"settings.registers.{address}")
        for address in settings.registers
        if address not in known
    ]
    if problems:
        raise InvalidDocument("the register map", problems)
    return points


def requests_of(points: Sequence[Point], settings: ModbusSettings) -> list[Request]:
    """As few requests as the gaps between the points and the greatest length allow."""

    def kind(point: Point) -> tuple[int, str, float]:
        return point.at.unit, point.at.table, point.period_s

    found: list[Request] = []
    for (unit, _, period_s), group in groupby(sorted(points, key=lambda p: (*kind(p), p.at.start)), key=kind):
        current: Request | None = None
        for point in group:
            factor = 16 if point.at.is_bits else 1
            if current is not None and point.at.start <= current.start + current.count + settings.gap * factor:
                count = max(current.count, point.at.end - current.start)
                if count <= settings.max_registers * factor:
                    current.count = count
                    current.points.append(point)
                    continue
            current = Request(unit, point.at.table, point.at.start, point.at.count, period_s, [point])
            found.append(current)
    return found


def _fault(settings: ModbusSettings, binding: Binding, at: Address, named: bool) -> str:
    if binding.is_template:
        return "a Modbus address fills no {variables}; write a binding for each twin"
    if at.count > settings.max_registers * (16 if at.is_bits else 1):
        return f"{at.type} has {at.count} registers, more than max_registers"
    if binding.rate_hz is not None and not 0 < binding.rate_hz <= 100:
        return f"rate_hz is {binding.rate_hz}; it must be above 0 and at most 100"
    if binding.scale is not None and (at.type == "bool" or at.type.startswith("string")):
        return f"a {at.type} cannot be scaled"
    if named and (binding.scale is not None or at.type.startswith(("string", "float"))):
        return f"values names whole numbers; {at.type}{' with a scale' if binding.scale else ''} is none"
    return ""


def _overlaps(points: Sequence[Point]) -> list[tuple[int, int]]:
    """Pairs of points that share registers but do not agree on them. The bits of a word, and the word, do agree."""
    order = sorted(range(len(points)), key=lambda i: (points[i].at.unit, points[i].at.table, points[i].at.start))
    found = []
    for place, i in enumerate(order):
        mine = points[i].at
        for j in order[place + 1 :]:
            other = points[j].at
            if (other.unit, other.table) != (mine.unit, mine.table) or other.start >= mine.end:
                break
            if not _agree(mine, other):
                found.append((max(i, j), min(i, j)))
                break
    return sorted(found)


def _agree(one: Address, other: Address) -> bool:
    if one.count == other.count == 1:
        return True
    return (one.start, one.type, one.order) == (other.start, other.type, other.order)
