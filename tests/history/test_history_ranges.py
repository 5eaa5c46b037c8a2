from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemel.clock import SECOND
from gemel.errors import InvalidQuery, InvalidUnit, UnknownProperty, UnknownTwin
from gemel.history import History
from gemel.twin import Freshness, FreshnessMode, Kind, PropertyType, Quality
from tests.history import naive
from tests.history.naive import Point
from tests.history.world import T0, Cast, World

WITHIN_S = 10
PROPERTIES = [
    PropertyType(name="pressure", unit="bar"),
    PropertyType(name="speed", unit="/min", freshness=Freshness(mode=FreshnessMode.SAMPLES, within_s=WITHIN_S)),
    PropertyType(name="parts", kind=Kind.INTEGER),
    PropertyType(name="execution", kind=Kind.ENUMERATION),
]
TWINS = 400


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("ranges")
    world = World(folder, Cast(PROPERTIES, [f"m{n}" for n in range(TWINS)]))
    yield world
    world.close()


twin_ids = iter(f"m{n}" for n in range(TWINS))  # each example writes a twin of its own
times = st.integers(0, 60).map(lambda s: T0 + s * SECOND)
qualities = st.sampled_from([Quality.GOOD] * 4 + [Quality.UNCERTAIN, Quality.BAD, Quality.UNAVAILABLE])


def blocks_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[list[tuple[int, Any, Quality]]]]:
    """Some blocks of readings at any times: late, repeated, out of order."""
    row = st.tuples(times, values, qualities).map(lambda r: (r[0], None if r[2] is Quality.UNAVAILABLE else r[1], r[2]))
    return st.lists(st.lists(row, min_size=1, max_size=8), max_size=6)


def write(plant: World, twin: str, name: str, blocks: list[list[tuple[int, Any, Quality]]], stored: int) -> list[Point]:
    """Append the blocks; the first `stored` of them are committed before the others come."""
    points, position = [], 0
    for n, rows in enumerate(blocks):
        last = plant.put([(twin, name, time, value, quality) for time, value, quality in rows])
        first = last - len(rows) + 1
        points += [Point(t, first + i, v, q) for i, (t, v, q) in enumerate(rows)]
        position = last
        if n + 1 == stored:
            plant.history.flush()
    assert plant.history.wait(position)
    return points


ranges = st.tuples(st.integers(-10, 70), st.integers(1, 80)).map(
    lambda r: (T0 + r[0] * SECOND, T0 + (r[0] + r[1]) * SECOND)
)
slow = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@slow
@given(blocks_of(st.floats(-1e6, 1e6)), st.integers(0, 6), ranges)
def test_a_range_in_any_order_of_arrival_is_as_a_plain_list_says(
    plant: World, blocks: Any, stored: int, span: Any
) -> None:
    twin, (start, end) = next(twin_ids), span
    for name, within in (("pressure", None), ("speed", WITHIN_S * SECOND)):
        points = write(plant, twin, name, blocks, stored)
        raw = plant.history.range(twin, name, start, end, method="raw")
        inside = [p for p in naive.ordered(points) if start <= p.time < end]
        assert raw.columns["time"].tolist() == [p.time for p in inside]
        assert [None if np.isnan(v) else v for v in raw.columns["value"]] == [p.value for p in inside]
        assert raw.gaps == naive.gaps(points, start, end, within)
        average = plant.history.average(twin, name, start, end)
        value, covered = naive.average(points, start, end, within)
        assert average.covered_s == pytest.approx(covered / 1e6)
        assert average.value == (None if value is None else pytest.approx(value, abs=1e-6))
        for at in (start, end):
            expected, found = naive.value_at(points, at), plant.history.value((twin, name), at)
            assert (expected and expected.position) == (found and found.position)


@slow
@given(blocks_of(st.integers(-(2**62), 2**62)), st.integers(0, 6), ranges, st.integers(1, 30))
def test_buckets_tell_min_max_mean_first_last_and_count(
    plant: World, blocks: Any, stored: int, span: Any, points: int
) -> None:
    twin, (start, end) = next(twin_ids), span
    listed = write(plant, twin, "parts", blocks, stored)
    series = plant.history.range(twin, "parts", start, end, points=points)
    width = round(series.resolution_s * 1e6)
    expected = naive.buckets(listed, start, end, width)
    columns = {name: series.columns[name].tolist() for name in series.columns}
    assert columns["time"] == list(expected)
    for name in ("min", "max", "first", "last", "count"):
        assert columns[name] == [bucket[name] for bucket in expected.values()]
    assert columns["mean"] == pytest.approx([bucket["mean"] for bucket in expected.values()], rel=1e-9, abs=1e3)
    assert series.gaps == [g for g in naive.gaps(listed, start, end, None) if g[1] - g[0] >= width]


