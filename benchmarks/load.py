"""Load generators, each its own process: `python -m benchmarks.load KIND …` prints one line of JSON when it is done."""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa


async def http(url: str, requests: list[bytes], *, clients: int, seconds: float) -> dict[str, float]:
    """`clients` connections, each sending its next request when the answer is there; all answers must be 2xx."""
    parts = urlsplit(url)
    latencies: list[float] = []
    end = time.monotonic() + seconds

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        at = number
        while (began := time.monotonic()) < end:
            writer.write(requests[at % len(requests)])
            at += clients
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 2"):
                raise RuntimeError(head.decode())
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            latencies.append(time.monotonic() - began)
        writer.close()

    began = time.monotonic()
    await asyncio.gather(*(one(number) for number in range(clients)))
    took = time.monotonic() - began
    return {
        "rate": len(latencies) / took,
        "p50_ms": 1000 * float(np.percentile(latencies, 50)),
        "p99_ms": 1000 * float(np.percentile(latencies, 99)),
    }


def request(method: str, path: str, token: str, body: bytes = b"", kind: str = "application/json") -> bytes:
    """One HTTP/1.1 request as bytes."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    if body:
        head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def reads(url: str, token: str, *, twins: int, clients: int, seconds: float) -> dict[str, float]:
    """GET /twins/{id}/now."""
    asked = [request("GET", f"/api/v1/twins/press-{n}/now", token) for n in range(twins)]
    return asyncio.run(http(url, asked, clients=clients, seconds=seconds))


def writes(url: str, token: str, *, twins: int, clients: int, seconds: float) -> dict[str, float]:
    """PUT /twins/{id}/now/pressure, each durable when it is answered."""
    told = [
        request("PUT", f"/api/v1/twins/press-{n}/now/pressure", token, json.dumps({"value": n / 7}).encode())
        for n in range(twins)
    ]
    return asyncio.run(http(url, told, clients=clients, seconds=seconds))


def frames(url: str, token: str, *, twins: int, clients: int, seconds: float, rows: int = 200_000) -> dict[str, float]:
    """POST /ingest with Arrow streams of `rows` readings of one property of all twins."""
    ids = pa.array([f"press-{n}" for n in range(twins)])
    bodies = []
    for number in range(8):
        order = np.arange(rows, dtype=np.int32) % twins
        start = int(time.time() * 1e6) - 3_000_000_000 + number * 1_000_000
        times = start + np.arange(rows, dtype=np.int64) // twins * 50_000
        batch = pa.record_batch(
            {
                "twin": pa.DictionaryArray.from_arrays(pa.array(order), ids),
                "property": pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), pa.array(["pressure"])),
                "time": pa.array(times).cast(pa.timestamp("us", tz="UTC")),
                "value": pa.array(np.random.default_rng(number).normal(5, 1, rows).round(3)),
            }
        )
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        bodies.append(
            request(
                "POST", "/api/v1/ingest", token, sink.getvalue().to_pybytes(), "application/vnd.apache.arrow.stream"
            )
        )
    measured = asyncio.run(http(url, bodies, clients=clients, seconds=seconds))
    return measured | {"rate": measured["rate"] * rows}


def mqtt(url: str, *, messages: int, twins: int, qos: int, clients: int) -> dict[str, float]:
    """Publish JSON messages of three values; with QoS 1, wait for every PUBACK.

    Packets are made beforehand and written to bare sockets: the generator must not be what is measured.
    """
    parts = urlsplit(url)
    share = messages // clients
    sockets = []
    for number in range(clients):
        peer = socket.create_connection((parts.hostname, parts.port))
        name = f"load-{number}".encode()
        peer.sendall(_packet(0x10, b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack(">H", len(name)) + name))
        assert peer.recv(4) == b"\x20\x02\x00\x00", "the broker refused the connection"
        sockets.append(peer)
    streams = [_publishes(number * share, share, twins, qos) for number in range(clients)]
    began = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(partial(_exchange, qos=qos, share=share), sockets, streams))
    took = time.monotonic() - began
    for peer in sockets:
        peer.sendall(b"\xe0\x00")
        peer.close()
    return {"rate": share * clients / took}


def _publishes(first: int, count: int, twins: int, qos: int) -> list[bytes]:
    """PUBLISH packets, in writes of a hundred."""
    packets = []
    for number in range(first, first + count):
        topic = f"plant/press-{number % twins}".encode()
        identity = struct.pack(">H", number % 65_535 + 1) if qos else b""
        packets.append(
            _packet(0x30 | qos << 1, struct.pack(">H", len(topic)) + topic + identity + mqtt_payload(number))
        )
    return [b"".join(packets[at : at + 100]) for at in range(0, count, 100)]


def _exchange(peer: socket.socket, stream: list[bytes], *, qos: int, share: int) -> None:
    """Send everything; with QoS 1, at most a thousand messages ahead of their acknowledgements."""
    sent = acknowledged = 0
    for part in stream:
        peer.sendall(part)
        sent += 100
        while qos and sent - acknowledged >= 1000:
            acknowledged += len(peer.recv(65_536)) // 4
    while qos and acknowledged < share:
        acknowledged += len(peer.recv(65_536)) // 4


def _packet(kind: int, body: bytes) -> bytes:
    length, size = len(body), b""
    while True:
        length, digit = divmod(length, 128)
        size += bytes([digit | (0x80 if length else 0)])
        if not length:
            return bytes([kind]) + size + body


def mqtt_payload(number: int) -> bytes:
    """Three values, as a machine would send them."""
    values = {"pressure": 5 + number / 1000, "temperature": 60 + number / 100, "speed": 1000.0 + number}
    return json.dumps(values).encode()


KINDS = {"reads": reads, "writes": writes, "frames": frames, "mqtt": mqtt}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("arguments", type=json.loads, help="JSON object")
    options = parser.parse_args()
    print(json.dumps(KINDS[options.kind](**options.arguments)))


if __name__ == "__main__":
    main()
