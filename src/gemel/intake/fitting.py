"""Whether a value fits a declared property, for whoever else takes values in: orders, events."""

from __future__ import annotations

from typing import Any

import msgspec

from gemel.errors import GemelError
from gemel.intake.base import Refusal
from gemel.intake.refusal import Refused, error_of
from gemel.intake.validate import Plan
from gemel.registry import PropertyRef
from gemel.twin import Form, Kind, PropertyType

__all__ = ["fitted"]


def fitted(where: str, property_: PropertyType, value: Any, unit: str = "") -> Any:
    """`value` in the property's own unit, as readers see it: bool, int, float, text, list, dict.

    `where`: of what it is, for the error ("press-7"). Raises InvalidValue, InvalidUnit.
    """
    plan = Plan(0, where, PropertyRef(0, "", property_, property_.form, 0))
    try:
        checked = plan.value(value, unit)
    except Refused as refused:
        raise _error(refused, property_) from None
    if property_.kind is Kind.BOOLEAN:
        return bool(checked)
    if property_.form is Form.TEXT and property_.kind in (Kind.OBJECT, Kind.CONDITION):
        return msgspec.json.decode(checked)
    return checked


def _error(refused: Refused, property_: PropertyType) -> GemelError:
    return error_of(Refusal(code=refused.code, detail=refused.detail, property=property_.name))
