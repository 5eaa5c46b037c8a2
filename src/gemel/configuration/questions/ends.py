"""In which end items items are, and what these consist of: what rules with serial numbers are asked of."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from gemel.configuration import tables
from gemel.configuration.acts.acting import IDENTITY, QUANTITY, RETIRED, REVISION, item_row
from gemel.configuration.belief import as_of
from gemel.configuration.parts.book import Book
from gemel.configuration.parts.ends import end_of
from gemel.configuration.questions import asking, finding
from gemel.configuration.questions.asking import _item as item_of
from gemel.configuration.values import Item, Node

__all__ = ["around", "end_item", "end_items", "items_at", "whole_of"]

_AT_ONCE = 500


def end_item(tx: Connection, book: Book, item: str, at: int, known: int) -> Item | None:
    """The end item that an item is in, itself perhaps; None: none is known. Raises NotFound."""
    number = int(item_row(tx, item).number)
    return end_items(tx, book, [number], at, known)[number]


def end_items(tx: Connection, book: Book, numbers: Collection[int], at: int, known: int) -> dict[int, Item | None]:
    """The same of many, by their numbers."""
    ways = {
        number: [number, *(step.parent for step in way)]
        for number, way in finding.wheres(tx, numbers, at, known).items()
    }
    items = items_at(tx, sorted({one for way in ways.values() for one in way}), at, known)
    found: dict[int, Item | None] = {}
    for number, way in ways.items():
        chain = [items[one] for one in way]
        place = end_of(book, chain)
        found[number] = None if place is None else chain[place]
    return found


def around(tx: Connection, item: str, at: int, known: int) -> list[Item]:
    """What an item is in, outwards. Raises NotFound."""
    number = int(item_row(tx, item).number)
    way = [step.parent for step in finding.wheres(tx, [number], at, known)[number]]
    items = items_at(tx, way, at, known)
    return [items[one] for one in way]


def whole_of(tx: Connection, book: Book, item: str, at: int, known: int) -> Node:
    """The end item that an item is in, with all that is in it; the item itself where none is known. Raises NotFound."""
    end = end_item(tx, book, item, at, known)
    return asking.tree(tx, end.id if end is not None else item, at, known)


def items_at(tx: Connection, numbers: Sequence[int], at: int, known: int) -> dict[int, Item]:
    """Items by their numbers, as they were."""
    t, c = tables.trait, tables.item.c
    found: dict[int, Item] = {}
    for first in range(0, len(numbers), _AT_ONCE):
        some = numbers[first : first + _AT_ONCE]
        traits: dict[int, dict[str, Any]] = {}
        for row in tx.execute(
            select(t.c.item, t.c.name, t.c.value, t.c.valid_from).where(
                t.c.item.in_(some), t.c.name.in_((REVISION, RETIRED, QUANTITY, *IDENTITY)), as_of(t, at, known)
            )
        ):
            traits.setdefault(row.item, {})[row.name] = row.valid_from if row.name == RETIRED else row.value
        rows: Sequence[Row[Any]] = tx.execute(select(tables.item).where(c.number.in_(some))).all()
        found |= {row.number: item_of(row, traits.get(row.number, {})) for row in rows}
    return found
