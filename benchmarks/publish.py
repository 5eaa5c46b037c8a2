"""MQTT load: packets made beforehand, written to bare sockets, as the generator must not be what is measured."""

from __future__ import annotations

import json
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import urlsplit

__all__ = ["drain", "mqtt", "payload_of", "steady"]


def mqtt(url: str, *, messages: int, twins: int, qos: int, clients: int) -> dict[str, float]:
    """Publish JSON messages of three values; with QoS 1, wait for every PUBACK. `began`: on the monotonic clock."""
    share = messages // clients
    sockets = [connect(url, f"load-{number}") for number in range(clients)]
    streams = [_publishes(number * share, share, twins, qos) for number in range(clients)]
    began = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(partial(_exchange, qos=qos, share=share), sockets, streams))
    took = time.monotonic() - began
    for peer in sockets:
        peer.sendall(b"\xe0\x00")
        peer.close()
    return {"rate": share * clients / took, "began": began}


def steady(url: str, *, rate: int, twins: int, seconds: float) -> dict[str, float]:
    """Publish `rate` messages a second, evenly, each with the moment it was sent (microseconds)."""
    peer = connect(url, "steady")
    every_s, number = 0.005, 0
    share = round(rate * every_s)
    began = due = time.monotonic()
    while due < began + seconds:
        now = time.time_ns() // 1000
        packets = []
        for _ in range(share):
            number += 1
            text = b'{"pressure":%d.5,"temperature":%d.25,"speed":%d,"sent":%d}' % (
                number % 9,
                number % 80,
                number % 3000,
                now,
            )
            topic = b"plant/press-%d" % (number % twins)
            packets.append(packet(0x30, struct.pack(">H", len(topic)) + topic + text))
        peer.sendall(b"".join(packets))
        due += every_s
        time.sleep(max(0.0, due - time.monotonic()))
    took = time.monotonic() - began
    peer.sendall(b"\xe0\x00")
    peer.close()
    return {"rate": number / took}


def drain(url: str, *, messages: int) -> dict[str, float]:
    """Subscribe, acknowledge everything at once, and end after so many messages: what a broker does by itself."""
    peer = connect(url, "drain")
    topic = b"plant/#"
    peer.sendall(packet(0x82, b"\x00\x01" + struct.pack(">H", len(topic)) + topic + b"\x01"))
    assert peer.recv(5)[0] == 0x90, "the broker refused the subscription"
    print("subscribed", flush=True)
    left, seen = b"", 0
    while seen < messages:
        data = left + peer.recv(1 << 18)
        at, answers = 0, []
        while at + 2 <= len(data):
            length, start = data[at + 1], at + 2
            if length & 0x80:
                if start >= len(data):
                    break
                length, start = (length & 0x7F) | data[start] << 7, start + 1
            if start + length > len(data):
                break
            if data[at] & 0xF0 == 0x30:
                body = start + 2 + (data[start] << 8 | data[start + 1])
                answers.append(b"\x40\x02" + data[body : body + 2])
            at = start + length
        left = data[at:]
        seen += len(answers)
        peer.sendall(b"".join(answers))
    ended = time.monotonic()
    peer.close()
    return {"ended": ended}


def connect(url: str, name: str) -> socket.socket:
    """A connection to the broker, clean session, no keep-alive."""
    parts = urlsplit(url)
    peer = socket.create_connection((parts.hostname, parts.port))
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    text = name.encode()
    peer.sendall(packet(0x10, b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack(">H", len(text)) + text))
    assert peer.recv(4) == b"\x20\x02\x00\x00", "the broker refused the connection"
    return peer


def packet(kind: int, body: bytes) -> bytes:
    """One MQTT packet."""
    length, size = len(body), b""
    while True:
        length, digit = divmod(length, 128)
        size += bytes([digit | (0x80 if length else 0)])
        if not length:
            return bytes([kind]) + size + body


def payload_of(number: int) -> bytes:
    """Three values, as a machine would send them."""
    values = {"pressure": 5 + number / 1000, "temperature": 60 + number / 100, "speed": 1000.0 + number}
    return json.dumps(values).encode()


def _publishes(first: int, count: int, twins: int, qos: int) -> list[bytes]:
    """PUBLISH packets, in writes of a hundred."""
    packets = []
    for number in range(first, first + count):
        topic = f"plant/press-{number % twins}".encode()
        identity = struct.pack(">H", number % 65_535 + 1) if qos else b""
        packets.append(packet(0x30 | qos << 1, struct.pack(">H", len(topic)) + topic + identity + payload_of(number)))
    return [b"".join(packets[at : at + 100]) for at in range(0, count, 100)]


def _exchange(peer: socket.socket, stream: list[bytes], *, qos: int, share: int) -> None:
    """Send everything; with QoS 1, at most a hundred messages ahead of their acknowledgements."""
    sent = acknowledged = 0
    for part in stream:
        peer.sendall(part)
        sent += 100
        while qos and sent - acknowledged > 100:
            acknowledged += len(peer.recv(65_536)) // 4
    while qos and acknowledged < share:
        acknowledged += len(peer.recv(65_536)) // 4
