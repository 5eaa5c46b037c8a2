"""The platform is a twin itself: its readings are true, fresh, and have a history."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemel.clock import SteppedClock
from gemel.diagnosis import PLATFORM_TWIN, Level, parts, worst
from gemel.platform import Platform
from gemel.twin import Block

NAME = PLATFORM_TWIN.id


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Health does not tell of a machine that is slow with tests, nor of minutes that only the clock has stepped."""
    for bound in ("SLOW_FSYNC_S", "LATE_HISTORY_S", "LATE_COMPUTED_S"):
        monkeypatch.setattr(parts, bound, 3600.0)
    monkeypatch.setattr(parts, "LEAST_MEMORY", 0.0)


def told_by(block: Block, plant: Platform) -> bool:
    entry = plant.registry.directory.twin(NAME)
    return entry is not None and any((frame.series >> 20 == entry.number).any() for frame in block.frames.values())


def next_telling(plant: Platform, clock: SteppedClock) -> None:
    """A minute later; returns once the platform has told of itself again."""
    position = plant.position
    clock.step(61)
    while True:
        assert plant.journal.wait(position + 1, 60), "the platform did not tell of itself"
        for block in plant.journal.blocks(position):
            position = block.last
            if told_by(block, plant):
                assert plant.state.wait(position, 60)
                return


def test_its_readings_are_true_and_fresh(plant: Platform, clock: SteppedClock) -> None:
    next_telling(plant, clock)
    now, checks, room = plant.now(NAME), plant.health.look(), plant.storage.standing()
    assert all(one.fresh for one in now.values())
    assert all(one.time == clock.now() for one in now.values())
    assert now["health"].value == str(worst(checks)) == "warn"
    assert now["problems"].value == sum(one.level is not Level.OK for one in checks) == 1
    assert "backup: there is no backup yet" in now["detail"].value
    assert 0 < now["used"].value <= room.used
    assert abs(now["left"].value - room.left) < 0.1 * room.disk
    clock.step(200)
    assert not plant.now(NAME)["health"].fresh


def test_its_health_has_a_history_and_can_be_asked_for(plant: Platform, clock: SteppedClock, tmp_path: Path) -> None:
    next_telling(plant, clock)
    first = clock.now()
    plant.backup(tmp_path / "vault")
    assert plant.backups.drill(tmp_path / "vault").ok
    next_telling(plant, clock)
    assert plant.now(NAME)["health"].value == "ok"
    assert plant.at(NAME, first)["health"].value == "warn"
    assert plant.at(NAME, clock.now())["problems"].value == 0
    states = plant.range(NAME, "health", first, clock.step(10), method="states")
    assert list(states.columns["value"]) == ["warn", "ok"]
    (row,) = plant.query("SELECT health, problems FROM live.gemel_platform").to_pylist()
    assert row == {"health": "ok", "problems": 0}


def test_a_copy_that_is_only_looked_at_tells_nothing_of_itself(tmp_path: Path, clock: SteppedClock) -> None:
    with Platform.open(tmp_path, clock=clock, run_connectors=False) as copy:
        clock.step(61)
        copy._house.rewired()
        copy._house.close()
        assert copy.registry.directory.twin(NAME) is None
