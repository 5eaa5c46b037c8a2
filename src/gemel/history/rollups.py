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
from gemel.history.reader import COLUMNS, Reader, moment, scan
from gemel.history.rows import Rows
from gemel.history.tables import READINGS
from gemel.twin import Form

__all__ = ["FORMS", "make", "read", "stale_days"]

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


def make(reader: Reader, view: View, form: Form, day: int, folder: Path) -> list[Rollup]:
    """Write the roll-ups of one day of one form from its files; the hour one last: it says that the day is done."""
    table = view.table(READINGS[form])
    rows = table.day_rows[day]
    pieces = _pieces(reader, table, form, day)
    minutes = [Buckets.of(points, Grain.MINUTE.width, points.rows.series) for points in pieces]
    minute = Buckets.concat(minutes)
    hour = Buckets.concat([piece.coarser(Grain.HOUR.width) for piece in minutes])
    made = []
    # A roll-up that is hardly shorter than the readings costs space and saves nothing: such days are read as they are.
    if 2 * len(minute) <= rows:
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
        f"SELECT time, {', '.join(_NAMES)} FROM {scan([str(reader.folder / rollup.path) for rollup in rollups])} "
        f"WHERE series = {series} AND time >= {span[0]} AND time < {span[1]} ORDER BY time"
    )
    with reader.cursor() as cursor:
        found = cursor.execute(query).fetchnumpy()
    columns = {name: np.ma.getdata(array) for name, array in found.items()}
    return Buckets(series=np.zeros(len(columns["time"]), np.int64), **columns)


def _pieces(reader: Reader, table: FileTable, form: Form, day: int) -> Iterator[Points]:
    """The day's readings by rising (series, time, position), whole hours at a time."""
    files = table.select(start=day, end=day + DAY)
    hours = max(1, min(24, 24 * _PIECE_ROWS // max(1, table.day_rows[day])))
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
