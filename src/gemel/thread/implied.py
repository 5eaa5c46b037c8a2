"""Links that nobody has to say: what the configuration, documents and measurements say themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import Connection, Row, or_, select

from gemel.configuration import FOREVER, Configuration, Span
from gemel.configuration.tables import item as item_table
from gemel.configuration.tables import place, placement
from gemel.thread import tables
from gemel.thread.acts import act_of, acts_naming, acts_of, rests_on
from gemel.thread.following import Asked
from gemel.thread.nodes import Node, NodeKind
from gemel.thread.paging import seen_page
from gemel.thread.values import Link, Origin

__all__ = ["MOST", "implied", "items_of"]

MOST = 200
"""Items of a part, failed measurements of an item: so many are followed at once."""
Sees = Callable[[Node], bool]
_ALWAYS = Span(-(1 << 62), FOREVER)


def implied(
    tx: Connection, configuration: Configuration, asked: Asked, *, start: Node, sees: Sees
) -> Callable[[Node], Iterator[Link]]:
    """What a node is linked to without a link's being said, as of the moments that are asked."""

    def links(node: Node) -> Iterator[Link]:
        if node.kind is NodeKind.ITEM:
            yield from _of_item(tx, configuration, node, asked)
            yield from _acts(tx, node, asked, all_=node == start)
        elif node.kind is NodeKind.PART:
            yield from _of_part(tx, node, asked, start, sees)
        elif node.kind is NodeKind.SLOT:
            yield _link("belongs_to", node, node.whole)
            yield from _held(tx, node, asked)
            yield from _acts(tx, node, asked, all_=node == start)
        elif node.kind is NodeKind.ACT:
            yield from _of_act(tx, node, asked)
        elif node.kind is NodeKind.TWIN:
            c = item_table.c
            for id in tx.scalars(select(c.id).where(c.twin == node.id, c.merged.is_(None)).limit(MOST)):
                yield _link("has_twin", Node(kind=NodeKind.ITEM, id=id), Node(kind=NodeKind.TWIN, id=node.id))
        elif node.kind is NodeKind.DOCUMENT:
            yield from _of_document(tx, node, asked)
            yield from _named(tx, node, asked)
        elif node.kind in (NodeKind.RECORD, NodeKind.MEASUREMENT):
            yield from _measured(tx, node, asked)
            if node.kind is NodeKind.RECORD:
                yield from _named(tx, node, asked)

    return links


def _link(kind: str, source: Node, target: Node, origin: Origin | None = None) -> Link:
    return Link(
        number=0, kind=kind, source=source, target=target, valid=_ALWAYS, recorded=_ALWAYS, act=0, origin=origin
    )


def _of_item(tx: Connection, configuration: Configuration, node: Node, asked: Asked) -> Iterator[Link]:
    found = configuration.items([node.id], asked.at, known=asked.known).get(node.id)
    if found is None:
        return
    yield _link("is_a", node, Node(kind=NodeKind.PART, id=found.part, sub=found.revision))
    if found.twin:
        yield _link("has_twin", node, Node(kind=NodeKind.TWIN, id=found.twin))
    for held in configuration.history(node.id, known=asked.known):
        there = held.valid.covers(asked.at) if node.start is None else _meets(held.valid, node)
        if there:
            yield _link("fits", node, Node(kind=NodeKind.SLOT, id=held.parent, sub=held.slot))
    c = tables.link.c
    slots = (c.source_kind == "slot") & (c.source_id == node.id)
    for slot in tx.scalars(select(c.source_sub).where(slots, c.recorded_to == FOREVER).distinct().limit(MOST)):
        yield _link("belongs_to", Node(kind=NodeKind.SLOT, id=node.id, sub=slot), node)
    yield from _measured(tx, node, asked)


def _meets(valid: Span, node: Node) -> bool:
    return node.start is not None and node.end is not None and valid.meets(Span(node.start, node.end)) is not None


def _held(tx: Connection, node: Node, asked: Asked) -> Iterator[Link]:
    """What is in a slot of an item, then or in the time of the node."""
    if node.id.startswith("part:"):
        return
    p, s, x, outer = placement.c, place.c, item_table.c, item_table.alias("outer")
    start, end = (asked.at, asked.at + 1) if node.start is None or node.end is None else (node.start, node.end)
    rows = tx.scalars(
        select(x.id)
        .join(placement, p.child == x.number)
        .join(place, s.number == p.place)
        .join(outer, outer.c.number == p.parent)
        .where(outer.c.id == node.id, s.slot == node.sub, p.valid_from < end, p.valid_to > start)
        .where(p.recorded_from <= asked.known, p.recorded_to > asked.known)
        .order_by(p.valid_from, x.id)
        .limit(MOST)
    )
    for id in dict.fromkeys(rows):
        yield _link("fits", Node(kind=NodeKind.ITEM, id=id), node)


