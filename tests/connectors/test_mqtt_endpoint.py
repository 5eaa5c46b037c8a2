"""Devices that connect to the platform itself: what they say is durable when it is acknowledged, and who may say it."""

from __future__ import annotations

import contextlib
import json
import select
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gemel.access import Role
from gemel.connectors.health import Health
from gemel.platform import Platform
from tests.connectors.mqtt_client import WAIT_S, Device, Raw, connect, packet, text

PLANT: dict[str, Any] = {
    "gemel": 1,
    "types": [
        {
            "id": "press",
            "properties": [
                {"name": "temperature", "unit": "Cel", "maximum": 500},
                {"name": "pressure", "unit": "bar"},
                {"name": "mode", "kind": "enumeration", "values": ["AUTOMATIC", "MANUAL"]},
                {"name": "door", "kind": "text", "freshness": {"mode": "changes", "within_s": 60}},
            ],
            "events": [{"name": "overheated", "fields": [{"name": "limit"}]}, {"name": "gone"}],
        }
    ],
    "twins": [
        {"id": "press-7", "types": ["press"]},
        {"id": "press-8", "types": ["press"]},
        {"id": "press-9", "types": ["press"]},
    ],
}


class Site:
    """A platform with an endpoint; each test has a new endpoint."""

    def __init__(self, folder: Path) -> None:
        self.platform = Platform.open(folder)
        self.platform.apply(PLANT)
        self.port = 0
        self.id = "gate"
        self._count = 0

    def new(self) -> None:
        """Another endpoint than before."""
        self._count += 1
        self.id = f"gate-{self._count}"

    def listen(self, *, bindings: Any = (), scheme: str = "mqtt", **settings: Any) -> None:
        """Declare the endpoint on a free port, and wait until it listens."""
        said = {"listen": [f"{scheme}://127.0.0.1:0"], **settings}
        connector = {"id": self.id, "kind": "mqtt_endpoint", "settings": said, "bindings": list(bindings)}
        self.platform.apply({"gemel": 1, "connectors": [connector]})
        self.port = self.until(lambda before=self.port: {before, 0, self._listening()} - {before, 0}).pop()

    def _listening(self) -> int:
        """The port of the endpoint; 0 when it does not listen."""
        health = self.health
        return int(health.detail.split(",")[0].rsplit(":", 1)[1]) if health.state == "connected" else 0

    @property
    def health(self) -> Any:
        return self.platform.supervisor.health().get(self.id) or Health(id=self.id, kind="mqtt_endpoint")

    def until(self, holds: Callable[[], Any], timeout_s: float = WAIT_S) -> Any:
        """Wait for positions (health is written every five seconds at least) until it holds."""
        clock = self.platform.clock
        end = clock.monotonic() + timeout_s
        while not (found := holds()):
            assert clock.monotonic() < end, f"did not come to be: {self.health}"
            self.platform.state.wait(self.platform.position + 1, 0.2)
        return found

    def value(self, twin: str, property: str) -> Any:
        now = self.platform.now(twin).get(property)
        return None if now is None else now.value

    def device(self, id: str, *twins: str) -> str:
        """Enrol a device; its secret."""
        devices = self.platform.gate.devices
        if id in {one.id for one in devices.all()}:
            devices.remove(id)
        _, code = devices.add(id, twins)
        return devices.claim(code).secret

    def kinds(self, subject: str) -> list[str]:
        return [
            change.kind
            for block in self.platform.journal.blocks()
            for change in block.changes
            if change.subject == subject
        ]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("mqtt") / "plant")
    yield made
    made.platform.close()


@pytest.fixture
def site(opened: Site) -> Site:
    opened.new()
    return opened


@pytest.mark.parametrize("five", [False, True])
def test_what_is_acknowledged_is_in_the_journal(site: Site, five: bool):
    site.listen(anonymous=True)
    with Device(site.port, "press-7-box", five=five) as device:
        device.publish("gemel/press-7/temperature", "80.5")
        assert site.value("press-7", "temperature") == 80.5
        device.publish("gemel/press-7/mode", "AUTOMATIC")
        device.publish("gemel/press-7", json.dumps({"temperature": 81, "pressure": 5.25}), qos=2)
        assert site.value("press-7", "mode") == "AUTOMATIC"
        assert (site.value("press-7", "temperature"), site.value("press-7", "pressure")) == (81, 5.25)


