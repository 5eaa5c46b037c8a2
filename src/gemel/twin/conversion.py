"""Readings of an earlier generation of a property, told in today's shape."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gemel.errors import UnknownProperty
from gemel.twin.frame import VALUE_TYPES
from gemel.twin.reading import Form, Kind
from gemel.twin.types import Conversion, PropertyType
from gemel.units import affine

__all__ = ["convert_generation"]


def convert_generation(property_: PropertyType, generation: int, values: pa.Array) -> pa.Array:
    """Values of an earlier generation, as the property is now.

    values: pa.Array[n] of VALUE_TYPES of that generation's form; the answer: pa.Array[n] of VALUE_TYPES of today's.
    Null where the conversion says `none`, where a map has no entry, and where the value was null.
    Raises UnknownProperty for a generation that never was.
    """
    if generation == property_.generation:
        return values
    shapes = sorted((e for e in property_.earlier if e.generation >= generation), key=lambda e: e.generation)
    if not shapes or shapes[0].generation != generation:
        raise UnknownProperty(f"{property_.name} has no generation {generation}, only 1 to {property_.generation}")
    for index, here in enumerate(shapes):
        after = shapes[index + 1] if index + 1 < len(shapes) else property_
        values = _step(here, after.kind, after.unit, values)
    return values


def _step(here: Conversion, kind: Kind, unit: str, values: pa.Array) -> pa.Array:
    target = VALUE_TYPES[kind.form]
    if here.how == "none":
        return pa.nulls(len(values), target)
    if here.how == "map":
        return _mapped(here, kind, values)
    if here.kind is Kind.ARRAY and kind is Kind.ARRAY:
        return _scaled_lists(values, here.unit, unit)
    if here.kind is Kind.BOOLEAN and kind.form is Form.TEXT:
        return pc.if_else(pc.equal(values, 1), "true", "false").cast(target)
    if here.kind.form in (Form.NUMBER, Form.INTEGER) and kind.form in (Form.NUMBER, Form.INTEGER):
        return _numbers(values, here.unit, unit, kind.form)
    if here.kind is Kind.ARRAY and kind.form is Form.TEXT:
        told = [None if v is None else msgspec.json.encode(v).decode() for v in values.to_pylist()]
        return pa.array(told, target)
    return values.cast(target)


def _numbers(values: pa.Array, unit: str, to_unit: str, form: Form) -> pa.Array:
    numbers = values.cast(pa.float64())
    if unit and to_unit and unit != to_unit:
        factor, offset = affine(unit, to_unit)
        numbers = pc.add(pc.multiply(numbers, factor), offset)
    elif form is Form.INTEGER and values.type == pa.int64():
        return values
    if form is Form.NUMBER:
        return numbers
    whole = pc.if_else(pc.less(pc.abs(numbers), 2.0**62), pc.round(numbers), None)
    return whole.cast(pa.int64())


def _scaled_lists(values: pa.Array, unit: str, to_unit: str) -> pa.Array:
    if not unit or not to_unit or unit == to_unit:
        return values
    scale = affine(unit, to_unit)
    told = [None if v is None else scale(np.asarray(v, dtype=np.float64)) for v in values.to_pylist()]
    return pa.array(told, VALUE_TYPES[Form.ARRAY])


def _mapped(here: Conversion, kind: Kind, values: pa.Array) -> pa.Array:
    """Each distinct value is looked up once, as text: 1, true, AUTO."""
    distinct = values.dictionary_encode() if here.kind is not Kind.ARRAY else None
    plain = values.to_pylist() if distinct is None else distinct.dictionary.to_pylist()
    found = pa.array([_shaped(here.mapping.get(_as_text(v, here.kind)), kind) for v in plain], VALUE_TYPES[kind.form])
    return found if distinct is None else found.take(distinct.indices)


def _as_text(value: Any, kind: Kind) -> str:
    if kind is Kind.BOOLEAN:
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _shaped(value: Any, kind: Kind) -> Any:
    """What a map stands for, in the form of its kind; None when it does not fit."""
    if value is None:
        return None
    try:
        if kind is Kind.BOOLEAN:
            return int(str(value).lower() in ("true", "1"))
        if kind.form is Form.NUMBER:
            return float(value)
        if kind.form is Form.INTEGER:
            return int(value)
    except (TypeError, ValueError):
        return None
    if kind.form is Form.ARRAY:
        return value if isinstance(value, list | tuple) else None
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
