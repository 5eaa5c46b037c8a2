"""Functions of texts; none of them can take longer than the text is long."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gemel.errors import InvalidExpression
from gemel.expression.building import Build, Vector, expect, ran, typed
from gemel.expression.compiled import Compiled
from gemel.expression.quantity import Kind

__all__ = ["TEXTS"]


def _text(vector: Vector, kind: Kind = Kind.TEXT) -> Build:
    def build(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
        expect(name, arguments, at, 1)
        value = typed(arguments[0].need(Kind.TEXT, name), Kind.TEXT)
        return Compiled(kind, at, ran(vector, (value,)))

    return build


def _match(vector: Callable[[Any, str], Any]) -> Build:
    """A text against a pattern that is written out; none of them can take longer than the text is long."""

    def build(name: str, arguments: Sequence[Compiled], at: int) -> Compiled:
        expect(name, arguments, at, 2)
        value, pattern = arguments[0].need(Kind.TEXT, name), arguments[1].constant
        if not isinstance(pattern, str) or len(pattern) > 200:
            raise InvalidExpression(f"{name} takes a text as it is written, up to 200 characters", position=at)
        run = typed(value, Kind.TEXT).run
        return Compiled(Kind.BOOLEAN, at, lambda rows: vector(run(rows), pattern))

    return build


def _like(text: Any, pattern: str) -> Any:
    return pc.match_like(text, pattern)


def _length(text: Any) -> Any:
    return pc.cast(pc.utf8_length(text), pa.float64())


TEXTS: dict[str, Build] = {
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
