"""Units that are given, changed and taken away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gemel.errors import GemelError, InvalidExpression
from gemel.expression.building import Build, converted, expect, numbers
from gemel.expression.compiled import Compiled
from gemel.expression.measure import Measure

__all__ = ["CONVERSIONS"]


def _code(name: str, value: Compiled) -> Measure | None:
    if not isinstance(value.constant, str):
        raise InvalidExpression(f"{name}() takes a unit as it is written: {name}(x, 'kW')", position=value.at)
    try:
        return Measure.of(value.constant)
    except GemelError as error:
        raise InvalidExpression(error.detail, position=value.at) from error


def _convert(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    expect(name, arguments, at, 2)
    (value,), target = numbers(name, arguments[:1]), _code(name, arguments[1])
    if value.measure is None or target is None:
        raise InvalidExpression(
            "convert() takes a number with a unit to another unit; quantity(x, 'kW') gives a bare number a unit, "
            "value(x) takes it away",
            position=at,
        )
    return replace(converted(value, target), at=at, said="")


def _quantity(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    expect(name, arguments, at, 2)
    (value,), target = numbers(name, arguments[:1]), _code(name, arguments[1])
    if value.measure is not None:
        raise InvalidExpression(f"{value.told} has a unit; use convert(x, '…') or value(x)", position=value.at)
    return replace(value, measure=target, at=at, said="")


def _value(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    expect(name, arguments, at, 1)
    return replace(numbers(name, arguments)[0], measure=None, at=at, said="")


CONVERSIONS: dict[str, Build] = {
    "convert": _convert,
    "quantity": _quantity,
    "value": _value,
}
