"""Which item it is: an unknown one becomes known, two turn out to be one, one turns out to be two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Table, insert, or_, select, update

from gemel.clock import to_rfc3339
from gemel.configuration import tables
from gemel.configuration.acts.acting import (
    IDENTITY,
    MERGED,
    QUANTITY,
    RETIRED,
    REVISION,
    existing,
    item_row,
    not_known,
    place_of,
    refuse_cycle,
    refuse_same,
)
from gemel.configuration.belief import Entry, believed, overlapping
from gemel.configuration.operations import Identify, Merge, Split
from gemel.configuration.values import FOREVER, Span
from gemel.database import fit
from gemel.errors import Conflict, InvalidInput

__all__ = ["identify", "identities", "merge", "refresh", "split"]


def identify(entry: Entry, said: Identify) -> None:
    """What an item is, and always was; or what it was stamped with at a moment.

    Raises NotFound, InvalidInput (nothing is told, or too much), InvalidTime, Conflict (another item is that).
    """
    tx, row = entry.tx, item_row(entry.tx, said.item)
    told = {name: getattr(said, name) for name in IDENTITY if getattr(said, name) is not None}
    changed = {name: value for name, value in told.items() if value != row._mapping[name]}
    if not told:
        raise InvalidInput(f"say what {said.item} is: its part, maker, serial number or lot")
    fit(tables.item, told)
    if not changed:
        raise Conflict(f"{said.item} is known to be that already")
    if said.stamped and said.at < row.born:
        raise not_known(row)
    for name, value in changed.items():
        _name(entry, row, name, value, Span(said.at if said.stamped else row.born))
    refresh(tx, row.number)


def _name(entry: Entry, row: Row[Any], name: str, value: str, span: Span) -> None:
    t = tables.trait
    rows = overlapping(entry.tx, t, (t.c.item == row.number) & (t.c.name == name), Span(-FOREVER))
    if not rows:
        rows = [_first(entry, row, name)]
    if span.start > rows[0].valid_from:
        entry.follow(t, (t.c.item == row.number) & (t.c.name == name), span.start, _trait(row, name, value))
        return
    if len(rows) > 1:
        raise Conflict(f"{name} of {row.id} was stamped anew since; withdraw act {rows[-1].begun_by} first")
    entry.rewrite(t, [(rows[0], {"value": value, "begun_by": entry.number})])


def _trait(row: Row[Any], name: str, value: str) -> dict[str, Any]:
    return {"item": row.number, "name": name, "value": value}


def _first(entry: Entry, row: Row[Any], name: str) -> Row[Any]:
    """What an item was first said to be, as a row that is believed since: the item's own row tells the last only."""
    t, a = tables.trait.c, tables.act.c
    act = entry.tx.execute(
        select(a.number, a.recorded)
        .join(tables.trait, t.begun_by == a.number)
        .where(t.item == row.number)
        .order_by(a.recorded)
        .limit(1)
    ).one()
    done = entry.tx.execute(
        insert(tables.trait).values(
            **_trait(row, name, row._mapping[name]),
            valid_from=row.born,
            valid_to=FOREVER,
            recorded_from=act.recorded,
            recorded_to=FOREVER,
            begun_by=act.number,
            ended_by=None,
        )
    )
    key = done.inserted_primary_key
    assert key is not None
    return entry.tx.execute(select(tables.trait).where(t.number == key[0])).one()


def refresh(tx: Connection, number: int) -> None:
    """The item's row says what it is last known to be. Raises Conflict when another item is that."""
    t, x = tables.trait.c, tables.item
    row = tx.execute(select(x).where(x.c.number == number)).one()
    rows = tx.execute(
        select(t.name, t.value)
        .where(t.item == number, t.name.in_(IDENTITY), believed(tables.trait))
        .order_by(t.valid_from)
    ).all()
    last = {name: row._mapping[name] for name in IDENTITY} | {found.name: found.value for found in rows}
    refuse_same(tx, row.id, (last["part"], last["maker"], last["serial"]))
    tx.execute(update(x).where(x.c.number == number).values(**last))


