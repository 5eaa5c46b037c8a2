"""G10: what was acknowledged to a device arrives, and has one effect, through cuts of the wire before and after each
PUBLISH and PUBACK, between device and broker, broker and Gemel, and device and Gemel itself, and through restarts of
the broker.

A broker acknowledges what it has in memory or on disk as it sees fit: what it loses when it is killed it loses, which
is why devices can also connect to Gemel itself. Here it ends in good order, and keeps its messages.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gemel.platform import Platform
from tests.connectors.brokers import Broker, Mosquitto, find_mosquitto
from tests.connectors.wires import Loop
from tests.guarantees.cutting import PUBACK, PUBLISH, Cut, Cutter
from tests.guarantees.ledger import Ledger, tell
from tests.guarantees.line import PLANT, connector, counted, hall, is_connected, wait_for

MESSAGES = 60
NAMES = {Mosquitto: "mosquitto", Broker: "nats-server"}


class Device:
    """Publishes numbers with QoS 1, connects again by itself, and keeps what was acknowledged to it."""

    def __init__(self, port: int, *, topic: str = "line/count", value: str = "n") -> None:
        self.books = Ledger()
        self._topic, self._value = topic, value
        self._numbers: dict[int, int] = {}
        self._mids: set[int] = set()
        self._changed = threading.Condition()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="device", clean_session=False)
        self._client.on_publish = self._acknowledged
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def say(self, number: int) -> None:
        """Not under our lock: paho publishes under the one that it holds while it calls back."""
        with self._changed:
            self.books.sent.add(number)
        told = self._client.publish(self._topic, json.dumps({"id": f"m-{number}", self._value: number}), qos=1)
        with self._changed:
            self._numbers[told.mid] = number
            self._settle()

    def _acknowledged(self, _client: Any, _data: Any, mid: int, *_: Any) -> None:
        with self._changed:
            self._mids.add(mid)
            self._settle()

    def _settle(self) -> None:
        """An acknowledgement may be here before we know which number it is for."""
        for mid in self._mids & self._numbers.keys():
            self._mids.remove(mid)
            self.books.acknowledged.add(self._numbers.pop(mid))
        self._changed.notify_all()

    def wait(self) -> None:
        """Until everything that was said is acknowledged; each minute some of it must be."""
        done, before = False, -1
        while not done and before < len(self.books.acknowledged):
            before = len(self.books.acknowledged)
            with self._changed:
                done = self._changed.wait_for(lambda: self.books.acknowledged == self.books.sent, 60)
        assert done, f"not acknowledged: {sorted(self.books.sent - self.books.acknowledged)[:10]}"  # type: ignore[type-var]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.fixture(params=["mosquitto", "nats-server"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mosquitto | Broker]:
    if request.param == "mosquitto" and find_mosquitto() is None:
        pytest.skip("mosquitto is not installed and cannot be: apt-get install mosquitto")
    with (Mosquitto if request.param == "mosquitto" else Broker)(tmp_path / "broker") as running:
        yield running


def both(packet: int, counts: tuple[int, ...], *, upward: bool) -> list[Cut]:
    """Before and after these packets."""
    return [Cut(packet, upward, count, before) for count in counts for before in (True, False)]


steps = pytest.mark.parametrize("counts", [(3,), pytest.param((1, 2, 3, 4) * 5, marks=pytest.mark.soak)])


def check(platform: Platform, device: Device, where: str, cuts: int) -> None:
    device.wait()
    wait_for(platform, lambda: len(counted(platform)) >= len(device.books.sent))
    verdict = device.books.check(counted(platform), where)
    assert (verdict.ok, verdict.unknown) == (len(device.books.sent), 0)
    tell("G10", where, ok=verdict.ok, unknown=verdict.unknown, cuts=cuts)


@steps
@pytest.mark.slow
def test_the_wire_between_device_and_broker_is_cut_at_each_step(
    tmp_path: Path, broker: Mosquitto | Broker, loop: Loop, counts: tuple[int, ...]
) -> None:
    cuts = both(PUBLISH, counts, upward=True) + both(PUBACK, counts, upward=False)
    cutter = Cutter(broker.port, cuts)
    port = loop.run(cutter.start())
    with Platform.open(tmp_path / "plant") as platform:
        platform.apply(PLANT)
        platform.apply({"gemel": 1, "connectors": [connector(broker.url)]})
        wait_for(platform, lambda: is_connected(platform))
        device = Device(port)
        for number in range(max(MESSAGES, 8 * len(cuts))):
            device.say(number)
        check(platform, device, f"device and {NAMES[type(broker)]}", len(cuts))
        assert not cutter.left
        device.close()
    loop.run(cutter.close())


@steps
@pytest.mark.slow
def test_the_wire_between_broker_and_gemel_is_cut_at_each_step(
    tmp_path: Path, broker: Mosquitto | Broker, loop: Loop, counts: tuple[int, ...]
) -> None:
    cuts = both(PUBLISH, counts, upward=False) + both(PUBACK, counts, upward=True)
    cutter = Cutter(broker.port, cuts)
    port = loop.run(cutter.start())
    with Platform.open(tmp_path / "plant") as platform:
        platform.apply(PLANT)
        platform.apply({"gemel": 1, "connectors": [connector(f"mqtt://127.0.0.1:{port}")]})
        wait_for(platform, lambda: is_connected(platform))
        device = Device(broker.port)
        said = 0
        while cutter.left:  # one after the other, so that each has packets of its own to be counted
            before = len(cutter.left)
            for _ in range(4):
                device.say(said)
                said += 1
            device.wait()
            wait_for(platform, lambda before=before: len(cutter.left) < before)  # type: ignore[misc]
            wait_for(platform, lambda: is_connected(platform))
        check(platform, device, f"{NAMES[type(broker)]} and Gemel", len(cuts))
        if isinstance(broker, Mosquitto):  # what was not acknowledged came again; nats-server waits half a minute first
            assert hall(platform).repeated >= 1
        device.close()
    loop.run(cutter.close())


@steps
@pytest.mark.slow
def test_the_wire_between_device_and_gemel_itself_is_cut_at_each_step(
    tmp_path: Path, loop: Loop, counts: tuple[int, ...]
) -> None:
    """No broker: what is acknowledged is in the journal."""
    cuts = both(PUBLISH, counts, upward=True) + both(PUBACK, counts, upward=False)
    with Platform.open(tmp_path / "plant") as platform:
        platform.apply(PLANT)
        endpoint = {"listen": ["mqtt://127.0.0.1:0"], "anonymous": True}
        platform.apply({"gemel": 1, "connectors": [{"id": "hall", "kind": "mqtt_endpoint", "settings": endpoint}]})
        wait_for(platform, lambda: is_connected(platform))
        cutter = Cutter(int(hall(platform).detail.split(",")[0].rsplit(":", 1)[1]), cuts)
        device = Device(loop.run(cutter.start()), topic="gemel/line-1/count", value="value")
        for number in range(max(MESSAGES, 8 * len(cuts))):
            device.say(number)
        device.wait()
        assert set(counted(platform)) >= device.books.acknowledged, "acknowledged, and not in the journal"
        check(platform, device, "device and Gemel itself", len(cuts))
        assert not cutter.left
        device.close()
        loop.run(cutter.close())


def test_a_broker_that_is_restarted_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed and cannot be: apt-get install mosquitto")
    running = Mosquitto(tmp_path / "broker")
    try:
        with Platform.open(tmp_path / "plant") as platform:
            platform.apply(PLANT)
            platform.apply({"gemel": 1, "connectors": [connector(running.url)]})
            wait_for(platform, lambda: is_connected(platform))
            device = Device(running.port)
            for number in range(MESSAGES // 2):
                device.say(number)
            device.wait()
            running.close()
            for number in range(MESSAGES // 2, MESSAGES):
                device.say(number)
            running = Mosquitto(tmp_path / "broker", port=running.port)
            check(platform, device, "restart of the broker", 1)
            device.close()
    finally:
        running.close()
