"""Recorded machines that run again: real processes that speak MQTT and OPC UA, read by the connectors."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gemel.clock import SECOND, WallClock, parse_time
from gemel.connectors.mqtt import MqttSettings, MqttSource
from gemel.connectors.mqtt.broker import Broker
from gemel.connectors.mqtt.publisher import bindings_for as mqtt_bindings
from gemel.connectors.mqtt.publisher import payloads, publish, settings_for
from gemel.connectors.opcua import OpcuaSettings, OpcuaSource
from gemel.connectors.opcua.machine import bindings_for as opcua_bindings
from gemel.connectors.recordings import Playback, Recording
from gemel.errors import InvalidInput
from gemel.intake import Reported
from gemel.twin import Quality
from tests.demo.objects import cell_running

from .recorder import Recorder

DEVICES = """<?xml version="1.0"?>
<MTConnectDevices xmlns="urn:mtconnect.org:MTConnectDevices:1.3"><Devices>
  <Device id="m1" name="M1" uuid="m-1">
    <DataItems><DataItem id="m1-avail" name="avail" type="AVAILABILITY" category="EVENT"/></DataItems>
    <Components><Axes id="m1-a" name="axes"><Components>
      <Linear id="m1-x" name="X"><DataItems>
        <DataItem id="m1-xp" name="Xabs" type="POSITION" category="SAMPLE" units="MILLIMETER"/>
        <DataItem id="m1-xt" name="Xtravel" type="POSITION" category="CONDITION"/>
      </DataItems></Linear>
    </Components></Axes></Components>
  </Device>