def identities(tx: Connection, numbers: Sequence[int]) -> dict[int, int]:
    """These items and all that were merged into them: the number of each, and of what it is now."""
    found = {number: number for number in numbers}
    open_ = list(found)
    x = tables.item.c
    while open_:
        rows = tx.execute(select(x.number, x.merged).where(x.merged.in_(open_[:500]))).all()
        open_ = open_[500:]
        for row in rows:
            if row.number not in found:
                found[row.number] = found[row.merged]
                open_.append(row.number)
    return found


def merge(entry: Entry, said: Merge) -> None:
    """All that was said of one item was of another. Where both tell a trait, that of the other is kept.

    Raises NotFound, Conflict (they cannot be one: other serial numbers, two places at one time, both used).
    """
    tx = entry.tx
    one, other = item_row(tx, said.item), item_row(tx, said.into)
    if one.number == other.number:
        raise Conflict(f"{said.item} and {said.into} are {other.id} already")
    for name in (*IDENTITY, "kind"):
        mine, theirs = one._mapping[name], other._mapping[name]
        if mine and theirs and mine != theirs:
            raise Conflict(f"{one.id} has {name} {mine}, {other.id} has {theirs}: identify the one that is wrong first")
    told = {name: one._mapping[name] for name in IDENTITY if one._mapping[name] and not other._mapping[name]}
    tx.execute(update(tables.item).where(tables.item.c.number == one.number).values(merged=other.number))
    tx.execute(
        update(tables.item)
        .where(tables.item.c.number == other.number)
        .values(born=min(one.born, other.born), twin=other.twin or one.twin)
    )
    _placements(entry, one, other)
    _usage(entry, one, other)
    for table, key in ((tables.trait, "name"), (tables.software, "slot")):
        _sequences(entry, table, key, one, other)
    c = tables.observation.c
    _of_other(entry, tables.observation, c.item == one.number, {"item": other.number})
    _places(entry, tables.observation, one, other)
    for row in tx.execute(select(tables.alias).where(tables.alias.c.item == one.number)).all():
        a = tables.alias.c
        tx.execute(update(tables.alias).where(a.scheme == row.scheme, a.value == row.value).values(item=other.number))
    entry.believe(tables.trait, Span(one.born), **_trait(one, MERGED, other.id))
    other = item_row(tx, other.id)
    for name, value in told.items():
        _name(entry, other, name, value, Span(other.born))
    refresh(tx, other.number)


def _rows(entry: Entry, table: Table, what: Any) -> Sequence[Row[Any]]:
    return overlapping(entry.tx, table, what, Span(-FOREVER))


def _of_other(entry: Entry, table: Table, what: Any, values: dict[str, Any]) -> None:
    entry.rewrite(table, [(row, values) for row in _rows(entry, table, what)])


def _placements(entry: Entry, one: Row[Any], other: Row[Any]) -> None:
    tx, p = entry.tx, tables.placement
    rows = _rows(entry, p, or_(p.c.child == one.number, p.c.parent == one.number))
    entry.disbelieve(p, rows)
    changed: list[Row[Any]] = []
    for row in rows:
        values = {key: value for key, value in row._mapping.items() if key != "number"}
        if row.child == one.number:
            values["child"] = other.number
        if row.parent == one.number:
            slot = tx.scalar(select(tables.place.c.slot).where(tables.place.c.number == row.place))
            assert slot is not None
            values |= {"parent": other.number, "place": place_of(tx, other.number, slot)}
        what = p.c.child == values["child"]
        if row.single:
            what |= p.c.place == values["place"]
        for held in overlapping(tx, p, what, Span(row.valid_from, row.valid_to)):
            when = to_rfc3339(max(held.valid_from, row.valid_from))
            raise Conflict(
                f"acts {held.begun_by} and {row.begun_by} say that {one.id} and {other.id} were in two places at {when}"
                " or held two things in one slot: they are not one, or one of the acts is wrong",
                acts=[held.begun_by, row.begun_by],
            )
        values |= {"recorded_from": entry.recorded, "recorded_to": FOREVER}
        key = tx.execute(insert(p).values(**values)).inserted_primary_key
        assert key is not None
        changed.append(tx.execute(select(p).where(p.c.number == key[0])).one())
    for row in changed:
        _check(tx, row)


