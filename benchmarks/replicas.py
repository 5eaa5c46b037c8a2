"""A replica in another process: how fast it takes a keyframe and catches up, and how far behind it is under load."""

from __future__ import annotations

import multiprocessing
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import gemel
from benchmarks.record import Record
from benchmarks.served import PLANT, TWINS, Served, served
from gemel.client import Update
from gemel.platform import Platform

NAMES = ("pressure", "temperature", "speed")
PATIENCE_S = 120.0


def run(record: Record) -> None:
    seconds, rate = (2.0, 1_000) if record.small else (15.0, 5_000)
    with served() as s, tempfile.TemporaryDirectory() as folder:
        _write(s.platform, 0)
        values = TWINS * len(NAMES)
        began = time.monotonic()
        with gemel.replica(s.url, token=s.token, folder=folder) as replica:
            record("replica, keyframe", values / (time.monotonic() - began), "values/s")
            replica.wait(s.platform.position, PATIENCE_S)
        missed = [_write(s.platform, turn) for turn in range(1, 3 if record.small else 30)]
        began = time.monotonic()
        with gemel.replica(s.url, token=s.token, folder=folder) as replica:
            replica.wait(missed[-1], PATIENCE_S)
            took = time.monotonic() - began
            record("replica, catching up by position, of the journal's positions", missed[-1] / took, "positions/s")
            began = time.monotonic()
            replica.check(PATIENCE_S)
            record(f"replica, comparing {values:,} values by hash", 1000 * (time.monotonic() - began), "ms")
        _lag(record, s, seconds, rate)
    _edge(record, 5 if record.small else 60)


def _write(platform: Platform, turn: int) -> int:
    """Every value once; returns the last position."""
    twins = pa.array(np.repeat([f"press-{n}" for n in range(TWINS)], len(NAMES))).dictionary_encode()
    names = pa.array(list(NAMES) * TWINS).dictionary_encode()
    values = pa.array(np.arange(TWINS * len(NAMES)) / 7.0 + turn)
    now = pa.array(np.full(TWINS * len(NAMES), platform.clock.now()), pa.int64())
    batch = pa.record_batch({"twin": twins, "property": names, "time": now, "value": values})
    return platform.intake.submit_frame("bench", batch).result().last


def _edge(record: Record, turns: int) -> None:
    """From an edge node's journal to stable storage upstream, both on this machine: what waited for the line."""
    with served() as upstream, tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as name:
        folder = Path(name)
        with gemel.open(folder) as edge:
            edge.apply(PLANT)
            for turn in range(turns):
                last = _write(edge, turn)
        (folder / "secrets").mkdir(exist_ok=True)
        (folder / "secrets" / "upstream.token").write_text(upstream.token)
        (folder / "gemel.yaml").write_text(f"edge: {{url: {upstream.url}, token: {{file: upstream.token}}}}\n")
        with gemel.open(folder) as edge:
            began = time.monotonic()
            assert edge.edge is not None
            while (reached := edge.edge.standing().acknowledged) < last and time.monotonic() - began < PATIENCE_S:
                threading.Event().wait(0.05)
            record("edge node, handing on what waited", reached / (time.monotonic() - began), "values/s")


def _lag(record: Record, s: Served, seconds: float, rate: int) -> None:
    """From a value's time at its source to the replica's hands, both of one machine's clock; `rate` values a second."""
    context = multiprocessing.get_context("spawn")
    for name, steps in (("every change", None), ("10 steps a second", 10.0)):
        ours, theirs = context.Pipe()
        process = context.Process(target=_follow, args=(s.url, s.token, steps, theirs))
        process.start()
        ours.recv()
        count = rate // 50
        began = time.monotonic()
        number = 0
        while time.monotonic() - began < seconds:
            number += 1
            _some(s, number * count, count)
            threading.Event().wait(max(0.0, began + number / 50 - time.monotonic()))
        ours.send(s.platform.position)
        lags = ours.recv()
        process.join(PATIENCE_S)
        label = f"replica, lag at {number * count / (time.monotonic() - began):,.0f} values/s, {name}"
        record(f"replica, lag under load, {name}, p50", float(np.percentile(lags, 50)), "ms", higher_is_better=False)
        record(f"replica, lag under load, {name}, p99", float(np.percentile(lags, 99)), "ms", higher_is_better=False)
        print(f"   {label}: {len(lags):,} values")


def _some(s: Served, first: int, count: int) -> None:
    twins = pa.array([f"press-{(first + n) % TWINS}" for n in range(count)]).dictionary_encode()
    names = pa.array(["pressure"] * count).dictionary_encode()
    now = pa.array(np.full(count, s.platform.clock.now()), pa.int64())
    values = pa.array(np.arange(count, dtype=np.float64) + first)
    batch = pa.record_batch({"twin": twins, "property": names, "time": now, "value": values})
    s.platform.intake.submit_frame("steady", batch).result()


def _follow(url: str, token: str, rate: float | None, told: Connection) -> None:
    """In its own process: hear all changes until the position that is told at the end."""
    lags: list[float] = []

    def hear(_position: int, new: Any) -> None:
        now = time.time() * 1000
        lags.extend(now - one.time / 1000 for one in new if isinstance(one, Update))

    with gemel.replica(url, token=token, rate=rate) as replica:
        replica.on_change(hear)
        told.send("ready")
        replica.wait(told.recv(), PATIENCE_S)
    told.send(lags)
