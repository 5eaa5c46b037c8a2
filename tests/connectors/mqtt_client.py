"""A real MQTT client (paho) that waits, and raw packets for what no honest client sends."""

from __future__ import annotations

import queue
import socket
import threading
from types import TracebackType
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

WAIT_S = 60.0


def properties(kind: int, **named: Any) -> Properties:
    made = Properties(kind)
    for name, value in named.items():
        setattr(made, name, value)
    return made


class Device:
    """Connects; every verb returns when the endpoint has answered."""

    def __init__(self, port: int, client_id: str = "", *, five: bool = True, clean: bool = True, **more: Any) -> None:
        version = MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311
        session = {} if five else {"clean_session": clean}
        transport = more.pop("transport", "tcp")
        self.client = Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=version, transport=transport, **session
        )
        self.port, self.five, self.clean = port, five, clean
        self.messages: queue.Queue[MQTTMessage] = queue.Queue()
        self.answers: dict[int, Any] = {}
        self.granted: dict[int, Any] = {}
        self.ended: queue.Queue[Any] = queue.Queue()
        self._moved = threading.Condition()
        self._connected: Any = None
        self.client.on_connect = self._on_connect
        self.client.on_connect_fail = lambda *_: None
        self.client.on_disconnect = lambda _c, _d, _f, reason, _p: self.ended.put(reason)
        self.client.on_message = lambda _c, _d, message: self.messages.put(message)
        self.client.on_publish = lambda _c, _d, mid, reason, _p: self._answered(self.answers, mid, (reason, _p))
        self.client.on_subscribe = lambda _c, _d, mid, codes, _p: self._answered(self.granted, mid, codes)
        if "will" in more:
            self.client.will_set(*more.pop("will"))
        if "user" in more:
            self.client.username_pw_set(more.pop("user"), more.pop("password", None))
        if "tls" in more:
            self.client.tls_set_context(more.pop("tls"))
        self.keep_alive = more.pop("keep_alive", 60)
        self.connect_properties = properties(PacketTypes.CONNECT, **more) if five else None

    def connect(self) -> Any:
        """The reason code of the CONNACK, its flags and properties."""
        self._connected = None
        first = {} if not self.five else {"clean_start": self.clean, "properties": self.connect_properties}
        self.client.connect("127.0.0.1", self.port, self.keep_alive, **first)
        self.client.loop_start()
        with self._moved:
            assert self._moved.wait_for(lambda: self._connected is not None, WAIT_S), "no CONNACK came"
        return self._connected

    def publish(self, topic: str, payload: Any, qos: int = 1, *, retain: bool = False, **named: Any) -> Any:
        """The reason code of the answer, and its properties; of quality 0, at once."""
        told = properties(PacketTypes.PUBLISH, **named) if named else None
        info = self.client.publish(topic, payload, qos, retain, properties=told)
        if not qos:
            return None
        with self._moved:
            assert self._moved.wait_for(lambda: info.mid in self.answers, WAIT_S), "no PUBACK came"
        return self.answers.pop(info.mid)

    def subscribe(self, pattern: str, qos: int = 1, **options: Any) -> Any:
        """The reason code of the SUBACK."""
        wanted = {"options": SubscribeOptions(qos, **options)} if self.five else {"qos": qos}
        _, mid = self.client.subscribe(pattern, **wanted)
        with self._moved:
            assert self._moved.wait_for(lambda: mid in self.granted, WAIT_S), "no SUBACK came"
        return self.granted.pop(mid)[0]

    def message(self) -> MQTTMessage:
        return self.messages.get(timeout=WAIT_S)

    def cut(self) -> None:
        """Lose the connection without a goodbye, as a cut cable does once it is noticed."""
        sock = self.client.socket()
        assert sock is not None
        self.client.loop_stop()
        sock.shutdown(socket.SHUT_RDWR)
        sock.close()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _on_connect(self, _client: Any, _data: Any, flags: Any, reason: Any, told: Any) -> None:
        with self._moved:
            self._connected = (reason, flags, told)
            self._moved.notify_all()

    def _answered(self, where: dict[int, Any], mid: int, what: Any) -> None:
        with self._moved:
            where[mid] = what
            self._moved.notify_all()

    def __enter__(self) -> Device:
        reason, _, _ = self.connect()
        assert not reason.is_failure, reason
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Raw:
    """Bytes to and from the endpoint."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def rest(self) -> bytes:
        """All that comes until the endpoint closes its side."""
        found = b""
        try:
            while data := self.socket.recv(65_536):
                found += data
        except ConnectionResetError:
            pass
        return found

    def read(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            data = self.socket.recv(count - len(found))
            assert data, f"the endpoint closed after {found!r}"
            found += data
        return found

    def __enter__(self) -> Raw:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()


def text(value: str) -> bytes:
    data = value.encode()
    return len(data).to_bytes(2, "big") + data


def packet(head: int, body: bytes) -> bytes:
    size, length = len(body), b""
    while True:
        size, low = divmod(size, 128)
        length += bytes([low | (0x80 if size else 0)])
        if not size:
            return bytes([head]) + length + body


def connect(client_id: str = "raw", *, five: bool = True, keep_alive: int = 60) -> bytes:
    told = b"\x00" if five else b""
    body = text("MQTT") + bytes([5 if five else 4, 2]) + keep_alive.to_bytes(2, "big") + told + text(client_id)
    return packet(0x10, body)
