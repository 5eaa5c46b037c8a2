"""What was granted ends on open connections too, within a second."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from websockets.sync.client import connect

from gemel.access import Action, Grant, Selector
from gemel.clock import SECOND
from gemel.intake import Message, Reported
from gemel.platform import Platform
from gemel.server import Server
from tests.server.test_server_parties import API, OF_A, OF_B, READS, TYPES, fill, token_of

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with Platform.open(tmp_path_factory.mktemp("shared"), run_connectors=False) as platform:
        platform.apply(f"{TYPES}\ntwins:\n{OF_A}\n{OF_B}")
        fill(platform, ["press-a", "ram-a"])
        platform.gate.parties.add("a", "A Ltd")
        yield platform


@pytest.fixture(scope="module")
def server(platform: Platform) -> Iterator[Server]:
    with Server(platform, port=0) as server:
        yield server


@pytest.fixture(scope="module")
def secret(platform: Platform) -> str:
    return token_of(platform, "a", "reader")


@pytest.fixture
def grant(platform: Platform) -> Iterator[Grant]:
    made = platform.gate.grant("party:a", READS, Selector(twins=("press-a",)))
    yield made
    if platform.gate.grants.get(made.id).revoked is None:
        platform.gate.grants.revoke(made.id)


class Socket:
    """One live socket, and what came over it."""

    def __init__(self, server: Server, secret: str) -> None:
        address = server.url.replace("http", "ws") + f"{API}/live"
        self.at = connect(address, additional_headers={"Authorization": f"Bearer {secret}"})
        self.until("hello")

    def until(self, *kinds: str, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = msgspec.msgpack.decode(self.at.recv(timeout=timeout_s))
            if message["t"] in kinds:
                return message

    def subscribe(self, **asked: Any) -> dict[str, Any]:
        self.at.send(msgspec.msgpack.encode({"t": "sub", "s": 1, **asked}))
        return self.until("snap", "error")


@pytest.fixture
def socket(server: Server, secret: str, grant: Grant) -> Iterator[Socket]:
    made = Socket(server, secret)
    yield made
    made.at.close()


def test_a_revoked_grant_ends_the_live_socket_by_itself(socket: Socket, platform: Platform, grant: Grant) -> None:
    assert socket.subscribe(twins=["press-a"])["t"] == "snap"
    platform.gate.grants.revoke(grant.id)
    told = socket.until("error")
    assert (told["s"], told["code"]) == (1, "denied")
    platform.write("press-a", "oil_temperature", 99.0)
    assert socket.subscribe(twins=["press-a"])["code"] == "unknown-twin"


def test_a_narrower_right_takes_the_rest_from_an_open_socket(socket: Socket, platform: Platform, grant: Grant) -> None:
    other = platform.gate.grant("party:a", READS, Selector(twins=("press-b",)))
    socket.subscribe(twins=[])
    platform.gate.grants.revoke(grant.id)
    assert sorted(socket.until("gone")["twins"]) == ["press-a", "ram-a"]
    platform.gate.grants.revoke(other.id)


def test_a_wider_right_reaches_an_open_socket(socket: Socket, platform: Platform) -> None:
    socket.subscribe(twins=[])
    more = platform.gate.grant("party:a", READS, Selector(twins=("hall",)))
    platform.write("hall", "oil_temperature", 21.0)
    while ("hall", "oil_temperature") not in [tuple(key[1:]) for key in socket.until("keys")["keys"]]:
        pass
    platform.gate.grants.revoke(more.id)


def test_a_party_that_is_shut_out_loses_its_sockets(server: Server, platform: Platform) -> None:
    platform.gate.parties.add("shut", "Shut Ltd")
    made = platform.gate.grant("party:shut", READS, Selector(everything=True))
    socket = Socket(server, token_of(platform, "shut", "reader of shut"))
    socket.subscribe(twins=["press-a"])
    platform.gate.parties.change("shut", disabled=True)
    assert socket.until("error")["code"] == "unauthenticated"
    socket.at.close()
    platform.gate.grants.revoke(made.id)


def test_a_grant_that_ends_by_itself_ends_the_stream(server: Server, platform: Platform, secret: str) -> None:
    headers = {"Authorization": f"Bearer {secret}"}
    address = f"{server.url}{API}/stream?twins=press-a"
    for seconds in (2, 30):  # on a busy machine two are over before it begins
        ends = platform.clock.now() + seconds * SECOND
        platform.gate.grant("party:a", READS, Selector(twins=("press-a",)), ends=ends)
        with httpx.stream("GET", address, headers=headers, timeout=PATIENCE_S) as answer:
            events = [line for line in answer.iter_lines() if line.startswith("event:")]
        if answer.status_code == 200:
            break
    assert events[0] == "event: snapshot"
    assert events[-1] == "event: error"
    assert platform.clock.now() >= ends


def test_a_revoked_grant_breaks_off_a_download(server: Server, platform: Platform, secret: str, grant: Grant) -> None:
    start = 1_700_000_000
    told = [
        Reported(twin="press-a", property="recipe", value=f"{i:06d} " + "x" * 500, time=(start + i) * SECOND)
        for i in range(30_000)
    ]
    platform.ingest([Message(readings=told)], source="bulk")
    platform.past()
    asked = {"twins": "press-a", "properties": "recipe", "start": "2023-11-14T00:00:00Z", "end": "2023-11-16T00:00:00Z"}
    headers = {"Authorization": f"Bearer {secret}"}
    size = 0
    with httpx.stream("GET", f"{server.url}{API}/export", params=asked, headers=headers, timeout=60) as answer:
        assert answer.status_code == 200
        parts = answer.iter_bytes()
        size += len(next(parts))
        platform.gate.grants.revoke(grant.id)
        with pytest.raises(httpx.HTTPError):
            size += sum(map(len, parts))
    assert size < 30_000 * 500


def test_a_query_whose_right_ends_meanwhile_is_given_up(
    server: Server, platform: Platform, secret: str, grant: Grant
) -> None:
    sql = "SELECT sum(a.range * b.range * c.range) FROM range(3000) a, range(3000) b, range(3000) c"
    found: list[httpx.Response] = []

    def ask() -> None:
        headers = {"Authorization": f"Bearer {secret}"}
        found.append(httpx.post(f"{server.url}{API}/query", json={"sql": sql}, headers=headers, timeout=60))

    asking = threading.Thread(target=ask)
    asking.start()
    while not server.services.rights.watched:
        pass
    platform.gate.grants.revoke(grant.id)
    asking.join(60)
    assert found[0].status_code == 403, found[0].text
    assert Action.QUERY in found[0].text
