"""Questions to the configuration, each as of two moments: of the world (`valid`), and of our knowing (`known`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, and_, literal, or_, select

from gemel.configuration import tables
from gemel.configuration.acting import RETIRED, REVISION, item_row
from gemel.configuration.belief import as_of, known_at
from gemel.configuration.values import Act, ActKind, Basis, Item, ItemKind, Node, Placement, Span

__all__ = ["Difference", "Stay", "acts", "difference", "history", "stays", "tree"]

_DEEPEST = 64


class Stay(msgspec.Struct, frozen=True, kw_only=True):
    """That an item was within a root for a time, over any number of parents between."""

    root: str
    path: tuple[str, ...]
    """Slots from the root down to the item."""
    span: Span


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What one slot holds in one configuration, and in another; None: nothing."""

    path: tuple[str, ...]
    before: Item | None
    after: Item | None


def tree(tx: Connection, root: str, valid: int, known: int) -> Node:
    """An item with all that it consists of. Raises NotFound."""
    top = item_row(tx, root)
    p, x, s = tables.placement, tables.item, tables.place
    found = (
        select(p.c.child, p.c.parent, p.c.place, p.c.valid_from, literal(1).label("depth"))
        .where(p.c.parent == top.number, as_of(p, valid, known))
        .cte("found", recursive=True)
    )
    found = found.union_all(
        select(p.c.child, p.c.parent, p.c.place, p.c.valid_from, found.c.depth + 1)
        .join(found, p.c.parent == found.c.child)
        .where(as_of(p, valid, known), found.c.depth < _DEEPEST)
    )
    rows = tx.execute(
        select(found.c.parent, found.c.valid_from, s.c.slot, x)
        .join(s, s.c.number == found.c.place)
        .join(x, x.c.number == found.c.child)
    ).all()
    traits = _traits(tx, [top.number, *(row.number for row in rows)], valid, known)
    below: dict[int, list[Row[Any]]] = {}
    for row in rows:
        below.setdefault(row.parent, []).append(row)

    def node(row: Row[Any], path: tuple[str, ...], since: int) -> Node:
        inner = sorted(below.get(row.number, ()), key=lambda part: (part.slot, part.id))
        parts = tuple(node(part, (*path, part.slot), part.valid_from) for part in inner)
        return Node(item=_item(row, traits.get(row.number, {})), path=path, since=since, parts=parts)

    return node(top, (), top.born)


def history(tx: Connection, item: str, known: int) -> list[Placement]:
    """Where an item has been, in order of time, as it was believed at `known`. Raises NotFound."""
    row = item_row(tx, item)
    p, parent = tables.placement, tables.item.alias("parent")
    rows = tx.execute(
        select(p, tables.place.c.slot, parent.c.id.label("parent_id"))
        .join(tables.place, tables.place.c.number == p.c.place)
        .join(parent, parent.c.number == p.c.parent)
        .where(p.c.child == row.number, known_at(p, known))
        .order_by(p.c.valid_from)
    ).all()
    return [
        Placement(
            child=row.id,
            parent=found.parent_id,
            slot=found.slot,
            valid=Span(found.valid_from, found.valid_to),
            recorded=Span(found.recorded_from, found.recorded_to),
            begun_by=found.begun_by,
            ended_by=found.ended_by,
        )
        for found in rows
    ]


