"""The live socket and the event stream: snapshot, deltas, gaps, bounds, who may open them."""

from __future__ import annotations

import socket as sockets
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from gemel.access import Action, Role
from gemel.platform import Platform
from gemel.server import Server


class Reader:
    """A socket that keeps what it was told, as the web app does."""

    def __init__(self, server: Server, token: str, **fields: Any) -> None:
        headers = {"Authorization": f"Bearer {token}", **fields.pop("headers", {})}
        address = f"ws{server.url.removeprefix('http')}/api/v1/live"
        self.socket: ClientConnection = connect(
            address, additional_headers=headers, subprotocols=["gemel.v1"], compression=None, proxy=None, **fields
        )
        self.keys: dict[tuple[int, int], tuple[str, str]] = {}
        self.values: dict[tuple[str, str], Any] = {}
        self.position = 0

    def send(self, **message: Any) -> None:
        self.socket.send(msgspec.msgpack.encode(message))

    def next(self) -> dict[str, Any]:
        message: dict[str, Any] = msgspec.msgpack.decode(self.socket.recv(60, decode=False))
        if message["t"] == "keys":
            self.keys.update({(message["s"], key): (twin, name) for key, twin, name in message["keys"]})
        if message["t"] in {"snap", "delta"}:
            assert message["position"] >= self.position
            self.position = message["position"]
            for key, value, *_ in message["values"]:
                self.values[self.keys[message["s"], key]] = value
        return message

    def until(self, *kinds: str) -> dict[str, Any]:
        while True:
            message = self.next()
            if message["t"] in kinds:
                return message


@pytest.fixture
def reader(server: Server, tokens: dict[str, str]) -> Iterator[Reader]:
    reader = Reader(server, tokens["viewer"])
    yield reader
    reader.socket.close()


def test_the_first_message_says_where_and_who(reader: Reader, platform: Platform) -> None:
    hello = reader.next()
    assert hello["t"] == "hello"
    assert hello["position"] <= platform.state.position
    assert hello["principal"]["role"] == "viewer"
    assert hello["demo"] is False
    assert reader.socket.subprotocol == "gemel.v1"


def test_a_snapshot_then_what_changes_and_nothing_else(reader: Reader, platform: Platform) -> None:
    platform.write("press-7", "oil_temperature", 21.0)
    platform.write("press-8", "oil_temperature", 22.0)
    reader.send(t="sub", s=1, twins=["press-7"], rate_hz=None)
    snap = reader.until("snap")
    assert reader.values["press-7", "oil_temperature"] == 21.0
    assert all(twin == "press-7" for twin, _ in reader.values)
    assert snap["position"] >= 2
    platform.write("press-8", "oil_temperature", 23.0)
    wanted = platform.write("press-7", "oil_temperature", 24.0)
    delta = reader.until("delta")
    assert reader.values["press-7", "oil_temperature"] == 24.0
    assert delta["position"] >= wanted
    assert len(delta["values"]) == 1
    (row,) = delta["values"]
    assert row[4] == 0  # good
    assert row[5] is True  # fresh


def test_many_subscriptions_share_one_socket_and_end_apart(reader: Reader, platform: Platform) -> None:
    reader.send(t="sub", s=1, twins=["press-7"], properties=["mode"], rate_hz=None)
    reader.send(t="sub", s=2, twins={"type": "press"}, headline=True, rate_hz=None)
    assert {reader.until("snap")["s"], reader.until("snap")["s"]} == {1, 2}
    platform.write("press-7", "mode", "AUTOMATIC")
    assert reader.until("delta")["s"] == 1
    reader.send(t="unsub", s=1)
    reader.send(t="ping", n=7)
    assert reader.until("pong")["n"] == 7
    platform.write("press-7", "mode", "MANUAL")
    platform.write("press-7", "oil_temperature", 25.0)
    assert reader.until("delta")["s"] == 2


