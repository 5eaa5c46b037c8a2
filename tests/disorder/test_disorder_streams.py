"""Streams of several connections, interleaved, late and repeated in any way that keeps each one's own order, give the
same state and the same history, through the whole platform; held against lists and dicts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemel.clock import SECOND, SteppedClock
from gemel.intake import Message, Reported
from gemel.platform import Platform
from gemel.twin import Quality
from tests.disorder.house import Reading, stored

EXAMPLES = 25
LONG = 400
START = 1_600_000_000 * SECOND
TYPE = {
    "id": "mill",
    "properties": [
        {"name": "count", "kind": "integer"},
        {"name": "force", "kind": "number"},
        {"name": "program", "kind": "text"},
        {"name": "health", "kind": "condition"},
    ],
}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "count": st.sampled_from([0, 1, 2**61, None]),
    "force": st.sampled_from([-2.0, -1.0, 7.25]),
    "program": st.sampled_from(["", "O1", "ß", None]),
    "health": st.sampled_from(
        [
            "normal",
            "unavailable",
            {"level": "fault", "code": "F1", "text": "hot"},
            {"level": "warning", "code": "W2"},
            {"level": "normal", "code": "F1"},
        ]
    ),
}
Told = tuple[str, int, Any]
"""property, tick, value"""


@dataclass(frozen=True)
class Sent:
    """One message of a connection: what it tells, and how it is told from its repeats."""

    readings: tuple[Told, ...]
    identity: str
    """id, number or none"""


@dataclass
class Connection:
    """What one source sends, cut into submissions: (messages by place in `sent`, whether after a reconnect)."""

    sent: list[Sent]
    submissions: list[tuple[list[int], bool]] = field(default_factory=list)


@st.composite
def connections(draw: st.DrawFn, number: int) -> Connection:
    """A source that may lose its connection and then begins some messages back."""
    told = st.sampled_from(sorted(VALUES)).flatmap(
        # times of different connections differ: between them nothing says which of two equal times is the later
        lambda name: st.tuples(st.just(name), st.integers(0, 5).map(lambda tick: tick * 3 + number), VALUES[name])
    )
    messages = st.builds(
        Sent, st.lists(told, min_size=1, max_size=3).map(tuple), st.sampled_from(["none", "none", "id", "number"])
    )
    made = Connection(draw(st.lists(messages, min_size=1, max_size=6)))
    at, resumed = 0, False
    while at < len(made.sent):
        end = at + draw(st.integers(1, 3))
        places = list(range(at, min(end, len(made.sent))))
        made.submissions.append((places, resumed))
        at, resumed = places[-1] + 1, False
        if draw(st.integers(0, 3)) == 0:  # it is cut off, and does not know how much of it arrived
            at, resumed = draw(st.integers(max(0, at - 3), at)), True
    return made


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Connection], list[list[int]], int]:
    """Connections; two orders in which their submissions come; and where in the first one the history is flushed."""
    made = [draw(connections(number)) for number in range(draw(st.integers(1, 3)))]
    turns = [number for number, one in enumerate(made) for _ in one.submissions]
    orders = [draw(st.permutations(turns)), draw(st.permutations(turns))]
    return made, orders, draw(st.integers(-2 * len(turns), len(turns) - 1))


def micros(tick: int) -> int:
    return START - 100 * SECOND + tick * SECOND


def message_of(twin: str, place: int, sent: Sent) -> Message:
    readings = [
        Reported(
            twin=twin,
            property=name,
            value=value,
            time=micros(tick),
            quality=Quality.UNAVAILABLE if value is None else Quality.GOOD,
        )
        for name, tick, value in sent.readings
    ]
    if sent.identity == "id":
        return Message(readings=readings, id=f"{twin}-{place}")
    return Message(readings=readings, sequence=place if sent.identity == "number" else None)


def taken_of(connection: Connection) -> list[Told]:
    """The model of the intake: what is new of one connection, in its order."""
    taken: list[Told] = []
    seen: set[int] = set()
    plain: list[Told] = []
    for places, resumed in connection.submissions:
        before = list(plain)
        for place in places:
            sent = connection.sent[place]
            if sent.identity == "none":
                new = [told for told in sent.readings if not (resumed and told in before)]
                plain += new
                taken += new
            elif place not in seen:
                seen.add(place)
                taken += sent.readings
    return taken


@dataclass(repr=False)
class Ring:
    """A platform, and the twins that examples use one after the other."""

    platform: Platform
    clock: SteppedClock
    folder: Path
    names: Iterator[int]
    told: dict[str, dict[str, list[tuple[int, Any]]]] = field(default_factory=dict)
    """By twin and property what the history must say, to be held against it again after a restart."""

    def play(self, world: list[Connection], order: Sequence[int], flush_at: int) -> str:
        """Send everything in this order to a twin of its own."""
        twin = f"mill-{next(self.names)}"
        coming = [iter(one.submissions) for one in world]
        futures = []
        for step, number in enumerate(order):
            places, resumed = next(coming[number])
            messages = [message_of(twin, place, world[number].sent[place]) for place in places]
            futures.append(self.platform.intake.submit(f"{twin}-{number}", messages, resumed=resumed))
            if step % 3 == 2:
                futures[-1].result(60)
                self.clock.step(0.001)
            if step == flush_at:
                self.platform.history.flush()
        for future in futures:
            assert future.result(60).quarantined == 0
        return twin

    def now(self, twin: str) -> dict[str, tuple[Any, int, Quality]]:
        return {name: (now.value, now.time, now.quality) for name, now in self.platform.now(twin).items()}

    def past(self, twin: str) -> dict[str, list[tuple[int, Any]]]:
        """Every stored reading by property, by time and then order."""
        rows = sorted((row for row in stored(self.platform, twin)), key=lambda row: (row[2], row[4]))
        return by_property(rows)


def by_property(rows: Sequence[Reading]) -> dict[str, list[tuple[int, Any]]]:
    found: dict[str, list[tuple[int, Any]]] = {}
    for _, name, time, value, _ in rows:
        if name == "health" and value is not None:
            value = msgspec.json.decode(value)
        found.setdefault(name, []).append((time, value))
    return found


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ring]:
    folder = tmp_path_factory.mktemp("streams")
    clock = SteppedClock(START)
    twins = [{"id": f"mill-{number}", "types": ["mill"]} for number in range(20 * (EXAMPLES + LONG))]
    with Platform.open(folder, clock=clock) as platform:
        platform.apply({"gemel": 1, "types": [TYPE], "twins": twins})
        yield Ring(platform, clock, folder, itertools.count())


def expected_past(world: list[Connection]) -> dict[str, list[tuple[int, Any]]]:
    found: dict[str, list[tuple[int, Any]]] = {}
    for told in itertools.chain.from_iterable(map(taken_of, world)):
        name, tick, value = told
        if name == "health":
            full = {"code": "", "qualifier": "", "severity": "", "text": ""}
            value = full | (value if isinstance(value, dict) else {"level": value})
        found.setdefault(name, []).append((micros(tick), value))
    return {name: sorted(rows, key=lambda row: row[0]) for name, rows in found.items()}  # stable: order is kept


def expected_now(past: dict[str, list[tuple[int, Any]]]) -> dict[str, tuple[Any, int, Quality]]:
    found = {}
    for name, rows in past.items():
        time, value = rows[-1]
        if name == "health":
            value = active(rows)
        found[name] = (value, time, Quality.UNAVAILABLE if value is None else Quality.GOOD)
    return found


def active(rows: list[tuple[int, Any]]) -> list[dict[str, Any]] | None:
    """A condition as its updates leave it when they are taken in order of time."""
    on: dict[str, dict[str, Any]] = {}
    known = True
    for time, update in rows:
        known = update["level"] != "unavailable"
        if not known or (update["level"] == "normal" and not update["code"]):
            on.clear()
        elif update["level"] == "normal":
            on.pop(update["code"], None)
        else:
            since = on[update["code"]]["since"] if update["code"] in on else time
            on[update["code"]] = {**update, "since": since}
    return sorted(on.values(), key=lambda one: (one["since"], one["code"])) if known else None


def holds(ring: Ring, world: list[Connection], orders: list[list[int]], flush_at: int) -> None:
    """Each order of the connections leaves the state and the history that a plain list of what they told says."""
    past = expected_past(world)
    now = expected_now(past)
    for order in orders:
        twin = ring.play(world, order, flush_at)
        assert ring.past(twin) == past
        assert ring.now(twin) == now
        ring.told[twin] = past


@pytest.mark.parametrize("examples", [EXAMPLES, pytest.param(LONG, marks=[pytest.mark.soak, pytest.mark.slow])])
def test_any_order_of_the_connections_gives_the_same_state_and_history(ring: Ring, examples: int) -> None:
    checks = [HealthCheck.too_slow, HealthCheck.large_base_example]

    @settings(max_examples=examples, deadline=None, suppress_health_check=checks)
    @given(worlds())
    def once(drawn: tuple[list[Connection], list[list[int]], int]) -> None:
        holds(ring, *drawn)

    once()


def test_it_is_the_same_after_a_restart(ring: Ring) -> None:
    assert ring.told
    ring.platform.close()
    with Platform.open(ring.folder, clock=ring.clock) as again:
        ring.platform = again
        again.history.flush()
        rows = sorted(stored(again), key=lambda row: (row[2], row[4]))
        for twin, past in ring.told.items():
            assert by_property([row for row in rows if row[0] == twin]) == past
            assert ring.now(twin) == expected_now(past)
