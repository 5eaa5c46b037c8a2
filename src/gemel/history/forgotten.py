"""What was dropped: how many rows of which property on which day; sums per minute and hour tell of them still."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gemel.twin import PROPERTY_BITS

__all__ = ["ERASED", "PROPERTY_MASK", "Forgotten", "Limits"]

ERASED = -1
"""In place of a property's number: rows that were erased with their twin, of which no sum tells any more."""
PROPERTY_MASK = (1 << PROPERTY_BITS) - 1


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Day → property number → rows, of one table."""

    days: Mapping[int, Mapping[int, int]] = field(default_factory=dict)

    def rows(self, day: int) -> int:
        """Rows of the day that its sums still tell of."""
        return sum(rows for number, rows in self.days.get(day, {}).items() if number != ERASED)

    @classmethod
    def by_table(cls, rows: Iterable[tuple[str, int, int, int]]) -> dict[str, Forgotten]:
        """Of (table, day, property, rows)."""
        found: dict[str, dict[int, dict[int, int]]] = {}
        for table, day, number, count in rows:
            numbers = found.setdefault(table, {}).setdefault(day, {})
            numbers[number] = numbers.get(number, 0) + count
        return {table: cls(days) for table, days in found.items()}


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be dropped. Moments are microseconds since the epoch, UTC."""

    raw: Mapping[int, int] = field(default_factory=dict)
    """Property number → every reading before that moment may go."""
    minutes: int | None = None
    """Sums per minute before it may go."""
    held: frozenset[int] = frozenset()
    """Numbers of twins of which nothing may go."""
