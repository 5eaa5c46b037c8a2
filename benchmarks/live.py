"""From a device to a browser at half load, and how far the server's event loop lags while the historian compacts."""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks.messages import bind
from benchmarks.record import Record
from benchmarks.served import TWINS, Served, load, loading, result, served
from gemel.connectors.mqtt.broker import Broker

HALF_LOAD = 20_000
"""Messages of three values a second: half of what the platform must take."""
PROBE_S = 0.002


def run(record: Record) -> None:
    _screens(record, 3.0 if record.small else 20.0)
    _lag(record, 2.0 if record.small else 20.0)


def _screens(record: Record, seconds: float) -> None:
    """Publisher, broker, platform and screens are four processes; both ends read the same machine's clock."""
    rate = HALF_LOAD // 10 if record.small else HALF_LOAD
    with served() as s, tempfile.TemporaryDirectory() as folder, Broker(Path(folder)) as broker:
        bind(s, broker.url, qos=0, payload={"time": "sent", "time_format": "us"})
        publish = {"url": broker.url, "rate": rate, "twins": TWINS, "seconds": seconds + 3}
        with loading("steady", **publish) as device:
            if not s.platform.state.wait(s.platform.position + 3 * rate, 30):
                raise RuntimeError("the device does not publish")
            seen = load("screens", url=s.url, token=s.token, sockets=5, twins=10, seconds=seconds)
            result(device)
    name = "device to browser, at half load, p99"
    record(name, seen["p99_ms"], "ms", budget=100, higher_is_better=False)
    record("device to browser, at half load, p50", seen["p50_ms"], "ms", higher_is_better=False)
    print(f"   {seen['values'] / seconds:,.0f} values a second on the screens")


def _lag(record: Record, seconds: float) -> None:
    """Frames come in, the historian commits twice a second and merges what it wrote; the loop is asked all the time."""
    with served("history_every_s: 0.5\n") as s:
        load("frames", **s.access, clients=1, seconds=1.0)
        idle = _lags(s, 1.0)
        came = {"clients": 2, "seconds": seconds, "rows": 20_000, "pause_s": 0.05}
        with loading("frames", **s.access, **came) as sender:
            lags = _lags(s, seconds + 1, busy=lambda: s.platform.history.upkeep(60))
            rate = result(sender)["rate"]
        files = len(s.platform.history.files())
    print(f"   {rate:,.0f} values/s meanwhile; {files} files at the end; idle p99 {np.percentile(idle, 99):.1f} ms")
    name = "event-loop lag while the historian compacts, p99"
    record(name, float(np.percentile(lags, 99)), "ms", budget=20, higher_is_better=False)


def _lags(s: Served, seconds: float, busy=None) -> list[float]:  # type: ignore[no-untyped-def]
    """By how many milliseconds each of many short sleeps in the server's own event loop was too long."""

    async def probe() -> list[float]:
        late = []
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            await asyncio.sleep(PROBE_S)
            late.append((time.monotonic() - now - PROBE_S) * 1000)
        return late

    ended = threading.Event()

    def keep_busy() -> None:
        while busy is not None and not ended.wait(0.2):
            busy()

    worker = threading.Thread(target=keep_busy)
    worker.start()
    try:
        return asyncio.run_coroutine_threadsafe(probe(), s.server.services.bridge._loop).result(seconds + 60)
    finally:
        ended.set()
        worker.join()
