"""Typed links between twins, and the times from–to they held."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, func, insert, literal, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from gemel.clock import to_rfc3339
from gemel.errors import Conflict, InvalidTime, InvalidValue, NotFound
from gemel.registry import tables
from gemel.registry.twins import shape_types, twin_row, visible
from gemel.registry.types import current_type
from gemel.twin import Change, Link, check_id

__all__ = [
    "ACYCLIC",
    "end_all",
    "end_link",
    "holds",
    "link_body",
    "link_of",
    "links_of",
    "links_of_all",
    "parts_of",
    "put_link",
]

ACYCLIC = ("part_of", "located_in")
"""Kinds that nothing can be of itself, at any depth."""

_source, _target = tables.twin.alias("source"), tables.twin.alias("target")


def holds(at: int | None) -> ColumnElement[bool]:
    """The condition that a link holds at a moment; None: that it has no end."""
    c = tables.link.c
    if at is None:
        return and_(c.until.is_(None), visible(tables.link))
    return and_(c.since <= at, c.until.is_(None) | (c.until > at), visible(tables.link))


def put_link(
    tx: Connection, kind: str, source: str, target: str, *, slot: str = "", since: int, now: int, declared: bool = False
) -> list[Change]:
    """Link from `since` on, without an end yet; the same open link again changes nothing.

    Raises UnknownTwin, Conflict (a cycle, told with its path; an earlier link that overlaps; a full slot),
    NotFound (no such slot).
    """
    check_id(kind, "link kind")
    start, end = twin_row(tx, source), twin_row(tx, target)
    c = tables.link.c
    same = (c.kind == kind, c.source == start.number, c.target == end.number, c.slot == slot)
    overlapping = tx.execute(select(tables.link).where(*same, or_(c.until.is_(None), c.until > since))).first()
    if overlapping is not None:
        if overlapping.until is None:
            if declared and not overlapping.declared:
                tx.execute(update(tables.link).where(c.number == overlapping.number).values(declared=True))
            return []
        raise Conflict(
            f"{source} was {kind} {target} until {to_rfc3339(overlapping.until)}; a new link begins then or later"
        )
    if kind in ACYCLIC:
        _refuse_cycle(tx, kind, start, end, since)
    if slot:
        _check_slot(tx, start, end, slot)
    number = (tx.scalar(select(func.max(c.number))) or 0) + 1
    tx.execute(
        insert(tables.link).values(
            number=number,
            kind=kind,
            source=start.number,
            target=end.number,
            slot=slot,
            since=since,
            until=None,
            declared=declared,
            batch=0,
        )
    )
    body = link_body(kind, start.id, end.id, slot, since)
    return [Change(kind="link.created", subject=start.id, time=now, body=body)]


def _refuse_cycle(tx: Connection, kind: str, start: Any, end: Any, since: int) -> None:
    """Walk up from the target; meeting the source while all links of the way hold at one moment is a cycle."""
    c = tables.link.c
    far = 1 << 62
    seen: dict[int, list[tuple[int, int]]] = {}
    if start.number == end.number:
        raise Conflict(f"{start.id} cannot be {kind} itself")
    queue = [(end.number, since, far, [end.id])]
    while queue:
        numbers = {number for number, *_ in queue}
        rows = tx.execute(
            select(c.source, c.target, c.since, c.until, tables.twin.c.id)
            .join(tables.twin, tables.twin.c.number == c.target)
            .where(c.kind == kind, c.source.in_(numbers), or_(c.until.is_(None), c.until > since))
        ).all()
        next_ = []
        for number, low, high, path in queue:
            for row in rows:
                if row.source != number:
                    continue
                first, last = max(low, row.since), min(high, far if row.until is None else row.until)
                if first >= last or any(a <= first and last <= b for a, b in seen.get(row.target, ())):
                    continue
                way = [*path, row.id]
                if row.target == start.number:
                    raise Conflict(
                        f"{start.id} cannot be {kind} {end.id}, for that is already within it: "
                        f"{' → '.join([start.id, *way])}",
                        path=[start.id, *way],
                    )
                seen.setdefault(row.target, []).append((first, last))
                next_.append((row.target, first, last, way))
        queue = next_


def _check_slot(tx: Connection, part: Any, whole: Any, slot: str) -> None:
    types = [current_type(tx, id) for id in shape_types(tx, whole.shape)]
    slots = {s.name: s for t in types if t is not None for s in t.slots}
    if slot not in slots:
        raise NotFound(f"{whole.id} has no slot {slot!r:.80}; it has {', '.join(sorted(slots)) or 'none'}")
    wanted = slots[slot]
    has = shape_types(tx, part.shape)
    if wanted.type not in has:
        raise InvalidValue(f"slot {slot} of {whole.id} takes a {wanted.type}; {part.id} is a {', '.join(has)}")
    c = tables.link.c
    filled = tx.scalar(
        select(func.count()).where(c.kind == "part_of", c.target == whole.number, c.slot == slot, c.until.is_(None))
    )
    if wanted.maximum is not None and (filled or 0) >= wanted.maximum:
        raise Conflict(f"slot {slot} of {whole.id} holds {wanted.maximum} already; end one of its links first")


def end_link(
    tx: Connection, kind: str, source: str, target: str, *, until: int | None, now: int, slot: str | None = None
) -> list[Change]:
    """End an open link at `until` (None: now); one that has ended already changes nothing.

    Raises UnknownTwin, NotFound, InvalidTime (before it began).
    """
    start, end = twin_row(tx, source), twin_row(tx, target)
    c = tables.link.c
    same = [c.kind == kind, c.source == start.number, c.target == end.number]
    if slot is not None:
        same.append(c.slot == slot)
    rows = tx.execute(select(tables.link).where(*same)).all()
    if not rows:
        raise NotFound(f"there never was a link {source} {kind} {target}")
    return [_end(tx, row, start.id, end.id, until=until, now=now) for row in rows if row.until is None]


def _end(tx: Connection, row: Any, source: str, target: str, *, until: int | None, now: int) -> Change:
    if until is None:
        until = max(now, row.since + 1)  # the clock may have been set back since
    if until <= row.since:
        raise InvalidTime(f"the link began at {to_rfc3339(row.since)}; it cannot end at {to_rfc3339(until)}")
    tx.execute(update(tables.link).where(tables.link.c.number == row.number).values(until=until))
    body = link_body(row.kind, source, target, row.slot, row.since) | {"until": until}
    return Change(kind="link.ended", subject=source, time=now, body=body)


def end_all(tx: Connection, number: int, *, now: int) -> list[Change]:
    """End every open link of a twin, in both directions."""
    c = tables.link.c
    rows = tx.execute(_joined().where(or_(c.source == number, c.target == number), c.until.is_(None))).all()
    return [_end(tx, row, row.source_id, row.target_id, until=None, now=now) for row in rows]


def link_body(kind: str, source: str, target: str, slot: str, since: int) -> dict[str, Any]:
    """What a change of a link says."""
    return {"kind": kind, "source": source, "target": target, "slot": slot, "since": since, "until": None}


def _joined() -> Any:
    return (
        select(tables.link, _source.c.id.label("source_id"), _target.c.id.label("target_id"))
        .join(_source, _source.c.number == tables.link.c.source)
        .join(_target, _target.c.number == tables.link.c.target)
    )


def link_of(row: Any) -> Link:
    return Link(
        kind=row.kind, source=row.source_id, target=row.target_id, slot=row.slot, since=row.since, until=row.until
    )


def links_of(
    tx: Connection, id: str, *, kind: str | None = None, direction: str = "both", at: int | None = None
) -> list[Link]:
    """Links of a twin that hold now (`at` None), or held at a moment. direction: out (it is the source), in, both."""
    number = twin_row(tx, id).number
    c = tables.link.c
    ends = {"out": c.source == number, "in": c.target == number, "both": or_(c.source == number, c.target == number)}
    if direction not in ends:
        raise InvalidValue(f"direction {direction!r:.40} is not out, in or both")
    query = _joined().where(ends[direction], holds(at)).order_by(c.kind, c.number)
    if kind is not None:
        query = query.where(c.kind == kind)
    return [link_of(row) for row in tx.execute(query)]


def links_from(tx: Connection, id: str, *, kind: str, ended: bool) -> list[Link]:
    """Links of a kind that a twin is the source of and that have no end; or those that had one."""
    c = tables.link.c
    query = _joined().where(c.source == twin_row(tx, id).number, c.kind == kind, visible(tables.link))
    query = query.where(c.until.is_not(None) if ended else c.until.is_(None))
    return [link_of(row) for row in tx.execute(query.order_by(c.number))]


def stood_in(tx: Connection, whole: str, slot: str) -> list[Link]:
    """What ever was part of a twin in one of its slots, in order of time."""
    c = tables.link.c
    number = twin_row(tx, whole).number
    query = _joined().where(c.kind == "part_of", c.target == number, c.slot == slot, visible(tables.link))
    return [link_of(row) for row in tx.execute(query.order_by(c.since, c.number))]


def links_of_all(tx: Connection, numbers: Sequence[int]) -> list[Link]:
    """Links that hold now from or to any of these twins, each once."""
    c = tables.link.c
    query = _joined().where(or_(c.source.in_(numbers), c.target.in_(numbers)), holds(None)).order_by(c.kind, c.number)
    return [link_of(row) for row in tx.execute(query)]


def parts_of(
    tx: Connection, numbers: Sequence[int], *, depth: int | None = None, at: int | None = None
) -> list[Row[Any]]:
    """Rows of part_of links below any of these twins, nearest first; a part of two wholes comes once for each link."""
    c = tables.link.c
    top = (
        select(c.number.label("link"), c.source.label("twin"), literal(1).label("depth"))
        .where(c.kind == "part_of", c.target.in_(numbers), holds(at))
        .cte("below", recursive=True)
    )
    deeper = select(c.number, c.source, top.c.depth + 1).where(
        c.kind == "part_of", c.target == top.c.twin, holds(at), top.c.depth < (depth or 1000)
    )
    below = top.union(deeper)
    nearest = select(below.c.link, func.min(below.c.depth).label("depth")).group_by(below.c.link).subquery()
    query = _joined().join(nearest, nearest.c.link == c.number).order_by(nearest.c.depth, c.number)
    return list(tx.execute(query))
