"""Which words may stand where a body has one that fits none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import inspect

__all__ = ["allowed"]

_PLACE = re.compile(r"^Invalid (?:enum )?value .* at `\$((?:\.[\w-]+|\[(?:\d+|\.\.\.)\])*)`$", re.DOTALL)
_STEP = re.compile(r"\.([\w-]+)|\[(\d+|\.\.\.)\]")
_MOST = 60


def allowed(kind: Any, wrong: str) -> str:
    """What msgspec would have taken of `kind` at the place of its error, for the end of a sentence; empty where it does
    not speak of a word out of several."""
    place = _PLACE.match(wrong)
    if place is None:
        return ""
    edge: list[inspect.Type] = list(_plain(inspect.type_info(kind)))
    words: list[str] = []
    for name, _ in _STEP.findall(place[1]):
        words = [str(one.tag) for one in edge if isinstance(one, inspect.StructType) and name == one.tag_field]
        edge = [inner for one in edge for inner in _within(one, name)]
    for one in edge:
        if isinstance(one, inspect.EnumType):
            words += [str(member.value) for member in one.cls]
        elif isinstance(one, inspect.LiteralType):
            words += map(str, one.values)
    told = list(dict.fromkeys(words))
    return f"; use one of {', '.join(told[:_MOST])}" if told else ""


def _plain(one: inspect.Type) -> Iterator[inspect.Type]:
    if isinstance(one, inspect.UnionType):
        for each in one.types:
            yield from _plain(each)
    elif isinstance(one, inspect.Metadata):
        yield from _plain(one.type)
    else:
        yield one


def _within(one: inspect.Type, name: str) -> Iterable[inspect.Type]:
    """Of a struct the field of a name; of what holds others (no name), these."""
    if isinstance(one, inspect.StructType):
        return [inner for field in one.fields if field.encode_name == name for inner in _plain(field.type)]
    if name:
        return ()
    if isinstance(one, inspect.DictType):
        return _plain(one.value_type)
    if isinstance(one, inspect.TupleType):
        return [inner for each in one.item_types for inner in _plain(each)]
    return _plain(one.item_type) if isinstance(one, inspect.CollectionType) else ()
