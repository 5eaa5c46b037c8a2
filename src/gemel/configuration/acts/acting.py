"""Acts: what somebody says was done to items, checked against what is believed, and believed from then on."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from gemel.access import in_own_words
from gemel.clock import moment, to_rfc3339
from gemel.configuration import tables
from gemel.configuration.belief import Entry, believed, overlapping
from gemel.configuration.values import FOREVER, ActKind, Basis, ItemKind, ItemSpec, Span
from gemel.database import fit
from gemel.errors import Conflict, InvalidInput, InvalidTime, KeyReused, NotFound
from gemel.twin import check_id

__all__ = [
    "IDENTITY",
    "MERGED",
    "QUANTITY",
    "RETIRED",
    "REVISION",
    "alias",
    "begin",
    "check_basis",
    "create",
    "existing",
    "fit_item",
    "install",
    "item_row",
    "leave_store",
    "modify",
    "not_known",
    "occupant",
    "occupants",
    "place_of",
    "refuse_cycle",
    "refuse_same",
    "remove",
    "retire",
    "said_before",
]

RETIRED, REVISION, QUANTITY, MERGED = "retired", "revision", "quantity", "merged"
MOST = 1_000_000_000
"""Pieces of a lot."""
LONGEST_TRAIT = 500
"""PostgreSQL refuses to index what is longer than 2,704 bytes."""
MOST_UNCERTAIN_S = 1_000_000_000
"""Some thirty years either way."""
IDENTITY = ("part", "maker", "serial", "lot")
"""What an item is, kept as traits once it changed; else as the item's row says."""


def said_before(tx: Connection, kind: ActKind, time: int | None, basis: Basis, operation: str = "") -> int | None:
    """The number of the act that was said with the same key by the same source. Raises KeyReused for another act.

    `operation`: all that is said, as JSON; acts that kept none are told apart by kind and time.
    """
    if not basis.key:
        return None
    c = tables.act.c
    row = tx.execute(select(tables.act).where(c.source == basis.source, c.key == basis.key)).first()
    if row is None:
        return None
    if row.kind != kind.value or time not in (None, row.time) or (row.operation and row.operation != operation):
        raise KeyReused(f"{basis.key:.80} was said already, of {row.kind} at {to_rfc3339(row.time)} (act {row.number})")
    return int(row.number)


def check_basis(basis: Basis) -> None:
    """Raises InvalidInput for what no act rests on."""
    if not 0.0 <= basis.confidence <= 1.0:
        raise InvalidInput(f"confidence is from 0 to 1, not {basis.confidence}")
    if not 0.0 <= basis.uncertainty_s <= MOST_UNCERTAIN_S:
        raise InvalidInput(f"a moment is uncertain by 0 to {MOST_UNCERTAIN_S:,} s, not {basis.uncertainty_s:g}")
    fit(tables.act, {"source": basis.source, "work_order": basis.work_order, "key": basis.key})