def _acts(tx: Connection, node: Node, asked: Asked, *, all_: bool) -> Iterator[Link]:
    """The acts of an item or of a slot. `all_`: else those alone that lead on, to what they rest on."""
    if node.id.startswith("part:"):
        return
    for number in acts_of(tx, node, asked.at, asked.known):
        if all_ or ((act := act_of(tx, number, asked.known)) and any(True for _ in rests_on(tx, act, asked.known))):
            yield _link("concerns", Node(kind=NodeKind.ACT, id=str(number)), node)


def _of_act(tx: Connection, node: Node, asked: Asked) -> Iterator[Link]:
    act = act_of(tx, int(node.id), asked.known)
    if act is None:
        return
    for id in act.about:
        yield _link("concerns", node, Node(kind=NodeKind.ITEM, id=id))
    for id, slot in act.slots:
        yield _link("concerns", node, Node(kind=NodeKind.SLOT, id=id, sub=slot))
    for kind, other in rests_on(tx, act, asked.known):
        yield _link(kind, node, other)


def _named(tx: Connection, node: Node, asked: Asked) -> Iterator[Link]:
    """The acts that rest on a record or a document, or were done under a work order."""
    for number in acts_naming(tx, node, asked.known):
        act = act_of(tx, number, asked.known)
        for kind, other in rests_on(tx, act, asked.known) if act is not None else ():
            if (other.kind, other.id) == (node.kind, node.id) and other.sub in ("", node.sub or other.sub):
                yield _link(kind, Node(kind=NodeKind.ACT, id=str(number)), node)


def items_of(tx: Connection, part: Node, after: str, sees: Sees) -> tuple[Sequence[str], str]:
    """Ids of the items of a part after one, in order: so many as are told at once, and after which to go on: an id, or
    `@` and the number of one that is not seen."""
    c = item_table.c
    hidden = after.removeprefix("@")
    if hidden != after:
        number = int(hidden) if hidden.isascii() and hidden.isdecimal() and len(hidden) < 19 else 0
        after = tx.scalar(select(c.id).where(c.number == number)) or ""

    def read(last: Row[str, int] | None, count: int) -> Sequence[Row[str, int]]:
        of = (c.part == part.id, c.merged.is_(None), c.born < FOREVER)
        rest = c.id > (after if last is None else last.id)
        return tx.execute(select(c.id, c.number).where(*of, rest).order_by(c.id).limit(count)).all()

    found, last = seen_page(read, lambda row: sees(Node(kind=NodeKind.ITEM, id=row.id)), MOST)
    told = [row.id for row in found]
    return told, "" if last is None else last.id if last.id in told else f"@{last.number}"


def _of_part(tx: Connection, node: Node, asked: Asked, start: Node, sees: Sees) -> Iterator[Link]:
    for id in items_of(tx, node, asked.after if node == start else "", sees)[0]:
        yield _link("is_a", Node(kind=NodeKind.ITEM, id=id), Node(kind=NodeKind.PART, id=node.id))
    v, e = tables.version.c, tables.effectivity.c
    rows = tx.execute(
        select(v.document, v.version)
        .join(tables.effectivity, e.of == v.number)
        .where(e.part == node.id, v.valid_from <= asked.at, v.valid_to > asked.at)
        .where(v.recorded_from <= asked.known, v.recorded_to > asked.known)
        .distinct()
    )
    for row in rows:
        yield _link("describes", Node(kind=NodeKind.DOCUMENT, id=row.document, sub=row.version), node)


def _of_document(tx: Connection, node: Node, asked: Asked) -> Iterator[Link]:
    v, e = tables.version.c, tables.effectivity.c
    told = select(e.part).join(tables.version, v.number == e.of).where(v.document == node.id)
    if node.sub:
        told = told.where(v.version == node.sub)
    told = told.where(v.recorded_from <= asked.known, v.recorded_to > asked.known).distinct()
    for part in tx.scalars(told):
        yield _link("describes", node, Node(kind=NodeKind.PART, id=part))


def _measured(tx: Connection, node: Node, asked: Asked) -> Iterator[Link]:
    """Measurements that failed are nodes of their own; the others are asked for as measurements."""
    m = tables.measurement.c
    here = {
        NodeKind.RECORD: m.inspection == node.id,
        NodeKind.ITEM: m.item == node.id,
        NodeKind.MEASUREMENT: m.number == (int(node.id) if node.id.isdecimal() else -1),
    }[node.kind]
    failed = (
        or_(m.status == "fail", m.number == int(node.id)) if node.kind is NodeKind.MEASUREMENT else m.status == "fail"
    )
    rows = tx.execute(
        select(tables.measurement)
        .where(here, failed, m.recorded_from <= asked.known, m.recorded_to > asked.known)
        .order_by(m.number)
        .limit(MOST)
    )
    for row in rows:
        one = Node(kind=NodeKind.MEASUREMENT, id=str(row.number))
        origin = None if row.origin is None else Origin(source=row.origin, place=row.place)
        if node.kind is not NodeKind.ITEM:
            yield _link("contains", Node(kind=NodeKind.RECORD, id=row.inspection), one, origin)
        if node.kind is not NodeKind.RECORD:
            yield _link("concerns", one, Node(kind=NodeKind.ITEM, id=row.item), origin)
