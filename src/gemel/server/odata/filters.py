"""`$filter`: comparisons of columns with values, joined by and, or, not and parentheses. OData URLs 5.1.1."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gemel.clock import parse_time
from gemel.errors import GemelError, InvalidQuery
from gemel.server.odata.model import MOMENT, NUMBER, STRING, WHOLE, EntitySet

__all__ = ["Comparison", "Filter", "parse_filter"]

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<time>\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d))"
    r"|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<mark>[(),]))"
)
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_TEXT_FUNCTIONS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "startswith": str.startswith,
    "endswith": str.endswith,
}
_LONGEST, _MOST_TOKENS = 4000, 400
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One column against one value; times are microseconds since the epoch."""

    column: str
    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class Filter:
    """A parsed filter."""

    test: Callable[[Row], bool]
    """Whether a row fits. A comparison with null is false, but for `eq null` and `ne`."""
    all_of: tuple[Comparison, ...] | None
    """The comparisons that must all hold; None when the filter is not that simple."""


def parse_filter(text: str, of: EntitySet) -> Filter:
    """Raises InvalidQuery that says where, and what there is."""
    if not text.strip():
        return Filter(lambda _: True, ())
    if len(text) > _LONGEST:
        raise InvalidQuery(f"$filter has {len(text)} characters; at most {_LONGEST} are read")
    return _Parser(text, of).whole()


class _Parser:
    def __init__(self, text: str, of: EntitySet) -> None:
        self._text, self._set = text, of
        self._tokens = list(self._split())
        if len(self._tokens) > _MOST_TOKENS:
            raise InvalidQuery(f"$filter has {len(self._tokens)} parts; at most {_MOST_TOKENS} are read")
        self._at = 0

    def _split(self) -> Iterator[tuple[str, str]]:
        at, end = 0, len(self._text.rstrip())
        while at < end:
            found = _TOKEN.match(self._text, at)
            if found is None:
                raise InvalidQuery(f"$filter cannot be read at {self._text[at : at + 30]!r}")
            yield found.lastgroup or "", found[found.lastgroup or 0]
            at = found.end()

    def whole(self) -> Filter:
        parsed = self._either()
        if self._at < len(self._tokens):
            raise InvalidQuery(f"$filter goes on after its end, with {self._tokens[self._at][1]!r:.40}")
        return parsed

    def _either(self) -> Filter:
        parts = [self._both()]
        while self._taken("or"):
            parts.append(self._both())
        if len(parts) == 1:
            return parts[0]
        return Filter(lambda row: any(part.test(row) for part in parts), None)

    def _both(self) -> Filter:
        parts = [self._one()]
        while self._taken("and"):
            parts.append(self._one())
        if len(parts) == 1:
            return parts[0]
        simple = [part.all_of for part in parts if part.all_of is not None]
        joined = tuple(one for part in simple for one in part) if len(simple) == len(parts) else None
        return Filter(lambda row: all(part.test(row) for part in parts), joined)

    def _one(self) -> Filter:
        if self._taken("not"):
            inner = self._one()
            return Filter(lambda row: not inner.test(row), None)
        if self._taken("("):
            inner = self._either()
            self._expect(")")
            return inner
        kind, name = self._next()
        if kind == "word" and name in _TEXT_FUNCTIONS:
            return self._function(name)
        column = self._column(name)
        _, sign = self._next()
        if sign not in _OPERATORS:
            raise InvalidQuery(f"$filter has {sign!r:.40} after {name}; use eq, ne, gt, ge, lt or le")
        return _compared(Comparison(column, sign, self._value(column)))

    def _function(self, name: str) -> Filter:
        self._expect("(")
        column = self._column(self._next()[1])
        if self._set.columns[column] != STRING:
            raise InvalidQuery(f"{name} is for texts; {column} is none")
        self._expect(",")
        part = self._value(column)
        self._expect(")")
        test = _TEXT_FUNCTIONS[name]
        return Filter(lambda row: row[column] is not None and part is not None and test(row[column], part), None)

    def _column(self, name: str) -> str:
        if name not in self._set.columns:
            raise InvalidQuery(f"{self._set.name} has no column {name!r:.60}; it has {', '.join(self._set.columns)}")
        return name

    def _value(self, column: str) -> Any:
        kind, text = self._next()
        wanted = self._set.columns[column]
        if kind == "word" and text in ("null", "true", "false"):
            return {"null": None, "true": True, "false": False}[text]
        if kind == "text" and wanted == STRING:
            return text[1:-1].replace("''", "'")
        if kind == "number" and wanted in (NUMBER, WHOLE):
            return float(text) if wanted == NUMBER or not text.lstrip("-").isdigit() else int(text)
        if kind == "time" and wanted == MOMENT:
            try:
                return parse_time(text)
            except GemelError as error:
                raise InvalidQuery(f"$filter: {error.detail}") from None
        raise InvalidQuery(f"{column} is {wanted}; {text!r:.40} is no such value")

    def _next(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise InvalidQuery(f"$filter ends too early: {self._text!r:.100}")
        self._at += 1
        return self._tokens[self._at - 1]

    def _taken(self, text: str) -> bool:
        found = self._at < len(self._tokens) and self._tokens[self._at][1] == text
        self._at += found
        return found

    def _expect(self, text: str) -> None:
        if not self._taken(text):
            raise InvalidQuery(f"$filter lacks a {text} in {self._text!r:.100}")


def _compared(one: Comparison) -> Filter:
    test = _OPERATORS[one.operator]

    def fits(row: Row) -> bool:
        value = row[one.column]
        if one.value is None or value is None:
            return one.operator in ("eq", "ne") and test(value, one.value)
        return test(value, one.value)

    return Filter(fits, (one,))
