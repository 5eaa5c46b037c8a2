"""Functions of numbers: rounding, logarithms, angles, extremes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gemel.errors import InvalidExpression
from gemel.expression.building import Build, Vector, converted, expect, number, numbers, refuse_scale, same
from gemel.expression.compiled import Compiled
from gemel.expression.measure import Measure

__all__ = ["FUNCTIONS"]


def _keeps_unit(vector: Vector) -> Build:
    def build(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
        expect(name, arguments, at, 1)
        (value,) = numbers(name, arguments)
        return number(vector, (value,), at, value.measure)

    return build


def _bare(vector: Vector, unit: str = "", count: int = 1) -> Build:
    """A function of bare numbers, or of numbers in `unit`: exp, ln, sin."""

    def build(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
        expect(name, arguments, at, count)
        values = numbers(name, arguments)
        target = Measure(((unit or "1", Fraction(1)),))
        given = [one if one.measure is None else converted(one, target) for one in values]
        return number(vector, given, at)

    return build


def _round(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    expect(name, arguments, at, 1, 2)
    value, *rest = numbers(name, arguments)
    digits = rest[0].constant if rest else 0.0
    if not isinstance(digits, float) or digits != int(digits) or abs(digits) > 15:
        raise InvalidExpression("round() takes a whole number of digits, from -15 to 15", position=at)
    return number(
        lambda a: pc.round(a, ndigits=int(digits), round_mode="half_towards_infinity"), (value,), at, value.measure
    )


def _sign(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    expect(name, arguments, at, 1)
    values = numbers(name, arguments)
    refuse_scale("the sign", values)
    return number(lambda a: pc.cast(pc.sign(a), pa.float64()), values, at)


def _extreme(vector: Callable[..., Any]) -> Build:
    def build(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
        expect(name, arguments, at, 2, 100)
        values, _, measure = same(name, numbers(name, arguments))
        return number(lambda *given: vector(*given, skip_nulls=False), values, at, measure)

    return build


def _atan2(y: Any, x: Any) -> Any:
    return pc.atan2(y, x)


def _angle(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    expect(name, arguments, at, 2)
    values, _, _ = same(name, numbers(name, arguments))
    return number(_atan2, values, at)


FUNCTIONS: dict[str, Build] = {
    "abs": _keeps_unit(pc.abs),
    "ceil": _keeps_unit(pc.ceil),
    "floor": _keeps_unit(pc.floor),
    "trunc": _keeps_unit(pc.trunc),
    "round": _round,
    "sign": _sign,
    "exp": _bare(pc.exp),
    "ln": _bare(pc.ln),
    "log10": _bare(pc.log10),
    "log2": _bare(pc.log2),
    "sin": _bare(pc.sin, "rad"),
    "cos": _bare(pc.cos, "rad"),
    "tan": _bare(pc.tan, "rad"),
    "asin": _bare(pc.asin),
    "acos": _bare(pc.acos),
    "atan": _bare(pc.atan),
    "atan2": _angle,
    "least": _extreme(pc.min_element_wise),
    "greatest": _extreme(pc.max_element_wise),
}
