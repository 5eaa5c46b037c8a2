"""New databases of the tests begin as a copy of one that the migrations made, once in this process."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import wraps
from pathlib import Path

import pytest

from gemel.database import Database
from gemel.testing.postgres import PostgresServer

__all__ = ["copied", "migrated"]

_made: dict[PostgresServer, str] = {}


def migrated(server: PostgresServer) -> str:
    """The URL of a new database of PostgreSQL that has the tables of this version."""
    if server not in _made:
        url = server.create()
        _migrate(url)
        _made[server] = url
    return server.create(like=_made[server])


@contextmanager
def copied(folder: Path) -> Iterator[None]:
    """Within it `Database.migrate` copies what it made in `folder` into each database that has no tables yet.

    Then it goes on as ever: what has tables, is of PostgreSQL, or lies on a disk that refuses, is migrated.
    """
    migrate, file = Database.migrate, folder / "tables.sqlite"
    _migrate(f"sqlite:///{file}", migrate)
    with closing(sqlite3.connect(file, check_same_thread=False)) as made, pytest.MonkeyPatch.context() as patch:

        @wraps(migrate)
        def copy_first(self: Database) -> None:
            if self.is_sqlite and not self.failed and self.revision() is None:
                with suppress(sqlite3.Error), self.still(), self.engine.connect() as connection:
                    target = connection.connection.driver_connection
                    assert isinstance(target, sqlite3.Connection)
                    made.backup(target)
            migrate(self)

        patch.setattr(Database, "migrate", copy_first)
        yield


def _migrate(url: str, migrate: Callable[[Database], None] = Database.migrate) -> None:
    database = Database(url)
    try:
        migrate(database)
        database.checkpoint()
    finally:
        database.close()
