"""Choices between values of one kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gemel.errors import InvalidExpression
from gemel.expression.building import Build, expect, ran, same, typed
from gemel.expression.compiled import Compiled, Rows
from gemel.expression.quantity import ARROW, Kind

__all__ = ["CHOICE"]


def _coalesce(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    expect(name, arguments, at, 2, 100)
    values, kind, measure = same(name, arguments)
    return Compiled(kind, at, ran(pc.coalesce, values), measure)


def _nullif(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    expect(name, arguments, at, 2)
    values, kind, measure = same(name, arguments)
    if kind is None:
        raise InvalidExpression("nullif() of NULL is NULL", position=at)
    nothing = pa.scalar(None, ARROW[kind])

    def vector(a: Any, b: Any) -> Any:
        return pc.if_else(pc.fill_null(pc.equal(a, b), False), nothing, a)

    return Compiled(kind, at, ran(vector, values), measure)


def _case(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
    conditions = [typed(one.need(Kind.BOOLEAN, "WHEN"), Kind.BOOLEAN) for one in arguments[:-1:2]]
    values, kind, measure = same(name.upper(), [*arguments[1:-1:2], arguments[-1]])

    def run(rows: Rows) -> Any:
        found = values[-1].run(rows)
        for condition, value in zip(reversed(conditions), reversed(values[:-1]), strict=True):
            found = pc.if_else(pc.fill_null(condition.run(rows), False), value.run(rows), found)
        return found

    return Compiled(kind, at, run, measure)


CHOICE: dict[str, Build] = {
    "coalesce": _coalesce,
    "nullif": _nullif,
    "case": _case,
}
