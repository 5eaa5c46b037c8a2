"""What rests on what was believed: who relied on a configuration, and what a correction changes for them.

An order, an invoice, a crew that was sent: each relied on what was known of a machine then. It says so (`rely`); when
something else becomes known of that moment, it is listed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, case, func, or_, select, update

from gemel.clock import moment
from gemel.configuration import tables
from gemel.configuration.acts.acting import item_row
from gemel.configuration.belief import former, known_at
from gemel.configuration.questions import asking
from gemel.configuration.questions.asking import Difference
from gemel.configuration.upkeep.tables import reliance
from gemel.configuration.upkeep.tables import snapshot as snapshots_table
from gemel.configuration.values import FOREVER, Span
from gemel.errors import InvalidInput, NotFound
from gemel.twin import Change, Page

__all__ = [
    "Dependant",
    "Dependants",
    "Reliance",
    "RelianceQuery",
    "dependants",
    "known_of",
    "latest_known",
    "reliances",
    "rely",
    "rely_all",
    "within_span",
]

_NOW = FOREVER - 1
_AT_ONCE = 500
_LOOKED_AT = 2_000
"""Reliances that are looked at for one answer."""
_TELLING = (
    (tables.placement, "child"),
    (tables.trait, "item"),
    (tables.usage, "item"),
    (tables.software, "item"),
)
_LAST_TOLD = (tables.placement.c.child, tables.placement.c.parent, tables.trait.c.item, tables.software.c.item)
_TIMES = {"number", "valid_from", "valid_to", "recorded_from", "recorded_to", "begun_by", "ended_by"}


class Reliance(msgspec.Struct, frozen=True, kw_only=True):
    """That something was done because a configuration was believed to be so."""

    kind: str
    """order, invoice, statement, campaign, visit …"""
    reference: str
    """Its id."""
    root: str
    valid: int
    """The moment of the machine that it relied on."""
    known: int
    """As of when that was known."""


class Dependant(msgspec.Struct, frozen=True, kw_only=True):
    """Something that relied on a configuration."""

    reliance: Reliance
    differences: tuple[Difference, ...]
    """Between what was believed, and what is now, of the same moment; none: it is believed still."""
    number: int = 0
    """Of the reliance; 0: of a snapshot."""
    actor: str = ""


class RelianceQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which reliances; what is empty is not asked for."""

    kind: str = ""
    reference: str = ""
    root: str = ""
    changed: bool = False
    """Only where something else is believed now."""
    limit: int = 100
    after: int | None = None
    """Only numbers below this one: the newest come first."""


class Dependants(msgspec.Struct, frozen=True, kw_only=True):
    """What a correction changed, or any other act."""

    act: int
    recorded: int
    """From when on it is believed."""
    items: tuple[str, ...]
    """Whose places, traits or use are told otherwise since."""
    span: Span | None
    """The time of the world of which something else is told."""
    roots: tuple[str, ...]
    """The machines and stores that these items were in then."""
    counters: tuple[str, ...]
    """Items that were within these, whose counters may be other ones now."""
    relied: tuple[Dependant, ...]
    """Snapshots and what said that it relied on one of the roots, for which something is different now."""


def rely(tx: Connection, on: Reliance, actor: str, now: int, *, anew: bool = False) -> Sequence[Change]:
    """Note that something relied on a configuration; said again, it is the same, or with `anew` it relies on what is
    believed now instead (a crew that is sent again). Raises NotFound, InvalidInput."""
    if not on.kind or not on.reference or len(on.kind) > 32 or len(on.reference) > 200:
        raise InvalidInput("what relies has a kind of 1 to 32 characters, and a reference of 1 to 200")
    moment(on.valid), moment(on.known)
    on = msgspec.structs.replace(on, known=min(on.known, latest_known(tx, now)))  # nobody relies on what is told later
    row, c = item_row(tx, on.root), reliance.c
    known = tx.execute(
        select(reliance).where(c.kind == on.kind, c.reference == on.reference, c.root == row.number)
    ).first()
    told = {"valid": on.valid, "known": on.known, "actor": actor}
    if known is not None and (not anew or (known.valid, known.known) == (on.valid, on.known)):
        return []
    if known is not None:
        tx.execute(update(reliance).where(c.number == known.number).values(**told))
    else:
        tx.execute(reliance.insert().values(kind=on.kind, reference=on.reference, root=row.number, **told))
    body = {"kind": on.kind, "reference": on.reference, "valid": on.valid, "known": on.known}
    return [Change(kind="item.relied_on", subject=row.id, time=now, actor=actor, body=body)]


