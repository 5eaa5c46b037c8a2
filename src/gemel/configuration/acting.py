"""Acts: what somebody says was done to items, checked against what is believed, and believed from then on."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Table, func, insert, select

from gemel.clock import to_rfc3339
from gemel.configuration import tables
from gemel.configuration.belief import Entry, believed, overlapping
from gemel.configuration.values import FOREVER, ActKind, Basis, ItemKind, ItemSpec, Span
from gemel.errors import Conflict, InvalidInput, InvalidTime, KeyReused, NotFound

__all__ = [
    "begin",
    "correct",
    "create",
    "install",
    "item_row",
    "leave_store",
    "modify",
    "occupant",
    "remove",
    "retire",
    "said_before",
    "withdraw",
]

RETIRED, REVISION = "retired", "revision"
_BELIEFS = (tables.placement, tables.trait, tables.usage)


def said_before(tx: Connection, kind: ActKind, time: int | None, basis: Basis) -> int | None:
    """The number of the act that was said with the same key by the same source. Raises KeyReused for another act."""
    if not basis.key:
        return None
    c = tables.act.c
    row = tx.execute(select(tables.act).where(c.source == basis.source, c.key == basis.key)).first()
    if row is None:
        return None
    if row.kind != kind.value or time not in (None, row.time):
        raise KeyReused(f"{basis.key:.80} was said already, of {row.kind} at {to_rfc3339(row.time)} (act {row.number})")
    return int(row.number)


def begin(
    tx: Connection, kind: ActKind, time: int, *, now: int, basis: Basis, actor: str = "", amends: int | None = None
) -> Entry:
    """Note an act; what it changes is said through the entry."""
    if (amends is not None or kind is ActKind.ADJUSTED) and not basis.reason.strip():
        raise InvalidInput("a correction says why: give a reason")
    if not 0.0 <= basis.confidence <= 1.0:
        raise InvalidInput(f"confidence is from 0 to 1, not {basis.confidence}")
    last = tx.scalar(select(func.max(tables.act.c.recorded)))
    recorded = now if last is None else max(now, last + 1)
    done = tx.execute(
        insert(tables.act).values(
            kind=kind.value,
            time=time,
            recorded=recorded,
            actor=actor,
            source=basis.source,
            work_order=basis.work_order,
            evidence=basis.evidence,
            confidence=basis.confidence,
            uncertainty=round(basis.uncertainty_s * 1e6),
            reason=basis.reason,
            key=basis.key,
            amends=amends,
        )
    )
    key = done.inserted_primary_key
    assert key is not None
    return Entry(tx, int(key[0]), recorded)


def item_row(tx: Connection, id: str) -> Row[Any]:
    """The row of an item, by its id or by that of one that was merged into it. Raises NotFound."""
    c = tables.item.c
    row = tx.execute(select(tables.item).where(c.id == id)).first()
    if row is None:
        raise NotFound(f"there is no item {id!r:.160}; look for its serial number")
    while row.merged is not None:
        row = tx.execute(select(tables.item).where(c.number == row.merged)).one()
    return row


def create(entry: Entry, spec: ItemSpec, time: int) -> None:
    """Know an item from a moment on. Raises Conflict for an id or an identity that is known."""
    c, tx = tables.item.c, entry.tx
    if tx.execute(select(c.id).where(c.id == spec.id)).first():
        raise Conflict(f"there is an item {spec.id} already")
    if spec.serial:
        same = (c.part == spec.part, c.maker == spec.maker, c.serial == spec.serial, c.merged.is_(None))
        if known := tx.execute(select(c.id).where(*same)).scalar():
            raise Conflict(f"{spec.part} with serial number {spec.serial} of {spec.maker or 'no maker'} is {known}")
    done = tx.execute(
        insert(tables.item).values(
            id=spec.id,
            part=spec.part,
            maker=spec.maker,
            serial=spec.serial,
            lot=spec.lot,
            kind=spec.kind.value,
            twin=spec.twin,
            born=time,
            merged=None,
        )
    )
    key = done.inserted_primary_key
    assert key is not None
    entry.believe(tables.trait, Span(time), item=int(key[0]), name=REVISION, value=spec.revision)


def install(entry: Entry, child: str, parent: str, slot: str, span: Span) -> None:
    """Put a child into a slot of a parent for a time; with an end, it is known to have been removed then.

    Raises NotFound; InvalidTime (one of them did not exist then); Conflict (the child is elsewhere then, the slot is
    taken, the child would be within itself, or something is known of later and no end was given).
    """
    tx = entry.tx
    inner, outer = item_row(tx, child), item_row(tx, parent)
    if not slot or len(slot) > 128:
        raise InvalidInput("a slot has a name of 1 to 128 characters")
    if span.start >= span.end:
        raise InvalidTime(f"{to_rfc3339(span.end)} is not after {to_rfc3339(span.start)}")
    for row in (inner, outer):
        _existing(tx, row, span)
    c = tables.placement.c
    single = outer.kind != ItemKind.LOCATION
    number = _place(tx, outer.number, slot)
    for row in overlapping(tx, tables.placement, c.child == inner.number, span):
        _refuse(row, span, f"{child} is in {_where(tx, row)}", "move it")
    if single:
        for row in overlapping(tx, tables.placement, c.place == number, span):
            _refuse(row, span, f"{slot} of {parent} holds {_name(tx, row.child)}", "swap them")
    _refuse_cycle(tx, inner, outer, span)
    of = {"child": inner.number, "parent": outer.number, "place": number, "single": single}
    entry.believe(tables.placement, span, ended=span.end != FOREVER, **of)


def _refuse(row: Row[Any], span: Span, what: str, way: str) -> None:
    if row.valid_from <= span.start:
        raise Conflict(f"{what} since {to_rfc3339(row.valid_from)}; remove it first, or {way}")
    raise Conflict(f"{what} from {to_rfc3339(row.valid_from)} on; say until when this was before it")


def remove(entry: Entry, child: str, time: int) -> Row[Any]:
    """Take a child out of where it is; returns what was believed. Raises Conflict if it is nowhere then, or was
    known to be removed later."""
    row = item_row(entry.tx, child)
    c = tables.placement.c
    rows = overlapping(entry.tx, tables.placement, c.child == row.number, Span(time, time + 1))
    if not rows:
        raise Conflict(f"{child} is in no slot at {to_rfc3339(time)}")
    (held,) = rows
    if held.ended_by is not None:
        raise Conflict(
            f"{child} is known to have left {_where(entry.tx, held)} at {to_rfc3339(held.valid_to)}; "
            f"correct that (act {held.ended_by}) if it is wrong",
            act=held.ended_by,
        )
    if held.valid_from == time:
        raise Conflict(f"{child} came into {_where(entry.tx, held)} at that very moment; withdraw act {held.begun_by}")
    entry.rewrite(tables.placement, [(held, {"valid_to": time, "ended_by": entry.number})])
    return held


def occupant(tx: Connection, parent: str, slot: str, time: int) -> str:
    """The item in a slot at a moment. Raises NotFound."""
    outer = item_row(tx, parent)
    number = _place(tx, outer.number, slot)
    rows = overlapping(tx, tables.placement, tables.placement.c.place == number, Span(time, time + 1))
    if not rows:
        raise NotFound(f"{slot} of {parent} is empty at {to_rfc3339(time)}")
    return _name(tx, rows[0].child)


def modify(entry: Entry, child: str, name: str, value: str, time: int) -> None:
    """A trait (the revision, say) has a value from a moment to the next time that it is known to change."""
    row = item_row(entry.tx, child)
    c = tables.trait.c
    what = (c.item == row.number) & (c.name == name)
    rows = overlapping(entry.tx, tables.trait, what, Span(time))
    end, ended_by = FOREVER, None
    if rows and rows[0].valid_from == time:
        raise Conflict(
            f"{name} of {child} is known to have changed at that very moment; correct act {rows[0].begun_by}"
        )
    if rows and rows[0].valid_from < time:
        end, ended_by = rows[0].valid_to, rows[0].ended_by
        entry.rewrite(tables.trait, [(rows[0], {"valid_to": time, "ended_by": entry.number})])
    elif rows:
        raise InvalidTime(f"{child} is not known before {to_rfc3339(rows[0].valid_from)}")
    entry.tx.execute(
        insert(tables.trait).values(
            item=row.number,
            name=name,
            value=value,
            valid_from=time,
            valid_to=end,
            recorded_from=entry.recorded,
            recorded_to=FOREVER,
            begun_by=entry.number,
            ended_by=ended_by,
        )
    )


def retire(entry: Entry, child: str, time: int) -> None:
    """The item exists no more. Raises Conflict while it is in a slot or holds parts then."""
    row = item_row(entry.tx, child)
    c = tables.placement.c
    for held in overlapping(entry.tx, tables.placement, (c.child == row.number) | (c.parent == row.number), Span(time)):
        raise Conflict(f"{_name(entry.tx, held.child)} is in {_where(entry.tx, held)}; remove it first")
    entry.believe(tables.trait, Span(time), item=row.number, name=RETIRED, value="true")


def correct(entry: Entry, act: int, time: int) -> None:
    """An earlier act was at another moment. Raises NotFound, Conflict (it would pass what comes before or after)."""
    seen = 0
    for table in _BELIEFS:
        changes = []
        for row in entry.of_act(table, act):
            values: dict[str, Any] = {}
            if row.begun_by == act:
                values["valid_from"] = time
            if row.ended_by == act:
                if row.begun_by == act:
                    raise Conflict(f"act {act} says both the beginning and the end; withdraw it and say it again")
                values["valid_to"] = time
            start, end = values.get("valid_from", row.valid_from), values.get("valid_to", row.valid_to)
            if start >= end:
                raise Conflict(
                    f"at {to_rfc3339(time)} it would pass what is known of {to_rfc3339(row.valid_from)} to "
                    f"{'now' if row.valid_to == FOREVER else to_rfc3339(row.valid_to)}; correct that first"
                )
            changes.append((row, values))
        seen += len(changes)
        _check_free(entry, table, changes)
        entry.rewrite(table, changes)
    if not seen:
        raise NotFound(f"nothing is believed by act {act}; it was withdrawn, or never was")


def withdraw(entry: Entry, act: int) -> None:
    """An earlier act was not so. What it began is not believed any more; what it ended goes on.

    Raises NotFound, Conflict (something later rests on it).
    """
    seen = 0
    for table in _BELIEFS:
        rows = entry.of_act(table, act)
        gone = [row for row in rows if row.begun_by == act]
        after: dict[str, Any] = {"valid_to": FOREVER, "ended_by": None}
        for row in gone:
            if row.ended_by not in (None, act):
                if table is tables.placement:
                    raise Conflict(f"act {row.ended_by} ended what act {act} began; withdraw that first")
                after = {"valid_to": row.valid_to, "ended_by": row.ended_by}  # what was before it goes on so long
        reopened = [(row, after) for row in rows if row.begun_by != act]
        seen += len(rows)
        entry.disbelieve(table, gone)
        _check_free(entry, table, reopened)
        entry.rewrite(table, reopened)
    if not seen:
        raise NotFound(f"nothing is believed by act {act}; it was withdrawn already, or never was")


def _check_free(entry: Entry, table: Table, changes: list[tuple[Row[Any], dict[str, Any]]]) -> None:
    """What rows would say must not overlap what others say, the changed ones aside."""
    changed = {row.number for row, _ in changes}
    for row, values in changes:
        span = Span(values.get("valid_from", row.valid_from), values.get("valid_to", row.valid_to))
        c = table.c
        if table is tables.usage:  # an act says its beginning and its end: it is withdrawn, never moved or reopened
            continue
        if table is tables.trait:
            what = (c.item == row.item) & (c.name == row.name)
        else:
            what = c.child == row.child
            if row.single:
                what |= c.place == row.place
        for other in overlapping(entry.tx, table, what, span):
            if other.number not in changed:
                said = to_rfc3339(other.valid_from)
                raise Conflict(f"that would overlap what act {other.begun_by} says from {said} on", act=other.begun_by)


def _existing(tx: Connection, row: Row[Any], span: Span) -> None:
    if span.start < row.born:
        raise InvalidTime(f"{row.id} is not known before {to_rfc3339(row.born)}")
    c = tables.trait.c
    for gone in overlapping(tx, tables.trait, (c.item == row.number) & (c.name == RETIRED), span):
        raise Conflict(f"{row.id} was retired at {to_rfc3339(gone.valid_from)}")


def _place(tx: Connection, parent: int, slot: str) -> int:
    c = tables.place.c
    number = tx.scalar(select(c.number).where(c.parent == parent, c.slot == slot))
    if number is None:
        key = tx.execute(insert(tables.place).values(parent=parent, slot=slot)).inserted_primary_key
        assert key is not None
        number = key[0]
    return int(number)


def _name(tx: Connection, number: int) -> str:
    return str(tx.scalar(select(tables.item.c.id).where(tables.item.c.number == number)))


def _where(tx: Connection, row: Row[Any]) -> str:
    slot = tx.scalar(select(tables.place.c.slot).where(tables.place.c.number == row.place))
    return f"{slot} of {_name(tx, row.parent)}"


def _refuse_cycle(tx: Connection, inner: Row[Any], outer: Row[Any], span: Span) -> None:
    """Walk up from the parent as long as the times meet; coming upon the child is a cycle."""
    c = tables.placement.c
    open_: list[tuple[int, Span, list[str]]] = [(outer.number, span, [outer.id])]
    while open_:
        number, during, path = open_.pop()
        if number == inner.number:
            raise Conflict(f"{inner.id} cannot be within itself: {' in '.join([inner.id, *path])}", path=path)
        for row in tx.execute(
            select(c.parent, c.valid_from, c.valid_to, tables.item.c.id)
            .join(tables.item, tables.item.c.number == c.parent)
            .where(c.child == number, believed(tables.placement), c.valid_from < during.end, c.valid_to > during.start)
        ).all():
            meeting = during.meets(Span(row.valid_from, row.valid_to))
            if meeting is not None:
                open_.append((row.parent, meeting, [*path, row.id]))


def leave_store(entry: Entry, child: str, time: int) -> None:
    """Take an item out of a place that holds any number, if it is in one."""
    row = item_row(entry.tx, child)
    c = tables.placement.c
    held = overlapping(entry.tx, tables.placement, c.child == row.number, Span(time, time + 1))
    if held and not held[0].single:
        remove(entry, child, time)
