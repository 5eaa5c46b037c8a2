"""What the language can do with values of one twin: for each operator and function how it is checked, and run.

Unknown (NULL) goes through everything, except where three-valued logic knows better: `false AND unknown` is false.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gemel.errors import GemelError, InvalidExpression
from gemel.expression.compiled import Compiled, Rows, finite
from gemel.expression.measure import Measure, factor
from gemel.expression.quantity import ARROW, Kind

__all__ = ["OPERATIONS", "converted", "same"]

_Build = Callable[[str, Sequence[Compiled], int], Compiled]
_Vector = Callable[..., Any]


def converted(value: Compiled, target: Measure | None) -> Compiled:
    """The value in another unit; a bare number takes it. Raises InvalidExpression."""
    if target is None or value.measure is None:
        return replace(value, measure=target)
    try:
        times, plus = factor(value.measure, target)
    except GemelError as error:
        raise InvalidExpression(error.detail, position=value.at) from error
    if (times, plus) == (1.0, 0.0):
        return replace(value, measure=target)
    inner = value.run
    return replace(value, measure=target, constant=None, run=lambda rows: pc.add(pc.multiply(inner(rows), times), plus))


def same(name: str, arguments: Sequence[Compiled]) -> tuple[list[Compiled], Kind | None, Measure | None]:
    """Values of one kind and in the unit of the first that has one. Raises InvalidExpression."""
    kinds = [one for one in arguments if one.kind is not None]
    if not kinds:
        return list(arguments), None, None
    kind = kinds[0].kind
    assert kind is not None
    for one in kinds:
        if one.kind is not kind:
            raise InvalidExpression(
                f"{name} takes values of one kind, not {kinds[0].told} and {one.told}", position=one.at
            )
    measure = next((one.measure for one in kinds if one.measure is not None), None)
    if kind is not Kind.NUMBER:
        return [_typed(one, kind) for one in arguments], kind, None
    return [converted(_typed(one, kind), measure) for one in arguments], kind, measure


def _typed(value: Compiled, kind: Kind) -> Compiled:
    """NULL as it is written has a type of its own in Arrow."""
    if value.kind is not None:
        return value
    nothing = pa.scalar(None, ARROW[kind])
    return replace(value, kind=kind, run=lambda _: nothing)


def _count(name: str, arguments: Sequence[Compiled], at: int, least: int, most: int | None = None) -> None:
    most = least if most is None else most
    if not least <= len(arguments) <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        raise InvalidExpression(f"{name} takes {wanted} argument(s), not {len(arguments)}", position=at)


def _numbers(name: str, arguments: Sequence[Compiled]) -> list[Compiled]:
    return [_typed(one.need(Kind.NUMBER, name), Kind.NUMBER) for one in arguments]


def _ran(vector: _Vector, arguments: Sequence[Compiled]) -> Callable[[Rows], Any]:
    runs = [one.run for one in arguments]
    return lambda rows: vector(*(run(rows) for run in runs))


def _number(vector: _Vector, arguments: Sequence[Compiled], at: int, measure: Measure | None = None) -> Compiled:
    run = _ran(vector, arguments)
    return Compiled(Kind.NUMBER, at, lambda rows: finite(run(rows)), measure)


def _no_scale(name: str, arguments: Sequence[Compiled]) -> None:
    for one in arguments:
        if one.measure is not None and one.measure.is_scale:
            code = one.measure.code
            raise InvalidExpression(
                f"{name} of a reading in {code}, whose 0 is not nothing; write convert({one.said or 'x'}, 'K'), "
                f"or value({one.said or 'x'}) for the bare number",
                position=one.at,
            )


# --- arithmetic ----------------------------------------------------------------------------------------------------


def _add(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    _count(name, arguments, at, 1, 2)
    values = _numbers(name, arguments)
    if len(values) == 1:
        if name == "+":
            return values[0]
        _no_scale("the negative", values)
        return replace(_number(pc.negate, values, at, values[0].measure), constant=_negative(values[0].constant))
    left, right = values
    scales = [one.measure is not None and one.measure.is_scale for one in values]
    if any(scales):
        return _add_on_scale(name, left, right, at)
    measure = left.measure or right.measure
    if measure is not None and name == "-" and _is_temperature(measure):
        measure = replace(measure, interval=True)
    vector = pc.add if name == "+" else pc.subtract
    return _number(vector, [converted(left, measure), converted(right, measure)], at, measure)


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
        return _number(pc.subtract, [converted(left, kelvin), converted(right, kelvin)], at, difference)
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
    return _number(pc.add if name == "+" else pc.subtract, [reading, step], at, reading.measure)


def _multiply(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    _count(name, arguments, at, 2)
    left, right = _numbers(name, arguments)
    told = {"*": "a product", "/": "a quotient"}[name]
    _no_scale(told, (left, right))
    sign = 1 if name == "*" else -1
    measure = right.measure.power(Fraction(sign)) if left.measure is None and right.measure is not None else None
    if left.measure is not None:
        measure = left.measure if right.measure is None else left.measure.times(right.measure, sign=sign)
    return _number(pc.multiply if name == "*" else pc.divide, (left, right), at, measure)


def _remainder(a: Any, b: Any) -> Any:
    """With the sign of the dividend, as SQL has it."""
    return pc.subtract(a, pc.multiply(b, pc.trunc(pc.divide(a, b))))


def _modulo(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    _count(name, arguments, at, 2)
    _no_scale("a remainder", arguments)
    values, _, measure = same(name, _numbers(name, arguments))
    return _number(_remainder, values, at, measure)


def _power(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    _count(name, arguments, at, 2)
    base, exponent = _numbers(name, arguments)
    _no_scale("a power", (base, exponent))
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
    return _number(pc.power, (base, exponent), at, measure)


def _sqrt(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    _count(name, arguments, at, 1)
    (value,) = _numbers(name, arguments)
    _no_scale("a root", (value,))
    measure = value.measure.power(Fraction(1, 2)) if value.measure is not None else None
    return _number(pc.sqrt, (value,), at, measure)


def _keeps_unit(vector: _Vector) -> _Build:
    def build(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
        _count(name, arguments, at, 1)
        (value,) = _numbers(name, arguments)
        return _number(vector, (value,), at, value.measure)

    return build


def _bare(vector: _Vector, unit: str = "", count: int = 1) -> _Build:
    """A function of bare numbers, or of numbers in `unit`: exp, ln, sin."""

    def build(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
        _count(name, arguments, at, count)
        values = _numbers(name, arguments)
        target = Measure(((unit or "1", Fraction(1)),))
        given = [one if one.measure is None else converted(one, target) for one in values]
        return _number(vector, given, at)

    return build


def _round(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    _count(name, arguments, at, 1, 2)
    value, *rest = _numbers(name, arguments)
    digits = rest[0].constant if rest else 0.0
    if not isinstance(digits, float) or digits != int(digits) or abs(digits) > 15:
        raise InvalidExpression("round() takes a whole number of digits, from -15 to 15", position=at)
    return _number(
        lambda a: pc.round(a, ndigits=int(digits), round_mode="half_towards_infinity"), (value,), at, value.measure
    )


def _sign(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    _count(name, arguments, at, 1)
    values = _numbers(name, arguments)
    _no_scale("the sign", values)
    return _number(lambda a: pc.cast(pc.sign(a), pa.float64()), values, at)


def _extreme(vector: Callable[..., Any]) -> _Build:
    def build(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
        _count(name, arguments, at, 2, 100)
        values, _, measure = same(name, _numbers(name, arguments))
        return _number(lambda *given: vector(*given, skip_nulls=False), values, at, measure)

    return build


def _atan2(y: Any, x: Any) -> Any:
    return pc.atan2(y, x)


def _angle(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    _count(name, arguments, at, 2)
    values, _, _ = same(name, _numbers(name, arguments))
    return _number(_atan2, values, at)


# --- units ---------------------------------------------------------------------------------------------------------


def _code(name: str, value: Compiled) -> Measure | None:
    if not isinstance(value.constant, str):
        raise InvalidExpression(f"{name}() takes a unit as it is written: {name}(x, 'kW')", position=value.at)
    try:
        return Measure.of(value.constant)
    except GemelError as error:
        raise InvalidExpression(error.detail, position=value.at) from error


def _convert(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    _count(name, arguments, at, 2)
    (value,), target = _numbers(name, arguments[:1]), _code(name, arguments[1])
    if value.measure is None or target is None:
        raise InvalidExpression(
            "convert() takes a number with a unit to another unit; quantity(x, 'kW') gives a bare number a unit, "
            "value(x) takes it away",
            position=at,
        )
    return replace(converted(value, target), at=at, said="")


def _quantity(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    _count(name, arguments, at, 2)
    (value,), target = _numbers(name, arguments[:1]), _code(name, arguments[1])
    if value.measure is not None:
        raise InvalidExpression(f"{value.told} has a unit; use convert(x, '…') or value(x)", position=value.at)
    return replace(value, measure=target, at=at, said="")


def _value(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    _count(name, arguments, at, 1)
    return replace(_numbers(name, arguments)[0], measure=None, at=at, said="")


# --- comparison and logic ------------------------------------------------------------------------------------------


def _compare(vector: _Vector, *, ordered: bool = True) -> _Build:
    def build(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
        _count(name, arguments, at, 2)
        values, kind, _ = same(name, arguments)
        if kind is None or any(one.kind is None for one in arguments):
            raise InvalidExpression("NULL equals nothing, not even NULL; write x IS NULL", position=at)
        if ordered and kind is not Kind.NUMBER:
            raise InvalidExpression(f"{name} compares numbers, not {values[0].told}; use = or <>", position=at)
        _known_values(arguments)
        return Compiled(Kind.BOOLEAN, at, _ran(vector, values))

    return build


def _known_values(arguments: Sequence[Compiled]) -> None:
    """An enumeration is compared with one of its values only."""
    left, right = arguments
    for one, other in ((left, right), (right, left)):
        if one.values and isinstance(other.constant, str) and other.constant not in one.values:
            listed = ", ".join(one.values[:10])
            raise InvalidExpression(f"{one.said} is never {other.constant!r}, but {listed}", position=other.at)


def _is(vector: _Vector) -> _Build:
    """IS, IS DISTINCT FROM: equality that is never unknown."""

    def build(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
        values, kind, _ = same(name.upper(), arguments)
        if kind is None:
            raise InvalidExpression("both sides are NULL", position=at)
        _known_values(arguments)
        return Compiled(Kind.BOOLEAN, at, _ran(vector, values))

    return build


def _identical(a: Any, b: Any) -> Any:
    both = pc.and_(pc.is_null(a), pc.is_null(b))
    return pc.or_(both, pc.fill_null(pc.equal(a, b), False))


def _logic(vector: _Vector) -> _Build:
    def build(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
        values = [_typed(one.need(Kind.BOOLEAN, name.upper()), Kind.BOOLEAN) for one in arguments]
        runs = [one.run for one in values]

        def run(rows: Rows) -> Any:
            found = runs[0](rows)
            for other in runs[1:]:
                found = vector(found, other(rows))
            return found

        return Compiled(Kind.BOOLEAN, at, run)

    return build


def _not(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    _count(name, arguments, at, 1)
    value = _typed(arguments[0].need(Kind.BOOLEAN, "NOT"), Kind.BOOLEAN)
    return Compiled(Kind.BOOLEAN, at, _ran(pc.invert, (value,)))


def _null(vector: _Vector) -> _Build:
    def build(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
        _count(name, arguments, at, 1)
        return Compiled(Kind.BOOLEAN, at, _ran(vector, arguments))

    return build


# --- choice --------------------------------------------------------------------------------------------------------


def _coalesce(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    _count(name, arguments, at, 2, 100)
    values, kind, measure = same(name, arguments)
    return Compiled(kind, at, _ran(pc.coalesce, values), measure)


def _nullif(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    _count(name, arguments, at, 2)
    values, kind, measure = same(name, arguments)
    if kind is None:
        raise InvalidExpression("nullif() of NULL is NULL", position=at)
    nothing = pa.scalar(None, ARROW[kind])

    def vector(a: Any, b: Any) -> Any:
        return pc.if_else(pc.fill_null(pc.equal(a, b), False), nothing, a)

    return Compiled(kind, at, _ran(vector, values), measure)


def _case(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    conditions = [_typed(one.need(Kind.BOOLEAN, "WHEN"), Kind.BOOLEAN) for one in arguments[:-1:2]]
    values, kind, measure = same(name.upper(), [*arguments[1:-1:2], arguments[-1]])

    def run(rows: Rows) -> Any:
        found = values[-1].run(rows)
        for condition, value in zip(reversed(conditions), reversed(values[:-1]), strict=True):
            found = pc.if_else(pc.fill_null(condition.run(rows), False), value.run(rows), found)
        return found

    return Compiled(kind, at, run, measure)


# --- text ----------------------------------------------------------------------------------------------------------


def _text(vector: _Vector, kind: Kind = Kind.TEXT) -> _Build:
    def build(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
        _count(name, arguments, at, 1)
        value = _typed(arguments[0].need(Kind.TEXT, name), Kind.TEXT)
        return Compiled(kind, at, _ran(vector, (value,)))

    return build


def _match(vector: Callable[[Any, str], Any]) -> _Build:
    """A text against a pattern that is written out; none of them can take longer than the text is long."""

    def build(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
        _count(name, arguments, at, 2)
        value, pattern = arguments[0].need(Kind.TEXT, name), arguments[1].constant
        if not isinstance(pattern, str) or len(pattern) > 200:
            raise InvalidExpression(f"{name} takes a text as it is written, up to 200 characters", position=at)
        run = _typed(value, Kind.TEXT).run
        return Compiled(Kind.BOOLEAN, at, lambda rows: vector(run(rows), pattern))

    return build


def _like(text: Any, pattern: str) -> Any:
    return pc.match_like(text, pattern)


def _length(text: Any) -> Any:
    return pc.cast(pc.utf8_length(text), pa.float64())


OPERATIONS: dict[str, _Build] = {
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
    "convert": _convert,
    "quantity": _quantity,
    "value": _value,
    "=": _compare(pc.equal, ordered=False),
    "<>": _compare(pc.not_equal, ordered=False),
    "<": _compare(pc.less),
    "<=": _compare(pc.less_equal),
    ">": _compare(pc.greater),
    ">=": _compare(pc.greater_equal),
    "is": _is(_identical),
    "is distinct": _is(lambda a, b: pc.invert(_identical(a, b))),
    "and": _logic(pc.and_kleene),
    "or": _logic(pc.or_kleene),
    "not": _not,
    "is null": _null(pc.is_null),
    "is not null": _null(pc.is_valid),
    "coalesce": _coalesce,
    "nullif": _nullif,
    "case": _case,
    "lower": _text(pc.utf8_lower),
    "upper": _text(pc.utf8_upper),
    "trim": _text(pc.utf8_trim_whitespace),
    "length": _text(_length, Kind.NUMBER),
    "~~": _match(_like),
    "!~~": _match(lambda text, pattern: pc.invert(_like(text, pattern))),
    "starts_with": _match(lambda text, pattern: pc.starts_with(text, pattern)),
    "ends_with": _match(lambda text, pattern: pc.ends_with(text, pattern)),
    "contains": _match(lambda text, pattern: pc.match_substring(text, pattern)),
}
