"""Searching twins also by what they read now: the registry finds who has the property, the state says its value."""

from __future__ import annotations

import operator
from typing import Any

import msgspec

from gemel.access import View
from gemel.errors import InvalidQuery
from gemel.registry import PropertyCondition, TwinQuery
from gemel.twin import Page, Twin

__all__ = ["search"]

_OPERATORS: dict[str, Any] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}
SCANNED = 20_000
"""Twins looked at for one page; a rarer condition comes back as a short page with a cursor."""


def search(view: View, query: TwinQuery) -> Page[Twin]:
    """Twins that fit and that are seen, also by their live values. Raises InvalidQuery."""
    conditions = [one for one in query.properties if one.operator]
    return view.search(query, lambda twin: all(_fits(view, twin.id, one) for one in conditions), scanned=SCANNED)


def _fits(view: View, twin: str, condition: PropertyCondition) -> bool:
    """Whether the live value fits; a value that is not known fits nothing."""
    now = view.value(view.entry(twin), condition.name)
    if now is None or now.value is None:
        return False
    value, wanted = now.value, condition.value
    compare = _OPERATORS[condition.operator]
    if isinstance(value, bool):
        return bool(compare(value, wanted.lower() in {"true", "1"}))
    if isinstance(value, int | float):
        try:
            return bool(compare(value, float(wanted)))
        except ValueError as error:
            raise InvalidQuery(f"{condition.name} of {twin} is a number; {wanted!r:.60} is none") from error
    return bool(compare(value if isinstance(value, str) else msgspec.json.encode(value).decode(), wanted))
