"""Computed properties in the now: what they are, when they change, what brings them."""

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gemel
from gemel.clock import SteppedClock
from gemel.errors import Conflict, InvalidDocument, InvalidValue
from gemel.intake import Message, Reported
from gemel.twin import Quality
from tests.computation.plants import PLANT, SECOND, START, cell, now, settled


def report(plant, twin, *readings, quality=Quality.GOOD):
    told = [Reported(twin=twin, property=p, value=v, time=START + t * SECOND, quality=quality) for p, v, t in readings]
    return plant.ingest([Message(readings=told)])


def test_a_value_has_the_time_of_its_newest_input_and_the_worst_quality(plant, line):
    mill = f"{line}-mill-0"
    report(plant, mill, ("feed", 300.0, 1), ("speed", 100.0, 3))
    settled(plant)
    found = plant.now(mill)["per_turn"]
    assert (found.value, found.time, found.quality) == (3.0, START + 3 * SECOND, Quality.GOOD)
    report(plant, mill, ("feed", 600.0, 4), quality=Quality.UNCERTAIN)
    settled(plant)
    found = plant.now(mill)["per_turn"]
    assert (found.value, found.time, found.quality) == (6.0, START + 4 * SECOND, Quality.UNCERTAIN)


def test_what_is_computed_from_computed_ones_is_there_in_the_same_round(plant, line):
    mill = f"{line}-mill-0"
    report(plant, mill, ("door", "CLOSED", 1), ("temperature", 90.0, 1))
    found = now(plant, mill)
    assert (found["hot"], found["safe"], found["advice"]) == (True, False, "no")


def test_an_unknown_input_makes_the_value_unknown_where_it_matters(plant, line):
    mill = f"{line}-mill-0"
    report(plant, mill, ("feed", 300.0, 1), ("door", "OPEN", 1))
    found = now(plant, mill)
    assert found["per_turn"] is None
    assert found["safe"] is False  # an open door is not safe, however hot it is
    report(plant, mill, ("speed", 100.0, 2))
    report(plant, mill, ("speed", 100.0, 3), quality=Quality.BAD)
    assert now(plant, mill)["per_turn"] is None
    assert plant.now(mill)["per_turn"].quality is Quality.UNAVAILABLE


def test_parts_are_summed_at_any_depth_and_converted(plant, line):
    report(plant, f"{line}-mill-0-spindle", ("power", 3.0, 1))
    assert now(plant, line)["power"] is None  # the other mill has told nothing
    report(plant, f"{line}-mill-1-spindle", ("power", 4.0, 2))
    found = now(plant, line)
    assert (found["power"], found["deep"], found["everything"], found["mills"]) == (7.0, 7.0, 7.0, 2)
    assert now(plant, f"{line}-mill-1")["power"] == 4000.0
    assert plant.now(line)["power"].time == START + 2 * SECOND


def test_a_part_that_leaves_or_comes_changes_the_whole(plant, line):
    for mill in (0, 1):
        report(plant, f"{line}-mill-{mill}-spindle", ("power", 5.0, 1))
    assert now(plant, line)["power"] == 10.0
    plant.change(lambda tx: plant.registry.end_link(tx, "part_of", f"{line}-mill-1", line))
    assert (now(plant, line)["power"], now(plant, line)["mills"]) == (5.0, 1)


def test_a_result_that_does_not_fit_the_property_is_unavailable(plant, line):
    mill = f"{line}-mill-0"
    report(plant, mill, ("pieces", 30, 1))
    assert now(plant, mill)["dozens"] == 3  # 2.5
    report(plant, mill, ("pieces", 1_000_000, 2))
    assert now(plant, mill)["dozens"] is None
    assert plant.computation.standing().refused >= 1


def test_nobody_else_brings_a_computed_value(plant, line):
    mill = f"{line}-mill-0"
    with pytest.raises(InvalidValue, match="is computed"):
        plant.write(mill, "hot", True)
    receipt = report(plant, mill, ("per_turn", 1.0, 1), ("feed", 1.0, 1))
    assert (receipt.accepted, receipt.quarantined, receipt.problems[0].code) == (1, 1, "computed")
    columns = {"twin": [mill] * 3, "property": ["per_turn", "feed", "twice"], "value": [1.0, 2.0, 3.0]}
    receipt = plant.intake.submit_frame("press-mqtt", pa.RecordBatch.from_pydict(columns)).result()
    assert (receipt.accepted, receipt.quarantined) == (1, 2)
    bound = (
        "gemel: 1\nconnectors:\n  - {id: x, kind: mqtt, settings: {url: 'mqtt://h'}, "
        f"bindings: [{{address: a, twin: {mill}, property: hot}}]}}\n"
    )
    with pytest.raises(InvalidDocument, match="no connector brings it"):
        plant.plan(bound)


def test_a_changed_expression_is_a_new_version_and_computes_anew(tmp_path):
    with gemel.open(tmp_path) as plant:
        plant.apply(PLANT + cell("line-1", 1).removeprefix("gemel: 1\n"))
        report(plant, "line-1-mill-0", ("temperature", 70.0, 1))
        assert now(plant, "line-1-mill-0")["hot"] is False
        plant.apply(PLANT.replace("temperature > 80", "temperature > 60"))
        assert now(plant, "line-1-mill-0")["hot"] is True
        assert plant.type("mill").version == 2
        told = plant.computation.lineage("line-1-mill-0", "hot")
        assert (told.version, told.computed.expression) == (2, "temperature > 60")
        earlier = plant.computation.lineage("line-1-mill-0", "hot", START + 2 * SECOND)
        assert (earlier.version, earlier.value) == (1, False)


