"""The catalogue in PostgreSQL instead of SQLite."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemel.clock import SECOND
from gemel.history import History, Pace, Settings, Upkeep
from gemel.testing.postgres import PostgresServer, postgres
from tests.history.conftest import PROPERTIES
from tests.history.world import T0, Cast, World

pytestmark = pytest.mark.postgres
__all__ = ["postgres"]


def test_history_with_a_catalogue_in_postgresql(tmp_path: Path, postgres: PostgresServer) -> None:
    pytest.importorskip("duckdb_extension_postgres")
    url = postgres.create().replace("postgresql+psycopg:", "postgresql:")
    settings = Settings(pace=Pace(commit_s=3600), upkeep=Upkeep(merge_files=2, keep_s=0.0))
    world = World(tmp_path, Cast(PROPERTIES, ["mill-1"]))
    try:
        for _ in range(2):
            history = History(
                tmp_path / "lake",
                world.journal,
                world.directory,
                world.clock,
                catalogue_url=url,
                settings=settings,
            )
            with history:
                position = world.journal.head().position
                for n in range(position, position + 3):
                    world.put([("mill-1", "temperature", T0 + n * SECOND, float(n))])
                    assert history.flush() == n + 1
                assert history.upkeep()
                values = history.range("mill-1", "temperature", T0, T0 + 60 * SECOND).columns["value"]
                assert values.tolist() == [float(n) for n in range(position + 3)]
    finally:
        world.close()
