"""Readings as columns are taken as readings one by one are, only faster."""

import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gemel.clock import SECOND
from gemel.errors import InvalidInput, InvalidValue, UnknownTwin
from gemel.intake import Message, ReplayRule, Reported
from gemel.twin import TwinSpec, series_of
from tests.intake.plant import PRESS, START, World, message

MICROS = pa.timestamp("us", tz="UTC")


def batch(rows, *, value_type=None, dictionary=True):
    """A record batch of (twin, property, time, value)."""
    twin, name, time, value = ([row[i] for row in rows] for i in range(4))
    names = [pa.array(twin, pa.string()), pa.array(name, pa.string())]
    if dictionary:
        names = [column.dictionary_encode() for column in names]
    return pa.record_batch(
        [*names, pa.array(time, pa.int64()), pa.array(value, value_type)], ["twin", "property", "time", "value"]
    )


def told(world, frame, **how):
    return world.intake.submit_frame("plc", frame, **how).result(60)


def test_a_frame_of_numbers_is_taken_in_order(world):
    rows = [(f"press-{i % 3 + 1}", "force" if i % 2 else "temp", START + i, float(i)) for i in range(100)]
    receipt = told(world, batch(rows))
    assert (receipt.accepted, receipt.last - receipt.first) == (100, 99)
    names = {"temp": "temperature"}
    assert world.readings() == [(twin, names.get(name, name), time, value, 0) for twin, name, time, value in rows]


def test_bad_rows_are_quarantined_and_the_others_taken(world):
    rows = [
        ("press-1", "force", START, 1.0),
        ("press-1", "force", START + 1, math.nan),
        ("nobody", "force", START, 2.0),
        ("press-1", "no_such", START, 3.0),
        ("press-1", "temperature", START, 900.0),
        ("press-1", "force", START + 9 * 3600 * SECOND, 4.0),
        ("press-1", "count", START, 5.0),
        ("press-1", "count", START, 5.5),
        ("press-1", "open", START, 1.0),
        ("press-1", "force", START, None),
        ("press-1", "force", START, 6.0),
    ]
    receipt = told(world, batch(rows))
    assert (receipt.accepted, receipt.quarantined) == (5, 6)
    assert sorted(problem.code for problem in receipt.problems) == [
        "clock",
        "kind",
        "not-finite",
        "range",
        "unknown-property",
        "unknown-twin",
    ]
    kept = [(said[1], said[3], said[4]) for said in world.readings()]
    assert [one for one in kept if one[0] == "force"] == [("force", 1.0, 0), ("force", None, 3), ("force", 6.0, 0)]
    assert ("count", 5, 0) in kept
    assert ("open", 1, 0) in kept


@pytest.mark.parametrize(
    ("name", "value", "type_", "kept"),
    [
        ("count", [2**63 - 1, -5], pa.int64(), [2**63 - 1, -5]),
        ("count", [7, 8], pa.int8(), [7, 8]),
        ("force", [7, 8], pa.int32(), [7.0, 8.0]),
        ("force", [0.5, None], pa.float32(), [0.5, None]),
        ("open", [True, False], pa.bool_(), [1, 0]),
        ("program", ["a", None], pa.string(), ["a", None]),
        ("program", ["a", "b"], pa.large_string(), ["a", "b"]),
        ("mode", ["MANUAL", "AUTOMATIC"], pa.string(), ["MANUAL", "AUTOMATIC"]),
        ("wave", [[1.0, 2.0], []], pa.list_(pa.float64()), [[1.0, 2.0], []]),
        ("health", ["normal", "fault"], pa.string(), None),
    ],
)
def test_every_form_may_come_as_a_frame(world, name, value, type_, kept):
    receipt = told(world, batch([("press-1", name, START + i, v) for i, v in enumerate(value)], value_type=type_))
    assert (receipt.accepted, receipt.quarantined) == (2, 0), receipt.problems
    if kept is not None:
        assert world.values() == kept


@pytest.mark.parametrize(
    ("name", "value", "type_"),
    [
        ("count", [2**63], pa.uint64()),
        ("count", [1e19], pa.float64()),
        ("mode", ["x"], pa.string()),
        ("force", ["1"], pa.string()),
        ("program", [1.0], pa.float64()),
        ("program", ["x" * 70_000], pa.string()),
        ("force", [True], pa.bool_()),
        ("wave", [[math.inf]], pa.list_(pa.float64())),
        ("wave", [[1e9]], pa.list_(pa.float64())),
        ("wave", [[None]], pa.list_(pa.float64())),
    ],
)
def test_forms_that_do_not_fit_are_quarantined(world, name, value, type_):
    receipt = told(world, batch([("press-1", name, START, value[0])], value_type=type_))
    assert (receipt.accepted, receipt.quarantined) == (0, 1)