def test_a_value_may_bring_its_time_quality_and_unit(site: Site):
    site.listen(anonymous=True)
    said = {"value": 176.9, "unit": "[degF]", "time": "2026-01-05T10:00:00Z", "quality": "uncertain"}
    with Device(site.port) as device:
        device.publish("gemel/press-9/temperature", json.dumps(said))
        device.subscribe("gemel/press-9/temperature")
        heard = json.loads(device.message().payload)
        assert (heard["value"], heard["quality"]) == (pytest.approx(80.5), "uncertain")
        device.publish("gemel/press-9/temperature", json.dumps({"value": 212, "unit": "[degF]"}))
        assert json.loads(device.message().payload)["value"] == pytest.approx(100)
    now = site.platform.now("press-9")["temperature"]
    assert now.value == pytest.approx(100)
    assert heard["time"].startswith("2026-01-05T10:00:00")


def test_bindings_say_what_other_topics_mean(site: Site):
    bindings = [{"address": "hall/{name}/state#oil.temp", "twin": "{name}", "property": "pressure"}]
    site.listen(anonymous=True, bindings=bindings, payload={"time": "t", "time_format": "ms"})
    with Device(site.port) as device:
        device.publish("hall/press-9/state", '{"t": 1767607200000, "oil": {"temp": 44}}')
    assert site.platform.now("press-9")["pressure"].time == 1_767_607_200_000_000


def test_the_same_id_again_has_no_second_effect(site: Site):
    site.listen(anonymous=True)
    told, before = [("id", "0042")], site.kinds("press-7").count("event.happened")
    with Device(site.port) as device:
        for _ in range(2):
            reason, _ = device.publish("gemel/press-7/temperature", "1", UserProperty=told)
            assert not reason.is_failure
        device.publish("gemel/press-7/overheated", "x")  # not a property, so refused; the next is the event
        for _ in range(2):
            device.publish("gemel/press-7/!overheated", '{"id": "a", "fields": {"limit": 80}}')
    site.until(lambda: site.health.repeated == 2)
    assert site.kinds("press-7").count("event.happened") == before + 1


def test_a_refused_message_is_seen_and_its_sender_is_told_why(site: Site):
    site.listen(anonymous=True)
    with Device(site.port) as device:
        reason, told = device.publish("gemel/press-7/temperature", "900")
        assert reason.value == 0x99
        assert "900" in told.ReasonString
        reason, told = device.publish("gemel/press-7/temperature", '{"value": 1, "time": "yesterday"}')
        assert (reason.value, "yesterday" in told.ReasonString) == (0x99, True)
        reason, _ = device.publish("gemel/press-99/temperature", "1")
        assert reason.is_failure
        reason, _ = device.publish("somewhere/else", "1")
        assert reason.value == 0x90
        assert not device.publish("gemel/press-7/temperature", "90")[0].is_failure
    health = site.health
    assert health.quarantined >= 2
    assert health.unbound == {"somewhere/else": 1}
    assert sum(health.rejected.values()) == 1
    held = {one.code for one in site.platform.quarantined(source=site.id).items}
    assert {"malformed"} < held


def test_one_bad_message_does_not_stain_those_it_came_with(site: Site):
    site.listen(anonymous=True)
    body = text("gemel/press-7/temperature") + b"\x00\x01\x00" + b"900"
    good = text("gemel/press-8/temperature") + b"\x00\x02\x00" + b"80"
    with Raw(site.port) as raw:
        raw.send(connect() + packet(0x32, body) + packet(0x32, good))  # in one piece: one batch
        answer = raw.read(2)
        raw.read(answer[1])  # CONNACK
        first = raw.read(2)
        refused = raw.read(first[1])
        assert refused[:3] == b"\x00\x01\x99"
        assert raw.read(4) == b"\x40\x02\x00\x02"


