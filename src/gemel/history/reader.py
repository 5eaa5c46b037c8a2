"""Rows of the past, from the published files and the tail, for any thread. Never touches the catalogue."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemel.disk import refusal
from gemel.errors import Corrupt
from gemel.history import extensions
from gemel.history.published import File, View
from gemel.history.rows import Rows
from gemel.history.sums import Sums
from gemel.history.tables import READINGS, schema_of
from gemel.twin import Form

__all__ = ["COLUMNS", "Reader", "Wanted", "conditions", "moment", "scan", "tail_rows"]

COLUMNS = "series, time, recorded, value, quality, position"


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """Which rows: time in [start, end), position > `after_position`; None is unbounded."""

    series: NDArray[np.int64]
    """int64[k], rising, without repeats."""
    start: int | None = None
    end: int | None = None
    after_position: int | None = None

    @property
    def reach(self) -> tuple[int, int]:
        """The least and the greatest series."""
        return int(self.series[0]), int(self.series[-1])


class Reader:
    """A DuckDB of its own for reading; one cursor per thread in use, kept warm."""

    def __init__(self, folder: Path, *, memory_mb: int | None = None) -> None:
        self.folder = folder.absolute()
        self.sums = Sums(self.folder)
        self._connection = extensions.connect(memory_mb=memory_mb)
        # Published files never change, so their footers may be kept.
        self._connection.execute("SET parquet_metadata_cache = true")
        self._connection.execute("SET preserve_insertion_order = false")
        self._idle: list[duckdb.DuckDBPyConnection] = []
        self._lock = threading.Lock()

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for one query at a time."""
        with self._lock:
            cursor = self._idle.pop() if self._idle else self._connection.cursor()
        try:
            yield cursor
        except (duckdb.OutOfMemoryException, duckdb.InterruptException):
            raise
        except duckdb.Error as error:  # the queries are ours: what fails is a file
            if refused := refusal(str(error), "the history"):
                raise refused from error
            raise Corrupt(
                f"a file of the history in {self.folder} cannot be read: {error!s:.300}. Restore it from a backup; or "
                "remove the folder, and what the journal holds is written anew, but bulk loads must be loaded again"
            ) from error
        finally:
            with self._lock:
                self._idle.append(cursor)

    def rows(self, view: View, form: Form, wanted: Wanted, *, newest: bool = False) -> Rows:
        """The rows that are wanted, from files and tail, in no order; `newest`: only the last of each series."""
        if len(wanted.series) == 0:
            return Rows.empty(form)
        parts = [tail_rows(view, form, wanted)]
        name = READINGS[form]
        files = view.table(name).select(
            start=wanted.start, end=wanted.end, series=wanted.reach, after_position=wanted.after_position
        )
        if files:
            paths = [file.path for file in files]
            parts.insert(0, self.of_files(paths, form, wanted, newest=newest, table=name))
        rows = Rows.concat(form, parts)
        return rows.latest() if newest else rows

    def of_files(
        self, paths: Sequence[str], form: Form, wanted: Wanted, *, newest: bool = False, table: str = ""
    ) -> Rows:
        """The rows that are wanted of these files; with `newest` those with the greatest time of each series.

        `paths`: relative to the folder. `table`: the lake's table that the files are of; empty for keyframes.
        """
        source = self.scan(paths, table)
        where = " AND ".join(conditions(wanted))
        if newest:
            # Twice over the file, and still 2-7 times as fast as arg_max or a window; equal times are left to `latest`.
            query = (
                f"WITH newest AS (SELECT series, max(time) AS time FROM {source} WHERE {where} GROUP BY series) "
                f"SELECT {COLUMNS} FROM {source} JOIN newest USING (series, time) WHERE {where}"
            )
        else:
            query = f"SELECT {COLUMNS} FROM {source} WHERE {where}"
        return self.answered(query, form, wanted)

    def answered(self, query: str, form: Form, wanted: Wanted) -> Rows:
        """What a query for COLUMNS answers whose terms are `conditions(wanted)`."""
        with self.cursor() as cursor:
            many = len(wanted.series) > 16
            if many:
                cursor.register("wanted", pa.table({"series": pa.array(wanted.series)}))
            try:
                return Rows.of_arrow(form, cursor.execute(query).to_arrow_table())
            finally:
                if many:
                    cursor.unregister("wanted")

    def count(self, files: Sequence[File], terms: str) -> int:
        """How many rows of these files the SQL terms tell."""
        if not files:
            return 0
        with self.cursor() as cursor:
            row = cursor.execute(f"SELECT count(*) FROM {self.source(files)} WHERE {terms}").fetchone()
        return int(row[0]) if row else 0

    def source(self, files: Sequence[File]) -> str:
        """An SQL relation over these files."""
        return self.scan([file.path for file in files], files[0].table)

    def scan(self, paths: Sequence[str], table: str = "") -> str:
        """`read_parquet` of these files, which are held against their hashes first. Raises Corrupt."""
        self.sums.require(paths)
        return scan([str(self.folder / path) for path in paths], table)

    def warm(self, view: View) -> None:
        """Ask a first small question: DuckDB's first Parquet query in a process takes 0.3 s."""
        newest = view.table(READINGS[Form.NUMBER]).files[-1:]
        if newest:
            self.of_files(
                [newest[0].path],
                Form.NUMBER,
                Wanted(np.array([newest[0].min_series], np.int64), newest[0].max_time),
                newest=True,
                table=newest[0].table,
            )

    def close(self) -> None:
        with self._lock:
            for cursor in self._idle:
                cursor.close()
            self._idle.clear()
        self._connection.close()


