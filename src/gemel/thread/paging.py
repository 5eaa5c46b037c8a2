"""Pages of what somebody sees, out of many rows that they do not see.

A page is full, or the last, or as much as was found after so many rows that are not seen. It goes on after a row by its
number: that says nothing of a row that is hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["HIDDEN", "seen_page"]

HIDDEN = 2000
"""Rows that are not seen, of which each takes some questions: so many are passed for one page."""
_AT_ONCE = 500
T = TypeVar("T")


def seen_page(
    read: Callable[[T | None, int], Sequence[T]], sees: Callable[[T], bool], limit: int
) -> tuple[list[T], T | None]:
    """At most `limit` rows that are seen, and the last that was looked at; None: there are no more.

    `read`: so many rows (second) after one (first; None: from the beginning), in their order.
    """
    found: list[T] = []
    last: T | None = None
    hidden = 0
    while True:
        rows = read(last, _AT_ONCE)
        for row in rows:
            if not sees(row):
                hidden += 1
            elif len(found) == limit:
                return found, last
            else:
                found.append(row)
            last = row
        if len(rows) < _AT_ONCE:
            return found, None
        if hidden >= HIDDEN:
            return found, last
