"""What a value costs: bytes on disk, processor time and memory, beside VictoriaMetrics, PostgreSQL and mosquitto."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import psutil
import psycopg
import pyarrow as pa
from numpy.typing import NDArray

import gemel
from benchmarks.messages import drained
from benchmarks.mqtt_endpoint import listen
from benchmarks.outside import Mosquitto, VictoriaMetrics
from benchmarks.record import Record
from benchmarks.served import PLANT, TWINS, load, served
from gemel.clock import SECOND, SteppedClock, WallClock
from gemel.server import Server
from gemel.testing.postgres import PostgresServer

SECONDS = 200
"""Of each series in a part: 200,000 values of 1,000 series at about 1 Hz."""
CONNECTIONS = 50


@dataclass(frozen=True)
class Part:
    """Values as machines tell them: slow, rounded, a third of them setpoints, clocks a few milliseconds off.

    time    int64[series, seconds], milliseconds
    value   float64[series, seconds]
    """

    time: NDArray[np.int64]
    value: NDArray[np.float64]

    @classmethod
    def of(cls, number: int, start_ms: int) -> Self:
        rng, series = np.random.default_rng(number), np.arange(TWINS)[:, None]
        second = number * SECONDS + np.arange(SECONDS)[None, :]
        jitter = rng.integers(0, 8, (TWINS, SECONDS))
        slow = 50 + series % 40 + (2 + series % 5) * np.sin(second / (300 + series) + series)
        value = np.where(series % 3 == 0, np.round(slow), np.round(slow + rng.normal(0, 0.05, slow.shape), 2))
        return cls(start_ms + second * 1000 + jitter, value)

    def arrow(self) -> bytes:
        """An Arrow stream, second by second."""
        rows = self.time.size
        twins = pa.array([f"press-{n}" for n in range(TWINS)])
        columns = {
            "twin": pa.DictionaryArray.from_arrays(pa.array(np.arange(rows, dtype=np.int32) % TWINS), twins),
            "property": pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), pa.array(["pressure"])),
            "time": pa.array(self.time.T.ravel() * 1000).cast(pa.timestamp("us", tz="UTC")),
            "value": pa.array(self.value.T.ravel()),
        }
        batch, sink = pa.record_batch(columns), pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        return sink.getvalue().to_pybytes()

    def lines(self) -> bytes:
        """A line of JSON per series: the least that VictoriaMetrics must parse."""
        told = (
            {"metric": {"__name__": "pressure", "twin": f"press-{n}"}, "values": value, "timestamps": time_}
            for n, (time_, value) in enumerate(zip(self.time.tolist(), self.value.tolist(), strict=True))
        )
        return "\n".join(json.dumps(one) for one in told).encode()

    def copied(self) -> bytes:
        """Rows of COPY's text format, second by second."""
        columns = (
            np.tile(np.arange(TWINS), SECONDS).tolist(),
            self.time.T.ravel().tolist(),
            self.value.T.ravel().tolist(),
        )
        return "".join(f"{n}\t{at}\t{value}\n" for n, at, value in zip(*columns, strict=True)).encode()


class System(Protocol):
    """One that takes values in."""

    def put(self, part: Part) -> None: ...
    def settle(self) -> None:
        """Return when all is where it stays."""

    def processes(self) -> list[psutil.Process]: ...
    def sizes(self) -> dict[str, int]:
        """Bytes on disk, by what is counted; the system may be closed by it."""


def run(record: Record) -> None:
    parts = 3 if record.small else 50
    costs = {}
    for name, opened in (("", _Gemel), ("VictoriaMetrics", _Victoria), ("PostgreSQL", _Postgres)):
        try:
            with opened() as system:
                costs[name] = _cost(system, parts)
        except OSError as error:
            print(f"   {name} is left out: {error}")
    for what, unit in (
        ("bytes on disk per value, history and a week of journal", "bytes"),
        ("bytes on disk per value, once the journal's week is over", "bytes"),
        ("processor time per 1,000 values, columns", "ms"),
        ("memory while columns come in, at most", "MB"),
    ):
        peers = {name: cost[what] for name, cost in costs.items() if name}
        best = min(peers.values(), default=None)
        record(what, costs[""][what], unit, reference=best, higher_is_better=False)
        for name, cost in peers.items():
            record(f"{what}: {name}", cost, unit, higher_is_better=False)
    _messages(record, 10_000 if record.small else 200_000)


def _cost(system: System, parts: int) -> dict[str, float]:
    start, values = int(time.time() * 1000) - 6 * 3_600_000, parts * TWINS * SECONDS
    with _watched(system) as memory:
        before = _cpu_s(system)
        for number in range(parts):
            system.put(Part.of(number, start))
        system.settle()
        cpu = _cpu_s(system) - before
    sizes = {what: size / values for what, size in system.sizes().items()}
    return sizes | {
        "processor time per 1,000 values, columns": cpu * 1e6 / values,
        "memory while columns come in, at most": max(memory) / 1e6,
    }


def _cpu_s(system: System) -> float:
    """Of its processes and of those that the first of them has seen end."""
    first, *others = system.processes()
    times = first.cpu_times()
    ended = times.children_user + times.children_system if others else 0.0
    return times.user + times.system + ended + sum(sum(one.cpu_times()[:2]) for one in others)


@contextmanager
def _watched(system: System) -> Iterator[list[int]]:
    """Bytes of memory, five times a second; what processes share is counted once."""
    seen, ended = [0], threading.Event()

    def look() -> None:
        while not ended.wait(0.2):
            seen.append(sum(one.memory_full_info().pss for one in system.processes()))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


