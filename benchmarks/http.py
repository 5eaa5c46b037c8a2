"""HTTP: one value written, durable when it is answered; one twin read."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from benchmarks.record import Record
from benchmarks.served import load, served


def run(record: Record) -> None:
    seconds = 1.0 if record.small else 10.0
    with bare() as url:
        load("writes", url=url, token="", twins=1000, clients=64, seconds=0.5)
        bare_writes = load("writes", url=url, token="", twins=1000, clients=64, seconds=seconds / 2)
        bare_reads = load("reads", url=url, token="", twins=1000, clients=16, seconds=seconds / 2)
    with served() as s:
        load("writes", **s.access, clients=64, seconds=0.5)  # the first requests resolve names and warm caches
        writes = load("writes", **s.access, clients=64, seconds=seconds)
        reads = load("reads", **s.access, clients=16, seconds=seconds)
    name = "HTTP writes of one property, durable, 64 clients"
    record(name, writes["rate"], "/s", budget=4000, reference=bare_writes["rate"])
    record("HTTP writes: p99", writes["p99_ms"], "ms", higher_is_better=False)
    record("HTTP reads of a twin", reads["rate"], "/s", budget=8000, reference=bare_reads["rate"])
    record("HTTP reads: p99", reads["p99_ms"], "ms", higher_is_better=False)


@contextmanager
def bare() -> Iterator[str]:
    """The same HTTP server with an application that does nothing: the reference."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(_nothing, loop="uvloop", http="httptools", log_level="error", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


async def _nothing(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
    if scope["type"] == "http":
        await receive()
        await asyncio.sleep(0)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"{}"})
