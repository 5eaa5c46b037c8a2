"""Columns over NATS: from a JetStream stream to journal and Parquet, each frame acknowledged after the fsync."""

from __future__ import annotations

import time

from benchmarks.frames import ROWS
from benchmarks.outside import Nats
from benchmarks.record import Record
from benchmarks.served import PLANT, TWINS, Served, load, served, until

BUDGET = 1_200_000
STREAM = "FRAMES"


def run(record: Record) -> None:
    if Nats.program() is None:
        print("   left out: nats-server is not installed")
        return
    with Nats() as server, served() as s:
        send = {"url": server.url, "stream": STREAM, "twins": TWINS, "rows": ROWS}
        load("nats_frames", **send, frames=0)  # makes the stream
        _bind(s, server.url)
        _to_parquet(s, send, 5)
        rate = _to_parquet(s, send | {"first": 5}, 5 if record.small else 100)
        assert s.platform.supervisor.health()["frames"].errors == 0
    record("frames over NATS JetStream to journal and Parquet, sustained", rate, "values/s", budget=BUDGET)


def _to_parquet(s: Served, send: dict[str, object], frames: int) -> float:
    """Values/s from the first frame published until the last value is in Parquet."""
    before = s.platform.position
    began = load("nats_frames", **send, frames=frames)["began"]
    until(s.platform, before + frames * ROWS, 120)
    s.platform.history.flush(600)
    came = s.platform.position - before
    assert came >= frames * ROWS, f"{came} of {frames * ROWS} values came"
    return frames * ROWS / (time.monotonic() - began)


def _bind(s: Served, url: str) -> None:
    """Declare the connector and wait until it consumes."""
    settings = {"url": url, "frames": ["frames.>"], "jetstream": {"stream": STREAM, "max_ack_pending": 16}}
    s.platform.apply(PLANT | {"connectors": [{"id": "frames", "kind": "nats", "settings": settings, "bindings": []}]})
    deadline, health = time.monotonic() + 20, s.platform.supervisor.health
    while (found := health().get("frames")) is None or found.state != "connected":
        if time.monotonic() > deadline:
            raise TimeoutError(str(found))
        s.platform.state.wait(s.platform.position + 1, 0.1)
