"""A configuration on a database of its own, under a clock that is set."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gemel.configuration import Configuration, Node
from gemel.database import Database
from gemel.testing.postgres import postgres
from tests.tables import migrated

__all__ = ["World", "day", "ids", "plain", "postgres"]


class Hands:
    """A clock that is set."""

    def __init__(self) -> None:
        self.time = 0

    def now(self) -> int:
        return self.time

    def monotonic(self) -> float:
        return self.time / 1e6


class World:
    """A configuration, its clock and its database."""

    def __init__(self, url: str) -> None:
        self.clock = Hands()
        self.database = Database(url)
        self.database.migrate()
        self.configuration = Configuration(self.database, self.clock, self._run)
        self.journaled: list[Any] = []

    def _run(self, work: Any, *, actor: str = "") -> None:
        with self.database.write() as tx:
            self.journaled += work(tx)


def day(month: int, of: int, hour: int = 0) -> int:
    """A moment of 2026."""
    return int(datetime(2026, month, of, hour, tzinfo=UTC).timestamp()) * 1_000_000


def ids(node: Node) -> set[str]:
    """All items within a node."""
    return {part.item.id for part in node.parts} | {id for part in node.parts for id in ids(part)}


@pytest.fixture(params=["sqlite", "postgres"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'configuration.sqlite'}"
    else:
        url = migrated(request.getfixturevalue("postgres"))
    world = World(url)
    yield world
    world.database.close()


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[World]:
    """A configuration on SQLite."""
    world = World(f"sqlite:///{tmp_path / 'configuration.sqlite'}")
    yield world
    world.database.close()
