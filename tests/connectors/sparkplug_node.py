"""A real edge node for the tests: a paho client that publishes births, data and deaths as Sparkplug B says."""

from __future__ import annotations

import queue
import threading
import time
from types import TracebackType
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from gemel.connectors.sparkplug.schema import Payload
from gemel.connectors.sparkplug.values import DataType

FIELD = {
    DataType.INT8: "int_value",
    DataType.INT16: "int_value",
    DataType.INT32: "int_value",
    DataType.UINT8: "int_value",
    DataType.UINT16: "int_value",
    DataType.UINT32: "int_value",
    DataType.INT64: "long_value",
    DataType.UINT64: "long_value",
    DataType.DATETIME: "long_value",
    DataType.FLOAT: "float_value",
    DataType.DOUBLE: "double_value",
    DataType.BOOLEAN: "boolean_value",
    DataType.STRING: "string_value",
}
WIDTH = {"int_value": 32, "long_value": 64}
Metric = dict[str, Any]


def metric(name: str = "", value: Any = None, datatype: DataType = DataType.DOUBLE, **more: Any) -> Metric:
    """A metric; `more`: alias, timestamp, is_historical, properties."""
    return {"name": name, "value": value, "datatype": datatype, **more}


def fill(target: Any, one: Metric) -> None:
    one = dict(one)
    name, value, datatype = one.pop("name"), one.pop("value"), one.pop("datatype")
    if name:
        target.name = name
    target.datatype = int(datatype)
    for key, text in one.pop("properties", {}).items():
        target.properties.keys.append(key)
        if isinstance(text, str):
            target.properties.values.add(type=int(DataType.STRING), string_value=text)
        else:
            target.properties.values.add(type=int(DataType.INT32), int_value=text)
    for key, given in one.items():
        setattr(target, key, given)
    if value is None:
        target.is_null = True
    elif datatype == DataType.DATASET:
        target.dataset_value.SetInParent()
    elif datatype == DataType.TEMPLATE:
        target.template_value.SetInParent()
    elif isinstance(value, bytes):
        target.bytes_value = value
    else:
        field = FIELD[datatype]
        if field in WIDTH:
            value &= (1 << WIDTH[field]) - 1
        setattr(target, field, value)


def payload(metrics: list[Metric], *, seq: int | None, now_ms: int | None = None) -> bytes:
    made = Payload(timestamp=now_ms or int(time.time() * 1000))
    if seq is not None:
        made.seq = seq
    for one in metrics:
        fill(made.metrics.add(), one)
    return bytes(made.SerializeToString())


class Node:
    """An edge node. `births`: what it is asked for with NCMD is published again by itself when `obedient`."""

    def __init__(
        self, port: int, group: str, name: str, *, births: dict[str, list[Metric]], obedient: bool = True
    ) -> None:
        self.group, self.name, self.births, self.obedient = group, name, births, obedient
        self.bdseq, self.seq = -1, 0
        self.asked: queue.Queue[str] = queue.Queue()
        self.states: queue.Queue[bytes] = queue.Queue()
        self._port = port
        self._lock = threading.RLock()
        self._subscribed = threading.Event()
        self.client = self._client()

    def _client(self) -> paho.Client:
        self.bdseq += 1
        client = paho.Client(CallbackAPIVersion.VERSION2, f"{self.group}-{self.name}-{self.bdseq}")
        death = payload([metric("bdSeq", self.bdseq, DataType.INT64)], seq=None)
        client.will_set(self.topic("NDEATH"), death, 1)
        client.on_message = self._message
        client.on_subscribe = lambda *_: self._subscribed.set()
        return client

    def topic(self, kind: str, device: str = "") -> str:
        return "/".join(["spBv1.0", self.group, kind, self.name, *([device] if device else [])])

    def connect(self, *, born: bool = True) -> None:
        self._subscribed.clear()
        self.client.connect("127.0.0.1", self._port)
        self.client.loop_start()
        self.client.subscribe([(self.topic("NCMD"), 1), ("spBv1.0/STATE/#", 1)])
        assert self._subscribed.wait(60)
        if born:
            self.born()
            self.client.publish("tests/flush", b"", 1).wait_for_publish(60)  # the broker has had the births

    def born(self) -> None:
        with self._lock:
            self.seq = 0
            own = [metric("bdSeq", self.bdseq, DataType.INT64), *self.births.get("", [])]
            self.send("NBIRTH", own)
            for device, metrics in self.births.items():
                if device:
                    self.send("DBIRTH", metrics, device)

    def send(self, kind: str, metrics: list[Metric], device: str = "", *, seq: int | None = None) -> bytes:
        with self._lock:
            raw = payload(metrics, seq=self.seq if seq is None else seq)
            self.seq = ((self.seq if seq is None else seq) + 1) % 256
            self.publish(kind, raw, device)
        return raw

    def publish(self, kind: str, raw: bytes, device: str = "", *, qos: int = 0) -> None:
        self.client.publish(self.topic(kind, device), raw, qos)

    def die(self) -> None:
        """Fall off the network: the broker tells the will."""
        sock = self.client.socket()
        self.client.loop_stop()
        if sock is not None:
            sock.close()

    def back(self) -> None:
        """Come back after a fall, with the next bdSeq."""
        self.client = self._client()
        self.connect()

    def _message(self, _client: Any, _data: Any, message: Any) -> None:
        if message.topic.startswith("spBv1.0/STATE/"):
            self.states.put(message.payload)
            return
        names = [one.name for one in Payload.FromString(message.payload).metrics]
        for name in names:
            self.asked.put(name)
        if "Node Control/Rebirth" in names and self.obedient:
            self.born()

    def __enter__(self) -> Node:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.disconnect()
        self.client.loop_stop()