def test_a_device_may_publish_only_its_own_topics(site: Site):
    secret = site.device("box-7", "press-7")
    site.listen()
    with Device(site.port, user="box-7", password=secret) as device:
        assert not device.publish("gemel/press-7/temperature", "80")[0].is_failure
        assert device.publish("gemel/press-8/temperature", "666")[0].value == 0x87
        assert device.publish("gemel/press-8/!gone", "")[0].value == 0x87
        assert device.subscribe("gemel/press-8/temperature").value == 0x87
        assert not device.subscribe("gemel/press-7/temperature").is_failure
    with Device(site.port, five=False, user="box-7", password=secret) as device:
        device.publish("gemel/press-8/temperature", "666")  # 3.1.1 has no word for no
    assert site.value("press-8", "temperature") != 666
    assert site.health.rejected == {"published where it may not (device:box-7)": 3}
    held = site.platform.quarantined(source="device:box-7").items
    assert [(one.code, one.twin, one.property) for one in held] == [
        ("not-granted", "press-8", "temperature"),
        ("not-granted", "press-8", "gone"),
        ("not-granted", "press-8", "temperature"),
    ]


def test_what_a_device_said_of_a_twin_too_early_is_taken_when_it_may(site: Site):
    secret = site.device("box-7", "press-7")
    site.listen()
    with Device(site.port, user="box-7", password=secret) as device:
        device.publish("gemel/press-9", '{"pressure": 4.25, "unheard_of": 1}')
    site.platform.gate.devices.change("box-7", ["press-7", "press-9"])
    receipt = site.platform.intake.replay(source="device:box-7", code="not-granted", twin="press-9").result(WAIT_S)
    assert (receipt.accepted, receipt.quarantined) == (1, 1)
    assert site.value("press-9", "pressure") == 4.25


def test_whatever_is_refused_of_a_device_is_listed_under_the_device(site: Site):
    secret = site.device("box-8", "press-8")
    site.listen()
    with Device(site.port, user="box-8", password=secret) as device:
        assert device.publish("gemel/press-8/temperature", "900")[0].value == 0x99  # out of range
        assert device.publish("gemel/press-8/temperature", '{"value": 1, "time": "now"}')[0].value == 0x99
        assert device.publish("gemel/press-88/temperature", "1")[0].value == 0x87
        assert device.publish("my/own/topic", "1")[0].value == 0x90
        assert device.publish("gemel/press-8/!overheated", '{"id": "x", "fields": {"limit": "hot"}}')[0].is_failure
    held = site.platform.quarantined(source="device:box-8").items
    assert {one.code for one in held} == {"range", "malformed", "not-granted", "kind"}
    assert any("my/own/topic" in one.detail for one in held)
    assert site.platform.intake.held(["device:box-8"]) == {"device:box-8": 5}
    assert not site.platform.quarantined(source=site.id).items


def test_a_device_that_stays_for_one_message_was_seen(site: Site):
    secret = site.device("box-6", "press-8")
    site.listen()
    with Device(site.port, user="box-6", password=secret) as device:
        device.publish("gemel/press-8/pressure", "1")
    assert site.platform.gate.devices.last_seen("box-6")


def test_ids_and_events_of_devices_are_their_own(site: Site):
    """Two devices may number alike; an event says who told it."""
    first, second = site.device("box-7", "press-7", "press-9"), site.device("box-8", "press-8", "press-9")
    site.listen()
    for name, secret, value in (("box-7", first, "11"), ("box-8", second, "12")):
        with Device(site.port, user=name, password=secret) as device:
            assert not device.publish("gemel/press-9/temperature", value, UserProperty=[("id", "same")])[0].is_failure
            device.publish("gemel/press-9/!overheated", json.dumps({"id": "same", "fields": {"limit": int(value)}}))
    assert site.value("press-9", "temperature") == 12
    told = [c for b in site.platform.journal.blocks() for c in b.changes if c.kind == "event.happened"]
    assert [one.source for one in told if one.subject == "press-9"] == ["device:box-7", "device:box-8"]


