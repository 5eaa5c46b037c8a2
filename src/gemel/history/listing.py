"""Files as the catalogue lists them: where they lie, and which bounds they have."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gemel.history.derived import DAY
from gemel.history.published import File
from gemel.history.tables import HAPPENED, TABLES

__all__ = ["described", "partitions", "within"]

EPOCH = date(1970, 1, 1)


def described(connection: duckdb.DuckDBPyConnection, meta: str, numbers: Sequence[int]) -> dict[int, File]:
    """The live files of these numbers, ascending, of the tables that are published."""
    if not numbers:
        return {}
    wanted, found = set(numbers), {}
    for number, table, path, count, size, *bounds in connection.execute(
        _DESCRIBE.format(meta=meta, least=numbers[0])
    ).fetchall():
        if number in wanted and table in TABLES:
            known = (bound if bound is not None else 0 for bound in bounds)
            found[number] = File(table, f"data/main/{table}/{path}", count, size, *known)
    return found


def within(path: Path, file: File) -> bool:
    """Whether the bounds that a Parquet file itself tells are those that are said of it."""
    footer = pq.read_metadata(path)
    names = {footer.schema.column(at).name: at for at in range(len(footer.schema))}
    for name, least, most in (
        ("time", file.min_time, file.max_time),
        ("series", file.min_series, file.max_series),
        ("position", file.min_position, file.max_position),
    ):
        if name not in names:
            continue
        groups = [footer.row_group(at).column(names[name]).statistics for at in range(footer.num_row_groups)]
        if any(group is None or not group.has_min_max for group in groups):
            continue
        if (min(group.min_raw for group in groups), max(group.max_raw for group in groups)) != (least, most):
            return False
    return True


def partitions(folder: Path, table: str, rows: pa.Table) -> list[Path]:
    """The folders that DuckLake puts `rows` of `table` in."""
    days = np.unique(rows.column("time").cast(pa.int64()).to_numpy() // DAY)
    dates = [EPOCH + timedelta(days=int(day)) for day in days]
    if table == HAPPENED:
        named = {f"year={day.year}/month={day.month}" for day in dates}
    else:
        named = {f"year={day.year}/month={day.month}/day={day.day}" for day in dates}
    return [folder / name for name in sorted(named)]


def _bound(column: str, side: str, how: str) -> str:
    return f"max({how.format(f's.{side}_value')}) FILTER (WHERE c.column_name = '{column}')"


# The filter of an aggregate does not keep its argument from being computed for the other columns: hence TRY_CAST.
_MOMENT = "epoch_us(TRY_CAST({} AS TIMESTAMP))"
_WHOLE = "TRY_CAST({} AS BIGINT)"
_DESCRIBE = (
    "SELECT f.data_file_id, t.table_name, f.path, f.record_count, f.file_size_bytes, "
    + ", ".join(
        _bound(column, side, how)
        for column, how in (("time", _MOMENT), ("series", _WHOLE), ("position", _WHOLE))
        for side in ("min", "max")
    )
    + " FROM {meta}.ducklake_data_file f"
    " JOIN {meta}.ducklake_table t ON t.table_id = f.table_id AND t.end_snapshot IS NULL"
    " JOIN {meta}.ducklake_file_column_stats s ON s.data_file_id = f.data_file_id"
    " JOIN {meta}.ducklake_column c ON c.table_id = s.table_id AND c.column_id = s.column_id AND c.end_snapshot IS NULL"
    " WHERE f.end_snapshot IS NULL AND f.data_file_id >= {least}"
    " AND c.column_name IN ('time', 'series', 'position') GROUP BY ALL"
)
