"""Orders over a real mosquitto, to a real Modbus server, and to a device that takes HTTP."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

import gemel
from gemel.commands import OrderState
from gemel.connectors.modbus.encoding import TYPES, decode, encode
from gemel.errors import InvalidDocument
from gemel.state import Selection
from tests.connectors.brokers import Mosquitto, find_mosquitto
from tests.connectors.modbus_device import Device, Plc

S = OrderState

PLANT = """
gemel: 1
types:
  - id: valve
    properties:
      - {name: position, unit: "%%", minimum: 0, maximum: 100, writable: true}
      - {name: level, unit: m, writable: true, tolerance: 0.001}
      - {name: fan, kind: boolean, writable: true}
      - {name: grip, kind: enumeration, values: [open, closed], writable: true}
      - {name: limit, kind: integer, writable: true}
    commands:
      - {name: flush, input: [{name: seconds, unit: s}], output: [{name: litres, unit: L}]}
      - {name: home, output: [{name: offset}]}
      - {name: reset, input: [{name: code, kind: integer}]}
twins: [{id: valve-1, types: [valve]}]
connectors:
  - id: broker
    kind: mqtt
    settings: {url: "%(mqtt)s", version: "5", backoff: {initial_s: 0.05, maximum_s: 0.2}}
    bindings:
      - address: valve-1/position
        twin: valve-1
        property: position
        direction: both
        out: {topic: cmd/valve-1/position, payload: {set: "{value}", order: "{order}"}}
      - address: cmd/valve-1/flush
        twin: valve-1
        property: flush
        direction: out
        deadline_s: 60
        out: {payload: {for: "{input.seconds}"}, reply: "answers/valve-1/{order}"}
  - id: plc
    kind: modbus
    settings: {url: "%(modbus)s", poll_s: 0.05, timeout_s: 60, backoff: {initial_s: 0.05, maximum_s: 0.2}}
    bindings:
      - {address: "holding/10:float32:cdab", twin: valve-1, property: level, direction: both, scale: {factor: 0.001}}
      - {address: coil/3, twin: valve-1, property: fan, direction: both}
      - {address: "holding/20:int16", twin: valve-1, property: limit, direction: both}
      - address: coil/9
        twin: valve-1
        property: reset
        direction: out
        out: {inputs: {code: holding/30}}
  - id: gripper
    kind: http
    bindings:
      - {address: grip, twin: valve-1, property: grip, direction: both, out: {url: "%(http)s/grip", method: PUT}}
      - {address: home, twin: valve-1, property: home, direction: out, out: {url: "%(http)s/home?twin={twin}"}}
"""


class Handler(BaseHTTPRequestHandler):
    """A gripper: PUT /grip, POST /home."""

    def do_PUT(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        told = self.server.told  # type: ignore[attr-defined]
        told.append((self.command, self.path, self.headers.get("idempotency-key"), body.decode()))
        status, answer = self.server.answers  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Be silent."""


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory) -> Iterator[Mosquitto]:
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed, and cannot be")
    with Mosquitto(tmp_path_factory.mktemp("mosquitto")) as broker:
        yield broker


