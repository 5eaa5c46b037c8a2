"""A reading: what a property was, when, and how well it is known."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Any

import msgspec

__all__ = ["Form", "Kind", "Now", "Quality", "Reading"]


class Form(StrEnum):
    """How values lie in memory and on disk. A series has one form for ever."""

    NUMBER = "number"  # float64
    INTEGER = "integer"  # int64; booleans as 0 and 1
    TEXT = "text"  # UTF-8; enumerations; objects and conditions as canonical JSON
    ARRAY = "array"  # list of float64


class Kind(StrEnum):
    """What an engineer declares a property to be."""

    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TEXT = "text"
    ENUMERATION = "enumeration"
    ARRAY = "array"
    OBJECT = "object"
    CONDITION = "condition"

    @property
    def form(self) -> Form:
        return _FORMS[self]


_FORMS = {
    Kind.NUMBER: Form.NUMBER,
    Kind.INTEGER: Form.INTEGER,
    Kind.BOOLEAN: Form.INTEGER,
    Kind.TEXT: Form.TEXT,
    Kind.ENUMERATION: Form.TEXT,
    Kind.ARRAY: Form.ARRAY,
    Kind.OBJECT: Form.TEXT,
    Kind.CONDITION: Form.TEXT,
}


class Quality(IntEnum):
    """How well a value is known. UNAVAILABLE readings have no value (null)."""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2
    UNAVAILABLE = 3


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One value of one property of one twin. Times are microseconds since the epoch, UTC."""

    twin: str
    property: str
    value: Any
    """float, int, bool, str, list[float] or dict, by the property's kind; None when unavailable."""
    time: int
    """When the source saw it."""
    recorded: int
    """When the block that holds it was sealed."""
    quality: Quality = Quality.GOOD
    position: int = 0
    """Its place in the journal."""


class Now(msgspec.Struct, frozen=True):
    """One property of one twin as it is now. Times are microseconds since the epoch, UTC."""

    value: Any
    """float, int, bool, str, list[float], dict, or for a condition the list of active entries; None: unavailable."""
    time: int
    """When the source saw it."""
    recorded: int
    """When we were last told, the same value included."""
    changed: int
    """Time of the last reading with another value than the one before it."""
    quality: Quality
    position: int
    fresh: bool
    stale_since: int | None = None
