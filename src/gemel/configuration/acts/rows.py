"""Many rows at once: asked for by their keys, and written, each in one statement.

SQLite keeps, for every statement that a trigger may refuse, a copy of each page that it changes; so a statement for
each row costs several times what one for some hundred rows does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Row, Table, func, select, text

__all__ = ["asked", "insert_rows", "next_number", "reserve"]

_AT_ONCE = 250
"""Rows in one statement."""


def asked(tx: Connection, names: str, keys: Sequence[tuple[Any, ...]], query: str) -> Iterator[Row[Any]]:
    """The rows of a query that joins `wanted`, a table of these keys, whose columns have these names.

    `query` says `FROM wanted CROSS JOIN …`: in this order, so that each key is looked up in an index.
    """
    for some in _some(keys):
        marks, values = _marks(tx, some)
        yield from tx.exec_driver_sql(f"WITH wanted({names}) AS (VALUES {marks}) {query}", values)


def insert_rows(tx: Connection, table: Table, names: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Write rows; `names` are of their columns, parted by blanks. What the database refuses is not written at all."""
    columns = ", ".join(names.split())
    if tx.dialect.name == "sqlite":
        for some in _some(rows):
            marks, values = _marks(tx, some)
            tx.exec_driver_sql(f"INSERT INTO {table.name} ({columns}) VALUES {marks}", values)
    elif rows:
        raw: Any = tx.connection.driver_connection
        with raw.cursor() as cursor, cursor.copy(f"COPY {table.name} ({columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)


def next_number(tx: Connection, table: Table) -> int:
    return int(tx.scalar(select(func.coalesce(func.max(table.c.number), 0))) or 0) + 1


def reserve(tx: Connection, table: Table, count: int) -> int:
    """The first of so many numbers in a row, which nobody else gets: the writer is the only one that writes."""
    first = next_number(tx, table)
    if tx.dialect.name != "sqlite" and count:
        sequence = f"pg_get_serial_sequence('{table.name}', 'number')"
        tx.execute(text(f"SELECT setval({sequence}, :last)"), {"last": first + count - 1})
    return first


def _marks(tx: Connection, rows: Sequence[tuple[Any, ...]]) -> tuple[str, tuple[Any, ...]]:
    mark = "?" if tx.dialect.name == "sqlite" else "%s"
    one = f"({', '.join([mark] * len(rows[0]))})"
    return ", ".join([one] * len(rows)), tuple(chain.from_iterable(rows))


def _some(rows: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    for first in range(0, len(rows), _AT_ONCE):
        yield rows[first : first + _AT_ONCE]
