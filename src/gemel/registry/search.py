"""Search: one SQL statement per query, in order of id, a page at a time."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Select, exists, or_, select

from gemel.errors import InvalidQuery
from gemel.registry import tables
from gemel.registry.directory import Directory
from gemel.registry.links import holds
from gemel.registry.query import LinkPath, LinkStep, TwinQuery
from gemel.registry.twins import twin_of, visible
from gemel.twin import LifeStage, Page, Twin

__all__ = ["cursor_at", "search"]

_OVER = (LifeStage.RETIRED.value, LifeStage.RECYCLED.value)


def search(tx: Connection, query: TwinQuery, directory: Directory, only: Collection[int] | None = None) -> Page[Twin]:
    """One page of the twins that fit; with `only`, of those numbers. Raises InvalidQuery: the cursor is not ours."""
    t = tables.twin.c
    asked = statement(query, directory)
    if only is not None:
        asked = asked.where(t.number.in_(list(only)))
    rows = tx.execute(asked.order_by(t.id).limit(query.limit + 1)).all()
    shapes = {shape.number: shape.types for shape in directory.shapes()}
    items = [twin_of(row, shapes[row.shape]) for row in rows[: query.limit] if row.shape in shapes]
    return Page(items, cursor_at(items[-1].id) if len(rows) > query.limit else None)


def statement(query: TwinQuery, directory: Directory) -> Select[Any]:
    """The rows of `tables.twin` that fit, without order or limit."""
    t, a = tables.twin.c, tables.alias.c
    asked = select(tables.twin).where(visible(tables.twin))
    if not (query.retired or query.stage or query.id or query.alias or query.serial):
        asked = asked.where(t.stage.not_in(_OVER))
    for column, wanted in ((t.id, query.id), (t.serial, query.serial)):
        if wanted:
            asked = asked.where(column == wanted)
    if query.stage:
        asked = asked.where(t.stage == query.stage.value)
    if query.alias:
        asked = asked.where(t.number.in_(select(a.twin).where(a.alias == query.alias)))
    if query.q:
        of_alias = select(a.twin).where(a.alias.icontains(query.q, autoescape=True))
        texts = [column.icontains(query.q, autoescape=True) for column in (t.id, t.name, t.serial)]
        asked = asked.where(or_(*texts, t.number.in_(of_alias)))
    if query.type or query.properties:
        asked = asked.where(t.shape.in_(_shapes(query, directory)))
    for key, value in query.attributes:
        c = tables.attribute.c
        asked = asked.where(t.number.in_(select(c.twin).where(c.key == key, c.value == value)))
    for path in query.linked:
        asked = asked.where(t.number.in_(_reaching(path)))
    if query.roots:
        c = tables.link.c
        asked = asked.where(~exists().where(c.source == t.number, c.kind == "part_of", holds(None)))
    if query.cursor:
        asked = asked.where(t.id > _id_of(query.cursor))
    return asked


def _shapes(query: TwinQuery, directory: Directory) -> list[int]:
    return [
        shape.number
        for shape in directory.shapes()
        if (not query.type or query.type in shape.types)
        and all(condition.name in shape.properties for condition in query.properties)
    ]


def _reaching(path: LinkPath) -> Select[Any]:
    """Numbers of the twins from which the path leads to its target; walked backwards from there."""
    t, a = tables.twin.c, tables.alias.c
    here: Select[Any] = select(t.number.label("twin")).where(
        or_(t.id == path.target, t.number.in_(select(a.twin).where(a.alias == path.target)))
    )
    for place, step in enumerate(reversed(path.steps)):
        here = _before(step, here, place)
    return here


def _before(step: LinkStep, there: Select[Any], place: int) -> Select[Any]:
    c = tables.link.c
    start, end = (c.target, c.source) if step.inverse else (c.source, c.target)
    one = select(start.label("twin")).where(c.kind == step.kind, end.in_(there), holds(None))
    if not step.any_depth:
        return one
    reached = one.cte(f"step_{place}", recursive=True)
    further = select(start).where(c.kind == step.kind, end == reached.c.twin, holds(None))
    return select(reached.union(further).c.twin)


def cursor_at(id: str) -> str:
    """What goes on after the twin of this id."""
    return base64.urlsafe_b64encode(id.encode()).decode().rstrip("=")


def _id_of(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise InvalidQuery(f"cursor {cursor!r:.80} is not one of ours; start without one") from error
