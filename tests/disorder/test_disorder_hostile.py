"""Wrong clocks, poison and hostile messages: each is refused or held with its reason, and the stream goes on."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as paho
import psutil
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gemel.clock import parse_time, to_rfc3339
from gemel.connectors.mqtt.broker import Broker
from gemel.platform import Platform
from gemel.server import Server
from tests.disorder.house import API, PLANT, Caller, journaled

YEAR_S = 365.25 * 86_400
MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with Platform.open(tmp_path_factory.mktemp("plant")) as platform:
        platform.apply(PLANT)
        yield platform


@pytest.fixture(scope="module")
def server(platform: Platform) -> Iterator[Server]:
    with Server(platform, port=0, demo=True) as server:
        yield server


@pytest.fixture(scope="module")
def caller(server: Server) -> Iterator[Caller]:
    with closing(Caller(server.url)) as caller:
        yield caller


# clocks


@pytest.mark.parametrize("years", [10, -10])
def test_a_clock_that_is_ten_years_off_is_held_and_mended_by_a_rule(
    platform: Platform, caller: Caller, years: int
) -> None:
    twin, source = ("press-a", "clock-ahead") if years > 0 else ("press-b", "clock-behind")
    shift_s = round(years * YEAR_S)
    true = platform.clock.now() // 1_000_000 * 1_000_000 - 60_000_000
    told = to_rfc3339(true + shift_s * 1_000_000)
    reading = {"twin": twin, "property": "force", "value": 4.5, "time": told}
    receipt = caller.post("/ingest", {"source": source, "messages": [{"readings": [reading], "id": "m-1"}]})
    assert (receipt["accepted"], receipt["quarantined"]) == (0, 1)
    assert receipt["problems"][0]["code"] == "clock"
    assert "rule" in receipt["problems"][0]["detail"]
    assert caller.history(twin, "force") == []

    (held,) = caller.get("/quarantine", source=f"http:{source}", code="clock")["items"]
    rule = {"shift_s": -shift_s}
    assert caller.post("/quarantine/replay", {"ids": [held["id"]], "rule": rule})["accepted"] == 1
    assert caller.history(twin, "force") == [(true, 4.5)]
    assert caller.get(f"/twins/{twin}/at", time=to_rfc3339(true))["values"]["force"]["value"] == 4.5
    (original,) = caller.get("/quarantine", source=f"http:{source}", state="replayed")["items"]
    assert (
        parse_time(original["payload"]["time"]) == parse_time(told)
        if isinstance(original["payload"]["time"], str)
        else original["payload"]["time"] == parse_time(told)
    )
    assert caller.post("/quarantine/replay", {"ids": [held["id"]], "rule": rule})["accepted"] == 0
    assert caller.history(twin, "force") == [(true, 4.5)]


# hostile bodies over HTTP


def told(value: str, name: str = "program") -> bytes:
    """A body whose value is this JSON text."""
    return b'{"messages": [{"readings": [{"twin": "press-a", "property": "%s", "value": %s}]}]}' % (
        name.encode(),
        value.encode("utf-8", "surrogatepass"),
    )


HOSTILE = {
    "deep": told("[" * 10_000 + "]" * 10_000, "recipe"),
    "deep objects": told('{"a":' * 10_000 + "1" + "}" * 10_000, "recipe"),
    "deeper than the twin takes": told("[" * 40 + "]" * 40, "recipe"),
    "not a number": told("NaN", "force"),
    "infinite": told("-Infinity", "force"),
    "larger than any number": told("1e400", "force"),
    "more digits than any number": told("9" * 5000, "count"),
    "beyond 64 bits": told(str(2**64), "count"),
    "half a character": told('"\\ud800"'),
    "invalid UTF-8": b'{"messages": [{"readings": [{"twin": "press-a", "property": "program", "value": "\xff\xfe"}]}]}',
    "a long text": told('"' + "x" * 20 * MEBIBYTE + '"'),
    "a wrong kind": told('{"a": 1}', "force"),
    "a path for a twin": b'{"messages": [{"readings": [{"twin": "../../etc/passwd", "property": "x", "value": 1}]}]}',
    "a path for a property": told("1", "../../etc/passwd"),
    "a path for a source": b'{"source": "../../etc/passwd", "messages": []}',
    "a null byte for a twin": b'{"messages": [{"readings": [{"twin": "a\\u0000b", "property": "x", "value": 1}]}]}',
    "no object": b"[]",
    "nothing": b"",
    "half a body": b'{"messages": [{"readings": [',
    "a number for a name": b'{"messages": [{"readings": [{"twin": 5, "property": "x", "value": 1}]}]}',
    "a sequence below zero": b'{"messages": [{"sequence": -1, "readings": []}]}',
    "a year that is none": b'{"messages": [{"readings": [{"twin": "press-a", "property": "force", "value": 1, '
    b'"time": "99999-01-01T00:00:00Z"}]}]}',
}
GOOD = itertools.count()


def good(caller: Caller) -> int:
    """Send a value that fits; its number."""
    number = next(GOOD)
    reading = {"twin": "press-plc", "property": "count", "value": number}
    receipt = caller.post("/ingest", {"messages": [{"readings": [reading], "id": f"good-{number}"}]})
    assert (receipt["accepted"], receipt["quarantined"]) == (1, 0)
    return number


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body_is_refused_or_held_with_a_reason_and_the_stream_goes_on(
    platform: Platform, caller: Caller, name: str
) -> None:
    good(caller)
    before = len(journaled(platform))
    status, answer = caller.ask("POST", "/ingest", HOSTILE[name])
    assert len(answer) < 4000
    said = msgspec.json.decode(answer)
    if status == 200:
        assert (said["accepted"], said["quarantined"]) == (0, 1), said
        assert said["problems"][0]["code"]
        assert said["problems"][0]["detail"]
    else:
        assert status in (400, 413, 422), said
        assert said["code"] != "internal"
        assert said["detail"]
    assert len(journaled(platform)) == before
    number = good(caller)
    values = [value for twin, name, _, value, _ in journaled(platform) if (twin, name) == ("press-plc", "count")]
    assert values == list(range(number + 1))


def test_of_a_key_that_comes_twice_the_last_value_is_taken(caller: Caller) -> None:
    body = b'{"messages": [{"readings": [{"twin": "press-frames", "property": "count", "value": 1, "value": 2}]}]}'
    status, answer = caller.ask("POST", "/ingest", body)
    assert (status, msgspec.json.decode(answer)["accepted"]) == (200, 1)
    assert [value for _, value in caller.history("press-frames", "count")] == [2]


def test_texts_with_null_bytes_come_back_from_every_room_as_they_went_in(platform: Platform, caller: Caller) -> None:
    text = "O1\x00; DROP TABLE twin\x1b[2J\u202e"
    moment = platform.clock.now() - 1_000_000
    reading = {"twin": "press-frames", "property": "program", "value": text, "time": to_rfc3339(moment)}
    event = {"twin": "press-frames", "event": "overheated", "id": "e\x00/../1", "fields": {"a\x00": text}}
    message = {"readings": [reading], "events": [event], "id": "../../m\x00"}
    for repeated in (0, 2):
        receipt = caller.post("/ingest", {"source": "s-1", "messages": [message]})
        assert (receipt["accepted"], receipt["repeated"]) == (2 - repeated, repeated), receipt
    for _ in range(2):
        assert caller.get("/twins/press-frames/now/program")["value"] == text
        assert platform.at("press-frames", moment)["program"].value == text
        (happened,) = caller.events("press-frames")
        assert happened["body"]["fields"] == {"a\x00": text}
        platform.history.flush()


def test_a_body_of_a_hundred_megabytes_is_refused_and_leaves_no_memory_behind(server: Server, caller: Caller) -> None:
    process = psutil.Process(os.getpid())
    good(caller)
    before = process.memory_info().rss
    part = b"x" * MEBIBYTE
    for _ in range(3):
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
        with closing(connection):
            connection.putrequest("POST", f"{API}/ingest")
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(100 * MEBIBYTE))
            connection.endheaders()
            with suppress(OSError):  # the server may hang up before it has all of it
                for _ in range(100):
                    connection.send(part)
            with suppress(OSError, http.client.HTTPException):
                assert connection.getresponse().status == 413
    good(caller)
    assert process.memory_info().rss - before < 200 * MEBIBYTE


# hostile devices


POISON = [
    b"",
    b"\x00",
    b"|",
    b"|||||",
    b"2017",
    b"not a time|Xload|1",
    b"2017-03-20T08:00:00Z|Xload",
    b"2017-03-20T08:00:00Z|../../etc/passwd|1",
    b"2017-03-20T08:00:00Z|Xload|" + b"9" * 400,
    b"2017-03-20T08:00:00Z|Xload|NaN",
    b"2017-03-20T08:00:00Z|Xload|\xff\xfe",
    b"2017-03-20T08:00:00Z|Xload|" + b"x" * 3 * MEBIBYTE,
    b"99999-03-20T08:00:00Z|Xload|1",
    b"* PONG nonsense",
]


class Adapter:
    """An SHDR adapter of one connection that says what it is given."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"shdr://127.0.0.1:{self._listener.getsockname()[1]}"
        self._connection: socket.socket | None = None
        self._connected = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            self._connection, _ = self._listener.accept()
            self._connected.set()

    def say(self, line: bytes) -> None:
        assert self._connected.wait(60)
        assert self._connection is not None
        self._connection.sendall(line + b"\n")

    def close(self) -> None:
        self._listener.close()
        if self._connection is not None:
            self._connection.close()
        self._thread.join()


