"""What is believed, as columns in memory: for questions that look at every machine.

The rows stay in the SQL database, which alone is the truth. These columns are read from it when somebody first asks,
and catch up whenever somebody asks again: beliefs are only added and closed, so what is new has a higher number, and
what is not believed any more was closed after the last act that was seen. What an item is changes only with one of its
traits; such items are read again.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa
from pyarrow import compute
from pyarrow import csv as pacsv
from sqlalchemy import Connection, Row, Table, func, select

from gemel import history
from gemel.configuration import tables
from gemel.configuration.acts.acting import MERGED
from gemel.configuration.belief import former
from gemel.configuration.values import FOREVER, ItemKind
from gemel.database import Database

__all__ = ["OWN", "Columns"]

OWN = "own"
"""The schema of the columns, as those of attached sources have theirs."""
_BATCH = 50_000
_ASKED = 500
_TIMES = dict.fromkeys(("valid_from", "valid_to", "recorded_from", "recorded_to"), "BIGINT")
_ITEM = {
    "number": "BIGINT",
    "id": "VARCHAR",
    "part": "VARCHAR",
    "maker": "VARCHAR",
    "serial": "VARCHAR",
    "lot": "VARCHAR",
    "kind": "VARCHAR",
    "born": "BIGINT",
}
_PLACE = {"number": "BIGINT", "slot": "VARCHAR"}
_BELIEFS: dict[str, tuple[Table, dict[str, str]]] = {
    "placement": (
        tables.placement,
        {"number": "BIGINT", "child": "BIGINT", "parent": "BIGINT", "place": "BIGINT", **_TIMES},
    ),
    "trait": (tables.trait, {"number": "BIGINT", "item": "BIGINT", "name": "VARCHAR", "value": "VARCHAR", **_TIMES}),
    "software": (
        tables.software,
        {"number": "BIGINT", "item": "BIGINT", "slot": "VARCHAR", "part": "VARCHAR", "version": "VARCHAR", **_TIMES},
    ),
    "usage": (
        tables.usage,
        {"number": "BIGINT", "item": "BIGINT", "kind": "VARCHAR", "amount": "DOUBLE", "own": "BOOLEAN", **_TIMES},
    ),
}
_ARROW = {"BIGINT": pa.int64(), "VARCHAR": pa.string(), "DOUBLE": pa.float64(), "BOOLEAN": pa.int8()}
_AS_TEXT = {"VARCHAR": """'"' || replace({c}, '"', '""') || '"'""", "DOUBLE": "printf('%!.17g', {c})"}


class Columns:
    """The columns of one configuration. Any thread may ask; one at a time brings them up to date."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._engine: duckdb.DuckDBPyConnection | None = None
        self._seen = -1
        """When the last act became known that is in the columns."""
        self._last = dict.fromkeys(("item", "place", *_BELIEFS), 0)
        self._looked, self._software = 0, False
        """Up to which item it was looked for software, and whether there was some."""

    @contextmanager
    def cursor(self, *, slots: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """Of all that is believed now; what becomes known meanwhile does not change what it sees. `slots`: with the
        relations `place` and `held`, which are read when somebody first asks by slots, or software was put into one."""
        with self._lock:
            engine = self._current()
            if slots or self._holds_software(engine):
                with self._database.read() as tx:
                    self._last["place"] = _take_in(engine, tx, "place", _PLACE, self._last["place"])
            cursor = engine.cursor()
            cursor.execute("BEGIN")
            cursor.execute(f"SELECT number FROM {OWN}.item LIMIT 1").fetchone()  # from here on it sees one moment
        try:
            yield cursor
        finally:
            cursor.close()

    def _holds_software(self, engine: duckdb.DuckDBPyConnection) -> bool:
        if not self._software and self._looked < self._last["item"]:
            asked = f"SELECT 1 FROM {OWN}.item WHERE number > ? AND kind = '{ItemKind.SOFTWARE.value}' LIMIT 1"
            self._software = engine.execute(asked, [self._looked]).fetchone() is not None
            self._looked = self._last["item"]
        return self._software

    def close(self) -> None:
        with self._lock:
            if self._engine is not None:
                self._engine.close()
            self._engine = None

    def _current(self) -> duckdb.DuckDBPyConnection:
        engine = self._engine
        if engine is None:
            engine = _empty()
            self._seen, self._last = -1, dict.fromkeys(self._last, 0)
        with self._database.read() as tx:
            seen = tx.scalar(select(func.max(tables.act.c.recorded)))
            if seen is not None and seen > self._seen:
                engine.execute("BEGIN")
                try:
                    last = self._catch_up(engine, tx)
                except BaseException:
                    engine.execute("ROLLBACK")
                    raise
                engine.execute("COMMIT")
                self._seen, self._last = seen, last
        self._engine = engine
        return engine

    def _catch_up(self, engine: duckdb.DuckDBPyConnection, tx: Connection) -> dict[str, int]:
        last = dict(self._last)
        for name, (table, columns) in _BELIEFS.items():
            of = table.c
            ended = tx.execute(
                select(of.number, of.recorded_to).where(
                    of.recorded_to > self._seen, former(table), of.number <= last[name]
                )
            ).all()
            last[name] = _take_in(engine, tx, name, columns, last[name])
            if ended:
                _closed(engine, ended)
                engine.execute(
                    f"UPDATE {OWN}.{name} SET recorded_to = closed.value FROM closed "
                    f"WHERE {name}.number = closed.number"
                )
        if last["item"]:
            self._read_again(engine, tx)
        last["item"] = _take_in(engine, tx, "item", _ITEM, last["item"])
        return last

    def _read_again(self, engine: duckdb.DuckDBPyConnection, tx: Connection) -> None:
        """The items that are told otherwise since the last act that was seen: of two that were merged or split, both.

        Renamed, merged, split, known from another moment on, never there: each changes a trait.
        """
        since, last, i = int(self._seen), int(self._last["item"]), tables.item.c
        anew = f"(recorded_from > {since} OR (recorded_to > {since} AND recorded_to < {FOREVER}))"
        asked = f"SELECT DISTINCT item FROM {OWN}.trait WHERE {anew} AND item <= {last} ORDER BY item"
        told = [row[0] for row in engine.execute(asked).fetchall()]
        asked = f"SELECT DISTINCT value FROM {OWN}.trait WHERE {anew} AND name = '{MERGED}' ORDER BY value"
        others = [row[0] for row in engine.execute(asked).fetchall()]
        found: list[Row[Any]] = []
        for column, values in ((i.id, others), (i.number, told)):
            for first in range(0, len(values), _ASKED):
                some = select(*(i[name] for name in _ITEM)).where(column.in_(values[first : first + _ASKED]))
                found += tx.execute(some.where(i.number <= last)).all()
        if not found:
            return
        again = {row.number: row for row in found}.values()
        schema = pa.schema([(name, _ARROW[kind]) for name, kind in _ITEM.items()])
        engine.register("again", pa.Table.from_pylist([dict(row._mapping) for row in again], schema))
        engine.execute(f"DELETE FROM {OWN}.item WHERE number IN (SELECT number FROM again)")
        engine.execute(f"INSERT INTO {OWN}.item SELECT * FROM again")
        engine.unregister("again")


def _empty() -> duckdb.DuckDBPyConnection:
    engine = history.engine()
    engine.execute(f"CREATE SCHEMA {OWN}")
    for name, columns in (
        ("item", _ITEM),
        ("place", _PLACE),
        *((name, columns) for name, (_, columns) in _BELIEFS.items()),
    ):
        told = ", ".join(f"{column} {kind}" for column, kind in columns.items())
        engine.execute(f"CREATE TABLE {OWN}.{name} ({told})")
    engine.execute(
        f"CREATE VIEW {OWN}.held AS SELECT h.*, s.slot FROM {OWN}.placement h JOIN {OWN}.place s ON s.number = h.place"
    )
    return engine


def _take_in(engine: duckdb.DuckDBPyConnection, tx: Connection, name: str, columns: dict[str, str], after: int) -> int:
    """Append the rows with higher numbers; returns the highest one."""
    types = {column: _ARROW[kind] for column, kind in columns.items()}
    for text in _texts(tx, f"configuration_{name}", columns, after):
        batch = pacsv.read_csv(
            io.BytesIO(text),
            read_options=pacsv.ReadOptions(column_names=list(columns)),
            parse_options=pacsv.ParseOptions(newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(column_types=types, strings_can_be_null=False),
        )
        engine.register("new_rows", batch)
        engine.execute(f"INSERT INTO {OWN}.{name} SELECT * FROM new_rows")
        engine.unregister("new_rows")
        after = compute.max(batch["number"]).as_py()
    return after


def _texts(tx: Connection, table: str, columns: dict[str, str], after: int) -> Iterator[bytes]:
    """Rows as lines of CSV, made by the database itself: a third of what they take as objects, and meanwhile Python's
    other threads run."""
    if tx.dialect.name != "sqlite":
        raw: Any = tx.connection.driver_connection
        listed = ", ".join(f"CAST({c} AS INTEGER)" if kind == "BOOLEAN" else c for c, kind in columns.items())
        query = (
            f"COPY (SELECT {listed} FROM {table} WHERE number > {int(after)} ORDER BY number) TO STDOUT (FORMAT csv)"
        )
        with raw.cursor() as cursor, cursor.copy(query) as copy:
            told = b"".join(bytes(part) for part in copy)
        if told:
            yield told
        return
    line = " || ',' || ".join(_AS_TEXT.get(kind, "{c}").format(c=c) for c, kind in columns.items())
    while True:
        some = f"SELECT * FROM {table} WHERE number > {int(after)} ORDER BY number LIMIT {_BATCH}"
        asked = f"SELECT group_concat({line}, char(10)), max(number) FROM ({some})"
        text, last = tx.exec_driver_sql(asked).one()
        if text is None:
            return
        yield text.encode()
        after = last


def _closed(engine: duckdb.DuckDBPyConnection, rows: Sequence[Sequence[Any]]) -> None:
    table = pa.table({"number": [row[0] for row in rows], "value": [row[1] for row in rows]})
    engine.register("closed", table)
