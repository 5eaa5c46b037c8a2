"""Keyframes, roll-ups and merging change how fast an answer comes, never the answer."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemel.history import Pace, Settings, Upkeep
from gemel.history.buckets import Buckets
from gemel.history.coverage import NEVER
from gemel.twin import Kind, PropertyType, Quality
from tests.history import naive
from tests.history.naive import Point
from tests.history.world import DAY, HOUR, T0, Cast, World

PROPERTIES = [PropertyType(name="parts", kind=Kind.INTEGER), PropertyType(name="execution", kind=Kind.TEXT)]
EAGER = Settings(
    pace=Pace(commit_s=3600),
    upkeep=Upkeep(merge_files=3, keyframe_rows=4, late_rows=3, settle_s=0.0, keep_s=0.0),
)
MINUTE = HOUR // 60


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty world to copy: making its tables takes longer than an example."""
    folder = tmp_path_factory.mktemp("template")
    world = World(folder, Cast(PROPERTIES, ["a", "b", "c"]), settings=EAGER)
    world.close()
    return folder


@pytest.fixture
def eager(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, Cast(PROPERTIES, ["a", "b", "c"]), settings=EAGER)
    yield world
    world.close()


rows = st.tuples(
    st.sampled_from(["a", "b", "c"]),
    st.integers(0, 2 * 24 * 60).map(lambda m: T0 + m * MINUTE),
    st.integers(-1000, 1000),
    st.sampled_from([Quality.GOOD] * 3 + [Quality.UNAVAILABLE]),
)
steps = st.lists(
    st.tuples(st.lists(rows, min_size=1, max_size=10), st.sampled_from(["", "flush", "upkeep"])), max_size=8
)
instants = st.lists(st.integers(-60, 2 * 24 * 60 + 60).map(lambda m: T0 + m * MINUTE + 1), min_size=1, max_size=5)


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps, instants, st.integers(0, 2 * 24 * 60), st.sampled_from([60, 120, 300]), st.booleans())
def test_answers_equal_those_of_a_plain_list(
    template: Path,
    tmp_path_factory: pytest.TempPathFactory,
    steps: Any,
    at: Any,
    offset: int,
    points: int,
    reopen: bool,
) -> None:
    folder = tmp_path_factory.mktemp("example") / "plant"
    shutil.copytree(template, folder)
    world = World(folder, Cast(PROPERTIES, ["a", "b", "c"]), settings=EAGER)
    try:
        model: dict[str, list[Point]] = {"a": [], "b": [], "c": []}
        position = 0
        for listed, then in steps:
            last = world.put([(t, n, time, None if q else v, q) for t, time, v, q in listed for n in ("parts",)])
            for place, (twin, time, value, quality) in enumerate(listed, last - len(listed) + 1):
                model[twin].append(Point(time, place, None if quality else value, quality))
            position = last
            if then:
                world.history.flush()
            if then == "upkeep":
                assert world.history.upkeep()
        if reopen:
            world.reopen()
        assert world.history.wait(position)
        assert world.history.status().upkeep_error == ""
        for moment in at:
            found = world.history.twins(model, moment)
            for twin, listed in model.items():
                expected = naive.value_at(listed, moment)
                reading = found[twin].get("parts")
                assert (reading and (reading.position, reading.value)) == (
                    expected and (expected.position, expected.value)
                )
        start, end = T0 + offset * MINUTE, T0 + 4 * DAY
        for twin, listed in model.items():
            series = world.history.range(twin, "parts", start, end, points=points)
            width = round(series.resolution_s * 1e6)
            expected_buckets = naive.buckets(listed, start, end, width)
            assert series.columns["time"].tolist() == list(expected_buckets)
            for name in ("min", "max", "first", "last", "count"):
                assert series.columns[name].tolist() == [b[name] for b in expected_buckets.values()]
    finally:
        world.close()


def test_an_instant_long_past_is_answered_from_a_keyframe(eager: World) -> None:
    for hour in range(48):
        eager.put([("a", "parts", T0 + hour * HOUR, hour), ("b", "execution", T0 + hour * HOUR, f"P{hour}")])
    eager.history.flush()
    assert eager.history.upkeep()
    names = sorted(p.name for p in (eager.folder / "history" / "keyframes" / "integer").iterdir())
    assert len(names) > 8
    reading = eager.history.value(("a", "parts"), T0 + 30 * HOUR + 5)
    assert reading is not None
    assert reading.value == 30
    text = eager.history.value(("b", "execution"), T0 + 31 * HOUR + 5)
    assert text is not None
    assert text.value == "P31"