def machine(kind: str, url: str, address: str) -> dict[str, Any]:
    return {
        "gemel": 1,
        "types": [{"id": "axis", "properties": [{"name": "load", "kind": "number"}]}],
        "twins": [{"id": "axis-1", "types": ["axis"]}],
        "connectors": [
            {
                "id": "wire",
                "kind": kind,
                "settings": {"url": url} | ({"payload": {"id": "id"}} if kind == "mqtt" else {}),
                "bindings": [{"address": address, "twin": "axis-1", "property": "load"}],
            }
        ],
    }


def loads(platform: Platform) -> list[Any]:
    return [value for twin, _, _, value, _ in journaled(platform) if twin == "axis-1" and value is not None]


def wait_for(platform: Platform, values: list[Any]) -> None:
    """Until the loads that we sent are these, for 60 s at most."""
    until = time.monotonic() + 60
    while [one for one in loads(platform) if one in values] != values:
        platform.journal.wait(platform.journal.head().position + 1, 0.5)
        assert time.monotonic() < until, str(loads(platform))


def wait_held(platform: Platform, least: int) -> None:
    """Until so many messages of the wire are in quarantine, for 60 s at most."""
    until = time.monotonic() + 60
    while len(platform.quarantined(source="wire").items) < least:
        platform.journal.wait(platform.journal.head().position + 1, 0.5)
        assert time.monotonic() < until, str(platform.quarantined(source="wire").items)


