"""A retyped property starts a new series; reads tell the old one in today's kind and unit."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemel.clock import SECOND
from gemel.history import History
from gemel.twin import Conversion, Kind, PropertyType, TwinType
from tests.history.world import T0, Cast, World

OLD = [
    PropertyType(name="temperature", unit="[degF]"),
    PropertyType(name="parts", kind=Kind.INTEGER),
    PropertyType(name="mode", kind=Kind.INTEGER),
]
NEW = TwinType(
    id="machine",
    properties=(
        PropertyType(
            name="temperature",
            unit="Cel",
            generation=2,
            earlier=(Conversion(generation=1, kind=Kind.NUMBER, unit="[degF]", how="unit"),),
        ),
        PropertyType(name="parts", generation=2, earlier=(Conversion(generation=1, kind=Kind.INTEGER, how="cast"),)),
        PropertyType(
            name="mode",
            kind=Kind.ENUMERATION,
            generation=2,
            earlier=(Conversion(generation=1, kind=Kind.INTEGER, how="map", mapping={"1": "AUTO", "2": "HAND"}),),
        ),
    ),
)


@pytest.mark.parametrize("stored", [False, True])
def test_readings_of_before_the_change_are_told_as_of_today(tmp_path: Path, stored: bool) -> None:
    world = World(tmp_path, Cast(OLD, ["mill-1"]))
    try:
        world.put([("mill-1", "temperature", T0, 212.0), ("mill-1", "parts", T0, 7), ("mill-1", "mode", T0, 2)])
        with world.database.write() as tx:
            changes = world.registry.put_type(tx, NEW)
        world.registry.committed(changes)
        later = T0 + SECOND
        world.put(
            [("mill-1", "temperature", later, 20.0), ("mill-1", "parts", later, 7.5), ("mill-1", "mode", later, "AUTO")]
        )
        assert world.history.flush() == 6 if stored else world.history.wait(6)
        check(world.history, later)
    finally:
        world.close()


def check(history: History, later: int) -> None:
    then = {name: reading.value for name, reading in history.twin("mill-1", T0).items()}
    assert then == {"temperature": pytest.approx(100.0), "parts": 7.0, "mode": "HAND"}
    now = {name: reading.value for name, reading in history.twin("mill-1", later).items()}
    assert now == {"temperature": 20.0, "parts": 7.5, "mode": "AUTO"}
    raw = history.range("mill-1", "temperature", T0, later + 1)
    assert raw.columns["value"].tolist() == pytest.approx([100.0, 20.0])
    bucket = history.range("mill-1", "temperature", T0, later + 1, points=1)
    assert (min(bucket.columns["min"]), max(bucket.columns["max"])) == (20.0, pytest.approx(100.0))
    assert history.range("mill-1", "mode", T0, later + 1).columns["value"] == ["HAND", "AUTO"]
    assert history.average("mill-1", "parts", T0, later + SECOND).value == pytest.approx(7.25)
