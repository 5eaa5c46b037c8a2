"""What was said before is corrected or withdrawn: everything that it began or ended moves with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Row, Table, or_, select, update

from gemel.clock import to_rfc3339
from gemel.configuration import tables
from gemel.configuration.acts.acting import RETIRED, existing, item_row, refuse_cycle
from gemel.configuration.acts.identity import refresh
from gemel.configuration.belief import Entry, overlapping
from gemel.configuration.values import FOREVER, ActKind, Span
from gemel.errors import Conflict, NotFound

__all__ = ["correct", "replaced", "withdraw"]

_SUBJECTS: dict[Table, tuple[str, ...]] = {
    tables.placement: (),
    tables.trait: ("item", "name"),
    tables.usage: (),
    tables.software: ("item", "slot"),
    tables.standing: ("nonconformance",),
    tables.observation: (),
}
"""Of what always something is so, one thing after another, and what names it."""
_PLACING = (ActKind.INSTALLED, ActKind.REMOVED, ActKind.SWAPPED, ActKind.MOVED, ActKind.CORRECTED)
_Changes = list[tuple[Row[Any], dict[str, Any]]]


def correct(entry: Entry, act: int, time: int) -> None:
    """An earlier act was at another moment. Raises NotFound, Conflict (it would pass what comes before or after)."""
    said = _act(entry, act)
    if said.kind == ActKind.IDENTIFIED and not _operation(said).get("stamped"):
        raise Conflict(f"act {act} says what an item is and always was; withdraw it and say it again")
    if said.kind in (ActKind.MERGED, ActKind.SPLIT):
        raise Conflict(f"act {act} says what always was; it has no moment of its own")
    items = _born(entry, act, time) if _creates(said) else []
    seen = 0
    for table in _SUBJECTS:
        changes = [(row, _moved(table, row, act, time)) for row in entry.of_act(table, act)]
        seen += len(changes)
        _change(entry, table, changes)
    if not seen:
        raise NotFound(f"nothing is believed by act {act}; it was withdrawn, or never was")
    for number in items:
        _not_before(entry, number, time)


def _moved(table: Table, row: Row[Any], act: int, time: int) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if row.begun_by == act:
        values["valid_from"] = time
    if row.ended_by == act:
        if row.begun_by == act and table is tables.observation:
            return {"valid_from": time, "valid_to": time + 1}
        if row.begun_by == act:
            raise Conflict(f"act {act} says both the beginning and the end; withdraw it and say it again")
        values["valid_to"] = time
    start, end = values.get("valid_from", row.valid_from), values.get("valid_to", row.valid_to)
    if start >= end:
        raise Conflict(
            f"at {to_rfc3339(time)} it would pass what is known of {to_rfc3339(row.valid_from)} to "
            f"{'now' if row.valid_to == FOREVER else to_rfc3339(row.valid_to)}; correct that first"
        )
    return values


def _born(entry: Entry, act: int, time: int) -> Sequence[int]:
    """The items that an act made known are known from another moment on."""
    t, x = tables.trait.c, tables.item.c
    numbers = entry.tx.scalars(select(t.item).where(t.begun_by == act).distinct()).all()
    entry.tx.execute(update(tables.item).where(x.number.in_(numbers)).values(born=time))
    return numbers


def _not_before(entry: Entry, number: int, time: int) -> None:
    """Raises Conflict when something is said of an item before it is known."""
    p, u = tables.placement, tables.usage
    for table, what in ((p, or_(p.c.child == number, p.c.parent == number)), (u, u.c.item == number)):
        for row in overlapping(entry.tx, table, what, Span(-FOREVER, time)):
            said = to_rfc3339(row.valid_from)
            raise Conflict(f"act {row.begun_by} says something of it at {said} already", act=row.begun_by)


def withdraw(entry: Entry, act: int) -> None:
    """An earlier act was not so. What it began is not believed any more; what it ended goes on.

    Raises NotFound, Conflict (something later rests on it).
    """
    said = _act(entry, act)
    if said.kind in (ActKind.MERGED, ActKind.SPLIT):
        raise Conflict(
            f"act {act} cannot be withdrawn; {'split' if said.kind == ActKind.MERGED else 'merge'} them again"
        )
    if _creates(said):
        _never(entry, act)
    seen = 0
    for table, subject in _SUBJECTS.items():
        rows = entry.of_act(table, act)
        seen += len(rows)
        gone = [row for row in rows if row.begun_by == act]
        if said.kind == ActKind.IDENTIFIED and table is tables.trait:
            gone = _former(entry, said, gone)
        for row in gone:
            if table is tables.placement and row.ended_by not in (None, act):
                raise Conflict(f"act {row.ended_by} ended what act {act} began; withdraw that first", act=row.ended_by)
        after = {_of(row, subject): {"valid_to": row.valid_to, "ended_by": row.ended_by} for row in gone if subject}
        reopened: _Changes = []
        for row in rows:
            if row.begun_by != act:
                so_long = after.get(_of(row, subject)) if subject else None
                reopened.append((row, so_long or {"valid_to": FOREVER, "ended_by": None}))
        entry.disbelieve(table, gone)
        _change(entry, table, reopened)
    if not seen:
        raise NotFound(f"nothing is believed by act {act}; it was withdrawn already, or never was")
    if said.kind == ActKind.IDENTIFIED:
        refresh(entry.tx, item_row(entry.tx, _operation(said)["item"]).number)


def replaced(entry: Entry, act: int) -> None:
    """What an earlier act said of where something is was not so; what really was is said next, by the same entry.

    Raises NotFound, Conflict (it says something else, or something later rests on it).
    """
    said = _act(entry, act)
    if said.kind not in _PLACING:
        raise Conflict(f"act {act} does not say what came where; withdraw it, and say what was")
    withdraw(entry, act)


def _of(row: Row[Any], subject: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row._mapping[name] for name in subject)


def _act(entry: Entry, act: int) -> Row[Any]:
    row = entry.tx.execute(select(tables.act).where(tables.act.c.number == act)).first()
    if row is None:
        raise NotFound(f"there is no act {act}; the acts of an item tell their numbers (`gemel item acts ITEM`)")
    return row


def _creates(act: Row[Any]) -> bool:
    """Whether an item is known by it since."""
    if act.kind == ActKind.CREATED or not act.operation:
        return bool(act.kind == ActKind.CREATED)
    told = _operation(act)
    return "spec" in (told.get("instead") or told)


def _operation(act: Row[Any]) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(act.operation)
    return found


def _never(entry: Entry, act: int) -> None:
    """An item was never there. Raises Conflict while something else is said of it."""
    t, p, x = tables.trait, tables.placement, tables.item.c
    for number in entry.tx.scalars(select(t.c.item).where(t.c.begun_by == act).distinct()).all():
        about = (
            (p, or_(p.c.child == number, p.c.parent == number)),
            (t, t.c.item == number),
            (tables.usage, tables.usage.c.item == number),
            (tables.software, tables.software.c.item == number),
        )
        for table, what in about:
            for row in overlapping(entry.tx, table, what, Span(-FOREVER)):
                others = {row.begun_by, row.ended_by} - {act, None}
                if others:
                    raise Conflict(f"act {min(others)} says something of it; withdraw that first", act=min(others))
        entry.tx.execute(update(tables.item).where(x.number == number).values(born=FOREVER, serial="", twin=""))


def _former(entry: Entry, said: Row[Any], gone: Sequence[Row[Any]]) -> list[Row[Any]]:
    """What was believed of an item's identity before an act said otherwise is believed again, for the same times."""
    t = tables.trait
    kept: list[Row[Any]] = []
    for row in gone:
        same = (t.c.item == row.item, t.c.name == row.name, t.c.recorded_to == said.recorded)
        old = entry.tx.execute(
            select(t).where(*same, t.c.valid_from <= row.valid_from, t.c.valid_to > row.valid_from)
        ).first()
        if old is None or old.valid_from != row.valid_from:
            kept.append(row)  # it was stamped then: what was before it goes on
        else:
            entry.rewrite(t, [(row, {"value": old.value, "begun_by": old.begun_by})])
    return kept


