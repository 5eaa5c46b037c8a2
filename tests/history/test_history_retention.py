"""What is old goes by the day: sums and keyframes tell of it, and what is held stays."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from gemel.clock import SECOND
from gemel.history import Limits, Settings
from gemel.history.maintenance import Upkeep
from gemel.history.status import Pace
from gemel.twin import Change
from tests.history.conftest import PROPERTIES
from tests.history.world import DAY, HOUR, T0, Cast, World

MINUTE = 60 * SECOND


@pytest.fixture
def world(tmp_path: Path):
    settings = Settings(pace=Pace(commit_s=3600), upkeep=Upkeep(keep_s=0.0, settle_s=0.0))
    world = World(tmp_path, Cast(PROPERTIES, ["mill-1", "mill-2", "mill-3"]), settings=settings)
    yield world
    world.close()


def fill(world: World, days: int = 3) -> None:
    """Temperatures every ten minutes of three twins, and a door that was opened once, on the first day."""
    world.put([("mill-1", "door_open", T0 + HOUR, 1)])
    for day in range(days):
        world.put(
            (twin, name, T0 + day * DAY + step * 10 * MINUTE, value)
            for step in range(144)
            for twin in ("mill-1", "mill-2")
            for name, value in (("temperature", 20.0 + step + day), ("parts", step))
        )
    world.history.flush()


def number(world: World, name: str, twin: str = "mill-1") -> int:
    entry = world.directory.twin(twin)
    assert entry is not None
    return entry.properties[name].number


def drop(world: World, before: int, *names: str, held: frozenset[int] = frozenset()) -> int:
    world.history.retain(Limits(raw={number(world, name): before for name in names}, held=held))
    assert world.history.upkeep(60)
    return sum(one.rows for one in world.history.taken_dropped())


def test_dropped_readings_are_told_by_their_sums_and_the_answer_says_so(world: World) -> None:
    fill(world)
    before = world.history.range("mill-1", "temperature", T0, T0 + 3 * DAY, points=72, method="mean")
    assert drop(world, T0 + 2 * DAY, "temperature") == 2 * 2 * 144
    after = world.history.range("mill-1", "temperature", T0, T0 + 3 * DAY, points=72, method="mean")
    assert after.columns["value"].tolist() == before.columns["value"].tolist()
    assert after.dropped == [(T0, T0 + 2 * DAY)]
    assert before.dropped == []
    assert after.gaps == before.gaps
    fine = world.history.range("mill-1", "temperature", T0, T0 + 3 * DAY, points=100_000)
    assert fine.resolution_s == 60.0
    assert len(fine.columns["time"]) == 3 * 144


def test_raw_is_asked_for_and_what_is_gone_is_a_gap(world: World) -> None:
    fill(world)
    drop(world, T0 + 2 * DAY, "temperature")
    raw = world.history.range("mill-1", "temperature", T0, T0 + 3 * DAY, method="raw")
    assert len(raw.columns["time"]) == 144
    assert raw.gaps[0] == (T0, T0 + 2 * DAY)
    all_there_is = world.history.range("mill-1", "temperature", T0, T0 + 3 * DAY)
    assert (all_there_is.method, all_there_is.resolution_s) == ("minmax", 60.0)


def test_averages_leave_out_what_is_gone(world: World) -> None:
    fill(world)
    whole = world.history.average("mill-1", "temperature", T0 + 2 * DAY, T0 + 3 * DAY)
    drop(world, T0 + 2 * DAY, "temperature")
    assert world.history.average("mill-1", "temperature", T0, T0 + 3 * DAY).value == pytest.approx(whole.value)
    assert world.history.average("mill-1", "temperature", T0, T0 + 2 * DAY).value is None


def test_only_what_is_named_goes_and_the_last_value_stays_known(world: World) -> None:
    fill(world)
    drop(world, T0 + 3 * DAY, "temperature")
    assert world.history.range("mill-1", "parts", T0, T0 + DAY, method="raw").columns["time"].size == 144
    then = world.history.twin("mill-1", T0 + 5 * DAY)
    assert then["door_open"].value is True
    assert then["temperature"].value == 20.0 + 143 + 2


def test_what_is_held_stays(world: World) -> None:
    fill(world)
    entry = world.directory.twin("mill-1")
    assert entry is not None
    assert drop(world, T0 + 3 * DAY, "temperature", held=frozenset({entry.number})) == 3 * 144
    kept = world.history.range("mill-1", "temperature", T0, T0 + 3 * DAY)
    assert (len(kept.columns["time"]), kept.dropped) == (3 * 144, [])
    assert world.history.range("mill-2", "temperature", T0, T0 + 3 * DAY).dropped == [(T0, T0 + 3 * DAY)]


def test_a_history_that_dropped_opens_again_and_counts_right(world: World) -> None:
    fill(world)
    gone = drop(world, T0 + 2 * DAY, "temperature", "parts")
    rows = sum(file.rows for file in world.history.files())
    assert rows + gone == world.journal.head().position
    history = world.reopen()
    assert history.range("mill-1", "parts", T0, T0 + 3 * DAY, points=72).dropped == [(T0, T0 + 2 * DAY)]
    lying = {str(path.relative_to(history.folder)) for path in history.folder.glob("data/**/reading*/**/*.parquet")}
    assert history.upkeep(60)
    assert lying >= {file.path for file in history.files() if "/reading" in file.path}


def test_late_readings_of_another_property_leave_the_sums_of_the_dropped_one(world: World) -> None:
    fill(world)
    drop(world, T0 + 2 * DAY, "temperature")
    before = world.history.range("mill-1", "temperature", T0, T0 + 2 * DAY, points=48, method="mean")
    world.put([("mill-3", "temperature", T0 + DAY + HOUR, 5.0)])
    world.history.flush()
    world.history.retain(Limits())
    assert world.history.upkeep(60)
    after = world.history.range("mill-1", "temperature", T0, T0 + 2 * DAY, points=48, method="mean")
    assert after.columns["value"].tolist() == before.columns["value"].tolist()


def test_sums_per_minute_go_when_they_are_old_and_hours_stay(world: World) -> None:
    fill(world)
    drop(world, T0 + 2 * DAY, "temperature")
    world.history.retain(Limits(raw={number(world, "temperature"): T0 + 2 * DAY}, minutes=T0 + DAY))
    assert world.history.upkeep(60)
    told = world.history.range("mill-1", "temperature", T0, T0 + 2 * DAY, points=100_000)
    assert told.resolution_s == 3600.0
    assert len(told.columns["time"]) == 48
    assert sum(told.columns["count"].tolist()) == 288


def test_an_erased_twin_is_in_no_file_any_more(world: World) -> None:
    fill(world)
    world.put(changes=[Change(kind="event.happened", subject="mill-1", time=T0 + HOUR, body={"event": "broke"})])
    drop(world, T0 + DAY, "temperature")
    entry = world.directory.twin("mill-1")
    assert entry is not None
    kept = world.history.range("mill-2", "temperature", T0, T0 + 3 * DAY, points=72, method="mean").columns
    counts = world.history.erase(entry.number, entry.id)
    assert counts == {"reading": 2 * 144, "reading_integer": 3 * 144 + 1, "happened": 1}
    for path in world.history.folder.rglob("*.parquet"):
        table = pq.read_table(path)
        if "series" in table.column_names:
            assert entry.number not in {series >> 20 for series in table.column("series").to_pylist()}, path
        elif "twin" in table.column_names:
            assert "mill-1" not in table.column("twin").to_pylist(), path
    assert world.history.twin("mill-1", T0 + 5 * DAY) == {}
    told = world.history.range("mill-2", "temperature", T0, T0 + 3 * DAY, points=72, method="mean").columns
    assert told["value"].tolist() == kept["value"].tolist()
    assert world.reopen().twin("mill-2", T0 + 5 * DAY)["temperature"].value == 20.0 + 143 + 2


def test_a_history_that_is_behind_an_expired_journal_is_refused(world: World) -> None:
    import shutil

    from gemel.errors import Corrupt

    fill(world, days=1)
    world.journal.expire(world.journal.head().position + 1)
    folder = world.history.folder
    world.history.close()
    shutil.move(folder, folder.with_name("lost"))
    with pytest.raises(Corrupt, match="from a backup"):
        world._open()
    shutil.rmtree(folder)
    shutil.move(folder.with_name("lost"), folder)
    world.history = world._open()
