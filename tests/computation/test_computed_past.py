"""The past anew, where values come from, and simplified against detailed."""

import math

import pytest

import gemel
from gemel.clock import SteppedClock
from gemel.errors import InvalidInput, InvalidQuery, UnknownProperty, UnknownTwin
from gemel.history import EventQuery
from gemel.intake import Message, Reported
from gemel.twin import Quality
from tests.computation.plants import PLANT, SECOND, START, cell, settled


def report(plant, twin, name, pairs):
    told = [Reported(twin=twin, property=name, value=v, time=START + round(t * SECOND)) for t, v in pairs]
    plant.ingest([Message(readings=told)])


def test_the_past_is_computed_anew_at_every_moment_that_an_input_changed(plant, line):
    mill = f"{line}-mill-0"
    report(plant, mill, "feed", [(t, 100.0 * t) for t in range(1, 6)])
    report(plant, mill, "speed", [(2.5, 100.0), (4.5, 200.0)])
    settled(plant)
    done = plant.computation.redo("mill", "per_turn", START, START + 100 * SECOND, twins=[mill])
    assert (done.twins, done.version) == (1, 1)
    expected = {1: None, 2: None, 2.5: 2.0, 3: 3.0, 4: 4.0, 4.5: 2.0, 5: 2.5}
    for moment, value in expected.items():
        found = plant.at(mill, START + round(moment * SECOND))["per_turn"]
        assert (found.value, found.time) == (value, START + round(moment * SECOND))
    again = plant.computation.redo("mill", "per_turn", START, START + 100 * SECOND, twins=[mill])
    assert again.values == done.values
    assert plant.now(mill)["per_turn"].value == 2.5


def test_a_correction_that_came_late_is_taken_in_by_a_redo(plant, line):
    mill = f"{line}-mill-1"
    report(plant, mill, "speed", [(1, 100.0)])
    report(plant, mill, "feed", [(5, 500.0)])
    settled(plant)
    report(plant, mill, "speed", [(3, 50.0)])  # newer than the first, older than the value
    settled(plant)
    told = plant.computation.lineage(mill, "per_turn", START + 6 * SECOND)
    assert (told.value, told.time) == (10.0, START + 5 * SECOND)
    report(plant, mill, "feed", [(2, 200.0)])  # older than what the state holds: only the history has it
    settled(plant)
    plant.computation.redo("mill", "per_turn", START, START + 100 * SECOND, twins=[mill])
    assert plant.at(mill, START + 2 * SECOND)["per_turn"].value == 2.0


def test_a_value_tells_what_it_was_made_of_down_to_the_machines(plant, line):
    for mill, power in ((0, 3.0), (1, 4.0)):
        report(plant, f"{line}-mill-{mill}-spindle", "power", [(mill + 1, power)])
    settled(plant)
    told = plant.computation.lineage(line, "power")
    assert (told.value, told.unit, told.type, told.computed.expression) == (7.0, "kW", "line", "sum(mills.power)")
    assert not told.redone
    assert told.quality is Quality.GOOD
    assert {(one.twin, one.property, one.value, one.computed) for one in told.inputs} == {
        (f"{line}-mill-0", "power", 3000.0, True),
        (f"{line}-mill-1", "power", 4000.0, True),
    }
    below = plant.computation.lineage(f"{line}-mill-1", "power")
    (spindle,) = below.inputs
    assert (spindle.twin, spindle.value, spindle.time) == (f"{line}-mill-1-spindle", 4.0, START + 2 * SECOND)
    plant.computation.redo("line", "power", START, START + 100 * SECOND, twins=[line])
    assert plant.computation.lineage(line, "power").redone


def test_the_past_has_the_parts_of_its_time(tmp_path):
    clock = SteppedClock(START)
    with gemel.open(tmp_path, clock=clock) as plant:
        plant.apply(PLANT + cell("line-1", 2).removeprefix("gemel: 1\n"))
        for mill, power in ((0, 1.0), (1, 2.0)):
            report(plant, f"line-1-mill-{mill}-spindle", "power", [(-50, power), (5, 10 * power), (25, 100 * power)])
        clock.step(10)
        plant.change(lambda tx: plant.registry.end_link(tx, "part_of", "line-1-mill-1", "line-1"))
        clock.step(10)
        plant.change(lambda tx: plant.registry.put_link(tx, "part_of", "line-1-mill-1", "line-1", slot="mills"))
        clock.step(30)
        settled(plant)
        span = START - 100 * SECOND, START + 60 * SECOND
        done = plant.computation.redo("line", "deep", *span)
        assert done.before == []
        expected = {-50: 3.0, 0: 3.0, 5: 30.0, 10: 10.0, 20: 30.0, 25: 300.0}
        for moment, value in expected.items():
            found = plant.at("line-1", START + moment * SECOND)["deep"]
            assert found.value == pytest.approx(value), f"at {moment} s"
        assert plant.at("line-1", START + 10 * SECOND)["deep"].time == START + 10 * SECOND, "when the mill left"
        told = plant.computation.lineage("line-1", "deep", START + 12 * SECOND)
        assert [one.twin for one in told.inputs] == ["line-1-mill-0-spindle"]


