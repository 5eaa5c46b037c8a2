"""G13: too much is refused, with when to come again; nobody's flood takes another's room; nothing is dropped silently.

Refused + acknowledged + unknown = sent, and what is acknowledged is there. A caller who asks politely is never refused
and waits a few blocks at most, however hard others push. Connectors wait instead of being refused.
"""

from __future__ import annotations

import http.client
import json
import threading
from bisect import bisect_left
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from gemel.access import Role
from gemel.clock import SteppedClock
from gemel.errors import Overloaded
from gemel.intake import Message
from gemel.intake.queue import Answer, FairQueue, Item
from gemel.platform import Platform
from gemel.server import Server
from gemel.server.budget import Budget
from tests.guarantees.ledger import Ledger, seed, tell
from tests.guarantees.line import PLANT, counted
from tests.intake.plant import START, World, reading

ROOM = 200_000


def flood(world: World, source: str, books: Ledger, base: int, count: int) -> list[Overloaded]:
    """Hand in as fast as it goes, 50 readings at a time; a refusal is noted and the next one is tried at once."""
    told: list[tuple[int, Future[Any]]] = []
    refusals = []
    for number in range(base, base + count):
        books.sent.add(number)
        readings = [reading("count", number, time=START)] + [reading(value=0.0, time=START)] * 50
        try:
            told.append((number, world.intake.submit(source, [Message(readings=readings, id=f"m-{number}")])))
        except Overloaded as refused:
            books.refused.add(number)
            refusals.append(refused)
    for number, future in told:
        assert future.result(60).accepted == 51
        books.acknowledged.add(number)
    return refusals


@pytest.mark.parametrize("rounds", [1, pytest.param(30, marks=pytest.mark.soak)])
def test_ten_times_too_much_is_refused_and_the_polite_one_is_not(tmp_path: Path, rounds: int) -> None:
    world = World(tmp_path / "a.sqlite", queue_bytes=ROOM)
    books, lock = Ledger(), threading.Lock()
    refusals: dict[str, list[Overloaded]] = {}

    def floods(source: str, base: int) -> None:
        own = Ledger()
        refusals[source] = flood(world, source, own, base, 700 * rounds)
        with lock:
            books.sent |= own.sent
            books.acknowledged |= own.acknowledged
            books.refused |= own.refused

    threads = [threading.Thread(target=floods, args=(f"flood-{n}", n * 1_000_000)) for n in range(1, 4)]
    for thread in threads:
        thread.start()
    waited: list[tuple[int, int]] = []
    for number in range(50 * rounds):  # the polite one waits for each answer; it is never refused
        before = world.journal.head().sequence
        books.sent.add(number)
        receipt = world.tell(
            Message(readings=[reading("count", number, time=START)], id=f"m-{number}"), source="polite"
        )
        books.acknowledged.add(number)
        waited.append((before, receipt.last))
    for thread in threads:
        thread.join()
    assert books.sent == books.refused | books.acknowledged
    assert len(books.refused) > len(books.acknowledged) - 100  # it was far too much
    verdict = books.check([said[3] for said in world.readings() if said[1] == "count"], "flood")
    ends = [(block.last, block.sequence) for block in world.journal.blocks()]
    blocks = [ends[bisect_left(ends, (last, 0))][1] - before for before, last in waited]
    assert max(blocks) <= 3, max(blocks)
    assert all(0.2 <= one.retry_after_s <= 30 for several in refusals.values() for one in several)
    shares = [len([n for n in books.acknowledged if n // 1_000_000 == flooder]) for flooder in (1, 2, 3)]  # type: ignore[operator]
    tell("G13", "a flood of three", ok=verdict.ok, unknown=verdict.unknown, refused=len(books.refused))
    assert min(shares) > 0
    world.close()


class Queue:
    def __init__(self) -> None:
        self.queue = FairQueue(1_000_000, 10_000, SteppedClock().monotonic)

    def put(self, source: str, size: int) -> bool:
        try:
            self.queue.put(Item(source, size, Answer()))
        except Overloaded:
            return False
        return True


@settings(deadline=None)
@given(
    pushes=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 300_000)), max_size=80),
    newcomer=st.integers(1, 60_000),
)
def test_whoever_comes_next_finds_room_and_the_whole_stays_bounded(
    pushes: list[tuple[int, int]], newcomer: int
) -> None:
    one = Queue()
    for source, size in pushes:
        one.put(f"flood-{source}", size)
        assert one.queue.waiting()[1] <= 1_000_000 * 9 // 8
    assert one.put("newcomer", newcomer)


def test_names_that_one_caller_makes_up_share_its_room() -> None:
    one = Queue()
    taken = sum(one.put(f"http:token-1/name-{number}", 100_000) for number in range(50))
    assert taken == 5
    assert one.put("http:token-2", 100_000)


def refusal(queue: FairQueue, source: str) -> Overloaded:
    """What a source is told that goes on until it is refused."""
    while True:
        try:
            queue.put(Item(source, 80_000, Answer()))
        except Overloaded as refused:
            return refused