def begin(
    tx: Connection,
    kind: ActKind,
    time: int,
    *,
    now: int,
    basis: Basis,
    actor: str = "",
    amends: int | None = None,
    operation: str = "",
) -> Entry:
    """Note an act; what it changes is said through the entry. `operation`: all that was said, as JSON.

    Raises InvalidTime (no moment of machines: nanoseconds, say), InvalidInput.
    """
    moment(time)
    if (amends is not None or kind is ActKind.ADJUSTED) and not basis.reason.strip():
        raise InvalidInput("a correction says why: give a reason")
    check_basis(basis)
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
            reason=in_own_words(tx, actor, basis.reason),
            key=basis.key,
            amends=amends,
            seen=basis.seen,
            operation=operation,
        )
    )
    key = done.inserted_primary_key
    assert key is not None
    return Entry(tx, int(key[0]), recorded, actor)


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
    """Know an item from a moment on. Raises Conflict (the id or the identity is known), InvalidId, InvalidInput."""
    c, tx = tables.item.c, entry.tx
    check_id(spec.id, "the id of an item")
    fit_item(spec)
    known = tx.execute(select(c.number, c.born).where(c.id == spec.id)).first()
    if known and known.born != FOREVER:
        raise Conflict(f"there is an item {spec.id} already")
    refuse_same(tx, spec.id, (spec.part, spec.maker, spec.serial))
    values = {
        "id": spec.id,
        "part": spec.part,
        "maker": spec.maker,
        "serial": spec.serial,
        "lot": spec.lot,
        "kind": spec.kind.value,
        "twin": spec.twin,
        "born": time,
        "merged": None,
    }
    if known:  # it was known once, and that was withdrawn
        number = known.number
        tx.execute(update(tables.item).where(c.number == number).values(**values))
    else:
        key = tx.execute(insert(tables.item).values(**values)).inserted_primary_key
        assert key is not None
        number = int(key[0])
    entry.believe(tables.trait, Span(time), item=number, name=REVISION, value=spec.revision)
    if spec.quantity != 1:
        entry.believe(tables.trait, Span(time), item=number, name=QUANTITY, value=str(spec.quantity))
    for scheme, value in spec.aliases.items():
        alias(tx, number, scheme, value)


def fit_item(spec: ItemSpec) -> None:
    """Raises InvalidInput for what is longer than an item's is, or for a lot of more pieces than are counted."""
    if not 1 <= spec.quantity <= (1 if spec.serial else MOST):
        raise InvalidInput(f"a serial number is of one piece, a lot of 1 to {MOST:,}; not of {spec.quantity}")
    fit(tables.item, {name: getattr(spec, name) for name in (*IDENTITY, "twin")})
    fit(tables.observation, {REVISION: spec.revision})
    for scheme, value in spec.aliases.items():
        fit(tables.alias, {"scheme": scheme, "value": value})


def alias(tx: Connection, number: int, scheme: str, value: str) -> None:
    """Give an item another name. Raises Conflict when another one has it."""
    c = tables.alias.c
    held = tx.scalar(select(c.item).where(c.scheme == scheme, c.value == value))
    if held is None:
        tx.execute(insert(tables.alias).values(scheme=scheme, value=value, item=number))
    elif held != number:
        raise Conflict(f"{scheme} {value} is {_name(tx, held)} already")


def refuse_same(tx: Connection, id: str, identity: tuple[str, str, str]) -> None:
    """Raises Conflict if another item has this part number, maker and serial number."""
    part, maker, serial = identity
    if not serial:
        return
    c = tables.item.c
    same = (c.part == part, c.maker == maker, c.serial == serial, c.merged.is_(None), c.id != id)
    if known := tx.execute(select(c.id).where(*same)).scalar():
        raise Conflict(
            f"{part} with serial number {serial} of {maker or 'no maker'} is {known}; if {id} is the same, merge them",
            item=known,
        )


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
        existing(tx, row, span)
    c = tables.placement.c
    single = outer.kind != ItemKind.LOCATION and not entry.several(outer.part, outer.maker, slot)
    number = place_of(tx, outer.number, slot)
    for row in overlapping(tx, tables.placement, c.child == inner.number, span):
        _refuse(row, span, f"{child} is in {_where(tx, row)}", "move it")
    if single:
        for row in overlapping(tx, tables.placement, c.place == number, span):
            _refuse(row, span, f"{slot} of {parent} holds {_name(tx, row.child)}", "swap them")
    refuse_cycle(tx, inner, outer, span)
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


def occupants(tx: Connection, parent: str, slot: str, time: int) -> list[str]:
    """The items in a slot at a moment, in order of their coming. Raises NotFound: there is no such parent."""
    c = tables.place.c
    number = tx.scalar(select(c.number).where(c.parent == item_row(tx, parent).number, c.slot == slot))
    if number is None:
        return []
    rows = overlapping(tx, tables.placement, tables.placement.c.place == number, Span(time, time + 1))
    return [_name(tx, row.child) for row in rows]


