"""History of other systems: an export is read, checked and taken in, until the last value is in Parquet."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import gemel
from benchmarks.outside import VictoriaMetrics
from benchmarks.record import Record
from gemel.connectors.archives import Names, gather, mapping, plant_of, read_influx, read_thingsboard
from gemel.connectors.drafts import document_of

SERIES = 50
START = 1_700_000_000
LINES_AT_ONCE = 50_000


def run(record: Record) -> None:
    lines = 10_000 if record.small else 500_000
    reference = _victoria(lines) if VictoriaMetrics.program() is not None else None
    names = {"twin": "{machine}", "property": "{field}"}
    rate = _imported(_influx(lines), lambda text: read_influx(text, Names(), **names))
    record("import of InfluxDB line protocol, 3 values a line", rate, "values/s", reference=reference)
    rate = _imported(_thingsboard(lines), lambda text: read_thingsboard(text, Names(), time_zone="Europe/Berlin"))
    record("import of ThingsBoard CSV, 3 values a row", rate, "values/s")


def _imported(lines: Iterator[str], read: Callable[[Iterable[str]], Any]) -> float:
    """Values/s of `gemel import`, without the start of the program."""
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as folder:
        source, gathered = Path(folder) / "export", Path(folder) / "gathered.parquet"
        with source.open("w") as file:
            file.writelines(lines)
        with gemel.open(Path(folder) / "plant", run_connectors=False) as plant:
            began = time.monotonic()
            with source.open(newline="\n") as file:
                found = gather(read(file), gathered)
            assert found.faults == 0
            plant.apply(document_of(plant_of(found)))
            loaded = plant.load(gathered, mapping())
            assert (loaded.rows, loaded.rejected) == (found.rows, 0)
            return found.rows / (time.monotonic() - began)


def _influx(lines: int) -> Iterator[str]:
    for n in range(lines):
        values = f"load={n % 977 / 7:.3f},temperature={20 + n % 13}.5,count={n}i"
        yield f"spindle,hall=h1,machine=m{n % SERIES} {values} {START + n // SERIES}000000000\n"


def _thingsboard(lines: int) -> Iterator[str]:
    yield "Timestamp,Device name,load,temperature,mode\n"
    for n in range(lines):
        second, mode = n // SERIES, "AUTOMATIC" if n % 5 else "MANUAL"
        at = f"2024-07-{1 + second // 86_400:02}T{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}"
        yield f"{at},m{n % SERIES},{n % 977 / 7:.3f},{20 + n % 13}.5,{mode}\n"


def _victoria(lines: int) -> float:
    """Values/s of the same lines, in requests of 50,000, without fsync."""
    text = list(_influx(lines))
    parts = ["".join(text[at : at + LINES_AT_ONCE]).encode() for at in range(0, lines, LINES_AT_ONCE)]
    with VictoriaMetrics() as system:
        began = time.monotonic()
        for part in parts:
            system.send("/write", part)
        return 3 * lines / (time.monotonic() - began)
