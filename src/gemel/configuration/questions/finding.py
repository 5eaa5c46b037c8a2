"""Looking for items: by anything known of them, and by what is written on them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import takewhile
from typing import Any, cast

import msgspec
from sqlalchemy import Connection, Row, Select, Table, and_, literal, or_, select

from gemel.configuration import tables
from gemel.configuration.acts.acting import RETIRED, REVISION, item_row
from gemel.configuration.belief import as_of
from gemel.configuration.questions.asking import _item as item_of
from gemel.configuration.questions.texts import containing
from gemel.configuration.values import Item, ItemKind
from gemel.twin import Page

__all__ = [
    "ItemFound",
    "ItemQuery",
    "below",
    "called",
    "item_of_twin",
    "live_faces",
    "machine_of",
    "machines_of",
    "search",
    "twin_of",
    "wheres",
]

_DEEPEST = 64
_AT_ONCE = 500


class ItemQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Items that fit all that is given."""

    q: str = ""
    """Part of the id, of another name, of the part number, the serial number, the maker or the lot."""
    part: str = ""
    maker: str = ""
    serial: str = ""
    lot: str = ""
    revision: str = ""
    kind: ItemKind | None = None
    twin: str = ""
    """The items whose live face this twin is."""
    root: str = ""
    """What this item consists of, at any depth."""
    loose: bool = False
    """Only what is in nothing: machines, stores, and what is nowhere."""
    retired: bool = False
    """Also retired ones."""
    limit: int = 100
    after: str = ""
    """Only ids after this one."""


class ItemFound(msgspec.Struct, frozen=True, kw_only=True):
    """An item that was looked for, and where it is."""

    item: Item
    root: str = ""
    """The machine or store that it is in, through all parents; empty: it is in nothing."""
    path: tuple[str, ...] = ()
    """Slots from the root down to it."""
    since: int | None = None
    """Since when it has been in its slot."""


def search(tx: Connection, query: ItemQuery, valid: int, known: int, only: Collection[int] | None = None) -> Page[Item]:
    """One page of the items that fit, in order of their ids; with `only`, of those numbers. Raises NotFound (root)."""
    asked = _statement(tx, query, valid, known)
    if only is None:
        rows = list(tx.execute(asked.order_by(tables.item.c.id).limit(query.limit + 1)))
    else:
        rows = []
        for some in _parts(sorted(only)):
            fitting = asked.where(tables.item.c.number.in_(some)).order_by(tables.item.c.id).limit(query.limit + 1)
            rows += tx.execute(fitting)
        rows = sorted(rows, key=lambda row: row.id)[: query.limit + 1]
    items = [item_of(row, {REVISION: row.revision, RETIRED: row.retired}) for row in rows[: query.limit]]
    return Page(items, items[-1].id if len(rows) > query.limit else None)


def _statement(tx: Connection, query: ItemQuery, valid: int, known: int) -> Select[Any]:
    x, t = tables.item, tables.trait
    gone = cast("Table", t.alias("gone"))
    asked = (
        select(x, t.c.value.label("revision"), gone.c.valid_from.label("retired"))
        .join(t, and_(t.c.item == x.c.number, t.c.name == REVISION, as_of(t, valid, known)))
        .join(gone, and_(gone.c.item == x.c.number, gone.c.name == RETIRED, as_of(gone, valid, known)), isouter=True)
        .where(x.c.merged.is_(None), x.c.id > query.after)
    )
    if not query.retired:
        asked = asked.where(gone.c.number.is_(None))
    for column, wanted in (
        (x.c.part, query.part),
        (x.c.maker, query.maker),
        (x.c.serial, query.serial),
        (x.c.lot, query.lot),
        (x.c.twin, query.twin),
        (x.c.kind, query.kind.value if query.kind is not None else ""),
        (t.c.value, query.revision),
    ):
        if wanted:
            asked = asked.where(column == wanted)
    if query.q:
        asked = asked.where(containing(tx, query.q))
    p = tables.placement
    if query.root:
        inside = below([item_row(tx, query.root).number], valid, known)
        asked = asked.where(x.c.number.in_(select(inside.c.number)), x.c.number.not_in(_itself(tx, query.root)))
    if query.loose:
        asked = asked.where(x.c.number.not_in(select(p.c.child).where(as_of(p, valid, known))))
    return asked


def _itself(tx: Connection, root: str) -> list[int]:
    return [item_row(tx, root).number]


