"""One plant for the tests of this room; each takes a line of its own."""

from itertools import count

import pytest

import gemel
from tests.computation.plants import PLANT, cell

LINES = count(1)


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    with gemel.open(tmp_path_factory.mktemp("computed")) as plant:
        plant.apply(PLANT)
        yield plant


@pytest.fixture
def line(plant):
    """The id of a line with two mills of one spindle each."""
    name = f"line-{next(LINES)}"
    plant.apply(cell(name, 2))
    return name
