"""Machines as they are, for judging software: many at once, each with all its hardware and reported software."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Connection, Row, and_, cast, literal, select

from gemel.configuration import tables
from gemel.configuration.acts.acting import RETIRED, REVISION, item_row
from gemel.configuration.belief import as_of
from gemel.configuration.parts.book import Book
from gemel.configuration.parts.ends import end_of
from gemel.configuration.software.rules import End, Machine, Module, Piece
from gemel.configuration.software.values import Software, SoftwareWay
from gemel.configuration.values import Item, ItemKind, Node, Running

__all__ = ["Places", "around", "holders", "inside", "machines", "twins_of"]

_DEEPEST = 64
_AT_ONCE = 400

Places = Callable[[str], Sequence[tuple[Software, SoftwareWay]]]
"""What software has a place in the item of a twin, by the twin's id: that of its types' ways."""


def holders(tx: Connection, twins: Iterable[str], valid: int, known: int) -> dict[str, tuple[int, str]]:
    """Twin → number and id of the item whose live face it is then; twins without one are left out."""
    x, t = tables.item, tables.trait
    found: dict[str, tuple[int, str]] = {}
    for some in _chunks(sorted(set(twins))):
        retired = and_(t.c.item == x.c.number, t.c.name == RETIRED, as_of(t, valid, known))
        rows = tx.execute(
            select(x.c.twin, x.c.number, x.c.id)
            .outerjoin(t, retired)
            .where(x.c.twin.in_(some), x.c.born <= valid, x.c.merged.is_(None), t.c.number.is_(None))
            .order_by(x.c.number)
        )
        found |= {row.twin: (row.number, row.id) for row in rows}
    return found


def twins_of(tx: Connection, items: Iterable[str]) -> set[str]:
    """The twins that are the live faces of items, by the items' ids."""
    c = tables.item.c
    chunks = _chunks(sorted(set(items)))
    return {twin for some in chunks for twin in tx.scalars(select(c.twin).where(c.id.in_(some), c.twin != ""))}


def machines(
    tx: Connection, items: Iterable[int], places: Places, book: Book, *, valid: int, known: int
) -> dict[int, Machine]:
    """The machine that each of these items (by number) is in, itself if it is in none; as of two moments.

    A machine is what is in nothing, or in a place that holds any number: a hall, a store.
    """
    found: dict[int, Machine] = {}
    for some in _chunks(sorted(set(items))):
        tops = _tops(tx, some, valid, known)
        whole = _wholes(tx, sorted(set(tops.values())), (places, book), valid, known)
        found |= {number: whole[top] for number, top in tops.items()}
    return found


def around(tx: Connection, tree: Node, places: Places, book: Book, *, valid: int, known: int) -> Machine:
    """The machine that an item is in, of which the tree is known already: itself, if it is in none. Raises NotFound."""
    number = int(item_row(tx, tree.item.id).number)
    if _tops(tx, [number], valid, known)[number] != number:
        return machines(tx, [number], places, book, valid=valid, known=known)[number]
    return _made(list(_visits(tree, ())), places, book)


def _visits(node: Node, outer: tuple[Item, ...]) -> Iterator[_Visit]:
    way = (node.item, *outer)
    yield _Visit(node.path, way, node.software)
    for part in node.parts:
        yield from _visits(part, way)


def inside(tx: Connection, item: int, places: Places, book: Book, *, valid: int, known: int) -> tuple[Module, ...]:
    """The software of an item (by number) and of all that is in it; paths are from the item down."""
    return _wholes(tx, [item], (places, book), valid, known)[item].modules


def _tops(tx: Connection, numbers: Sequence[int], valid: int, known: int) -> dict[int, int]:
    """Item → the machine that it is in."""
    p, x = tables.placement, tables.item
    own = select(x.c.number.label("start"), x.c.number.label("at"), literal(0).label("depth"))
    first = own.where(x.c.number.in_(numbers)).cte("up", recursive=True)
    up = first.union_all(
        select(first.c.start, p.c.parent, first.c.depth + 1)
        .join(first, p.c.child == first.c.at)
        .join(x, x.c.number == p.c.parent)
        .where(as_of(p, valid, known), x.c.kind != ItemKind.LOCATION.value, first.c.depth < _DEEPEST)
    )
    rows = tx.execute(select(up).order_by(up.c.depth))
    return {row.start: row.at for row in rows}