@pytest.mark.parametrize(
    ("user", "password"), [("", ""), ("box-7", "wrong"), ("box-8", "right"), ("box-7", ""), ("\u202e", "\U0001f600")]
)
def test_nobody_comes_in_without_the_right_secret(site: Site, user: str, password: str):
    secret = site.device("box-7", "press-7")
    site.listen()
    device = Device(site.port, user=user, password=secret if password == "right" else password)
    reason, _, told = device.connect()
    device.close()
    assert reason.value == 0x86
    assert secret not in str(told)
    assert sum(site.health.rejected.values()) == 1


def test_a_revoked_device_is_put_out_at_once(site: Site):
    secret = site.device("box-7", "press-7")
    site.listen()
    with Device(site.port, user="box-7", password=secret) as device:
        site.platform.gate.devices.revoke("box-7")
        assert device.ended.get(timeout=WAIT_S).value == 0x87
    refused = Device(site.port, user="box-7", password=secret)
    assert refused.connect()[0].is_failure
    refused.close()


def test_a_token_can_what_its_role_can(site: Site):
    site.listen()
    _, reads = site.platform.gate.tokens.add("dashboard", Role.VIEWER)
    _, operates = site.platform.gate.tokens.add("gateway", Role.OPERATOR)
    with (
        Device(site.port, user="token", password=operates) as gateway,
        Device(site.port, user="token", password=reads) as dashboard,
    ):
        assert not dashboard.subscribe("gemel/+/temperature", retainHandling=2).is_failure
        assert dashboard.publish("gemel/press-7/temperature", "1")[0].value == 0x87
        assert not gateway.publish("gemel/press-7/temperature", "2")[0].is_failure
        message = dashboard.message()
        assert (message.topic, json.loads(message.payload)["value"]) == ("gemel/press-7/temperature", 2)


def test_a_device_hears_of_its_twins_alone_whatever_it_asks_for(site: Site):
    secret = site.device("box-7", "press-7")
    _, operates = site.platform.gate.tokens.add("gateway", Role.OPERATOR)
    site.listen()
    with (
        Device(site.port, user="token", password=operates) as gateway,
        Device(site.port, user="box-7", password=secret) as device,
    ):
        gateway.publish("gemel/press-8/pressure", "1")
        for pattern in ("#", "gemel/#", "+/+/pressure", "$share/all/gemel/+/pressure"):
            assert not device.subscribe(pattern, retainHandling=2).is_failure
        gateway.publish("gemel/press-8/pressure", "2")
        gateway.publish("gemel/press-7/pressure", "3")
        assert device.message().topic == "gemel/press-7/pressure"
        assert {device.message().topic for _ in range(1)} == {"gemel/press-7/pressure"}  # the shared one
        assert device.messages.empty()


def test_who_subscribes_gets_the_present_values_first(site: Site):
    site.listen(anonymous=True)
    site.platform.write("press-7", "temperature", 70)
    site.platform.write("press-8", "temperature", 60)
    with Device(site.port) as app:
        app.subscribe("gemel/+/temperature")
        found = {one.topic: (json.loads(one.payload), one.retain) for one in (app.message(), app.message())}
        assert found["gemel/press-7/temperature"][0]["value"] == 70
        assert found["gemel/press-8/temperature"][0]["quality"] == "good"
        assert all(retain for _, retain in found.values())


def test_values_go_stale_with_their_own_device(site: Site):
    site.listen(anonymous=True)
    before = site.kinds("press-7").count("event.happened")
    fresh = lambda twin: site.platform.now(twin)["door"].fresh  # noqa: E731
    with Device(site.port, "box-8") as other:
        other.publish("gemel/press-8/door", "CLOSED")
        device = Device(site.port, "box-7", will=("gemel/press-7/!gone", b"", 1))
        device.connect()
        device.publish("gemel/press-7/door", "CLOSED")
        assert fresh("press-7")
        device.cut()
        site.until(lambda: not fresh("press-7"))
        assert fresh("press-8")
        site.until(lambda: site.kinds(f"{site.id}/client:box-7") == ["source.found", "source.lost"])
        site.until(lambda: site.kinds("press-7").count("event.happened") > before)  # its last will
        with Device(site.port, "box-7"):
            site.until(lambda: fresh("press-7"))
    assert site.kinds(f"{site.id}/client:box-7") == ["source.found", "source.lost", "source.found"]