def test_what_is_read_and_computed_too_is_redone_first(plant, line):
    for mill in (0, 1):
        report(plant, f"{line}-mill-{mill}-spindle", "power", [(t, float(mill + t)) for t in (1, 2, 3)])
    settled(plant)
    done = plant.computation.redo("line", "power", START, START + 100 * SECOND, twins=[line])
    assert done.before == ["mill.power"]
    assert [plant.at(line, START + t * SECOND)["power"].value for t in (1, 2, 3)] == [3.0, 5.0, 7.0]
    redone = plant.computation.redo("mill", "advice", START, START + 1, twins=[f"{line}-mill-0"])
    assert redone.before == ["mill.hot", "mill.safe"]


class Enough(BaseException):
    """Somebody does not want the rest."""


def test_a_redo_that_is_ended_tells_what_it_wrote(plant, line):
    for mill in (0, 1):
        report(plant, f"{line}-mill-{mill}", "feed", [(1, 100.0)])
        report(plant, f"{line}-mill-{mill}", "speed", [(1, 50.0)])
    settled(plant)
    twins = [f"{line}-mill-{mill}" for mill in (0, 1)]

    def progress(part):
        if part >= 0.5:
            raise Enough

    with pytest.raises(Enough):
        plant.computation.redo("mill", "per_turn", START, START + 9 * SECOND, twins=twins, progress=progress)
    settled(plant)
    (newest,) = plant.events(EventQuery(twins=("mill",), kinds=("computed.redone",), limit=1)).items
    assert newest.change.body["twins"] == twins[:1]
    assert plant.computation.lineage(twins[0], "per_turn").redone
    assert not plant.computation.lineage(twins[1], "per_turn").redone


def test_what_has_no_lineage_says_why(plant, line):
    with pytest.raises(InvalidInput, match="reported, not computed"):
        plant.computation.lineage(f"{line}-mill-0", "feed")
    with pytest.raises(UnknownProperty, match="nothing was computed"):
        plant.computation.lineage(line, "power", START)
    with pytest.raises(UnknownTwin):
        plant.computation.lineage("nobody", "power")
    with pytest.raises(InvalidInput, match="is not computed"):
        plant.computation.redo("mill", "feed", START, START + 1)
    with pytest.raises(InvalidQuery, match="ends before it begins"):
        plant.computation.redo("mill", "hot", START, START)
    with pytest.raises(InvalidInput, match="no twin of type mill"):
        plant.computation.redo("mill", "hot", START, START + 1, twins=[line])


def test_a_simplified_property_is_compared_for_as_long_as_each_difference_held(plant, line):
    one, other = f"{line}-mill-0-spindle", f"{line}-mill-1-spindle"
    report(plant, one, "power", [(0, 10.0), (10, 12.0)])
    report(plant, other, "power", [(5, 10.0), (20, 15.0)])
    found = plant.computation.compare(one, "power", f"{other}:power", START, START + 30 * SECOND, bound=2.0)
    # [5, 10): 0, [10, 20): +2, [20, 30): -3
    assert (found.compared_s, found.bias, found.largest) == (25.0, pytest.approx(-10 / 25), 3.0)
    assert found.rmse == pytest.approx(math.sqrt((10 * 4 + 10 * 9) / 25))
    assert (found.largest_at, found.within) == (START + 20 * SECOND, pytest.approx(15 / 25))


def test_what_cannot_be_compared_is_refused(plant, line):
    mill = f"{line}-mill-0"
    with pytest.raises(InvalidInput, match="only numbers deviate"):
        plant.computation.compare(mill, "door", "feed", START, START + 1)
    with pytest.raises(InvalidInput, match="measure different things"):
        plant.computation.compare(mill, "speed", "feed", START, START + 1)
    nothing = plant.computation.compare(mill, "feed", "feed", START, START + 1)
    assert (nothing.compared_s, nothing.bias, nothing.within) == (0.0, None, None)
