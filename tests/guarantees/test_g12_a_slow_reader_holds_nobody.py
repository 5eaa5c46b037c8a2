"""G12: a reader that stops for an hour of load, or a history that stands still, never holds up the intake and takes a
bounded part of memory; then the reader gets a gap mark, and with its position everything it missed. The hour is
simulated: the clock is stepped.

Readers: of the library, of the live socket, of the event stream, and of a download of the history.
"""

from __future__ import annotations

import gc
import io
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from websockets.sync.client import connect

from gemel.clock import SECOND, SteppedClock
from gemel.diagnosis import Check, Level
from gemel.intake import Message, Reported
from gemel.platform import Platform
from gemel.server import Server
from gemel.state import Selection, Subscription
from gemel.state.subscription import MAX_BYTES, MAX_PENDING
from gemel.twin import Form
from tests.guarantees.ledger import tell

START = 1_600_000_000 * SECOND
STEPS, ROWS = 36, 10_000
"""An hour in steps of 100 s, 100 readings a second."""
ALLOWED_BYTES = 200 << 20
PLANT = """
gemel: 1
types:
  - {id: line, properties: [{name: count, kind: integer}, {name: note, kind: text}]}
twins: [{id: line-1, types: [line]}, {id: line-2, types: [line]}]
"""


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[tuple[Platform, SteppedClock]]:
    clock = SteppedClock(START)
    with Platform.open(tmp_path, clock=clock) as platform:
        platform.apply(PLANT)
        platform.write("line-1", "count", -1)
        yield platform, clock


