"""The MQTT connector against real brokers: mosquitto, and nats-server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gemel.connectors.base import SecretRef
from gemel.connectors.mqtt import MqttSettings, MqttSource
from gemel.connectors.mqtt.settings import Status
from gemel.connectors.payloads import Payload
from gemel.connectors.tls import Tls
from gemel.errors import InvalidDocument
from gemel.twin import Quality
from gemel.twin.binding import Binding

from .brokers import Broker, Mosquitto, find_mosquitto
from .certificates import make_certificate
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
    client.publish(topic, raw, qos, retain).wait_for_publish(60)


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


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is durable is acknowledged before a run ends, however busy the machine is."""
    monkeypatch.setattr("gemel.connectors.mqtt.source._FINISH_TIMEOUT_S", 60.0)


TELEMETRY = [
    Binding(address="plant/{twin}/telemetry#oil.temp", twin="{twin}", property="oil_temperature", unit="Cel"),
    Binding(address="plant/{twin}/telemetry#mode", twin="{twin}", property="mode"),
]
COUNTER = [Binding(address="line/count#n", twin="line-1", property="count")]
ROOT = Path(__file__).parents[2]
NUMBERED: dict[str, Any] = {"payload": Payload(id="id")}


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


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_messages_keep_their_order_in_every_quality_of_service(broker: Any, qos: Any) -> None:
    port = Recorder("mqtt")
    async with running(source_for(broker, COUNTER, qos=qos), port):
        with publisher(broker) as client:
            for number in range(500):
                client.publish("line/count", json.dumps({"n": number}), qos)
            say(client, "line/count", {"n": 500}, qos=qos)
            await port.until(lambda: len(port.readings) == 501)
    assert port.values("count") == list(range(501))
    assert not any(port.resumed)


@pytest.mark.parametrize("qos", [1, 2])
async def test_what_was_not_durable_when_the_platform_was_killed_comes_again(broker: Any, qos: Any) -> None:
    port = Recorder("mqtt")
    command = [sys.executable, "-m", "tests.connectors.mqtt_holder", broker.url, str(qos)]
    platform = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, cwd=ROOT)
    assert platform.stdout is not None
    with publisher(broker) as client:
        assert await asyncio.wait_for(platform.stdout.readline(), 60) == b"connected\n"
        for number in range(49):
            client.publish("line/count", json.dumps({"n": number, "id": f"m-{number}"}), qos)
        say(client, "line/count", {"n": 49, "id": "m-49"}, qos=qos)
        assert await asyncio.wait_for(platform.stdout.readline(), 60) == b"received\n"
        platform.kill()
        await platform.wait()
        for number in range(50, 60):  # while nobody listens
            say(client, "line/count", {"n": number, "id": f"m-{number}"}, qos=qos)
        async with running(source_for(broker, COUNTER, qos=qos, **NUMBERED), port):
            await port.until(lambda: len(set(port.values("count"))) == 60)
    assert all(port.resumed), "any of them may have come on the connection before"
    assert {message.id for message in port.messages} == {f"line/count:m-{number}" for number in range(60)}


async def test_what_was_acknowledged_does_not_come_again(broker: Any) -> None:
    first, second = Recorder("mqtt"), Recorder("mqtt")
    with publisher(broker) as client:
        async with running(source_for(broker, COUNTER), first):
            for number in range(20):
                say(client, "line/count", {"n": number})
            await first.until(lambda: len(first.readings) == 20)
        say(client, "line/count", {"n": 20})
        async with running(source_for(broker, COUNTER), second):
            await second.until(lambda: len(second.readings) == 1)
    assert second.values("count") == [20]


async def test_a_slow_disk_delays_the_acknowledgement_and_loses_nothing(broker: Any) -> None:
    port = Recorder("mqtt")
    port.held = True
    async with running(source_for(broker, COUNTER), port):
        with publisher(broker) as client:
            for number in range(300):
                client.publish("line/count", json.dumps({"n": number}), 1)
            await port.until(lambda: len(port.readings) > 0)
            await port.release()
            await port.until(lambda: len(port.readings) == 300)
    assert port.values("count") == list(range(300))


