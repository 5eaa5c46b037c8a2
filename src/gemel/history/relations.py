"""The history as tables for users' SQL: `history.reading`, `history.happened` … joined by `history.series`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from gemel.history.published import Views
from gemel.history.reader import scan
from gemel.history.tables import CREATE, READINGS, TABLES
from gemel.registry import Directory
from gemel.state import Files, Relation
from gemel.twin import series_of

__all__ = ["relations"]


def relations(folder: Path, views: Views, directory: Directory) -> Mapping[str, Relation]:
    """Name → relation, for `State.sql`; what is in Parquet, not the last seconds. Times are UTC."""

    def of(table: str) -> Relation:
        return lambda: _files(folder, views, table)

    found: dict[str, Relation] = {f"history.{table}": of(table) for table in TABLES}
    found["history.series"] = lambda: series_table(directory)
    return found


def _files(folder: Path, views: Views, table: str) -> Files:
    files = views.current.table(table).files
    names = [column.split()[0] for column in CREATE[table].split(", ")]
    if files:
        source = scan([str(folder / file.path) for file in files], table)
        return Files(f"SELECT {', '.join(names)} FROM {source}", folder)
    types = [column.split()[1] for column in CREATE[table].split(", ")]
    empty = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in zip(names, types, strict=True))
    return Files(f"SELECT {empty} WHERE false", folder)


def series_table(directory: Directory) -> pa.Table:
    """series, twin, property, unit, table: which series is which property, earlier generations included."""
    rows: list[tuple[int, str, str, str, str]] = []
    now = directory.snapshot()
    for number in now.numbers():
        entry = now.entry(int(number))
        if entry is None:
            continue
        for ref in {ref.number: ref for ref in entry.properties.values()}.values():
            for each in now.generations(ref):
                series = series_of(entry.number, each.number)
                rows.append((series, entry.id, each.property.name, each.property.unit, READINGS[each.form]))
    columns = list(zip(*rows, strict=True)) or [()] * 5
    return pa.table(
        {
            "series": pa.array(np.array(columns[0], np.int64)),
            "twin": pa.array(columns[1], pa.string()),
            "property": pa.array(columns[2], pa.string()),
            "unit": pa.array(columns[3], pa.string()),
            "table": pa.array(columns[4], pa.string()),
        }
    )
