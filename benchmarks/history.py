"""History: how fast frames reach Parquet, and how fast the past answers."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.elsewhere import median, others
from benchmarks.record import Record
from gemel.clock import SECOND, WallClock
from gemel.database import Database
from gemel.history import History, Pace, Settings
from gemel.journal import SqlJournal
from gemel.registry import Registry
from gemel.twin import Block, Form, Frame, PropertyType, TwinSpec, TwinType, series_of

DAY = 86_400 * SECOND
T0 = 1_704_067_200 * SECOND  # 2024-01-01


class Plant:
    """A registry with twins of ten numbers each, a journal, and a history that follows it."""

    def __init__(self, folder: Path, twins: int, *, pace: Pace) -> None:
        clock = WallClock()
        self.database = Database(f"sqlite:///{folder / 'gemel.sqlite'}")
        self.database.migrate()
        registry = Registry(self.database, clock)
        properties = tuple(PropertyType(name=f"p{n}") for n in range(10))
        with self.database.write() as tx:
            changes = registry.put_type(tx, TwinType(id="machine", properties=properties))
            for n in range(twins):
                changes += registry.put_twin(tx, TwinSpec(id=f"m{n}", types=("machine",)))
        registry.committed(changes)
        self.directory = registry.directory
        self.journal = SqlJournal(self.database)
        self.history = History(folder / "history", self.journal, self.directory, clock, settings=Settings(pace=pace))
        entry = self.directory.twin("m0")
        assert entry is not None
        self.properties = sorted(ref.number for ref in entry.properties.values())
        numbers = self.directory.numbers("machine")
        self.series = np.array([series_of(int(t), p) for t in numbers for p in self.properties], np.int64)

    def append(self, series: np.ndarray, times: np.ndarray, values: np.ndarray) -> None:
        head = self.journal.head()
        n = len(series)
        frame = Frame(
            Form.NUMBER, series, times, pa.array(values), np.zeros(n, np.uint8), np.arange(n, dtype=np.uint32)
        )
        block = Block(head.sequence + 1, head.position + 1, WallClock().now(), {Form.NUMBER: frame})
        self.journal.append(block, expected_sequence=head.sequence)

    def close(self) -> None:
        self.history.close()
        self.journal.close()
        self.database.close()


def run(record: Record) -> None:
    for part in (_ingest, _questions):
        folder = Path(tempfile.mkdtemp(prefix="gemel-bench-"))
        try:
            part(record, folder)
        finally:
            shutil.rmtree(folder)


def _ingest(record: Record, folder: Path) -> None:
    """Frames of 100,000 values of 10,000 series, appended as fast as it goes, until all is in Parquet."""
    blocks, size = (10, 100_000) if record.small else (120, 100_000)
    plant = Plant(folder, 1000, pace=Pace())
    rng = np.random.default_rng(1)
    series = np.tile(plant.series, size // len(plant.series))
    values = [np.round(rng.normal(20, 3, size), 2) for _ in range(8)]
    begun = time.perf_counter()
    for n in range(blocks):
        times = T0 + (np.arange(size) // len(plant.series) + n * (size // len(plant.series))) * SECOND
        plant.append(series, times, values[n % 8])
    journaled = time.perf_counter()
    plant.history.flush(600)
    done = time.perf_counter()
    assert sum(file.rows for file in plant.history.files()) == blocks * size
    plant.close()
    rate = blocks * size / (done - begun)
    record("history: frames from the journal to Parquet, without transport", rate, "values/s")
    print(f"   journal alone {blocks * size / (journaled - begun):,.0f}/s")


def _questions(record: Record, folder: Path) -> None:
    """A year of 1 Hz of one property, and 1,000 twins × 10 properties once a minute for its last day."""
    days, fleet_days = (20, 1) if record.small else (365, 1)
    plant = Plant(folder, 1000, pace=Pace(commit_rows=4_000_000, commit_bytes=200_000_000, tail_bytes=600_000_000))
    rng = np.random.default_rng(2)
    one = plant.series[:1]
    for day in range(days):
        times = T0 + day * DAY + np.arange(86_400) * SECOND
        plant.append(np.repeat(one, 86_400), times, np.round(rng.normal(50, 5, 86_400), 1))
    for day in range(days - fleet_days, days):
        for hour in range(24):
            at = T0 + day * DAY + hour * DAY // 24 + np.repeat(np.arange(60) * 60 * SECOND, len(plant.series))
            plant.append(np.tile(plant.series, 60), at, np.round(rng.normal(20, 3, len(at)), 1))
    plant.history.flush(1800)
    begun = time.perf_counter()
    plant.history.upkeep(1800)
    print(f"   upkeep {time.perf_counter() - begun:.1f} s, {len(plant.history.files())} files")
    end = T0 + days * DAY
    twins = [f"m{n}" for n in range(1000)]
    history = plant.history

    def hour() -> None:
        found = history.range("m0", "p0", end - 3600 * SECOND, end, method="raw")
        assert len(found.columns["time"]) >= 3600

    def year() -> None:
        assert 1000 <= len(history.range("m0", "p0", T0, end, points=2000).columns["time"]) <= 2001 or record.small

    def past() -> None:
        assert len(history.twins(twins, end - DAY // 3 + 7 * SECOND)) == 1000

    ours = {"hour": median(hour), "year": median(year)}
    record("state of 1,000 twins at a past instant", median(past), "ms", budget=200, higher_is_better=False)
    plant.close()
    theirs = others(days)
    for key, name, budget in (
        ("hour", "last hour of one property", 15.0),
        ("year", "a year of 1 Hz to 2,000 points", 150.0),
    ):
        of = {system: asked[key] for system, asked in theirs.items()}
        best = min(of.values(), default=None)
        record(name, ours[key], "ms", budget=budget, reference=best, higher_is_better=False)
        for system, took in of.items():
            record(f"{name}: {system}", took, "ms", higher_is_better=False)
