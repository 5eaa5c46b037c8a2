"""A fresh SQLite database for each test, and the PostgreSQL server of the session."""

import pytest

from gemel.database import Database

pytest.register_assert_rewrite("gemel.testing.registry", "gemel.testing.plants")

from gemel.testing.postgres import postgres  # noqa: E402
from gemel.testing.registry import world  # noqa: E402

__all__ = ["postgres", "world"]


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'registry.sqlite'}")
    yield database
    database.close()
