"""G9: the source's time and ours are both kept, what cannot be believed is seen, and order is never a clock's.

Simulated clocks: an hour and ten years off in both directions, daylight saving, a leap second, devices that wake up in
1970, and our own clock stepping back.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import strategies as st

from gemel.clock import SECOND, SteppedClock, parse_time
from gemel.connectors.times import time_reader
from gemel.intake import Message, ReplayRule
from gemel.platform import Platform
from gemel.server import Server
from tests.guarantees.ledger import drawn, tell
from tests.guarantees.line import PLANT, ask
from tests.intake.plant import START, World, message, reading

HOUR = 3_600 * SECOND
YEAR = 365 * 86_400 * SECOND


@pytest.mark.parametrize("examples", [80, pytest.param(2_000, marks=pytest.mark.soak)])
def test_a_time_is_kept_as_it_was_told_or_refused_and_never_altered(world: World, examples: int) -> None:
    sums: Counter[str] = Counter()
    units = st.sampled_from([SECOND, 60 * SECOND, HOUR, 24 * HOUR, YEAR])
    offsets = st.builds(lambda unit, count, rest: unit * count + rest, units, st.integers(-12, 12), st.integers(-2, 2))
    drawn(lambda offset: sums.update([told_so_far_off(world, offset)]), examples, offset=offsets)
    tell("G9", "times that are off", ok=sums.total(), **sums)


def told_so_far_off(world: World, offset: int) -> str:
    before, now = len(world.readings()), world.clock.now()
    receipt = world.one("force", 1.0, time=now + offset)
    believed = -10 * YEAR <= offset <= HOUR
    assert (receipt.accepted, receipt.quarantined) == (int(believed), int(not believed))
    assert [said[2] for said in world.readings()[before:]] == [now + offset] * believed
    if not believed:
        (held,) = world.held(limit=1)
        assert (held.code, held.payload.time, held.received) == ("clock", now + offset, now)
    return "kept" if believed else "held"


@pytest.mark.parametrize("told", [0, 86_400 * SECOND, START + 10 * YEAR, START - 11 * YEAR, START + 2 * HOUR])
def test_a_clock_that_is_far_off_is_mended_by_a_rule_and_its_order_kept(world: World, told: int) -> None:
    for second in range(3):
        assert world.one("force", float(second), time=told + second * SECOND).quarantined == 1
    rule = ReplayRule(shift_s=(START - told) // SECOND)
    assert world.intake.replay(rule=rule).result(60).accepted == 3
    assert [said[2:4] for said in world.readings()] == [(START + s * SECOND, float(s)) for s in range(3)]


def test_a_device_that_wakes_up_in_1970_does_not_hide_what_it_said_before(tmp_path: Path) -> None:
    clock = SteppedClock(START)
    with Platform.open(tmp_path, clock=clock) as platform:
        platform.apply(PLANT)
        platform.write("line-1", "count", 7, time=START - SECOND)
        told = Message(readings=[reading("count", 8, twin="line-1", time=3 * SECOND)])
        assert platform.ingest([told]).quarantined == 1
        (held,) = platform.quarantined().items
        assert (held.code, held.payload.time) == ("clock", 3 * SECOND)
        assert "1970-01-01T00:00:03Z" in held.detail
        assert platform.now("line-1")["count"].value == 7


def test_both_times_are_told_of_every_reading(tmp_path: Path) -> None:
    clock = SteppedClock(START)
    with Platform.open(tmp_path, clock=clock) as platform:
        platform.apply(PLANT)
        for hours in (-1, 1):
            platform.write("line-1", "count", hours, time=START + hours * HOUR)
            now, then = platform.now("line-1")["count"], platform.at("line-1", START + hours * HOUR)["count"]
            for one in (now, then):
                assert (one.time, one.recorded, one.value) == (START + hours * HOUR, START, hours)


def test_the_hour_that_comes_twice_is_two_hours(tmp_path: Path) -> None:
    """Berlin, 25 October 2026: half past two comes twice; told with offsets they are an hour apart."""
    clock = SteppedClock(parse_time("2026-10-25T12:00:00Z"))
    with Platform.open(tmp_path, clock=clock) as platform, Server(platform, port=0, demo=True) as server:
        platform.apply(PLANT)
        times = ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"]
        readings = [{"twin": "line-1", "property": "count", "value": n, "time": t} for n, t in enumerate(times)]
        body = json.dumps({"messages": [{"readings": readings}]}).encode()
        assert ask(server, "POST", "/ingest", body, **{"Content-Type": "application/json"})[0] == 200
        assert platform.at("line-1", "2026-10-25T00:59:00Z")["count"].value == 0
        assert platform.at("line-1", "2026-10-25T01:30:00Z")["count"].value == 1
        whole = platform.average("line-1", "count", times[0], "2026-10-25T02:30:00Z")
        assert (whole.value, whole.covered_s) == (0.5, 7200)


@pytest.mark.parametrize(
    ("local", "true"),
    [
        ("2026-03-29T01:59:59", "2026-03-29T00:59:59Z"),  # the last second of winter
        ("2026-03-29T03:00:00", "2026-03-29T01:00:00Z"),  # the first of summer
        ("2026-10-25T03:00:00", "2026-10-25T02:00:00Z"),
    ],
)
def test_local_time_told_as_utc_is_read_again_in_its_zone(tmp_path: Path, local: str, true: str) -> None:
    world = World(tmp_path / "a.sqlite", clock=SteppedClock(parse_time(true) - 2 * 86_400 * SECOND))
    assert world.one("force", 1.0, time=parse_time(local + "Z")).quarantined == 1
    world.clock.set(parse_time(true))
    assert world.intake.replay(rule=ReplayRule(time_zone="Europe/Berlin")).result(60).accepted == 1
    assert world.readings()[0][2] == parse_time(true)
    world.close()


def test_a_leap_second_is_taken_and_keeps_its_place(tmp_path: Path) -> None:
    texts = ["2016-12-31T23:59:59Z", "2016-12-31T23:59:60Z", "2016-12-31T23:59:60.7Z", "2017-01-01T00:00:00Z"]
    times = [parse_time(text) for text in texts]
    assert times == sorted(times)
    assert times[0] < times[1] < times[3]
    assert [time_reader("rfc3339")(text) for text in texts] == times
    clock = SteppedClock(parse_time("2017-01-01T00:00:01Z"))
    with Platform.open(tmp_path, clock=clock) as platform, Server(platform, port=0, demo=True) as server:
        platform.apply(PLANT)
        for number, text in enumerate(texts):
            one = {"twin": "line-1", "property": "count", "value": number, "time": text}
            note = {"twin": "line-1", "property": "note", "value": '"time":"12:59:60Z"'}
            body = json.dumps({"messages": [{"readings": [one, note]}]}).encode()
            status, answer = ask(server, "POST", "/ingest", body, **{"Content-Type": "application/json"})
            assert (status, answer.get("accepted")) == (200, 2), answer
        assert platform.now("line-1")["count"].value == 3
        assert platform.now("line-1")["note"].value == '"time":"12:59:60Z"'
        assert platform.range("line-1", "count", texts[0], "2017-01-01T00:00:02Z").columns["value"].tolist() == [
            0,
            1,
            2,
            3,
        ]


@pytest.mark.parametrize("back_s", [0.5, 30.0, 3_600.0, 10 * 365 * 86_400.0])
def test_our_own_clock_steps_back_and_order_stays(tmp_path: Path, back_s: float) -> None:
    clock = SteppedClock(START)
    positions, recorded = [], []
    for round_ in range(2):  # also over a restart
        with Platform.open(tmp_path, clock=clock) as platform:
            if not round_:
                platform.apply(PLANT)
            for value in range(3):
                positions.append(platform.write("line-1", "count", value, time=clock.now() - 60 * SECOND + value))
                recorded.append(platform.journal.head().recorded)
            clock.set(clock.now() - round(back_s * SECOND))
            positions.append(platform.write("line-1", "count", 3, time=clock.now() - 60 * SECOND))
            recorded.append(platform.journal.head().recorded)
            assert platform.journal.verify().ok
            events = [change for block in platform.journal.blocks() for change in block.changes]
            stepped = [change for change in events if change.kind == "clock.stepped_back"]
            assert bool(stepped) == (back_s > 60)
    assert positions == sorted(positions)
    tell("G9", f"our clock steps back by {back_s:,} s", ok=len(positions))
    if back_s <= 60:
        assert recorded == sorted(recorded)  # it stood still until the time was right again
    else:
        assert recorded[3] == START - round(back_s * SECOND)  # honest: it says what our clock said


def test_a_source_without_a_clock_goes_on_while_ours_is_set_back_a_little(tmp_path: Path) -> None:
    clock = SteppedClock(START)
    with Platform.open(tmp_path, clock=clock) as platform:
        platform.apply(PLANT)
        platform.write("line-1", "count", 1)
        clock.set(START - 20 * SECOND)
        platform.write("line-1", "count", 2)
        assert platform.now("line-1")["count"].value == 2
        clock.set(START + SECOND)
        platform.write("line-1", "count", 3)
        assert platform.now("line-1")["count"].value == 3


def test_order_within_equal_times_is_that_of_positions(world: World) -> None:
    for value in (3, 1, 2):
        world.tell(Message(readings=[reading(value=float(value), time=START)]))
        world.clock.set(world.clock.now() - 30 * SECOND)
    assert world.values() == [3.0, 1.0, 2.0]
    assert world.tell(message(9)).accepted == 1
