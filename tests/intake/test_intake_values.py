"""What is accepted, in which form it is kept, and what goes to quarantine and why."""

import json
import math

import numpy as np
import pytest

from gemel.clock import SECOND
from gemel.errors import (
    GemelError,
    InvalidId,
    InvalidTime,
    InvalidUnit,
    InvalidValue,
    NotFound,
    UnknownProperty,
    UnknownTwin,
)
from gemel.intake import Happened, Message, SourceRule
from gemel.twin import Kind, PropertyType, Quality
from tests.intake.plant import PRESS, START, reading

YEAR = 366 * 86_400 * SECOND


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("temperature", 20, 20.0),
        ("temperature", -40.0, -40.0),
        ("temp", 21.5, 21.5),
        ("force", 1.7e308, 1.7e308),
        ("force", np.float32(0.5), 0.5),
        ("count", 2**63 - 1, 2**63 - 1),
        ("count", -(2**63), -(2**63)),
        ("count", 3.0, 3),
        ("open", True, 1),
        ("open", 0, 0),
        ("program", "läuft", "läuft"),
        ("program", "", ""),
        ("program", "x" * 65_536, "x" * 65_536),
        ("mode", "MANUAL", "MANUAL"),
        ("wave", [1, 2.5], [1.0, 2.5]),
        ("wave", [], []),
        ("recipe", {"b": [1, None], "a": {}}, '{"a":{},"b":[1,null]}'),
    ],
)
def test_values_that_fit_are_kept_in_one_form(world, name, value, kept):
    receipt = world.one(name, value)
    assert (receipt.accepted, receipt.quarantined) == (1, 0)
    assert world.values() == [kept]
    assert type(world.values()[0]) is type(kept)


DEEP = 1
for _ in range(100):
    DEEP = [DEEP]
DEEPER = {"a": 1}
for _ in range(100_000):
    DEEPER = {"a": DEEPER}


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("temperature", 200.1, "range"),
        ("temperature", -40.1, "range"),
        ("temperature", "20", "kind"),
        ("temperature", True, "kind"),
        ("temperature", math.nan, "not-finite"),
        ("force", math.inf, "not-finite"),
        ("force", -math.inf, "not-finite"),
        ("force", 10**400, "range"),
        ("force", [1.0], "kind"),
        ("count", 2**63, "range"),
        ("count", -(2**63) - 1, "range"),
        ("count", 3.5, "kind"),
        ("count", True, "kind"),
        ("count", 1e300, "kind"),
        ("open", 2, "kind"),
        ("open", "true", "kind"),
        ("program", 5, "kind"),
        ("program", "x" * 65_537, "too-long"),
        ("program", "ä" * 40_000, "too-long"),
        ("program", "\ud800", "encoding"),
        ("program", b"\xff\xfe", "kind"),
        ("mode", "SOMETHING", "enumeration"),
        ("wave", [1.0, math.nan], "not-finite"),
        ("wave", [1.0, 1001.0], "range"),
        ("wave", [1.0, "2"], "kind"),
        ("wave", [[1.0], [2.0]], "kind"),
        ("wave", "1,2", "kind"),
        ("wave", np.zeros(1_000_001), "too-long"),
        ("recipe", {"a": DEEP}, "too-deep"),
        ("recipe", DEEPER, "too-deep"),
        ("recipe", {"a": math.nan}, "not-finite"),
        ("recipe", {"a": "x" * 70_000}, "too-long"),
        ("recipe", list(range(70_000)), "too-long"),
        ("recipe", {"a": "\udfff"}, "encoding"),
        ("recipe", 5, "kind"),
        ("health", "terrible", "kind"),
        ("health", {"code": "E1"}, "kind"),
        ("health", 3, "kind"),
        ("no_such", 1.0, "unknown-property"),
        ("../../etc/passwd", 1.0, "unknown-property"),
        ("x" * 1_000_000, 1.0, "unknown-property"),
        (5, 1.0, "unknown-property"),
    ],
)
def test_values_that_do_not_fit_go_to_quarantine_with_the_reason(world, name, value, code):
    receipt = world.tell(Message(readings=[reading(value=1.0), reading(name, value), reading(value=2.0)]))
    assert (receipt.accepted, receipt.quarantined) == (2, 1)
    assert [problem.code for problem in receipt.problems] == [code]
    held = world.held()
    assert [one.code for one in held] == [code]
    assert held[0].detail == receipt.problems[0].detail
    assert len(held[0].detail) < 600
    assert world.values() == [1.0, 2.0]


def test_a_cycle_of_objects_is_refused(world):
    cycle = {}
    cycle["a"] = cycle["b"] = cycle
    assert world.one("recipe", cycle).problems[0].code in ("too-deep", "too-long")