def below(tops: Iterable[int], valid: int, known: int) -> Any:
    """A recursive table of the numbers of these items, and of all that they consist of."""
    p = tables.placement
    numbers = list(tops)
    top = select(tables.item.c.number, literal(0).label("depth")).where(tables.item.c.number.in_(numbers))
    found = top.cte("inside", recursive=True)
    return found.union_all(
        select(p.c.child, found.c.depth + 1)
        .join(found, p.c.parent == found.c.number)
        .where(as_of(p, valid, known), found.c.depth < _DEEPEST)
    )


def called(tx: Connection, code: str, valid: int, known: int, *, most: int = 50) -> list[Item]:
    """Items of this id, serial number or other name, whatever kind of name it is."""
    x, a = tables.item.c, tables.alias.c
    named = or_(x.id == code, x.serial == code, x.number.in_(select(a.item).where(a.value == code)))
    asked = _statement(tx, ItemQuery(retired=True), valid, known).where(named)
    return [
        item_of(row, {REVISION: row.revision, RETIRED: row.retired})
        for row in tx.execute(asked.order_by(x.id).limit(most))
    ]


def wheres(tx: Connection, numbers: Collection[int], valid: int, known: int) -> dict[int, list[Row[Any]]]:
    """For each item the placements that it is in, the nearest first: one question for each level of all together."""
    p, parent = tables.placement, tables.item.alias("parent")
    found: dict[int, list[Row[Any]]] = {number: [] for number in numbers}
    at = {number: number for number in numbers}
    for _ in range(_DEEPEST):
        held: dict[int, Row[Any]] = {}
        for some in _parts(sorted(set(at.values()))):
            rows = tx.execute(
                select(p.c.child, p.c.parent, p.c.valid_from, tables.place.c.slot)
                .add_columns(parent.c.id, parent.c.twin, parent.c.kind)
                .join(tables.place, tables.place.c.number == p.c.place)
                .join(parent, parent.c.number == p.c.parent)
                .where(p.c.child.in_(some), as_of(p, valid, known))
            )
            held |= {row.child: row for row in rows}
        above: dict[int, int] = {}
        for number, inner in at.items():
            if inner in held:
                found[number].append(held[inner])
                above[number] = held[inner].parent
        if not above:
            break
        at = above
    return found


def twin_of(tx: Connection, item: str, valid: int, known: int) -> str:
    """The twin of an item, else of the nearest that it is in; empty: of none. Raises NotFound."""
    row = item_row(tx, item)
    held = wheres(tx, [row.number], valid, known)[row.number]
    return next((twin for twin in (row.twin, *(one.twin for one in held)) if twin), "")


def machine_of(tx: Connection, item: str, valid: int, known: int) -> str:
    """What an item is in, over all parents but places, itself perhaps: the machine as the fleet counts it. Raises
    NotFound."""
    item_row(tx, item)
    return machines_of(tx, [item], valid, known)[item]


def machines_of(tx: Connection, items: Collection[str], valid: int, known: int) -> dict[str, str]:
    """The same of many at once; unknown ones are left out."""
    c = tables.item.c
    rows: dict[str, Row[Any]] = {}
    ids = sorted(set(items))
    for first in range(0, len(ids), _AT_ONCE):
        asked = select(c.id, c.number, c.merged).where(c.id.in_(ids[first : first + _AT_ONCE]))
        rows |= {row.id: row for row in tx.execute(asked)}
    rows = {id: row if row.merged is None else item_row(tx, id) for id, row in rows.items()}
    held = wheres(tx, {row.number for row in rows.values()}, valid, known)
    found: dict[str, str] = {}
    for id, row in rows.items():
        inner = takewhile(lambda one: one.kind != ItemKind.LOCATION.value, held[row.number])
        found[id] = str([row, *inner][-1].id)
    return found


def item_of_twin(tx: Connection, twin: str) -> str:
    """The item whose live face a twin is; empty: of none, or nobody can tell."""
    c = tables.item.c
    found = tx.scalars(select(c.id).where(c.twin == twin, c.merged.is_(None)).limit(2)).all()
    return str(found[0]) if len(found) == 1 else ""


def live_faces(tx: Connection, twins: Sequence[str]) -> list[str]:
    """Of these twins those that are an item's."""
    c = tables.item.c
    found: list[str] = []
    for first in range(0, len(twins), _AT_ONCE):
        some = twins[first : first + _AT_ONCE]
        found += tx.scalars(select(c.twin).where(c.twin.in_(some), c.merged.is_(None)).distinct())
    return found


def _parts(numbers: list[int]) -> Iterable[list[int]]:
    return (numbers[first : first + _AT_ONCE] for first in range(0, len(numbers), _AT_ONCE))