def stays(tx: Connection, item: str, span: Span, known: int) -> list[Stay]:
    """In which roots an item has been within `span`, through all parents, in order of time. Raises NotFound.

    A root is what is in nothing itself at that time: a machine, a store.
    """
    row = item_row(tx, item)
    p = tables.placement.c
    done: list[Stay] = []
    open_: list[tuple[int, str, Span, tuple[str, ...]]] = [(row.number, row.id, span, ())]
    while open_:
        number, name, during, path = open_.pop()
        rows = tx.execute(
            select(p.parent, p.valid_from, p.valid_to, tables.place.c.slot, tables.item.c.id)
            .join(tables.place, tables.place.c.number == p.place)
            .join(tables.item, tables.item.c.number == p.parent)
            .where(p.child == number, p.valid_from < during.end, p.valid_to > during.start)
            .where(known_at(tables.placement, known))
            .order_by(p.valid_from)
        ).all()
        at = during.start
        for held in rows:
            inside = during.meets(Span(held.valid_from, held.valid_to))
            assert inside is not None
            if path and at < inside.start:
                done.append(Stay(root=name, path=path, span=Span(at, inside.start)))
            open_.append((held.parent, held.id, inside, (held.slot, *path)))
            at = inside.end
        if path and at < during.end:
            done.append(Stay(root=name, path=path, span=Span(at, during.end)))
    return sorted(done, key=lambda stay: stay.span.start)


def difference(before: Node, after: Node) -> list[Difference]:
    """The slots in which two configurations hold other items, or the same at another revision, the outermost first."""
    held = [_by_path(before), _by_path(after)]
    found = []
    for path in sorted(held[0].keys() | held[1].keys(), key=lambda path: (len(path), path)):
        old, new = held[0].get(path), held[1].get(path)
        if path and (old is None or new is None or (old.id, old.revision) != (new.id, new.revision)):
            found.append(Difference(path=path, before=old, after=new))
    return found


def acts(tx: Connection, item: str, known: int) -> list[Act]:
    """Who asserted what of an item, in the order of its becoming known."""
    row = item_row(tx, item)
    p, t, a = tables.placement, tables.trait, tables.act
    numbers: set[int] = set()
    for table, what in ((p, or_(p.c.child == row.number, p.c.parent == row.number)), (t, t.c.item == row.number)):
        for begun, ended in tx.execute(select(table.c.begun_by, table.c.ended_by).where(what)).all():
            numbers |= {begun} | ({ended} if ended is not None else set())
    rows = tx.execute(
        select(a)
        .where(or_(a.c.number.in_(numbers), a.c.amends.in_(numbers)), a.c.recorded <= known)
        .order_by(a.c.recorded)
    ).all()
    return [_act(found) for found in rows]


def _by_path(node: Node) -> dict[tuple[str, ...], Item]:
    found = {node.path: node.item}
    for part in node.parts:
        found |= _by_path(part)
    return found


def _traits(tx: Connection, numbers: Sequence[int], valid: int, known: int) -> Mapping[int, dict[str, Any]]:
    t = tables.trait
    found: dict[int, dict[str, Any]] = {}
    for first in range(0, len(numbers), 500):
        some = numbers[first : first + 500]
        rows = tx.execute(
            select(t.c.item, t.c.name, t.c.value, t.c.valid_from).where(
                and_(t.c.item.in_(some), t.c.name.in_((REVISION, RETIRED)), as_of(t, valid, known))
            )
        ).all()
        for row in rows:
            found.setdefault(row.item, {})[row.name] = row.valid_from if row.name == RETIRED else row.value
    return found


def _item(row: Row[Any], traits: Mapping[str, Any]) -> Item:
    return Item(
        id=row.id,
        part=row.part,
        revision=traits.get(REVISION, ""),
        maker=row.maker,
        serial=row.serial,
        lot=row.lot,
        kind=ItemKind(row.kind),
        twin=row.twin,
        born=row.born,
        retired=traits.get(RETIRED),
    )


def _act(row: Row[Any]) -> Act:
    basis = Basis(
        source=row.source,
        work_order=row.work_order,
        evidence=row.evidence,
        confidence=row.confidence,
        uncertainty_s=row.uncertainty / 1e6,
        reason=row.reason,
        key=row.key,
    )
    return Act(
        number=row.number,
        kind=ActKind(row.kind),
        time=row.time,
        recorded=row.recorded,
        actor=row.actor,
        basis=basis,
        amends=row.amends,
    )
