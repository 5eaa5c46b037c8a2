"""Rows of the entity sets, in order, from a place on: what the caller may read, and no more than is asked for."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from gemel.clock import MAX_TIME, MIN_TIME, to_rfc3339
from gemel.errors import InvalidQuery
from gemel.history import EventQuery
from gemel.registry import TwinQuery
from gemel.server.call import Call
from gemel.server.encode import QUALITIES, shown
from gemel.server.odata.options import Asked
from gemel.server.routes.events import told_to
from gemel.server.search import search
from gemel.twin import Form, Twin, series_of

__all__ = ["count_of", "rows_of"]

_CHUNK = 2000
_DAY = 86_400_000_000
_TABLES = {Form.NUMBER: "reading", Form.INTEGER: "reading_integer", Form.TEXT: "reading_text"}
Row = dict[str, Any]
Placed = tuple[Row, list[Any]]
"""A row (times in microseconds since the epoch), and the place after it."""


@dataclass(frozen=True, slots=True)
class _Span:
    """What a filter says of twin, property, kind and time."""

    twin: str | None
    property: str | None
    kind: str | None
    start: int | None
    end: int | None
    rest: bool
    """There are further conditions."""


def rows_of(name: str, call: Call, asked: Asked, place: list[Any]) -> Iterator[Placed]:
    """The rows of set `name` that fit, after `place` (empty: from the start). Raises InvalidQuery, UnknownTwin …"""
    for row, after in _ROWS[name](call, asked, place):
        if asked.filter.test(row):
            yield row, after


def count_of(name: str, call: Call, asked: Asked) -> int:
    """How many fit, whatever $top and $skip say."""
    span = _span(asked)
    if name == "Readings" and not span.rest:
        return _count_readings(call, span)
    return sum(1 for _ in rows_of(name, call, asked, []))


def _twins(call: Call, asked: Asked, place: list[Any]) -> Iterator[Placed]:
    named = next((one.value for one in asked.filter.all_of or () if (one.column, one.operator) == ("Id", "eq")), None)
    if isinstance(named, str):  # one row, by its key
        entry = call.view.find(named)
        if entry is not None and entry.id == named and not place:
            yield _twin(call.view.twin(named)), ["", named]
        return
    cursor, last = (str(place[0]), str(place[1])) if place else ("", "")
    while True:
        page = search(call.view, TwinQuery(limit=1000, cursor=cursor))
        for twin in page.items:
            if twin.id > last:
                yield _twin(twin), [cursor, twin.id]
        if page.next is None:
            return
        cursor = page.next


def _twin(twin: Twin) -> Row:
    return {
        "Id": twin.id,
        "Name": twin.name,
        "Types": ", ".join(twin.types),
        "Description": twin.description,
        "Serial": twin.serial,
        "Stage": str(twin.stage),
        "Revision": twin.revision,
        "Created": twin.created,
        "Changed": twin.changed,
    }


def _now(call: Call, asked: Asked, place: list[Any]) -> Iterator[Placed]:
    view, wanted = call.view, _span(asked).twin
    twins = view.ids() if wanted is None else [wanted]
    last = (str(place[0]), str(place[1])) if place else ("", "")
    for id in twins[bisect.bisect_left(twins, last[0]) :]:
        entry = view.find(id)
        if entry is None or entry.id != id:
            continue
        for name, now in sorted(view.now(entry).items()):
            if (id, name) <= last:
                continue
            row: Row = {
                "Twin": id,
                "Property": name,
                **_value(now.value),
                "Unit": entry.properties[name].property.unit,
                "Quality": QUALITIES[now.quality],
                "Fresh": now.fresh,
                "Time": now.time,
                "Recorded": now.recorded,
                "Position": now.position,
            }
            yield row, [id, name]


def _readings(call: Call, asked: Asked, place: list[Any]) -> Iterator[Placed]:
    span = _span(asked)
    twin, unit, source = _series(call, span)
    sign, direction = ("<", "DESC") if asked.newest_first else (">", "ASC")
    while True:
        after = ""
        if place:
            time, position = _moment(_whole(place[0])), _whole(place[1])
            after = f" AND (time {sign} {time} OR (time = {time} AND position {sign} {position}))"
        table = call.view.query(
            f"SELECT epoch_us(time), value, quality, epoch_us(recorded), position FROM {source}{after} "
            f"ORDER BY time {direction}, position {direction} LIMIT {_CHUNK}",
            limit=_CHUNK,
        )
        found = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
        for time, value, quality, recorded, position in found:
            place = [time, position]
            row: Row = {
                "Twin": twin,
                "Property": span.property,
                "Position": position,
                "Time": time,
                **_value(value),
                "Unit": unit,
                "Quality": QUALITIES[quality],
                "Recorded": recorded,
            }
            yield row, place
        if len(found) < _CHUNK:
            return


def _count_readings(call: Call, span: _Span) -> int:
    _, _, source = _series(call, span)
    return int(call.view.query(f"SELECT count(*) FROM {source}").column(0)[0].as_py())


def _series(call: Call, span: _Span) -> tuple[str, str, str]:
    """(twin, unit, FROM … WHERE …) of the one series that is asked for."""
    if not span.twin or not span.property:
        raise InvalidQuery(
            "Readings needs a filter: $filter=Twin eq 'press-7' and Property eq 'oil_temperature' and Time ge "
            "2026-03-20T00:00:00Z; Now lists what there is"
        )
    entry = call.view.entry(span.twin)
    ref = entry.properties[call.view.property(entry, span.property)]
    if ref.form not in _TABLES:
        raise InvalidQuery(f"{span.property} is an array; it can be had from /api/v1/export")
    now = call.services.platform.clock.now()
    end = MAX_TIME - 1 if span.end is None else span.end
    start = min(now, end) - _DAY if span.start is None else span.start
    source = (
        f"history.{_TABLES[ref.form]} WHERE series = {series_of(entry.number, ref.number)} "
        f"AND time >= {_moment(start)} AND time < {_moment(end)}"
    )
    return span.twin, ref.property.unit, source


def _events(call: Call, asked: Asked, place: list[Any]) -> Iterator[Placed]:
    span = _span(asked)
    cursor = f"{_whole(place[0])}:{_whole(place[1])}" if place else ""
    while True:
        query = EventQuery(
            twins=(span.twin,) if span.twin else (),
            kinds=(span.kind,) if span.kind else (),
            start=span.start,
            end=span.end,
            newest_first=asked.newest_first,
            limit=_CHUNK,
            cursor=cursor,
        )
        page = call.view.events(query)
        for fact, body in told_to(call, page.items):
            change = fact.change
            row: Row = {
                "Position": fact.position,
                "Twin": change.subject,
                "Kind": change.kind,
                "Time": change.time,
                "Recorded": fact.recorded,
                "Source": change.source,
                "Id": change.id,
                "Body": msgspec.json.encode(body).decode(),
            }
            yield row, [change.time, fact.position]
        if page.next is None:
            return
        cursor = page.next


def _span(asked: Asked) -> _Span:
    """What the comparisons that must all hold say; time bounds are half-open."""
    texts: dict[str, str] = {}
    start: int | None = None
    end: int | None = None
    rest = asked.filter.all_of is None
    for one in asked.filter.all_of or ():
        if one.column == "Time" and isinstance(one.value, int) and one.operator != "ne":
            if one.operator in ("ge", "gt", "eq"):
                since = one.value + (one.operator == "gt")
                start = since if start is None else max(start, since)
            if one.operator in ("lt", "le", "eq"):
                until = one.value + (one.operator != "lt")
                end = until if end is None else min(end, until)
        elif one.column in ("Twin", "Property", "Kind") and one.operator == "eq" and isinstance(one.value, str):
            texts.setdefault(one.column, one.value)
        else:
            rest = True
    return _Span(texts.get("Twin"), texts.get("Property"), texts.get("Kind"), start, end, rest)


def _value(value: Any) -> Row:
    if isinstance(value, bool | int | float):
        return {"Number": float(value), "Text": None}
    if value is None or isinstance(value, str):
        return {"Number": None, "Text": value}
    return {"Number": None, "Text": msgspec.json.encode(shown(value)).decode()}


def _moment(micros: int) -> str:
    return f"TIMESTAMPTZ '{to_rfc3339(min(max(micros, MIN_TIME), MAX_TIME - 1))}'"


def _whole(given: Any) -> int:
    if not isinstance(given, int):
        raise InvalidQuery("$skiptoken is not one of ours; follow @odata.nextLink")
    return given


_ROWS = {"Twins": _twins, "Now": _now, "Readings": _readings, "Events": _events}