class _Gemel:
    """`python -m benchmarks.costs`: a served platform in a process of its own."""

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix=".bench-", dir=Path.cwd()))
        command = [sys.executable, "-m", "benchmarks.costs", str(self._folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._access = self._told()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        shutil.rmtree(self._folder)

    def _told(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def _tell(self, word: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        print(word, file=self._process.stdin, flush=True)
        return self._told()

    def put(self, part: Part) -> None:
        headers = {
            "Authorization": f"Bearer {self._access['token']}",
            "Content-Type": "application/vnd.apache.arrow.stream",
        }
        request = urllib.request.Request(f"{self._access['url']}/api/v1/ingest", part.arrow(), headers)
        urllib.request.urlopen(request, timeout=120).close()

    def settle(self) -> None:
        self._tell("settle")

    def processes(self) -> list[psutil.Process]:
        return [psutil.Process(self._process.pid)]

    def sizes(self) -> dict[str, int]:
        return self._tell("sizes")


def _serve(folder: Path) -> None:
    """Serve, and do as told on the standard input, answering each word with a line of JSON."""
    with gemel.open(folder) as platform:
        platform.apply(PLANT)
        with Server(platform, port=0) as server:
            print(json.dumps({"url": server.url, "token": platform.gate.tokens.local()}), flush=True)
            assert input() == "settle"
            platform.history.flush(600)
            platform.history.upkeep(600)
            print("{}", flush=True)
            assert input() == "sizes"
    sizes = {"bytes on disk per value, history and a week of journal": _room(folder)}
    # the same plant after a week: the journal lets go what the history and the keyframe of the state have
    later = SteppedClock(WallClock().now() + 8 * 86_400 * SECOND)
    with gemel.open(folder, clock=later) as platform:
        while platform.storage.expire(platform.position):
            pass
    sizes["bytes on disk per value, once the journal's week is over"] = _room(folder)
    print(json.dumps(sizes), flush=True)


def _room(folder: Path) -> int:
    """Bytes of all files, without the pages of SQLite that are free for what comes next."""
    with closing(sqlite3.connect(folder / "gemel.sqlite")) as database:
        free, size = (database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_size"))
    return _bytes(folder) - free * size


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


class _Victoria:
    def __enter__(self) -> Self:
        if VictoriaMetrics.program() is None:
            raise OSError("victoria-metrics is not installed")
        self._system = VictoriaMetrics()
        return self

    def __exit__(self, *_: object) -> None:
        self._system.close()

    def put(self, part: Part) -> None:
        self._system.send("/api/v1/import", part.lines())

    def settle(self) -> None:
        self._system.settle()

    def processes(self) -> list[psutil.Process]:
        return [self._system.process]

    def sizes(self) -> dict[str, int]:
        self._system.stop()
        size = _bytes(self._system.folder / "data")
        return {
            "bytes on disk per value, history and a week of journal": size,
            "bytes on disk per value, once the journal's week is over": size,
        }


class _Postgres:
    """A table with an index over series and time; each part is copied in and committed, with fsync."""

    def __enter__(self) -> Self:
        self._server = PostgresServer()
        url = self._server.create().replace("postgresql+psycopg", "postgresql")
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute("CREATE TABLE reading (series integer, time bigint, value double precision)")
        self._connection.execute("CREATE INDEX reading_at ON reading (series, time)")
        backend = psutil.Process(self._connection.info.backend_pid)
        self._root = backend.parent()
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._server.close()

    def put(self, part: Part) -> None:
        with self._connection.cursor() as cursor, cursor.copy("COPY reading FROM STDIN") as copy:
            copy.write(part.copied())

    def settle(self) -> None:
        self._connection.execute("VACUUM ANALYZE reading")
        self._connection.execute("CHECKPOINT")

    def processes(self) -> list[psutil.Process]:
        assert self._root is not None
        return [self._root, *self._root.children(recursive=True)]

    def sizes(self) -> dict[str, int]:
        def asked(what: str) -> int:
            row = self._connection.execute(f"SELECT {what}").fetchone()
            assert row is not None
            return int(row[0])

        table = asked("pg_total_relation_size('reading')")
        log = asked("(SELECT sum(size) FROM pg_ls_waldir())")
        return {
            "bytes on disk per value, history and a week of journal": table + log,
            "bytes on disk per value, once the journal's week is over": table,
        }


def _messages(record: Record, count: int) -> None:
    """Messages of three values with QoS 1: ours are durable, mosquitto hands them to a reader."""
    reference = None
    if Mosquitto.program() is not None:
        with Mosquitto() as broker:
            reference = _each(broker.process, lambda: drained(broker.url, count), count)
    with served() as s:
        url = listen(s)
        send = {"url": url, "twins": TWINS, "qos": 1, "clients": CONNECTIONS}
        load("mqtt", messages=5_000, **send)
        ours = _each(psutil.Process(), lambda: load("mqtt", messages=count, **send), count)
    name = "processor time per 1,000 MQTT QoS 1 messages"
    record(name, ours, "ms", reference=reference, higher_is_better=False)
    if reference is not None:
        record(f"{name}: mosquitto", reference, "ms", higher_is_better=False)


def _each(process: psutil.Process, work: Callable[[], object], count: int) -> float:
    """Milliseconds of the process's time per thousand."""
    before = sum(process.cpu_times()[:2])
    work()
    return (sum(process.cpu_times()[:2]) - before) * 1e6 / count


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