def test_a_refused_caller_is_told_longer_waits_the_more_there_is_before_it() -> None:
    clock = SteppedClock()
    queue = FairQueue(1_000_000, 10_000, clock.monotonic)
    for _ in range(4):  # 100 kB in each second
        queue.put(Item("a", 100_000, Answer()))
        queue.take(10**9)
        clock.step(1.0)
    queue.put(Item("a", 1, Answer()))
    queue.take(10**9)
    waits = []
    for others in range(3):
        queue.put(Item(f"b-{others}", 80_000, Answer()))
        waits.append(refusal(queue, "a").retry_after_s)
    assert waits == sorted(waits)
    assert 0.2 <= waits[0] < waits[-1] <= 30


def test_http_says_429_and_when_to_come_again_and_serves_the_polite_one(tmp_path: Path) -> None:
    number = seed()
    with Platform.open(tmp_path) as platform, Server(platform, port=0) as server:
        platform.apply(PLANT)
        platform.intake._queue._max_bytes = 60_000
        tokens = [platform.gate.tokens.add(f"caller {n}", Role.OPERATOR)[1] for n in range(2)]
        books, lock = Ledger(), threading.Lock()
        waits: list[str] = []
        too_much = threading.Event()
        held = platform.intake.transact(lambda _: (too_much.wait(60), ()))  # the writer stands still until it is

        def floods(base: int) -> None:
            host = server.url.removeprefix("http://")
            connection = http.client.HTTPConnection(host, timeout=60)
            headers = {"Authorization": f"Bearer {tokens[0]}", "Content-Type": "application/json"}
            for key in range(base, base + 25):
                readings = [{"twin": "line-1", "property": "count", "value": key}]
                readings += [{"twin": "line-1", "property": "note", "value": "x" * 60}] * 50
                body = {"source": f"s-{key}", "messages": [{"id": f"m-{key}", "readings": readings}]}
                with lock:
                    books.sent.add(key)
                try:
                    connection.request("POST", "/api/v1/ingest", json.dumps(body).encode(), headers)
                    answer = connection.getresponse()
                    content = answer.read()
                except (OSError, http.client.HTTPException):
                    connection.close()
                    continue
                with lock:
                    if answer.status == 200:
                        books.acknowledged.add(key)
                    elif answer.status == 429:
                        books.refused.add(key)
                        too_much.set()
                        waits.append(answer.headers["Retry-After"])
                        assert json.loads(content)["retry_after_s"] > 0
            connection.close()

        threads = [threading.Thread(target=floods, args=(n * 1_000,)) for n in range(1, 13)]
        for thread in threads:
            thread.start()
        with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {tokens[1]}"}, timeout=60) as polite:
            answers = [
                polite.put("/api/v1/twins/line-1/now/note", json={"value": f"polite {n}"}).status_code
                for n in range(40)
            ]
        for thread in threads:
            thread.join()
        assert held.result(60)[0], "nobody was refused"
        assert set(answers) == {200}
        verdict = books.check(counted(platform), f"GEMEL_SEED={number}")
        assert len(books.sent) == verdict.ok + len(books.refused) + verdict.unknown
        assert books.refused
        assert all(wait.isdecimal() and 1 <= int(wait) <= 30 for wait in waits)
        tell("G13", "HTTP", ok=verdict.ok, unknown=verdict.unknown, refused=len(books.refused))


def test_room_that_callers_share_is_left_for_the_others() -> None:
    budget = Budget(100, "things")
    with budget.hold("a", 50):
        with (
            pytest.raises(Overloaded, match="50 of 100 things are in use, 50 of them by this caller"),
            budget.hold("a", 1),
        ):
            raise AssertionError("not reached")
        with budget.hold("b", 25), pytest.raises(Overloaded), budget.hold("b", 10):
            raise AssertionError("not reached")
    with budget.hold("a", 1_000):  # alone, it may be as large as it is
        pass


def test_readers_are_refused_with_when_to_come_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemel.server.services.MAX_READERS", 4)
    with Platform.open(tmp_path) as platform, Server(platform, port=0) as server:
        platform.apply(PLANT)
        tokens = [platform.gate.tokens.add(f"caller {n}", Role.VIEWER)[1] for n in range(2)]
        address = f"ws{server.url.removeprefix('http')}/api/v1/live"

        def live(token: str) -> Any:
            return connect(address, additional_headers={"Authorization": f"Bearer {token}"}, proxy=None)

        sockets = [live(tokens[0]), live(tokens[0])]
        with pytest.raises(InvalidStatus) as refused:
            live(tokens[0])
        assert refused.value.response.status_code == 429
        assert int(refused.value.response.headers["retry-after"]) >= 1
        with httpx.Client(base_url=server.url, timeout=60) as client:
            stream = client.get("/api/v1/stream", headers={"Authorization": f"Bearer {tokens[0]}"})
            assert (stream.status_code, stream.headers["retry-after"]) == (429, "1")
        sockets.append(live(tokens[1]))
        for one in sockets:
            one.close()
