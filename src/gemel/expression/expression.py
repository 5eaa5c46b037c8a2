"""An expression: read once, checked against what its names mean, run over many rows or one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gemel.errors import GemelError, InvalidExpression
from gemel.expression.building import converted
from gemel.expression.compiled import Compiled, Parts, Rows, finite
from gemel.expression.grouping import Over, aggregated
from gemel.expression.measure import Measure
from gemel.expression.nodes import Aggregate, Call, Literal, Name, Node, walk
from gemel.expression.operations import OPERATIONS
from gemel.expression.parsing import AGGREGATES, EVERYTHING_BELOW, PARTS, parse
from gemel.expression.quantity import ARROW, Kind, Quantity

__all__ = ["Expression", "Formula", "Input", "Members", "meant"]

_ABOUT = ("fresh", "quality", "age")
"""Functions of a name, not of its value."""
_FUNCTIONS = (*OPERATIONS, *AGGREGATES, *_ABOUT, "is_a")


@dataclass(frozen=True, slots=True)
class Input:
    """A property that an expression reads, of the twin itself or of a component."""

    path: tuple[str, ...]
    """Slots, then the property's name."""
    about: frozenset[str] = frozenset()
    """What is asked of it besides its value: fresh, quality, age."""
    at: int = 0
    """Where it is first named, in characters from 1."""

    @property
    def name(self) -> str:
        """As it is written: spindle.load. Also the name of its column."""
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Members:
    """A set of parts that an expression goes over, and what it reads of each."""

    path: tuple[str, ...]
    """("parts",), ("all_parts",), or slots."""
    inputs: tuple[Input, ...]
    """Their paths are of one name each: a property of the part."""
    types: tuple[str, ...] = ()
    """Types that are asked for with is_a; a boolean column `is_a <type>` each."""
    at: int = 0

    @property
    def name(self) -> str:
        return ".".join(self.path)


