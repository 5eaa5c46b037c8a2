"""Time is passed in; moments are microseconds, and RFC 3339 at the edges."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemel.clock import MAX_TIME, MIN_TIME, SECOND, SteppedClock, WallClock, parse_time, to_rfc3339
from gemel.errors import InvalidTime


@given(st.integers(MIN_TIME, MAX_TIME - 1))
def test_a_moment_survives_being_written(moment):
    assert parse_time(to_rfc3339(moment)) == moment


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:59:59.5Z", -SECOND // 2),
        ("2017-03-20T08:34:14.784Z", 1_489_998_854_784_000),
        ("2017-03-20T08:34:14.7841239Z", 1_489_998_854_784_123),
    ],
)
def test_rfc_3339_is_read(text, micros):
    assert parse_time(text) == micros


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2017-03-20T08:34:14",
        "2017-13-01T00:00:00Z",
        "1899-12-31T23:59:59Z",
        "2262-01-01T00:00:00Z",
        "x" * 9999,
        None,
        5,
    ],
)
def test_other_texts_are_refused_shortly(text):
    with pytest.raises(InvalidTime) as refused:
        parse_time(text)
    assert len(str(refused.value)) < 200


def test_whole_seconds_have_no_fraction():
    assert to_rfc3339(0) == "1970-01-01T00:00:00Z"
    assert to_rfc3339(1_500_000) == "1970-01-01T00:00:01.5Z"


def test_a_stepped_clock_stands_still_until_it_is_stepped():
    clock = SteppedClock(0)
    assert clock.now() == clock.now() == 0
    assert clock.step(1.5) == 1_500_000
    clock.set(0)
    assert (clock.now(), clock.monotonic()) == (0, 1.5)


def test_steps_of_several_threads_all_count():
    clock = SteppedClock(0)
    threads = [threading.Thread(target=lambda: [clock.step(0.001) for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.now() == 2 * SECOND


def test_the_wall_clock_tells_microseconds():
    clock = WallClock()
    assert MIN_TIME < clock.now() < MAX_TIME
    assert clock.monotonic() <= clock.monotonic()
