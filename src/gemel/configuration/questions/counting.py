"""How much an item has been used: hours, strokes, starts; through whatever it was in, as long as it was in it."""

from __future__ import annotations

import math

import msgspec
from sqlalchemy import Connection, select

from gemel.clock import to_rfc3339
from gemel.configuration import tables
from gemel.configuration.acts.acting import item_row, not_known
from gemel.configuration.belief import Entry, believed, known_at, overlapping
from gemel.configuration.operations import Adjust, Use
from gemel.configuration.values import FOREVER, Span
from gemel.errors import Conflict, InvalidTime, InvalidValue

__all__ = ["Count", "adjust", "count", "metered", "use"]

_MOST = 1e15
"""Of a counter at once: sums stay exact to less than one."""


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How much an item was used up to a moment, and for how long nobody told."""

    amount: float
    untold_s: float
    """So many seconds of its life neither it nor what it was in told of its use; in a store, too."""


def use(entry: Entry, item: str, kind: str, span: Span, amount: float) -> None:
    """An item, and all that is in it, was used so much in a time. Raises InvalidValue, InvalidTime, Conflict."""
    row = item_row(entry.tx, item)
    if not (math.isfinite(amount) and amount >= 0):
        raise InvalidValue(f"use is 0 or more, not {amount}; an adjustment may be negative")
    _check(kind, amount)
    if span.start < row.born:
        raise not_known(row)
    if span.start >= span.end:
        raise InvalidTime(f"a time ends after it begins, not at {to_rfc3339(span.end)}")
    c = tables.usage.c
    for told in overlapping(entry.tx, tables.usage, (c.item == row.number) & (c.kind == kind) & ~c.own, span):
        raise Conflict(
            f"{kind} of {item} is told of {to_rfc3339(told.valid_from)} to {to_rfc3339(told.valid_to)} "
            f"already; withdraw act {told.begun_by} first",
            act=told.begun_by,
        )
    entry.believe(tables.usage, span, ended=True, item=row.number, kind=kind, amount=amount, own=False)


def adjust(entry: Entry, item: str, kind: str, amount: float, time: int) -> None:
    """An item, not what is in it, has so much more or less than was counted: its records, or a correction."""
    row = item_row(entry.tx, item)
    if not math.isfinite(amount):
        raise InvalidValue(f"an adjustment is a number, not {amount}")
    _check(kind, amount)
    if time < row.born:
        raise not_known(row)
    entry.believe(tables.usage, Span(time, time + 1), ended=True, item=row.number, kind=kind, amount=amount, own=True)


def _check(kind: str, amount: float) -> None:
    if not kind:
        raise InvalidValue("say what is counted (kind): hours, strokes, starts …")
    if abs(amount) > _MOST:
        raise InvalidValue(f"{kind} is a number of at most {_MOST:,.0f} at once, not {amount:g}")


def count(tx: Connection, item: str, kind: str, until: int, known: int) -> Count:
    """Up to a moment, as believed at `known`: its adjustments, and how much it, or the nearest holder that tells, was
    used. What is told of a time is spread over it evenly. Raises NotFound."""
    row = item_row(tx, item)
    c = tables.usage.c
    adjusted = sum(
        tx.scalars(
            select(c.amount).where(
                c.item == row.number, c.kind == kind, c.own, c.valid_from <= until, known_at(tables.usage, known)
            )
        )
    )
    if until <= row.born:
        return Count(amount=adjusted, untold_s=0.0)
    amount, untold = _told(tx, row.number, kind, Span(row.born, until), known)
    return Count(amount=adjusted + amount, untold_s=untold / 1e6)


def metered(tx: Connection, item: str, kind: str, meter: float, *, at: int) -> Use | Adjust | None:
    """What makes the count at a moment what a meter says then: a use since the item told last, by all that is in it;
    the first time, and where the meter says less, an adjustment of the item alone. None where it is so already, and
    where something is told of a later time: that was counted without this, and stays. Raises NotFound."""
    row, c = item_row(tx, item), tables.usage.c
    mine = tx.execute(
        select(c.valid_from, c.valid_to, c.own).where(c.item == row.number, c.kind == kind, believed(tables.usage))
    ).all()
    ends = [told.valid_from if told.own else told.valid_to for told in mine]
    more = meter - count(tx, item, kind, at, FOREVER - 1).amount
    if more == 0 or any(end > at for end in ends):
        return None
    last = max(ends, default=at)
    if more > 0 and last < at:
        amount = meter - count(tx, item, kind, last, FOREVER - 1).amount
        return Use(item=item, kind=kind, start=last, end=at, amount=amount)
    return Adjust(item=item, kind=kind, amount=more, at=at)


def _told(tx: Connection, number: int, kind: str, span: Span, known: int) -> tuple[float, int]:
    """Amount and untold microseconds of one item in a time."""
    c, p = tables.usage.c, tables.placement.c
    rows = tx.execute(
        select(c.amount, c.valid_from, c.valid_to)
        .where(c.item == number, c.kind == kind, ~c.own, c.valid_from < span.end, c.valid_to > span.start)
        .where(known_at(tables.usage, known))
        .order_by(c.valid_from)
    ).all()
    amount, gaps, at = 0.0, list[Span](), span.start
    for row in rows:
        inside = span.meets(Span(row.valid_from, row.valid_to))
        assert inside is not None
        amount += row.amount * (inside.end - inside.start) / (row.valid_to - row.valid_from)
        if at < inside.start:
            gaps.append(Span(at, inside.start))
        at = inside.end
    if at < span.end:
        gaps.append(Span(at, span.end))
    untold = 0
    for gap in gaps:
        untold += gap.end - gap.start
        for held in tx.execute(
            select(p.parent, p.valid_from, p.valid_to)
            .where(p.child == number, p.valid_from < gap.end, p.valid_to > gap.start)
            .where(known_at(tables.placement, known))
        ).all():
            inside = gap.meets(Span(held.valid_from, held.valid_to))
            assert inside is not None
            more, still = _told(tx, held.parent, kind, inside, known)
            amount += more
            untold += still - (inside.end - inside.start)
    return amount, untold
