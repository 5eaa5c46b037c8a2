"""Questions to the configuration, each as of two moments: of the world (`valid`), and of our knowing (`known`)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Row, String, and_, cast, literal, or_, select

from gemel.access import words_of
from gemel.configuration import tables
from gemel.configuration.acts.acting import IDENTITY, QUANTITY, RETIRED, REVISION, item_row
from gemel.configuration.belief import as_of, known_at
from gemel.configuration.values import Act, ActKind, Basis, Item, ItemKind, Node, Placement, Running, Span

__all__ = [
    "DEEPEST",
    "Difference",
    "Judged",
    "Stay",
    "acts",
    "acts_of",
    "acts_under",
    "as_it_is",
    "difference",
    "history",
    "items",
    "stays",
    "tree",
]

T = TypeVar("T")
DEEPEST = 64
_AT_ONCE = 500
_MOST_ACTS = 1000
"""Of one work order."""


Judged = Callable[[Node, int, int], Node]
"""(tree, at, known) -> the tree with what is required of its software."""


def as_it_is(tree: Node, _at: int, _known: int) -> Node:
    """Where no software is declared, nothing is required of any."""
    return tree


class Stay(msgspec.Struct, frozen=True, kw_only=True):
    """That an item was within a root for a time, over any number of parents between."""

    root: str
    path: tuple[str, ...]
    """Slots from the root down to the item."""
    span: Span


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What one slot holds in one configuration, and in another; None: nothing. Of software: what ran, and runs."""

    path: tuple[str, ...]
    before: Item | None
    after: Item | None
    ran: Running | None = None
    runs: Running | None = None


def tree(tx: Connection, root: str, valid: int, known: int) -> Node:
    """An item with all that it consists of, and the software that this reported. Raises NotFound."""
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
        .where(as_of(p, valid, known), found.c.depth < DEEPEST)
    )
    rows = tx.execute(
        select(found.c.parent, found.c.valid_from, s.c.slot, x)
        .join(s, s.c.number == found.c.place)
        .join(x, x.c.number == found.c.child)
    ).all()
    traits, software = _told(tx, [top.number, *(row.number for row in rows)], valid, known)
    below: dict[int, list[Row[Any]]] = {}
    for row in rows:
        below.setdefault(row.parent, []).append(row)

    def node(row: Row[Any], path: tuple[str, ...], since: int) -> Node:
        inner = sorted(below.get(row.number, ()), key=lambda part: (part.slot, part.id))
        parts = tuple(node(part, (*path, part.slot), part.valid_from) for part in inner)
        item, runs = _item(row, traits.get(row.number, {})), tuple(software.get(row.number, ()))
        return Node(item=item, path=path, since=since, parts=parts, software=runs)

    return node(top, (), top.born)


def items(tx: Connection, ids: Iterable[str], valid: int, known: int) -> dict[str, Item]:
    """What items are, without what they consist of, by the id that was asked for; unknown ones are left out."""
    x, rows = tables.item, dict[str, Row[Any]]()
    for some in _some(sorted(set(ids))):
        rows |= {row.id: row for row in tx.execute(select(x).where(x.c.id.in_(some)))}
    rows = {id: row if row.merged is None else item_row(tx, id) for id, row in rows.items()}
    traits, _ = _told(tx, sorted({row.number for row in rows.values()}), valid, known)
    return {id: _item(row, traits.get(row.number, {})) for id, row in rows.items()}


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
    """The slots in which two configurations hold other items, or the same at another revision, or in which other
    software runs; the outermost first."""
    found = []
    held = [_held(before), _held(after)]
    for path in (held[0].keys() | held[1].keys()) - {()}:
        for old, new in _pairs(held[0].get(path, ()), held[1].get(path, ()), lambda item: item.id):
            if old is None or new is None or (old.id, old.revision) != (new.id, new.revision):
                found.append(Difference(path=path, before=old, after=new))
    run = [_run(before), _run(after)]
    for path in run[0].keys() | run[1].keys():
        for ran, runs in _pairs(run[0].get(path, ()), run[1].get(path, ()), _version):
            if ran is None or runs is None or _version(ran) != _version(runs):
                found.append(Difference(path=path, before=None, after=None, ran=ran, runs=runs))
    return sorted(found, key=lambda one: (len(one.path), one.path, one.ran is not None or one.runs is not None))


def _pairs(
    before: Sequence[T], after: Sequence[T], key: Callable[[T], Hashable]
) -> Iterator[tuple[T | None, T | None]]:
    """Of what a slot holds, one thing or several: what stayed, then what came in place of what; None: of nothing."""
    there: dict[Hashable, list[T]] = {}
    for thing in after:
        there.setdefault(key(thing), []).append(thing)
    gone: list[T] = []
    for thing in before:
        if same := there.get(key(thing)):
            yield thing, same.pop(0)
        else:
            gone.append(thing)
    yield from zip_longest(gone, [thing for things in there.values() for thing in things])


def acts(tx: Connection, item: str, known: int) -> list[Act]:
    """Who asserted what of an item, in the order of its becoming known."""
    return acts_of(tx, [item_row(tx, item).number], known)


