"""Conditions of the past: single updates folded into what was active, and into what came and went.

The fold is the live state's own (`gemel.state.Conditions`), so that the past and the now say the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemel.history.published import View
from gemel.history.reader import COLUMNS, Reader, Wanted, conditions, moment, tail_rows
from gemel.history.rows import Rows
from gemel.history.tables import READINGS
from gemel.history.tail import Fact
from gemel.registry import Directory, PropertyRef
from gemel.state.condition import Conditions
from gemel.twin import Change, Form, Kind, Position, series_of, split_series

__all__ = [
    "CHANGED",
    "Asked",
    "Changes",
    "Key",
    "changes_of",
    "condition_series",
    "conditions_at",
    "fact_of",
    "followed",
]

CHANGED = "condition.changed"
"""The kind of the facts; body: `property`, and the entries that were `raised` and `cleared` by one update."""
_DAY = 86_400_000_000
_LOOK_BACK = (_DAY, 30 * _DAY, None)
_PASSES = 8
Key = tuple[int, int]
"""(time, position)"""


def condition_series(directory: Directory, twins: Sequence[str]) -> NDArray[np.int64]:
    """int64[k], rising: the condition series of these twins; of all when there are none given."""
    if twins:
        entries = [entry for twin in twins if (entry := directory.twin(twin)) is not None]
        return _sorted(series_of(e.number, ref.number) for e in entries for ref in _conditions(e.properties.values()))
    found = [
        series_of(int(number), ref.number)
        for type_id in directory.types
        for ref in _conditions(directory.type_properties(type_id))
        for number in directory.numbers(type_id)
    ]
    return _sorted(found)


def _conditions(refs: Iterable[PropertyRef]) -> list[PropertyRef]:
    return [ref for ref in refs if ref.property.kind is Kind.CONDITION]


def _sorted(series: Iterable[int]) -> NDArray[np.int64]:
    return np.unique(np.fromiter(series, np.int64))


def conditions_at(
    reader: Reader, view: View, series: NDArray[np.int64], before: Key, *, known: Position | None = None
) -> dict[int, Conditions]:
    """What each series had been told before (time, position); those without any update are left out.

    Looks back from there a day, then a month, then all the way: only until an update that ended everything.
    `known`: instead, all that had been told by this position, later times too.
    """
    found: dict[int, Conditions] = {}
    left = series
    for reach in _LOOK_BACK:
        if len(left) == 0:
            break
        since = None if reach is None else before[0] - reach
        end = before[0] + 1 if known is None else None
        updates = _ordered(reader.rows(view, Form.TEXT, Wanted(left, since, end)))
        ended: set[int] = set()
        told: dict[int, Conditions] = {}
        for number, time, position, text in updates:
            if known is None and (time, position) >= before:
                break
            if known is not None and position > known:
                continue
            state = Conditions() if ends_all(text) else told.get(number, Conditions())
            ended |= {number} if ends_all(text) else set()
            told[number] = state.with_update(text, time, position)
        done = ended if reach is not None else set(told)
        found.update((number, told[number]) for number in done)
        left = np.array([number for number in left.tolist() if number not in done], np.int64)
    return found


def ends_all(text: str | None) -> bool:
    """Whether an update ends every code of its condition."""
    # The intake writes canonical JSON; a quote inside a text is escaped there, so these match the members alone.
    if text is None or '"level":"unavailable"' in text:
        return True
    return '"level":"normal"' in text and '"code":""' in text


def followed(state: Conditions, updates: Iterable[tuple[int, int, str | None]]) -> list[list[dict[str, Any]] | None]:
    """What was active after each update (time, position, text); None while that is not known."""
    found = []
    for time, position, text in updates:
        state = state.with_update(text, time, position)
        found.append(state.active())
    return found


def _ordered(rows: Rows) -> list[tuple[int, int, int, str | None]]:
    order = np.lexsort((rows.position, rows.time))
    rows = rows.take(order)
    return list(
        zip(rows.series.tolist(), rows.time.tolist(), rows.position.tolist(), rows.value.to_pylist(), strict=True)
    )


@dataclass(frozen=True, slots=True)
class Changes:
    """Conditions that came and went, in the order asked for."""

    facts: list[Fact]
    reached: Key | None
    """It was looked no further than here, this one included; None: to the end."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Updates with time in [start, end), beyond `after`, at least `limit` changes of them if there are."""

    start: int | None
    end: int | None
    after: Key | None
    newest_first: bool
    limit: int