def occupant(tx: Connection, parent: str, slot: str, time: int) -> str:
    """The one item in a slot at a moment. Raises NotFound, Conflict (there are several)."""
    held = occupants(tx, parent, slot, time)
    if not held:
        raise NotFound(f"{slot} of {parent} is empty at {to_rfc3339(time)}; what comes into it is installed")
    if len(held) > 1:
        raise Conflict(f"{slot} of {parent} holds {', '.join(held)}; say which of them (old)")
    return held[0]


def modify(entry: Entry, child: str, name: str, value: str, time: int) -> None:
    """A trait (the revision, say) has a value from a moment to the next time that it is known to change.

    Raises NotFound, InvalidInput (an identity is identified, not modified), InvalidTime, Conflict.
    """
    row = item_row(entry.tx, child)
    if name in (*IDENTITY, RETIRED, MERGED):
        way = "retire it" if name == RETIRED else "merge them" if name == MERGED else "identify it"
        raise InvalidInput(f"{name} of {child} is not a trait that is modified; {way}")
    if name == QUANTITY and not (value.isascii() and value.isdecimal() and len(value) < 19 and 0 < int(value) <= MOST):
        raise InvalidInput(f"a lot is of 1 to {MOST:,} pieces, not {value!r:.40}; what is used up is retired")
    if name == REVISION:
        fit(tables.observation, {REVISION: value})
    if len(value) > LONGEST_TRAIT:
        raise InvalidInput(f"a trait has at most {LONGEST_TRAIT} characters, not {len(value):,}")
    if time < row.born:
        raise not_known(row)
    c = tables.trait.c
    values = {"item": row.number, "name": name, "value": value}
    entry.follow(tables.trait, (c.item == row.number) & (c.name == name), time, values)


def retire(entry: Entry, child: str, time: int) -> None:
    """The item exists no more. Raises InvalidTime; Conflict while it is in a slot or holds parts then, or was retired
    already."""
    row = item_row(entry.tx, child)
    if time < row.born:
        raise not_known(row)
    c, t = tables.placement.c, tables.trait.c
    for gone in overlapping(entry.tx, tables.trait, (t.item == row.number) & (t.name == RETIRED), Span(-FOREVER)):
        raise Conflict(
            f"{row.id} was retired at {to_rfc3339(gone.valid_from)} already; correct act {gone.begun_by} if that "
            "moment is wrong",
            act=gone.begun_by,
        )
    for held in overlapping(entry.tx, tables.placement, (c.child == row.number) | (c.parent == row.number), Span(time)):
        raise Conflict(f"{_name(entry.tx, held.child)} is in {_where(entry.tx, held)}; remove it first")
    entry.believe(tables.trait, Span(time), item=row.number, name=RETIRED, value="true")


def not_known(row: Row[Any]) -> InvalidTime:
    """The error that an item is not known at a time."""
    if row.born == FOREVER:
        return InvalidTime(f"{row.id} is not known: what made it known was withdrawn; create it again")
    return InvalidTime(f"{row.id} is not known before {to_rfc3339(row.born)}")


def existing(tx: Connection, row: Row[Any], span: Span) -> None:
    """Raises InvalidTime, Conflict if an item does not exist during all of a span."""
    if span.start < row.born:
        raise not_known(row)
    c = tables.trait.c
    for gone in overlapping(tx, tables.trait, (c.item == row.number) & (c.name == RETIRED), span):
        raise Conflict(f"{row.id} was retired at {to_rfc3339(gone.valid_from)}")


def place_of(tx: Connection, parent: int, slot: str) -> int:
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


def refuse_cycle(tx: Connection, inner: Row[Any], outer: Row[Any], span: Span) -> None:
    """Raises Conflict if an item would be within itself at any time of the span.

    Walks up from the parent as long as the times meet; coming upon the child is a cycle.
    """
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