def test_values_are_fresh_again_when_the_endpoint_was_declared_anew(site: Site):
    site.listen(anonymous=True)
    with Device(site.port, "box-9") as device:
        device.publish("gemel/press-9/door", "CLOSED")
        site.listen(anonymous=True, queue=7)
        assert device.ended.get(timeout=WAIT_S).value == 0x8B
    site.until(lambda: not site.platform.now("press-9")["door"].fresh)
    with Device(site.port, "box-9") as device:
        device.publish("gemel/press-9/door", "CLOSED")
        site.until(lambda: site.platform.now("press-9")["door"].fresh)


def test_retained_messages_come_as_fast_as_they_are_taken_and_none_is_left_out(site: Site):
    site.listen(anonymous=True, relay=["hall/**"], queue=20)
    with Device(site.port) as one, Device(site.port) as app:
        for number in range(300):
            one.publish(f"hall/{number}", "x" * 2_000, qos=0, retain=True)
        one.publish("hall/last", "x", retain=True)
        for qos in (0, 1):
            app.subscribe("hall/#", qos=qos)
            assert {app.message().topic for _ in range(301)} >= {"hall/0", "hall/last"}


def test_a_silent_client_is_lost_after_its_keep_alive(site: Site):
    site.listen(anonymous=True)
    with Raw(site.port) as raw:
        raw.send(connect(keep_alive=1))
        assert raw.rest().endswith(b"s")  # DISCONNECT with the reason string "silent for 2 s"
    with Device(site.port, five=True, keep_alive=600) as device:
        assert device.connect()[2].ServerKeepAlive == 60


def test_a_stopped_endpoint_leaves_no_connection_behind(site: Site):
    site.listen(anonymous=True)
    with Raw(site.port) as raw:
        raw.send(connect())
        site.listen(anonymous=True, queue=20)  # instead of the first, whose client never closes its side
        assert raw.rest().endswith(b"come again")
        gone = select.poll()
        gone.register(raw.socket, 0)
        end = site.platform.clock.monotonic() + WAIT_S
        while not gone.poll(100):
            assert site.platform.clock.monotonic() < end
            with contextlib.suppress(OSError):
                raw.send(packet(0xC0, b""))  # to a closed connection: it is answered with a reset


def test_messages_for_other_clients_are_passed_on(site: Site):
    site.listen(anonymous=True, relay=["hall/**"])
    with Device(site.port) as one, Device(site.port, five=False) as other:
        assert other.subscribe("hall/#", qos=2).value == 2
        one.publish("hall/lamp", "on", qos=2, retain=True, UserProperty=[("a", "b")], ContentType="text")
        message = other.message()
        assert (message.payload, message.qos, message.retain) == (b"on", 2, False)
        with Device(site.port) as late:
            late.subscribe("hall/+", qos=1)
            found = late.message()
            assert (found.payload, found.qos, found.retain) == (b"on", 1, True)
            assert found.properties.UserProperty == [("a", "b")]
        one.publish("hall/lamp", "", retain=True)
        assert other.message().payload == b""
        with Device(site.port) as later:
            later.subscribe("hall/+", qos=1)
            assert later.subscribe("elsewhere/1").value == 0x80
            assert later.messages.empty()


def test_a_relayed_topic_may_belong_to_one_device(site: Site):
    site.listen(relay=["settings/{device}/**"])
    secrets = {name: site.device(name, "press-7") for name in ("box-7", "box-8")}
    with (
        Device(site.port, user="box-7", password=secrets["box-7"]) as seven,
        Device(site.port, user="box-8", password=secrets["box-8"]) as eight,
    ):
        assert seven.publish("settings/box-8/rate", "1")[0].value == 0x87
        assert seven.subscribe("settings/box-8/rate").value == 0x87
        assert not eight.subscribe("settings/box-8/rate").is_failure
        assert not eight.publish("settings/box-8/rate", "2")[0].is_failure
        assert eight.message().payload == b"2"