</Devices></MTConnectDevices>"""
LOG = """2017-03-18T00:00:00Z|avail|AVAILABLE|Xabs|1.5
2017-03-20T08:00:00Z|Xabs|2.5
2017-03-20T08:00:01Z|Xabs|3.5|Xtravel|FAULT|TR1|||over travel
2017-03-20T08:00:02Z|Xabs|UNAVAILABLE
2017-03-20T08:00:03Z|Xabs|4.5|Xtravel|NORMAL||||
"""
POSITION, TRAVEL = "position", "position_condition"
BEGIN = "2017-03-20T08:00:00Z"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "Devices.xml").write_text(DEVICES)
    (tmp_path / "m1.shdr").write_text(LOG)
    return tmp_path / "m1.shdr", tmp_path / "Devices.xml"


@asynccontextmanager
async def process(module: str, *arguments: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    command = [sys.executable, "-m", f"gemel.connectors.{module}", *map(str, arguments)]
    running = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        yield running
    finally:
        if running.returncode is None:
            running.terminate()
            await asyncio.wait_for(running.communicate(), 60)
    assert running.returncode == 0


@asynccontextmanager
async def reading(source: Any, port: Recorder) -> AsyncIterator[None]:
    task = asyncio.create_task(source.run(port))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_machine_over_mqtt(files: tuple[Path, Path], tmp_path: Path) -> None:
    log, devices = files
    recording = Recording(log, devices, "M1")
    settings = settings_for(recording.bindings)
    port = Recorder("mqtt")
    with Broker(tmp_path / "broker") as broker:
        told = msgspec.convert({"url": broker.url, "client_id": "reader", **settings}, MqttSettings)
        async with reading(MqttSource(told, mqtt_bindings(recording.bindings)), port):
            await port.until(lambda: len(port.connections) == 1)
            began = WallClock().now()
            arguments = (log, "--devices", devices, "--device", "M1", "--url", broker.url, "--start", BEGIN, "--once")
            async with process("mqtt.publisher", *arguments) as publisher:
                await port.until(lambda: port.heartbeats > 0 and 4.5 in port.values(POSITION), 60)
                assert await asyncio.wait_for(publisher.wait(), 60) == 0
            await port.until(lambda: len(port.losses) == 1)
    assert port.values(POSITION) == [2.5, 3.5, None, 4.5]
    assert port.values("availability") == ["AVAILABLE"]
    assert [one["level"] for one in port.values(TRAVEL)] == ["fault", "normal"]
    times = [one.time or 0 for one in port.readings if one.property == POSITION]
    assert times[0] >= began
    assert [time - times[0] for time in times] == [0, SECOND, 2 * SECOND, 3 * SECOND]
    assert port.rejected == []


@pytest.mark.parametrize("cell", [False, True])
async def test_a_will_that_comes_late_is_not_the_last_word_of_a_machine_that_is_there(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cell: bool
) -> None:
    monkeypatch.setattr("gemel.connectors.mqtt.publisher.ONLINE_AGAIN_S", 0.1)
    log, devices = files
    playback = Playback(Recording(log, devices, "M1"), WallClock(), start=parse_time(BEGIN), speed=20.0)
    topic = "trial/cell/status" if cell else settings_for(playback.recording.bindings)["status"]["topic"]
    said: asyncio.Queue[bytes] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    with Broker(tmp_path / "broker") as broker:
        other = paho.Client(CallbackAPIVersion.VERSION2)
        other.on_message = lambda _client, _data, message: loop.call_soon_threadsafe(said.put_nowait, message.payload)
        other.on_connect = lambda *_: other.subscribe(topic, 1)
        other.connect("127.0.0.1", broker.port)
        other.loop_start()
        with cell_running(broker.url) if cell else contextlib.nullcontext():
            task = asyncio.create_task(publish(playback, broker.url))
            async with asyncio.timeout(60):
                while await said.get() != b"online":
                    pass
                other.publish(topic, "offline", 1, retain=True)
                while await said.get() != b"offline":
                    pass
                while await said.get() != b"online":
                    pass
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        other.disconnect()
        other.loop_stop()


async def test_a_machine_over_opc_ua(files: tuple[Path, Path]) -> None:
    log, devices = files
    recording = Recording(log, devices, "M1")
    port = Recorder("opcua")
    arguments = (log, "--devices", devices, "--device", "M1", "--port", 0, "--start", BEGIN, "--speed", 0.5)
    async with process("opcua.machine", *arguments) as machine:
        assert machine.stdout is not None
        url = (await asyncio.wait_for(machine.stdout.readline(), 60)).decode().strip()
        settings = OpcuaSettings(url=url, publishing_ms=50)
        async with reading(OpcuaSource(settings, opcua_bindings(recording.bindings)), port):
            # it plays again and again: whoever comes late sees it go in the next round
            await port.until(lambda: bool(gone(port)) and port.values(TRAVEL)[-2:] == ["fault", "normal"])
    before, after = gone(port)[0]
    assert before.quality is Quality.UNAVAILABLE
    assert after.value == 4.5
    assert (after.time or 0) - (before.time or 0) == 2 * SECOND
    assert port.rejected == []


def gone(port: Recorder) -> list[tuple[Reported, Reported]]:
    """Each time that the position went, and what came next."""
    position = [one for one in port.readings if one.property == POSITION]
    return [(one, later) for one, later in pairwise(position) if one.time and one.value is None]


class TestPlayback:
    def test_it_begins_with_what_everything_was(self, files: tuple[Path, Path]) -> None:
        playback = Playback(Recording(*files, "M1"), WallClock(), start=parse_time("2017-03-20T08:00:01.5Z"))
        initial = {one.property: (one.value, one.time) for one in playback.initial()}
        assert initial[POSITION] == (3.5, playback.start)
        assert initial["availability"] == ("AVAILABLE", playback.start)

    def test_without_a_start_its_last_day_is_played(self, files: tuple[Path, Path]) -> None:
        assert Playback(Recording(*files, "M1"), WallClock()).start == parse_time(BEGIN)

    def test_a_start_after_the_end_is_refused(self, files: tuple[Path, Path]) -> None:
        with pytest.raises(InvalidInput, match="the log ends at"):
            Playback(Recording(*files, "M1"), WallClock(), start=parse_time("2018-01-01T00:00:00Z"))

    def test_an_unknown_device_is_refused_with_those_that_are_known(self, files: tuple[Path, Path]) -> None:
        with pytest.raises(InvalidInput, match="it has M1"):
            Recording(*files, "M2")


def test_a_property_told_twice_at_one_time_is_two_messages_in_order() -> None:
    told = [Reported(twin="t", property=name, value=value, time=1) for name, value in (("a", 1), ("b", 2), ("a", 3))]
    sent = [(topic, msgspec.json.decode(raw)["values"]) for topic, raw in payloads(told, "m/{twin}/v")]
    assert sent == [("m/t/v", {"a": 1, "b": 2}), ("m/t/v", {"a": 3})]
