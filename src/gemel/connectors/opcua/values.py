"""From OPC UA values, status codes and time stamps to readings."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import UUID

from asyncua import ua

from gemel.clock import MAX_TIME, MIN_TIME, SECOND, to_rfc3339
from gemel.twin import Quality

__all__ = ["overflowed", "plain", "quality_of", "time_of"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OVERFLOW = 0x480
"""InfoType DataValue (bits 10–11 = 01) and Overflow (bit 7). OPC 10000-4, 7.39.1."""
_DEEPEST = 16


def quality_of(status: ua.StatusCode | None, *, empty: bool) -> Quality:
    """The two severity bits of a status code: 00 good, 01 uncertain, 10 and 11 bad. OPC 10000-4, 7.39.1."""
    severity = 0 if status is None else status.value >> 30
    if empty:
        return Quality.UNAVAILABLE
    return Quality.GOOD if severity == 0 else Quality.UNCERTAIN if severity == 1 else Quality.BAD


def overflowed(status: ua.StatusCode | None) -> bool:
    """Whether the server had to drop values of this node because its queue was full."""
    return status is not None and status.value & 0xC80 == _OVERFLOW


def time_of(value: ua.DataValue) -> int | None:
    """The source's time, or else the server's; microseconds since the epoch, None when neither is a moment."""
    for moment in (value.SourceTimestamp, value.ServerTimestamp):
        if moment is not None and MIN_TIME <= (micros := _micros(moment)) < MAX_TIME:
            return micros
    return None


def plain(value: Any, names: Mapping[int, str] | None = None, depth: int = 0) -> Any:
    """A value as JSON would hold it: numbers, text, booleans, lists, objects.

    `names`: of an enumeration's values. Structures become objects of their fields, byte strings base64, moments
    RFC 3339; what is nested deeper than 16 levels becomes text.
    """
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, int):
        return names.get(int(value), str(int(value))) if names is not None else int(value)
    if isinstance(value, str):
        return str(value)
    if depth >= _DEEPEST:
        return str(value)
    if isinstance(value, list | tuple):
        if names is None and value and type(value[0]) in (float, int):
            return list(value)
        return [plain(item, names, depth + 1) for item in value]
    return _special(value, depth)


def _special(value: Any, depth: int) -> Any:
    if isinstance(value, datetime):
        micros = _micros(value)
        return to_rfc3339(micros) if MIN_TIME <= micros < MAX_TIME else None
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, ua.LocalizedText):
        return value.Text or ""
    if isinstance(value, ua.QualifiedName):
        return value.Name or ""
    if isinstance(value, ua.NodeId):
        return value.to_string()
    if isinstance(value, ua.StatusCode):
        return value.name
    if isinstance(value, ua.Variant):
        return plain(value.Value, None, depth + 1)
    if isinstance(value, ua.DataValue):
        return plain(value.Value, None, depth + 1)
    if isinstance(value, UUID):
        return str(value)
    if dataclasses.is_dataclass(value):
        fields = (field.name for field in dataclasses.fields(value))
        return {name: plain(getattr(value, name), None, depth + 1) for name in fields if name != "Encoding"}
    return str(value)


def _micros(moment: datetime) -> int:
    delta = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)) - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds
