"""How large one value of a query can become. DuckDB does not count what functions make towards its memory limit, and
cannot be interrupted within one batch of 2048 rows; so what makes large values of small ones is refused beforehand."""

from __future__ import annotations

import copy
from typing import Any

from gemel.errors import InvalidQuery

__all__ = ["bounded", "capped", "check_cast", "check_range"]

MOST_BYTES = 200_000
"""Of one value that a query puts together; more than the text of a query, so that any constant may be written."""
MOST_ROWS = 1_000_000
"""Of range() and generate_series()."""
MOST_ELEMENTS = 10_000
"""Of a list that an aggregate collects."""
_A_COLUMN = 64
"""Bytes that a value of a view is taken to have."""
_COLLECTED = MOST_BYTES // 4
"""What a collected text or list counts as: few of them may be put together."""

_Node = dict[str, Any]
_SUMMING = """
    || concat concat_ws list_value list_concat list_append list_prepend list_zip array_append array_concat
    array_prepend array_value json_array json_object map map_from_entries row struct_insert struct_pack
"""
_SUMS = frozenset(_SUMMING.split())
_PRODUCTS = frozenset({"replace", "regexp_replace", "array_to_string", "list_aggregate", "array_aggregate"})
_TEXTS = frozenset({"string_agg", "group_concat", "listagg"})
_LISTS = frozenset({"list", "array_agg"})
_TOP_N = {"min": 2, "max": 2, "arg_min": 3, "arg_max": 3, "argmin": 3, "argmax": 3, "min_by": 3, "max_by": 3}
_TIMES = {"bin": 8, "hex": 2, "to_json": 6, "translate": 4, "strftime": 20}


def check_range(function: _Node) -> None:
    """`range` and `generate_series` with whole numbers as written, and not too many of them. Raises InvalidQuery."""
    name = function["function_name"].lower()
    given = [child.get("value", {}).get("value") for child in function["children"] if child["class"] == "CONSTANT"]
    if len(given) != len(function["children"]) or not 1 <= len(given) <= 3 or not all(type(n) is int for n in given):
        raise InvalidQuery(f"{name}() takes whole numbers as they are written, no expressions")
    start, stop, step = (0, given[0], 1) if len(given) == 1 else (*given, 1)[:3]
    if step and (stop - start) // step > MOST_ROWS:
        raise InvalidQuery(f"{name}() gives at most {MOST_ROWS} rows")


def check_cast(node: _Node) -> None:
    """No arrays of a size as one likes: `NULL::INT[100000]` is 400 kB in each row. Raises InvalidQuery."""
    if '"ARRAY"' in repr(node["cast_type"]).replace("'", '"'):
        raise InvalidQuery("an array type with a size is not allowed here; write it without the size: DOUBLE[]")


def capped(node: _Node) -> None:
    """Make an aggregate that collects texts or lists, in place, one that fails when it collects too much."""
    name = node["function_name"].lower()
    if name in _TEXTS:
        measure, most, what = "length", MOST_BYTES, "characters"
    elif name in _LISTS or len(node["children"]) >= _TOP_N.get(name, 9):
        measure, most, what = "len", MOST_ELEMENTS, "elements"
    elif name == "histogram":
        measure, most, what = "cardinality", MOST_ELEMENTS, "entries"
    else:
        return
    own, alias = dict(node), node["alias"]
    own["alias"] = ""
    too_many = _expression("COMPARISON", "COMPARE_GREATERTHAN")
    too_many |= {"left": _call(measure, copy.deepcopy(own)), "right": _constant("BIGINT", most)}
    said = _call("error", _constant("VARCHAR", f"{name} collects more than {most} {what} in one value"))
    node.clear()
    node.update(_expression("CASE", "CASE_EXPR"), alias=alias)
    node.update(case_checks=[{"when_expr": too_many, "then_expr": said}], else_expr=own)


def _expression(kind: str, type_: str) -> _Node:
    return {"class": kind, "type": type_, "alias": "", "query_location": 0}


def _constant(type_: str, value: int | str) -> _Node:
    told = {"type": {"id": type_, "type_info": None}, "is_null": False, "value": value}
    return _expression("CONSTANT", "VALUE_CONSTANT") | {"value": told}


def _call(name: str, child: _Node) -> _Node:
    order = {"type": "ORDER_MODIFIER", "orders": []}
    rest: _Node = {"schema": "", "catalog": "", "filter": None, "order_bys": order}
    rest |= {"distinct": False, "is_operator": False, "export_state": False}
    return _expression("FUNCTION", "FUNCTION") | rest | {"function_name": name, "children": [child]}


def bounded(query: _Node) -> None:
    """Refuse a query whose values grow without bound, level by level. Raises InvalidQuery."""
    _level(query, {})


def _level(node: _Node, outer: dict[str, int]) -> int:
    """Bytes of the largest value that a query makes; `outer`: the same of common table expressions in scope."""
    scope = dict(outer)
    for entry in node["cte_map"]["map"]:
        scope[entry["key"].lower()] = _level(entry["value"]["query"]["node"], scope)
    if node["type"] == "SET_OPERATION_NODE":
        return max(
            _A_COLUMN, *(_level(child, scope) for child in node.get("children") or (node["left"], node["right"]))
        )
    column = max(_A_COLUMN, _sources(node["from_table"], scope), scope.get("", 0))
    within = {**scope, "": column}
    return _size({name: value for name, value in node.items() if name != "cte_map"}, within)


def _sources(relation: Any, scope: dict[str, int]) -> int:
    """Bytes of the largest value that a FROM clause brings."""
    if isinstance(relation, list):
        return max((_sources(one, scope) for one in relation), default=0)
    if not isinstance(relation, dict):
        return 0
    if relation.get("type") == "BASE_TABLE":
        return 0 if relation["schema_name"] else scope.get(relation["table_name"].lower(), 0)
    if "cte_map" in relation:
        return _level(relation, scope)
    if relation.get("class"):
        return _size(relation, scope)
    return max((_sources(value, scope) for value in relation.values()), default=0)


def _size(value: Any, scope: dict[str, int]) -> int:
    """Bytes of the largest value that an expression, or any of several, makes."""
    if isinstance(value, list):
        return max((_size(one, scope) for one in value), default=0)
    if not isinstance(value, dict):
        return 0
    if "cte_map" in value:
        return _level(value, scope)
    kind = value.get("class")
    if kind == "CONSTANT":
        told = value["value"].get("value")
        return len(told) if isinstance(told, str) else 8
    if kind in ("COLUMN_REF", "STAR", "LAMBDA_REF", "POSITIONAL_REFERENCE"):
        return scope.get("", _A_COLUMN)
    if "function_name" not in value:
        return max((_size(one, scope) for one in value.values()), default=0)
    name = value["function_name"].lower()
    parts = [_size(child, scope) for child in value["children"]]
    found = max((_size(one, scope) for key, one in value.items() if key != "children"), default=0)
    if name in _TEXTS or name in _LISTS:
        grown = _COLLECTED
    elif name in _SUMS:
        grown = sum(parts)
    elif name in _PRODUCTS and len(parts) > 1:
        grown = parts[0] * max(1, parts[2 if name.endswith("replace") and len(parts) > 2 else -1])
    else:
        grown = max(parts, default=0) * _TIMES.get(name, 1)
    if grown > MOST_BYTES:
        raise InvalidQuery(
            f"with {name} a value of this query could have {grown} bytes, at most {MOST_BYTES} are allowed; "
            "put together less, in fewer steps"
        )
    return max(grown, found)
