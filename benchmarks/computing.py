"""Computed properties: 1,000 twins that change once a second, what that costs, and how many values a second at most."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa

import gemel
from benchmarks.record import Record
from gemel.platform import Platform

INPUTS = ("power", "flow", "pressure", "temperature")
COMPUTED = {
    "effort": "power / greatest(flow, 0.1)",
    "hydraulic": "pressure * flow / 36",
    "efficiency": "round(100 * hydraulic / greatest(power, 0.1), 2)",
    "hot": "temperature > 80 AND power > 1",
    "state": "CASE WHEN hot THEN 'HOT' WHEN power > 5 THEN 'LOADED' ELSE 'IDLE' END",
}


def run(record: Record) -> None:
    twins, seconds = (100, 3) if record.small else (1_000, 20)
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as folder, gemel.open(folder) as plant:
        ids = _plant(plant, twins)
        frame = _Frames(ids)
        _told(plant, frame)  # warm
        _once_a_second(record, plant, frame, seconds)
        _as_fast_as_it_goes(record, plant, frame, seconds)


def _plant(plant: Platform, twins: int) -> list[str]:
    kinds = {"hot": "boolean", "state": "text"}
    properties = [{"name": name} for name in INPUTS]
    properties += [
        {"name": name, "kind": kinds.get(name, "number"), "computed": {"expression": text}}
        for name, text in COMPUTED.items()
    ]
    total = {"name": "power", "computed": {"expression": "sum(parts.power)"}}
    types = [{"id": "pump", "properties": properties}, {"id": "station", "properties": [total]}]
    stations = [{"id": f"station-{n}", "types": ["station"]} for n in range(10)]
    pumps = [{"id": f"pump-{n}", "types": ["pump"], "part_of": f"station-{n % 10}"} for n in range(twins)]
    plant.apply({"gemel": 1, "types": types, "twins": [*stations, *pumps]})
    return [one["id"] for one in pumps]


class _Frames:
    """One new value of each input of each twin, at each call."""

    def __init__(self, ids: list[str]) -> None:
        self.rows = len(ids) * len(INPUTS)
        self.twin = pa.DictionaryArray.from_arrays(np.arange(self.rows, dtype=np.int32) // len(INPUTS), pa.array(ids))
        self.name = pa.DictionaryArray.from_arrays(np.arange(self.rows, dtype=np.int32) % len(INPUTS), pa.array(INPUTS))
        self.computed = len(ids) * len(COMPUTED) + 10
        self._rng = np.random.default_rng(1)

    def next(self) -> pa.RecordBatch:
        values = pa.array(self._rng.uniform(0, 100, self.rows))
        return pa.record_batch({"twin": self.twin, "property": self.name, "value": values})


def _told(plant: Platform, frame: _Frames) -> float:
    """Hand in one frame; seconds from its being acknowledged until everything that follows from it is on disk, too."""
    position = plant.intake.submit_frame("bench", frame.next()).result().last
    acknowledged = time.monotonic()
    if not plant.computation.wait(position, 60):
        raise RuntimeError("nothing was computed within a minute")
    return time.monotonic() - acknowledged


def _once_a_second(record: Record, plant: Platform, frame: _Frames, seconds: int) -> None:
    pause, waits = threading.Event(), []
    before = _busy_s()
    began = time.monotonic()
    for second in range(1, seconds + 1):
        waits.append(_told(plant, frame))
        pause.wait(max(0.0, began + second - time.monotonic()))
    share = (_busy_s() - before) / (time.monotonic() - began)
    name = "1,000 twins × 5 computed properties at 1 Hz"
    record(f"computed: {name}, reading to value, p50", np.percentile(waits, 50) * 1e3, "ms", higher_is_better=False)
    worst = np.percentile(waits, 99) * 1e3
    record(f"computed: {name}, reading to value, p99", worst, "ms", budget=250, higher_is_better=False)
    record(f"computed: {name}, of one core", share * 100, "%", budget=10, higher_is_better=False)


def _as_fast_as_it_goes(record: Record, plant: Platform, frame: _Frames, seconds: int) -> None:
    """Without a pause between frames; each is computed before the next one comes."""
    before, began = plant.computation.standing().computed, time.monotonic()
    while time.monotonic() - began < seconds / 2:
        _told(plant, frame)
    rate = (plant.computation.standing().computed - before) / (time.monotonic() - began)
    record("computed: values, each frame of 1,000 twins computed before the next", rate, "values/s", budget=20_000)


def _busy_s() -> float:
    """Processor seconds of the threads that compute."""
    names = {thread.native_id for thread in threading.enumerate() if thread.name.startswith("gemel-computed")}
    return sum(one.user_time + one.system_time for one in psutil.Process().threads() if one.id in names)
