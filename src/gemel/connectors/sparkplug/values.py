"""Values of metrics: sixteen data types on five fields of the wire. Sparkplug 3.0.0, 6.4.16."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np

from gemel.clock import to_rfc3339
from gemel.errors import GemelError
from gemel.twin import Kind, Quality

__all__ = ["DataType", "Unreadable", "kind_of", "properties_of", "quality_of", "value_of"]


class Unreadable(Exception):
    """A payload or a value that cannot be taken; the text says why."""


class DataType(IntEnum):
    """The numbers of the types on the wire."""

    UNKNOWN = 0
    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    TEXT = 14
    UUID = 15
    DATASET = 16
    BYTES = 17
    FILE = 18
    TEMPLATE = 19
    PROPERTYSET = 20
    PROPERTYSETLIST = 21
    INT8ARRAY = 22
    INT16ARRAY = 23
    INT32ARRAY = 24
    INT64ARRAY = 25
    UINT8ARRAY = 26
    UINT16ARRAY = 27
    UINT32ARRAY = 28
    UINT64ARRAY = 29
    FLOATARRAY = 30
    DOUBLEARRAY = 31
    BOOLEANARRAY = 32
    STRINGARRAY = 33
    DATETIMEARRAY = 34


_BITS = {
    DataType.INT8: 8,
    DataType.INT16: 16,
    DataType.INT32: 32,
    DataType.INT64: 64,
    DataType.UINT8: 8,
    DataType.UINT16: 16,
    DataType.UINT32: 32,
    DataType.UINT64: 64,
}
_ARRAYS = {
    DataType.INT8ARRAY: "<i1",
    DataType.INT16ARRAY: "<i2",
    DataType.INT32ARRAY: "<i4",
    DataType.INT64ARRAY: "<i8",
    DataType.UINT8ARRAY: "<u1",
    DataType.UINT16ARRAY: "<u2",
    DataType.UINT32ARRAY: "<u4",
    DataType.UINT64ARRAY: "<u8",
    DataType.FLOATARRAY: "<f4",
    DataType.DOUBLEARRAY: "<f8",
}
_TEXTS = (DataType.STRING, DataType.TEXT, DataType.UUID)
_GOOD, _STALE = 192, 500
_UNCERTAIN = 64
_WHY_NOT = {
    DataType.DATASET: "a data set (a table) has no place in a twin; publish its cells as metrics of their own",
    DataType.TEMPLATE: "a template has no place in a twin; publish its members as metrics of their own",
}


def kind_of(datatype: int) -> Kind | None:
    """The kind of property that a metric of this type fits; None when it cannot be taken."""
    if datatype in _BITS:
        return Kind.INTEGER
    if datatype in (DataType.FLOAT, DataType.DOUBLE):
        return Kind.NUMBER
    if datatype in _ARRAYS:
        return Kind.ARRAY
    if datatype == DataType.BOOLEAN:
        return Kind.BOOLEAN
    return Kind.TEXT if datatype in (*_TEXTS, DataType.DATETIME) else None


def value_of(metric: Any, datatype: int) -> Any:
    """The value of a metric that is not null, as float, int, bool, text or list. Raises Unreadable."""
    given = metric.WhichOneof("value")
    if given is None:
        raise Unreadable("neither a value nor is_null")
    value = getattr(metric, given)
    if datatype in _BITS and given in ("int_value", "long_value"):
        return _integer(value, _BITS[DataType(datatype)], signed=datatype <= DataType.INT64)
    if datatype in (DataType.FLOAT, DataType.DOUBLE) and given in ("float_value", "double_value"):
        return _shortest(value) if given == "float_value" else value
    if datatype == DataType.BOOLEAN and given == "boolean_value":
        return value
    if datatype in _TEXTS and given == "string_value":
        return value
    if datatype == DataType.DATETIME and given == "long_value":
        return _moment(value)
    if datatype in _ARRAYS and given == "bytes_value":
        return _array(value, _ARRAYS[DataType(datatype)])
    raise Unreadable(_refusal(datatype, given))


def _refusal(datatype: int, given: str) -> str:
    try:
        known = DataType(datatype)
    except ValueError:
        return f"data type {datatype} is not one of Sparkplug B"
    if known in _WHY_NOT:
        return _WHY_NOT[known]
    if kind_of(known) is None:
        return f"values of type {known.name.lower()} are not taken"
    return f"a {known.name.lower()} cannot stand in {given}"


def _integer(raw: int, bits: int, *, signed: bool) -> int:
    """Two's complement in the type's width, whatever the width of the field. Raises Unreadable."""
    masked = raw & ((1 << bits) - 1)
    if not signed:
        if masked != raw:
            raise Unreadable(f"{raw} does not fit into {bits} bits")
        return raw
    value = masked - (1 << bits) if masked >> (bits - 1) else masked
    if value < 0:
        wide = [(1 << width) + value for width in (bits, 32, 64)]
        fits = raw in wide
    else:
        fits = raw == value
    if not fits:
        raise Unreadable(f"{raw} does not fit into {bits} bits")
    return value


def _shortest(value: float) -> float:
    """A 32-bit float as the number that a person would write: 61.5 and 0.1, not 0.10000000149011612."""
    return float(str(np.float32(value)))


def _moment(milliseconds: int) -> str:
    try:
        return to_rfc3339(milliseconds * 1000)
    except (GemelError, ValueError, OverflowError):
        raise Unreadable(f"{milliseconds} ms is no moment that can be written") from None


def _array(raw: bytes, form: str) -> list[float]:
    size = np.dtype(form).itemsize
    if len(raw) % size:
        raise Unreadable(f"{len(raw)} bytes are no array of {size}-byte numbers")
    values: list[float] = np.frombuffer(raw, form).astype(np.float64).tolist()
    return values


def properties_of(metric: Any) -> dict[str, Any]:
    """The properties of a metric that are single values, by name; of `engUnit`, `Quality` and the like."""
    found: dict[str, Any] = {}
    for key, value in zip(metric.properties.keys, metric.properties.values, strict=False):
        given = value.WhichOneof("value")
        if given is not None and not value.is_null:
            held = getattr(value, given)
            signed = value.type in (DataType.INT8, DataType.INT16, DataType.INT32)
            found[key] = _integer(held & 0xFFFFFFFF, 32, signed=True) if signed and given == "int_value" else held
    return found


def quality_of(properties: dict[str, Any]) -> Quality:
    """What `Quality` says: 192 is good, 500 stale, others as in OPC (0 bad, 64 uncertain); without it, good."""
    told = properties.get("Quality", properties.get("quality"))
    if not isinstance(told, int) or isinstance(told, bool):
        return Quality.GOOD
    if _GOOD <= told < 256:
        return Quality.GOOD
    return Quality.UNCERTAIN if told == _STALE or told >= _UNCERTAIN else Quality.BAD
