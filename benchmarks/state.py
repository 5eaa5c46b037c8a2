"""The live state: how fast it folds, how much memory it takes, how fast it answers.

`run(record)` is called by benchmarks/run.py; on its own this file prints the figures.
"""

from __future__ import annotations

import gc
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil
import pyarrow as pa

from gemel.clock import SECOND, WallClock
from gemel.database import Database
from gemel.registry import Registry
from gemel.state import Keyframe, Selection, State
from gemel.twin import Block, Change, Form, Frame, PropertyType, TwinSpec, TwinType, series_of

TYPE = TwinType(id="press", properties=tuple(PropertyType(name=f"p{i}") for i in range(10)))
ROUNDS = 7


def run(record: Callable[..., None]) -> None:
    small = getattr(record, "small", False)
    with tempfile.TemporaryDirectory() as folder:
        registry = plant(Path(folder), 100_000)
        _fold(record, registry)
        _small(record, registry)
        _readers(record, registry)
        _restart(record, registry, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        _million(record, plant(Path(folder), 100_000 if small else 1_000_000))


def _fold(record: Callable[..., None], registry: Registry) -> None:
    """Frames of 250,000 readings of 10,000 series, and of as many series as readings."""
    for name, series in (("10,000 series", 10_000), ("250,000 series", 250_000)):
        record(
            f"state: fold, frames of 250,000 readings of {name}",
            250_000 / _folding(registry, series),
            "readings/s",
            budget=5_000_000,
            reference=250_000 / _bare(),
            higher_is_better=True,
        )


def _folding(registry: Registry, series: int) -> float:
    state = State(registry.directory, WallClock())
    made = blocks(registry, series, 250_000, ROUNDS + 1)
    state.fold(next(made))
    seconds = _median(lambda: state.fold(next(made)), ROUNDS)
    state.close()
    return seconds


def _bare() -> float:
    """A sort and a scatter: the least that any fold does."""
    random = np.random.default_rng(0)
    values, rows, target = random.random(250_000), random.integers(0, 10_000, 250_000), np.zeros(10_000)

    def scatter() -> None:
        order = np.argsort(rows, kind="stable")
        target[rows[order]] = values[order]

    return _median(scatter, ROUNDS)


def _small(record: Callable[..., None], registry: Registry) -> None:
    """A block of three readings, as one small message makes it."""
    state = State(registry.directory, WallClock())
    made = blocks(registry, 30, 3, 2_001)
    state.fold(next(made))
    begun = time.perf_counter()
    for block in made:
        state.fold(block)
    record(
        "state: fold a block of 3 readings", (time.perf_counter() - begun) / 2_000 * 1e6, "µs", higher_is_better=False
    )
    state.close()


def _readers(record: Callable[..., None], registry: Registry) -> None:
    """What 2,000 readers of one twin each add to a fold."""
    state = State(registry.directory, WallClock())
    ids = registry.directory.ids(registry.directory.numbers("press")[:2_000].tolist())
    made = blocks(registry, 10_000, 250_000, ROUNDS + 2)
    state.fold(next(made))
    readers = [state.subscribe(Selection(twins=(id,)), rate_hz=10) for id in ids]
    state.fold(next(made))
    seconds = _median(lambda: state.fold(next(made)), ROUNDS)
    record("state: fold with 2,000 readers", 250_000 / seconds, "readings/s", higher_is_better=True)
    for reader in readers:
        reader.close()
    state.close()


def _restart(record: Callable[..., None], registry: Registry, folder: Path) -> None:
    """100,000 twins of 10 numbers, from the keyframe's files to a state that answers."""
    state = State(registry.directory, WallClock())
    for block in blocks(registry, 1_000_000, 250_000, 4):
        state.fold(block)
    begun = time.perf_counter()
    state.snapshot().save(folder / "keyframes")
    record("state: write a keyframe of 100,000 twins × 10", time.perf_counter() - begun, "s", higher_is_better=False)
    state.close()
    begun = time.perf_counter()
    again = State(registry.directory, WallClock())
    keyframe = Keyframe.load(folder / "keyframes")
    assert keyframe is not None
    again.restore(keyframe)
    seconds = time.perf_counter() - begun
    record("state: restart from it", seconds, "s", budget=10, higher_is_better=False)
    again.close()


def _million(record: Callable[..., None], registry: Registry) -> None:
    process = psutil.Process(os.getpid())
    gc.collect()
    before = process.memory_info().rss
    state = State(registry.directory, WallClock())
    cells = 10 * len(registry.directory)
    for block in blocks(registry, cells, cells // 10, 10):
        state.fold(block)
    del block
    gc.collect()
    pa.default_memory_pool().release_unused()
    size = (process.memory_info().rss - before) / 1e9
    record("state: memory of 1,000,000 twins × 10 numbers", size, "GB", budget=2.0, higher_is_better=False)
    values = np.random.default_rng(0).random(1_000_000)
    bare = _median(lambda: int((values > 0.5).sum()), ROUNDS)
    for name, query in (
        ("count over one property", "SELECT count(*) FROM live.press WHERE p3 > 0.5"),
        ("ids where one property is high", "SELECT twin, p3 FROM live.press WHERE p3 > 0.999"),
    ):
        state.sql(query)
        seconds = _median(lambda query=query: state.sql(query), ROUNDS)
        record(
            f"state: SQL over 1,000,000 twins, {name}",
            seconds * 1e3,
            "ms",
            budget=50,
            reference=bare * 1e3,
            higher_is_better=False,
        )
    entry = registry.directory.entry(50_000)
    assert entry is not None
    begun = time.perf_counter()
    for _ in range(2_000):
        state.twin(entry)
    record(
        "state: read a twin of 10 properties", (time.perf_counter() - begun) / 2_000 * 1e6, "µs", higher_is_better=False
    )
    state.close()


def plant(folder: Path, twins: int) -> Registry:
    database = Database(f"sqlite:///{folder / 'gemel.sqlite'}")
    database.migrate()
    registry = Registry(database, WallClock())
    changes = []
    with database.write() as tx:
        changes += registry.put_type(tx, TYPE)
        changes += registry.put_twin(tx, TwinSpec(id="press-1", types=("press",)))
    registry.committed(changes)
    # More of the same, in memory: what is measured is the state.
    first = changes[-1]
    more = [_like(first, i) for i in range(2, twins + 1)]
    registry.committed(more)
    database.close()
    return registry


def _like(first: Change, i: int) -> Change:
    id, number = f"press-{i}", first.body["number"] + i - 1
    twin = {**first.body["twin"], "id": id, "number": number}
    return msgspec.structs.replace(first, subject=id, body={**first.body, "number": number, "twin": twin})


def blocks(registry: Registry, series: int, readings: int, count: int) -> Iterator[Block]:
    """Blocks of random numbers, each series in turn."""
    numbers = registry.directory.numbers("press")
    refs = registry.directory.type_properties("press")
    random = np.random.default_rng(1)
    now = WallClock().now()
    for i in range(count):
        at = (np.arange(readings, dtype=np.int64) + i * readings) % series
        ids = np.asarray(series_of(numbers[at // 10], 0)) | np.array([ref.number for ref in refs])[at % 10]
        frame = Frame(
            Form.NUMBER,
            ids,
            now + i * SECOND + np.arange(readings) // series,
            pa.array(random.random(readings)),
            np.zeros(readings, np.uint8),
            np.arange(readings, dtype=np.uint32),
        )
        yield Block(i + 1, i * readings + 1, now + i * SECOND, {Form.NUMBER: frame})


def _median(work: Callable[[], Any], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


if __name__ == "__main__":

    def _print(name: str, value: float, unit: str, **_: Any) -> None:
        print(f"{name:70} {value:14,.2f} {unit}")

    run(_print)
