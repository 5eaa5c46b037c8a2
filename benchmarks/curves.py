"""How costs grow: with the number of twins, with the length of the history, with the screens that look on."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pyarrow as pa

from benchmarks.elsewhere import median
from benchmarks.history import DAY, T0, Plant
from benchmarks.messages import bind
from benchmarks.record import Record
from benchmarks.served import TWINS, load, loading, result, served
from benchmarks.state import blocks, plant
from gemel.clock import SECOND, WallClock
from gemel.connectors.mqtt.broker import Broker
from gemel.database import Database
from gemel.history import Pace
from gemel.intake import Intake, Message
from gemel.journal import SqlJournal
from gemel.state import Keyframe, State

STEPS = 10
"""The history grows to so many times its first length."""
DAYS = 18.25
"""Of one property at 1 Hz in a step; ten of them are half a year."""


def run(record: Record) -> None:
    for twins in (1_000, 10_000) if record.small else (1_000, 10_000, 100_000, 1_000_000):
        command = [sys.executable, "-m", "benchmarks.curves", str(twins)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        for what, (value, unit) in json.loads(done.stdout).items():
            record(f"curve, {twins:,} twins: {what}", value, unit, higher_is_better=False)
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as folder:
        _history(record, Path(folder))
    for screens in (1, 10) if record.small else (1, 10, 100, 1_000):
        _screens(record, screens, 2.0 if record.small else 8.0)


def _twins(folder: Path, twins: int) -> dict[str, tuple[float, str]]:
    """Twins of ten numbers each: what they take, and how fast they are back, are asked and are written."""
    process = psutil.Process()
    gc.collect()
    before = process.memory_info().rss
    registry = plant(folder, twins)
    state = State(registry.directory, WallClock())
    for block in blocks(registry, 10 * twins, twins, 10):
        state.fold(block)
    del block
    gc.collect()
    pa.default_memory_pool().release_unused()
    found = {"memory": ((process.memory_info().rss - before) / 1e6, "MB")}
    query = "SELECT count(*) FROM live.press WHERE p3 > 0.5"
    found["one SQL query over all"] = (median(lambda: state.sql(query)), "ms")
    state.snapshot().save(folder / "keyframes")
    began = time.perf_counter()
    again = State(registry.directory, WallClock())
    keyframe = Keyframe.load(folder / "keyframes")
    assert keyframe is not None
    again.restore(keyframe)
    found["the state is back after a restart"] = ((time.perf_counter() - began) * 1000, "ms")
    again.close()
    database = Database(f"sqlite:///{folder / 'journal.sqlite'}")
    database.migrate()
    journal = SqlJournal(database)
    state = State(registry.directory, WallClock())
    intake = Intake(journal, registry, WallClock(), after_commit=[state.fold])
    numbers = iter(range(1, 1 << 30))

    def write() -> None:
        number = next(numbers)
        told = {"twin": f"press-{number * 7919 % twins + 1}", "property": "p3", "value": float(number)}
        intake.submit("curve", [msgspec.convert({"readings": [told]}, Message)]).result()

    found["one durable write"] = (median(write, rounds=101), "ms")
    intake.close()
    journal.close()
    database.close()
    state.close()
    return found


def _history(record: Record, folder: Path) -> None:
    """One property at 1 Hz, and 10,000 others once a minute for the last four hours of each step."""
    steps, days = (2, 2.0) if record.small else (STEPS, DAYS)
    plant = Plant(folder, 1000, pace=Pace(commit_rows=4_000_000, commit_bytes=200_000_000, tail_bytes=600_000_000))
    rng, one = np.random.default_rng(3), plant.series[:1]
    for step in range(1, steps + 1):
        start, end = T0 + int((step - 1) * days * DAY), T0 + int(step * days * DAY)
        began, written = time.monotonic(), 0
        for at in range(start, end, DAY):
            times = np.arange(at, min(at + DAY, end), SECOND)
            plant.append(np.repeat(one, len(times)), times, np.round(rng.normal(50, 5, len(times)), 1))
            written += len(times)
        others = plant.series[1:]
        for hour in range(-4, 0):
            times = end + hour * 3600 * SECOND + np.repeat(np.arange(60) * 60 * SECOND, len(others))
            plant.append(np.tile(others, 60), times, np.round(rng.normal(20, 3, len(times)), 1))
            written += len(times)
        plant.history.flush(600)
        rate = written / (time.monotonic() - began)
        plant.history.upkeep(600)
        if step in (1, 2, 5, STEPS):
            name = f"curve, history × {step}: "
            record(name + "taken in, to Parquet", rate, "values/s")
            for what, ask in _asked(plant, end).items():
                record(name + what, median(ask), "ms", higher_is_better=False)
    plant.close()


def _asked(plant: Plant, end: int) -> dict[str, Callable[[], object]]:
    history = plant.history
    return {
        "the last hour of one property": lambda: history.range("m0", "p0", end - 3600 * SECOND, end, method="raw"),
        "all of it to 2,000 points": lambda: history.range("m0", "p0", T0, end, points=2000),
    }


def _screens(record: Record, screens: int, seconds: float) -> None:
    """A thousand machines tell three values a second each; every screen shows ten of them, ten times a second."""
    process, name = psutil.Process(), f"curve, screens {screens:,}: "
    with served() as s, tempfile.TemporaryDirectory() as folder, Broker(Path(folder)) as broker:
        bind(s, broker.url, qos=0, payload={"time": "sent", "time_format": "us"})
        load("frames", **s.access, clients=1, requests=1, rows=TWINS)  # the least that warms up
        gc.collect()
        before = process.memory_info().rss
        shown = {"url": s.url, "token": s.token, "sockets": screens, "twins": 10, "of": TWINS, "rate_hz": 10.0}
        with loading("screens", **shown, seconds=seconds + 2) as watching:
            subscribed(watching)
            each = (process.memory_info().rss - before) / screens / 1024
            rate = load("frames", **s.access, clients=4, seconds=seconds, first=1)["rate"]
            result(watching)
        s.platform.history.flush(60)
        with loading("screens", **shown, seconds=seconds) as watching:
            subscribed(watching)
            load("steady", url=broker.url, rate=TWINS, twins=TWINS, seconds=seconds)
            seen = result(watching)
    record(name + "device to screen, p50", seen["p50_ms"], "ms", higher_is_better=False)
    record(name + "device to screen, p99", seen["p99_ms"], "ms", higher_is_better=False)
    record(name + "taken in meanwhile, as frames", rate, "values/s")
    if screens >= 100:  # of a few it would be noise
        record(name + "memory of each", each, "KiB", higher_is_better=False)


def subscribed(watching: subprocess.Popen[str]) -> None:
    """Wait until all screens have their first answer."""
    assert watching.stdout is not None
    if watching.stdout.readline() != "subscribed\n":
        result(watching)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as where:
        print(json.dumps(_twins(Path(where), int(sys.argv[1]))))
