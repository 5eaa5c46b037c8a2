"""Comparison, and three-valued logic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow.compute as pc

from gemel.errors import InvalidExpression
from gemel.expression.building import Build, Vector, expect, ran, same, typed
from gemel.expression.compiled import Compiled, Rows
from gemel.expression.quantity import Kind

__all__ = ["LOGIC"]


def _compare(vector: Vector, *, ordered: bool = True) -> Build:
    def build(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
        expect(name, arguments, at, 2)
        values, kind, _ = same(name, arguments)
        if kind is None or any(one.kind is None for one in arguments):
            raise InvalidExpression("NULL equals nothing, not even NULL; write x IS NULL", position=at)
        if ordered and kind is not Kind.NUMBER:
            raise InvalidExpression(f"{name} compares numbers, not {values[0].told}; use = or <>", position=at)
        _known_values(arguments)
        return Compiled(Kind.BOOLEAN, at, ran(vector, values))

    return build


def _known_values(arguments: Sequence[Compiled]) -> None:
    """An enumeration is compared with one of its values only."""
    left, right = arguments
    for one, other in ((left, right), (right, left)):
        if one.values and isinstance(other.constant, str) and other.constant not in one.values:
            listed = ", ".join(one.values[:10])
            raise InvalidExpression(f"{one.said} is never {other.constant!r}, but {listed}", position=other.at)


def _is(vector: Vector) -> Build:
    """IS, IS DISTINCT FROM: equality that is never unknown."""

    def build(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
        values, kind, _ = same(name.upper(), arguments)
        if kind is None:
            raise InvalidExpression("both sides are NULL", position=at)
        _known_values(arguments)
        return Compiled(Kind.BOOLEAN, at, ran(vector, values))

    return build


def _identical(a: Any, b: Any) -> Any:
    both = pc.and_(pc.is_null(a), pc.is_null(b))
    return pc.or_(both, pc.fill_null(pc.equal(a, b), False))


def _logic(vector: Vector) -> Build:
    def build(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
        values = [typed(one.need(Kind.BOOLEAN, name.upper()), Kind.BOOLEAN) for one in arguments]
        runs = [one.run for one in values]

        def run(rows: Rows) -> Any:
            found = runs[0](rows)
            for other in runs[1:]:
                found = vector(found, other(rows))
            return found

        return Compiled(Kind.BOOLEAN, at, run)

    return build


def _not(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    expect(name, arguments, at, 1)
    value = typed(arguments[0].need(Kind.BOOLEAN, "NOT"), Kind.BOOLEAN)
    return Compiled(Kind.BOOLEAN, at, ran(pc.invert, (value,)))


def _null(vector: Vector) -> Build:
    def build(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
        expect(name, arguments, at, 1)
        return Compiled(Kind.BOOLEAN, at, ran(vector, arguments))

    return build


LOGIC: dict[str, Build] = {
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
}