def acts_of(tx: Connection, items: Sequence[int], known: int) -> list[Act]:
    """Who asserted what of any of some items, each act once, in the order of its becoming known."""
    p, n, s, a = tables.placement, tables.nonconformance, tables.standing, tables.act
    numbers: set[int] = set()
    rows: dict[int, Row[Any]] = {}
    for some in _some(items):
        judged = s.c.nonconformance.in_(select(n.c.number).where(or_(n.c.item.in_(some), n.c.parent.in_(some))))
        abouts = [(p, or_(p.c.child.in_(some), p.c.parent.in_(some))), (s, judged)]
        abouts += [(one, one.c.item.in_(some)) for one in (tables.trait, tables.usage, tables.software)]
        for table, what in abouts:
            for begun, ended in tx.execute(select(table.c.begun_by, table.c.ended_by).where(what)):
                numbers |= {begun} | ({ended} if ended is not None else set())
    for some in _some(sorted(numbers)):
        found = select(a).where(or_(a.c.number.in_(some), a.c.amends.in_(some)), a.c.recorded <= known)
        rows |= {row.number: row for row in tx.execute(found)}
    return _acts(tx, [rows[number] for number in sorted(rows)])


def _some(numbers: Sequence[T]) -> Iterator[Sequence[T]]:
    for first in range(0, len(numbers), _AT_ONCE):
        yield numbers[first : first + _AT_ONCE]


def acts_under(tx: Connection, work_order: str) -> list[tuple[Act, str]]:
    """What was asserted under a work order, in the order of its becoming known, each with what was said as JSON."""
    a = tables.act
    rows = tx.execute(select(a).where(a.c.work_order == work_order).order_by(a.c.recorded).limit(_MOST_ACTS)).all()
    return [(act, row.operation) for act, row in zip(_acts(tx, rows), rows, strict=True)]


def _held(node: Node) -> dict[tuple[str, ...], list[Item]]:
    found: dict[tuple[str, ...], list[Item]] = {}
    for one in _nodes(node):
        found.setdefault(one.path, []).append(one.item)
    return found


def _run(node: Node) -> dict[tuple[str, ...], list[Running]]:
    found: dict[tuple[str, ...], list[Running]] = {}
    for one in _nodes(node):
        for running in one.software:
            if running.version:
                found.setdefault((*one.path, running.slot), []).append(running)
    return found


def _version(running: Running) -> tuple[str, str]:
    return running.part, running.version


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for part in node.parts:
        yield from _nodes(part)


def _told(
    tx: Connection, numbers: Sequence[int], valid: int, known: int
) -> tuple[Mapping[int, dict[str, Any]], Mapping[int, list[Running]]]:
    """The traits of items, and what they run: one query for both, for most items run nothing."""
    t, w = tables.trait, tables.software
    traits: dict[int, dict[str, Any]] = {}
    software: dict[int, list[Running]] = {}
    for some in _some(numbers):
        named = and_(t.c.item.in_(some), t.c.name.in_((REVISION, RETIRED, QUANTITY, *IDENTITY)), as_of(t, valid, known))
        no_part = cast(literal(None), String).label("part")
        asked = select(t.c.item, t.c.name, t.c.value, no_part, t.c.valid_from).where(named)
        runs = select(w.c.item, w.c.slot, w.c.version, w.c.part, w.c.valid_from)
        for row in tx.execute(asked.union_all(runs.where(w.c.item.in_(some), as_of(w, valid, known)))):
            if row.part is None:
                traits.setdefault(row.item, {})[row.name] = row.valid_from if row.name == RETIRED else row.value
            else:
                one = Running(slot=row.name, part=row.part, version=row.value, since=row.valid_from)
                software.setdefault(row.item, []).append(one)
    for each in software.values():
        each.sort(key=lambda one: one.slot)
    return traits, software


def _item(row: Row[Any], traits: Mapping[str, Any]) -> Item:
    return Item(
        id=row.id,
        part=traits.get("part", row.part),
        revision=traits.get(REVISION, ""),
        maker=traits.get("maker", row.maker),
        serial=traits.get("serial", row.serial),
        lot=traits.get("lot", row.lot),
        kind=ItemKind(row.kind),
        twin=row.twin,
        born=row.born,
        retired=traits.get(RETIRED),
        quantity=int(traits.get(QUANTITY, 1)),
    )


def _acts(tx: Connection, rows: Sequence[Row[Any]]) -> list[Act]:
    words = {kept: words_of(tx, kept) for kept in {row.reason for row in rows}}  # those of a load are the same
    return [_act(row, words[row.reason]) for row in rows]


def _act(row: Row[Any], reason: str) -> Act:
    basis = Basis(
        source=row.source,
        work_order=row.work_order,
        evidence=row.evidence,
        confidence=row.confidence,
        uncertainty_s=row.uncertainty / 1e6,
        reason=reason,
        key=row.key,
        seen=row.seen,
    )
    return Act(
        number=row.number,
        kind=ActKind(row.kind),
        time=row.time,
        recorded=row.recorded,
        actor=row.actor,
        basis=basis,
        amends=row.amends,
        operation=msgspec.json.decode(row.operation) if row.operation else {},
    )
