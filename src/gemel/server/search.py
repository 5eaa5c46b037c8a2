"""Searching twins also by what they read now: the registry finds who has the property, the state says its value."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import msgspec

from gemel.access import Principal, Resource, ResourceKind
from gemel.errors import InvalidQuery
from gemel.registry import PropertyCondition, TwinQuery
from gemel.twin import Page, Twin

if TYPE_CHECKING:
    from gemel.platform import Platform

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


def search(platform: Platform, who: Principal, query: TwinQuery) -> Page[Twin]:
    """Twins that fit and that `who` may read, also by their live values. Raises InvalidQuery."""
    conditions = [one for one in query.properties if one.operator]
    found: list[Twin] = []
    cursor: str | None = query.cursor
    looked_at = 0
    while cursor is not None and len(found) < query.limit and looked_at < SCANNED:
        wanted = query.limit - len(found)
        page = platform.registry.search(msgspec.structs.replace(query, cursor=cursor, limit=wanted))
        found += [
            twin
            for twin in page.items
            if _readable(platform, who, twin) and all(_fits(platform, twin.id, one) for one in conditions)
        ]
        looked_at += len(page.items)
        cursor = page.next
    return Page(found, cursor)


def _readable(platform: Platform, who: Principal, twin: Twin) -> bool:
    return platform.gate.allows(who, "read", Resource(ResourceKind.TWIN, twin.id, twin.types))


def _fits(platform: Platform, twin: str, condition: PropertyCondition) -> bool:
    """Whether the live value fits; a value that is not known fits nothing."""
    entry = platform.registry.directory.twin(twin)
    now = None if entry is None else platform.state.property(entry, condition.name)
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