def rely_all(tx: Connection, roots: Iterable[str], on: Reliance, actor: str) -> None:
    """The same of many at once, that nobody has told of yet; `on.root` is not looked at. It is for whoever says so to
    journal it."""
    x = tables.item.c
    ids = sorted(set(roots))
    for first in range(0, len(ids), _AT_ONCE):
        numbers = tx.scalars(select(x.number).where(x.id.in_(ids[first : first + _AT_ONCE]))).all()
        told = {"kind": on.kind, "reference": on.reference, "valid": on.valid, "known": on.known, "actor": actor}
        if numbers:
            tx.execute(reliance.insert(), [{"root": number, **told} for number in numbers])


def latest_known(tx: Connection, now: int) -> int:
    """As `known`, all that is believed at this place of a transaction, and nothing that will be."""
    return max(now, tx.scalar(select(func.max(tables.act.c.recorded))) or 0)


def known_of(tx: Connection, act: int) -> int:
    """When an act became known: the moment to ask what was believed right after it. Raises NotFound."""
    recorded = tx.scalar(select(tables.act.c.recorded).where(tables.act.c.number == act))
    if recorded is None:
        raise NotFound(f"there is no act {act}")
    return int(recorded)


def dependants(tx: Connection, act: int) -> Dependants:
    """What an act changed of what had been believed, and who had relied on that. Raises NotFound."""
    recorded = known_of(tx, act)
    touched, span = _touched(tx, act, recorded)
    roots: set[str] = set()
    above, inner = set(touched), set(touched)
    if span is not None:
        for number in touched:
            for known in (recorded - 1, recorded):
                roots |= _roots(tx, number, span, known)
                inner |= _within(tx, number, span, known)
                above |= _above(tx, number, span, known)
    c = tables.item.c
    names = {row.number: row.id for row in tx.execute(select(c.number, c.id).where(c.number.in_(inner)))}
    relied = []
    for one in _reliances(tx, above, recorded):
        before = asking.tree(tx, one.root, one.valid, one.known)
        changed = asking.difference(before, asking.tree(tx, one.root, one.valid, _NOW))
        if changed:
            relied.append(Dependant(reliance=one, differences=tuple(changed)))
    return Dependants(
        act=act,
        recorded=recorded,
        items=tuple(sorted(names[number] for number in touched)),
        span=span,
        roots=tuple(sorted(roots)),
        counters=tuple(sorted(names.values())),
        relied=tuple(relied),
    )


def _touched(tx: Connection, act: int, recorded: int) -> tuple[set[int], Span | None]:
    """Of whom something else is believed since an act, and of which time."""
    found: set[int] = set()
    start, end = FOREVER, -FOREVER
    for table, whose in _TELLING:
        c = table.c
        closed = tx.execute(select(table).where(c.recorded_to == recorded, former(table))).all()
        said = tx.execute(select(table).where(or_(c.begun_by == act, c.ended_by == act), c.recorded_from == recorded))
        new = {row.number: row for row in said}
        for row in closed:
            again = select(table).where(c[whose] == getattr(row, whose), c.recorded_from == recorded)
            new |= {other.number: other for other in tx.execute(again)}
        for item in {getattr(row, whose) for row in (*closed, *new.values())}:
            old_rows = [row for row in closed if getattr(row, whose) == item]
            new_rows = [row for row in new.values() if getattr(row, whose) == item]
            for span in _differing(old_rows, new_rows):
                found.add(item)
                start, end = min(start, span.start), max(end, span.end)
    return found, Span(start, end) if found else None


def _differing(old: Sequence[Row[Any]], new: Sequence[Row[Any]]) -> Iterator[Span]:
    """The times of which two sets of rows tell different things."""
    bounds = sorted({moment for row in (*old, *new) for moment in (row.valid_from, row.valid_to)})
    for start, end in pairwise(bounds):
        one, two = ({_content(row) for row in rows if row.valid_from <= start < row.valid_to} for rows in (old, new))
        if one != two:
            yield Span(start, end)


def _content(row: Row[Any]) -> tuple[Any, ...]:
    return tuple(value for name, value in row._mapping.items() if name not in _TIMES)


def _roots(tx: Connection, number: int, span: Span, known: int) -> set[str]:
    id = str(tx.scalar(select(tables.item.c.id).where(tables.item.c.number == number)))
    return {stay.root for stay in asking.stays(tx, id, span, known)} | {id}


def within_span(tx: Connection, root: str, span: Span, known: int) -> set[int]:
    """The numbers of an item and of all that was in it at any time within a span. Raises NotFound."""
    number = item_row(tx, root).number
    return {number} | _within(tx, number, span, known)


