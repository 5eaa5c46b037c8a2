"""What is old goes by itself, what is held stays, and for how long the room lasts is told with its range."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemel.clock import SECOND, SteppedClock
from gemel.errors import Conflict, InvalidDocument, InvalidInput, NotFound, UnknownTwin
from gemel.folder import Folder, parse_size
from gemel.history import EventQuery
from gemel.platform import Platform
from gemel.storage import forecast
from gemel.storage.growth import Growth, Sample
from gemel.twin import Retention, parse_duration

DAY = 86_400 * SECOND
T0 = 1_704_067_200 * SECOND
PLANT = """
gemel: 1
types:
  - id: press
    retention: {raw: 30d}
    properties: [{name: force, unit: kN}, {name: slow, unit: kN, retention: {raw: forever}}, {name: mode, kind: text}]
  - {id: oven, properties: [{name: heat, unit: Cel}]}
twins: [{id: press-7, types: [press]}, {id: press-8, types: [press]}, {id: oven-1, types: [oven]}]
"""


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(T0)


@pytest.fixture
def plant(tmp_path: Path, clock: SteppedClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """Its room is looked after by the tests alone: the housekeeper would come in between."""
    monkeypatch.setattr("gemel.storage.keeping.LOOK_S", 1e12)
    (tmp_path / "gemel.yaml").write_text("retention: {journal: 7d}\n")
    with Platform.open(tmp_path, clock=clock, run_connectors=False) as platform:
        platform.apply(PLANT)
        for twin, name, value in (
            ("press-7", "force", 1.0),
            ("press-8", "force", 2.0),
            ("press-7", "slow", 3.0),
            ("press-7", "mode", "AUTO"),
            ("oven-1", "heat", 4.0),
        ):
            platform.write(twin, name, value, time=T0)
        platform.history.flush()
        yield platform


def test_the_propertys_word_counts_before_the_types_and_that_before_the_plants(plant: Platform) -> None:
    limits = plant.storage.limits()
    entry = plant.registry.directory.twin("press-7")
    assert entry is not None
    assert limits.raw == {entry.properties["force"].number: plant.clock.now() - 30 * DAY}


def test_old_readings_go_from_the_history_and_an_event_says_so(plant: Platform, clock: SteppedClock) -> None:
    clock.step(40 * 86_400)
    plant.write("press-7", "force", 9.0)
    plant.history.flush()
    assert [(table, day) for table, day, *_ in plant.storage.would_drop()] == [("reading", "2024-01-01")]
    plant.holds.put("press-8", "a dispute")
    plant.history.retain(plant.storage.limits())
    assert plant.history.upkeep(60)
    plant.storage._tell_dropped()
    told = plant.events(EventQuery(kinds=("retention.dropped",))).items
    assert [fact.change.body for fact in told] == [{"table": "reading", "day": "2024-01-01", "rows": 1}]
    ranges = {
        (twin, name): len(plant.range(twin, name, T0, T0 + DAY, method="raw").columns["time"])
        for twin, name in (("press-7", "force"), ("press-8", "force"), ("press-7", "slow"), ("oven-1", "heat"))
    }
    assert ranges == {("press-7", "force"): 0, ("press-8", "force"): 1, ("press-7", "slow"): 1, ("oven-1", "heat"): 1}
    assert plant.range("press-7", "force", T0, T0 + DAY, points=24, method="mean").columns["value"].tolist() == [1.0]
    assert plant.now("press-7")["mode"].value == "AUTO"


def test_the_journal_forgets_what_history_and_keyframe_have_after_the_window(
    plant: Platform, clock: SteppedClock, tmp_path: Path
) -> None:
    position = plant.journal.head().position
    assert plant.storage.expire(position) == 0
    clock.step(8 * 86_400)
    assert plant.storage.expire(0) == 0
    assert plant.storage.expire(position) == 5
    assert plant.verify().ok
    plant.close()
    with Platform.open(tmp_path, clock=clock, run_connectors=False) as again:
        assert again.now("press-7")["force"].value == 1.0
        assert again.at("oven-1", clock.now())["heat"].value == 4.0


def test_a_reader_that_resumes_before_what_expired_gets_a_gap(
    plant: Platform, clock: SteppedClock, tmp_path: Path
) -> None:
    from gemel.state import Selection

    head = plant.journal.head().position
    clock.step(8 * 86_400)
    plant.storage.expire(head)
    plant.close()
    with Platform.open(tmp_path, clock=clock, run_connectors=False) as again:
        with again.subscribe(Selection(twins=("press-7",)), after=1) as reader:
            while (delta := reader.get(60)) is not None and delta.gap is None:
                pass
        assert delta is not None


def test_usage_is_told_by_type_and_twin(plant: Platform) -> None:
    room = plant.storage.standing()
    assert {one.type: one.rows for one in room.types} == {"press": 4, "oven": 1}
    assert sum(one.bytes for one in room.types) == pytest.approx(
        sum(file.size for file in plant.history.files() if file.table.startswith("reading")), abs=3
    )
    assert dict(room.twins) == {"press-7": 3, "press-8": 1, "oven-1": 1}
    assert room.used == room.database + room.history + room.other


def test_holds_have_a_reason_and_an_end(plant: Platform) -> None:
    with pytest.raises(UnknownTwin):
        plant.holds.put("press-9", "x")
    with pytest.raises(InvalidInput):
        plant.holds.put("press-7", " ")
    plant.holds.put("press-7", "claim 4711")
    with pytest.raises(Conflict):
        plant.holds.put("press-7", "claim 4712")
    assert [(hold.twin, hold.reason) for hold in plant.holds.all()] == [("press-7", "claim 4711")]
    plant.holds.release("press-7")
    with pytest.raises(NotFound):
        plant.holds.release("press-7")


@given(st.lists(st.integers(0, 10**12), min_size=2, max_size=60), st.integers(0, 10**13))
def test_a_forecast_lies_within_its_range(used: list[int], left: int) -> None:
    told = forecast([Sample(T0 + place * 3600 * SECOND, one) for place, one in enumerate(used)], left)
    if told.days is None:
        assert used[-1] <= used[0]
        return
    assert told.least_days is not None
    assert told.least_days <= told.days <= (told.most_days if told.most_days is not None else float("inf"))


def test_steady_growth_is_forecast_exactly() -> None:
    told = forecast([Sample(T0 + hour * 3600 * SECOND, hour * 10**9) for hour in range(49)], 240 * 10**9)
    assert (told.days, told.least_days, told.most_days) == pytest.approx((10.0, 10.0, 10.0))


def test_samples_survive_a_restart_and_a_clock_that_was_set_back(tmp_path: Path) -> None:
    growth = Growth(tmp_path / "storage.json")
    for hour in range(3):
        assert growth.due(T0 + hour * 3600 * SECOND)
        growth.add(T0 + hour * 3600 * SECOND, hour)
    again = Growth(tmp_path / "storage.json")
    assert again.samples == growth.samples
    assert again.due(T0 + 3600 * SECOND - 1)
    again.add(T0 + 3600 * SECOND - 1, 7)
    assert [sample.used for sample in again.samples] == [0, 7]


@pytest.mark.parametrize(("text", "size"), [("", None), ("500MB", 5 * 10**8), ("1.5TB", 15 * 10**11), ("80%", 800)])
def test_sizes_are_read(text: str, size: int | None) -> None:
    assert parse_size(text, 1000) == size


@pytest.mark.parametrize(
    ("text", "seconds"), [("forever", None), ("90d", 90 * 86_400), ("30m", 1800), ("2w", 1_209_600)]
)
def test_durations_are_read(text: str, seconds: int | None) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["3 days", "0d", "-1d", "1d2h", "d"])
def test_a_duration_that_is_none_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(InvalidInput, match="90d"):
        parse_duration(text)


def test_retention_that_contradicts_itself_is_refused() -> None:
    assert [field for field, _ in Retention(raw="12h", minutes="forever").problems()] == ["raw"]
    assert [field for field, _ in Retention(raw="90d", minutes="30d").problems()] == ["minutes"]


def test_settings_are_checked_with_their_field(tmp_path: Path) -> None:
    (tmp_path / "gemel.yaml").write_text("retention: {raw: 3 days}\ndisk: {budget: lots}\n")
    with pytest.raises(InvalidDocument) as refused:
        Folder.settings_of(tmp_path)
    assert "retention.raw" in refused.value.detail
    assert "disk.budget" in refused.value.detail
