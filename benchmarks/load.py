"""Load generators, each its own process: `python -m benchmarks.load KIND …` prints one line of JSON when it is done."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import nats
import numpy as np
import pyarrow as pa

from benchmarks.publish import drain, mqtt, steady
from benchmarks.screen import screens


async def http(
    url: str,
    ask: Callable[[int], bytes],
    *,
    clients: int,
    seconds: float,
    most: int = 1 << 30,
    pause_s: float = 0.0,
) -> dict[str, float]:
    """`clients` connections, each sending its next request when the answer is there; all answers must be 2xx."""
    parts = urlsplit(url)
    latencies: list[float] = []
    numbers = iter(range(most))
    began = time.monotonic()
    end = began + seconds

    async def one() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for number in numbers:
            body = ask(number)
            sent = time.monotonic()
            if sent >= end:
                break
            writer.write(body)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if not head.startswith(b"http/1.1 2"):
                raise RuntimeError(head.decode())
            if b"content-length: " in head:
                await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
            latencies.append(time.monotonic() - sent)
            if pause_s:
                await asyncio.sleep(pause_s)
        writer.close()

    await asyncio.gather(*(one() for _ in range(clients)))
    took = time.monotonic() - began
    return {
        "began": began,
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
    return asyncio.run(http(url, lambda n: asked[n % twins], clients=clients, seconds=seconds))


def writes(url: str, token: str, *, twins: int, clients: int, seconds: float) -> dict[str, float]:
    """PUT /twins/{id}/now/pressure, each durable when it is answered."""
    told = [
        request("PUT", f"/api/v1/twins/press-{n}/now/pressure", token, json.dumps({"value": n / 7}).encode())
        for n in range(twins)
    ]
    return asyncio.run(http(url, lambda n: told[n % twins], clients=clients, seconds=seconds))


class Frames:
    """Arrow streams of `rows` readings of one property of all twins; the times of the n-th follow those before."""

    def __init__(self, twins: int, rows: int, start: int) -> None:
        self._ids = pa.array([f"press-{n}" for n in range(twins)])
        self._twin = pa.DictionaryArray.from_arrays(pa.array(np.arange(rows, dtype=np.int32) % twins), self._ids)
        name = pa.array(np.zeros(rows, np.int8))
        self._property = pa.DictionaryArray.from_arrays(name, pa.array(["pressure"]))
        self._times = start + np.arange(rows, dtype=np.int64) // twins * 50_000
        self._span = rows // twins * 50_000
        self._values = [pa.array(np.random.default_rng(n).normal(5, 1, rows).round(3)) for n in range(8)]

    def body(self, number: int) -> bytes:
        times = pa.array(self._times + number * self._span).cast(pa.timestamp("us", tz="UTC"))
        columns = {"twin": self._twin, "property": self._property, "time": times, "value": self._values[number % 8]}
        batch = pa.record_batch(columns)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        return sink.getvalue().to_pybytes()


def frames(
    url: str,
    token: str,
    *,
    twins: int,
    clients: int,
    seconds: float = 3600.0,
    requests: int = 1 << 30,
    rows: int = 200_000,
    first: int = 0,
    pause_s: float = 0.0,
) -> dict[str, float]:
    """POST /ingest, for so long, or so often; the times go on from those of `first` requests before."""
    # each request is ten seconds of the machines' time: they begin early enough to stay in the past
    made = Frames(twins, rows, int(time.time() * 1e6) - 6 * 3_600_000_000)

    def ask(number: int) -> bytes:
        return request(
            "POST", "/api/v1/ingest", token, made.body(first + number), "application/vnd.apache.arrow.stream"
        )

    measured = asyncio.run(http(url, ask, clients=clients, seconds=seconds, most=requests, pause_s=pause_s))
    return measured | {"rate": measured["rate"] * rows}


def import_lines(url: str, *, clients: int, seconds: float, lines: int = 250_000) -> dict[str, float]:
    """POST /api/v1/import/prometheus, what VictoriaMetrics takes in; as many series as the frames have."""
    rng, start = np.random.default_rng(1), int(time.time() * 1e3) - 3_000_000
    bodies = []
    for number in range(4):
        values = rng.normal(5, 1, lines).round(3).tolist()
        at = start + number * lines // 1000 * 50
        text = "".join(
            f'pressure{{twin="press-{n % 1000}"}} {value} {at + n // 1000 * 50}\n' for n, value in enumerate(values)
        )
        bodies.append(request("POST", "/api/v1/import/prometheus", "", text.encode(), "text/plain"))
    measured = asyncio.run(http(url, lambda n: bodies[n % 4], clients=clients, seconds=seconds))
    return measured | {"rate": measured["rate"] * lines}


def nats_frames(url: str, *, stream: str, twins: int, rows: int, frames: int, first: int = 0) -> dict[str, float]:
    """Publish Arrow streams to the stream, making it if it is not there; four are on their way at a time."""

    async def publish() -> float:
        client = await nats.connect(url)
        context = client.jetstream(timeout=60)
        await context.add_stream(name=stream, subjects=["frames.>"])
        made, places = Frames(twins, rows, int(time.time() * 1e6) - 6 * 3_600_000_000), asyncio.Semaphore(4)

        async def one(number: int) -> None:
            async with places:
                await context.publish("frames.presses", made.body(number))

        began = time.monotonic()
        await asyncio.gather(*(one(first + number) for number in range(frames)))
        await client.close()
        return began

    return {"began": asyncio.run(publish())}


KINDS = {
    "drain": drain,
    "frames": frames,
    "import_lines": import_lines,
    "mqtt": mqtt,
    "nats_frames": nats_frames,
    "reads": reads,
    "screens": screens,
    "steady": steady,
    "writes": writes,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("arguments", type=json.loads, help="JSON object")
    options = parser.parse_args()
    print(json.dumps(KINDS[options.kind](**options.arguments)))


if __name__ == "__main__":
    main()
