from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gemel.twin import Kind, PropertyType
from tests.history.world import Cast, World

PROPERTIES = [
    PropertyType(name="temperature", unit="Cel"),
    PropertyType(name="parts", kind=Kind.INTEGER),
    PropertyType(name="execution", kind=Kind.ENUMERATION),
    PropertyType(name="system", kind=Kind.CONDITION),
    PropertyType(name="vibration", kind=Kind.ARRAY, unit="m/s2"),
    PropertyType(name="door_open", kind=Kind.BOOLEAN),
]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, Cast(PROPERTIES, ["mill-1", "mill-2", "mill-3"]))
    yield world
    world.close()