def _change(entry: Entry, table: Table, changes: _Changes) -> None:
    """Believe other times, if nothing else forbids them."""
    _check_free(entry, table, changes)
    entry.rewrite(table, changes)
    for row, values in changes:
        span = Span(values.get("valid_from", row.valid_from), values.get("valid_to", row.valid_to))
        if table is tables.placement:
            inner, outer = (_item(entry, number) for number in (row.child, row.parent))
            existing(entry.tx, inner, span)
            existing(entry.tx, outer, span)
            refuse_cycle(entry.tx, inner, outer, span)
        if table is tables.trait and row.name == RETIRED:
            c = tables.placement.c
            what = (c.child == row.item) | (c.parent == row.item)
            for held in overlapping(entry.tx, tables.placement, what, span):
                raise Conflict(f"act {held.begun_by} says that it was in a machine then", act=held.begun_by)


def _item(entry: Entry, number: int) -> Row[Any]:
    return entry.tx.execute(select(tables.item).where(tables.item.c.number == number)).one()


def _check_free(entry: Entry, table: Table, changes: _Changes) -> None:
    """What rows would say must not overlap what others say, the changed ones aside."""
    changed = {row.number for row, _ in changes}
    subject = _SUBJECTS[table]
    for row, values in changes:
        span = Span(values.get("valid_from", row.valid_from), values.get("valid_to", row.valid_to))
        c = table.c
        if table in (tables.usage, tables.observation):  # an act says all of it: it is withdrawn, or moved as a whole
            continue
        if subject:
            what = c[subject[0]] == row._mapping[subject[0]]
            for name in subject[1:]:
                what &= c[name] == row._mapping[name]
        else:
            what = c.child == row.child
            if row.single:
                what |= c.place == row.place
        for other in overlapping(entry.tx, table, what, span):
            if other.number not in changed:
                said = to_rfc3339(other.valid_from)
                raise Conflict(f"that would overlap what act {other.begun_by} says from {said} on", act=other.begun_by)
