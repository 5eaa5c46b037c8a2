"""G11: what cannot be taken goes to quarantine with its reason, or is refused with one; what comes after it is taken;
and after a fix it can be handed in again. Malformed, huge, deep, not a number, of another type, bombs, not UTF-8."""

from __future__ import annotations

import gzip
import io
import json
import math
import random
import resource
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import paho.mqtt.client as paho
import pyarrow as pa
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gemel.intake import Message
from gemel.platform import Platform
from gemel.server import Server
from gemel.twin import TwinSpec
from tests.connectors.brokers import Broker
from tests.disorder.house import ARROW
from tests.guarantees.ledger import seed, tell
from tests.guarantees.line import PLANT, connector, counted, hall, is_connected, wait_for
from tests.intake.plant import START, World, reading

JSON = "application/json"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Platform, httpx.Client]]:
    with (
        Platform.open(tmp_path_factory.mktemp("plant")) as platform,
        Server(platform, port=0, demo=True) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        platform.apply(PLANT)
        yield platform, client


def frame(*, rows: int = 3, compression: str | None = None, value: Any = None) -> bytes:
    batch = pa.record_batch(
        {
            "twin": pa.array(["line-1"] * rows),
            "property": pa.array(["count"] * rows),
            "time": pa.array(np.full(rows, START), pa.int64()),
            "value": pa.array(np.zeros(rows, np.int64) if value is None else value),
        }
    )
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def lying(compression: str) -> bytes:
    """A small stream whose buffers declare 2^40 bytes each."""
    whole = bytearray(frame(rows=1_000, compression=compression))
    at = 0
    for length in {1_000 * 8, 1_001 * 4}:
        while (at := whole.find(struct.pack("<q", length), at)) >= 0:
            whole[at : at + 8] = struct.pack("<q", 1 << 40)
            at += 8
        at = 0
    return bytes(whole)


POISON: dict[str, tuple[str, bytes, dict[str, str]]] = {
    "nothing": (JSON, b"", {}),
    "not JSON": (JSON, b"{'a': 1}", {}),
    "half of it": (JSON, b'{"messages": [{"readings": [{"tw', {}),
    "NaN": (JSON, b'{"messages":[{"readings":[{"twin":"line-1","property":"count","value":NaN}]}]}', {}),
    "not UTF-8": (JSON, b'{"messages":[{"readings":[{"twin":"line-1","property":"note","value":"\xff\xfe"}]}]}', {}),
    "deep": (JSON, b'{"messages":' + b"[" * 200_000 + b"]" * 200_000 + b"}", {}),
    "gzip": (JSON, gzip.compress(b'{"messages":[]}' + b" " * 50_000_000), {"Content-Encoding": "gzip"}),
    "zip without saying so": (JSON, gzip.compress(b"0" * 10_000_000), {}),
    "an Arrow bomb, zstd": (ARROW, frame(rows=20_000_000, compression="zstd"), {}),
    "an Arrow bomb, lz4": (ARROW, frame(rows=20_000_000, compression="lz4"), {}),
    "Arrow lengths that lie": (ARROW, lying("zstd"), {}),
    "Arrow cut": (ARROW, frame()[:-200], {}),
    "too large": (JSON, b" " * (33 << 20), {}),
}


@pytest.mark.parametrize("name", sorted(POISON))
def test_a_poisoned_body_is_refused_with_a_reason_and_the_next_is_taken(
    served: tuple[Platform, httpx.Client], name: str
) -> None:
    platform, client = served
    kind, body, headers = POISON[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = client.post("/api/v1/ingest", content=body, headers={"Content-Type": kind} | headers)
    assert answer.status_code in (400, 413, 415, 422), answer.text
    assert len(answer.json()["detail"]) > 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kilobytes: nothing was unpacked
    good = {"messages": [{"readings": [{"twin": "line-1", "property": "count", "value": 1}]}]}
    assert client.post("/api/v1/ingest", json=good).json()["accepted"] == 1
    assert platform.now("line-1")["count"].value == 1


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_compressed_frames_of_a_usual_size_are_taken(served: tuple[Platform, httpx.Client], compression: str) -> None:
    _, client = served
    body = frame(rows=10_000, compression=compression)
    answer = client.post("/api/v1/ingest", content=body, headers={"Content-Type": ARROW})
    assert answer.json()["accepted"] == 10_000


@pytest.mark.parametrize("count", [150, pytest.param(3_000, marks=pytest.mark.soak)])
def test_streams_with_any_bits_flipped_never_stop_the_server(served: tuple[Platform, httpx.Client], count: int) -> None:
    platform, client = served
    number = seed()
    chance = random.Random(number)
    answers: dict[int, int] = {}
    for _ in range(count):
        damaged = bytearray(frame(rows=50, compression=chance.choice([None, "zstd", "lz4"])))
        for _ in range(chance.randrange(1, 4)):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        answer = client.post("/api/v1/ingest", content=bytes(damaged), headers={"Content-Type": ARROW})
        answers[answer.status_code] = answers.get(answer.status_code, 0) + 1
    assert set(answers) <= {200, 422}, f"GEMEL_SEED={number}: {answers}"
    platform.write("line-1", "count", 2)
    tell("G11", "bits of Arrow streams", ok=count, refused=answers.get(422, 0), taken=answers.get(200, 0))


BAD: dict[str, tuple[str, Any, str]] = {
    "nan": ("force", math.nan, "not-finite"),
    "infinite": ("force", -math.inf, "not-finite"),
    "too high": ("temperature", 1e9, "range"),
    "text for a number": ("force", "12", "kind"),
    "a number for text": ("program", 12, "kind"),
    "a map for a number": ("force", {"a": 1}, "kind"),
    "huge text": ("program", "x" * 100_000, "too-long"),
    "a lone surrogate": ("program", "\ud800", "encoding"),
    "an endless integer": ("count", 10**400, "range"),
    "deep": ("recipe", json.loads("[" * 40 + "]" * 40), "too-deep"),
    "a word that is none": ("mode", "SIDEWAYS", "enumeration"),
    "nested arrays": ("wave", [[1.0], [2.0]], "kind"),
}


@pytest.mark.parametrize("rounds", [40, pytest.param(300, marks=pytest.mark.soak)])
def test_poison_between_good_readings_is_held_and_the_stream_goes_on(world: World, rounds: int) -> None:
    number = seed()
    chance = random.Random(number)
    wanted: list[str] = []
    good = 0
    for _ in range(rounds):
        readings = []
        for _ in range(chance.randrange(1, 6)):
            if chance.random() < 0.4:
                name = chance.choice(sorted(BAD))
                property_, value, code = BAD[name]
                readings.append(reading(property_, value, time=START))
                wanted.append(code)
            else:
                readings.append(reading("force", float(good), time=START + good))
                good += 1
        receipt = world.tell(Message(readings=readings))
        assert receipt.accepted + receipt.quarantined == len(readings)
    where = f"GEMEL_SEED={number}"
    assert world.values() == [float(i) for i in range(good)], where
    held = world.held(limit=10_000)
    assert sorted(one.code for one in held) == sorted(wanted), where
    assert all(one.detail and one.received == START for one in held), where
    tell("G11", "poison among readings", ok=good + len(held), taken=good, held=len(held))


def test_after_the_fix_what_was_held_is_taken_once(world: World) -> None:
    unknown = [reading("force", float(i), twin="press-9", time=START + i) for i in range(1_000)]
    assert world.tell(Message(readings=unknown, id="m-1")).quarantined == 1_000
    assert world.one("force", -1.0).accepted == 1
    world.change(lambda tx: world.registry.put_twin(tx, TwinSpec(id="press-9", types=("press",))))
    assert world.intake.replay(twin="press-9").result(60).accepted == 1_000
    assert world.intake.replay(twin="press-9").result(60).accepted == 0
    assert world.tell(Message(readings=unknown, id="m-1")).repeated == 1_000
    assert world.values() == [-1.0, *[float(i) for i in range(1_000)]]


def test_mqtt_payloads_that_nobody_can_read_are_held_and_acknowledged(tmp_path: Path) -> None:
    junk = [b"", b"\x00", b"{", b'{"n": NaN}', b"\xff" * 100, b"[" * 10_000, b'{"id": 1}', b'{"n": "x", "id": "7"}']
    with Broker(tmp_path / "broker") as broker, Platform.open(tmp_path / "plant") as platform:
        platform.apply(PLANT)
        platform.apply({"gemel": 1, "connectors": [connector(broker.url)]})
        wait_for(platform, lambda: is_connected(platform))
        device = paho.Client(CallbackAPIVersion.VERSION2)
        device.connect("127.0.0.1", broker.port)
        device.loop_start()
        for number, payload in enumerate(junk):
            device.publish("line/count", payload, qos=1).wait_for_publish(60)
            good = json.dumps({"id": f"m-{number}", "n": number})
            device.publish("line/count", good, qos=1).wait_for_publish(60)
        device.disconnect()
        device.loop_stop()
        wait_for(platform, lambda: counted(platform) == list(range(len(junk))))
        assert hall(platform).state == "connected"
        wait_for(platform, lambda: len(platform.quarantined(limit=100).items) >= 5)
        assert {one.code for one in platform.quarantined(limit=100).items} == {"malformed", "kind"}
