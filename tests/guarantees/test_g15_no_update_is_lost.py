"""G15: an update is never lost: what many clients at once read and write of one thing with `If-Match` can be explained
by one order in which each saw what the one before it left; the checker is held against histories that are wrong."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemel.platform import Platform
from gemel.server import Server
from tests.guarantees.ledger import seed, tell
from tests.guarantees.linear import READ, REFUSED, UNKNOWN, WRITTEN, Operation, linearizable

PLANT = """
gemel: 1
types: [{id: press, properties: [{name: force, unit: kN, writable: true}]}]
twins: [{id: press-7, types: [press], name: begin}]
"""
BEGIN = (1, "begin")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Server]:
    with Platform.open(tmp_path / "plant") as platform, Server(platform, port=0, demo=True) as server:
        platform.apply(PLANT)
        yield server


class Turns:
    """A clock of whole numbers that all clients share: it orders what one thread sees before another."""

    def __init__(self) -> None:
        self._lock, self._now = threading.Lock(), 0

    def next(self) -> int:
        with self._lock:
            self._now += 1
            return self._now


class Register:
    """The name of one twin, over HTTP; its revision is the ETag."""

    path = "/api/v1/twins/press-7"

    def __init__(self, url: str, turns: Turns) -> None:
        self.client, self.turns = httpx.Client(base_url=url, timeout=60), turns

    def read(self) -> Operation:
        asked = self.turns.next()
        answer = self.client.get(self.path)
        answered = self.turns.next()
        assert answer.status_code == 200, answer.text
        seen = int(answer.headers["etag"].strip('"'))
        return Operation(asked, answered, READ, answer.json()["name"], seen)

    def write(self, value: str, expected: int) -> Operation:
        asked = self.turns.next()
        answer = self.client.patch(self.path, json={"name": value}, headers={"If-Match": f'"{expected}"'})
        answered = self.turns.next()
        if answer.status_code == 412:
            return Operation(asked, answered, REFUSED, value, 0, expected)
        assert answer.status_code == 200, answer.text
        made = int(answer.headers.get("etag", '"0"').strip('"'))  # none when the next change was there already
        return Operation(asked, answered, WRITTEN, value, made, expected)


def worked(url: str, turns: Turns, number: int, count: int) -> list[Operation]:
    """One client: it reads, and writes for what it read last, at times for something older."""
    chance, register = random.Random(seed() * 1000 + number), Register(url, turns)
    found: list[Operation] = []
    with register.client:
        known = 1
        for turn in range(count):
            if chance.random() < 0.4:
                found.append(register.read())
                known = found[-1].revision
            else:
                found.append(register.write(f"{number}.{turn}", max(1, known - (chance.random() < 0.1))))
                known = found[-1].revision or known
    return found


@pytest.mark.parametrize(("clients", "count", "rounds"), [(8, 25, 1), pytest.param(16, 60, 12, marks=pytest.mark.soak)])
def test_many_writers_of_one_twin_leave_a_history_that_one_order_explains(
    served: Server, clients: int, count: int, rounds: int
) -> None:
    ok = refused = 0
    begin = BEGIN
    for at in range(rounds):
        turns = Turns()
        with ThreadPoolExecutor(clients) as pool:
            asked = [pool.submit(worked, served.url, turns, at * clients + one, count) for one in range(clients)]
            history = [operation for one in asked for operation in one.result()]
        register = Register(served.url, turns)
        with register.client:
            history.append(register.read())
        assert linearizable(history, begin), f"GEMEL_SEED={seed()}, round {at}: no order explains it"
        written = [one for one in history if one.outcome == WRITTEN]
        assert history[-1].revision == begin[0] + len(written), "each that was taken counts once"
        told = [one.revision for one in written if one.revision]
        assert len(set(told)) == len(told)
        begin = history[-1].revision, history[-1].value
        ok += len(history)
        refused += sum(one.outcome == REFUSED for one in history)
    assert refused, "nobody was ever too late: the test proves nothing"
    tell("G15", "names of a twin, over HTTP", ok=ok, refused=refused, rounds=rounds)


# --- the checker ---------------------------------------------------------------------------------------------------


def one(asked: int, answered: int, outcome: str, value: str, revision: int = 0, expected: int = 0) -> Operation:
    return Operation(asked, answered, outcome, value, revision, expected)


RIGHT = {
    "one after the other": [one(1, 2, WRITTEN, "a", 2, 1), one(3, 4, READ, "a", 2)],
    "a read beside a write sees either": [one(1, 4, WRITTEN, "a", 2, 1), one(2, 3, READ, "begin", 1)],
    "of two at once the second is refused": [one(1, 3, WRITTEN, "a", 2, 1), one(2, 4, REFUSED, "b", 0, 1)],
    "what had no answer happened": [one(1, 2, UNKNOWN, "a", 0, 1), one(3, 4, READ, "a", 2)],
    "what had no answer did not happen": [one(1, 2, UNKNOWN, "a", 0, 1), one(3, 4, READ, "begin", 1)],
}
WRONG = {
    "a lost update: both were taken for one revision": [
        one(1, 3, WRITTEN, "a", 2, 1), one(2, 4, WRITTEN, "b", 2, 1), one(5, 6, READ, "b", 2),
    ],
    "both were taken, and counted": [one(1, 3, WRITTEN, "a", 2, 1), one(2, 4, WRITTEN, "b", 3, 1)],
    "a stale read": [one(1, 2, WRITTEN, "a", 2, 1), one(3, 4, READ, "begin", 1)],
    "a read that sees what comes later": [one(1, 2, READ, "a", 2), one(3, 4, WRITTEN, "a", 2, 1)],
    "time runs backwards": [one(1, 9, WRITTEN, "a", 2, 1), one(2, 3, READ, "a", 2), one(4, 5, READ, "begin", 1)],
    "refused without a reason": [one(1, 2, REFUSED, "a", 0, 1)],
    "the value of another": [one(1, 2, WRITTEN, "a", 2, 1), one(3, 4, READ, "b", 2)],
    "taken, and gone": [
        one(1, 2, WRITTEN, "a", 2, 1), one(3, 4, WRITTEN, "b", 3, 2), one(5, 6, READ, "a", 2),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_the_checker_takes_what_is_right(name: str) -> None:
    assert linearizable(RIGHT[name], BEGIN)


@pytest.mark.parametrize("name", WRONG)
def test_the_checker_refuses_what_is_wrong(name: str) -> None:
    assert not linearizable(WRONG[name], BEGIN)


@given(st.data())
def test_the_checker_explains_every_history_of_a_true_register_and_none_with_an_update_lost(data: Any) -> None:
    """A simulated register: each operation happens at a moment of its own between question and answer."""
    count = data.draw(st.integers(2, 9))
    moments = data.draw(st.permutations(range(count)))
    state, history = BEGIN, []
    for at in sorted(range(count), key=lambda number: moments[number]):
        early, late = data.draw(st.integers(0, 20)), data.draw(st.integers(0, 20))
        asked, answered = 10 * moments[at] - early, 10 * moments[at] + 1 + late
        kind = data.draw(st.sampled_from(["read", "write", "late"]))
        if kind == "read":
            history.append(one(asked, answered, READ, state[1], state[0]))
        elif kind == "late":
            history.append(one(asked, answered, REFUSED, str(at), 0, state[0] - 1))
        else:
            history.append(one(asked, answered, WRITTEN, str(at), state[0] + 1, state[0]))
            state = state[0] + 1, str(at)
    assert linearizable(history, BEGIN)
    last = max(one_.answered for one_ in history) + 1
    assert not linearizable([*history, one(last, last + 1, READ, "another", state[0])], BEGIN)
    assert not linearizable([*history, one(last, last + 1, WRITTEN, "x", state[0] + 1, state[0] - 1)], BEGIN)
