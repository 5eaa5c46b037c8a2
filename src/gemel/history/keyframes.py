"""Keyframes: the newest reading of every series at the turn of an hour, so that any past instant is near."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemel.history.derived import Keyframe, write
from gemel.history.published import File, FileTable, View
from gemel.history.reader import COLUMNS, Reader, moment
from gemel.history.rows import Rows
from gemel.history.tables import READINGS
from gemel.twin import PROPERTY_BITS, Form

__all__ = ["HOUR", "due", "keyframe_before", "make", "outdated", "without"]

HOUR = 3_600_000_000
_SPAN = 400 * 24


def keyframe_before(view: View, form: Form, at: int) -> Keyframe | None:
    """The newest keyframe at or before `at`."""
    listed = view.derived.keyframes.get(form, ())
    place = bisect_right(listed, at, key=lambda k: k.hour)
    return listed[place - 1] if place else None


def due(table: FileTable, keyframes: Sequence[Keyframe], until: int, least_rows: int) -> int | None:
    """The next hour, at most `until`, that deserves a keyframe; None while there are too few rows since the last."""
    if table.max_time is None:
        return None
    last = keyframes[-1] if keyframes else None
    since = last.hour if last else int(table.files[0].min_time) // HOUR * HOUR
    enough = max(least_rows, last.rows // 4 if last else 0)
    latest = min(until, table.max_time) // HOUR * HOUR
    if latest <= since:
        return None
    step = max(1, (latest - since) // HOUR // _SPAN)
    hours = since + np.arange(1, (latest - since) // HOUR + 1, step, dtype=np.int64) * HOUR
    reached = np.flatnonzero(rows_before(table.select(start=since), hours, since) >= enough)
    return int(hours[reached[0]]) if len(reached) else None


def rows_before(files: Sequence[File], hours: NDArray[np.int64], since: int) -> NDArray[np.float64]:
    """About how many rows lie in [since, hour), for each hour: files are taken to be evenly filled."""
    total = np.zeros(len(hours))
    for file in files:
        length = max(1, file.max_time - file.min_time + 1)
        low = max(since, file.min_time)
        total += file.rows * np.clip((np.minimum(hours, file.max_time + 1) - low) / length, 0.0, 1.0)
    return total


def outdated(table: FileTable, keyframes: Sequence[Keyframe], late_rows: int) -> Keyframe | None:
    """The first keyframe that many rows came too late for."""
    for keyframe in keyframes:
        late = table.select(end=keyframe.hour, after_position=keyframe.position)
        if sum(f.rows for f in late if f.max_time < keyframe.hour) >= late_rows:
            return keyframe
    return None


def make(reader: Reader, view: View, form: Form, hour: int, folder: Path) -> Keyframe:
    """Write the keyframe of `form` at `hour`, from the one before it and the files since. Covers `view.stored`."""
    before = keyframe_before(view, form, hour - 1)
    parts = []
    if before is not None:
        parts.append(f"SELECT {COLUMNS} FROM {reader.scan([before.path])}")
    table = view.table(READINGS[form])
    since = before.hour if before else None
    if files := table.select(start=since, end=hour):
        low = f"time >= {moment(since)} AND " if since is not None else ""
        parts.append(f"SELECT {COLUMNS} FROM {reader.source(files)} WHERE {low}time < {moment(hour)}")
    if before is not None and (late := table.select(end=before.hour, after_position=before.position)):
        parts.append(
            f"SELECT {COLUMNS} FROM {reader.source(late)} "
            f"WHERE time < {moment(before.hour)} AND position > {before.position}"
        )
    rows = Rows.empty(form)
    if parts:
        rows = _newest(reader, form, " UNION ALL ".join(parts))
    made = Keyframe(form, hour, view.stored, len(rows))
    write(folder, made.path, rows.ordered().to_arrow())
    return made


def without(reader: Reader, keyframe: Keyframe, folder: Path, twin: int) -> Keyframe | None:
    """Write a keyframe anew without the twin of this number, one row less for each of its series; None if unchanged."""
    query = f"SELECT {COLUMNS} FROM {reader.scan([keyframe.path])} WHERE series >> {PROPERTY_BITS} <> {int(twin)}"
    with reader.cursor() as cursor:
        rows = Rows.of_arrow(keyframe.form, cursor.execute(query).to_arrow_table())
    if len(rows) == keyframe.rows:
        return None
    made = Keyframe(keyframe.form, keyframe.hour, keyframe.position, len(rows))
    write(folder, made.path, rows.ordered().to_arrow())
    return made


def _newest(reader: Reader, form: Form, query: str) -> Rows:
    with reader.cursor() as cursor:
        found: pa.Table = cursor.execute(
            f"WITH candidate AS MATERIALIZED ({query}), "
            "newest AS (SELECT series, max(time) AS time FROM candidate GROUP BY series) "
            f"SELECT {COLUMNS} FROM candidate JOIN newest USING (series, time)"
        ).to_arrow_table()
    return Rows.of_arrow(form, found).latest()
