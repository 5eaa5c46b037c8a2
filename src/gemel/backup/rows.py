"""All rows of a database in another one: how a plant moves between SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, MetaData, Table, func, insert, select, text

from gemel.database import fit
from gemel.errors import InvalidInput

__all__ = ["check_fits", "copy_rows", "go_on_counting"]

_AT_ONCE = 2000
VERSIONS = "alembic_version"
INDEX = "configuration_item_search"
"""SQLite's index over what is written on items, in tables of its own: it follows the rows that it is of."""


def copy_rows(source: Connection, target: Connection) -> int:
    """Copy every row of every table; both have the same schema, and the target is empty. Returns how many rows.

    Raises InvalidInput if the target holds something, is of another schema, or has no room for a text.
    """
    here, there = MetaData(), MetaData()
    here.reflect(source)
    there.reflect(target)
    tables = [one for one in here.sorted_tables if one.name != VERSIONS and not one.name.startswith(INDEX)]
    if missing := {one.name for one in tables} - set(there.tables):
        raise InvalidInput(f"the target database has no table {min(missing)}; it is of another version")
    count = 0
    for table in tables:
        into = there.tables[table.name]
        if target.execute(select(into).limit(1)).first() is not None:
            raise InvalidInput(f"the target database is not empty: {table.name} has rows; name an empty database")
        rows = source.execution_options(stream_results=True).execute(select(table))
        for part in rows.mappings().partitions(_AT_ONCE):
            values = [dict(row) for row in part]
            for row in values:
                check_fits(target, into, row)
            target.execute(insert(into), values)
            count += len(part)
        go_on_counting(target, into)
    return count


def check_fits(target: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Raises InvalidInput for a text that SQLite kept though it is longer than its column."""
    if target.dialect.name == "sqlite":
        return
    try:
        fit(table, row)
    except InvalidInput as error:
        raise InvalidInput(
            f"a row of {table.name} is of SQLite, which keeps any length: {error.detail}; nothing was brought here: "
            "shorten it in the plant that it is of, or go on with SQLite"
        ) from None


def go_on_counting(connection: Connection, table: Table) -> None:
    """PostgreSQL numbers rows by a sequence, which must begin after the rows that were copied."""
    if connection.dialect.name != "postgresql":
        return
    for column in table.primary_key.columns:
        sequence = connection.execute(
            text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": table.name, "column": column.name}
        ).scalar()
        if sequence:
            last = connection.execute(select(func.max(column))).scalar()
            if last is not None:
                connection.execute(text("SELECT setval(:sequence, :last)"), {"sequence": sequence, "last": last})
