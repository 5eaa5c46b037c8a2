"""G7: whatever the order of arrival, late, twice and out of order, the final state and history are the same.

What is computed from the history (key figures, bills) is to be held to it when it comes; here are the averages, the
values at an instant and the ranges that exist. Readings of one series at one time are ordered by their arrival: there
nothing else says which is the later, so no two here share their time.
"""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import strategies as st

from gemel.clock import SECOND, SteppedClock
from gemel.intake import Message, Reported
from gemel.platform import Platform
from gemel.twin import TwinSpec
from tests.disorder.house import stored
from tests.guarantees.ledger import drawn, seed, tell

START = 1_600_000_000 * SECOND
HOUR = 3_600 * SECOND
TYPE = {
    "id": "mill",
    "properties": [
        {"name": "count", "kind": "integer"},
        {"name": "force", "kind": "number"},
        {"name": "program", "kind": "text"},
    ],
}
Told = tuple[str, int, Any]
"""property, time, value"""


class Mills:
    """A platform with twins that tell the same in another order."""

    def __init__(self, folder: Path) -> None:
        self.clock = SteppedClock(START)
        self.platform = Platform.open(folder, clock=self.clock)
        self.platform.apply({"gemel": 1, "types": [TYPE]})
        self.names = (f"mill-{number}" for number in itertools.count())

    def play(self, messages: Sequence[list[Told]], order: Sequence[int], flushes: frozenset[int]) -> str:
        """Tell the messages to a twin of their own in this order; those that come again have their id again."""
        twin = next(self.names)
        self.platform.put_twin(TwinSpec(id=twin, types=("mill",)))
        for step, place in enumerate(order):
            readings = [Reported(twin=twin, property=name, time=time, value=v) for name, time, v in messages[place]]
            receipt = self.platform.ingest([Message(readings=readings, id=f"{twin}-{place}")], source=f"s-{place % 3}")
            assert receipt.quarantined == 0
            if step in flushes:
                self.platform.history.flush()
        return twin

    def state(self, twin: str) -> str:
        now = self.platform.now(twin)
        return digest(sorted((name, one.value, one.time, int(one.quality)) for name, one in now.items()))

    def history(self, twin: str) -> str:
        return digest(sorted((name, time, value) for _, name, time, value, _ in stored(self.platform, twin)))


def digest(rows: object) -> str:
    return hashlib.sha256(msgspec.msgpack.encode(rows)).hexdigest()


@pytest.fixture(scope="module")
def mills(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mills]:
    made = Mills(tmp_path_factory.mktemp("mills"))
    yield made
    made.platform.close()


values: dict[str, st.SearchStrategy[Any]] = {
    "count": st.integers(-5, 5),
    "force": st.sampled_from([-1.0, 0.0, 2.5]),
    "program": st.sampled_from(["", "O1", "ß"]),
}
told = st.sampled_from(sorted(values)).flatmap(
    lambda name: st.tuples(st.just(name), st.integers(0, 40).map(lambda t: START - HOUR + t * SECOND), values[name])
)


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[list[Told]], list[list[int]], frozenset[int]]:
    """Messages; two orders in which each comes at least once; and after which steps the history is flushed."""
    readings = draw(st.lists(told, min_size=1, max_size=14, unique_by=lambda one: one[:2]))
    messages = [readings[at : at + 2] for at in range(0, len(readings), 2)]
    places = list(range(len(messages)))
    again = st.lists(st.sampled_from(places), max_size=4)
    orders = [draw(st.permutations(places + draw(again))) for _ in range(2)]
    return messages, orders, frozenset(draw(st.sets(st.integers(0, 6), max_size=2)))


@pytest.mark.parametrize("examples", [25, pytest.param(300, marks=pytest.mark.soak)])
def test_any_order_gives_the_same_state_and_history(mills: Mills, examples: int) -> None:
    told = repeats = 0

    def body(arrived: tuple[list[list[Told]], list[list[int]], frozenset[int]]) -> None:
        nonlocal told, repeats
        messages, orders, flushes = arrived
        twins = [mills.play(messages, order, flushes) for order in orders]
        assert len({mills.state(twin) for twin in twins}) == 1
        assert len({mills.history(twin) for twin in twins}) == 1
        told += 2 * sum(map(len, messages))
        repeats += sum(map(len, orders)) - 2 * len(messages)

    drawn(body, examples, arrived=arrivals())
    tell("G7", "any order", ok=told, repeats=repeats, orders=2 * examples)


@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=pytest.mark.soak)])
def test_days_that_come_late_tell_the_same_as_days_that_come_in_time(tmp_path: Path, rounds: int) -> None:
    told = [days_come_late(tmp_path / str(number), number) for number in range(seed(), seed() + rounds)]
    tell("G7", "days in any order", ok=sum(told), rounds=rounds)


def days_come_late(folder: Path, number: int) -> int:
    """Three days, in order to one twin; then shuffled and with repeats to another, after roll-ups were made."""
    chance = random.Random(number)
    rows = [("force", START - 80 * HOUR + i * 137 * SECOND, float(chance.randrange(100))) for i in range(2_000)]
    messages = [rows[at : at + 50] for at in range(0, len(rows), 50)]
    places = list(range(len(messages)))
    shuffled = chance.sample(places * 2, 2 * len(places))
    mills = Mills(folder)
    try:
        plain = mills.play(messages, places, frozenset())
        mills.platform.history.flush()
        assert mills.platform.history.upkeep(60)
        late = mills.play(messages, shuffled, frozenset({9, 40}))
        mills.platform.history.flush()
        assert mills.platform.history.upkeep(60)
        where = f"GEMEL_SEED={number}"
        assert mills.state(late) == mills.state(plain), where
        assert mills.history(late) == mills.history(plain), where
        instants = [chance.randrange(rows[0][1], START) for _ in range(20)]
        for at in instants:
            assert mills.platform.at(late, at)["force"].value == mills.platform.at(plain, at)["force"].value, where
            span = sorted((at, chance.choice(instants) + 1))
            averages = [mills.platform.average(twin, "force", *span) for twin in (plain, late)]
            assert averages[0].value == pytest.approx(averages[1].value), where
            assert averages[0].covered_s == pytest.approx(averages[1].covered_s), where
        ranges = [
            mills.platform.range(twin, "force", rows[0][1], START, points=100, method="mean").columns
            for twin in (plain, late)
        ]
        for name, column in ranges[0].items():
            assert list(column) == pytest.approx(list(ranges[1][name]), nan_ok=True), (where, name)
        return 2 * len(rows)
    finally:
        mills.platform.close()