def test_a_part_is_followed_with_its_whole(reader: Reader, platform: Platform) -> None:
    reader.send(t="sub", s=1, twins={"roots": True}, depth=1, rate_hz=None)
    reader.until("snap")
    platform.write("press-7", "parts_made", 77)
    while reader.values.get(("press-7", "parts_made")) != 77:
        reader.until("delta", "snap")


def test_a_reader_that_was_away_gets_what_it_missed(reader: Reader, platform: Platform) -> None:
    before = platform.write("press-7", "parts_made", 1)
    for number in range(2, 6):
        platform.write("press-7", "parts_made", number)
    reader.send(t="sub", s=1, twins=["press-7"], after=before, rate_hz=None)
    seen: list[int] = []
    while not seen or seen[-1] != 5:
        message = reader.until("delta", "snap")
        seen += [row[1] for row in message["values"]]
    assert seen == [2, 3, 4, 5]


def test_what_cannot_be_followed_is_refused_and_the_socket_lives(reader: Reader) -> None:
    for message in (
        {"t": "sub", "s": 1, "twins": ["ghost"]},
        {"t": "sub", "s": 1, "twins": {"type": "ghost"}},
        {"t": "sub", "s": 1, "twins": 5},
        {"t": "sub", "twins": []},
        {"t": "sub", "s": 1, "twins": ["press-7"], "rate_hz": -1},
        {"t": "sub", "s": 1, "twins": ["press-7"], "after": 10**12},
        {"t": "dance"},
        {},
    ):
        reader.send(**message)
        assert reader.until("error")["code"] in {"invalid-input", "unknown-twin", "unknown-type", "invalid-query"}
    for junk in (b"", b"\xc1", b"\x93\x01", b"\x81" * 900):
        reader.socket.send(junk)
        assert reader.until("error")["code"] == "invalid-input"
    reader.socket.send("text")
    assert reader.until("error")["code"] == "invalid-input"
    reader.send(t="ping", n=1)
    assert reader.until("pong")["n"] == 1


def test_a_change_of_the_registry_is_told(reader: Reader, platform: Platform) -> None:
    reader.until("hello")
    platform.apply("gemel: 1\ntwins:\n  - {id: told-1, types: [press]}\n")
    while reader.until("changed")["rev"] != platform.registry.directory.revision:
        pass  # what was declared just before


def test_an_event_of_a_followed_twin_is_told(reader: Reader, platform: Platform, admin: httpx.Client) -> None:
    reader.send(t="sub", s=1, twins=["press-7"], rate_hz=None)
    reader.until("snap")
    body = {"messages": [{"events": [{"twin": "press-7", "event": "overheated"}]}]}
    assert admin.post("/api/v1/ingest", json=body).json()["accepted"] == 1
    event = reader.until("event")["events"][0]
    assert event["twin"] == "press-7"


def test_nobody_and_other_sites_get_no_socket(server: Server, tokens: dict[str, str]) -> None:
    address = f"ws{server.url.removeprefix('http')}/api/v1/live"
    with pytest.raises(InvalidStatus) as refused:
        connect(address, proxy=None)
    assert refused.value.response.status_code == 401
    assert msgspec.json.decode(refused.value.response.body or b"")["code"] == "unauthenticated"
    with pytest.raises(InvalidStatus) as refused:
        connect(address + "?token=" + tokens["viewer"], proxy=None)
    assert refused.value.response.status_code == 401
    with pytest.raises(InvalidStatus) as refused:
        Reader(server, tokens["viewer"], headers={"Origin": "https://evil.example"})
    assert refused.value.response.status_code == 403


def test_who_may_not_subscribe_is_told_why_instead_of_getting_a_socket(server: Server, platform: Platform) -> None:
    secret = platform.gate.tokens.add("a peer", Role.VIEWER, only=((Action.WITNESS,), None))[1]
    with pytest.raises(InvalidStatus) as refused:
        Reader(server, secret)
    assert refused.value.response.status_code == 403
    problem = msgspec.json.decode(refused.value.response.body or b"")
    assert problem["code"] == "denied"
    assert "subscribe" in problem["detail"]


