"""Nobody takes what others need: a party has a pace, a caller a share, on every way in; who waits is told how long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import anyio
import anyio.lowlevel
import httpx
import msgspec
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from gemel.access import Pace, Principal, Selector
from gemel.clock import SteppedClock
from gemel.errors import Overloaded
from gemel.platform import Platform
from gemel.server import Server
from gemel.server.bridge import Threads
from gemel.server.budget import caller
from tests.server.test_server_parties import API, OF_A, READS, TYPES, token_of

PER_SECOND = 2.0
BURST = 20


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def platform(tmp_path_factory: pytest.TempPathFactory, clock: SteppedClock) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("paced")
    (folder / "gemel.yaml").write_text(f"party_requests_per_s: {PER_SECOND}\n")
    with Platform.open(folder, clock=clock, run_connectors=False) as platform:
        platform.apply(f"{TYPES}\ntwins:\n{OF_A}")
        platform.gate.parties.add("a", "A Ltd")
        platform.gate.parties.add("b", "B Ltd")
        for party in "ab":
            platform.gate.grant(f"party:{party}", READS, Selector(twins=("press-a",)))
        yield platform


@pytest.fixture
def server(platform: Platform) -> Iterator[Server]:
    with Server(platform, port=0) as server:
        yield server


def asks(server: Server, secret: str) -> httpx.Response:
    return httpx.get(f"{server.url}{API}/twins/press-a/now", headers={"Authorization": f"Bearer {secret}"})


def test_a_party_that_asks_too_fast_is_told_when_to_come_again(
    platform: Platform, server: Server, clock: SteppedClock
) -> None:
    first, second = (token_of(platform, "a", f"reader {number}") for number in range(2))
    assert [asks(server, first).status_code for _ in range(BURST)] == [200] * BURST
    refused = asks(server, second)  # another program of the same party
    assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
    assert float(refused.headers["retry-after"]) >= 0.5
    assert asks(server, token_of(platform, "b", "other")).status_code == 200
    own = platform.gate.tokens.add("ours", "viewer")[1]
    assert [asks(server, own).status_code for _ in range(3 * BURST)] == [200] * 3 * BURST
    clock.step(1)
    assert [asks(server, first).status_code for _ in range(3)] == [200, 200, 429]
    headers = {"Authorization": f"Bearer {platform.gate.tokens.add('all', 'administrator')[1]}"}
    callers = httpx.get(f"{server.url}{API}/load", headers=headers).json()["callers"]
    assert sum(one["refused"] for one in callers if one["party"] == "a") == 2


def test_messages_of_a_socket_count_too(platform: Platform, server: Server) -> None:
    secret = token_of(platform, "a", "reader")
    headers = {"Authorization": f"Bearer {secret}"}
    address = server.url.replace("http", "ws") + f"{API}/live"
    with connect(address, additional_headers=headers) as socket:
        for number in range(BURST):
            socket.send(msgspec.msgpack.encode({"t": "ping", "n": number}))
        told = None
        while told is None or told["t"] != "error":
            told = msgspec.msgpack.decode(socket.recv(timeout=60))
        assert (told["code"], told["retry_after_s"] > 0) == ("overloaded", True)
    with pytest.raises(InvalidStatus) as refused:
        connect(address, additional_headers=headers).close()
    assert refused.value.response.status_code == 429
    assert float(refused.value.response.headers["retry-after"]) > 0


def test_no_caller_takes_all_the_threads() -> None:
    """One alone has half of the places; whoever comes next finds some, and many from one address are one caller."""
    threads, go = Threads(1, limit=8), threading.Event()
    told: list[tuple[str, float]] = []

    async def ask(who: str) -> None:
        caller.set(who)
        try:
            await threads.run(go.wait, 30)
        except Overloaded as error:
            told.append((who, error.retry_after_s))

    async def everybody() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(ask, "greedy")
            await anyio.lowlevel.checkpoint()
            group.start_soon(ask, "polite")
            while threads.room.held < 5:
                await anyio.lowlevel.checkpoint()
            go.set()

    anyio.run(everybody)
    threads.close()
    assert told == [("greedy", 1.0)] * 4


def test_a_pace_fills_again_and_never_beyond_its_burst(clock: SteppedClock) -> None:
    pace, who = Pace(clock, 2.0), Principal(id="user-1", kind="User", party="a")
    for _ in range(BURST):
        pace.take(who)
    with pytest.raises(Overloaded) as refused:
        pace.take(who)
    assert 0 < refused.value.retry_after_s <= 0.5
    clock.step(0.5)
    pace.take(who)
    with pytest.raises(Overloaded):
        pace.take(who)
    clock.step(3600)
    for _ in range(BURST):
        pace.take(who)
    with pytest.raises(Overloaded):
        pace.take(who)
    for _ in range(10 * BURST):
        pace.take(Principal(id="user-2", kind="User"))  # our own people have none
        Pace(clock, 0).take(who)
    assert [pace.owe(who) for _ in range(3)] == [0.5, 1.0, 1.5]  # what is here already counts, and is waited for


def test_threads_of_one_party_share_its_pace(clock: SteppedClock) -> None:
    pace, who = Pace(clock, 5.0), Principal(id="user-1", kind="User", party="a")

    def take(_number: int) -> bool:
        try:
            pace.take(who)
        except Overloaded:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(500))) == 50
