"""A fresh SQLite database for each test, and the PostgreSQL server of the session."""

import pytest

from gemel.database import Database
from gemel.testing.postgres import postgres
from gemel.testing.registry import world

__all__ = ["postgres", "world"]


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'registry.sqlite'}")
    yield database
    database.close()
