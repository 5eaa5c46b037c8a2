"""A real database, a stepped clock, and a writer of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from gemel.access import Gate
from gemel.clock import SteppedClock
from gemel.database import Database
from gemel.twin import Change


class Writer:
    """Runs each piece of work in one write transaction, at once, and keeps the changes it returned."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.changes: list[Change] = []

    def transact(self, work: Callable[[Connection], tuple[Any, Sequence[Change]]], *, actor: str = "") -> Future[Any]:
        future: Future[Any] = Future()
        try:
            with self.database.write() as connection:
                result, changes = work(connection)
        except Exception as error:
            future.set_exception(error)
        else:
            self.changes.extend(changes)
            future.set_result((result, len(self.changes)))
        return future


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'gemel.sqlite'}")
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def writer(database: Database) -> Writer:
    return Writer(database)


@pytest.fixture
def gate(database: Database, clock: SteppedClock, writer: Writer) -> Iterator[Gate]:
    gate = Gate(database, writer, clock)
    yield gate
    gate.close()
