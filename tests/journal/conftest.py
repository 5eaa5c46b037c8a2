"""A fresh SQLite database for each test, and the PostgreSQL server of the session."""

import pytest

from gemel.database import Database
from gemel.testing.postgres import postgres

__all__ = ["postgres"]


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    yield database
    database.close()
