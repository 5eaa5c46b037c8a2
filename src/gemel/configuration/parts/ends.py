"""The end item that something is in: the machine whose serial number ranges of serial numbers mean.

It is told by the parts book: the nearest that it calls an end item. Where it calls none so, it is the outermost that it
has slots for and puts into nothing else; else the outermost of all, unless the book puts that into something: then it
is not known. What is beyond a place that holds any number (a hall, a store) is never asked.
"""

from __future__ import annotations

from collections.abc import Sequence

from gemel.configuration.parts.book import Book
from gemel.configuration.values import Item, ItemKind

__all__ = ["end_of"]


def end_of(book: Book, way: Sequence[Item]) -> int | None:
    """`way`: an item and what it is in, outwards. Returns which of them is the end item; None: it is not known."""
    last, described = -1, None
    for i, item in enumerate(way):
        if item.kind is ItemKind.LOCATION and i:
            break
        last = i
        part = book.of(item.part, item.maker)
        if part is not None and part.end_item:
            return i
        if part is not None and part.slots and not book.component(item.part):
            described = i
    if described is not None:
        return described
    return None if last < 0 or book.component(way[last].part) else last
