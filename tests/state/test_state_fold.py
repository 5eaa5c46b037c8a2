"""The fold: what a block does to the now."""

from __future__ import annotations

import pytest

from gemel.clock import SECOND
from gemel.twin import Quality
from tests.state.conftest import T0, Plant


def test_a_reading_is_the_now_of_its_property(plant: Plant) -> None:
    block = plant.report(("press-1", "temperature", 71.5, 3))
    now = plant.now("press-1", "temperature")
    assert (now.value, now.time, now.recorded) == (71.5, T0 + 3 * SECOND, block.recorded)
    assert (now.changed, now.quality, now.position, now.fresh) == (T0 + 3 * SECOND, Quality.GOOD, block.first, True)
    assert plant.now("press-2", "temperature") is None
    assert plant.state.position == block.last


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 1.5),
        ("strokes", 2**62),
        ("running", True),
        ("mode", "AUTO"),
        ("profile", [1.0, 2.5]),
        ("profile", []),
    ],
)
def test_every_form_comes_back_as_it_went_in(plant: Plant, name: str, value: object) -> None:
    plant.report(("press-1", name, value, 0))
    assert plant.now("press-1", name).value == value
    plant.report(("press-1", name, None, 1))
    gone = plant.now("press-1", name)
    assert gone.value is None
    assert gone.quality is Quality.UNAVAILABLE


def test_an_object_comes_back_as_a_dictionary(plant: Plant) -> None:
    plant.report(("press-1", "recipe", '{"dose":3}', 0))
    assert plant.now("press-1", "recipe").value == {"dose": 3}


def test_an_older_reading_never_replaces_a_newer_one(plant: Plant) -> None:
    plant.report(("press-1", "temperature", 2.0, 10), ("press-1", "temperature", 1.0, 5))
    plant.report(("press-1", "temperature", 1.5, 9))
    assert plant.now("press-1", "temperature").value == 2.0


def test_of_equal_times_the_later_position_holds(plant: Plant) -> None:
    plant.report(("press-1", "mode", "A", 5), ("press-1", "mode", "B", 5))
    assert plant.now("press-1", "mode").value == "B"
    plant.report(("press-1", "mode", "C", 5))
    assert plant.now("press-1", "mode").value == "C"


def test_the_same_value_again_moves_time_but_not_changed(plant: Plant) -> None:
    plant.report(("press-1", "strokes", 7, 0))
    plant.clock.step(60)
    plant.report(("press-1", "strokes", 7, 5), ("press-1", "strokes", 7, 8))
    now = plant.now("press-1", "strokes")
    assert (now.time, now.recorded, now.changed) == (T0 + 8 * SECOND, plant.clock.now(), T0)


def test_a_block_that_was_folded_before_has_no_effect(plant: Plant) -> None:
    block = plant.report(("press-1", "temperature", 1.0, 0))
    plant.report(("press-1", "temperature", 2.0, 0))
    plant.fold(block)
    assert plant.now("press-1", "temperature").value == 2.0
