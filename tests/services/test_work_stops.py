"""Stops as machines tell them: each is found once and as a whole, whenever and over whatever time it is asked for."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemel.clock import SECOND, SteppedClock, parse_time
from gemel.configuration import Span
from gemel.errors import Denied
from gemel.intake import Message, Reported
from gemel.platform import Platform
from gemel.services.work import Candidate, Stop, StopQuery
from gemel.services.work.found import Standing
from gemel.services.work.stop import STANDING
from gemel.twin import Kind

HOUR = 3600 * SECOND
DAY = 24 * HOUR
NOW = parse_time("2026-06-10T09:00:00Z")


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    clock = SteppedClock(NOW)
    with Platform.open(tmp_path_factory.mktemp("stops") / "plant", clock=clock, run_connectors=False) as platform:
        platform.apply(
            "gemel: 1\ntypes: [{id: press, properties: "
            "[{name: execution, kind: enumeration, values: [ACTIVE, INTERRUPTED, ALARM]}]}]\n"
            "twins: [{id: long, types: [press]}, {id: night, types: [press]}, {id: twice, types: [press]}]"
        )
        yield platform


def tells(plant: Platform, twin: str, *said: tuple[int, str]) -> None:
    told = [Reported(twin=twin, property="execution", value=value, time=time) for time, value in said]
    plant.ingest([Message(readings=told)])


def found(plant: Platform, twin: str, start: int, end: int) -> list[Candidate]:
    past = plant.past()

    def tell(name: str, begin: int, until: int) -> Sequence[tuple[int, int, Any]]:
        columns = past.range(twin, name, begin, until).columns
        return list(zip(columns["start"].tolist(), columns["end"].tolist(), columns["value"], strict=True))

    return plant.work.stops.find(twin, start, end, tell=tell)


def noted(plant: Platform, twin: str) -> list[Stop]:
    return list(plant.work.stops.each(StopQuery(twin=twin)))


def test_a_stop_that_began_before_the_time_is_noted_once_from_its_true_start(plant: Platform) -> None:
    tells(plant, "long", (NOW - 9 * DAY, "ACTIVE"), (NOW - 3 * DAY, "INTERRUPTED"))
    for hours in (0, 1, 7):
        for one in found(plant, "long", NOW - DAY - hours * HOUR, NOW):
            plant.work.stops.adopt(one)
    (stop,) = noted(plant, "long")
    assert (stop.start, stop.end) == (NOW - 3 * DAY, None)
    (told,) = found(plant, "long", NOW - DAY, NOW)
    assert (told.known, told.key) == (stop.id, ""), "nothing of it is new"


def test_a_stop_that_ran_over_the_end_of_the_time_ends_when_the_machine_ran_again(plant: Platform) -> None:
    midnight = NOW - 9 * HOUR
    tells(plant, "night", (midnight - 5 * HOUR, "ACTIVE"), (midnight - HOUR, "ALARM"), (midnight + 2 * HOUR, "ACTIVE"))
    (yesterday,) = found(plant, "night", midnight - DAY, midnight)
    assert (yesterday.start, yesterday.end) == (midnight - HOUR, midnight + 2 * HOUR)
    stop = plant.work.stops.adopt(yesterday)
    (today,) = found(plant, "night", midnight, NOW)
    assert (today.known, plant.work.stops.adopt(today)) == (stop.id, stop)


def test_a_stop_that_was_noted_open_is_closed_though_it_ended_before_the_time(plant: Platform) -> None:
    start = NOW - HOUR
    tells(plant, "twice", (start - HOUR, "ACTIVE"), (start, "ALARM"))
    (standing,) = found(plant, "twice", NOW - DAY, NOW)
    stop = plant.work.stops.adopt(standing)
    assert stop.end is None
    plant.clock.step(3 * 86_400)
    later = plant.clock.now()
    tells(plant, "twice", (NOW + HOUR, "ACTIVE"), (later - 2 * HOUR, "ALARM"), (later - HOUR, "ACTIVE"))
    first, second = found(plant, "twice", later - DAY, later)
    assert (first.known, first.key, first.end) == (stop.id, stop.key, NOW + HOUR)
    assert (second.known, second.start, second.end) == ("", later - 2 * HOUR, later - HOUR)
    for one in (first, second):
        plant.work.stops.adopt(one)
    assert [(one.start, one.end) for one in reversed(noted(plant, "twice"))] == [
        (start, NOW + HOUR),
        (later - 2 * HOUR, later - HOUR),
    ]
    (only,) = found(plant, "twice", later - DAY, later)
    assert (bool(only.known), only.key) == (True, "")


def test_it_looks_no_further_back_than_who_asks_may_see() -> None:
    def tell(_: str, start: int, end: int) -> list[tuple[int, int, str]]:
        if end <= NOW - 2 * DAY:
            raise Denied("of the past, only what is after that is granted")
        return [(max(start, NOW - 2 * DAY), end, "ALARM")]

    standing = Standing({"state": Kind.ENUMERATION}, tell, NOW, values=STANDING, at_least_s=0)
    assert standing.during(NOW - HOUR, NOW) == [(Span(NOW - 2 * DAY, NOW), ("state=ALARM",))]


HOURS = st.integers(1, 2000)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(HOURS, HOURS), min_size=1, max_size=6), st.integers(0, 9000), st.integers(1, 500))
def test_what_is_found_is_whole_wherever_it_is_looked_for(runs: list[tuple[int, int]], from_: int, lasts: int) -> None:
    """Of runs (hours that it ran, then stood) each that meets the time is told from its start to its end."""
    stood, moment = [], 0
    for ran, still in runs:
        stood.append(Span((moment + ran) * HOUR, (moment + ran + still) * HOUR))
        moment += ran + still
    now = (moment + 1) * HOUR

    def tell(_: str, start: int, end: int) -> list[tuple[int, int, str]]:
        met = [one.meets(Span(start, end)) for one in stood]
        return [(one.start, one.end, "ALARM") for one in met if one is not None]

    asked = Span(min(from_, moment) * HOUR, min(from_ + lasts, moment + 1) * HOUR)
    standing = Standing({"state": Kind.ENUMERATION}, tell, now, values=STANDING, at_least_s=0)
    assert [span for span, _ in standing.during(asked.start, asked.end)] == [
        one for one in stood if one.meets(asked) is not None
    ]
