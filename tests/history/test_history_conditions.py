"""Conditions of the past: what came and went, what was active at an instant, and from when to when."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemel.clock import SECOND
from gemel.history import EventQuery, History
from gemel.state.condition import Conditions
from gemel.twin import Change, Kind, PropertyType, Quality
from tests.history.world import HOUR, T0, Cast, World

UPDATES = st.tuples(
    st.sampled_from(["mill-1", "mill-2"]),
    st.integers(0, 40),
    st.sampled_from(["normal", "warning", "fault", "unavailable"]),
    st.sampled_from(["", "717", "E2"]),
)


def told(level: str, code: str = "", text: str = "") -> str:
    """As the intake writes it."""
    update = {"code": code, "level": level, "qualifier": "", "severity": "", "text": text}
    return json.dumps(update, separators=(",", ":"), sort_keys=True)


def row(twin: str, second: int, level: str, code: str = "", text: str = "") -> tuple[str, str, int, str]:
    return twin, "system", T0 + second * SECOND, told(level, code, text)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    properties = [PropertyType(name="system", kind=Kind.CONDITION), PropertyType(name="load")]
    world = World(tmp_path, Cast(properties, ["mill-1", "mill-2", "mill-3"]))
    yield world
    world.close()


def listed(history: History, **query: object) -> list[tuple[str, int, list[str], list[str]]]:
    """(twin, second, raised, cleared), all pages."""
    found, cursor = [], ""
    while True:
        page = history.events(EventQuery(kinds=("condition.",), cursor=cursor, **query))  # type: ignore[arg-type]
        for fact in page.items:
            body = fact.change.body
            raised, cleared = ([entry["code"] for entry in body[name]] for name in ("raised", "cleared"))
            found.append((fact.change.subject, (fact.change.time - T0) // SECOND, raised, cleared))
        if page.next is None:
            return found
        cursor = page.next


def test_codes_that_come_and_go_are_told_with_level_code_and_text(world: World) -> None:
    world.put([row("mill-1", 0, "normal"), row("mill-1", 1, "normal")])
    world.put(
        [row("mill-1", 5, "warning", "717", "SHAPE EXCEEDS"), row("mill-1", 6, "warning", "717", "SHAPE EXCEEDS")]
    )
    world.put([row("mill-1", 7, "fault", "717", "SHAPE EXCEEDS"), row("mill-1", 8, "warning", "E2")])
    world.history.flush()
    position = world.put([row("mill-1", 9, "normal", "717"), row("mill-1", 10, "normal")])
    assert world.history.wait(position)
    assert listed(world.history) == [
        ("mill-1", 10, [], ["E2"]),
        ("mill-1", 9, [], ["717"]),
        ("mill-1", 8, ["E2"], []),
        ("mill-1", 7, ["717"], []),
        ("mill-1", 5, ["717"], []),
    ]
    fault = world.history.events(EventQuery(twins=("mill-1",), start=T0 + 7 * SECOND, limit=4)).items[-1].change
    assert fault.kind == "condition.changed"
    assert fault.body["property"] == "system"
    assert {"level": "fault", "code": "717", "text": "SHAPE EXCEEDS"}.items() <= fault.body["raised"][0].items()


def test_conditions_and_events_come_in_one_order(world: World) -> None:
    changes = [Change(kind="event.happened", subject="mill-1", time=T0 + n * SECOND, body={"n": n}) for n in (2, 4, 6)]
    position = world.put([row("mill-1", 3, "fault", "1"), row("mill-2", 5, "fault", "2")], changes)
    assert world.history.wait(position)
    for newest_first, limit in itertools.product((True, False), (1, 2, 10)):
        seen, cursor = [], ""
        while cursor is not None:
            page = world.history.events(EventQuery(newest_first=newest_first, limit=limit, cursor=cursor))
            assert len(page.items) <= limit
            seen += [(fact.change.time - T0) // SECOND for fact in page.items]
            cursor = page.next
        assert seen == ([6, 5, 4, 3, 2] if newest_first else [2, 3, 4, 5, 6])
    assert listed(world.history, twins=("mill-2",)) == [("mill-2", 5, ["2"], [])]


@settings(max_examples=15, deadline=None)
@given(updates=st.lists(UPDATES, min_size=1, max_size=30), stored=st.integers(0, 30), limit=st.integers(1, 5))
def test_pages_tell_what_folding_every_update_tells(
    tmp_path_factory: pytest.TempPathFactory, updates: list[tuple[str, int, str, str]], stored: int, limit: int
) -> None:
    properties = [PropertyType(name="system", kind=Kind.CONDITION)]
    world = World(tmp_path_factory.mktemp("world"), Cast(properties, ["mill-1", "mill-2"]))
    try:
        position = 0
        for number, update in enumerate(updates):
            if number == stored:
                world.history.flush()
            position = world.put([row(*update)])
        assert world.history.wait(position)
        expected: list[tuple[str, int, list[str], list[str]]] = []
        states = {"mill-1": Conditions(), "mill-2": Conditions()}
        for place, (twin, second, level, code) in sorted(enumerate(updates), key=lambda one: (one[1][1], one[0])):
            was = {e["code"]: e["level"] for e in states[twin].active() or ()}
            states[twin] = states[twin].with_update(told(level, code), T0 + second * SECOND, place + 1)
            now = {e["code"]: e["level"] for e in states[twin].active() or ()}
            raised = [e["code"] for e in states[twin].active() or () if was.get(e["code"]) != e["level"]]
            cleared = [name for name in was if name not in now]
            if raised or cleared:
                expected.append((twin, second, raised, cleared))
        assert listed(world.history, newest_first=False, limit=limit) == expected
        assert listed(world.history, limit=limit) == expected[::-1]
        for twin, state in states.items():
            reading = world.history.twin(twin, T0 + 100 * SECOND).get("system")
            assert (None if reading is None else reading.value) == (state.active() if reading else None)
    finally:
        world.close()


def test_an_instant_tells_the_whole_list_however_old_its_entries_are(world: World) -> None:
    day = 24 * 3600
    world.put(
        [row("mill-1", 0, "normal"), row("mill-1", 10, "fault", "717", "SHAPE"), row("mill-1", 20, "warning", "E2")]
    )
    world.put([row("mill-1", 90 * day, "warning", "E3"), row("mill-1", 91 * day, "normal", "E3")])
    world.history.flush()
    held = world.history.twin("mill-1", T0 + 100 * day * SECOND)["system"]
    assert [(e["level"], e["code"], e["since"]) for e in held.value] == [
        ("fault", "717", T0 + 10 * SECOND),
        ("warning", "E2", T0 + 20 * SECOND),
    ]
    assert world.history.twin("mill-1", T0 + 5 * SECOND)["system"].value == []
    position = world.put([("mill-1", "system", T0 + 101 * day * SECOND, None, Quality.UNAVAILABLE)])
    assert world.history.wait(position)
    gone = world.history.twin("mill-1", T0 + 102 * day * SECOND)["system"]
    assert (gone.value, gone.quality) == (None, Quality.UNAVAILABLE)


def test_a_range_of_a_condition_tells_the_lists_from_when_to_when(world: World) -> None:
    world.put(
        [row("mill-1", 0, "warning", "E2"), row("mill-1", 100, "fault", "717"), row("mill-1", 200, "normal", "E2")]
    )
    world.put([row("mill-1", 300, "normal")])
    world.history.flush()
    found = world.history.range("mill-1", "system", T0 + 50 * SECOND, T0 + 400 * SECOND)
    spans = zip(found.columns["start"].tolist(), found.columns["value"], strict=True)
    assert [((start - T0) // SECOND, [entry["code"] for entry in value]) for start, value in spans] == [
        (50, ["E2"]),
        (100, ["E2", "717"]),
        (200, ["717"]),
        (300, []),
    ]


def test_a_range_of_numbers_tells_the_value_held_at_its_start(world: World) -> None:
    world.put([("mill-1", "load", T0, 40.0), ("mill-1", "load", T0 + HOUR, 50.0)])
    world.history.flush()
    history = world.history
    for method in ("minmax", "mean", "raw", "lttb"):
        asked = history.range("mill-1", "load", T0 + HOUR // 2, T0 + 2 * HOUR, points=10, method=method)
        assert asked.before == (T0, 40.0), method
    assert history.range("mill-1", "load", T0 - HOUR, T0 + HOUR, points=10).before is None
    assert history.range("mill-2", "load", T0, T0 + HOUR, points=10).before is None
    position = world.put([("mill-1", "load", T0 + 2 * HOUR, None, Quality.UNAVAILABLE)])
    assert history.wait(position)
    assert history.range("mill-1", "load", T0 + 3 * HOUR, T0 + 4 * HOUR, points=10).before is None


@settings(max_examples=6, deadline=None)
@given(
    updates=st.lists(UPDATES, min_size=1, max_size=25),
    stored=st.integers(0, 25),
    asked=st.lists(st.integers(1, 25), max_size=5),
    anew=st.integers(0, 5),
)
def test_who_follows_hears_every_change_once_as_it_became_known(
    tmp_path_factory: pytest.TempPathFactory,
    updates: list[tuple[str, int, str, str]],
    stored: int,
    asked: list[int],
    anew: int,
) -> None:
    properties = [PropertyType(name="system", kind=Kind.CONDITION), PropertyType(name="note", kind=Kind.TEXT)]
    world = World(tmp_path_factory.mktemp("world"), Cast(properties, ["mill-1", "mill-2"]))
    try:
        position, where = 0, []
        for number, update in enumerate(updates):
            if number == stored:
                world.history.flush()
            position = world.put([("mill-1", "note", T0, told("fault")), row(*update)])
            where.append(position)
        assert world.history.wait(position)
        expected = []
        states = {"mill-1": Conditions(), "mill-2": Conditions()}
        for place, (twin, second, level, code) in zip(where, updates, strict=True):
            was = {e["code"]: e["level"] for e in states[twin].active() or ()}
            states[twin] = states[twin].with_update(told(level, code), T0 + second * SECOND, place)
            now = {e["code"]: e["level"] for e in states[twin].active() or ()}
            raised = [name for name, level in now.items() if was.get(name) != level]
            cleared = [name for name in was if name not in now]
            if raised or cleared:
                expected.append((place, twin, raised, cleared))
        feed, found, after = world.history.condition_feed(), [], 0
        for number, until in enumerate(sorted({*(min(one * 2, position) for one in asked), position})):
            if number == anew:
                feed = world.history.condition_feed()  # as after a restart
            found += feed.between(after, until)
            after = until
        heard = [
            (f.position, f.change.subject, *([e["code"] for e in f.change.body[way]] for way in ("raised", "cleared")))
            for f in found
        ]
        assert heard == expected
    finally:
        world.close()