def resident() -> int:
    """Bytes of this process in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def readers(platform: Platform) -> list[Subscription]:
    return platform.state._core.broadcast.everyone()


hours = pytest.mark.parametrize("hours", [1, pytest.param(3, marks=pytest.mark.soak)])


def an_hour(plant: tuple[Platform, SteppedClock], first: int = 0, *, hours: int = 1) -> int:
    """Load for an hour or more; looks after each step at what waits for readers. Returns how many readings."""
    platform, clock = plant
    for step in range(STEPS * hours):
        clock.step(100)
        number = first + step * ROWS
        frame = pa.record_batch(
            {
                "twin": pa.array(["line-1"] * ROWS).dictionary_encode(),
                "property": pa.array(["count"] * ROWS).dictionary_encode(),
                "time": pa.array(np.arange(ROWS) * 10_000 + clock.now() - 100 * SECOND),
                "value": pa.array(np.arange(number, number + ROWS)),
            }
        )
        assert platform.intake.submit_frame("load", frame).result(60).accepted == ROWS
        for reader in readers(platform):
            count, size = reader.waiting
            assert count <= MAX_PENDING
            assert size <= MAX_BYTES
    return STEPS * ROWS * hours


@hours
def test_the_librarys_reader_gets_a_gap_and_then_everything(plant: tuple[Platform, SteppedClock], hours: int) -> None:
    platform, _ = plant
    with platform.subscribe(Selection(twins=("line-1",))) as reader:
        first = reader.get(60)
        assert first is not None
        assert first.snapshot
        before = resident()
        total = an_hour(plant, hours=hours)
        grown = max(0, resident() - before)
        assert grown < ALLOWED_BYTES
        delta = reader.get(60)
        assert delta is not None
        assert delta.gap is not None
        assert [update.now.value for update in delta.values] == [total - 1]
    seen: list[int] = []
    with platform.subscribe(Selection(twins=("line-1",)), after=delta.gap.after) as again:
        while len(seen) < total:
            missed = again.get(60)
            assert missed is not None
            assert missed.gap is None
            seen += [update.now.value for update in missed.values]
    assert seen == list(range(total))
    tell("G12", "library: all that was missed", ok=len(seen), hours=hours, grown_kib=grown >> 10)


def test_texts_that_wait_are_bounded_by_their_bytes(plant: tuple[Platform, SteppedClock]) -> None:
    platform, _ = plant
    with platform.subscribe(Selection(twins=("line-1",))) as reader:
        assert reader.get(60) is not None
        most = 0
        for number in range(60):
            told = [Reported(twin="line-1", property="note", value=f"{number}-{i}" + "x" * 60_000) for i in range(40)]
            platform.ingest([Message(readings=told)])
            most = max(most, reader.waiting[1])
            assert most <= MAX_BYTES
        assert most > MAX_BYTES // 2
        delta = reader.get(60)
        assert delta is not None
        assert delta.gap is not None


def test_a_history_that_stands_still_holds_nobody_and_lacks_nothing_afterwards(
    plant: tuple[Platform, SteppedClock],
) -> None:
    platform, _ = plant
    historian, most, texts, total = platform.history._historian, 20 << 20, 40, 60 * 40
    historian.pace = msgspec.structs.replace(historian.pace, tail_bytes=most, commit_bytes=most // 4)

    def standing() -> Check:
        return next(check for check in platform.health.look() if check.part == "history")

    stands, go = threading.Event(), threading.Event()
    held = historian.between_commits(lambda _: stands.set() or go.wait())
    assert stands.wait(60)
    try:
        first = platform.position
        for number in range(total // texts):
            told = [
                Reported(twin="line-1", property="note", value=f"{number}-{i}" + "x" * 60_000) for i in range(texts)
            ]
            platform.ingest([Message(readings=told)])
        assert platform.now("line-1")["note"].value.startswith(f"{total // texts - 1}-{texts - 1}")
        assert platform.history.wait(first + most // 60_040 + 1, 60)
        assert standing().level is Level.WARN
        assert "the journal keeps the rest" in standing().told
        with platform.history.view() as view:
            assert view.position < platform.position
            grown = sum(part.rows[Form.TEXT].value.nbytes for part in view.tail if Form.TEXT in part.rows)
        assert grown < most * 5 // 4
    finally:
        go.set()
    assert held.result(60)
    assert platform.history.flush() == platform.position
    found = platform.history.readings("line-1", "note", 0, 2**60).value.to_pylist()
    assert len(found) == len(set(found)) == total
    assert standing().level is Level.OK
    tell("G12", "history that stands still: taken in meanwhile", ok=total, grown_kib=grown >> 10)


@hours
@pytest.mark.slow
def test_a_live_socket_that_is_not_read_gets_a_gap_and_then_everything(
    plant: tuple[Platform, SteppedClock], hours: int
) -> None:
    platform, _ = plant

    def follow(server: Server, **more: Any) -> Any:
        address = f"ws{server.url.removeprefix('http')}/api/v1/live"
        live = connect(address, compression=None, proxy=None, max_queue=1, max_size=None)
        live.send(msgspec.msgpack.encode({"t": "sub", "s": 1, "twins": ["line-1"], "rate_hz": None, **more}))
        return live

    def until(live: Any, *kinds: str) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = msgspec.msgpack.decode(live.recv(60, decode=False))
            if message.get("s") == 1 and message["t"] in kinds:
                return message

    with Server(platform, port=0, demo=True) as server:
        live = follow(server)
        until(live, "snap")
        before = resident()
        total = an_hour(plant, hours=1 + hours)  # the network's own buffers hold the beginning
        grown = max(0, resident() - before)
        assert grown < 2 * ALLOWED_BYTES
        gap = until(live, "gap")
        assert gap["to"] <= platform.position
        assert until(live, "snap")["values"][-1][1] == total - 1
        live.close()
        again = follow(server, after=gap["from"])
        expected, seen, count = None, 0, 0
        while seen != total - 1:
            for row in until(again, "delta", "snap")["values"]:
                assert expected is None or row[1] == expected
                seen, expected, count = row[1], row[1] + 1, count + 1
        again.close()
    tell("G12", "live socket: all since the gap", ok=count, hours=1 + hours, grown_kib=grown >> 10)


@hours
@pytest.mark.slow
def test_an_event_stream_that_is_not_read_holds_nobody(plant: tuple[Platform, SteppedClock], hours: int) -> None:
    platform, _ = plant
    with Server(platform, port=0, demo=True) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as raw:
            raw.sendall(f"GET /api/v1/stream?twins=line-1 HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
            raw.settimeout(60)
            stream = raw.makefile("rb")
            assert any(line.startswith(b"event: snapshot") for line in stream)
            before = resident()
            total = an_hour(plant, hours=hours)
            grown = max(0, resident() - before)
            assert grown < 2 * ALLOWED_BYTES
            last = -1
            for line in stream:
                if line.startswith(b"data: ") and b'"values"' in line:
                    last = json.loads(line[6:])["values"]["line-1"]["count"]["value"]
                if last == total - 1:
                    break
            assert last == total - 1, "what the buffers could not hold is told as a gap, and then the present"
        tell("G12", "event stream: taken in meanwhile", ok=total, hours=hours, grown_kib=grown >> 10)


@hours
@pytest.mark.slow
def test_a_download_that_is_not_read_holds_nobody_and_is_whole_in_the_end(
    plant: tuple[Platform, SteppedClock], hours: int
) -> None:
    platform, _ = plant
    total = an_hour(plant, hours=hours)
    assert platform.history.wait(platform.position, 60)
    with Server(platform, port=0, demo=True) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as raw:
            query = "twins=line-1&properties=count&start=2020-01-01T00:00:00Z&end=2100-01-01T00:00:00Z&format=csv"
            raw.sendall(f"GET /api/v1/export?{query} HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n".encode())
            raw.settimeout(60)
            stream = raw.makefile("rb")
            assert b" 200 " in stream.readline()
            before = resident()
            an_hour(plant, total)
            grown = max(0, resident() - before)
            assert grown < ALLOWED_BYTES
            body = io.BytesIO(stream.read())
        rows = [line for line in body.read().splitlines() if b"line-1" in line]
        assert len(rows) >= total
    tell("G12", "download: rows that came", ok=total, hours=hours, grown_kib=grown >> 10)
