"""What turned in a machine: the acts of a moment, and the parts and software that were ever in it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TypeVar

from sqlalchemy import Connection, select, union

from gemel.configuration import tables
from gemel.configuration.acts.acting import item_row
from gemel.configuration.belief import known_at
from gemel.configuration.questions.asking import _acts as acts_of_rows
from gemel.configuration.questions.dependants import within_span
from gemel.configuration.questions.finding import wheres
from gemel.configuration.values import Act, Span

__all__ = ["acts_at", "endings", "parts_of", "parts_within"]

_AT_ONCE = 500
T = TypeVar("T")
_TURNING = ((tables.placement, "child"), (tables.trait, "item"), (tables.software, "item"))


def acts_at(tx: Connection, items: Iterable[str], moment: int, known: int) -> list[Act]:
    """The acts by which a place, a trait or the software of items, or of what they were in just before, is another one
    from a moment on; in the order of their becoming known. Raises NotFound."""
    numbers = {int(item_row(tx, item).number) for item in items}
    for held in wheres(tx, numbers, moment - 1, known).values():
        numbers |= {row.parent for row in held}
    told: set[int] = set()
    for table, whose in _TURNING:
        c = table.c
        so = (c[whose].in_(numbers), known_at(table, known))
        told |= set(tx.scalars(select(c.begun_by).where(*so, c.valid_from == moment)))
        told |= set(tx.scalars(select(c.ended_by).where(*so, c.valid_to == moment, c.ended_by.is_not(None))))
    rows = tx.execute(select(tables.act).where(tables.act.c.number.in_(told)).order_by(tables.act.c.recorded)).all()
    return acts_of_rows(tx, rows)


def parts_within(tx: Connection, root: str, span: Span, known: int) -> set[str]:
    """The part numbers of a machine, of all that was in it within a span, and of what they reported to run; also those
    that they have at other times. Raises NotFound."""
    numbers = sorted(within_span(tx, root, span, known))
    x, t, w = tables.item.c, tables.trait.c, tables.software.c
    found: set[str] = set()
    for some in _some(numbers):
        found |= set(
            tx.scalars(
                union(
                    select(x.part).where(x.number.in_(some)),
                    select(t.value).where(t.item.in_(some), t.name == "part"),
                    select(w.part).where(w.item.in_(some)),
                )
            )
        )
    return found


def endings(tx: Connection, ends: Collection[tuple[str, int]], known: int) -> dict[tuple[str, int], list[Act]]:
    """Of many (item, moment): the acts by which a place, a trait or the software of that very item ended then."""
    x = tables.item.c
    wanted, found = set(ends), dict[tuple[str, int], set[int]]()
    for some in _some(sorted({item for item, _ in wanted})):
        for table, whose in _TURNING:
            c = table.c
            asked = (
                select(x.id, c.valid_to, c.ended_by)
                .join(tables.item, x.number == c[whose])
                .where(x.id.in_(some), known_at(table, known), c.ended_by.is_not(None))
            )
            for row in tx.execute(asked):
                if (row.id, row.valid_to) in wanted:
                    found.setdefault((row.id, row.valid_to), set()).add(row.ended_by)
    acts: dict[int, Act] = {}
    for numbers in _some(sorted(set().union(*found.values()))):
        rows = tx.execute(select(tables.act).where(tables.act.c.number.in_(numbers))).all()
        acts |= {one.number: one for one in acts_of_rows(tx, rows)}
    return {end: [acts[number] for number in sorted(numbers)] for end, numbers in found.items()}


def parts_of(tx: Connection, items: Collection[str]) -> dict[str, str]:
    """The part numbers of items, as they are last known."""
    x = tables.item.c
    found: dict[str, str] = {}
    for some in _some(sorted(items)):
        found |= {row.id: row.part for row in tx.execute(select(x.id, x.part).where(x.id.in_(some)))}
    return found


def _some(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for first in range(0, len(values), _AT_ONCE):
        yield values[first : first + _AT_ONCE]