class Expression:
    """What is written, as a tree. Immutable, hashable by its text."""

    def __init__(self, text: str) -> None:
        """Raises InvalidExpression."""
        self.text = text
        self._tree = parse(text)
        _check_functions(self._tree)
        self.inputs: tuple[Input, ...] = _inputs(_names(self._tree))
        self.members: tuple[Members, ...] = _members(self._tree)
        for one in self.inputs:
            if one.path[0] in (PARTS, EVERYTHING_BELOW):
                raise InvalidExpression(
                    f"{one.name} are many; say what of them: sum({one.name}), avg({one.name}) …", position=one.at
                )

    @staticmethod
    @lru_cache(maxsize=4096)
    def parse(text: str) -> Expression:
        """The expression of a text; the same one for the same text. Raises InvalidExpression, with `position`."""
        return Expression(text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def check(
        self,
        quantities: Mapping[str, Quantity],
        members: Mapping[str, Mapping[str, Quantity]] | None = None,
        *,
        result: Quantity | None = None,
    ) -> Formula:
        """Check it against what its names mean, and make it ready to run.

        quantities: by `Input.name`; members: by `Members.name`, what the parts' properties are, by name; result: what
        it must give, so that the answer is told in its unit. Names that are there and not used are suggestions for
        ones that are not. Raises InvalidExpression, with `position`.
        """
        compiled = _Compiler(quantities, members or {}).compile(self._tree)
        if result is not None:
            compiled = _fitted(compiled, result)
        if compiled.kind is None:
            raise InvalidExpression("this is never known", position=compiled.at)
        try:
            unit = compiled.measure.code if compiled.measure is not None else ""
        except GemelError as error:
            raise InvalidExpression(error.detail, position=compiled.at) from error
        own = {one.name: quantities[one.name] for one in self.inputs}
        return Formula(self, Quantity(compiled.kind, unit), own, members or {}, compiled)


@dataclass(frozen=True, slots=True, eq=False)
class Formula:
    """A checked expression. The same answers for one row, for a million, and for the past."""

    expression: Expression
    result: Quantity
    quantities: Mapping[str, Quantity]
    """What each input is, by its name."""
    members: Mapping[str, Mapping[str, Quantity]]
    """What the parts' inputs are, by the set's name and their own."""
    _compiled: Compiled

    def evaluate(
        self,
        table: pa.Table,
        parts: Mapping[str, Parts] | None = None,
        *,
        moment: pa.Array | int | None = None,
    ) -> pa.Array:
        """n values: float64, bool or string; null where unknown.

        table: n rows; a column for each input by its name (number or boolean or text; null: missing, stale or bad),
        and where `Input.about` asks: `<name>__fresh` (boolean), `<name>__quality` (text), `<name>__time` (int64, µs).
        parts: by `Members.name`. moment: as of when `age` counts, µs since the epoch; one or int64[n].
        """
        as_of = pa.scalar(moment, pa.int64()) if isinstance(moment, int) else moment
        found = self._compiled.run(Rows(table, parts or {}, as_of))
        if isinstance(found, pa.Scalar):
            found = pa.repeat(found, table.num_rows)
        return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found

    def one(
        self,
        values: Mapping[str, Any],
        parts: Mapping[str, Parts] | None = None,
        *,
        moment: int | None = None,
    ) -> float | bool | str | None:
        """Of one row; `values`: by the names of columns that `evaluate` takes, one that is left out is unknown."""
        columns = {}
        for one in self.expression.inputs:
            columns[one.name] = pa.array([values.get(one.name)])
            for what in one.about:
                suffix = f"{one.name}__{'time' if what == 'age' else what}"
                columns[suffix] = pa.array([values.get(suffix)], _ABOUT_TYPES[what])
        table = pa.table(columns) if columns else pa.table({"": pa.nulls(1)})
        found: float | bool | str | None = self.evaluate(table, parts, moment=moment)[0].as_py()
        return found


_ABOUT_TYPES = {"fresh": pa.bool_(), "quality": pa.string(), "age": pa.int64()}


def _fitted(compiled: Compiled, wanted: Quantity) -> Compiled:
    """Told in the kind and unit that are wanted."""
    if compiled.kind is None:
        return compiled
    if compiled.kind is not wanted.kind:
        raise InvalidExpression(f"the expression gives {compiled.told}, not a {wanted.kind}", position=compiled.at)
    if compiled.measure is None:
        return compiled
    if not wanted.unit:
        code = compiled.measure.code
        raise InvalidExpression(
            f"the expression gives a number in {code}; declare unit: {code}, or write value(…)", position=compiled.at
        )
    return converted(compiled, Measure.of(wanted.unit) or Measure((("1", Fraction(1)),)))


def _check_functions(tree: Node) -> None:
    for node in walk(tree):
        if isinstance(node, Aggregate):
            for one in (*node.arguments, *((node.condition,) if node.condition is not None else ())):
                _check_functions(one)
        elif isinstance(node, Call) and node.name not in _FUNCTIONS:
            near = difflib.get_close_matches(node.name, _FUNCTIONS, n=1)
            told = f"; did you mean {near[0]}?" if near else ""
            raise InvalidExpression(f"there is no function {node.name:.60}(){told}", position=node.at)


def _names(node: Node) -> Iterable[tuple[Name, str]]:
    """The names outside of aggregates, each with what is asked of it ("": its value)."""
    if isinstance(node, Name):
        yield node, ""
    elif isinstance(node, Call):
        if node.name in _ABOUT:
            if len(node.arguments) != 1 or not isinstance(node.arguments[0], Name):
                raise InvalidExpression(f"{node.name}() takes the name of a property", position=node.at)
            yield node.arguments[0], node.name
            return
        for argument in node.arguments:
            yield from _names(argument)


def _inputs(named: Iterable[tuple[Name, str]]) -> tuple[Input, ...]:
    found: dict[tuple[str, ...], Input] = {}
    for name, asked in named:
        known = found.setdefault(name.path, Input(name.path, at=name.at))
        if asked:
            found[name.path] = replace(known, about=known.about | {asked})
    return tuple(found.values())


def _members(tree: Node) -> tuple[Members, ...]:
    found: dict[tuple[str, ...], Members] = {}
    for node in walk(tree):
        if not isinstance(node, Aggregate):
            continue
        within = [*node.arguments, *((node.condition,) if node.condition is not None else ())]
        inputs = _inputs((_last(name), asked) for one in within for name, asked in _names(one))
        types = [
            _asked_type(one) for top in within for one in walk(top) if isinstance(one, Call) and one.name == "is_a"
        ]
        known = found.get(node.members, Members(node.members, (), at=node.at))
        merged = {one.path: one for one in known.inputs}
        for one in inputs:
            before = merged.get(one.path, one)
            merged[one.path] = replace(before, about=before.about | one.about)
        found[node.members] = replace(
            known, inputs=tuple(merged.values()), types=tuple(dict.fromkeys([*known.types, *types]))
        )
    return tuple(found.values())


def _last(name: Name) -> Name:
    return replace(name, path=name.path[-1:])


def _asked_type(call: Call) -> str:
    if (
        len(call.arguments) != 1
        or not isinstance(call.arguments[0], Literal)
        or not isinstance(call.arguments[0].value, str)
    ):
        raise InvalidExpression("is_a() takes the id of a type: is_a('press')", position=call.at)
    return call.arguments[0].value


class _Compiler:
    def __init__(
        self, quantities: Mapping[str, Quantity], members: Mapping[str, Mapping[str, Quantity]], *, within: str = ""
    ) -> None:
        self.quantities, self.members = quantities, members
        self.within = within
        """The set whose parts' rows this is for; empty: the twins' own."""

    def compile(self, node: Node) -> Compiled:
        if isinstance(node, Literal):
            return _literal(node)
        if isinstance(node, Name):
            return self.name(node)
        if isinstance(node, Aggregate):
            return self.aggregate(node)
        assert isinstance(node, Call)
        if node.name in _ABOUT:
            return self.about(node)
        if node.name == "is_a":
            return self.is_a(node)
        return OPERATIONS[node.name](node.name, [self.compile(one) for one in node.arguments], node.at)

    def quantity(self, name: Name) -> tuple[str, Quantity]:
        """(column, what it is)."""
        column = name.path[-1] if self.within else name.text
        found = self.quantities.get(column)
        if found is None:
            where = f" of {self.within}" if self.within else ""
            raise InvalidExpression(
                f"there is no {column!r:.80}{where}{meant(column, self.quantities)}", position=name.at
            )
        return column, found

    def name(self, node: Name) -> Compiled:
        column, quantity = self.quantity(node)
        target = ARROW[quantity.kind]

        def run(rows: Rows) -> Any:
            values = rows.column(column)
            values = values if values.type == target else pc.cast(values, target, safe=False)
            return finite(values) if quantity.kind is Kind.NUMBER else values

        try:
            measure = Measure.of(quantity.unit)
        except GemelError as error:
            raise InvalidExpression(error.detail, position=node.at) from error
        return Compiled(quantity.kind, node.at, run, measure, values=quantity.values, said=node.text)

    def about(self, node: Call) -> Compiled:
        name = node.arguments[0]
        assert isinstance(name, Name)
        column, _ = self.quantity(name)
        if node.name == "fresh":
            return Compiled(Kind.BOOLEAN, node.at, lambda rows: pc.fill_null(rows.column(f"{column}__fresh"), False))
        if node.name == "quality":
            return Compiled(
                Kind.TEXT,
                node.at,
                lambda rows: pc.fill_null(rows.column(f"{column}__quality"), "unavailable"),
                values=("good", "uncertain", "bad", "unavailable"),
                said=f"quality({name.text})",
            )
        if self.within:
            raise InvalidExpression(
                "age() is of the twin itself or of one component, not of many parts", position=node.at
            )

        def age(rows: Rows) -> Any:
            if rows.moment is None:
                raise InvalidExpression("age() needs a moment as of which it counts")
            past = pc.subtract(rows.moment, rows.column(f"{column}__time"))
            return pc.divide(pc.cast(past, pa.float64()), 1e6)

        return Compiled(Kind.NUMBER, node.at, age, Measure.of("s"), said=f"age({name.text})")

    def is_a(self, node: Call) -> Compiled:
        if not self.within:
            raise InvalidExpression("is_a() stands in the FILTER of an aggregate over parts", position=node.at)
        column = f"is_a {_asked_type(node)}"
        return Compiled(Kind.BOOLEAN, node.at, lambda rows: rows.column(column))

    def aggregate(self, node: Aggregate) -> Compiled:
        name = ".".join(node.members)
        if self.within:
            raise InvalidExpression("an aggregate within an aggregate", position=node.at)
        if name not in self.members:
            raise InvalidExpression(f"there is no slot {name!r:.80}{meant(name, self.members)}", position=node.at)
        inner = _Compiler(self.members[name], {}, within=name)
        arguments = [inner.compile(one) for one in node.arguments]
        condition = inner.compile(node.condition) if node.condition is not None else None
        within = (*node.arguments, *((node.condition,) if node.condition is not None else ()))
        named = {one.path[-1] for top in within for one, _ in _names(top)}
        return aggregated(node.name, Over(name, frozenset(named)), arguments, condition, node.at)


def _literal(node: Literal) -> Compiled:
    value = node.value
    if value is None:
        nothing = pa.scalar(None)
        return Compiled(None, node.at, lambda _: nothing)
    kind = Kind.BOOLEAN if isinstance(value, bool) else Kind.TEXT if isinstance(value, str) else Kind.NUMBER
    told = pa.scalar(value, ARROW[kind])
    return Compiled(kind, node.at, lambda _: told, constant=value)


def meant(given: str, known: Iterable[str]) -> str:
    """The likeliest intent, and else what there is."""
    names: Sequence[str] = list(known)
    close = difflib.get_close_matches(given, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; there are {', '.join(names[:10])}{' …' if len(names) > 10 else ''}" if names else ""
