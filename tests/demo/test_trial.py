"""The physics of the trial plant, stepped: what it tells fits its types, whatever it is told to do."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemel.clock import SECOND, parse_time
from gemel.demo.trial.base import FAULT, Refusal
from gemel.demo.trial.cell import Cell
from gemel.demo.trial.documents import CELL as CELL_CONNECTOR
from gemel.demo.trial.documents import SKID as SKID_CONNECTOR
from gemel.demo.trial.documents import document
from gemel.demo.trial.past import CELL, SKID, rows_of
from gemel.demo.trial.skid import Skid
from gemel.intake import fitted
from gemel.twin import Direction

PLANT = document({})
TYPES = {type_.id: type_ for type_ in PLANT.types}
PROPERTIES = {(twin.id, one.name): one for twin in PLANT.twins for one in TYPES[twin.types[0]].properties}
REPORTED = {key for key, one in PROPERTIES.items() if one.computed is None}
NOW = parse_time("2026-01-02T00:00:00Z")


def run(simulated, seconds, step=0.5):
    for _ in range(round(seconds / step)):
        simulated.step(step)


def ready():
    skid = Skid()
    skid.set("suction_valve", 100)
    run(skid, 5)
    return skid


def told(simulated, name, twin=None):
    return next(value for (id, key), value in simulated.values().items() if key == name and twin in (None, id))


@st.composite
def acts(draw):
    """Set points within their ranges, and commands with inputs that fit: of one object."""
    type_ = TYPES[draw(st.sampled_from(["pump_skid", "robot_cell"]))]
    steps = []
    for _ in range(draw(st.integers(1, 12))):
        one = draw(st.sampled_from([*(p for p in type_.properties if p.writable), *type_.commands]))
        inputs = [one] if hasattr(one, "writable") else one.input
        values = {field.name: draw(value_of(field)) for field in inputs}
        steps.append((one.name, values, hasattr(one, "writable"), draw(st.sampled_from([0.2, 3.0, 40.0]))))
    return type_.id, steps


def value_of(field):
    if field.values:
        return st.sampled_from(field.values)
    if field.kind == "integer":
        return st.integers(int(field.minimum), int(field.maximum))
    return st.floats(field.minimum, field.maximum)


class TestWhatTheyTell:
    @settings(max_examples=150, deadline=None)
    @given(acts())
    def test_every_value_fits_its_type_whatever_is_ordered(self, made):
        type_id, steps = made
        simulated = Skid() if type_id == "pump_skid" else Cell()
        for name, values, setting, seconds in steps:
            with contextlib.suppress(Refusal):
                simulated.set(name, values[name]) if setting else simulated.call(name, values)
            simulated.step(seconds)
            for (twin, property_), value in simulated.values().items():
                fitted(twin, PROPERTIES[twin, property_], value)

    def test_they_report_every_property_that_is_not_computed(self):
        assert Skid().values().keys() | Cell().values().keys() == REPORTED

    def test_the_same_steps_give_the_same_values(self):
        one, other = ready(), ready()
        for skid in (one, other):
            skid.call("start", {})
            run(skid, 20)
        assert one.values() == other.values()
        assert one.values() != one.values()  # noise


class TestTheSkid:
    def test_a_pump_that_runs_moves_water_and_grows_warm(self):
        skid = ready()
        skid.call("start", {})
        run(skid, 60)
        assert told(skid, "state") == "running"
        assert told(skid, "speed") == pytest.approx(2200, abs=25)
        assert told(skid, "flow") == pytest.approx(18 * 2200 / 2900, rel=0.05)
        assert told(skid, "running", "skid.pump-a") is True
        assert told(skid, "motor_temperature", "skid.pump-a") > 25
        assert told(skid, "running", "skid.pump-b") is False

    def test_water_is_neither_made_nor_lost(self):
        skid = ready()
        skid.set("inlet_valve", 0)
        skid.call("start", {})
        run(skid, 3)
        before, drawn = skid.level, 0.0
        for _ in range(200):
            skid.step(0.5)
            drawn += skid.flow * 0.5 / 3600
        assert before - skid.level == pytest.approx(drawn / 2.0 * 100, abs=0.01)

    def test_it_trips_when_it_runs_dry_and_starts_only_after_a_reset(self):
        skid = ready()
        skid.call("start", {})
        run(skid, 10)
        skid.set(FAULT, "dry_running")
        run(skid, 9)
        assert (told(skid, "state"), told(skid, "alarm")["level"], told(skid, "last_trip")) == (
            "tripped",
            "fault",
            "dry running",
        )
        with pytest.raises(Refusal, match="reset it first"):
            skid.call("start", {})
        run(skid, 60)  # the fault ends by itself
        skid.call("reset", {})
        skid.call("start", {})
        run(skid, 10)
        assert told(skid, "state") == "running"

    def test_a_stuck_valve_stays_where_it_is_until_it_is_free(self):
        skid = ready()
        skid.set(FAULT, "stuck_valve")
        skid.step(0.5)
        skid.set("outlet_valve", 0)
        run(skid, 30)
        assert told(skid, "outlet_valve") == 100
        run(skid, 40)
        assert told(skid, "outlet_valve") == 0

    def test_at_the_local_switch_it_takes_no_orders_but_stop(self):
        skid = ready()
        skid.call("start", {})
        skid.set(FAULT, "local_mode")
        with pytest.raises(Refusal, match="local"):
            skid.set("speed", 900)
        skid.call("stop", {})
        run(skid, 10)
        assert (told(skid, "state"), told(skid, "mode")) == ("stopped", "local")


class TestTheCell:
    def test_a_program_runs_its_cycles_and_ends(self):
        cell = Cell()
        before = told(cell, "cycles")
        assert cell.call("run_program", {"program": "pick_and_place", "cycles": 3}) == {"run": 1}
        run(cell, 20)
        assert told(cell, "state") == "running"
        run(cell, 6)
        assert (told(cell, "state"), told(cell, "cycles")) == ("idle", before + 3)

    def test_who_steps_into_the_curtain_stops_everything(self):
        cell = Cell()
        cell.set("conveyor_speed", 0.3)
        cell.call("run_program", {"program": "palletise"})
        run(cell, 5)
        cell.set(FAULT, "curtain_interrupted")
        run(cell, 3)
        assert (told(cell, "state"), told(cell, "conveyor_speed")) == ("held", 0)
        assert told(cell, "alarm")["level"] == "warning"


class TestTheDocuments:
    def test_every_order_has_a_way_and_every_reported_property_is_bound(self):
        bound = {spec.id: spec.bindings for spec in PLANT.connectors}
        inward = {(b.twin, b.property) for b in bound[SKID_CONNECTOR] if b.direction is Direction.IN}
        assert inward == {key for key in REPORTED if key[0].partition(".")[0] == "skid"}
        for connector, type_id in ((SKID_CONNECTOR, "pump_skid"), (CELL_CONNECTOR, "robot_cell")):
            type_ = TYPES[type_id]
            wanted = {one.name for one in type_.properties if one.writable} | {one.name for one in type_.commands}
            assert {b.property for b in bound[connector] if b.direction is Direction.OUT} == wanted

    @pytest.mark.parametrize(("made", "script"), [(Skid, SKID), (Cell, CELL)])
    def test_the_day_before_ends_where_the_object_begins(self, made, script):
        rows = rows_of(made, script, NOW)
        assert all(NOW - 24 * 3600 * SECOND <= time < NOW for time, *_ in rows)
        last = {(twin, name): value for _, twin, name, value in rows}
        first = made().values()
        for name in ("state", "hours", "cycles", "duty", "suction_valve"):
            ours = {key: value for key, value in first.items() if key[1] == name}
            assert {key: last[key] for key in ours} == pytest.approx(ours), name
        for time, twin, name, value in rows:
            fitted(f"{twin} at {time}", PROPERTIES[twin, name], value)
        counted = [value for _, _, name, value in rows if name == "cycles"]
        assert counted == sorted(counted)
