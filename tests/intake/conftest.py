"""A running intake over a fresh SQLite database, with a small plant."""

import pytest

from gemel.testing.postgres import postgres
from tests.intake.plant import World

__all__ = ["postgres", "world"]


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path / "gemel.sqlite")
    yield world
    world.close()