async def test_poison_is_rejected_and_the_stream_goes_on(broker: Any) -> None:
    port = Recorder("mqtt")
    poison = [b"{", b"\xff\xfe\x00", b"[" * 50_000, b'{"n": NaN}', b'{"n": 1}garbage', b"x" * 200_000]
    async with running(source_for(broker, COUNTER, maximum_bytes=100_000), port):
        with publisher(broker) as client:
            for number, raw in enumerate(poison):
                say(client, "line/count", raw)
                say(client, "line/count", {"n": number})
            await port.until(lambda: len(port.readings) == len(poison) and len(port.rejected) == len(poison))
    assert port.values("count") == list(range(len(poison)))
    assert {address for _, _, address in port.rejected} == {"line/count"}
    assert "larger than 100000 bytes" in port.rejected[-1][0]


async def test_poison_is_acknowledged(broker: Any) -> None:
    first, second = Recorder("mqtt"), Recorder("mqtt")
    with publisher(broker) as client:
        async with running(source_for(broker, COUNTER), first):
            say(client, "line/count", b"{")
            say(client, "line/count", {"n": 1})
            await first.until(lambda: len(first.readings) == 1)
        say(client, "line/count", {"n": 2})
        async with running(source_for(broker, COUNTER), second):
            await second.until(lambda: len(second.readings) == 1)
    assert second.rejected == []


async def test_a_retained_value_of_unknown_age_is_uncertain_and_may_be_a_repeat(broker: Any) -> None:
    port = Recorder("mqtt")
    with publisher(broker) as client:
        say(client, "line/count", {"n": 7}, retain=True)
        async with running(source_for(broker, COUNTER), port):
            await port.until(lambda: len(port.readings) == 1)
            assert (port.readings[0].quality, port.resumed) == (Quality.UNCERTAIN, [True])
            say(client, "line/count", {"n": 8})
            await port.until(lambda: len(port.readings) == 2)
        assert (port.readings[1].quality, port.resumed[1]) == (Quality.GOOD, False)
        say(client, "line/count", b"", retain=True)


async def test_the_status_topic_says_whether_the_object_is_there(broker: Any) -> None:
    port = Recorder("mqtt")
    with publisher(broker) as client:
        say(client, "line/status", b"online", retain=True)
        async with running(source_for(broker, COUNTER, status=Status(topic="line/status")), port):
            await port.until(lambda: port.heartbeats > 0)
            say(client, "line/status", b"offline", retain=True)
            await port.until(lambda: bool(port.losses))
        say(client, "line/status", b"", retain=True)
    assert "line/status" in port.losses[0]
    assert port.unbounds == {}


async def test_a_lost_broker_is_an_error_and_the_next_run_goes_on(tmp_path: Path) -> None:
    port = Recorder("mqtt")
    with Broker(tmp_path / "broker") as broker:
        source = source_for(broker, COUNTER)
        task = asyncio.create_task(source.run(port))
        await port.until(lambda: len(port.connections) == 1)
        with publisher(broker) as client:
            say(client, "line/count", {"n": 1})
        await port.until(lambda: len(port.readings) == 1)
        broker.kill()
        with pytest.raises(ConnectionError, match="was lost"):
            await asyncio.wait_for(task, 60)
        with pytest.raises(ConnectionRefusedError):
            await source.run(port)
    with Broker(tmp_path / "broker", port=broker.port) as again:
        async with running(source, port):
            with publisher(again) as client:
                say(client, "line/count", {"n": 2})
            await port.until(lambda: 2 in port.values("count"))
    # the broker died: it may not have noted the last acknowledgement
    assert list(dict.fromkeys(port.values("count"))) == [1, 2]
    assert port.resumed == [False] + [True] * (len(port.resumed) - 1)


