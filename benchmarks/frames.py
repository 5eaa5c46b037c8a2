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
from gemel.history import extensions
from gemel.history.rows import Rows
from gemel.history.tables import CREATE, PARTITION, SORT
from gemel.twin import Form

CLIENTS = 4
ROWS = 200_000
_STEPS = 4


def run(record: Record) -> None:
    _burst(record, 2.0 if record.small else 30.0)
    _sustained(record, 2 if record.small else 30)
    _growth(record, 1_000_000 if record.small else 8_000_000, 2 if record.small else 10)


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
        rate = _to_parquet(s, millions, after=1)
    bare = _bare(millions)
    name = "frames over HTTP to journal and Parquet, sustained"
    record(name, rate, "values/s", budget=1_200_000, reference=bare)
    record("frames: sustained, over a bare sorted DuckLake append", rate / bare, "×", budget=0.6)


def _to_parquet(s: Served, millions: int, after: int = 0) -> float:
    """Values/s of `millions` of them; their times follow those of the `after` millions before."""
    before = s.platform.journal.head().position
    amount = {"requests": millions * 1_000_000 // ROWS, "first": after * 1_000_000 // ROWS}
    measured = load("frames", **s.access, clients=CLIENTS, **amount)
    s.platform.history.flush(600)
    return (s.platform.journal.head().position - before) / (time.monotonic() - measured["began"])


def _growth(record: Record, values: int, times: int) -> None:
    """The same number of values again and again until they are in Parquet; then again when there is `times` as much.

    Files are merged in some steps and not in others: it is the time of `_STEPS` of them together that counts.
    """
    with served() as s:
        millions = values // 1_000_000
        _to_parquet(s, millions)
        s.platform.history.upkeep(600)
        first = [_to_parquet(s, millions, after=(n + 1) * millions) for n in range(_STEPS)]
        between = (times * (_STEPS // 2 + 1) - _STEPS) * millions
        _to_parquet(s, between, after=(_STEPS + 1) * millions)
        after = (_STEPS + 1) * millions + between
        s.platform.history.upkeep(600)  # what was put off meanwhile
        last = [_to_parquet(s, millions, after=after + n * millions) for n in range(_STEPS)]
    for rates in (first, last):
        print("   " + ", ".join(f"{rate:,.0f}" for rate in rates))
    name = f"ingest rate at {times} × the history, over the first"
    record(name, float(_together(last) / _together(first)), "×", budget=0.9)


def _together(rates: list[float]) -> float:
    """The rate of steps of the same size, one after the other."""
    return len(rates) / sum(1 / rate for rate in rates)


def _bare(millions: int) -> float:
    """The same kind of rows in commits of a million straight into DuckLake, which sorts and partitions them as ours."""
    folder = Path(tempfile.mkdtemp(prefix=".bench-", dir=Path.cwd()))
    connection = extensions.connect()
    try:
        extensions.load(connection, "ducklake", "sqlite")
        target = f"'ducklake:sqlite:{folder / 'catalogue.sqlite'}'"
        connection.execute(f"ATTACH {target} AS lake (DATA_PATH '{folder}/data/', META_JOURNAL_MODE 'WAL')")
        for option, value in (("parquet_compression", "zstd"), ("parquet_version", "2")):
            connection.execute(f"CALL lake.set_option('{option}', '{value}')")
        connection.execute(f"CREATE TABLE lake.reading ({CREATE['reading']})")
        connection.execute(f"ALTER TABLE lake.reading SET PARTITIONED BY ({PARTITION['reading']})")
        connection.execute(f"ALTER TABLE lake.reading SET SORTED BY ({SORT['reading']})")
        parts = [_rows(n, 1_000_000) for n in range(4)]
        began = time.monotonic()
        for n in range(millions):
            connection.register("arrived", parts[n % 4])
            connection.execute("INSERT INTO lake.reading SELECT * FROM arrived")
        return millions * 1_000_000 / (time.monotonic() - began)
    finally:
        connection.close()
        shutil.rmtree(folder)


def _rows(number: int, rows: int) -> pa.Table:
    rng = np.random.default_rng(number)
    start = int(time.time() * 1e6) - 3_600_000_000 + number * 50_000_000
    zero, quality = np.zeros(rows, np.int64), np.zeros(rows, np.uint8)
    return Rows(
        Form.NUMBER,
        (np.arange(rows, dtype=np.int64) % 1000) << 20,
        start + np.arange(rows, dtype=np.int64) // 1000 * 50_000,
        zero,
        pa.array(rng.normal(5, 1, rows).round(3)),
        quality,
        np.arange(rows),
    ).to_arrow()
