"""Roll-ups: one day's numbers per minute and per hour, for ranges longer than a screen has points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from gemel.history.buckets import Buckets
from gemel.history.derived import DAY, Grain, Rollup, write
from gemel.history.points import Points
from gemel.history.published import FileTable, View
from gemel.history.reader import COLUMNS, Reader, moment
from gemel.history.rows import Rows
from gemel.history.tables import READINGS
from gemel.twin import PROPERTY_BITS, Form

__all__ = ["FORMS", "counts_of", "make", "read", "stale_days", "without"]

FORMS = (Form.NUMBER, Form.INTEGER)
_NAMES = tuple(name for name in Buckets.__slots__ if name not in ("series", "time"))
_PIECE_ROWS = 4_000_000
_HOUR = 3_600_000_000


def stale_days(table: FileTable, made: Mapping[int, Rollup], until: int) -> list[int]:
    """Days that ended before `until` and whose readings are not, or no longer, those of their roll-up; newest first."""
    return sorted(
        (d for d, rows in table.day_rows.items() if d + DAY <= until and (d not in made or made[d].rows != rows)),
        reverse=True,
    )


def make(reader: Reader, view: View, form: Form, day: int, folder: Path, *, minutes: bool = False) -> list[Rollup]:
    """Write the roll-ups of one day of one form from its files; the hour one last: it says that the day is done.

    Of readings that were dropped the roll-ups of before still tell: what they say is kept. `minutes`: also where there
    are hardly fewer minutes than readings.
    """
    table = view.table(READINGS[form])
    rows = table.day_rows.get(day, 0)
    made_of = [
        Buckets.of(points, Grain.MINUTE.width, points.rows.series) for points in _pieces(reader, table, form, day)
    ]
    none = Buckets.empty(np.int64 if form is Form.INTEGER else np.float64)
    minute = Buckets.concat(made_of) if made_of else none
    hour = Buckets.concat([piece.coarser(Grain.HOUR.width) for piece in made_of]) if made_of else none
    if table.forgotten.rows(day):
        minute = _fuller(minute, _kept(reader, view, form, Grain.MINUTE, day))
        hour = _fuller(hour, _kept(reader, view, form, Grain.HOUR, day))
    made = []
    # A roll-up that is hardly shorter than the readings costs space and saves nothing: such days are read as they are.
    if minutes or 2 * len(minute) <= rows:
        made.append(Rollup(form, Grain.MINUTE, day, rows))
        write(folder, made[-1].path, _table(minute))
    made.append(Rollup(form, Grain.HOUR, day, rows))
    write(folder, made[-1].path, _table(hour))
    return made


def read(reader: Reader, form: Form, rollups: Sequence[Rollup], series: int, span: tuple[int, int]) -> Buckets:
    """The buckets of one series that begin in [start, end), by rising time; `series` of the answer is 0."""
    if not rollups:
        return Buckets.empty(np.int64 if form is Form.INTEGER else np.float64)
    query = (
        f"SELECT time, {', '.join(_NAMES)} FROM {reader.scan([rollup.path for rollup in rollups])} "
        f"WHERE series = {series} AND time >= {span[0]} AND time < {span[1]} ORDER BY time"
    )
    with reader.cursor() as cursor:
        found = cursor.execute(query).fetchnumpy()
    columns = {name: np.ma.getdata(array) for name, array in found.items()}
    return Buckets(series=np.zeros(len(columns["time"]), np.int64), **columns)


def counts_of(reader: Reader, rollup: Rollup, twin: int) -> dict[int, int]:
    """Property number → how many readings of the twin of this number the roll-up sums up, at least 1."""
    query = (
        f"SELECT series & {(1 << PROPERTY_BITS) - 1}, greatest(1, sum(count)) "
        f"FROM {reader.scan([rollup.path])} WHERE series >> {PROPERTY_BITS} = {int(twin)} GROUP BY ALL"
    )
    with reader.cursor() as cursor:
        return {int(number): int(count) for number, count in cursor.execute(query).fetchall()}


def without(
    reader: Reader, view: View, form: Form, day: int, folder: Path, *, twin: int, rows: int
) -> Iterator[Rollup]:
    """Write the roll-ups of a day anew without the twin of this number; `rows`: what the day has without it."""
    for grain in (Grain.MINUTE, Grain.HOUR):
        kept = _kept(reader, view, form, grain, day)
        if kept is not None:
            made = Rollup(form, grain, day, rows)
            write(folder, made.path, _table(kept.take(kept.series >> PROPERTY_BITS != twin)))
            yield made


def _kept(reader: Reader, view: View, form: Form, grain: Grain, day: int) -> Buckets | None:
    """What the roll-up of before says of the day, if there is one."""
    rollup = view.derived.rollups.get((form, grain), {}).get(day)
    if rollup is None:
        return None
    query = f"SELECT series, time, {', '.join(_NAMES)} FROM {reader.scan([rollup.path])}"
    with reader.cursor() as cursor:
        found = cursor.execute(query).fetchnumpy()
    return Buckets(**{name: np.ma.getdata(array) for name, array in found.items()})


def _fuller(made: Buckets, kept: Buckets | None) -> Buckets:
    """Of each series and bucket the one that sums up more readings: what was dropped is only in the one of before."""
    if kept is None or not len(kept):
        return made
    both = Buckets.concat([made, kept])
    both = both.take(np.lexsort((-both.count, both.time, both.series)))
    first = np.ones(len(both), np.bool_)
    first[1:] = (both.series[1:] != both.series[:-1]) | (both.time[1:] != both.time[:-1])
    return both.take(first)


def _pieces(reader: Reader, table: FileTable, form: Form, day: int) -> Iterator[Points]:
    """The day's readings by rising (series, time, position), whole hours at a time."""
    files = table.select(start=day, end=day + DAY)
    if not files:
        return
    hours = max(1, min(24, 24 * _PIECE_ROWS // max(1, table.day_rows.get(day, 0))))
    for start in range(day, day + DAY, hours * _HOUR):
        end = min(start + hours * _HOUR, day + DAY)
        query = (
            f"SELECT {COLUMNS} FROM {reader.source(files)} WHERE time >= {moment(start)} AND time < {moment(end)} "
            "ORDER BY series, time, position"
        )
        with reader.cursor() as cursor:
            rows = Rows.of_arrow(form, cursor.execute(query).to_arrow_table())
        if len(rows):
            yield Points.in_order(rows)


def _table(buckets: Buckets) -> pa.Table:
    # Moments stay int64: NEVER is not a date. Series first: a question about one of them reads one row group.
    order = np.lexsort((buckets.time, buckets.series))
    return pa.table({name: pa.array(getattr(buckets, name)[order]) for name in Buckets.__slots__})