def test_series_may_be_named_by_number(world):
    entry = world.registry.directory.twin("press-2")
    series = series_of(entry.number, entry.properties["force"].number)
    frame = pa.record_batch(
        {
            "series": pa.array([series, series, 99 << 20 | 1, series]),
            "time": pa.array([START, START + 1, START, START + 10**15]).cast(MICROS),
            "value": [1.0, 2.0, 3.0, 4.0],
        }
    )
    receipt = told(world, frame)
    assert (receipt.accepted, receipt.quarantined) == (2, 2)
    assert [said[0:4] for said in world.readings()] == [
        ("press-2", "force", START, 1.0),
        ("press-2", "force", START + 1, 2.0),
    ]
    assert {one.twin for one in world.held()} == {"press-2", f"series {99 << 20 | 1}"}


def test_without_times_it_is_now_and_quality_comes_along(world):
    frame = pa.record_batch(
        {
            "twin": ["press-1"] * 3,
            "property": ["force"] * 3,
            "value": [1.0, 2.0, None],
            "quality": pa.array([0, 2, 0], pa.int8()),
        }
    )
    assert told(world, frame).accepted == 3
    assert [said[2:] for said in world.readings()] == [(START, 1.0, 0), (START, 2.0, 2), (START, None, 3)]


def test_a_strict_frame_is_taken_whole_or_not_at_all(world):
    before = world.intake.submit("plc", [message(1)])
    rows = [("press-1", "force", START, 1.0), ("press-1", "force", START, math.nan)]
    with pytest.raises(InvalidValue):
        told(world, batch(rows), strict=True)
    with pytest.raises(UnknownTwin):
        told(world, batch([*rows[:1], ("nobody", "force", START, 1.0)]), strict=True)
    after = world.intake.submit("plc", [message(2)])
    assert before.result(60).accepted == after.result(60).accepted == 1
    assert world.values() == [1.0, 2.0]
    assert told(world, batch(rows[:1]), strict=True).accepted == 1


@pytest.mark.parametrize(
    "frame",
    [
        pa.record_batch({"twin": ["a"], "value": [1.0]}),
        pa.record_batch({"twin": ["a"], "property": ["b"]}),
        pa.record_batch({"twin": pa.array([None], pa.string()), "property": ["b"], "value": [1.0]}),
        pa.record_batch({"twin": ["a"], "property": ["b"], "value": [1.0], "time": ["yesterday"]}),
        pa.record_batch({"twin": ["a"], "property": ["b"], "value": [1.0], "quality": [-1]}),
        pa.record_batch({"series": ["x"], "value": [1.0]}),
        pa.record_batch({"series": np.zeros(1_000_001, np.int64), "value": np.zeros(1_000_001)}),
    ],
)
def test_frames_of_another_shape_are_refused_at_once(world, frame):
    with pytest.raises(InvalidInput):
        world.intake.submit_frame("plc", frame)


def test_an_empty_frame_is_nothing(world):
    assert told(world, batch([])).accepted == 0


def test_frames_and_messages_keep_their_order(world):
    futures = []
    for i in range(0, 40, 2):
        futures.append(world.intake.submit("plc", [message(i)]))
        futures.append(world.intake.submit_frame("plc", batch([("press-1", "force", START + i + 1, float(i + 1))])))
    assert [future.result(60).accepted for future in futures] == [1] * 40
    assert world.values() == [float(i) for i in range(40)]
    assert world.tell(message(0, 2, 4), resumed=True).repeated == 3


def test_names_are_resolved_again_when_the_plant_changes(world):
    rows = [("press-9", "force", START, 1.0), ("press-1", "force", START, 2.0)]
    assert told(world, batch(rows)).accepted == 1

    world.change(lambda tx: world.registry.put_twin(tx, TwinSpec(id="press-9", types=("press",))))
    assert told(world, batch(rows)).accepted == 2


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["press-1", "press-2", "nobody"]),
        st.sampled_from(["force", "temperature", "temp", "count", "open", "program", "no_such"]),
        st.sampled_from([START, START + 5, START - 10**15, START + 10**12]),
        st.none() | st.sampled_from([0.0, 1.0, -1.5, 300.0, 2.0**60, math.nan, math.inf]),
    ),
    max_size=60,
)


@pytest.fixture(scope="module")
def two_worlds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("twoways")
    worlds = [World(folder / f"{name}.sqlite") for name in ("columns", "rows")]
    yield worlds
    for world in worlds:
        world.close()


def counted(receipt):
    """How many readings were refused for which reason."""
    found = Counter()
    for problem in receipt.problems:
        found[problem.code] += problem.count
    return found