@pytest.fixture(scope="module")
def gripper() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.told, server.answers = [], (200, b"{}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def plc() -> Iterator[Plc]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    plc = Plc(Device(1))
    asyncio.run_coroutine_threadsafe(plc.start(), loop).result(60)
    yield plc
    asyncio.run_coroutine_threadsafe(plc.stop(), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture(scope="module")
def valve(mosquitto) -> Iterator[dict]:
    """A device at the broker: it says its position, and answers to flush as `how` says."""
    heard, how = [], {"flush": lambda _order: {"status": "done", "output": {"litres": 12.5}}}
    client = Client(CallbackAPIVersion.VERSION2, "valve-1", protocol=MQTTProtocolVersion.MQTTv5)
    ready = threading.Event()

    def on_message(_client, _data, message):
        told = json.loads(message.payload)
        heard.append((message.topic, told))
        if message.topic == "cmd/valve-1/position":
            client.publish("valve-1/position", str(told["set"]), 1)
        elif (answer := how["flush"](told)) is not None:
            client.publish(message.properties.ResponseTopic, json.dumps(answer), 1)

    client.on_message = on_message
    client.on_subscribe = lambda *_: ready.set()
    client.connect("127.0.0.1", mosquitto.port)
    client.loop_start()
    client.subscribe("cmd/#", 1)
    assert ready.wait(60)
    yield {"heard": heard, "how": how, "client": client}
    client.disconnect()
    client.loop_stop()


@pytest.fixture(scope="module")
def platform(tmp_path_factory, mosquitto, plc, gripper, valve):
    folder = tmp_path_factory.mktemp("others") / "plant"
    folder.mkdir()
    (folder / "gemel.yaml").write_text("webhook_networks: [127.0.0.0/8]\n")
    with gemel.open(folder) as opened:
        http = f"http://127.0.0.1:{gripper.server_address[1]}"
        opened.apply(PLANT % {"mqtt": mosquitto.url, "modbus": plc.url, "http": http})
        with opened.subscribe(Selection(twins=("valve-1",))) as changes:
            while not {"level", "fan", "limit"} <= opened.now("valve-1").keys():
                assert changes.get(60) is not None
        yield opened


class TestMqtt:
    def test_a_value_is_published_as_the_binding_says_and_applied_when_it_is_told(self, platform, valve):
        order = platform.set("valve-1", "position", 40, wait_s=60)
        assert order.state is S.APPLIED, order
        assert ("cmd/valve-1/position", {"set": 40.0, "order": order.id}) in valve["heard"]

    def test_the_device_answers_on_the_topic_that_the_order_names(self, platform, valve):
        order = platform.command("valve-1", "flush", {"seconds": 3}, wait_s=60)
        assert (order.state, order.output) == (S.APPLIED, {"litres": 12.5}), order
        assert ("cmd/valve-1/flush", {"for": 3.0}) in valve["heard"]
        assert S.DELIVERED in [step.state for step in order.steps]

    def test_a_device_that_refuses_is_heard(self, platform, valve):
        valve["how"]["flush"] = lambda _order: {"status": "refused", "detail": "the tank is empty"}
        order = platform.command("valve-1", "flush", {"seconds": 3}, wait_s=60)
        assert (order.state, order.reason, order.detail) == (S.REFUSED, "device", "the tank is empty")

    def test_without_an_answer_nobody_knows(self, platform, valve):
        valve["how"]["flush"] = lambda _order: None
        for seconds in (3, 30):  # on a busy machine three are over before it is sent
            order = platform.command("valve-1", "flush", {"seconds": 3}, deadline_s=seconds, wait_s=60)
            if order.state is not S.EXPIRED:
                break
        assert (order.state, order.reason) == (S.UNKNOWN, "no-answer")

    def test_bindings_that_cannot_be_sent_are_refused_when_they_are_declared(self, platform):
        document = (
            'gemel: 1\nconnectors: [{id: bad, kind: mqtt, settings: {url: "mqtt://h:1"}, bindings: '
            '[{address: "a/+/b", twin: valve-1, property: position, direction: out, out: {colour: red}}]}]'
        )
        with pytest.raises(InvalidDocument, match="out says colour; this kind takes"):
            platform.plan(document)


class TestModbus:
    def test_a_number_is_scaled_ordered_written_and_read_back(self, platform, plc):
        order = platform.set("valve-1", "level", 2.5, wait_s=60)
        assert order.state is S.APPLIED, order
        assert S.ACKNOWLEDGED in [step.state for step in order.steps]

    def test_a_coil_is_written(self, platform, plc):
        assert platform.set("valve-1", "fan", True, wait_s=60).state is S.APPLIED
        assert platform.set("valve-1", "fan", False, wait_s=60).state is S.APPLIED

    def test_what_does_not_fit_the_register_is_not_written(self, platform, plc):
        order = platform.set("valve-1", "limit", 70_000, wait_s=60)
        assert (order.state, order.reason) == (S.REFUSED, "device")
        assert "does not fit into int16" in order.detail

    def test_a_command_writes_its_inputs_and_then_its_trigger(self, platform, plc):
        before = len(plc.devices[0].asked)
        order = platform.command("valve-1", "reset", {"code": 7}, wait_s=60)
        assert order.state is S.APPLIED
        writes = [one for one in plc.devices[0].asked[before:] if one[0] in (5, 6, 15, 16)]
        assert [(function, address) for function, address, _ in writes] == [(16, 30), (15, 9)]

    @pytest.mark.parametrize("type", sorted(TYPES))
    @pytest.mark.parametrize("order", ["abcd", "cdab", "badc", "dcba"])
    def test_what_is_encoded_is_what_is_read(self, type, order):
        value = 1.5 if type.startswith("float") else 77
        assert decode(encode(value, type, order), type, order) == value


class TestHttp:
    def test_a_value_is_put_and_applied_when_it_is_posted(self, platform, gripper):
        order = platform.set("valve-1", "grip", "closed")
        sent = platform.commander.reached(order.id, [S.ACKNOWLEDGED]).result(60)
        assert sent.state is S.ACKNOWLEDGED, sent
        assert ("PUT", "/grip", order.id, '"closed"') in gripper.told
        platform.write("valve-1", "grip", "closed")
        assert platform.commander.reached(order.id).result(60).state is S.APPLIED

    def test_a_command_has_the_output_of_the_answer(self, platform, gripper):
        gripper.answers = (200, b'{"status": "done", "output": {"offset": 0.25}}')
        order = platform.command("valve-1", "home", wait_s=60)
        assert (order.state, order.output) == (S.APPLIED, {"offset": 0.25})
        assert gripper.told[-1][:2] == ("POST", "/home?twin=valve-1")

    @pytest.mark.parametrize(("status", "state"), [(409, S.REFUSED), (500, S.UNKNOWN), (302, S.REFUSED)])
    def test_what_is_answered_decides(self, platform, gripper, status, state):
        gripper.answers = (status, b"no")
        order = platform.command("valve-1", "home", wait_s=60)
        assert (order.state, order.detail[:15]) == (state, f"it answered {status}"), order