@pytest.mark.parametrize("source", ["", "x" * 129, "a\x00", "\ud800", None, 5])
def test_a_source_without_a_proper_name_is_refused(world, source):
    with pytest.raises(InvalidId):
        world.intake.submit(source, [])
    with pytest.raises(InvalidId):
        world.intake.lost(source, "gone")


@pytest.mark.parametrize(
    "bad",
    [
        Message(readings=[reading()], id=5),
        Message(readings=[reading()], id="x" * 70_000),
        Message(readings=[reading()], sequence=1, epoch=5),
        Message(events=[Happened(twin="press-1", event="overheated", id="\ud800")]),
        Message(events=[Happened(twin="press-1", event="overheated", id=7)]),
        Message(events=[Happened(twin="press-1", event="overheated")], id="\ud800"),
    ],
)
def test_ids_that_are_none_are_quarantined(world, bad):
    told = [
        world.intake.submit("plc", [one]) for one in (Message(readings=[reading()]), bad, Message(readings=[reading()]))
    ]
    assert [future.result(60).accepted for future in told] == [1, 0, 1]
    assert len(world.held()) == 1


def test_what_is_no_message_is_its_callers_error(world):
    first = world.intake.submit("plc", [Message(readings=[reading()])])
    with pytest.raises(AttributeError):
        world.intake.submit("plc", [object()]).result(60)
    assert first.result(60).accepted == 1
    assert world.one("force", 1.0).accepted == 1


@pytest.mark.parametrize("twin", ["nobody", "../press-1", "", "press-1\x00", "x" * 100_000, None, 7, "\ud800"])
def test_an_unknown_twin_is_quarantined(world, twin):
    receipt = world.tell(Message(readings=[reading(twin=twin)]))
    assert [problem.code for problem in receipt.problems] == ["unknown-twin"]
    assert world.held()[0].code == "unknown-twin"


def test_null_means_unavailable_and_has_no_value(world):
    world.one("force", None)
    world.one("force", 5.0, quality=Quality.UNAVAILABLE)
    world.one("program", None)
    world.one("force", 7.0, quality=Quality.UNCERTAIN)
    assert [(said[3], said[4]) for said in world.readings()] == [(None, 3), (None, 3), (None, 3), (7.0, 1)]


def test_units_are_converted_and_foreign_ones_refused(world):
    world.one("temperature", 212.0, unit="[degF]")
    world.one("temperature", 300, unit="K")
    assert world.values() == pytest.approx([100.0, 26.85])
    assert world.one("temperature", 1.0, unit="bar").problems[0].code == "unit"
    assert world.one("temperature", 1.0, unit="nonsense!").problems[0].code == "unit"
    assert world.one("force", 1.0, unit="N").problems[0].code == "unit"
    assert world.one("temperature", 1000.0, unit="K").problems[0].code == "range"


def test_conditions_are_kept_as_one_update(world):
    world.one("health", "Fault")
    world.one("health", {"level": "warning", "code": 1030, "severity": "HIGH", "qualifier": None, "text": "Öl niedrig"})
    world.one("health", "unavailable")
    world.one("health", None)
    kept = [json.loads(value) if value else None for value in world.values()]
    nothing = {"code": "", "severity": "", "qualifier": "", "text": ""}
    assert kept == [
        {"level": "fault", **nothing},
        {"level": "warning", "code": "1030", "severity": "HIGH", "qualifier": "", "text": "Öl niedrig"},
        {"level": "unavailable", **nothing},
        None,
    ]
    assert [said[4] for said in world.readings()] == [0, 0, 3, 3]


@pytest.mark.parametrize("time", [0, START - 10 * YEAR - 1, START + 3_601 * SECOND, START + 10 * YEAR, -1, 2**70])
def test_a_clock_that_is_far_off_is_quarantined(world, time):
    receipt = world.one("force", 1.0, time=time)
    assert [problem.code for problem in receipt.problems] == ["clock"]


@pytest.mark.parametrize("time", ["2017-03-20T08:34:14Z", 1.5, True, float("nan")])
def test_a_time_that_is_none_is_quarantined(world, time):
    receipt = world.tell(Message(readings=[reading(time=time), reading(value=2.0)]))
    assert [problem.code for problem in receipt.problems] == ["malformed"]
    assert world.values() == [2.0]


def test_late_and_unordered_times_are_kept_in_order_of_arrival(world):
    times = [START, START - 86_400 * SECOND, START + 3_600 * SECOND, START - 9 * YEAR]
    world.tell(Message(readings=[reading(value=float(i), time=time) for i, time in enumerate(times)]))
    assert [said[2] for said in world.readings()] == times


