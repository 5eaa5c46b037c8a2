from __future__ import annotations

from gemel.clock import SECOND
from gemel.history import Stage
from gemel.twin import Change, Quality
from tests.history.world import T0, World


def test_a_reading_is_answered_from_memory_before_it_is_in_parquet(world: World) -> None:
    position = world.put([("mill-1", "temperature", T0, 20.5)])
    assert world.history.wait(position)
    assert world.history.position == 0
    reading = world.history.value(("mill-1", "temperature"), T0)
    assert reading is not None
    assert (reading.value, reading.time, reading.position) == (20.5, T0, 1)


def test_a_reading_is_answered_from_parquet_after_the_commit(world: World) -> None:
    world.put([("mill-1", "temperature", T0, 20.5), ("mill-1", "parts", T0, 7)])
    assert world.history.flush() == 2
    assert {file.table for file in world.history.files()} == {"reading", "reading_integer"}
    reading = world.history.value(("mill-1", "parts"), T0 + SECOND)
    assert reading is not None
    assert reading.value == 7


def test_every_kind_comes_back_as_it_went_in(world: World) -> None:
    condition = '{"code":"7","level":"fault","qualifier":"","severity":"","text":"jam"}'
    world.put(
        [
            ("mill-1", "temperature", T0, 20.5),
            ("mill-1", "parts", T0, 2**53 + 1),
            ("mill-1", "execution", T0, "ACTIVE"),
            ("mill-1", "system", T0, condition),
            ("mill-1", "vibration", T0, [1.0, 2.5]),
            ("mill-1", "door_open", T0, 1),
            ("mill-2", "temperature", T0, None, Quality.UNAVAILABLE),
        ]
    )
    for _ in range(2):
        world.history.wait(7)
        found = {name: r.value for name, r in world.history.twin("mill-1", T0).items()}
        assert found == {
            "temperature": 20.5,
            "parts": 2**53 + 1,
            "execution": "ACTIVE",
            "system": [
                {"level": "fault", "code": "7", "severity": "", "qualifier": "", "text": "jam", "since": T0},
            ],
            "vibration": [1.0, 2.5],
            "door_open": True,
        }
        other = world.history.twin("mill-2", T0)["temperature"]
        assert (other.value, other.quality) == (None, Quality.UNAVAILABLE)
        world.history.flush()


def test_a_reading_without_value_replaces_the_one_before(world: World) -> None:
    world.put([("mill-1", "temperature", T0, 1.0), ("mill-1", "temperature", T0 + 1, None, Quality.UNAVAILABLE)])
    world.history.flush()
    reading = world.history.value(("mill-1", "temperature"), T0 + 5)
    assert reading is not None
    assert reading.value is None


def test_history_goes_on_where_it_stopped(world: World) -> None:
    world.put([("mill-1", "temperature", T0, 1.0)])
    world.history.flush()
    world.put([("mill-1", "temperature", T0 + SECOND, 2.0)])
    history = world.reopen()
    assert history.position == 1
    assert history.wait(2)
    assert history.flush() == 2
    assert sum(file.rows for file in history.files()) == 2
    assert history.status().stage is Stage.RUNNING


def test_changes_are_stored_as_what_happened(world: World) -> None:
    world.put([], [Change(kind="event.happened", subject="mill-1", time=T0, body={"event": "overheated"})])
    world.history.flush()
    assert [(f.table, f.rows) for f in world.history.files()] == [("happened", 1)]