def test_an_adapter_that_talks_nonsense_is_heard_all_the_same(tmp_path: Path) -> None:
    with closing(Adapter()) as adapter, Platform.open(tmp_path) as platform:
        platform.apply(machine("mtconnect", adapter.url, "Xload"))
        now = to_rfc3339(platform.clock.now())[:19]
        wanted = []
        for number, poison in enumerate(POISON):
            adapter.say(poison)
            adapter.say(f"{now}.{number:06d}Z|Xload|{number}".encode())
            wanted.append(float(number))
        wait_for(platform, wanted)
        held = platform.quarantined(source="wire").items
        assert all(one.detail for one in held)
        assert {one.code for one in held} >= {"malformed", "not-finite"}
        assert platform.verify().ok


def test_a_publisher_that_talks_nonsense_is_heard_all_the_same(tmp_path: Path) -> None:
    nonsense = [
        b"",
        b"\xff\xfe",
        b"{",
        b"NaN",
        b"[" * 10_000,
        b'{"n": NaN}',
        b'{"n": 1e999}',
        b'{"n": "' + b"x" * 500_000 + b'"}',
        b'{"n": {"../../etc/passwd": 1}}',
        b'{"n": ' + b"9" * 5000 + b"}",
        b'{"n": 1, "id": "\\u0000"}',
    ]
    with Broker(tmp_path / "broker") as broker, Platform.open(tmp_path / "plant") as platform:
        platform.apply(machine("mqtt", broker.url, "axis/load#n"))
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        try:
            health: Any = None
            while health is None or health.state != "connected":
                platform.journal.wait(platform.journal.head().position + 1, 0.1)
                health = platform.supervisor.health().get("wire")
            wanted = []
            for number, poison in enumerate(nonsense):
                client.publish("axis/load", poison, 1)
                client.publish("axis/load", json.dumps({"n": 100.0 + number, "id": f"m-{number}"}), 1)
                wanted.append(100.0 + number)
            wait_for(platform, wanted)
        finally:
            client.disconnect()
            client.loop_stop()
        assert all(one.detail for one in platform.quarantined(source="wire").items)
        wait_held(platform, 3)
        assert platform.verify().ok
