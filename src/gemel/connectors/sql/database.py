"""The other database: read only, with an end to every query."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import NoSuchModuleError
from sqlalchemy.pool import NullPool

from gemel.connectors.sql.settings import SqlSettings, with_secret
from gemel.errors import InvalidInput, MissingExtra

__all__ = ["engine_of", "rows_after"]

_MOST_EQUAL = 1_000_000
_STEPS = 20_000
"""Instructions of SQLite between two looks at the clock: about a millisecond."""


def engine_of(settings: SqlSettings, password: str | None, file: Path | None) -> sa.Engine:
    """An engine; opens nothing yet. `file`: the SQLite file. Raises MissingExtra without the driver."""
    database = f"file:{file}?mode=ro" if file is not None else None
    url = with_secret(settings, password, database)
    if file is not None:
        url = url.set(query={"uri": "true"})
    try:
        return sa.create_engine(url, poolclass=NullPool, hide_parameters=True)
    except ModuleNotFoundError as error:
        raise MissingExtra(f"{url.drivername} needs its driver: pip install {error.name}") from error
    except NoSuchModuleError as error:
        raise InvalidInput(f"there is no driver {url.drivername!r:.80}: {error}") from None


def rows_after(engine: sa.Engine, settings: SqlSettings, after: Any) -> tuple[list[str], list[Mapping[str, Any]], bool]:
    """(columns, rows, whether there may be more): at most `limit` rows, and those with the key of the last."""
    with engine.connect() as connection:
        _restrict(connection, settings.timeout_s)
        options = {"stream_results": True} if engine.dialect.name in ("postgresql", "mysql", "mariadb") else {}
        with connection.execution_options(**options).execute(sa.text(settings.query), {"after": after}) as result:
            columns = list(result.keys())
            rows: list[Mapping[str, Any]] = [dict(row) for row in result.mappings().fetchmany(settings.limit)]
            full = len(rows) == settings.limit
            key = settings.key if settings.key in columns else columns[0]
            while full and rows[-1][key] == rows[0][key]:  # else a key with many rows would come again for ever
                further: list[Mapping[str, Any]] = [dict(row) for row in result.mappings().fetchmany(settings.limit)]
                rows, full = rows + further, len(further) == settings.limit
                if len(rows) > _MOST_EQUAL:
                    raise InvalidInput(f"more than {_MOST_EQUAL} rows have the key {rows[0][key]!r:.60}")
            while full and (row := result.mappings().fetchone()) is not None and row[key] == rows[-1][key]:
                rows.append(dict(row))
        connection.rollback()
    return columns, rows, full


def _restrict(connection: sa.Connection, timeout_s: float) -> None:
    """Nothing is written, and the query ends in time, where the database can see to it."""
    milliseconds = round(timeout_s * 1000)
    match connection.dialect.name:
        case "postgresql":
            connection.execute(sa.text("SET TRANSACTION READ ONLY"))
            connection.execute(sa.text(f"SET LOCAL statement_timeout = {milliseconds}"))
        case "mysql" | "mariadb":
            seconds = connection.dialect.name == "mariadb" or getattr(connection.dialect, "is_mariadb", False)
            limit = f"max_statement_time = {timeout_s}" if seconds else f"max_execution_time = {milliseconds}"
            connection.execute(sa.text(f"SET SESSION {limit}"))
            connection.commit()
            connection.execute(sa.text("START TRANSACTION READ ONLY"))
        case "sqlite":
            end = time.monotonic() + timeout_s
            raw: Any = connection.connection.driver_connection
            raw.execute("PRAGMA query_only = ON")
            raw.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
        case _:
            pass  # a user of the database that may only read