def test_who_was_away_gets_what_it_missed_up_to_a_bound(site: Site):
    site.listen(anonymous=True, relay=["hall/**"], queue=3)
    away = Device(site.port, "app", clean=False, SessionExpiryInterval=600)
    away.connect()
    away.subscribe("hall/#", qos=1)
    away.close()
    with Device(site.port) as one:
        for number in range(5):
            one.publish("hall/n", str(number))
    away = Device(site.port, "app", clean=False, SessionExpiryInterval=600)
    _, flags, _ = away.connect()
    assert flags.session_present
    assert [away.message().payload for _ in range(3)] == [b"0", b"1", b"2"]
    away.close()
    site.until(lambda: "2 message(s) dropped" in site.health.detail)


def test_a_session_is_not_given_to_another_principal(site: Site):
    site.listen(relay=["hall/**"])
    one, other = site.device("box-7", "press-7"), site.device("box-8", "press-8")
    with Device(site.port, "same", user="box-7", password=one, clean=False, SessionExpiryInterval=600) as first:
        first.subscribe("hall/#")
        second = Device(site.port, "same", user="box-8", password=other, clean=False)
        assert not second.connect()[1].session_present
        second.publish("hall/x", "1")
        assert first.message().payload == b"1"
        second.close()


def test_a_second_connection_takes_the_session_over(site: Site):
    site.listen(anonymous=True)
    first = Device(site.port, "same")
    first.connect()
    with Device(site.port, "same"):
        assert first.ended.get(timeout=WAIT_S).value == 0x8E
    first.client.loop_stop()


def test_a_message_of_quality_2_that_comes_again_is_not_acknowledged_before_it_is_durable(site: Site):
    site.listen(anonymous=True)
    hello = packet(0x10, text("MQTT") + b"\x04\x00\x00\x3c" + text("stays"))  # 3.1.1, and the session stays
    message = text("gemel/press-8/pressure") + b"\x00\x07" + b"7.5"
    disk_is_slow = threading.Event()
    writing = site.platform.intake.transact(lambda _: (disk_is_slow.wait(WAIT_S), ()))
    with Raw(site.port) as first:
        first.send(hello + packet(0x34, message) + b"\xc0\x00")
        assert first.read(6) == b"\x20\x02\x00\x00" + b"\xd0\x00"
    with Raw(site.port) as again:
        again.send(hello + packet(0x3C, message) + b"\xc0\x00")
        assert again.read(6) == b"\x20\x02\x01\x00" + b"\xd0\x00"  # the session is there, and still no PUBREC
        disk_is_slow.set()
        assert again.read(4) == b"\x50\x02\x00\x07"
        assert site.value("press-8", "pressure") == 7.5
        again.send(b"\x62\x02\x00\x07")
        assert again.read(4) == b"\x70\x02\x00\x07"
    assert writing.result(WAIT_S)[0]
    site.until(lambda: site.health.readings)
    assert site.health.readings == 1


def test_more_unanswered_messages_than_allowed_end_the_connection(site: Site):
    site.listen(anonymous=True, in_flight=2)
    body = text("gemel/press-7/temperature")
    with Raw(site.port) as raw:
        sent = b"".join(packet(0x34, body + bytes([0, number]) + b"\x001") for number in (1, 2, 3))  # never released
        raw.send(connect() + sent)
        assert b"\xe0" in (rest := raw.rest())
        assert b"\x93" in rest