def test_late_readings_make_keyframes_and_rollups_anew_and_the_old_ones_go(eager: World) -> None:
    rows = [("a", "parts", T0 + m * MINUTE // 4, m) for m in range(3 * 24 * 60 * 4)]
    eager.put(rows)
    eager.history.flush()
    assert eager.history.upkeep()
    folder = eager.folder / "history" / "rollups" / "integer"
    before = {grain: sorted(p.name for p in (folder / grain).iterdir()) for grain in ("minute", "hour")}
    assert [len(names) for names in before.values()] == [2, 2]
    eager.put([("a", "parts", T0 + 7 * HOUR + i, 1_000_000 + i) for i in range(5)])
    eager.history.flush()
    assert eager.history.upkeep()
    assert eager.history.upkeep()
    after = {grain: sorted(p.name for p in (folder / grain).iterdir()) for grain in ("minute", "hour")}
    for grain in before:
        assert len(after[grain]) == 2
        assert after[grain] != before[grain]
    series = eager.history.range("a", "parts", T0, T0 + 2 * DAY, points=10)
    assert series.columns["max"][1] == 1_000_004 or series.columns["max"][0] == 1_000_004


def test_small_files_are_merged_and_the_merged_away_deleted(eager: World) -> None:
    for n in range(7):
        eager.put([("a", "parts", T0 + n, n)])
        eager.history.flush()
    assert eager.history.upkeep()
    assert eager.history.upkeep()
    eager.put([("a", "parts", T0 + 8, 8)])
    eager.history.flush()
    files = [f for f in eager.history.files() if f.table == "reading_integer"]
    assert len(files) < 4
    assert sum(f.rows for f in files) == 8
    assert eager.history.upkeep()
    lying = set((eager.folder / "history" / "data").rglob("*.parquet"))
    published = {eager.folder / "history" / f.path for f in eager.history.files()}
    assert lying == published


def test_a_row_is_written_anew_a_few_times_however_many_commits_a_day_has(tmp_path: Path) -> None:
    upkeep = Upkeep(merge_files=3, small_bytes=2_000_000, keep_s=0.0)
    world = World(
        tmp_path,
        Cast([PropertyType(name="load", kind=Kind.NUMBER)], ["a"]),
        settings=Settings(pace=Pace(commit_s=3600), upkeep=upkeep),
    )
    noise, commits, rows = np.random.default_rng(7), 40, 500
    known: set[str] = set()
    written = 0
    for n in range(commits):
        world.put([("a", "load", T0 + n * rows + i, float(v), 0) for i, v in enumerate(noise.normal(size=rows))])
        world.history.flush()
        assert world.history.upkeep()
        files = [f for f in world.history.files() if f.table == "reading"]
        written += sum(f.rows for f in files if f.path not in known and f.rows > rows)
        known |= {f.path for f in files}
        assert len(files) < 3 * upkeep.merge_files
    world.close()
    assert sum(f.rows for f in files) == commits * rows
    assert commits * rows < written < 4 * commits * rows


def test_a_file_in_use_is_not_deleted(eager: World) -> None:
    for n in range(3):
        eager.put([("a", "parts", T0 + n, n)])
        eager.history.flush()
    with eager.history.view() as view:
        held = [eager.folder / "history" / file.path for file in view.table("reading_integer").files]
        for n in range(3, 7):
            eager.put([("a", "parts", T0 + n, n)])
            eager.history.flush()
            assert eager.history.upkeep()
        assert sum(pq.read_metadata(path).num_rows for path in held) == len(held) > 0
    eager.history.upkeep()
    assert not any(path.exists() for path in held)


def test_buckets_of_buckets_are_the_buckets_of_the_readings() -> None:
    import pyarrow as pa

    from gemel.history.points import Points
    from gemel.history.rows import Rows
    from gemel.twin import Form

    rng = np.random.default_rng(7)
    n = 5000
    quality = rng.choice([0, 0, 0, 3], n).astype(np.uint8)
    value = pa.array(rng.integers(-9, 9, n), mask=quality == 3)
    time = np.sort(rng.integers(0, 40 * HOUR, n))
    rows = Rows(Form.INTEGER, np.sort(rng.integers(0, 3, n)), time, time, value, quality, np.arange(n))
    order = np.lexsort((rows.position, rows.time, rows.series))
    points = Points.in_order(rows.take(order))
    fine = Buckets.of(points, MINUTE, points.rows.series)
    for width in (HOUR, 5 * HOUR):
        direct, again = Buckets.of(points, width, points.rows.series), fine.coarser(width)
        for name in Buckets.__slots__:
            assert getattr(direct, name).tolist() == getattr(again, name).tolist(), name
    assert (fine.bad_since < NEVER).any()