def scan(paths: Sequence[str], table: str = "") -> str:
    """`read_parquet` of exactly these files; `table`: the lake's table that they are of."""
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    return f"read_parquet([{listed}], {schema_of(table) if table else 'hive_partitioning = false'})"


def moment(micros: int) -> str:
    """A TIMESTAMP literal. Bounds are literals, not parameters: those defeat the pruning of files and row groups."""
    return f"make_timestamp({int(micros)})"


def conditions(wanted: Wanted) -> list[str]:
    """The WHERE terms of what is wanted; every number in them is an int."""
    least, greatest = wanted.reach
    if len(wanted.series) == 1:
        terms = [f"series = {least}"]
    else:
        terms = [f"series BETWEEN {least} AND {greatest}"]
        if len(wanted.series) <= 16:
            terms.append(f"series IN ({', '.join(str(int(s)) for s in wanted.series)})")
        elif greatest - least + 1 != len(wanted.series):
            terms.append("series IN (SELECT series FROM wanted)")
    if wanted.start is not None:
        terms.append(f"time >= {moment(wanted.start)}")
    if wanted.end is not None:
        terms.append(f"time < {moment(wanted.end)}")
    if wanted.after_position is not None:
        terms.append(f"position > {int(wanted.after_position)}")
    return terms


def tail_rows(view: View, form: Form, wanted: Wanted) -> Rows:
    """The rows that are wanted of those that are not in files yet, in order of arrival."""
    found = []
    for part in view.tail:
        if not part.may_hold(form, wanted.start, wanted.end, wanted.reach):
            continue
        rows = part.rows[form]
        if len(wanted.series) == 1:
            keep = rows.series == wanted.series[0]
        else:
            place = np.searchsorted(wanted.series, rows.series)
            place[place == len(wanted.series)] = 0
            keep = wanted.series[place] == rows.series
        if wanted.start is not None:
            keep &= rows.time >= wanted.start
        if wanted.end is not None:
            keep &= rows.time < wanted.end
        if wanted.after_position is not None:
            keep &= rows.position > wanted.after_position
        if keep.any():
            found.append(rows.take(keep))
    return Rows.concat(form, found)