def test_a_stale_input_is_unknown_until_it_is_told_again(tmp_path):
    clock = SteppedClock(START)
    with gemel.open(tmp_path, clock=clock) as plant:
        plant.apply(PLANT + cell("line-1", 1).removeprefix("gemel: 1\n"))
        report(plant, "line-1-mill-0", ("outlet", 90.0, 0))
        assert now(plant, "line-1-mill-0")["warm"] is True
        clock.step(61)
        plant.change(lambda _: plant.state.sweep(clock.now()))
        settled(plant)
        found = plant.now("line-1-mill-0")["warm"]
        assert (found.value, found.time) == (None, START + 60 * SECOND)
        report(plant, "line-1-mill-0", ("outlet", 91.0, 61))
        assert now(plant, "line-1-mill-0")["warm"] is True


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("expression: temperature > 80", "expression: advice = 'go'"), "hot → advice → safe → hot"),
        (("spindle.power}", "spindl.power}"), "did you mean spindle.power"),
        (("feed / speed", "feed / sped"), "did you mean speed"),
        (("feed / speed", "feed * speed"), "measure different things"),
        (("count(parts)", "count(parts) > 1"), "not a number"),
        (("sum(mills.power)", "mills.power"), "holds many"),
        (("boolean, computed: {expression: te", "boolean, writable: true, computed: {expression: te"), "be written"),
        (("{expression: temperature > 80}", "{}"), "has an expression, or a function"),
        (("temperature > 80", "1 > 0"), "reads no property"),
    ],
)  # fmt: skip
def test_what_cannot_be_computed_is_refused_with_line_and_way_out(plant, change, told):
    document = PLANT.replace(*change)
    assert document != PLANT
    with pytest.raises(InvalidDocument, match=told) as refused:
        plant.plan(document)
    assert all(problem.line for problem in refused.value.problems)


def test_a_cycle_through_slots_of_other_types_is_refused_with_its_path(plant):
    document = """
gemel: 1
types:
  - id: outer
    slots: [{name: inner, type: inner}]
    properties: [{name: a, computed: {expression: inner.b}}]
  - id: inner
    slots: [{name: outers, type: outer, maximum: null}]
    properties: [{name: b, computed: {expression: sum(outers.a)}}]
"""
    with pytest.raises(InvalidDocument, match=r"a → inner\.b → a"):
        plant.plan(document)


NESTED = """
gemel: 1
types:
  - id: box
    properties:
      - {name: own, unit: kg}
      - {name: weight, unit: kg, computed: {expression: "own + coalesce(sum(parts.weight), 0)"}}
twins:
  - {id: box-1, types: [box]}
  - {id: box-2, types: [box], part_of: box-1}
  - {id: box-3, types: [box], part_of: box-2}
"""


def test_what_is_made_of_its_own_kind_is_computed_at_any_depth_and_cannot_contain_itself(tmp_path):
    with gemel.open(tmp_path) as plant:
        plant.apply(NESTED)
        for number in (1, 2, 3):
            plant.write(f"box-{number}", "own", 10.0**number)
        settled(plant)
        assert [now(plant, f"box-{number}")["weight"] for number in (1, 2, 3)] == [1110.0, 1100.0, 1000.0]
        with pytest.raises(Conflict, match="box-1 → box-3 → box-2 → box-1"):
            plant.change(lambda tx: plant.registry.put_link(tx, "part_of", "box-1", "box-3"))


def test_a_plant_that_comes_back_makes_up_for_what_it_missed_and_repeats_nothing(tmp_path):
    with gemel.open(tmp_path) as plant:
        plant.apply(PLANT + cell("line-1", 2).removeprefix("gemel: 1\n"))
        report(plant, "line-1-mill-0-spindle", ("power", 1.0, 1))
        report(plant, "line-1-mill-1-spindle", ("power", 1.0, 1))
        assert now(plant, "line-1")["power"] == 2.0
    with gemel.open(tmp_path, run_connectors=False) as still:  # nothing is computed here
        report(still, "line-1-mill-1-spindle", ("power", 9.0, 2))
    with gemel.open(tmp_path) as plant:
        assert now(plant, "line-1")["power"] == 10.0
        position = plant.position
    with gemel.open(tmp_path) as plant:
        settled(plant)
        assert (plant.position, plant.computation.standing().computed) == (position, 0)


ORDERS = st.lists(
    st.tuples(st.sampled_from(["feed", "speed", "temperature"]), st.integers(1, 200).map(float)),
    min_size=1,
    max_size=8,
).flatmap(lambda told: st.tuples(st.just(told), st.permutations(range(len(told)))))


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(ORDERS)
def test_any_order_of_arrival_gives_the_same_in_the_end(plant, made):
    told, order = made
    names = test_any_order_of_arrival_gives_the_same_in_the_end.__dict__.setdefault("names", iter(range(10_000)))
    one, other = f"order-{next(names)}", f"order-{next(names)}"
    plant.apply(cell(one, 1) + cell(other, 1).removeprefix("gemel: 1\ntwins:\n"))
    for twin, sequence in ((one, range(len(told))), (other, order)):
        for i in sequence:
            report(plant, f"{twin}-mill-0", (*told[i], i))
    settled(plant)
    first, second = plant.now(f"{one}-mill-0"), plant.now(f"{other}-mill-0")
    for name in ("per_turn", "twice", "hot", "safe", "advice"):
        told_of = [None if (it := values.get(name)) is None else (it.value, it.quality) for values in (first, second)]
        assert told_of[0] == told_of[1], name
