"""Whether a value fits its property, and its one canonical form."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from gemel.errors import InvalidUnit
from gemel.intake.builder import SLOT
from gemel.intake.refusal import Refused
from gemel.registry import PropertyRef
from gemel.twin import Kind, PropertyType
from gemel.units import Affine, affine

__all__ = [
    "INTEGERS",
    "MAX_ARRAY",
    "MAX_DEPTH",
    "MAX_INTEGER",
    "MAX_TEXT_BYTES",
    "NUMBERS",
    "TEXTS",
    "Plan",
    "canonical_json",
    "check_text",
    "event_fields",
    "shown",
]

MAX_TEXT_BYTES = 65_536
MAX_ARRAY = 1_000_000
MAX_DEPTH = 32
MAX_INTEGER = 2**63 - 1
_INTEGERS = (-float(MAX_INTEGER), float(MAX_INTEGER))
_NUMBERS = (-sys.float_info.max, sys.float_info.max)
NUMBERS, INTEGERS, TEXTS, CAREFUL = range(4)
_WAYS = {Kind.NUMBER: NUMBERS, Kind.INTEGER: INTEGERS, Kind.TEXT: TEXTS, Kind.ENUMERATION: TEXTS}
LEVELS = ("normal", "warning", "fault", "unavailable")

_json = msgspec.json.Encoder(order="sorted")


def shown(value: object) -> str:
    """A value for a person: short, printable, on one line."""
    if isinstance(value, str):
        return ascii(value[:60]) + ("…" if len(value) > 60 else "")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**60:
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, int | float | None):
        return repr(value)
    return f"a {type(value).__name__}"


class Plan:
    """One property of one twin, resolved once: where its readings go and what they may be."""

    __slots__ = (
        "check",
        "form",
        "guarded",
        "high",
        "kind",
        "low",
        "property",
        "series",
        "slot",
        "twin",
        "unit",
        "values",
        "way",
    )

    def __init__(self, series: int, twin: str, ref: PropertyRef, *, guarded: bool = False) -> None:
        self.guarded = guarded
        """Not everybody may tell it: see Plans.resolve_for."""
        self.series = series
        self.twin = twin
        self.property = ref.property
        self.form = ref.form
        self.kind = ref.property.kind
        self.unit = ref.property.unit
        lowest, highest = _INTEGERS if self.kind is Kind.INTEGER else _NUMBERS
        low, high = ref.property.minimum, ref.property.maximum
        self.low = lowest if low is None else low
        self.high = highest if high is None else high
        self.check: Callable[[Plan, Any], Any] = _CHECKS[self.kind]
        self.slot = SLOT[ref.form]
        self.way = CAREFUL if guarded or self.property.computed is not None else _WAYS.get(self.kind, CAREFUL)
        """Which of the fast ways fits its usual values."""
        self.values = frozenset(ref.property.values) if self.kind is Kind.ENUMERATION and ref.property.values else None

    def value(self, value: Any, unit: str) -> Any:
        """The canonical form of `value` told in `unit`. Raises Refused."""
        if isinstance(value, np.generic):
            value = value.item()
        if unit and unit != self.unit:
            value = self._converted(value, unit)
        return self.check(self, value)

    def _converted(self, value: Any, unit: str) -> Any:
        scale = self.scale_from(unit)
        if isinstance(value, bool) or not isinstance(value, int | float | list | np.ndarray):
            raise Refused("kind", f"{self.where}: {shown(value)} is not a number, so it cannot be told in {unit!r:.40}")
        if isinstance(value, list):
            return scale(np.asarray(_numbers(self, value), dtype=np.float64))
        if isinstance(value, np.ndarray):
            return scale(value.astype(np.float64))
        told = scale(float(value))
        return round(told) if self.kind is Kind.INTEGER and abs(told - round(told)) < 1e-9 else told

    def scale_from(self, unit: str) -> Affine:
        """The map from `unit` to the property's unit. Raises Refused."""
        if not self.unit:
            raise Refused("unit", f"{self.where} has no unit; hand it in without {unit!r:.40}")
        try:
            return affine(unit, self.unit)
        except InvalidUnit as error:
            raise Refused("unit", f"{self.where}: {error.detail}") from None

    @property
    def where(self) -> str:
        return f"{self.twin}.{self.property.name}"


