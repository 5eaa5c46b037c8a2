"""What is said of what is not there, and in the same words of what somebody may not know of."""

from __future__ import annotations

from gemel.errors import NotFound

__all__ = ["no_order", "no_run", "no_transaction"]


def no_order(id: str) -> NotFound:
    return NotFound(f"there is no order {id!r:.60}; list them with orders()", order=id[:60])


def no_transaction(id: str) -> NotFound:
    return NotFound(f"there is no transaction {id!r:.60}; list them with transactions()", transaction=id[:60])


def no_run(id: str) -> NotFound:
    return NotFound(f"there is no run of a goal {id!r:.60}; list them with goals()", goal=id[:60])
