"""How long ago somebody made sure of many configurations: what `completeness` says of one, for all at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, func, literal, or_, select

from gemel.configuration import tables
from gemel.configuration.belief import as_of, known_at
from gemel.configuration.parts.book import Book
from gemel.configuration.questions.asking import DEEPEST
from gemel.configuration.questions.ends import end_items, items_at
from gemel.configuration.questions.sides import slots_of
from gemel.configuration.values import Saw

__all__ = ["confirmed"]

_AT_ONCE = 500


def confirmed(tx: Connection, roots: Sequence[int], at: int, known: int, book: Book) -> Mapping[int, int | None]:
    """By root: when the slot that was longest not looked at was confirmed; None: one never was, or there is none.

    Of all slots that were ever used or looked into, and of those that the parts book wants filled (mandatory, or of
    safety), at any depth; as believed at `known`. Software that machines report is confirmed by its report.
    """
    found: dict[int, int | None] = dict.fromkeys(roots)
    for first in range(0, len(roots), _AT_ONCE):
        some = roots[first : first + _AT_ONCE]
        slots = _moments(tx, some, at, known)
        never = _never_told(tx, some, at, known, book, slots.keys())
        moments: dict[int, list[int | None]] = {root: [None] for root in never}
        for (root, _), told in slots.items():
            moments.setdefault(root, []).extend(told)
        for root, all_ in moments.items():
            known_ones = [moment for moment in all_ if moment is not None]
            found[root] = min(known_ones) if len(known_ones) == len(all_) else None
    return found


def _never_told(
    tx: Connection, roots: Sequence[int], at: int, known: int, book: Book, told: Collection[tuple[int, int]]
) -> set[int]:
    """The roots with a slot that must be filled and of which nobody ever told. `told`: the others, (root, place)."""
    parts = sorted({part.part for part in book if any(slot.mandatory or slot.safety for slot in part.slots)})
    if not parts:
        return set()
    x, s, reported = tables.item, tables.place, tables.software
    inside = _inside(roots, at, known)
    held_by: dict[int, set[int]] = {}
    for first in range(0, len(parts), _AT_ONCE):
        which = x.c.part.in_(parts[first : first + _AT_ONCE])
        for row in tx.execute(select(inside.c.root, x.c.number).join(x, x.c.number == inside.c.node).where(which)):
            held_by.setdefault(row.number, set()).add(row.root)
    numbers = sorted(held_by)
    places: dict[tuple[int, str], int] = {}
    runs: set[tuple[int, str]] = set()
    for first in range(0, len(numbers), _AT_ONCE):
        some = numbers[first : first + _AT_ONCE]
        places |= {(row.parent, row.slot): row.number for row in tx.execute(select(s).where(s.c.parent.in_(some)))}
        asked = select(reported.c.item, reported.c.slot).where(reported.c.item.in_(some), as_of(reported, at, known))
        runs |= {(row.item, row.slot) for row in tx.execute(asked)}
    items, ends = items_at(tx, numbers, at, known), end_items(tx, book, numbers, at, known)
    return {
        root
        for number in numbers
        for spec in slots_of(book, items[number], ends[number], at)
        if (spec.mandatory or spec.safety) and (number, spec.slot) not in runs
        for root in held_by[number]
        if (root, places.get((number, spec.slot), 0)) not in told
    }


def _moments(tx: Connection, roots: Sequence[int], at: int, known: int) -> dict[tuple[int, int], list[int | None]]:
    """By root and place: when it was confirmed last, for each item that it holds; None: never."""
    p, o, s = tables.placement, tables.observation, tables.place
    inside = _inside(roots, at, known)
    held = tx.execute(
        select(inside.c.root, p.c.place, p.c.child, p.c.valid_from)
        .join(p, p.c.parent == inside.c.node)
        .where(as_of(p, at, known))
    ).all()
    emptied = tx.execute(
        select(inside.c.root, p.c.place, func.max(p.c.valid_to).label("last"))
        .join(p, p.c.parent == inside.c.node)
        .where(p.c.valid_to <= at, known_at(p, known))
        .group_by(inside.c.root, p.c.place)
    ).all()
    agrees = or_(o.c.saw == Saw.NOTHING.value, o.c.item.is_not(None))
    seen = tx.execute(
        select(inside.c.root, o.c.place, o.c.item, agrees.label("agrees"), func.max(o.c.valid_from).label("last"))
        .join(s, s.c.parent == inside.c.node)
        .join(o, o.c.place == s.c.number)
        .where(o.c.valid_from <= at, known_at(o, known))
        .group_by(inside.c.root, o.c.place, o.c.item, agrees)
    ).all()
    agreed = {(row.place, row.item): row.last for row in seen if row.agrees}
    slots: dict[tuple[int, int], list[int | None]] = {}
    for row in held:
        last = max(row.valid_from, agreed.get((row.place, row.child), row.valid_from))
        slots.setdefault((row.root, row.place), []).append(last)
    empty: dict[tuple[int, int], int | None] = {(row.root, row.place): agreed.get((row.place, None)) for row in seen}
    for row in emptied:
        empty[(row.root, row.place)] = max(row.last, agreed.get((row.place, None), row.last))
    r = tables.software
    for row in tx.execute(  # what is reported is what runs: nobody has to look
        select(inside.c.root, s.c.number)
        .join(s, s.c.parent == inside.c.node)
        .join(r, and_(r.c.item == s.c.parent, r.c.slot == s.c.slot))
        .where(as_of(r, at, known))
    ):
        empty.pop((row.root, row.number), None)
    for slot, moment in empty.items():
        slots.setdefault(slot, [moment])
    return slots


def _inside(roots: Sequence[int], at: int, known: int) -> Any:
    """A recursive table: each root, with itself and all that it consists of."""
    x, p = tables.item, tables.placement
    top = select(x.c.number.label("root"), x.c.number.label("node"), literal(0).label("depth"))
    found = top.where(x.c.number.in_(roots)).cte("inside", recursive=True)
    return found.union_all(
        select(found.c.root, p.c.child, found.c.depth + 1)
        .join(found, p.c.parent == found.c.node)
        .where(and_(as_of(p, at, known), found.c.depth < DEEPEST))
    )