async def test_what_nothing_is_bound_to_is_counted(broker: Any) -> None:
    port = Recorder("mqtt")
    wide = [*COUNTER, Binding(address="line/{part}/speed", twin="{part}", property="speed")]
    async with running(source_for(broker, wide), port):
        with publisher(broker) as client:
            say(client, "line/count", {"other": 1})
            say(client, "line/belt/speed", 1.5)
            await port.until(lambda: len(port.readings) == 1)
    assert port.unbounds == {"line/count": 1}


class TestMosquitto:
    """What only mosquitto offers: MQTT 5, users, TLS, WebSocket."""

    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        if find_mosquitto() is None:
            pytest.skip("mosquitto is not installed and cannot be: apt-get install mosquitto")

    async def test_mqtt_5_keeps_what_was_missed(self, tmp_path: Path) -> None:
        with Mosquitto(tmp_path / "broker") as broker, publisher(broker) as client:
            first, second = Recorder("mqtt"), Recorder("mqtt")
            async with running(source_for(broker, COUNTER, version="5"), first):
                say(client, "line/count", {"n": 1})
                await first.until(lambda: len(first.readings) == 1)
            say(client, "line/count", {"n": 2})
            async with running(source_for(broker, COUNTER, version="5"), second):
                await second.until(lambda: len(second.readings) == 1)
            assert (first.values("count"), second.values("count")) == ([1], [2])

    async def test_a_wrong_password_is_refused_and_a_right_one_is_not(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        passwords = tmp_path / "passwords"
        passwords.write_text("")
        passwords.chmod(0o600)
        subprocess.run(["mosquitto_passwd", "-b", str(passwords), "gemel", "right"], check=True, capture_output=True)
        with Mosquitto(tmp_path / "broker", f"password_file {passwords}") as broker:
            monkeypatch.setenv("GEMEL_SECRET_MQTT", "wrong")
            source = source_for(broker, COUNTER, user="gemel", password=SecretRef(env="GEMEL_SECRET_MQTT"))
            with pytest.raises(ConnectionRefusedError) as refused:
                await source.run(Recorder("mqtt"))
            assert "wrong" not in str(refused.value)
            monkeypatch.setenv("GEMEL_SECRET_MQTT", "right")
            port = Recorder("mqtt")
            async with running(source, port):
                assert len(port.connections) == 1

    async def test_tls_is_used_and_an_unknown_authority_refused(self, tmp_path: Path) -> None:
        authority = make_certificate(tmp_path / "pki")
        tls = f"certfile {authority}\nkeyfile {authority.with_suffix('.key')}"
        with Mosquitto(tmp_path / "broker", listener=tls) as broker:
            url = f"mqtts://localhost:{broker.port}"
            with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
                await MqttSource(MqttSettings(url=url), COUNTER).run(Recorder("mqtt"))
            source = MqttSource(MqttSettings(url=url, tls=Tls(ca=f"pki/{authority.name}")), COUNTER)
            with pytest.raises(InvalidDocument, match="no directory of secrets"):
                await source.run(Recorder("mqtt"))
            for outside in (str(authority), f"../pki/{authority.name}"):
                beyond = MqttSource(MqttSettings(url=url, tls=Tls(ca=outside)), COUNTER)
                with pytest.raises(InvalidDocument, match="not below the directory of secrets"):
                    await beyond.run(Recorder("mqtt", secrets=tmp_path / "secrets"))
            port = Recorder("mqtt", secrets=tmp_path)
            async with running(source, port):
                assert len(port.connections) == 1

    async def test_websockets_work_too(self, tmp_path: Path) -> None:
        try:
            broker = Mosquitto(tmp_path / "broker", listener="protocol websockets")
        except OSError as error:
            pytest.skip(f"this mosquitto cannot serve WebSocket here: {error}")
        with broker:
            port = Recorder("mqtt")
            settings = MqttSettings(url=f"ws://127.0.0.1:{broker.port}/mqtt")
            async with running(MqttSource(settings, COUNTER), port):
                with publisher(broker, transport="websockets") as client:
                    say(client, "line/count", {"n": 1})
                await port.until(lambda: len(port.readings) == 1)
