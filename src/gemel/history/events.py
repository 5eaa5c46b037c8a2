"""What happened: events of machines and every other change, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from gemel.errors import InvalidQuery
from gemel.history.conditions import CHANGED, Asked, Changes, changes_of, condition_series
from gemel.history.published import View
from gemel.history.reader import Reader, moment
from gemel.history.tables import HAPPENED
from gemel.history.tail import Fact
from gemel.registry import Directory
from gemel.twin import Change

__all__ = ["EventPage", "EventQuery", "events_of"]


class EventQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which changes; what is None or empty does not restrict."""

    twins: tuple[str, ...] = ()
    """Ids of the twins, or of whatever else the changes are about."""
    kinds: tuple[str, ...] = ()
    """Kinds of change; one that ends in a dot stands for all that begin so: `twin.`"""
    start: int | None = None
    end: int | None = None
    """Source time in [start, end)."""
    id: str = ""
    newest_first: bool = True
    limit: int = 100
    cursor: str = ""
    """The `next` of the page before."""


@dataclass(frozen=True, slots=True)
class EventPage:
    """One page, by (time, position)."""

    items: list[Fact]
    next: str | None
    """The cursor of the next page; None at the end."""
    position: int
    """The journal position it was read at."""


def events_of(reader: Reader, view: View, directory: Directory, query: EventQuery) -> EventPage:
    """The changes that the query asks for, and what conditions came and went. Raises InvalidQuery for a bad limit or
    cursor.
    """
    if not 1 <= query.limit <= 10_000:
        raise InvalidQuery(f"a page cannot have {query.limit} items; ask for 1 to 10,000")
    after = _cursor(query.cursor)
    told = _of_conditions(reader, view, directory, query, after)
    found = [*_of_files(reader, view, query, after), *_of_tail(view, query, after), *told.facts]
    found.sort(key=_key, reverse=query.newest_first)
    if (reached := told.reached) is not None:  # beyond it, nobody has looked for conditions yet
        found = [f for f in found if (_key(f) >= reached if query.newest_first else _key(f) <= reached)]
    items = found[: query.limit]
    last = _key(items[-1]) if len(found) > query.limit else reached
    return EventPage(items, None if last is None else f"{last[0]}:{last[1]}", view.position)


def _key(fact: Fact) -> tuple[int, int]:
    return fact.change.time, fact.position


def _of_conditions(
    reader: Reader, view: View, directory: Directory, query: EventQuery, after: tuple[int, int] | None
) -> Changes:
    if query.id or (query.kinds and not any(_is(CHANGED, kind) for kind in query.kinds)):
        return Changes([], None)
    series = condition_series(directory, query.twins)
    asked = Asked(query.start, query.end, after, query.newest_first, query.limit)
    return changes_of(reader, view, directory, series, asked) if len(series) else Changes([], None)


def _cursor(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    try:
        time, position = text.split(":")
        return int(time), int(position)
    except ValueError:
        raise InvalidQuery(f"{text!r:.40} is not a cursor; use the `next` of the page before") from None


def _of_files(reader: Reader, view: View, query: EventQuery, after: tuple[int, int] | None) -> list[Fact]:
    files = view.table(HAPPENED).select(start=query.start, end=query.end)
    if not files:
        return []
    where, parameters = _where(query, after)
    direction = "DESC" if query.newest_first else "ASC"
    with reader.cursor() as cursor:
        rows = cursor.execute(
            "SELECT position, epoch_us(time), epoch_us(recorded), twin, kind, actor, source, id, body "
            f"FROM {reader.source(files)} WHERE {' AND '.join(where)} "
            f"ORDER BY time {direction}, position {direction} LIMIT {query.limit + 1}",
            parameters,
        ).fetchall()
    return [
        Fact(position, recorded, _change(time, twin, kind, rest))
        for position, time, recorded, twin, kind, *rest in rows
    ]


def _change(time: int, twin: str, kind: str, rest: Sequence[str]) -> Change:
    actor, source, id, body = rest
    return Change(kind=kind, subject=twin, time=time, actor=actor, source=source, id=id, body=msgspec.json.decode(body))


def _where(query: EventQuery, after: tuple[int, int] | None) -> tuple[list[str], list[str]]:
    where = ["true"]
    parameters: list[str] = []
    if query.start is not None:
        where.append(f"time >= {moment(query.start)}")
    if query.end is not None:
        where.append(f"time < {moment(query.end)}")
    if query.twins:
        where.append(f"twin IN ({', '.join('?' * len(query.twins))})")
        parameters += query.twins
    if query.kinds:
        where.append(
            "(" + " OR ".join("starts_with(kind, ?)" if k.endswith(".") else "kind = ?" for k in query.kinds) + ")"
        )
        parameters += query.kinds
    if query.id:
        where.append("id = ?")
        parameters.append(query.id)
    if after is not None:
        sign = "<" if query.newest_first else ">"
        where.append(f"(time, position) {sign} ({moment(after[0])}, {after[1]})")
    return where, parameters


def _of_tail(view: View, query: EventQuery, after: tuple[int, int] | None) -> Iterator[Fact]:
    for part in view.tail:
        for fact in part.facts:
            change = fact.change
            key = change.time, fact.position
            if (
                (query.start is None or change.time >= query.start)
                and (query.end is None or change.time < query.end)
                and (not query.twins or change.subject in query.twins)
                and (not query.kinds or any(_is(change.kind, kind) for kind in query.kinds))
                and (not query.id or change.id == query.id)
                and (after is None or (key < after if query.newest_first else key > after))
            ):
                yield fact


def _is(kind: str, asked: str) -> bool:
    return kind.startswith(asked) if asked.endswith(".") else kind == asked