def _within(tx: Connection, number: int, span: Span, known: int) -> set[int]:
    """What was in an item at any time within a span."""
    p = tables.placement.c
    found: set[int] = set()
    new = {number}
    while new:
        inside = select(p.child).where(p.parent.in_(new), p.valid_from < span.end, p.valid_to > span.start)
        new = set(tx.scalars(inside.where(known_at(tables.placement, known)))) - found
        found |= new
    return found


def _above(tx: Connection, number: int, span: Span, known: int) -> set[int]:
    """What an item was in at any time within a span: machines, and the lines and halls that they stand in."""
    p = tables.placement.c
    found: set[int] = set()
    new = {number}
    while new:
        held = select(p.parent).where(p.child.in_(new), p.valid_from < span.end, p.valid_to > span.start)
        new = set(tx.scalars(held.where(known_at(tables.placement, known)))) - found
        found |= new
    return found


def _reliances(tx: Connection, roots: Iterable[int], before: int) -> list[Reliance]:
    """Of these roots, by who knew less; snapshots among them."""
    x, r, s = tables.item.c, reliance.c, snapshots_table.c
    numbers = sorted(roots)
    told = tx.execute(
        select(r.kind, r.reference, x.id, r.valid, r.known)
        .join(tables.item, x.number == r.root)
        .where(x.number.in_(numbers), r.known < before)
        .order_by(r.number)
    ).all()
    taken = tx.execute(
        select(s.number, x.id, s.valid, s.known)
        .join(tables.item, x.number == s.root)
        .where(x.number.in_(numbers), s.known < before)
        .order_by(s.number)
    ).all()
    found = [Reliance(kind=k, reference=ref, root=id, valid=valid, known=known) for k, ref, id, valid, known in told]
    return found + [
        Reliance(kind="snapshot", reference=str(number), root=id, valid=valid, known=known)
        for number, id, valid, known in taken
    ]


def reliances(tx: Connection, asked: RelianceQuery, shown: Callable[[Reliance], bool]) -> Page[Dependant]:
    """Who relied on what, the newest first; `next` is a number for `after`. An answer may have fewer than were asked
    for, and still a `next`. Raises NotFound (root)."""
    x, r = tables.item.c, reliance.c
    query = select(r.number, r.kind, r.reference, x.id, r.valid, r.known, r.actor).join(tables.item, x.number == r.root)
    for column, value in ((r.kind, asked.kind), (r.reference, asked.reference)):
        query = query.where(column == value) if value else query
    if asked.root:
        query = query.where(r.root == item_row(tx, asked.root).number)
    if asked.after is not None:
        query = query.where(r.number < asked.after)
    rows = tx.execute(query.order_by(r.number.desc()).limit(_LOOKED_AT)).all()
    told: dict[int, int] = {}
    found: list[Dependant] = []
    for row in rows:
        one = Reliance(kind=row.kind, reference=row.reference, root=row.id, valid=row.valid, known=row.known)
        if not shown(one):
            continue
        if len(found) == asked.limit:
            return Page(found, str(found[-1].number))
        differences = _differences(tx, one, told)
        if differences or not asked.changed:
            found.append(Dependant(reliance=one, differences=differences, number=row.number, actor=row.actor))
    return Page(found, str(rows[-1].number) if len(rows) == _LOOKED_AT else None)


def _look(tx: Connection, numbers: set[int], told: dict[int, int]) -> None:
    """Note when something was last told of the places, traits or software of these items."""
    new = sorted(numbers - told.keys())
    told.update(dict.fromkeys(new, 0))
    for first in range(0, len(new), _AT_ONCE):
        for column in _LAST_TOLD:
            c = column.table.c
            ended = func.max(case((c.recorded_to < FOREVER, c.recorded_to), else_=0))
            asked = select(column, func.max(c.recorded_from), ended).group_by(column)
            for number, begun, over in tx.execute(asked.where(column.in_(new[first : first + _AT_ONCE]))):
                told[number] = max(told[number], begun, over)


def _differences(tx: Connection, one: Reliance, told: dict[int, int]) -> tuple[Difference, ...]:
    """Looked for only where something was told of what was in it then. `told`: what is known of that by now."""
    inside = within_span(tx, one.root, Span(one.valid, one.valid + 1), one.known)
    _look(tx, inside, told)
    if not any(told[number] > one.known for number in inside):
        return ()
    before = asking.tree(tx, one.root, one.valid, one.known)
    return tuple(asking.difference(before, asking.tree(tx, one.root, one.valid, _NOW)))
