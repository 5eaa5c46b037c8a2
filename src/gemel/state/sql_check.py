"""Which SQL users may write: one SELECT over named views with harmless functions. Everything else is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from gemel.errors import InvalidQuery
from gemel.state.sql_functions import FUNCTIONS, TABLE_FUNCTIONS
from gemel.state.sql_size import bounded, capped, check_cast, check_range

__all__ = ["Checked", "check"]

_Node = dict[str, Any]
_Name = tuple[str, str]
"""(schema, table) as written."""

MOST_TOLD = 30
"""Names of views that a refusal tells."""

_EXPRESSIONS = frozenset(
    {
        *("BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION"),
        *("LAMBDA", "LAMBDA_REF", "OPERATOR", "POSITIONAL_REFERENCE", "STAR", "SUBQUERY", "WINDOW"),
    }
)
_QUERIES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE"})
_RELATIONS = frozenset({"BASE_TABLE", "SUBQUERY", "JOIN", "EXPRESSION_LIST", "EMPTY", "TABLE_FUNCTION"})


@dataclass(slots=True)
class Checked:
    """A query that may run, as DuckDB's own tree; `views` says what it reads and what the tree calls it now."""

    tree: _Node
    views: dict[_Name, str] = field(default_factory=dict)
    columns: set[str] = field(default_factory=set)
    """Lower-case names that occur; views need no other columns, unless `every_column`."""
    every_column: bool = False


def check(
    text: str,
    parse: Callable[[str], str],
    known: Callable[[str, str], bool],
    *,
    limit: int,
    views: Callable[[], Iterable[str]] = tuple,
) -> Checked:
    """The query made safe, with at most `limit` rows.

    `parse`: DuckDB's json_serialize_sql; `known(schema, table)`: whether that is the name of a view;
    `views`: their names, to tell of them. Raises InvalidQuery, with what is not allowed.
    """
    parsed = json.loads(parse(text))
    if parsed.get("error"):
        if parsed.get("error_type") == "parser":
            raise InvalidQuery(f"the query cannot be read: {parsed.get('error_message', '')!s:.500}")
        raise InvalidQuery(f"only a SELECT is allowed here{_told(views())}")
    statements = parsed["statements"]
    if len(statements) != 1:
        raise InvalidQuery(f"one SELECT at a time, not {len(statements)} statements")
    checked = Checked(parsed)
    walk = _Walk(checked, known, views)
    walk.query(statements[0]["node"], frozenset())
    bounded(statements[0]["node"])
    checked.every_column |= bool(checked.columns & walk.relations)
    _bound(statements[0]["node"], limit)
    return checked


