"""A reader that goes on after a break misses nothing: not the rest of what belongs together, not a restored plant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from websockets.sync.client import ClientConnection, connect

import gemel
from gemel.backup import Vault, restore
from gemel.client import Client
from gemel.intake import Happened, Message, Reported
from gemel.platform import Platform
from gemel.server import Server

PLANT = """
gemel: 1
types: [{id: press, properties: [{name: strokes, kind: integer}], events: [{name: jammed}]}]
twins: [{id: press-7, types: [press]}]
"""
LOST, NEW = range(100, 110), range(200, 210)
"""What the lost plant was told after its last backup, and the restored one at the same positions."""


class Lives:
    """A plant that was lost after a backup, restored, and went on."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        with gemel.open(folder / "plant") as platform:
            platform.apply(PLANT)
            platform.backup(folder / "vault")
            seen = [platform.write("press-7", "strokes", value) for value in LOST]
        restore(Vault(folder / "vault"), folder / "again")
        self.platform = stack.enter_context(gemel.open(folder / "again"))
        given = [self.platform.write("press-7", "strokes", value) for value in NEW]
        self.position = seen[5]
        """What a reader of the lost plant has seen."""
        assert given[0] < self.position < given[-1], "the positions were given anew"
        self.url = stack.enter_context(Server(self.platform, port=0, demo=True)).url


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lives]:
    with ExitStack() as stack:
        yield Lives(tmp_path_factory.mktemp("lives"), stack)


def socket_of(url: str, **wanted: Any) -> ClientConnection:
    live = connect(f"ws{url.removeprefix('http')}/api/v1/live", compression=None, proxy=None)
    live.send(msgspec.msgpack.encode({"t": "sub", "s": 1, "twins": ["press-7"], "rate_hz": None, **wanted}))
    return live


def frames(live: ClientConnection) -> Iterator[dict[str, Any]]:
    while True:
        yield msgspec.msgpack.decode(live.recv(60, decode=False))


def values_of(message: dict[str, Any]) -> list[Any]:
    return [row[1] for row in message.get("values", ())]


def test_the_live_socket_of_a_restored_plant_says_that_all_begins_again(lives: Lives) -> None:
    live = socket_of(lives.url, after=lives.position)
    told = frames(live)
    hello = next(told)
    assert hello["epoch"] == lives.platform.epoch != ""
    assert next(told) == {"t": "reset", "s": 1, "epoch": lives.platform.epoch}
    snap = next(message for message in told if message["t"] in {"snap", "delta"})
    assert (snap["t"], values_of(snap)) == ("snap", [NEW[-1]])
    live.close()
    live = socket_of(lives.url, after=snap["position"], epoch=hello["epoch"])
    wanted = lives.platform.write("press-7", "strokes", 300)
    kinds = {"reset", "snap", "delta"}
    first = next(message for message in frames(live) if message["t"] in kinds)
    assert (first["t"], values_of(first), first["position"]) == ("delta", [300], wanted)
    live.close()


def event_of(lines: Iterator[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        if not line and found:
            return found
        name, _, value = line.partition(": ")
        if name:
            found[name] = value
    return found


@pytest.mark.parametrize("way", ["header", "address"])
def test_the_event_stream_of_a_restored_plant_says_that_all_begins_again(lives: Lives, way: str) -> None:
    def follow(position: str, epoch: str) -> Any:
        """As an EventSource does by itself, or as a program that keeps both."""
        mark = f"{position}-{epoch}" if epoch else position
        headers = {"Last-Event-ID": mark} if way == "header" else {}
        params = {"twins": "press-7"} | ({} if way == "header" else {"after": position, "epoch": epoch})
        return httpx.stream("GET", f"{lives.url}/api/v1/stream", params=params, headers=headers, timeout=60)

    with follow(str(lives.position), "") as answer:
        lines = answer.iter_lines()
        reset, snapshot = event_of(lines), event_of(lines)
    assert (reset["event"], "id" in reset) == ("reset", False)
    assert msgspec.json.decode(reset["data"]) == {"epoch": lives.platform.epoch}
    values = msgspec.json.decode(snapshot["data"])["values"]["press-7"]["strokes"]["value"]
    assert (snapshot["event"], values) == ("snapshot", lives.platform.now("press-7")["strokes"].value)
    position, _, epoch = snapshot["id"].partition("-")
    assert epoch == lives.platform.epoch
    lives.platform.write("press-7", "strokes", 400)
    with follow(position, epoch) as answer:
        assert event_of(answer.iter_lines())["event"] == "delta"


def test_the_librarys_reader_over_the_network_begins_again(lives: Lives) -> None:
    with Client(lives.url) as client:
        with client.subscribe(["press-7"], after=lives.position) as reader:
            reset = reader.get(60)
            assert reset is not None
            assert reset.reset
            assert (reader.position, reader.epoch) == (lives.position, ""), "cut off here it asks as before"
            snapshot = reader.get(60)
            assert snapshot is not None
            assert snapshot.snapshot
            assert (reader.position, reader.epoch) == (snapshot.position, lives.platform.epoch)
        lives.platform.write("press-7", "strokes", 500)
        with client.subscribe(["press-7"], after=reader.position, epoch=reader.epoch) as again:
            delta = next(delta for delta in again if delta.values or delta.reset)
            assert [update.value for update in delta.values] == [500]
            assert not delta.snapshot


def tell_both(platform: Platform, value: int) -> None:
    """Of one block there are a value and an event: two messages of one position."""
    reported = Reported(twin="press-7", property="strokes", value=value)
    platform.ingest([Message(readings=[reported], events=[Happened(twin="press-7", event="jammed")])])


def test_a_socket_that_is_cut_in_the_middle_of_what_belongs_together_gets_the_rest(lives: Lives) -> None:
    before = lives.platform.position
    tell_both(lives.platform, 600)
    with Client(lives.url) as client:
        with client.subscribe(["press-7"], after=before, epoch=lives.platform.epoch) as reader:
            first = next(delta for delta in reader if delta.values or delta.events)
            assert [update.value for update in first.values] == [600]
            assert reader.position == before, "the event is still to come"
        with client.subscribe(["press-7"], after=reader.position, epoch=reader.epoch) as again:
            event = next(delta for delta in again if delta.events)
            assert [one["kind"] for one in event.events] == ["event.happened"]
            assert again.position is not None
            assert again.position > before


def test_a_stream_that_is_cut_in_the_middle_of_what_belongs_together_gets_the_rest(lives: Lives) -> None:
    params = {"twins": "press-7", "after": lives.platform.position, "epoch": lives.platform.epoch}
    tell_both(lives.platform, 700)
    with httpx.stream("GET", f"{lives.url}/api/v1/stream", params=params, timeout=60) as answer:
        lines = answer.iter_lines()
        delta, happened = event_of(lines), event_of(lines)
    assert (delta["event"], "id" in delta) == ("delta", False)
    assert (happened["event"], "id" in happened) == ("happened", True)