def _check(tx: Connection, row: Row[Any]) -> None:
    x = tables.item
    span = Span(row.valid_from, row.valid_to)
    inner, outer = (tx.execute(select(x).where(x.c.number == n)).one() for n in (row.child, row.parent))
    existing(tx, inner, span)
    existing(tx, outer, span)
    refuse_cycle(tx, inner, outer, span)


def _usage(entry: Entry, one: Row[Any], other: Row[Any]) -> None:
    u = tables.usage
    rows = _rows(entry, u, u.c.item == one.number)
    for row in rows:
        same = (u.c.item == other.number) & (u.c.kind == row.kind) & ~u.c.own
        for told in overlapping(entry.tx, u, same, Span(row.valid_from, row.valid_to)) if not row.own else ():
            raise Conflict(
                f"acts {told.begun_by} and {row.begun_by} both tell {row.kind} of that time; withdraw one of them",
                acts=[told.begun_by, row.begun_by],
            )
    entry.rewrite(u, [(row, {"item": other.number}) for row in rows])


def _sequences(entry: Entry, table: Table, key: str, one: Row[Any], other: Row[Any]) -> None:
    """What is told of `one` holds for the other where nothing, or nothing known, is told of that."""
    c = table.c
    rows = _rows(entry, table, c.item == one.number)
    entry.disbelieve(table, rows)
    for row in rows:
        if table is tables.trait and row.name in (*IDENTITY, MERGED):
            continue
        mine = row._mapping
        theirs = _rows(entry, table, (c.item == other.number) & (c[key] == mine[key]))
        empty = [their for their in theirs if table is tables.trait and not their.value and mine["value"]]
        if table is tables.trait and empty and len(theirs) == len(empty) == 1:
            entry.disbelieve(table, empty)
            theirs = []
        for start, end, begun, ended in _gaps(row, theirs):
            values = {name: value for name, value in mine.items() if name != "number"}
            values |= {"item": other.number, "valid_from": start, "valid_to": end, "begun_by": begun, "ended_by": ended}
            entry.tx.execute(insert(table).values(**values | {"recorded_from": entry.recorded, "recorded_to": FOREVER}))


def _gaps(row: Row[Any], theirs: Sequence[Row[Any]]) -> Iterator[tuple[int, int, int, int | None]]:
    """The times of a row of which the others tell nothing, with the acts that begin and end each."""
    start, begun = row.valid_from, row.begun_by
    for their in theirs:
        if their.valid_to <= start or their.valid_from >= row.valid_to:
            continue
        if start < their.valid_from:
            yield start, their.valid_from, begun, their.begun_by
        start, begun = their.valid_to, their.ended_by or row.begun_by
    if start < row.valid_to:
        yield start, row.valid_to, begun, row.ended_by


def _places(entry: Entry, table: Table, one: Row[Any], other: Row[Any]) -> None:
    s = tables.place.c
    for place in entry.tx.execute(select(s.number, s.slot).where(s.parent == one.number)).all():
        number = place_of(entry.tx, other.number, place.slot)
        _of_other(entry, table, table.c.place == place.number, {"place": number})


def split(entry: Entry, said: Split) -> None:
    """One identity is two. Raises NotFound, InvalidInput, Conflict."""
    if said.quantity:
        _part_of_lot(entry, said)
        return
    x = tables.item
    one = item_row(entry.tx, said.item)
    other = entry.tx.execute(select(x).where(x.c.id == said.other)).first()
    if other is None:
        raise InvalidInput(f"create {said.other!r:.80} first, then say which acts were of it")
    if other.merged not in (None, one.number) or other.number == one.number:
        raise Conflict(f"{said.other} is not one that {said.item} can be split into")
    acts = set(said.acts)
    if other.merged is not None:
        acts |= _unmerge(entry, one, other)
    if not acts:
        raise InvalidInput(f"say which acts were of {said.other}, not of {said.item}")
    _divide(entry, one, other, acts)
    refresh(entry.tx, other.number)
    refresh(entry.tx, one.number)


