"""Intake and journal alone: without transport, state and history, so that a slow step is seen where it is."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from benchmarks.record import Record
from gemel.clock import WallClock
from gemel.database import Database
from gemel.intake import Intake, Message, Receipt
from gemel.journal import SqlJournal
from gemel.registry import Registry
from gemel.twin import Kind, PropertyType, TwinSpec, TwinType

TYPE = TwinType(
    id="press",
    properties=(
        PropertyType(name="temperature", unit="Cel", minimum=-40, maximum=200),
        PropertyType(name="force"),
        PropertyType(name="count", kind=Kind.INTEGER),
    ),
)
TWINS = 5_000
ROWS = 200_000


def run(record: Record) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'gemel.sqlite'}")
        database.migrate()
        registry, journal = Registry(database, WallClock()), SqlJournal(database)
        intake = Intake(journal, registry, WallClock())
        intake.transact(lambda tx: (None, registry.put_type(tx, TYPE))).result()
        specs = [TwinSpec(id=f"press-{i}", types=("press",)) for i in range(TWINS)]
        intake.transact(lambda tx: (None, [c for spec in specs for c in registry.put_twin(tx, spec)])).result()
        _messages(record, intake)
        _frames(record, intake)
        _verify(record, journal)
        intake.close()
        journal.close()
        database.close()


def _messages(record: Record, intake: Intake) -> None:
    """JSON messages of 3 values, decoded and handed in fifty at a time, as a connector does."""
    count, rng = 2_000 if record.small else 200_000, np.random.default_rng(1)
    decoder = msgspec.json.Decoder(Message)
    names = ("temperature", "force", "count")
    told = [
        msgspec.json.encode(
            {
                "readings": [
                    {"twin": f"press-{t}", "property": name, "value": int(t % 90)}
                    for t, name in zip(three, names, strict=True)
                ]
            }
        )
        for three in rng.integers(0, TWINS, (min(count, 20_000), 3)).tolist()
    ]
    batches = [told[at : at + 50] for at in range(0, len(told), 50)] * (count // len(told))
    start = time.perf_counter()
    for batch in batches:
        for message in batch:
            decoder.decode(message)
    alone = count / (time.perf_counter() - start)
    rate = count / _timed(batches, 200, lambda batch: intake.submit("json", [decoder.decode(one) for one in batch]))
    record("intake: JSON messages of 3 values, durable", rate, "messages/s", budget=40_000, reference=alone)


def _frames(record: Record, intake: Intake) -> None:
    """Frames of 200,000 values of 10,000 series."""
    rng, now = np.random.default_rng(2), WallClock().now()
    twins, names = pa.array([f"press-{i}" for i in range(TWINS)]), pa.array(["temperature", "force"])
    frames = [
        pa.record_batch(
            {
                "twin": pa.DictionaryArray.from_arrays(pa.array(rng.integers(0, TWINS, ROWS, np.int32)), twins),
                "property": pa.DictionaryArray.from_arrays(pa.array(rng.integers(0, 2, ROWS, np.int32)), names),
                "time": pa.array(now - ROWS + np.arange(ROWS)),
                "value": rng.normal(60, 10, ROWS).clip(-40, 200).round(2),
            }
        )
        for _ in range(4)
    ]
    rounds = frames if record.small else frames * 15
    took = _timed(rounds, 4, lambda frame: intake.submit_frame("frames", frame))
    record(
        "intake: frames of 200,000 values of 10,000 series, durable",
        len(rounds) * ROWS / took,
        "values/s",
        budget=2_000_000,
    )


def _verify(record: Record, journal: SqlJournal) -> None:
    start = time.perf_counter()
    found = journal.verify()
    record("journal: verify", found.position / (time.perf_counter() - start), "values/s")


def _timed(parts: list, in_flight: int, hand_in: Callable[..., Future[Receipt]]) -> float:
    """Seconds until all parts are durable, with so many of them in flight."""
    start, waiting = time.perf_counter(), []
    for part in parts:
        waiting.append(hand_in(part))
        if len(waiting) > in_flight:
            waiting.pop(0).result()
    for future in waiting:
        future.result()
    return time.perf_counter() - start