class _Walk:
    """Goes through the whole tree, with the names of common table expressions that are in scope."""

    def __init__(
        self, checked: Checked, known: Callable[[str, str], bool], views: Callable[[], Iterable[str]] = tuple
    ) -> None:
        self.checked = checked
        self.views = views
        self.known = known
        self.relations: set[str] = set()  # their names and aliases: as a column, such a name is the whole row
        self.in_lambda = False
        self.source: _Node | None = None  # the table function that the walk is about to enter

    def query(self, node: _Node, scope: frozenset[str]) -> None:
        if node.get("type") == "RECURSIVE_CTE_NODE":
            raise InvalidQuery("WITH RECURSIVE is not allowed here: nothing says where it ends")
        if node.get("type") not in _QUERIES:
            raise InvalidQuery(f"{_said(node)} is not allowed here")
        self.sample(node)
        named = {i: one["function_name"] for i, one in enumerate(node.get("select_list", ())) if "function_name" in one}
        for entry in node["cte_map"]["map"]:
            self.children(entry["value"], scope)  # sees those before it, and not itself
            scope |= {entry["key"].lower()}
        self.children({name: value for name, value in node.items() if name != "cte_map"}, scope)
        for i, name in named.items():
            one = node["select_list"][i]
            if "function_name" not in one:  # it is capped now, which nobody wants to read in the column's name
                one["alias"] = one["alias"] or name

    def children(self, node: _Node, scope: frozenset[str]) -> None:
        for name, value in node.items():
            if name == "query" and isinstance(value, dict) and "node" in value:
                self.query(value["node"], scope)
            else:
                self.any(value, scope)

    def any(self, value: Any, scope: frozenset[str]) -> None:
        if isinstance(value, list):
            for one in value:
                self.any(one, scope)
        elif isinstance(value, dict):
            self.node(value, scope)

    def node(self, node: _Node, scope: frozenset[str]) -> None:
        if "class" in node:
            self.expression(node)
        elif node.get("type") in _QUERIES:
            self.query(node, scope)
            return
        elif "sample" in node and "alias" in node:
            self.relation(node, scope)
        if node.get("class") == "CONSTANT":
            return
        before, self.in_lambda = self.in_lambda, self.in_lambda or node.get("class") == "LAMBDA"
        self.children(node, scope)
        self.in_lambda = before
        if "function_name" in node and "class" in node:
            capped(node)

    def expression(self, node: _Node) -> None:
        kind = node["class"]
        if kind not in _EXPRESSIONS:
            raise InvalidQuery(f"{_said(node)} is not allowed here")
        if kind == "CAST":
            check_cast(node)
        elif kind == "LAMBDA":
            if self.in_lambda:
                raise InvalidQuery("a lambda within a lambda is not allowed here")
        elif kind == "STAR":
            self.checked.every_column = True
        elif kind == "COLUMN_REF":
            names = node["column_names"]
            if len(names) > 2 and self.known(names[0], names[1]):
                del names[0]  # the schema: the view has an alias without it
            self.checked.columns.update(name.lower() for name in names)
        if "function_name" in node and node is not self.source:
            self.function(node, FUNCTIONS)

    def function(self, node: _Node, allowed: frozenset[str]) -> None:
        name = node["function_name"].lower()
        if name not in allowed or node.get("schema") not in ("", "main", None) or node.get("catalog"):
            raise InvalidQuery(f"the function {name!r:.100} is not allowed here")

    def sample(self, node: _Node) -> None:
        if node.get("sample") is not None:
            raise InvalidQuery("a sample is not allowed here; use WHERE or LIMIT")

    def relation(self, node: _Node, scope: frozenset[str]) -> None:
        kind = node.get("type")
        self.relations.add(node["alias"].lower())
        self.sample(node)
        if kind not in _RELATIONS:
            told = _told(self.views()) if kind == "SHOW_REF" else ""
            raise InvalidQuery(f"{_said(node)} is not allowed here{told}")
        if kind == "JOIN":
            self.checked.columns.update(name.lower() for name in node["using_columns"])
            self.checked.every_column |= node["ref_type"] == "NATURAL"
        elif kind == "BASE_TABLE":
            self.table(node, scope)
        elif kind == "TABLE_FUNCTION":
            self.source = node["function"]
            self.function(self.source, TABLE_FUNCTIONS)
            if node["function"]["function_name"].lower() != "unnest":
                check_range(node["function"])

    def table(self, node: _Node, scope: frozenset[str]) -> None:
        schema, name = node["schema_name"], node["table_name"]
        if node["catalog_name"] or node["at_clause"]:
            raise InvalidQuery(f"{node['catalog_name']}.{schema}.{name} is not a view; leave the catalogue out")
        if not schema and name.lower() in scope:
            return
        if not self.known(schema, name):
            raise InvalidQuery(f"there is no view {schema + '.' if schema else ''}{name:.100}{_told(self.views())}")
        views = self.checked.views
        node["alias"] = node["alias"] or name
        self.relations.add(node["alias"].lower())
        node["schema_name"], node["table_name"] = "", views.setdefault((schema, name), f"gemel view {len(views)}")


def _bound(node: _Node, limit: int) -> None:
    """Give the outermost query a LIMIT, or lower the one it has."""
    number: _Node = {"class": "CONSTANT", "type": "VALUE_CONSTANT", "alias": "", "query_location": 0}
    number["value"] = {"type": {"id": "BIGINT", "type_info": None}, "is_null": False, "value": limit}
    for modifier in node["modifiers"]:
        if modifier["type"] == "LIMIT_MODIFIER":
            own = modifier["limit"]
            if own is None or (own["class"] == "CONSTANT" and _number(own) > limit):
                modifier["limit"] = number
            return
    node["modifiers"].append({"type": "LIMIT_MODIFIER", "limit": number, "offset": None})


def _number(constant: _Node) -> float:
    value = constant["value"].get("value")
    return float(value) if isinstance(value, int | float) else float("inf")


def _told(views: Iterable[str]) -> str:
    """What there is instead, not all of it when it is much."""
    names = list(islice(views, MOST_TOLD + 1))
    more = " …" if len(names) > MOST_TOLD else ""
    return f"; there are {', '.join(names[:MOST_TOLD])}{more}" if names else ""


def _said(node: _Node) -> str:
    return str(node.get("class") or node.get("type") or "this").replace("_", " ").lower()
