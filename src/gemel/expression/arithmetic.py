"""Sums, products and powers, with their units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pyarrow.compute as pc

from gemel.errors import InvalidExpression
from gemel.expression.building import Build, converted, expect, number, numbers, refuse_scale, same
from gemel.expression.compiled import Compiled
from gemel.expression.measure import Measure

__all__ = ["ARITHMETIC"]


def _add(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    expect(name, arguments, at, 1, 2)
    values = numbers(name, arguments)
    if len(values) == 1:
        if name == "+":
            return values[0]
        refuse_scale("the negative", values)
        return replace(number(pc.negate, values, at, values[0].measure), constant=_negative(values[0].constant))
    left, right = values
    scales = [one.measure is not None and one.measure.is_scale for one in values]
    if any(scales):
        return _add_on_scale(name, left, right, at)
    measure = left.measure or right.measure
    if measure is not None and name == "-" and _is_temperature(measure):
        measure = replace(measure, interval=True)
    vector = pc.add if name == "+" else pc.subtract
    return number(vector, [converted(left, measure), converted(right, measure)], at, measure)


def _is_temperature(measure: Measure) -> bool:
    return measure.units[0][0] == "K" and len(measure.units) == 1


def _negative(constant: Any) -> Any:
    return -constant if isinstance(constant, float) else None


def _add_on_scale(name: str, left: Compiled, right: Compiled, at: int) -> Compiled:
    """24.5 Cel - 20 Cel is 4.5 K; 20 Cel + 4.5 K is 24.5 Cel; 20 Cel + 20 Cel is nothing."""
    scale = next(one.measure for one in (left, right) if one.measure is not None and one.measure.is_scale)
    for one in (left, right):
        if one.measure is None:
            told = "x" if one.constant is None else f"{one.constant:g}"
            raise InvalidExpression(
                f"is {told} a reading or a difference here? Write quantity({told}, '{scale.code}') or "
                f"quantity({told}, 'K')",
                position=one.at,
            )
    assert left.measure is not None
    assert right.measure is not None
    if left.measure.is_scale and right.measure.is_scale:
        if name == "+":
            raise InvalidExpression(
                f"two readings in {left.measure.code} and {right.measure.code} have no sum; their difference, "
                "or avg, least, greatest have a meaning",
                position=at,
            )
        kelvin = Measure((("K", Fraction(1)),))
        difference = replace(kelvin, interval=True)
        return number(pc.subtract, [converted(left, kelvin), converted(right, kelvin)], at, difference)
    if right.measure.is_scale and name == "-":
        raise InvalidExpression(
            f"a reading in {right.measure.code} cannot be taken from a difference; the other way round?", position=at
        )
    reading, other = (left, right) if left.measure.is_scale else (right, left)
    assert reading.measure is not None
    assert other.measure is not None
    step = converted(
        replace(other, measure=replace(other.measure, interval=True)), replace(reading.measure, interval=True)
    )
    return number(pc.add if name == "+" else pc.subtract, [reading, step], at, reading.measure)


def _multiply(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    expect(name, arguments, at, 2)
    left, right = numbers(name, arguments)
    told = {"*": "a product", "/": "a quotient"}[name]
    refuse_scale(told, (left, right))
    sign = 1 if name == "*" else -1
    measure = right.measure.power(Fraction(sign)) if left.measure is None and right.measure is not None else None
    if left.measure is not None:
        measure = left.measure if right.measure is None else left.measure.times(right.measure, sign=sign)
    return number(pc.multiply if name == "*" else pc.divide, (left, right), at, measure)


def _remainder(a: Any, b: Any) -> Any:
    """With the sign of the dividend, as SQL has it."""
    return pc.subtract(a, pc.multiply(b, pc.trunc(pc.divide(a, b))))


def _modulo(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    expect(name, arguments, at, 2)
    refuse_scale("a remainder", arguments)
    values, _, measure = same(name, numbers(name, arguments))
    return number(_remainder, values, at, measure)


def _power(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    expect(name, arguments, at, 2)
    base, exponent = numbers(name, arguments)
    refuse_scale("a power", (base, exponent))
    if exponent.measure is not None:
        raise InvalidExpression("an exponent has no unit; write value(…)", position=exponent.at)
    measure = None
    if base.measure is not None:
        if not isinstance(exponent.constant, float) or abs(exponent.constant) > 8:
            raise InvalidExpression(
                f"the power of {base.told} has a unit only for a number as exponent, up to 8; write value(…)",
                position=at,
            )
        measure = base.measure.power(Fraction(exponent.constant).limit_denominator(8))
    return number(pc.power, (base, exponent), at, measure)


def _sqrt(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    expect(name, arguments, at, 1)
    (value,) = numbers(name, arguments)
    refuse_scale("a root", (value,))
    measure = value.measure.power(Fraction(1, 2)) if value.measure is not None else None
    return number(pc.sqrt, (value,), at, measure)


ARITHMETIC: dict[str, Build] = {
    "+": _add,
    "-": _add,
    "*": _multiply,
    "/": _multiply,
    "%": _modulo,
    "mod": _modulo,
    "^": _power,
    "**": _power,
    "pow": _power,
    "power": _power,
    "sqrt": _sqrt,
}