def test_a_source_may_have_a_rule_of_its_own(world):
    world.intake.believe("plc", SourceRule(future_s=1e9, past_s=10))
    assert world.one("force", 1.0, time=START + 10**14).accepted == 1
    assert world.one("force", 1.0, time=START - 11 * SECOND).quarantined == 1
    assert world.one("force", 1.0, time=START - 11 * SECOND, source="other").accepted == 1


def test_without_a_time_it_is_now(world):
    world.clock.step(5)
    world.one("force", 1.0)
    assert world.readings()[0][2] == START + 5 * SECOND


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ({"twin": "nobody"}, UnknownTwin),
        ({"name": "nothing"}, UnknownProperty),
        ({"name": "temperature", "value": 900.0}, InvalidValue),
        ({"name": "temperature", "unit": "bar"}, InvalidUnit),
        ({"time": 1}, InvalidTime),
    ],
)
def test_strict_refuses_all_of_it_with_an_error(world, bad, error):
    with pytest.raises(error) as told:
        world.tell(Message(readings=[reading(value=5.0), reading(**bad)], id="m-1"), strict=True)
    assert isinstance(told.value, GemelError)
    assert told.value.extra["reason"]
    assert world.values() == []
    assert world.held() == []
    assert (
        world.tell(Message(readings=[reading(value=5.0)], id="m-1"), strict=True).accepted == 1
    )  # the id is free still


def test_strict_leaves_a_watermark_where_it_was(world):
    with pytest.raises(InvalidValue):
        world.tell(Message(readings=[reading(value="x")], sequence=4), strict=True)
    assert world.tell(Message(readings=[reading(value=1.0)], sequence=4), strict=True).accepted == 1


def test_events_are_journaled_with_their_type(world):
    event = Happened(twin="press-1", event="overheated", time=START, fields={"peak": 240.0, "note": "x"}, id="e-1")
    world.tell(Message(events=[event]), actor="p-17")
    (change,) = world.changes("event.happened")
    assert (change.subject, change.time, change.source, change.id, change.actor) == (
        "press-1",
        START,
        "plc",
        "e-1",
        "p-17",
    )
    assert change.body == {"event": "overheated", "severity": "warning", "fields": {"peak": 240.0, "note": "x"}}


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ({"event": "exploded"}, "unknown-event"),
        ({"twin": "nobody"}, "unknown-twin"),
        ({"fields": {"peak": 501.0}}, "range"),
        ({"fields": {"peak": math.nan}}, "not-finite"),
        ({"fields": {"x": DEEP}}, "too-deep"),
        ({"fields": 5}, "kind"),
        ({"time": START + 10 * YEAR}, "clock"),
    ],
)
def test_bad_events_are_quarantined(world, bad, code):
    receipt = world.tell(Message(events=[Happened(**{"twin": "press-1", "event": "overheated", **bad})]))
    assert [problem.code for problem in receipt.problems] == [code]
    with pytest.raises(GemelError):
        world.tell(Message(events=[Happened(**{"twin": "press-1", "event": "overheated", **bad})]), strict=True)


def test_a_strict_unknown_event_is_not_found(world):
    with pytest.raises(NotFound):
        world.tell(Message(events=[Happened(twin="press-1", event="exploded")]), strict=True)


def test_a_retyped_property_begins_a_new_series_at_once(world):
    world.one("force", 1.0)
    changed = [p if p.name != "force" else PropertyType(name="force", kind=Kind.TEXT) for p in PRESS.properties]
    evolved = type(PRESS)(id="press", properties=tuple(changed), events=PRESS.events)
    world.change(lambda tx: world.registry.put_type(tx, evolved))
    assert world.one("force", 2.0).quarantined == 1
    assert world.one("force", "strong").accepted == 1


def test_bytes_that_nobody_understands_are_kept(world):
    receipt = world.intake.reject("mqtt", b"\xff\x00{not json", "not JSON: byte 0").result(60)
    assert receipt.quarantined == 1
    (held,) = world.held(source="mqtt")
    assert (held.form, held.payload, held.code, held.size) == ("raw", b"\xff\x00{not json", "malformed", 11)


def test_poison_never_stops_the_stream(world):
    class Hostile:
        def __getattr__(self, name):
            raise RuntimeError("no")

    receipts = [
        world.intake.submit("plc", [Message(readings=[reading(value=float(i)), reading(value=Hostile())])])
        for i in range(50)
    ]
    for receipt in receipts:
        assert (receipt.result(60).accepted, receipt.result().quarantined) == (1, 1)
    with pytest.raises(RuntimeError):
        world.tell(Message(readings=[Hostile(), reading(value=50.0)]))
    assert world.one("force", 51.0).accepted == 1
    assert world.values() == [*(float(i) for i in range(50)), 51.0]
    assert {held.form for held in world.held()} == {"raw"}