def _unmerge(entry: Entry, one: Row[Any], other: Row[Any]) -> set[int]:
    """Undo a merge but for the placements and uses; returns the acts that had said them of the other."""
    tx, t, x = entry.tx, tables.trait, tables.item
    (mark,) = _rows(entry, t, (t.c.item == other.number) & (t.c.name == MERGED))
    when = tx.scalar(select(tables.act.c.recorded).where(tables.act.c.number == mark.begun_by))
    assert when is not None
    entry.disbelieve(t, [mark])
    acts: set[int] = set()
    p, u, s = tables.placement, tables.usage, tables.software
    for table, what in ((p, or_(p.c.child == other.number, p.c.parent == other.number)), (u, u.c.item == other.number)):
        acts |= set(tx.scalars(select(table.c.begun_by).where(what, table.c.recorded_to == when)).all())
    told: set[int] = set()
    for table in (t, s):
        was = tx.execute(select(table).where(table.c.item == other.number, table.c.recorded_to == when)).all()
        theirs = {row.begun_by for row in was}
        told |= theirs
        mine = [row for row in _rows(entry, table, table.c.item == one.number) if row.begun_by in theirs]
        entry.disbelieve(table, mine)
        for row in was:
            values = {name: value for name, value in row._mapping.items() if name != "number"}
            tx.execute(insert(table).values(**values | {"recorded_from": entry.recorded, "recorded_to": FOREVER}))
        before = tx.execute(select(table).where(table.c.item == one.number, table.c.recorded_to == when)).all()
        for row in before:  # what gave way to the other's
            key = "name" if table is t else "slot"
            same = (table.c.item == one.number) & (table.c[key] == row._mapping[key])
            if not overlapping(tx, table, same, Span(row.valid_from, row.valid_to)):
                values = {name: value for name, value in row._mapping.items() if name != "number"}
                tx.execute(insert(table).values(**values | {"recorded_from": entry.recorded, "recorded_to": FOREVER}))
    born = min(row.valid_from for row in _rows(entry, t, (t.c.item == one.number) & (t.c.name == REVISION)))
    _nameless(entry, one, (mark.begun_by, when), born)
    twin = _first_spec(tx, one).get("twin", "") if one.twin == other.twin else one.twin
    tx.execute(update(x).where(x.c.number == one.number).values(born=born, twin=twin))
    refresh(tx, one.number)
    refuse_same(tx, other.id, (other.part, other.maker, other.serial))
    tx.execute(update(x).where(x.c.number == other.number).values(merged=None))
    a = tables.alias.c
    for scheme, value in _first_spec(tx, other).get("aliases", {}).items():
        named = (a.scheme == scheme, a.value == value, a.item == one.number)
        tx.execute(update(tables.alias).where(*named).values(item=other.number))
    return acts | told


def _nameless(entry: Entry, one: Row[Any], merged: tuple[int, int], born: int) -> None:
    """What an item was called only since a merge (its act, when it became known), it is not called any more."""
    t, (act, when) = tables.trait, merged
    for row in _rows(entry, t, (t.c.item == one.number) & t.c.name.in_(IDENTITY) & (t.c.begun_by == act)):
        same = (t.c.item == one.number, t.c.name == row.name, t.c.recorded_to == when)
        was = entry.tx.execute(select(t).where(*same).order_by(t.c.valid_from)).first()
        assert was is not None
        start = max(row.valid_from, born)
        entry.rewrite(t, [(row, {"value": was.value, "begun_by": was.begun_by, "valid_from": start})])


