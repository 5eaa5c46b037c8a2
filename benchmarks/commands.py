"""From a command over HTTP to the device, and back to `applied`: a device at a broker, one order after the other."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from pathlib import Path

import httpx
import numpy as np
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.record import Record
from benchmarks.served import served
from gemel.connectors.mqtt.broker import Broker

PLANT = """
gemel: 1
types: [{id: valve, commands: [{name: turn, input: [{name: by}]}]}]
twins: [{id: valve-1, types: [valve]}]
connectors:
  - id: valves
    kind: mqtt
    settings: {url: "%s"}
    bindings:
      - address: cmd/valve-1
        twin: valve-1
        property: turn
        direction: out
        out: {payload: {order: "{order}", by: "{input.by}"}, reply: "answers/{order}"}
"""


def run(record: Record) -> None:
    orders = 20 if record.small else 400
    with served() as s, tempfile.TemporaryDirectory() as folder, Broker(Path(folder)) as broker:
        heard: dict[str, float] = {}
        ready = threading.Event()
        device = Client(CallbackAPIVersion.VERSION2, "valve-1")

        def on_message(client, _data, message):  # type: ignore[no-untyped-def]
            told = json.loads(message.payload)
            heard[told["order"]] = time.monotonic()
            client.publish(f"answers/{told['order']}", b"{}", 1)

        device.on_message = on_message
        device.on_subscribe = lambda *_: ready.set()
        device.connect("127.0.0.1", broker.port)
        device.loop_start()
        device.subscribe("cmd/valve-1", 1)
        ready.wait(10)
        s.platform.apply(PLANT % broker.url)
        reach, done = [], []
        headers = {"Authorization": f"Bearer {s.token}"}
        with httpx.Client(base_url=s.url, headers=headers, timeout=60) as http:
            path = "/api/v1/twins/valve-1/commands/turn"
            http.post(path, json={"input": {"by": 0}}, params={"wait": 30})  # the connector has come up
            for by in range(orders):
                began = time.monotonic()
                answer = http.post(path, json={"input": {"by": by}}, params={"wait": 30}).json()
                done.append(time.monotonic() - began)
                if answer["state"] != "applied":
                    raise RuntimeError(f"{answer['state']}: {answer['detail']}")
                reach.append(heard[answer["id"]] - began)
        device.disconnect()
        device.loop_stop()
    for name, times in (("command to device", reach), ("command to applied", done)):
        record(f"{name}, p50", float(np.percentile(times, 50)) * 1000, "ms", higher_is_better=False)
        record(f"{name}, p99", float(np.percentile(times, 99)) * 1000, "ms", higher_is_better=False)
