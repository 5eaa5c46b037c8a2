"""Devices that connect to the platform itself over MQTT: acknowledged after the fsync, and a thousand at once."""

from __future__ import annotations

import resource
import time
from contextlib import suppress

import psutil

from benchmarks.messages import drained, through
from benchmarks.outside import Mosquitto
from benchmarks.publish import connect
from benchmarks.record import Record
from benchmarks.served import PLANT, TWINS, Served, load, served
from gemel.connectors.ports import free_port

CONNECTIONS = 50
MANY = 1000


def run(record: Record) -> None:
    count = 10_000 if record.small else 200_000
    alone = None
    if Mosquitto.program() is not None:
        with Mosquitto() as broker:
            alone = drained(broker.url, count)
    with served() as s:
        url = listen(s)
        _silent(record, url)  # first: memory that earlier work has freed would be used again
        load("mqtt", url=url, messages=5_000, twins=TWINS, qos=1, clients=CONNECTIONS)
        acknowledged = load("mqtt", url=url, messages=count, twins=TWINS, qos=1, clients=CONNECTIONS)["rate"]
        name = f"MQTT QoS 1 messages, {CONNECTIONS} connections, to the endpoint, acknowledged after fsync"
        record(name, acknowledged, "messages/s", budget=4000, reference=alone)
        rate = through(s, count, url=url, qos=0, clients=CONNECTIONS)
        record("MQTT QoS 0 messages of 3 values to the endpoint, to journal and history", rate, "messages/s")
        rate = load("mqtt", url=url, messages=count, twins=TWINS, qos=1, clients=MANY)["rate"]
        record(
            f"MQTT QoS 1 messages, {MANY} connections, to the endpoint, acknowledged after fsync", rate, "messages/s"
        )
        assert s.platform.supervisor.health()["gate"].errors == 0


def _silent(record: Record, url: str) -> None:
    """A thousand connections that only are there: how fast they come, and what each costs (both ends are here)."""
    with suppress(ValueError, OSError):  # 1024 files is a common limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    process = psutil.Process()
    before, began = process.memory_info().rss, time.monotonic()
    peers = [connect(url, f"idle-{number}") for number in range(MANY)]
    record(f"{MANY} MQTT connections opened and signed in", MANY / (time.monotonic() - began), "connections/s")
    each = (process.memory_info().rss - before) / MANY / 1024
    record(f"memory of each of {MANY} silent MQTT connections", each, "KiB", higher_is_better=False)
    for peer in peers:
        peer.close()


def listen(s: Served) -> str:
    """Declare the endpoint, and wait until it listens; its address."""
    url = f"mqtt://127.0.0.1:{free_port()}"
    names = ("pressure", "temperature", "speed")
    bindings = [{"address": f"plant/{{twin}}#{name}", "twin": "{twin}", "property": name} for name in names]
    settings = {"listen": [url], "anonymous": True, "connections": 2 * MANY}
    connector = {"id": "gate", "kind": "mqtt_endpoint", "settings": settings, "bindings": bindings}
    s.platform.apply(PLANT | {"connectors": [connector]})
    deadline = time.monotonic() + 20
    while (found := s.platform.supervisor.health().get("gate")) is None or found.state != "connected":
        if time.monotonic() > deadline:
            raise TimeoutError(str(found))
        s.platform.state.wait(s.platform.position + 1, 0.1)
    return url
