"""The history as tables for users' SQL: `history.reading`, `history.happened` … joined by `history.series`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from gemel.history.filing import facts_table
from gemel.history.published import View, Views
from gemel.history.reader import Reader
from gemel.history.rows import Rows
from gemel.history.tables import CREATE, HAPPENED, READINGS, TABLES
from gemel.registry import Directory
from gemel.state import Files, Relation
from gemel.twin import series_of

__all__ = ["relations"]

_FORMS = {table: form for form, table in READINGS.items()}
_SECRET = ("access.", "connector.")


def relations(reader: Reader, views: Views, directory: Directory) -> Mapping[str, Relation]:
    """Name → relation, for `State.sql`; all that the history has followed. Times are UTC.

    Changes of identities and rights are left out: those are for administrators, at `History.events`.
    """

    def of(table: str) -> Relation:
        return lambda: _files(reader, views, table)

    found: dict[str, Relation] = {f"history.{table}": of(table) for table in TABLES}
    found["history.series"] = lambda: series_table(directory)
    return found


def _files(reader: Reader, views: Views, table: str) -> Files:
    view = views.current
    files, tail = view.table(table).files, _tail(view, table)
    columns = [column.split()[:2] for column in CREATE[table].split(", ")]
    if files:
        source = reader.source(files)
        select = f"SELECT {', '.join(name for name, _ in columns)} FROM {source}"
    else:
        select = f"SELECT {', '.join(f'CAST(NULL AS {kind}) AS {name}' for name, kind in columns)} WHERE false"
    if files and table == HAPPENED:
        select += " WHERE " + " AND ".join(f"NOT starts_with(kind, '{area}')" for area in _SECRET)
    return Files(select, reader.folder, tail if len(tail) else None)


def _tail(view: View, table: str) -> pa.Table:
    """What is not in files yet."""
    if table == HAPPENED:
        facts = (fact for part in view.tail for fact in part.facts)
        return facts_table([fact for fact in facts if not fact.change.kind.startswith(_SECRET)])
    form = _FORMS[table]
    return Rows.concat(form, [part.rows[form] for part in view.tail if form in part.rows]).to_arrow()


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