def test_mqtt_is_spoken_within_websocket_too(site: Site):
    site.listen(anonymous=True, scheme="ws")
    with Device(site.port, transport="websockets") as device:
        assert device.subscribe("gemel/press-7/pressure", retainHandling=2).value == 1
        device.publish("gemel/press-7/pressure", "4.5", qos=2)
        assert json.loads(device.message().payload)["value"] == 4.5
    with Raw(site.port) as raw:
        raw.send(b"GET /elsewhere HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        raw.send(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        assert raw.rest().startswith(b"HTTP/1.1 404")


FAULTS = {
    "no CONNECT": (b"\xc0\x00", b""),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b""),
    "another protocol": (packet(0x10, text("HJQT") + b"\x05\x02\x00\x3c\x00" + text("a")), b""),
    "a length without end": (b"\x10\xff\xff\xff\xff\xff", b""),
    "a stranger's huge packet": (b"\x10\xff\xff\xff\x7f", b""),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_stranger_who_breaks_the_protocol_gets_nothing(site: Site, fault: str):
    site.listen(anonymous=True)
    data, answer = FAULTS[fault]
    with Raw(site.port) as raw:
        raw.send(data)
        assert raw.rest() == answer


LATER = {
    "a second CONNECT": (connect(), 0x82),
    "a packet too large": (b"\x30\xff\xff\x7f", 0x95),
    "a topic with wildcards": (packet(0x30, text("a/#") + b"\x00x"), 0x90),
    "quality 3": (packet(0x36, text("a") + b"\x00\x01\x00x"), 0x81),
    "an alias never set": (packet(0x30, text("") + b"\x03\x23\x00\x01x"), 0x82),
    "a server's packet": (packet(0x20, b"\x00\x00\x00"), 0x82),
    "a packet that ends early": (packet(0x82, b"\x00"), 0x81),
}


@pytest.mark.parametrize("fault", LATER)
def test_a_client_that_breaks_the_protocol_is_told_how(site: Site, fault: str):
    site.listen(anonymous=True)
    data, reason = LATER[fault]
    with Raw(site.port) as raw:
        raw.send(connect())
        head = raw.read(2)
        raw.read(head[1])
        raw.send(data)
        rest = raw.rest()
    assert rest[0] == 0xE0
    assert rest[2] == reason


def test_a_stranger_who_says_nothing_is_put_out(site: Site):
    site.listen(anonymous=True, connections=2, sign_in_s=1)
    with Raw(site.port) as slow, Raw(site.port) as slower:
        slow.send(connect()[:5])
        assert (slow.rest(), slower.rest()) == (b"", b"")
    with Device(site.port):
        assert not site.health.unbound


def test_one_connection_too_many_is_not_taken(site: Site):
    site.listen(anonymous=True, connections=2, sign_in_s=60)
    with Raw(site.port), Device(site.port), Raw(site.port) as third:
        assert third.rest() == b""
    assert site.health.unbound == {"a connection too many; see settings.connections": 1}


def _request(key: ec.EllipticCurvePrivateKey) -> str:
    """A certificate signing request, as a device makes one."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_devices_sign_in_with_a_secret_or_a_certificate_over_tls(site: Site, tmp_path: Path):
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    devices = site.platform.gate.devices
    secret = site.device("box-7", "press-7")
    issued = devices.certificates.issue("box-7", _request(key))
    (tmp_path / "device.pem").write_bytes(private + issued.certificate.encode())
    site.listen(scheme="mqtts")  # its own certificate is the authority's too
    context = ssl.create_default_context(cadata=issued.authority)
    with Device(site.port, user="box-7", password=secret, tls=context) as device:
        device.publish("gemel/press-7/temperature", "1")
    context = ssl.create_default_context(cadata=issued.authority)
    context.load_cert_chain(tmp_path / "device.pem")
    with Device(site.port, tls=context) as device:
        assert not device.publish("gemel/press-7/temperature", "2")[0].is_failure
        assert device.publish("gemel/press-8/temperature", "3")[0].value == 0x87
    assert site.value("press-7", "temperature") == 2


def test_certificates_outside_the_secrets_are_not_opened(site: Site):
    site.platform.apply(
        {
            "gemel": 1,
            "connectors": [
                {
                    "id": site.id,
                    "kind": "mqtt_endpoint",
                    "settings": {
                        "listen": ["mqtts://127.0.0.1:0"],
                        "tls": {"certificate": "/etc/passwd", "key": "../gemel.sqlite"},
                    },
                }
            ],
        }
    )
    site.until(lambda: site.health.state == "waiting")
    assert "is not below the directory of secrets" in site.health.last_error
