"""Text to tree. DuckDB reads it, as it reads the queries of `State.sql`; only what is listed here may stand in it."""

from __future__ import annotations

import json
import re
import threading
from bisect import bisect_left
from collections.abc import Iterable
from functools import cache
from typing import Any

import duckdb

from gemel.errors import InvalidExpression
from gemel.expression.nodes import Aggregate, Call, Literal, Name, Node, walk

__all__ = ["AGGREGATES", "EVERYTHING_BELOW", "MAX_LENGTH", "PARTS", "parse"]

MAX_LENGTH = 4_000
"""Characters of an expression."""
MAX_NODES = 500
MAX_DEPTH = 100
MAX_PATH = 8
"""Names of a path: seven slots and a property."""

PARTS, EVERYTHING_BELOW = "parts", "all_parts"
"""Sets that every twin has: its direct parts, and what those are made of as well."""

AGGREGATES = {
    "sum": 1,
    "avg": 1,
    "min": 1,
    "max": 1,
    "count": 1,
    "weighted_avg": 2,
    "bool_and": 1,
    "bool_or": 1,
    "worst": 1,
}
"""Name → how many arguments."""

_COMPARISONS = {
    "COMPARE_EQUAL": "=",
    "COMPARE_NOTEQUAL": "<>",
    "COMPARE_LESSTHAN": "<",
    "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
}
_TOKENS = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--|/\*|\d[\d.]*(?:[eE][+-]?\d+)?|[A-Za-z_][A-Za-z0-9_]*(\s*\()?"""
)
_WORDS = frozenset(
    {
        *("and", "or", "not", "case", "when", "then", "else", "end", "is", "null", "between", "in", "like"),
        *("true", "false", "distinct", "from", "filter", "where"),
    }
)
"""All that SQL may mean by a word; every other one is a name, whatever SQL means by it: on, order, limit."""
_NO_WHERE = 2**64 - 1
_START = "SELECT "
_lock = threading.Lock()
_Tree = dict[str, Any]


@cache
def _duckdb() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"enable_external_access": "false", "threads": 1})


def parse(text: str) -> Node:
    """The tree of an expression. Raises InvalidExpression, with the position of what is not allowed."""
    if not text.strip():
        raise InvalidExpression("the expression is empty; write for example spindle.load > 80", position=1)
    if len(text) > MAX_LENGTH:
        raise InvalidExpression(f"the expression has {len(text)} characters, at most {MAX_LENGTH} are allowed")
    if "\0" in text or (not text.isprintable() and any(not c.isprintable() and c not in "\t\r\n" for c in text)):
        raise InvalidExpression("the expression holds characters that cannot be printed")
    if _nesting(text) > MAX_DEPTH:
        raise InvalidExpression(f"more than {MAX_DEPTH} parentheses within each other; make it of several properties")
    quoted, added = _quoted(text)
    try:
        with _lock:
            row = _duckdb().execute("SELECT json_serialize_sql(?)", [_START + quoted]).fetchone()
        tree = json.loads(row[0] if row else "{}")
    except (duckdb.Error, RecursionError, UnicodeEncodeError) as error:
        raise InvalidExpression("the expression is nested too deeply to be read") from error
    reader = _Reader(quoted, added)
    if tree.get("error"):
        raise reader.syntax(tree)
    statements = tree["statements"]
    if len(statements) != 1:
        raise InvalidExpression("one expression at a time; leave the semicolon out")
    return reader.whole(statements[0]["node"])


def _quoted(text: str) -> tuple[str, list[int]]:
    """The text with its names in double quotes, and the characters (from 0, of the new text) that this added."""
    made, added, done, length = [], [], 0, 0
    for token in _TOKENS.finditer(text):
        word = token.group()
        if word.startswith(("--", "/*")):
            raise InvalidExpression(
                "an expression has no comments; say it in the description", position=token.start() + 1
            )
        if not (word[0].isalpha() or word[0] == "_") or token.group(1) or word.lower() in _WORDS:
            continue
        before = text[done : token.start()]
        length += len(before)
        made += [before, '"', word, '"']
        added += [length, length + len(word) + 1]
        length += len(word) + 2
        done = token.end()
    return "".join([*made, text[done:]]), added


def _nesting(text: str) -> int:
    most = depth = 0
    for character in text:
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(character, 0)
        most = max(most, depth)
    return most


class _Reader:
    """DuckDB's tree to ours; refuses what is not part of the language."""

    def __init__(self, text: str, added: list[int]) -> None:
        self.encoded, self.added = text.encode(), added
        self.nodes = 0
        self.depth = 0

    def place(self, tree: _Tree) -> int:
        """The place of a node in the text; of its first child that has one, if it has none."""
        where = tree.get("query_location", _NO_WHERE)
        if where != _NO_WHERE:
            return self.characters(where)
        found = [self.place(child) for child in _children(tree)]
        return min((at for at in found if at), default=0)

    def characters(self, where: int) -> int:
        before = len(self.encoded[: max(0, where - len(_START))].decode(errors="ignore"))
        return before - bisect_left(self.added, before) + 1

    def syntax(self, tree: _Tree) -> InvalidExpression:
        said = str(tree.get("error_message", "")).partition("\n")[0]
        if "depth limit" in said:
            return InvalidExpression(f"nested more than {MAX_DEPTH} deep; make it of several properties")
        if tree.get("error_type") != "parser":
            return InvalidExpression("only an expression is allowed here, no statement")
        position = self.characters(int(tree["position"])) if str(tree.get("position", "")).isdigit() else 0
        return InvalidExpression(said.replace('""', '"')[:200], position=position)

    def whole(self, query: _Tree) -> Node:
        listed = query.get("select_list", ())
        extra = ("where_clause", "having", "qualify", "sample", "group_expressions", "group_sets", "modifiers")
        if (
            query.get("type") != "SELECT_NODE"
            or query["from_table"]["type"] != "EMPTY"
            or any(query.get(name) for name in extra)
            or query["cte_map"]["map"]
        ):
            raise InvalidExpression("an expression has no FROM, WHERE, GROUP BY, ORDER BY or WITH")
        if len(listed) != 1:
            raise InvalidExpression("one expression at a time; leave the comma out")
        return self.node(listed[0])

    def refused(self, what: str, at: int) -> InvalidExpression:
        return InvalidExpression(f"{what} is not part of the expression language", position=at)

    def node(self, tree: _Tree) -> Node:
        at = self.place(tree)
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise InvalidExpression(f"more than {MAX_NODES} operations and names; make it of several properties")
        if tree.get("alias"):
            raise InvalidExpression("an expression has no alias (AS …)", position=at)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise InvalidExpression(f"nested more than {MAX_DEPTH} deep; make it of several properties", position=at)
        read = _READERS.get(tree["class"])
        if read is None:
            raise self.refused(tree["class"].replace("_", " ").lower(), at)
        found = read(self, tree, at)
        self.depth -= 1
        return found

    def nodes_of(self, trees: Iterable[_Tree]) -> tuple[Node, ...]:
        return tuple(self.node(tree) for tree in trees)

    def constant(self, tree: _Tree, at: int) -> Node:
        told = tree["value"]
        kind, value = told["type"]["id"], told.get("value")
        if told.get("is_null"):
            return Literal(at, None)
        if kind in ("INTEGER", "BIGINT", "DOUBLE", "FLOAT"):
            number = float(value or 0)
            if number - number != 0:
                raise InvalidExpression("this number is too large", position=at)
            return Literal(at, number)
        if kind == "DECIMAL":
            return Literal(at, float(value or 0) / 10 ** told["type"]["type_info"]["scale"])
        if kind == "VARCHAR":
            return Literal(at, str(value or ""))
        if kind == "BOOLEAN":
            return Literal(at, bool(value))
        raise self.refused(f"a constant of type {kind}", at)

    def cast(self, tree: _Tree, at: int) -> Node:
        """`true` and `false` come as casts of 't' and 'f'."""
        child, to = tree["child"], tree["cast_type"]["id"]
        if to == "BOOLEAN" and child["class"] == "CONSTANT" and child["value"].get("value") in ("t", "f"):
            return Literal(at, child["value"]["value"] == "t")
        raise self.refused("a cast", at)

    def name(self, tree: _Tree, at: int) -> Node:
        path = tuple(tree["column_names"])
        if len(path) > MAX_PATH:
            raise InvalidExpression(f"a path of {len(path)} names; at most {MAX_PATH}", position=at)
        return Name(at, path)

    def comparison(self, tree: _Tree, at: int) -> Node:
        name, left, right = tree["type"], tree["left"], tree["right"]
        if name in _COMPARISONS:
            return Call(at, _COMPARISONS[name], self.nodes_of((left, right)))
        if name in ("COMPARE_DISTINCT_FROM", "COMPARE_NOT_DISTINCT_FROM"):
            if left["class"] == "CAST":  # x IS TRUE
                left = left["child"]
            return Call(at, "is distinct" if name == "COMPARE_DISTINCT_FROM" else "is", self.nodes_of((left, right)))
        raise self.refused(name.replace("_", " ").lower(), at)

    def conjunction(self, tree: _Tree, at: int) -> Node:
        return Call(at, "and" if tree["type"] == "CONJUNCTION_AND" else "or", self.nodes_of(tree["children"]))

    def between(self, tree: _Tree, at: int) -> Node:
        value, low, high = self.nodes_of((tree["input"], tree["lower"], tree["upper"]))
        return Call(at, "and", (Call(at, ">=", (value, low)), Call(at, "<=", (value, high))))

    def case(self, tree: _Tree, at: int) -> Node:
        parts: list[_Tree] = []
        for check in tree["case_checks"]:
            parts += [check["when_expr"], check["then_expr"]]
        return Call(at, "case", self.nodes_of([*parts, tree["else_expr"]]))

    def operator(self, tree: _Tree, at: int) -> Node:
        kind, children = tree["type"], self.nodes_of(tree["children"])
        if kind in ("COMPARE_IN", "COMPARE_NOT_IN"):
            found: Node = Call(at, "or", tuple(Call(one.at, "=", (children[0], one)) for one in children[1:]))
            return found if kind == "COMPARE_IN" else Call(at, "not", (found,))
        names = {
            "OPERATOR_NOT": "not",
            "OPERATOR_IS_NULL": "is null",
            "OPERATOR_IS_NOT_NULL": "is not null",
            "OPERATOR_COALESCE": "coalesce",
        }
        if kind not in names:
            raise self.refused(kind.replace("_", " ").lower(), at)
        return Call(at, names[kind], children)

    def function(self, tree: _Tree, at: int) -> Node:
        name = tree["function_name"].lower()
        if tree.get("schema") not in ("", "main", None) or tree.get("catalog"):  # trim is main.trim
            raise self.refused("a function of a schema", at)
        if tree.get("distinct") or tree["order_bys"]["orders"]:
            raise self.refused("DISTINCT or ORDER BY within a function", at)
        wanted = AGGREGATES.get(name)
        if wanted is None:
            if tree.get("filter"):
                raise InvalidExpression(f"FILTER belongs to an aggregate; {name} is none", position=at)
            return Call(at, name, self.nodes_of(tree["children"]))
        arguments = self.nodes_of(tree["children"])
        if len(arguments) != wanted:
            hint = "; of several values of one twin: least, greatest" if name in ("min", "max") else ""
            raise InvalidExpression(f"{name}() takes {wanted} argument(s), not {len(arguments)}{hint}", position=at)
        condition = self.node(tree["filter"]) if tree.get("filter") else None
        return self.aggregate(name, arguments, condition, at)

    def aggregate(self, name: str, arguments: tuple[Node, ...], condition: Node | None, at: int) -> Node:
        if name == "count" and isinstance(arguments[0], Name) and len(arguments[0].path) == 1:
            members: tuple[str, ...] = arguments[0].path
            arguments = ()  # count(parts): them, not a value of theirs
        else:
            members = self.members(name, arguments, at)
        if condition is not None and any(isinstance(one, Name) and one.path[:-1] != members for one in walk(condition)):
            self.members(name, (*arguments, condition), at)
        for one in (*arguments, *((condition,) if condition else ())):
            if any(isinstance(inner, Aggregate) for inner in walk(one)):
                raise InvalidExpression("an aggregate within an aggregate; make it a property of the part", position=at)
        return Aggregate(at, name, members, arguments, condition)

    def members(self, name: str, within: tuple[Node, ...], at: int) -> tuple[str, ...]:
        """The one set that all names within an aggregate belong to."""
        names = [one for top in within for one in walk(top) if isinstance(one, Name)]
        for one in names:
            if len(one.path) == 1:
                raise InvalidExpression(
                    f"{name}() is of parts: write {name}(parts.{one.text}), or {name}(slot.{one.text})", position=one.at
                )
        sets = {one.path[:-1] for one in names}
        if len(sets) > 1:
            told = " and ".join(sorted(".".join(one) for one in sets))
            raise InvalidExpression(f"{name}() goes over one set of parts, not over {told}", position=at)
        if not sets:
            raise InvalidExpression(f"{name}() needs a value of parts: {name}(parts.power)", position=at)
        return sets.pop()


_READERS = {
    "CONSTANT": _Reader.constant,
    "CAST": _Reader.cast,
    "COLUMN_REF": _Reader.name,
    "COMPARISON": _Reader.comparison,
    "CONJUNCTION": _Reader.conjunction,
    "BETWEEN": _Reader.between,
    "CASE": _Reader.case,
    "OPERATOR": _Reader.operator,
    "FUNCTION": _Reader.function,
}


def _children(tree: _Tree) -> Iterable[_Tree]:
    for value in tree.values():
        if isinstance(value, dict) and "class" in value:
            yield value
        elif isinstance(value, list):
            for one in value:
                if isinstance(one, dict):
                    yield from (
                        (one,) if "class" in one else (v for v in one.values() if isinstance(v, dict) and "class" in v)
                    )
