"""Freshness: by age, by the source's heartbeat, and who is told."""

from __future__ import annotations

import pytest

from gemel.clock import SECOND
from gemel.state import Selection
from gemel.twin import Binding, ConnectorSpec, FreshnessMode
from tests.state.conftest import T0, Plant

LINE = ConnectorSpec(
    id="line",
    kind="mtconnect",
    bindings=(
        Binding(address="m", twin="press-1", property="mode", within_s=30),
        Binding(address="t", twin="press-1", property="temperature", mode=FreshnessMode.SAMPLES, within_s=5),
        Binding(address="x", twin="later", property="mode", within_s=30),
    ),
)


@pytest.fixture
def bound(plant: Plant) -> Plant:
    plant.change(lambda tx: plant.registry.put_connector(tx, LINE))
    return plant


def fresh(plant: Plant, property_: str, twin: str = "press-1") -> tuple[bool, int | None]:
    now = plant.now(twin, property_)
    return now.fresh, now.stale_since


def test_a_sampled_value_is_stale_when_it_is_older_than_its_bound(plant: Plant) -> None:
    plant.report(("press-1", "pressure", 4.0, 0))
    plant.clock.step(9.999)
    assert fresh(plant, "pressure") == (True, None)
    plant.clock.step(0.001)
    assert fresh(plant, "pressure") == (False, T0 + 10 * SECOND)


def test_a_late_sample_is_as_old_as_its_own_time(plant: Plant) -> None:
    plant.clock.step(60)
    plant.report(("press-1", "pressure", 4.0, 0))
    assert fresh(plant, "pressure") == (False, T0 + 10 * SECOND)


def test_a_source_clock_that_runs_ahead_does_not_make_a_sample_fresher(plant: Plant) -> None:
    plant.report(("press-1", "pressure", 4.0, 3600))
    plant.clock.step(10)
    assert fresh(plant, "pressure") == (False, T0 + 10 * SECOND)


def test_a_value_without_a_bound_stays_fresh(plant: Plant) -> None:
    plant.report(("press-1", "temperature", 4.0, 0))
    plant.clock.step(1e6)
    assert fresh(plant, "temperature") == (True, None)


def test_a_heartbeat_confirms_values_that_do_not_change(bound: Plant) -> None:
    bound.report(("press-1", "mode", "AUTO", 0))
    for _ in range(100):
        bound.clock.step(20)
        bound.state.heartbeat("line", bound.clock.now())
        assert fresh(bound, "mode") == (True, None)
    silent = bound.clock.now() + 30 * SECOND
    bound.clock.step(31)
    assert fresh(bound, "mode") == (False, silent)


def test_a_reading_of_one_property_confirms_the_others_of_its_source(bound: Plant) -> None:
    bound.report(("press-1", "mode", "AUTO", 0))
    bound.twins("later")
    bound.clock.step(25)
    bound.report(("later", "mode", "MANUAL", 25))
    bound.clock.step(25)
    assert fresh(bound, "mode") == (True, None)


def test_a_lost_source_makes_its_values_stale_from_that_moment(bound: Plant) -> None:
    bound.report(("press-1", "mode", "AUTO", 0), ("press-2", "mode", "AUTO", 0))
    bound.clock.step(3)
    bound.state.lost("line", bound.clock.now())
    bound.clock.step(3)
    assert fresh(bound, "mode") == (False, T0 + 3 * SECOND)
    assert fresh(bound, "mode", "press-2") == (True, None)
    bound.state.found("line", bound.clock.now())
    assert fresh(bound, "mode") == (True, None)


def test_a_removed_connector_leaves_values_to_their_type(bound: Plant) -> None:
    bound.report(("press-1", "mode", "AUTO", 0), ("press-1", "temperature", 1.0, 0))
    bound.clock.step(100)
    assert not fresh(bound, "mode")[0]
    assert not fresh(bound, "temperature")[0]
    bound.change(lambda tx: bound.registry.remove_connector(tx, "line"))
    assert fresh(bound, "mode")[0]
    assert fresh(bound, "temperature")[0]


def test_a_sweep_returns_what_turned_once_and_tells_the_readers(bound: Plant) -> None:
    bound.report(("press-1", "mode", "AUTO", 0), ("press-1", "temperature", 1.0, 0), ("press-1", "pressure", 1.0, 0))
    assert bound.state.sweep(bound.clock.now()) == []
    with bound.state.subscribe(Selection(type="press")) as reader:
        assert reader.get(0) is not None
        bound.clock.step(7)
        (lost,) = bound.state.sweep(bound.clock.now())
        assert (lost.kind, lost.subject, lost.time) == ("freshness.lost", "press-1", T0 + 5 * SECOND)
        assert lost.body == {"properties": ["temperature"]}
        delta = reader.get(0)
        assert delta is not None
        assert [(t.twin, t.property, t.fresh, t.stale_since) for t in delta.transitions] == [
            ("press-1", "temperature", False, T0 + 5 * SECOND)
        ]
        assert bound.state.sweep(bound.clock.now()) == []
        bound.clock.step(100)
        changes = bound.state.sweep(bound.clock.now())
        assert sorted((c.kind, c.body["properties"], c.body.get("source", "")) for c in changes) == [
            ("freshness.lost", ["mode"], "line"),
            ("freshness.lost", ["pressure"], ""),
        ]
        assert len((reader.get(0) or pytest.fail("no delta")).transitions) == 2


@pytest.mark.parametrize("many", [False, True])
def test_a_value_that_comes_back_is_returned_by_the_next_sweep(plant: Plant, many: bool) -> None:
    plant.report(("press-1", "pressure", 1.0, 0))
    plant.clock.step(20)
    assert [c.kind for c in plant.state.sweep(plant.clock.now())] == ["freshness.lost"]
    padding = [("press-2", "temperature", float(i), i) for i in range(100 if many else 0)]
    plant.report(("press-1", "pressure", 2.0, 20), *padding)
    (back,) = plant.state.sweep(plant.clock.now())
    assert (back.kind, back.body) == ("freshness.regained", {"properties": ["pressure"]})
    plant.clock.step(10)
    assert [c.kind for c in plant.state.sweep(plant.clock.now())] == ["freshness.lost"]


def test_a_lost_source_is_told_to_readers_at_once(bound: Plant) -> None:
    bound.report(("press-1", "mode", "AUTO", 0))
    bound.state.sweep(bound.clock.now())
    with bound.state.subscribe(Selection(twins=("press-1",))) as reader:
        assert reader.get(0) is not None
        bound.state.lost("line", bound.clock.now())
        delta = reader.get(0)
        assert delta is not None
        assert [(t.property, t.fresh) for t in delta.transitions] == [("mode", False)]
    (change,) = bound.state.sweep(bound.clock.now())
    assert change.body == {"source": "line", "properties": ["mode"]}


def test_many_twins_that_turn_at_once_are_one_change(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemel.state.turns.MAX_TWINS", 1)
    plant.report(("press-1", "pressure", 1.0, 0), ("press-2", "pressure", 1.0, 0))
    plant.clock.step(10)
    (change,) = plant.state.sweep(plant.clock.now())
    assert (change.subject, change.body) == ("press", {"twins": 2})