@slow
@given(blocks_of(st.sampled_from(["ACTIVE", "READY", "STOPPED"])), st.integers(0, 6), ranges)
def test_an_enumeration_comes_as_intervals(plant: World, blocks: Any, stored: int, span: Any) -> None:
    twin, (start, end) = next(twin_ids), span
    points = write(plant, twin, "execution", blocks, stored)
    series = plant.history.range(twin, "execution", start, end)
    found = list(zip(*(list(series.columns[c]) for c in ("start", "end", "value")), strict=True))
    assert found == naive.states(points, start, end)
    assert series.gaps == naive.gaps(points, start, end, None)


def test_lttb_keeps_peaks(world: World) -> None:
    values = np.zeros(5000)
    values[1234], values[4321] = 99.0, -99.0
    world.put([("mill-1", "temperature", T0 + i * SECOND, float(v)) for i, v in enumerate(values)])
    world.history.flush()
    series = world.history.range("mill-1", "temperature", T0, T0 + 5000 * SECOND, points=100, method="lttb")
    assert len(series.columns["time"]) == 100
    assert {99.0, -99.0} <= set(series.columns["value"].tolist())


def test_integers_stay_exact(world: World) -> None:
    great = 2**62 + 1
    world.put([("mill-1", "parts", T0, great), ("mill-1", "parts", T0 + 1, None, Quality.UNAVAILABLE)])
    world.history.flush()
    assert world.history.range("mill-1", "parts", T0, T0 + SECOND).columns["value"].to_pylist() == [great, None]


def test_values_are_told_in_another_unit_on_request(world: World) -> None:
    world.put([("mill-1", "temperature", T0, 20.0), ("mill-1", "temperature", T0 + 1, 40.0)])
    series = world.history
    world.history.wait(2)
    raw = series.range("mill-1", "temperature", T0, T0 + 10, unit="K")
    assert raw.columns["value"].tolist() == pytest.approx([293.15, 313.15])
    bucket = series.range("mill-1", "temperature", T0, T0 + 10, points=1, unit="[degF]")
    assert (bucket.unit, bucket.columns["min"][0], bucket.columns["mean"][0]) == (
        "[degF]",
        pytest.approx(68),
        pytest.approx(86),
    )
    assert series.average("mill-1", "temperature", T0, T0 + 2, unit="K").value == pytest.approx(303.15)
    with pytest.raises(InvalidUnit):
        series.range("mill-1", "temperature", T0, T0 + 10, unit="m")


def test_the_future_is_not_a_gap(world: World) -> None:
    now = world.clock.now()
    world.put([("mill-1", "temperature", now - 100, 1.0)])
    world.history.wait(1)
    assert world.history.range("mill-1", "temperature", now - 100, now + 100).gaps == []
    assert world.history.average("mill-1", "temperature", now - 100, now + 100).covered_s == pytest.approx(100e-6)


def test_short_states_give_way_when_there_are_more_than_points(world: World) -> None:
    rows = [("mill-1", "execution", T0 + i * SECOND, "ACTIVE" if i % 2 else "READY") for i in range(1000)]
    world.put(rows)
    world.history.flush()
    series = world.history.range("mill-1", "execution", T0, T0 + 1000 * SECOND, points=50)
    assert len(series.columns["start"]) <= 50
    assert series.resolution_s == 20


def test_a_question_that_cannot_be_answered_says_why(history: History) -> None:
    with pytest.raises(UnknownTwin, match="nobody"):
        history.range("nobody", "temperature", T0, T0 + 1)
    with pytest.raises(UnknownProperty, match="door_open"):
        history.range("mill-1", "colour", T0, T0 + 1)
    with pytest.raises(InvalidQuery, match="before it begins"):
        history.range("mill-1", "temperature", T0, T0)
    with pytest.raises(InvalidQuery, match="minmax"):
        history.range("mill-1", "temperature", T0, T0 + 1, method="median")
    with pytest.raises(InvalidQuery, match="only numbers"):
        history.average("mill-1", "execution", T0, T0 + 1)


@pytest.fixture
def history(world: World) -> History:
    return world.history
