"""Cycles in a graph of links."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

__all__ = ["find_cycle"]


T = TypeVar("T", bound=Hashable)


def find_cycle(starts: Iterable[T], after: Callable[[T], Iterable[T]]) -> list[T]:
    """The first cycle that is met from the starts, its first id again at its end; empty if there is none.

    `after` gives where an id leads to; it is asked once for each id. Depth-first, without recursion.
    """
    done: set[T] = set()
    for start in starts:
        path: list[T] = []
        on_path: set[T] = set()
        stack: list[tuple[T, bool]] = [(start, False)]
        while stack:
            id, leaving = stack.pop()
            if leaving:
                path.pop()
                on_path.discard(id)
                done.add(id)
            elif id in on_path:
                return [*path[path.index(id) :], id]
            elif id not in done:
                path.append(id)
                on_path.add(id)
                stack.append((id, True))
                stack += [(target, False) for target in after(id)]
    return []
