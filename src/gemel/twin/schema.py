"""JSON Schema (2020-12) of twin types and of the plant document, for editors and other programs."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec

from gemel.twin.spec import Plant
from gemel.twin.types import TwinType

__all__ = ["json_schema", "schema_of"]


_ID = {"pattern": r"^[A-Za-z0-9][A-Za-z0-9._:~-]{0,127}$"}
_NAME = {"pattern": r"^[A-Za-z][A-Za-z0-9_]{0,63}$"}
_ABOUT: dict[tuple[str, str], dict[str, Any]] = {
    ("Plant", "gemel"): {"const": 1},
    ("TwinType", "id"): _ID,
    ("TwinSpec", "id"): _ID,
    ("TwinSpec", "types"): {"minItems": 1},
    ("ConnectorSpec", "id"): _ID,
    ("PropertyType", "name"): _NAME,
    ("CommandType", "name"): _NAME,
    ("EventType", "name"): _NAME,
    ("Slot", "name"): _NAME,
    ("Interlock", "name"): _NAME,
    ("GoalType", "name"): _NAME,
    ("GoalType", "members"): {"minItems": 1},
    ("GoalType", "ramp_per_s"): {"exclusiveMinimum": 0},
    ("GoalType", "step_s"): {"exclusiveMinimum": 0},
    ("Binding", "deadline_s"): {"exclusiveMinimum": 0},
    ("PropertyType", "tolerance"): {"minimum": 0},
    ("PropertyType", "unit"): {"examples": ["mm", "Cel", "/min", "%", "N.m", "m/s2"]},
    ("EventType", "severity"): {"enum": ["info", "warning", "fault"]},
    ("Conversion", "how"): {"enum": ["unit", "cast", "map", "none"]},
    ("Freshness", "within_s"): {"exclusiveMinimum": 0},
    ("Binding", "rate_hz"): {"exclusiveMinimum": 0},
    ("Binding", "buffers_s"): {"exclusiveMinimum": 0},
    ("Binding", "within_s"): {"exclusiveMinimum": 0},
}


@cache
def json_schema(kind: str) -> dict[str, Any]:
    """`kind`: "twin-type" or "plant". Raises KeyError for another."""
    struct = {"twin-type": TwinType, "plant": Plant}[kind]
    names = ("types", "control", "effectiveness", "goal", "spec", "binding", "reading", "retention")
    title = {"twin-type": "Twin type", "plant": "Plant document"}[kind]
    return schema_of(struct, kind, title, [f"gemel.twin.{name}" for name in names])


def schema_of(struct: type, kind: str, title: str, modules: Sequence[str]) -> dict[str, Any]:
    """The schema of a document, with what the source says of its fields; `modules`: where its structs are."""
    (schema,), components = msgspec.json.schema_components([struct], ref_template="#/$defs/{name}")
    structs = {name: thing for module in modules for name, thing in vars(sys.modules[module]).items()}
    for name, definition in components.items():
        if inspect.isclass(structs.get(name)):
            _complete(name, definition, structs[name])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:gemel:schema:{kind}:1",
        "title": title,
        **schema,
        "$defs": components,
    }


def _complete(name: str, definition: dict[str, Any], struct: Any) -> None:
    """Add what the source says of each field, and the rules that types alone do not tell."""
    definition.setdefault("description", inspect.cleandoc(struct.__doc__ or ""))
    told = _field_docs(struct)
    for field, schema in definition.get("properties", {}).items():
        if field in told:
            schema.setdefault("description", told[field])
        rules = _ABOUT.get((name, field), {})
        for part in schema.get("anyOf", [schema]):
            if rules and part.get("type") != "null":
                part.update(rules)


def _field_docs(struct: Any) -> dict[str, str]:
    """Field → the text below it in the source."""
    body = ast.parse(inspect.cleandoc("\n" + inspect.getsource(struct))).body[0]
    found = {}
    if isinstance(body, ast.ClassDef):
        for field, text in zip(body.body, body.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
            ):
                found[field.target.id] = " ".join(str(text.value.value).split())
    return found