def changes_of(reader: Reader, view: View, directory: Directory, series: NDArray[np.int64], asked: Asked) -> Changes:
    """The updates that raised or cleared a code; repeats of what was known are left out."""
    facts: list[Fact] = []
    after = asked.after
    most = max(500, 2 * asked.limit)
    for _ in range(_PASSES):
        rows = _page(reader, view, series, asked, after, most)
        if len(rows) == 0:
            return Changes(facts, None)
        more, rows = len(rows) > most, rows[:most]
        after = rows[-1][1], rows[-1][2]
        found = _changed(reader, view, directory, sorted(rows, key=lambda row: row[1:3]))
        facts += found[::-1] if asked.newest_first else found
        if not more:
            return Changes(facts, None)
        if len(facts) > asked.limit:
            break
    return Changes(facts, after)


_Row = tuple[int, int, int, str | None, int]
"""series, time, position, text, recorded"""


def _page(
    reader: Reader, view: View, series: NDArray[np.int64], asked: Asked, after: Key | None, most: int
) -> list[_Row]:
    """The next `most` + 1 updates in the order asked for."""
    start, end = asked.start, asked.end
    if after is not None and asked.newest_first:
        end = after[0] + 1 if end is None else min(end, after[0] + 1)
    elif after is not None:
        start = after[0] if start is None else max(start, after[0])
    wanted = Wanted(series, start, end)
    parts = [tail_rows(view, Form.TEXT, wanted)]
    files = view.table(READINGS[Form.TEXT]).select(start=start, end=end, series=wanted.reach)
    if files:
        terms, direction = conditions(wanted), "DESC" if asked.newest_first else "ASC"
        if after is not None:
            terms.append(f"(time, position) {'<' if asked.newest_first else '>'} ({moment(after[0])}, {after[1]})")
        query = (
            f"SELECT {COLUMNS} FROM {reader.source(files)} WHERE {' AND '.join(terms)} "
            f"ORDER BY time {direction}, position {direction} LIMIT {most + 1}"
        )
        parts.append(reader.answered(query, Form.TEXT, wanted))
    rows = Rows.concat(Form.TEXT, parts)
    columns = rows.series.tolist(), rows.time.tolist(), rows.position.tolist(), rows.value.to_pylist()
    listed: list[_Row] = list(zip(*columns, rows.recorded.tolist(), strict=True))
    if after is not None:
        listed = [row for row in listed if (row[1:3] < after if asked.newest_first else row[1:3] > after)]
    return sorted(listed, key=lambda row: row[1:3], reverse=asked.newest_first)[: most + 1]


def _changed(reader: Reader, view: View, directory: Directory, rows: list[_Row]) -> list[Fact]:
    states = conditions_at(reader, view, _sorted(row[0] for row in rows), rows[0][1:3])
    found = []
    for number, time, position, text, recorded in rows:
        before = states.get(number, Conditions())
        after = states[number] = before.with_update(text, time, position)
        fact = fact_of(directory, (number, time, position, recorded), before, after)
        found += [fact] if fact is not None else []
    return found


def fact_of(directory: Directory, row: tuple[int, int, int, int], before: Conditions, after: Conditions) -> Fact | None:
    """What an update (series, time, position, recorded) changed; None for nothing, and for a twin that was erased."""
    series, time, position, recorded = row
    if not (body := _difference(before, after)):
        return None
    twin, property = split_series(series)
    entry, ref = directory.entry(twin), directory.property(property)
    if entry is None or ref is None:
        return None
    change = Change(kind=CHANGED, subject=entry.id, time=time, body={"property": ref.property.name, **body})
    return Fact(position, recorded, change)


def _difference(before: Conditions, after: Conditions) -> dict[str, Any]:
    was = {entry["code"]: entry for entry in before.active() or ()}
    now = {entry["code"]: entry for entry in after.active() or ()}
    raised = [e for code, e in now.items() if code not in was or was[code]["level"] != e["level"]]
    cleared = [entry for code, entry in was.items() if code not in now]
    if not raised and not cleared:
        return {}
    return {"raised": raised, "cleared": cleared, "known": not after.unavailable}
