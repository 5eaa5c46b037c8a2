"""JSON messages of three values over MQTT, through a broker, into journal, state and history."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import msgspec

from benchmarks.outside import Mosquitto
from benchmarks.publish import payload_of
from benchmarks.record import Record
from benchmarks.served import PLANT, TWINS, Served, load, loading, result, served, until
from gemel.connectors.mqtt.broker import Broker

CONNECTIONS = 50


def run(record: Record) -> None:
    count = 20_000 if record.small else 600_000
    with served() as s, tempfile.TemporaryDirectory() as folder, Broker(Path(folder)) as broker:
        bind(s, broker.url, qos=0)
        through(s, 20_000, url=broker.url, qos=0, clients=2)
        rate = through(s, count, url=broker.url, qos=0, clients=2)
    name = "JSON messages of 3 values over MQTT QoS 0, to journal and history"
    record(name, rate, "messages/s", budget=40_000, reference=_decode_alone(count))
    _acknowledged(record, count // 10)


def _acknowledged(record: Record, count: int) -> None:
    """QoS 1: ours is acknowledged to the broker after the fsync; the reference is a subscriber that does nothing."""
    name = "MQTT QoS 1 messages, 50 connections, acknowledged after fsync, through "
    if Mosquitto.program() is not None:
        with Mosquitto() as broker:
            alone = drained(broker.url, count)
        with Mosquitto() as broker, served() as s:
            bind(s, broker.url, qos=1)
            rate = through(s, count, url=broker.url, qos=1, clients=CONNECTIONS)
        record(name + "mosquitto", rate, "messages/s", budget=4000, reference=alone)
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder)) as broker:
        alone = drained(broker.url, count // 2)
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder)) as broker, served() as s:
        bind(s, broker.url, qos=1)
        rate = through(s, count // 2, url=broker.url, qos=1, clients=CONNECTIONS)
    # no budget: this broker fsyncs each message by itself, and that is all that is measured
    record(name + "nats-server, which fsyncs too", rate, "messages/s", reference=alone)


def through(s: Served, count: int, **arguments: object) -> float:
    """Messages a second, from the first one sent until all can be asked of the history."""
    before = s.platform.position
    began = load("mqtt", messages=count, twins=TWINS, **arguments)["began"]
    until(s.platform, before + 3 * count, 120)
    arrived = (s.platform.position - before) // 3
    if arrived < count:
        print(f"   {arrived} of {count} messages arrived; QoS 0 may lose some under load")
    return arrived / (time.monotonic() - began)


def drained(url: str, count: int) -> float:
    with loading("drain", url=url, messages=count) as drain:
        assert drain.stdout is not None
        drain.stdout.readline()  # subscribed
        began = load("mqtt", messages=count, twins=TWINS, url=url, qos=1, clients=CONNECTIONS)["began"]
        return count / (result(drain)["ended"] - began)


def _decode_alone(count: int) -> float:
    payloads = [payload_of(n) for n in range(1000)]
    began = time.monotonic()
    for number in range(count):
        msgspec.json.decode(payloads[number % 1000])
    return count / (time.monotonic() - began)


def bind(s: Served, url: str, *, qos: int, payload: dict[str, str] | None = None) -> None:
    """Declare the connector and wait until it is connected."""
    names = ("pressure", "temperature", "speed")
    bindings = [{"address": f"plant/{{twin}}#{name}", "twin": "{twin}", "property": name} for name in names]
    settings = {"url": url, "qos": qos, "payload": payload or {}}
    s.platform.apply(
        PLANT | {"connectors": [{"id": "load", "kind": "mqtt", "settings": settings, "bindings": bindings}]}
    )
    deadline = time.monotonic() + 20
    health = s.platform.supervisor.health
    while health().get("load") is None or health()["load"].state != "connected":
        if time.monotonic() > deadline:
            raise TimeoutError(str(health()))
        s.platform.state.wait(s.platform.position + 1, 0.1)
