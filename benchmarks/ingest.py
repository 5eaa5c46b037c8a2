"""In through the real path: HTTP and MQTT into journal, state and history, in one process; load from another."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

import gemel
from benchmarks.load import mqtt_payload
from benchmarks.record import Record
from gemel.connectors.mqtt.broker import Broker
from gemel.platform import Platform
from gemel.server import Server

TWINS = 1000
PLANT = {
    "gemel": 1,
    "types": [
        {
            "id": "press",
            "properties": [
                {"name": "pressure", "unit": "bar"},
                {"name": "temperature", "unit": "Cel"},
                {"name": "speed", "unit": "/min"},
            ],
        }
    ],
    "twins": [{"id": f"press-{n}", "types": ["press"]} for n in range(TWINS)],
}


def run(record: Record) -> None:
    seconds = 2.0 if record.small else 15.0
    with served() as (platform, url, token):
        http = {"url": url, "token": token, "twins": TWINS, "seconds": seconds}
        measured = load("writes", **http, clients=64)
        record("HTTP writes of one property, durable, 64 clients", measured["rate"], "/s", budget=4000)
        measured = load("reads", **http, clients=16)
        record("HTTP reads of a twin", measured["rate"], "/s", budget=8000)
    with served() as (platform, url, token):
        began = time.monotonic()
        burst = load("frames", url=url, token=token, twins=TWINS, clients=4, seconds=2 * seconds)
        record("frames over HTTP, acknowledged in a burst of 30 s", burst["rate"], "values/s", budget=2_000_000)
        platform.history.wait(platform.journal.head().position, 600)
        took = time.monotonic() - began
        rate = platform.journal.head().position / took
        record("frames over HTTP to history, durable", rate, "values/s", budget=1_200_000)
    with served() as (platform, _, _), tempfile.TemporaryDirectory() as folder, Broker(Path(folder)) as broker:
        messages(record, platform, broker)


def messages(record: Record, platform: Platform, broker: Broker) -> None:
    """JSON over MQTT: as fast as they can be taken, then acknowledged ones."""
    count = 20_000 if record.small else 400_000
    payloads = [mqtt_payload(n) for n in range(1000)]
    began = time.monotonic()
    for number in range(count):
        msgspec.json.decode(payloads[number % 1000])
    alone = count / (time.monotonic() - began)
    platform.apply(PLANT | {"connectors": [connector(broker.url, qos=0)]})
    connected(platform)
    rate = through(platform, count, url=broker.url, twins=TWINS, qos=0, clients=2)
    name = "JSON messages of 3 values over MQTT QoS 0, durable"
    record(name, rate, "messages/s", budget=40_000, reference=alone)
    platform.apply(PLANT | {"connectors": [connector(broker.url, qos=1)]})
    connected(platform)
    rate = through(platform, count // 8, url=broker.url, twins=TWINS, qos=1, clients=50)
    record("MQTT QoS 1 messages of 3 values through a broker, 50 connections, durable", rate, "messages/s", budget=4000)


def through(platform: Platform, count: int, **arguments: object) -> float:
    """Messages a second from the first one sent until all are folded."""
    before = platform.position
    began = time.monotonic()
    load("mqtt", messages=count, **arguments)
    if not platform.state.wait(before + 3 * count, 120):
        print(f"   {(platform.position - before) // 3} of {count} messages arrived; QoS 0 may lose some under load")
    return (platform.position - before) / 3 / (time.monotonic() - began)


def connector(url: str, *, qos: int) -> dict[str, object]:
    names = ("pressure", "temperature", "speed")
    bindings = [{"address": f"plant/{{twin}}#{name}", "twin": "{twin}", "property": name} for name in names]
    return {"id": "load", "kind": "mqtt", "settings": {"url": url, "qos": qos}, "bindings": bindings}


def connected(platform: Platform) -> None:
    deadline = time.monotonic() + 20
    while platform.supervisor.health().get("load") is None or platform.supervisor.health()["load"].state != "connected":
        if time.monotonic() > deadline:
            raise TimeoutError(str(platform.supervisor.health()))
        platform.state.wait(platform.position + 1, 0.1)


def load(kind: str, **arguments: object) -> dict[str, float]:
    """Run a load generator in its own process; what it measured."""
    command = [sys.executable, "-m", "benchmarks.load", kind, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


@contextmanager
def served() -> Iterator[tuple[Platform, str, str]]:
    """A platform with a thousand presses, served on a free port."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder, gemel.open(folder) as platform:
        platform.apply(PLANT)
        with Server(platform, port=0) as server:
            yield platform, server.url, platform.gate.tokens.local()
