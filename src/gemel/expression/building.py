"""What all operations are built with: checks of their arguments, and how they are run.

Unknown (NULL) goes through everything, except where three-valued logic knows better: `false AND unknown` is false.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gemel.errors import GemelError, InvalidExpression
from gemel.expression.compiled import Compiled, Rows, finite
from gemel.expression.measure import Measure, factor
from gemel.expression.quantity import ARROW, Kind

__all__ = ["Build", "Vector", "converted", "expect", "number", "numbers", "ran", "refuse_scale", "same", "typed"]

Build = Callable[[str, Sequence[Compiled], int], Compiled]
Vector = Callable[..., Any]


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
        return [typed(one, kind) for one in arguments], kind, None
    return [converted(typed(one, kind), measure) for one in arguments], kind, measure


def typed(value: Compiled, kind: Kind) -> Compiled:
    """NULL as it is written has a type of its own in Arrow."""
    if value.kind is not None:
        return value
    nothing = pa.scalar(None, ARROW[kind])
    return replace(value, kind=kind, run=lambda _: nothing)


def expect(name: str, arguments: Sequence[Compiled], at: int, least: int, most: int | None = None) -> None:
    most = least if most is None else most
    if not least <= len(arguments) <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        raise InvalidExpression(f"{name} takes {wanted} argument(s), not {len(arguments)}", position=at)


def numbers(name: str, arguments: Sequence[Compiled]) -> list[Compiled]:
    return [typed(one.need(Kind.NUMBER, name), Kind.NUMBER) for one in arguments]


def ran(vector: Vector, arguments: Sequence[Compiled]) -> Callable[[Rows], Any]:
    runs = [one.run for one in arguments]
    return lambda rows: vector(*(run(rows) for run in runs))


def number(vector: Vector, arguments: Sequence[Compiled], at: int, measure: Measure | None = None) -> Compiled:
    run = ran(vector, arguments)
    return Compiled(Kind.NUMBER, at, lambda rows: finite(run(rows)), measure)


def refuse_scale(name: str, arguments: Sequence[Compiled]) -> None:
    for one in arguments:
        if one.measure is not None and one.measure.is_scale:
            code = one.measure.code
            raise InvalidExpression(
                f"{name} of a reading in {code}, whose 0 is not nothing; write convert({one.said or 'x'}, 'K'), "
                f"or value({one.said or 'x'}) for the bare number",
                position=one.at,
            )