@settings(deadline=None, max_examples=60)
@given(rows=ROWS, dictionary=st.booleans())
@example(rows=[("press-1", "open", START, value) for value in (0.0, 1.0, -1.5, None)], dictionary=False)
def test_a_frame_is_judged_as_its_rows_are(two_worlds, rows, dictionary):
    columns, one_by_one = two_worlds
    starts = [world.journal.head().position for world in two_worlds]
    receipt = told(columns, batch(rows, value_type=pa.float64(), dictionary=dictionary))
    said = [Reported(twin=twin, property=name, time=time, value=value) for twin, name, time, value in rows]
    wanted = one_by_one.tell(Message(readings=said))
    assert (receipt.accepted, receipt.quarantined) == (wanted.accepted, wanted.quarantined)
    assert counted(receipt) == counted(wanted)
    found = []
    for world, start in zip(two_worlds, starts, strict=True):
        by_series = {}
        for block in world.journal.blocks(start):
            for frame in block.frames.values():
                for row, value in enumerate(frame.value.to_pylist()):
                    by_series.setdefault(int(frame.series[row]), []).append(
                        (int(frame.time[row]), value, int(frame.quality[row]))
                    )
        found.append(by_series)
    assert found[0] == found[1]


def test_a_reading_may_be_told_by_an_earlier_name(world):
    world.one("temp", 5.0)
    assert told(world, batch([("press-1", "temp", START, 6.0)])).accepted == 1
    assert [said[1] for said in world.readings()] == ["temperature", "temperature"]


def test_a_frame_with_a_wrong_clock_is_one_line_for_thousands_and_can_be_mended(world):
    wrong = START + 40 * 365 * 86_400 * SECOND
    rows = [("press-1" if i % 2 else "press-2", "force", wrong + i, float(i)) for i in range(20_000)]
    receipt = told(world, batch(rows))
    assert (receipt.accepted, receipt.quarantined) == (0, 20_000)
    assert [(problem.code, problem.count) for problem in receipt.problems] == [("clock", 10_000)] * 2
    held = world.held(twin="press-1")
    assert (sum(one.count for one in held), len(held)) == (10_000, 2)
    assert held[0].form == "frame"
    assert len(held[0].payload) == 20
    again = world.intake.replay(rule=ReplayRule(shift_s=-40 * 365 * 86_400)).result(60)
    assert (again.accepted, again.quarantined) == (20_000, 0)
    assert sorted(said[2:4] for said in world.readings()) == [(START + i, float(i)) for i in range(20_000)]
    assert world.held() == []
    assert world.intake.replay([one.id for one in held]).result(60).accepted == 0


def test_what_a_fix_does_not_help_of_a_long_line_stays_held_as_it_came(world):
    rows = [("press-1", "temperature", START, 300.0 + i) for i in range(3_000)]
    assert told(world, batch(rows)).quarantined == 3_000
    wide = [p if p.name != "temperature" else replace(p, maximum=1_000.0) for p in PRESS.properties]
    world.change(lambda tx: world.registry.put_type(tx, replace(PRESS, properties=tuple(wide))))
    again = world.intake.replay().result(60)
    assert (again.accepted, again.quarantined) == (701, 2_299)
    left = world.held()
    assert sum(one.count for one in left) == 2_299
    assert {one.code for one in left} == {"range"}
    assert min(reading.value for one in left for reading in one.payload) == 1_001.0
    assert {one.received for one in left} == {START}


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [("force", "text", "kind"), ("program", 1.0, "kind"), ("count", 1.5, "kind"), ("force", math.inf, "not-finite")],
)
def test_long_runs_are_refused_for_the_reason_of_each_reading(world, name, value, code):
    receipt = told(world, batch([("press-1", name, START, value)] * 500))
    assert [(problem.code, problem.count) for problem in receipt.problems if problem.count > 1] in ([(code, 500)], [])
    assert counted(receipt)[code] in (500, 100)  # row by row the first hundred are told
    assert sum(one.count for one in world.held(code=code)) == 500


def test_thousands_of_refused_readings_of_messages_share_lines_too(world):
    bad = [Reported(twin="nobody", property="force", value=float(i), time=START + i) for i in range(5_000)]
    odd = Reported(twin="nobody", property="force", value=2**80, time=START)
    assert world.tell(Message(readings=[*bad, odd])).quarantined == 5_001
    held = world.held()
    assert sum(one.count for one in held) == 5_001
    assert len(held) < 30
    world.change(lambda tx: world.registry.put_twin(tx, TwinSpec(id="nobody", types=("press",))))
    again = world.intake.replay().result(60)
    assert again.accepted == 5_000
    assert world.values() == [float(i) for i in range(5_000)]
    assert [one.form for one in world.held()] == ["raw"]
