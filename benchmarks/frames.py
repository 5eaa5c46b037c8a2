"""Columns over HTTP: how much is acknowledged in a burst, how much reaches Parquet, and whether it slows down."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.outside import VictoriaMetrics
from benchmarks.record import Record
from benchmarks.served import Served, load, served
from gemel.history.lake import Lake
from gemel.history.rows import Rows
from gemel.twin import Form

CLIENTS = 4
ROWS = 200_000


def run(record: Record) -> None:
    _burst(record, 2.0 if record.small else 30.0)
    _sustained(record, 2 if record.small else 30)
    _growth(record, 1_000_000 if record.small else 8_000_000, 3 if record.small else 10)


def _burst(record: Record, seconds: float) -> None:
    """Thirty seconds as fast as four clients are answered."""
    reference = None
    if VictoriaMetrics.program() is not None:
        with VictoriaMetrics() as outside:
            reference = load("import_lines", url=outside.url, clients=CLIENTS, seconds=min(seconds, 10.0))["rate"]
    with served() as s:
        load("frames", **s.access, clients=CLIENTS, seconds=1.0)
        measured = load("frames", **s.access, clients=CLIENTS, seconds=seconds)
    name = "frames over HTTP, acknowledged in a burst of 30 s"
    record(name, measured["rate"], "values/s", budget=2_000_000, reference=reference)


def _sustained(record: Record, millions: int) -> None:
    """From the first request to the last value in Parquet, fsynced; then the same rows straight into DuckLake."""
    with served() as s:
        _to_parquet(s, 1)
        rate = _to_parquet(s, millions)
    bare = _bare(millions)
    name = "frames over HTTP to journal and Parquet, sustained"
    record(name, rate, "values/s", budget=1_200_000, reference=bare)
    record("frames: sustained, over a bare sorted DuckLake append", rate / bare, "×", budget=0.6)


def _to_parquet(s: Served, millions: int) -> float:
    before = s.platform.journal.head().position
    measured = load("frames", **s.access, clients=CLIENTS, requests=millions * 1_000_000 // ROWS)
    s.platform.history.flush(600)
    return (s.platform.journal.head().position - before) / (time.monotonic() - measured["began"])


def _growth(record: Record, values: int, times: int) -> None:
    """The same number of values again and again, each time until they are in Parquet."""
    with served() as s:
        _to_parquet(s, 2)
        rates = [_to_parquet(s, values // 1_000_000) for _ in range(times + 1)]
    print("   " + ", ".join(f"{rate:,.0f}" for rate in rates))
    # one run is noisy: the mean of the last three, against the mean of the first three
    name = "ingest rate at 10 × the history, over the first"
    first, last = np.mean(rates[: min(3, times)]), np.mean(rates[-3:])
    record(name, float(last / first), "×", budget=0.9)


def _bare(millions: int) -> float:
    """The same kind of rows in commits of a million straight into DuckLake, with our sort and partitions."""
    folder = Path(tempfile.mkdtemp(prefix=".bench-", dir=Path.cwd()))
    try:
        lake = Lake(folder)
        rng = np.random.default_rng(1)
        rows = 1_000_000
        parts = []
        start = int(time.time() * 1e6) - 3_600_000_000
        for n in range(4):
            series = (np.arange(rows, dtype=np.int64) % 1000) << 20
            times = start + n * 50_000_000 + np.arange(rows, dtype=np.int64) // 1000 * 50_000
            value = pa.array(rng.normal(5, 1, rows).round(3))
            zero, quality = np.zeros(rows, np.int64), np.zeros(rows, np.uint8)
            parts.append(Rows(Form.NUMBER, series, times, zero, value, quality, np.arange(rows)))
        lake.commit({"reading": parts[0].to_arrow()}, 1)
        began = time.monotonic()
        for n in range(millions):
            lake.commit({"reading": parts[n % 4].to_arrow()}, n + 2)
        took = time.monotonic() - began
        lake.close()
        return millions * rows / took
    finally:
        shutil.rmtree(folder)
