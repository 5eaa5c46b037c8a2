"""Orders to devices that are connected to our own MQTT endpoint: a device hears its own, and nobody else's."""

import json
import queue

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

import gemel
from gemel.commands import OrderState
from gemel.connectors.ports import free_port

S = OrderState
PLANT = """
gemel: 1
types:
  - id: feeder
    properties: [{name: rate, writable: true}, {name: state, kind: text}]
    commands: [{name: start, input: [{name: ramp}], output: [{name: cycle, kind: integer}]}]
twins: [{id: feeder-1, types: [feeder]}, {id: feeder-2, types: [feeder]}]
connectors:
  - id: devices
    kind: mqtt_endpoint
    settings: {listen: ["mqtt://127.0.0.1:%d"]}
    bindings: [{address: orders, twin: "{twin}", property: "{name}", direction: out, deadline_s: 120}]
"""


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    port = free_port()
    with gemel.open(tmp_path_factory.mktemp("devices") / "plant") as opened:
        opened.apply(PLANT % port)
        while opened.supervisor.ready("devices"):
            assert opened.journal.wait(opened.position + 1, 60)  # how it is, is written every few seconds
        yield opened, port


class Feeder:
    """A device with a secret of its own."""

    def __init__(self, plant, name, twin):
        opened, port = plant
        devices = opened.gate.devices
        secret = devices.claim(devices.add(name, [twin])[1]).secret
        self.heard, self.granted = queue.Queue(), queue.Queue()
        self.client = Client(CallbackAPIVersion.VERSION2, name)
        self.client.username_pw_set(name, secret)
        self.client.on_message = lambda _c, _d, message: self.heard.put((message.topic, json.loads(message.payload)))
        self.client.on_subscribe = lambda _c, _d, _m, codes, _p: self.granted.put([code.value for code in codes])
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def subscribe(self, topic):
        self.client.subscribe(topic, 1)
        return self.granted.get(timeout=60)

    def say(self, topic, told):
        self.client.publish(topic, json.dumps(told), 1).wait_for_publish(60)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture(scope="module")
def feeders(plant):
    made = [Feeder(plant, f"box-{n}", f"feeder-{n}") for n in (1, 2)]
    yield made
    for one in made:
        one.close()


def test_a_device_hears_its_own_orders_and_answers(plant, feeders):
    opened, _ = plant
    first, _ = feeders
    assert first.subscribe("gemel/feeder-1/~orders") == [1]
    order = opened.command("feeder-1", "start", {"ramp": 4})
    topic, told = first.heard.get(timeout=60)
    assert (topic, told["order"], told["name"], told["input"]) == (
        "gemel/feeder-1/~orders",
        order.id,
        "start",
        {"ramp": 4.0},
    )
    first.say("gemel/feeder-1/~answers", {"order": order.id, "status": "accepted"})
    first.say("gemel/feeder-1/~answers", {"order": order.id, "status": "done", "output": {"cycle": 3}})
    done = opened.commander.reached(order.id).result(60)
    assert (done.state, done.output) == (S.APPLIED, {"cycle": 3})
    assert S.ACKNOWLEDGED in [step.state for step in done.steps]


def test_a_desired_value_is_applied_when_the_device_tells_it(plant, feeders):
    opened, _ = plant
    first, _ = feeders
    first.subscribe("gemel/feeder-1/~orders")
    order = opened.set("feeder-1", "rate", 12.5)
    assert first.heard.get(timeout=60)[1]["value"] == 12.5
    first.say("gemel/feeder-1/rate", 12.5)
    assert opened.commander.reached(order.id).result(60).state is S.APPLIED


def test_another_device_neither_hears_nor_answers(plant, feeders):
    opened, _ = plant
    first, second = feeders
    assert second.subscribe("gemel/feeder-1/~orders") == [128]
    second.subscribe("gemel/+/~orders")
    first.subscribe("gemel/feeder-1/~orders")
    order = opened.command("feeder-1", "start", {"ramp": 1})
    first.heard.get(timeout=60)
    second.say("gemel/feeder-1/~answers", {"order": order.id, "status": "done"})
    second.say("gemel/feeder-2/~answers", {"order": order.id, "status": "done"})
    first.say("gemel/feeder-1/~answers", {"order": order.id, "status": "refused", "detail": "empty"})
    assert opened.commander.reached(order.id).result(60).detail == "empty"
    assert second.heard.empty()


def test_orders_come_from_the_platform_alone(plant, feeders):
    opened, _ = plant
    first, _ = feeders
    first.subscribe("gemel/feeder-1/~orders")
    first.say("gemel/feeder-1/~orders", {"order": "order-mine", "name": "start"})
    order = opened.command("feeder-1", "start", {"ramp": 2})
    assert first.heard.get(timeout=60)[1]["order"] == order.id
    first.say("gemel/feeder-1/~answers", {"order": order.id})
    opened.commander.reached(order.id).result(60)


def test_while_no_device_listens_nothing_leaves(plant):
    opened, _ = plant
    opened.apply("gemel: 1\ntwins: [{id: feeder-3, types: [feeder]}]")
    for seconds in (1, 30):  # on a busy machine one is over before it is tried
        order = opened.command("feeder-3", "start", {"ramp": 1}, deadline_s=seconds, wait_s=60)
        assert order.state is S.EXPIRED
        if order.attempts:
            break
    assert "no device of feeder-3 listens" in order.detail
