"""A restart after kill -9: 100,000 twins, and an hour of journal since the state was last written down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa

import gemel
from benchmarks.record import Record

VALUES_A_MINUTE = 2
"""Of each twin: 12 million values in the hour for 100,000 twins."""


def run(record: Record) -> None:
    twins, minutes = (2_000, 5) if record.small else (100_000, 60)
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as folder:
        _child("write", folder, twins, minutes)
        worst = _child("open", folder, twins, minutes)
        kept = _child("open", folder, twins, minutes)
    name = "restart with 100,000 twins and 1 h of journal, killed, no keyframe since"
    record(name, worst["seconds"], "s", budget=10, higher_is_better=False)
    record("restart with 100,000 twins, closed in order", kept["seconds"], "s", higher_is_better=False)


def _child(verb: str, folder: str, twins: int, minutes: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.restart", verb, folder, str(twins), str(minutes)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True)
    if done.returncode not in (0, -9):
        raise RuntimeError(f"{verb} ended with {done.returncode}")
    return json.loads(done.stdout) if done.stdout else {}


def _write(folder: str, twins: int, minutes: int) -> None:
    """An hour of values, then the end without notice."""
    platform = gemel.open(folder)
    types = [{"id": "press", "properties": [{"name": "pressure", "unit": "bar"}, {"name": "speed"}]}]
    specs = [{"id": f"press-{n}", "types": ["press"]} for n in range(twins)]
    platform.apply({"gemel": 1, "types": types, "twins": specs})
    ids, names = pa.array([spec["id"] for spec in specs]), pa.array(["pressure", "speed"])
    start, rng = platform.clock.now() - 3_600_000_000, np.random.default_rng(1)
    rows = twins * VALUES_A_MINUTE
    twin = pa.DictionaryArray.from_arrays(pa.array((np.arange(rows) // VALUES_A_MINUTE).astype(np.int32)), ids)
    name = pa.DictionaryArray.from_arrays(pa.array((np.arange(rows) % 2).astype(np.int32)), names)
    for minute in range(minutes):
        time_ = pa.array(start + minute * 60_000_000 + np.arange(rows, dtype=np.int64) * 60_000_000 // rows)
        columns = {"twin": twin, "property": name, "time": time_, "value": pa.array(rng.normal(5, 1, rows).round(3))}
        platform.intake.submit_frame("bench", pa.record_batch(columns)).result()
    os.kill(os.getpid(), signal.SIGKILL)


def _open(folder: str, twins: int, minutes: int) -> None:
    """From the start of the program until the now and the past answer."""
    with gemel.open(folder) as platform:
        last = f"press-{twins - 1}"
        now = platform.now(last)["pressure"]
        then = platform.at(last, platform.clock.now())["pressure"]
        took = time.time() - psutil.Process().create_time()
        assert now.value == then.value, (now, then)
        assert platform.position >= twins * VALUES_A_MINUTE * minutes
    print(json.dumps({"seconds": took}))


if __name__ == "__main__":
    verb, folder, twins, minutes = sys.argv[1:]
    {"write": _write, "open": _open}[verb](folder, int(twins), int(minutes))