def test_a_withdrawn_token_closes_its_socket(server: Server, platform: Platform, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("gemel.server.live.PING_S", 0.05)
    token, secret = platform.gate.tokens.add("for a moment", "viewer")
    reader = Reader(server, secret)
    reader.until("ping")
    platform.gate.tokens.withdraw(token.id)
    assert reader.until("error")["code"] == "unauthenticated"
    reader.socket.close()


def test_a_reader_that_stops_reading_holds_up_nobody_and_is_bounded(
    server: Server, platform: Platform, tokens: dict[str, str]
) -> None:
    raw = sockets.socket()
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", server.services.port))
    address = f"ws://127.0.0.1:{server.services.port}/api/v1/live"
    headers = {"Authorization": f"Bearer {tokens['viewer']}"}
    slow = connect(address, sock=raw, additional_headers=headers, compression=None, proxy=None, max_queue=1)
    fast = Reader(server, tokens["viewer"])
    try:
        slow.send(msgspec.msgpack.encode({"t": "sub", "s": 1, "twins": ["press-7"], "rate_hz": 50}))
        fast.send(t="sub", s=1, twins=["press-7"], rate_hz=None)
        fast.until("snap")
        last = 0
        for number in range(300):
            last = platform.write("press-7", "parts_made", 1000 + number)
        while fast.position < last:
            fast.until("delta", "snap")
        assert fast.values["press-7", "parts_made"] == 1299
        assert httpx.get(server.url + "/healthz").status_code == 200
    finally:
        fast.socket.close()
        slow.close_timeout = 0.2
        slow.close()
        raw.close()


def test_server_sent_events_carry_the_same_deltas(server: Server, platform: Platform, tokens: dict[str, str]) -> None:
    platform.write("press-8", "parts_made", 4)
    headers = {"Authorization": f"Bearer {tokens['viewer']}"}
    params = {"twins": "press-8", "properties": "parts_made"}
    with httpx.stream("GET", server.url + "/api/v1/stream", params=params, headers=headers, timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        snapshot = _event(lines)
        assert snapshot["event"] == "snapshot"
        wanted = platform.write("press-8", "parts_made", 5)
        delta = _event(lines)
    assert delta["event"] == "delta"
    assert int(delta["id"]) >= wanted
    assert msgspec.json.decode(delta["data"])["values"]["press-8"]["parts_made"]["value"] == 5


def test_a_stream_of_an_unknown_twin_is_refused(server: Server, tokens: dict[str, str]) -> None:
    headers = {"Authorization": f"Bearer {tokens['viewer']}"}
    assert httpx.get(server.url + "/api/v1/stream?twins=ghost", headers=headers).status_code == 404
    assert httpx.get(server.url + "/api/v1/stream?twins=press-7").status_code == 401


def test_stopping_ends_open_sockets_and_streams(platform: Platform, tokens: dict[str, str]) -> None:
    server = Server(platform, port=0)
    server.start()
    reader = Reader(server, tokens["viewer"])
    reader.until("hello")
    headers = {"Authorization": f"Bearer {tokens['viewer']}"}
    with httpx.stream("GET", server.url + "/api/v1/stream?twins=press-7", headers=headers, timeout=60) as answer:
        lines = answer.iter_lines()
        _event(lines)
        server.stop()
        assert list(lines) == []
    with pytest.raises(ConnectionClosed):
        reader.until("nothing of this kind")
    reader.socket.close()


def _event(lines: Iterator[str]) -> dict[str, str]:
    event: dict[str, str] = {}
    for line in lines:
        if not line and event:
            return event
        name, _, value = line.partition(": ")
        if name:
            event[name] = value
    return event