def _number(plan: Plan, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused("kind", f"{plan.where} is a number; {shown(value)} is not one")
    if not plan.low <= value <= plan.high:
        _out_of_range(plan, value)
    return float(value)


def _out_of_range(plan: Plan, value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise Refused(
            "not-finite", f"{plan.where} cannot be {value!r}; send null, or the quality `unavailable`, for no value"
        )
    low, high = plan.property.minimum, plan.property.maximum
    bounds = f"[{'-∞' if low is None else low}, {'∞' if high is None else high}]"
    raise Refused("range", f"{plan.where} is {shown(value)}, outside {bounds} {plan.unit}".rstrip())


def _integer(plan: Plan, value: Any) -> int:
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refused("kind", f"{plan.where} is an integer; {shown(value)} is not one")
    if not -MAX_INTEGER - 1 <= value <= MAX_INTEGER or not plan.low <= value <= plan.high:
        _out_of_range(plan, value)
    return int(value)


def _boolean(plan: Plan, value: Any) -> int:
    if isinstance(value, int | float) and value in (0, 1):  # 1.0 too: a frame's column of numbers holds its booleans so
        return int(value)
    raise Refused("kind", f"{plan.where} is a boolean; {shown(value)} is neither true nor false")


def check_text(where: str, value: Any) -> str:
    """`value` if it is text of valid characters and not too long. Raises Refused."""
    if not isinstance(value, str):
        raise Refused("kind", f"{where} is text; {shown(value)} is not")
    if value.isascii():
        size = len(value)
    else:
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            raise Refused("encoding", f"{where}: {shown(value)} is not valid UTF-8") from None
    if size > MAX_TEXT_BYTES:
        raise Refused("too-long", f"{where} has {size} bytes; at most {MAX_TEXT_BYTES} are taken")
    return value


def _text(plan: Plan, value: Any) -> str:
    return check_text(plan.where, value)


def _enumeration(plan: Plan, value: Any) -> str:
    text = check_text(plan.where, value)
    allowed = plan.property.values
    if allowed and text not in allowed:
        raise Refused("enumeration", f"{plan.where} is {shown(text)}, which is none of {', '.join(allowed)[:300]}")
    return text


def _numbers(plan: Plan, value: list[Any]) -> list[Any]:
    for item in value:
        if type(item) is not float and type(item) is not int:
            raise Refused("kind", f"{plan.where} is an array of numbers; {shown(item)} in it is not one")
    return value


def _array(plan: Plan, value: Any) -> list[float]:
    if not isinstance(value, list | tuple | np.ndarray):
        raise Refused("kind", f"{plan.where} is an array of numbers; {shown(value)} is not one")
    if len(value) > MAX_ARRAY:
        raise Refused("too-long", f"{plan.where} has {len(value)} items; at most {MAX_ARRAY} are taken")
    if not isinstance(value, np.ndarray):
        _numbers(plan, list(value))
    try:
        items = np.asarray(value, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        raise Refused("kind", f"{plan.where} is an array of numbers; what came is not one") from None
    if items.ndim != 1:
        raise Refused("kind", f"{plan.where} is a flat array; what came has {items.ndim} dimensions")
    bad = ~((items >= plan.low) & (items <= plan.high))
    if bad.any():
        _out_of_range(plan, float(items[bad.argmax()]))
    return items.tolist()  # type: ignore[no-any-return]  # a flat list of float or int, checked above


def canonical_json(where: str, value: Any) -> str:
    """`value` as JSON with sorted keys. Raises Refused if it is too deep, too long, or not JSON."""
    level, depth, items = [value], 0, 0
    while level:
        depth += 1
        items += len(level)
        if items > MAX_TEXT_BYTES:
            raise Refused("too-long", f"{where} has more than {MAX_TEXT_BYTES} items")
        if depth > MAX_DEPTH:
            raise Refused("too-deep", f"{where} is nested deeper than {MAX_DEPTH} levels")
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, list | tuple):
                below.extend(item)
            elif isinstance(item, float) and not math.isfinite(item):
                raise Refused("not-finite", f"{where} holds {item!r}, which JSON cannot say")
        level = below
    try:
        data = _json.encode(value)
    except (TypeError, ValueError, OverflowError, UnicodeEncodeError) as error:
        raise Refused("encoding", f"{where} cannot be told in JSON: {error!s:.100}") from None
    if len(data) > MAX_TEXT_BYTES:
        raise Refused("too-long", f"{where} has {len(data)} bytes; at most {MAX_TEXT_BYTES} are taken")
    return data.decode()


def _object(plan: Plan, value: Any) -> str:
    if not isinstance(value, dict | list):
        raise Refused("kind", f"{plan.where} is an object; {shown(value)} is not one")
    return canonical_json(plan.where, value)


def _condition(plan: Plan, value: Any) -> str:
    told = {"level": value} if isinstance(value, str) else value
    if not isinstance(told, dict) or not isinstance(told.get("level"), str) or told["level"].lower() not in LEVELS:
        raise Refused("kind", f"{plan.where} is a condition; its level must be one of {', '.join(LEVELS)}")
    update = {"level": told["level"].lower()}
    for name in ("code", "severity", "qualifier", "text"):
        item = told.get(name)
        if isinstance(item, int | float) and not isinstance(item, bool):
            item = str(item)
        update[name] = check_text(f"{plan.where}, {name}", "" if item is None else item)
    return canonical_json(plan.where, update)


_CHECKS: dict[Kind, Callable[[Plan, Any], Any]] = {
    Kind.NUMBER: _number,
    Kind.INTEGER: _integer,
    Kind.BOOLEAN: _boolean,
    Kind.TEXT: _text,
    Kind.ENUMERATION: _enumeration,
    Kind.ARRAY: _array,
    Kind.OBJECT: _object,
    Kind.CONDITION: _condition,
}


def event_fields(where: str, types: tuple[PropertyType, ...], fields: Any) -> dict[str, Any]:
    """The fields of an event, each checked if its type names it; others are kept. Raises Refused."""
    if not isinstance(fields, dict):
        raise Refused("kind", f"the fields of {where} are a map; {shown(fields)} is not one")
    canonical_json(where, fields)
    for type_ in types:
        if fields.get(type_.name) is not None:
            ref = PropertyRef(0, "", type_, type_.form, 0)
            Plan(0, where, ref).value(fields[type_.name], "")
    return fields
