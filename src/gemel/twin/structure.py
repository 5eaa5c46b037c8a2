"""Plain values to structs, with every fault found, not only the first: where it is, and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from gemel.errors import Problem

__all__ = ["build", "faults"]

T = TypeVar("T")
MAX_FAULTS = 1000


def build(value: Any, kind: type[T]) -> tuple[T | None, list[tuple[Problem, bool]]]:
    """The struct, or its faults, each with whether it is about the key (an unknown field) or the value."""
    try:
        return msgspec.convert(value, kind), []
    except (msgspec.ValidationError, RecursionError) as error:
        found = []
        for fault in faults(value, kind):
            found.append(fault)
            if len(found) == MAX_FAULTS:
                break
        return None, found or [(Problem(str(error)), False)]


def faults(value: Any, kind: Any) -> Iterator[tuple[Problem, bool]]:
    """Every way in which a plain value is not of this kind (a struct, or anything msgspec knows)."""
    return _faults(value, _info(kind), "")


@lru_cache(maxsize=64)
def _info(kind: Any) -> inspect.Type:
    return inspect.type_info(kind)


def _faults(value: Any, info: inspect.Type, path: str) -> Iterator[tuple[Problem, bool]]:
    if isinstance(info, inspect.Metadata):
        info = info.type
    if isinstance(info, inspect.AnyType):
        return
    if isinstance(info, inspect.StructType):
        yield from _struct(value, info, path)
    elif isinstance(info, inspect.VarTupleType | inspect.ListType):
        yield from _items(value, info.item_type, path)
    elif isinstance(info, inspect.TupleType):
        yield from _tuple(value, info, path)
    elif isinstance(info, inspect.DictType):
        if not isinstance(value, dict):
            yield _wrong(value, "a mapping (key: value)", path)
            return
        for key, item in value.items():
            yield from _faults(item, info.value_type, f"{path}.{key}" if path else str(key))
    elif isinstance(info, inspect.UnionType):
        yield from _union(value, info, path)
    elif isinstance(info, inspect.EnumType):
        allowed = [member.value for member in info.cls]
        if value not in allowed:
            yield Problem(f"{_show(value)} is not one of {', '.join(allowed)}{_meant(value, allowed)[0]}", path), False
    else:
        for kind, (told, fits) in _SCALARS.items():
            if isinstance(info, kind) and not fits(value):
                yield _wrong(value, told, path)


_SCALARS: dict[type[inspect.Type], tuple[str, Callable[[Any], bool]]] = {
    inspect.StrType: ("text", lambda v: isinstance(v, str)),
    inspect.BoolType: ("true or false", lambda v: isinstance(v, bool)),
    inspect.IntType: ("a whole number", lambda v: isinstance(v, int) and not isinstance(v, bool)),
    inspect.FloatType: ("a number", lambda v: isinstance(v, int | float) and not isinstance(v, bool)),
    inspect.NoneType: ("empty", lambda v: v is None),
}


def _struct(value: Any, info: inspect.StructType, path: str) -> Iterator[tuple[Problem, bool]]:
    fields = {field.encode_name: field for field in info.fields}
    if not isinstance(value, dict):
        yield _wrong(value, f"a mapping with {', '.join(list(fields)[:4])} …", path)
        return
    for key, item in value.items():
        inner = f"{path}.{key}" if path else str(key)
        field = fields.get(key)
        if field is None:
            yield Problem(f"there is no field {key!r:.60}{''.join(_meant(key, list(fields)))}", inner), True
        else:
            yield from _faults(item, field.type, inner)
    for name, field in fields.items():
        if field.required and name not in value:
            yield Problem(f"{name} is missing", f"{path}.{name}" if path else name), False


def _items(value: Any, item_type: inspect.Type, path: str) -> Iterator[tuple[Problem, bool]]:
    if not isinstance(value, list | tuple):
        yield _wrong(value, "a list", path)
        return
    for i, item in enumerate(value):
        yield from _faults(item, item_type, f"{path}[{i}]")


def _tuple(value: Any, info: inspect.TupleType, path: str) -> Iterator[tuple[Problem, bool]]:
    if not isinstance(value, list | tuple) or len(value) != len(info.item_types):
        yield _wrong(value, f"a list of {len(info.item_types)}", path)
        return
    for i, (item, item_type) in enumerate(zip(value, info.item_types, strict=True)):
        yield from _faults(item, item_type, f"{path}[{i}]")


def _union(value: Any, info: inspect.UnionType, path: str) -> Iterator[tuple[Problem, bool]]:
    """The faults against the member that the value looks most like."""
    tried = [list(_faults(value, member, path)) for member in info.types]
    if not all(tried):
        return
    alike = [
        problems
        for member, problems in zip(info.types, tried, strict=True)
        if (isinstance(value, dict) and isinstance(member, inspect.StructType | inspect.DictType))
        or (isinstance(value, list) and isinstance(member, inspect.VarTupleType | inspect.TupleType))
    ]
    if alike:
        yield from alike[0]
        return
    wanted = [problems[0][0].message.partition(" is wanted")[0] for problems in tried]
    yield Problem(f"{' or '.join(dict.fromkeys(wanted))} is wanted here, not {_show(value)}", path), False


def _wrong(value: Any, wanted: str, path: str) -> tuple[Problem, bool]:
    return Problem(f"{wanted} is wanted here, not {_show(value)}", path), False


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return "nothing" if value is None else f"{value!r:.60}"


def _meant(given: Any, allowed: list[str]) -> tuple[str, str]:
    """The likeliest intent, and else what there is."""
    close = difflib.get_close_matches(str(given), allowed, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]}?", ""
    return "", f"; there are {', '.join(allowed)}"
