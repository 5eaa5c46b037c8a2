"""The MQTT connector against real brokers: mosquitto, and nats-server."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gemel.connectors.mqtt import MqttSettings, MqttSource
from gemel.twin.binding import Binding

from .brokers import Broker, Mosquitto, find_mosquitto
from .recorder import Recorder


@pytest.fixture(params=["mosquitto", "nats-server"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mosquitto | Broker]:
    if request.param == "mosquitto":
        if find_mosquitto() is None:
            pytest.skip("mosquitto is not installed and cannot be: apt-get install mosquitto")
        with Mosquitto(tmp_path / "broker") as running:
            yield running
    else:
        with Broker(tmp_path / "broker") as other:
            yield other


@contextlib.contextmanager
def publisher(broker: Any, **more: Any) -> Iterator[paho.Client]:
    client = paho.Client(CallbackAPIVersion.VERSION2, **more)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def say(client: paho.Client, topic: str, payload: Any, *, qos: int = 1, retain: bool = False) -> None:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    client.publish(topic, raw, qos, retain).wait_for_publish(20)


@contextlib.asynccontextmanager
async def running(source: MqttSource, port: Recorder) -> AsyncIterator[asyncio.Task[None]]:
    before = len(port.connections)
    task = asyncio.create_task(source.run(port))
    try:
        await asyncio.wait(
            {task, asyncio.create_task(port.until(lambda: len(port.connections) > before))},
            return_when=asyncio.FIRST_COMPLETED,
        )
        if task.done():
            await task
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await task


def source_for(broker: Any, bindings: Sequence[Binding], **settings: Any) -> MqttSource:
    return MqttSource(MqttSettings(url=broker.url, client_id="under-test", **settings), bindings)


TELEMETRY = [
    Binding(address="plant/{twin}/telemetry#oil.temp", twin="{twin}", property="oil_temperature", unit="Cel"),
    Binding(address="plant/{twin}/telemetry#mode", twin="{twin}", property="mode"),
]


async def test_one_binding_serves_many_devices(broker: Any) -> None:
    port = Recorder("mqtt")
    async with running(source_for(broker, TELEMETRY), port):
        with publisher(broker) as client:
            for number in range(20):
                say(client, f"plant/press-{number}/telemetry", {"oil": {"temp": number + 0.5}, "mode": "AUTO"})
        await port.until(lambda: len(port.readings) == 40)
    assert {(one.twin, one.value) for one in port.readings if one.property == "oil_temperature"} == {
        (f"press-{number}", number + 0.5) for number in range(20)
    }
    assert port.readings[0].unit == "Cel"
