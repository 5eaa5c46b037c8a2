"""Which orders are asked for, and what their rows fulfil then."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import and_, exists, func, or_

from gemel.services.work import tables
from gemel.services.work.order import WorkState

__all__ = ["WorkQuery", "conditions"]


class WorkQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which orders; what is empty is not asked for."""

    q: str = ""
    """In id, title or external id."""
    twin: str = ""
    item: str = ""
    states: tuple[WorkState, ...] = ()
    system: str = ""
    party: str = ""
    repairs: str = ""
    start: int | None = None
    """Only what was planned, or visited, at or after this moment; with `end`: between the two."""
    end: int | None = None
    limit: int = 100
    after: int | None = None
    """Only numbers below this one: the newest come first."""


def conditions(asked: WorkQuery) -> list[Any]:
    """What a row of an order fulfils."""
    c = tables.order.c
    named = ("twin", "item", "system", "party", "repairs")
    found: list[Any] = [c[name] == told for name in named if (told := getattr(asked, name))]
    if asked.q:
        like = f"%{asked.q.replace('%', '').replace('_', '')}%"
        found.append(or_(c.id.ilike(like), c.title.ilike(like), c.external.ilike(like)))
    if asked.states:
        found.append(c.state.in_([str(one) for one in asked.states]))
    if asked.start is not None or asked.end is not None:
        found.append(or_(and_(*_planned(asked)), _visited(asked)))
    if asked.after is not None:
        found.append(c.number < asked.after)
    return found


def _planned(asked: WorkQuery) -> Iterator[Any]:
    """Its window meets [start, end); without a window it lasts from when it was made to when it last changed."""
    c = tables.order.c
    if asked.start is not None:
        yield or_(c.end > asked.start, c.end.is_(None) & (func.coalesce(c.start, c.changed) >= asked.start))
    if asked.end is not None:
        yield func.coalesce(c.start, c.created) < asked.end


def _visited(asked: WorkQuery) -> Any:
    """One of its visits, as they are known now, meets [start, end)."""
    v, later = tables.visit.c, tables.visit.alias()
    now = ~exists().where(later.c.order == v.order, later.c.key == v.key, later.c.number > v.number)
    found = [v.order == tables.order.c.number, now]
    if asked.start is not None:
        found.append(or_(v.end.is_(None), v.end > asked.start, v.start >= asked.start))
    if asked.end is not None:
        found.append(v.start < asked.end)
    return exists().where(*found)