def _first_spec(tx: Connection, row: Row[Any]) -> dict[str, Any]:
    """What an item was said to be when it was made known; nothing of what was loaded with many others."""
    t, a = tables.trait.c, tables.act.c
    told = tx.scalars(
        select(a.operation)
        .join(tables.trait, t.begun_by == a.number)
        .where(t.item == row.number, a.operation != "")
        .order_by(a.recorded)
    )
    specs = (msgspec.json.decode(operation).get("spec") or {} for operation in told)
    return next((spec for spec in specs if spec.get("id") == row.id), {})


def _divide(entry: Entry, one: Row[Any], other: Row[Any], acts: set[int]) -> None:
    """What some acts began of one item was of another."""
    tx, p, u = entry.tx, tables.placement, tables.usage
    rows = [
        row for row in _rows(entry, p, or_(p.c.child == one.number, p.c.parent == one.number)) if row.begun_by in acts
    ]
    entry.disbelieve(p, rows)
    changed = []
    for row in rows:
        values = {key: value for key, value in row._mapping.items() if key != "number"}
        if row.child == one.number:
            values["child"] = other.number
        else:
            slot = tx.scalar(select(tables.place.c.slot).where(tables.place.c.number == row.place))
            assert slot is not None
            values |= {"parent": other.number, "place": place_of(tx, other.number, slot)}
        for held in overlapping(tx, p, p.c.child == values["child"], Span(row.valid_from, row.valid_to)):
            raise Conflict(f"act {held.begun_by} says that {other.id} was elsewhere then", act=held.begun_by)
        key = tx.execute(
            insert(p).values(**values | {"recorded_from": entry.recorded, "recorded_to": FOREVER})
        ).inserted_primary_key
        assert key is not None
        changed.append(tx.execute(select(p).where(p.c.number == key[0])).one())
    for row in changed:
        _check(tx, row)
    used = [row for row in _rows(entry, u, u.c.item == one.number) if row.begun_by in acts]
    entry.rewrite(u, [(row, {"item": other.number}) for row in used])


def _part_of_lot(entry: Entry, said: Split) -> None:
    """So many pieces of a lot have always been another lot, wherever they were."""
    tx, t, p, u = entry.tx, tables.trait, tables.placement, tables.usage
    lot = item_row(tx, said.item)
    if lot.serial:
        raise InvalidInput(f"{said.item} is one piece with serial number {lot.serial}; only a lot is divided")
    if tx.execute(select(tables.item.c.number).where(tables.item.c.id == said.other)).first():
        raise Conflict(f"there is an item {said.other} already")
    pieces = _rows(entry, t, (t.c.item == lot.number) & (t.c.name == QUANTITY))
    if not pieces or any(int(row.value) <= said.quantity or said.quantity < 1 for row in pieces):
        has = pieces[0].value if pieces else "1"
        raise InvalidInput(f"{said.item} is of {has}; take fewer than that out of it, not {said.quantity}")
    values = {name: lot._mapping[name] for name in (*IDENTITY, "kind", "born")}
    key = tx.execute(insert(tables.item).values(**values, id=said.other, twin="", merged=None)).inserted_primary_key
    assert key is not None
    number = int(key[0])
    for table, own in ((t, t.c.item == lot.number), (u, u.c.item == lot.number), (p, p.c.child == lot.number)):
        for row in _rows(entry, table, own):
            if table is t and row.name == RETIRED:
                raise Conflict(f"{said.item} was retired at {to_rfc3339(row.valid_from)}")
            if table is p and row.single:
                slot = tx.scalar(select(tables.place.c.slot).where(tables.place.c.number == row.place))
                raise Conflict(f"slot {slot} holds one item only; declare in the parts book that it holds several")
            copy = {name: value for name, value in row._mapping.items() if name != "number"}
            copy["child" if table is p else "item"] = number
            if table is t and row.name == QUANTITY:
                copy["value"] = str(said.quantity)
            tx.execute(insert(table).values(**copy | {"recorded_from": entry.recorded, "recorded_to": FOREVER}))
    entry.rewrite(t, [(row, {"value": str(int(row.value) - said.quantity)}) for row in pieces])