def _wholes(tx: Connection, tops: Sequence[int], by: tuple[Places, Book], valid: int, known: int) -> dict[int, Machine]:
    p, x, s = tables.placement, tables.item, tables.place
    top = select(
        x.c.number.label("top"),
        x.c.number.label("item"),
        cast(literal(None), BigInteger).label("parent"),
        cast(literal(None), BigInteger).label("place"),
        literal(0).label("depth"),
    )
    first = top.where(x.c.number.in_(tops)).cte("down", recursive=True)
    down = first.union_all(
        select(first.c.top, p.c.child, p.c.parent, p.c.place, first.c.depth + 1)
        .join(first, p.c.parent == first.c.item)
        .where(as_of(p, valid, known), first.c.depth < _DEEPEST)
    )
    c = down.c
    rows = tx.execute(
        select(down, s.c.slot, x.c.id, x.c.part, x.c.maker, x.c.serial, x.c.lot, x.c.kind, x.c.twin, x.c.born)
        .join(x, x.c.number == c.item)
        .outerjoin(s, s.c.number == c.place)
        .order_by(c.depth, s.c.slot, x.c.id)
    ).all()
    numbers = sorted({row.item for row in rows})
    revisions, reported = _revisions(tx, numbers, valid, known), _reported(tx, numbers, valid, known)
    of: dict[int, list[Row[Any]]] = {}
    for row in rows:
        of.setdefault(row.top, []).append(row)
    return {top: _machine(mine, revisions, reported, *by) for top, mine in of.items()}


def _machine(
    rows: Sequence[Row[Any]],
    revisions: Mapping[int, str],
    reported: Mapping[int, Sequence[Row[Any]]],
    places: Places,
    book: Book,
) -> Machine:
    visits: dict[int, _Visit] = {}
    for row in rows:
        outer = visits.get(row.parent) if row.depth else None
        item = Item(
            id=row.id,
            part=row.part,
            revision=revisions.get(row.item, ""),
            maker=row.maker,
            serial=row.serial,
            lot=row.lot,
            kind=ItemKind(row.kind),
            twin=row.twin,
            born=row.born,
        )
        told = tuple(
            Running(slot=one.slot, part=one.part, version=one.version, since=one.valid_from)
            for one in reported.get(row.item, ())
        )
        path, way = ((), ()) if outer is None else ((*outer.path, row.slot), outer.way)
        visits[row.item] = _Visit(path, (item, *way), told)
    return _made(list(visits.values()), places, book)


class _Visit(msgspec.Struct, frozen=True):
    """One item of a machine."""

    path: tuple[str, ...]
    way: tuple[Item, ...]
    """Itself, and what it is in, outwards."""
    told: tuple[Running, ...]
    """The software that it reported."""


def _made(visits: Sequence[_Visit], places: Places, book: Book) -> Machine:
    """Of all that is in it, itself first."""
    pieces, modules, ends = list[Piece](), list[Module](), dict[tuple[str, ...], End]()
    for visit in visits:
        item = visit.way[0]
        pieces.append(Piece(path=visit.path, item=item.id, part=item.part, revision=item.revision))
        told = {one.slot: one for one in visit.told}
        expected = {way.slot: software.part for software, way in (places(item.twin) if item.twin else ())}
        for slot in sorted(told.keys() | expected.keys()):
            one = told.get(slot)
            modules.append(
                Module(
                    path=(*visit.path, slot),
                    item=item.id,
                    twin=item.twin,
                    slot=slot,
                    part=expected.get(slot) or (one.part if one is not None else ""),
                    version="" if one is None else one.version,
                    since=None if one is None else one.since,
                )
            )
        if told or expected:
            end = _end(visit, book)
            ends[end.path] = end
    top = visits[0].way[0]
    return Machine(
        item=top.id,
        part=top.part,
        serial=top.serial,
        lot=top.lot,
        twin=top.twin,
        pieces=tuple(pieces),
        modules=tuple(modules),
        ends=tuple(ends.values()),
    )


def _end(visit: _Visit, book: Book) -> End:
    place = end_of(book, visit.way)
    if place is None:
        return End(path=(), serial=None, lot="", named=False)
    end = visit.way[place]
    part = book.of(end.part, end.maker)
    named = part is not None and part.end_item
    return End(path=visit.path[: len(visit.path) - place], serial=end.serial, lot=end.lot, named=named)


def _revisions(tx: Connection, numbers: Sequence[int], valid: int, known: int) -> dict[int, str]:
    t = tables.trait
    found: dict[int, str] = {}
    for some in _chunks(numbers):
        what = and_(t.c.item.in_(some), t.c.name == REVISION, as_of(t, valid, known))
        found |= {row.item: row.value for row in tx.execute(select(t.c.item, t.c.value).where(what))}
    return found


def _reported(tx: Connection, numbers: Sequence[int], valid: int, known: int) -> dict[int, list[Row[Any]]]:
    w = tables.software
    found: dict[int, list[Row[Any]]] = {}
    for some in _chunks(numbers):
        for row in tx.execute(select(w).where(w.c.item.in_(some), as_of(w, valid, known))):
            found.setdefault(row.item, []).append(row)
    return found


def _chunks(numbers: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (numbers[first : first + _AT_ONCE] for first in range(0, len(numbers), _AT_ONCE))
