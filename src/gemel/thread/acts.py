"""Acts of the configuration as nodes: what each is about, on what it rests, and which acts something has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, or_, select, text

from gemel.configuration import ActKind
from gemel.configuration import tables as told
from gemel.configuration.acts.acting import item_row
from gemel.configuration.belief import known_at
from gemel.errors import InvalidInput, NotFound
from gemel.thread import tables
from gemel.thread.nodes import Node, NodeKind

__all__ = ["ActTold", "act_of", "acts_naming", "acts_of", "rests_on"]

MOST = 50
"""Acts of one thing that are followed, the last ones."""
_COUNTED = (ActKind.USED, ActKind.ADJUSTED, ActKind.REPORTED, ActKind.OBSERVED)
"""What is said day by day, and puts nothing anywhere."""
_WHOLE = re.compile(r"(record|document):\S")
WORK_ORDER = "work-order"


class ActTold(msgspec.Struct, frozen=True, kw_only=True):
    """One act, and what it is about."""

    number: int
    kind: str
    time: int
    recorded: int
    source: str
    work_order: str
    evidence: str
    items: tuple[str, ...]
    """All that it names."""
    slots: tuple[tuple[str, str], ...]
    """(item, slot) that it filled or emptied, or that it is about."""
    about: tuple[str, ...]
    """The items that came, went or changed: not what has the slot."""


def act_of(tx: Connection, number: int, known: int) -> ActTold | None:
    """An act, if it was known then."""
    a = told.act.c
    row = tx.execute(select(told.act).where(a.number == number, a.recorded <= known)).first()
    if row is None:
        return None
    said = [number, *([row.amends] if row.amends is not None else [])]  # what corrects tells of what it corrects
    placed = [one for act in said for one in _placed(tx, act)]
    others = [one for act in said for one in _others(tx, act)]
    items = dict.fromkeys([id for child, parent, _ in placed for id in (child, parent)] + [id for id, _ in others])
    about = dict.fromkeys([child for child, _, _ in placed] + [id for id, slot in others if not slot])
    return ActTold(
        number=row.number,
        kind=row.kind,
        time=row.time,
        recorded=row.recorded,
        source=row.source,
        work_order=row.work_order,
        evidence=row.evidence,
        items=tuple(items),
        slots=tuple(dict.fromkeys([one[1:] for one in placed] + [one for one in others if one[1]])),
        about=tuple(about),
    )


def _placed(tx: Connection, number: int) -> list[tuple[str, str, str]]:
    """(child, parent, slot) of what an act began or ended, whatever is believed of it now."""
    p, s, x, y = told.placement.c, told.place.c, told.item, told.item.alias("outer")
    rows = tx.execute(
        select(x.c.id, y.c.id.label("parent"), s.slot)
        .join(told.placement, p.child == x.c.number)
        .join(y, y.c.number == p.parent)
        .join(told.place, s.number == p.place)
        .where(or_(p.begun_by == number, p.ended_by == number))
        .distinct()
    ).all()
    return [(row.id, row.parent, row.slot) for row in rows]


def _others(tx: Connection, number: int) -> list[tuple[str, str]]:
    """(item, slot or nothing) of traits, counts, observations and nonconformances."""
    x, n, o, s = told.item.c, told.nonconformance.c, told.observation.c, told.place.c
    found: list[tuple[str, str]] = []
    for table in (told.trait, told.usage, told.software):
        c = table.c
        asked = select(x.id).join(table, c.item == x.number).where(or_(c.begun_by == number, c.ended_by == number))
        found += [(id, "") for id in tx.scalars(asked.distinct())]
    seen = select(x.id, s.slot).join(told.place, s.parent == x.number).join(told.observation, o.place == s.number)
    found += [(row.id, row.slot) for row in tx.execute(seen.where(o.begun_by == number))]
    stood = told.standing.c
    judged = (
        select(x.id, n.slot)
        .join(told.nonconformance, n.parent == x.number)
        .join(told.standing, stood.nonconformance == n.number)
        .where(stood.begun_by == number)
    )
    found += [(row.id, row.slot) for row in tx.execute(judged.distinct())]
    return found


def rests_on(tx: Connection, act: ActTold, known: int) -> Iterator[tuple[str, Node]]:
    """(kind of link, record or document) that an act names as its evidence, its source or its work order."""
    for name in (act.evidence, act.source):
        if node := _named(tx, name, known, bare=name is act.evidence):
            yield "rests_on", node
    if act.work_order:
        c = tables.record.c
        named = or_(c.id == act.work_order, (c.external == act.work_order) & (c.kind == WORK_ORDER))
        for id in tx.scalars(select(c.id).where(named, known_at(tables.record, known)).order_by(c.id).limit(5)):
            yield "done_under", Node(kind=NodeKind.RECORD, id=id)


def _named(tx: Connection, name: str, known: int, *, bare: bool) -> Node | None:
    """The record or document that a text names: `record:ID`, `document:ID#VERSION`; `bare`: also the id of a record."""
    try:
        node = (
            Node.parse(name) if _WHOLE.match(name) else Node(kind=NodeKind.RECORD, id=name) if bare and name else None
        )
    except InvalidInput:
        return None
    if node is None:
        return None
    if node.kind is NodeKind.DOCUMENT:
        c = tables.document.c
        return node if tx.scalar(select(c.id).where(c.id == node.id)) is not None else None
    c = tables.record.c
    return node if tx.scalar(select(c.id).where(c.id == node.id, known_at(tables.record, known))) is not None else None


def acts_naming(tx: Connection, node: Node, known: int) -> Sequence[int]:
    """The acts that name a record or a document, the last ones first; a document by each of its versions, too."""
    a = told.act.c
    names = [f"{node.kind}:{node.id}"]
    if node.kind is NodeKind.DOCUMENT:
        v = tables.version.c
        versions = [node.sub] if node.sub else tx.scalars(select(v.version).where(v.document == node.id).distinct())
        names += [f"document:{node.id}#{version}" for version in versions]
    asked: list[Select[Any]] = [_last(select(a.number).where(a.evidence.in_(names), text(told.EVIDENCE_NAMES)), known)]
    asked.append(_last(select(a.number).where(a.source.in_(names), text("substr(source, 1, 7) = 'record:'")), known))
    if node.kind is NodeKind.RECORD:
        c = tables.record.c
        row = tx.execute(select(c.external, c.kind).where(c.id == node.id, known_at(tables.record, known))).first()
        orders = [node.id, *([row.external] if row is not None and row.external and row.kind == WORK_ORDER else [])]
        asked.append(_last(select(a.number).where(a.work_order.in_(orders), text("work_order <> ''")), known))
        asked.append(_last(select(a.number).where(a.evidence == node.id, text(told.EVIDENCE_NAMES)), known))
    found: set[int] = {number for one in asked for number in tx.scalars(one)}
    return sorted(found, reverse=True)[: 4 * MOST]


def _last(asked: Select[Any], known: int) -> Select[Any]:
    return asked.where(told.act.c.recorded <= known).order_by(told.act.c.number.desc()).limit(4 * MOST)


def acts_of(tx: Connection, node: Node, at: int, known: int) -> list[int]:
    """The acts of an item, or of a slot of one, up to a moment or in the time of the node: those that say where it was
    and what it is, not how much it was used. The last ones first."""
    a = told.act.c
    try:
        item = item_row(tx, node.id).number
    except NotFound:
        return []
    numbers: set[int] = set()
    for asked in _believed(item, node.sub if node.kind is NodeKind.SLOT else None):
        for begun, ended in tx.execute(asked):
            numbers |= {begun} | ({ended} if ended is not None else set())
    during = [a.time <= at] if node.start is None else [a.time >= node.start, a.time < node.end]
    kept = [kind.value for kind in _COUNTED]
    found: list[int] = []
    some = sorted(numbers)
    for first in range(0, len(some), 500):
        about = some[first : first + 500]
        chosen = select(a.number).where(or_(a.number.in_(about), a.amends.in_(about)), a.kind.not_in(kept))
        found += tx.scalars(chosen.where(a.recorded <= known, *during))
    return sorted(set(found), reverse=True)[:MOST]


def _believed(item: int, slot: str | None) -> Iterator[Select[Any]]:
    """By which acts something of an item, or of a slot of it, began and ended, whatever is believed of it now."""
    p, s, n, t = told.placement.c, told.place.c, told.nonconformance.c, told.standing.c
    judged = select(t.begun_by, t.ended_by).join(told.nonconformance, n.number == t.nonconformance)
    if slot is not None:
        here = select(p.begun_by, p.ended_by).join(told.place, s.number == p.place)
        yield here.where(s.parent == item, s.slot == slot)
        yield judged.where(n.parent == item, n.slot == slot)
        return
    yield select(p.begun_by, p.ended_by).where(p.child == item)
    yield select(told.trait.c.begun_by, told.trait.c.ended_by).where(told.trait.c.item == item)
    yield judged.where(n.item == item)
