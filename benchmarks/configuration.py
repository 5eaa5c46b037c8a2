"""What exactly is each of 50,000 machines: a million items, asked one by one and all together, as of two times."""

from __future__ import annotations

import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import quantiles
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.record import Record
from gemel.clock import SECOND, WallClock
from gemel.configuration import Basis, Configuration, ItemKind, ItemSpec
from gemel.configuration.acts.loading import Built
from gemel.configuration.parts.values import LifeLimit, PartsDocument, PartType, Revision
from gemel.configuration.questions.attached import Lines, Source
from gemel.configuration.questions.fleet import FleetPage, Having
from gemel.database import Database
from gemel.testing.postgres import PostgresServer

MACHINES, EACH, LINES = 50_000, 20, 2_000_000
UNITS, INSIDE = 3, 5
DAY = 86_400 * SECOND
T0 = 1_700_000_000 * SECOND
NOW = T0 + 700 * DAY
ACTS = 3_000
TREES = 2_000
TREE_MS, FLEET_S, HELD_MS = 20, 1, 50
LESS = {"higher_is_better": False}
FIRMWARE = tuple(f"{major}.{minor}" for major in range(4) for minor in range(12))
ONE = FleetPage(limit=1000)


def run(record: Record) -> None:
    machines, lines = (500, 20_000) if record.small else (MACHINES, LINES)
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as where:
        _own(record, f"sqlite:///{Path(where) / 'configuration.sqlite'}", "", machines)
        _elsewhere(record, Path(where), lines)
    with closing(PostgresServer()) as server:
        _own(record, server.create(), " on PostgreSQL", machines // 10)


class Took:
    """Since when something goes on."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def both(self) -> tuple[float, float]:
        """Seconds by the clock, and of all processors that this process used."""
        return time.perf_counter() - self._wall, time.process_time() - self._cpu


class Plant:
    """A configuration on a database of its own."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.database.migrate()
        self.configuration = Configuration(self.database, WallClock(), self._run)
        self.held: list[float] = []
        """How long each transaction was open, with its commit, in milliseconds."""

    def _run(self, work: Callable[..., Any], *, actor: str = "") -> None:  # noqa: ARG002
        begun = time.perf_counter()
        with self.database.write() as tx:
            work(tx)
        self.held.append((time.perf_counter() - begun) * 1000)

    def close(self) -> None:
        self.configuration.shared.close()
        self.database.close()


def _own(record: Record, url: str, on: str, machines: int) -> None:
    plant = Plant(url)
    conf, name = plant.configuration, f"configuration{on}, {machines * EACH:,} items: "
    conf.parts.apply(conf.parts.plan(_book()))
    plant.held.clear()
    took = Took()
    loaded = conf.load(_as_built(machines), basis=Basis(source="as-built"))
    wall, cpu = took.both()
    record(
        f"{name}loaded, each with its constraints",
        loaded.items / wall,
        "items/s",
        note=f"{wall:.0f} s, cpu {cpu:.0f} s",
    )
    record(
        f"{name}writer held by a transaction of it, p99", quantiles(plant.held, n=100)[98], "ms", budget=HELD_MS, **LESS
    )
    assert (loaded.items, loaded.refused) == (machines * EACH, ())
    known = _lived(record, name, conf, machines)
    rng = random.Random(7)
    walls, cpus = [], []
    for _ in range(TREES):
        machine, at = f"M-{rng.randrange(machines):06d}", rng.randrange(T0 + 101 * DAY, NOW)
        took = Took()
        node = conf.tree(machine, at, known=rng.choice(known))
        wall, cpu = took.both()
        walls.append(wall * 1000)
        cpus.append(cpu * 1000)
        assert len(node.parts) == UNITS
    for per, budget in ((50, None), (99, TREE_MS)):
        figure, of_cpu = (quantiles(them, n=100)[per - 1] for them in (walls, cpus))
        what = f"{name}a machine as of any two moments, p{per}"
        record(what, figure, "ms", budget=budget, note=f"cpu {of_cpu:.3g} ms", **LESS)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took = Took()
    conf.fleet(Having(part="MACHINE", revisions=("none",)), at=NOW)
    wall, cpu = took.both()
    record(f"{name}columns read into memory, once", wall, "s", note=f"cpu {cpu:.3g} s", **LESS)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held) / 1024
    if not on:
        record(f"{name}memory of the columns, at most", grown, "MB", **LESS)
    old = Having(part="PART-1-2", below="5")
    soft = Having(part="FIRMWARE", below="2.0")
    asked: dict[str, Callable[[], Any]] = {
        "part below a revision and software below a version, at a moment": lambda: conf.fleet(
            old, soft, at=NOW, known=rng.choice(known), page=ONE
        ),
        "the same during a year, by intervals met": lambda: conf.fleet(
            old, soft, during=(NOW - 365 * DAY, NOW), known=rng.choice(known), page=ONE
        ),
        "least life left": lambda: conf.remaining(kind="hours", at=NOW),
    }
    for what, ask in asked.items():
        wall, cpu = _worst(ask)
        record(f"{name}{what}", wall, "s", budget=FLEET_S, note=f"cpu {cpu:.3g} s", **LESS)
    plant.close()


def _lived(record: Record, name: str, conf: Configuration, machines: int) -> list[int]:
    """Parts swapped, revised, corrected, used; software reported. Returns moments of knowing."""
    rng, clock, known = random.Random(3), WallClock(), []
    took = Took()
    for number, which in enumerate(rng.sample(range(machines), min(ACTS, machines))):
        machine = f"M-{which:06d}"
        unit, at = f"{machine}.U1", T0 + (200 + rng.randrange(400)) * DAY
        new = f"{unit}.N{number}"
        conf.create(ItemSpec(id=new, part="PART-1-2", revision=str(rng.randrange(12)), serial=new), at)
        act = conf.swap(unit, "slot 2", new, at)
        if number % 3 == 0:
            conf.correct(act, at + DAY, basis=Basis(reason="benchmark"))
        conf.modify(f"{machine}.SW", "revision", rng.choice(FIRMWARE), at)
        conf.use(machine, "hours", T0 + 101 * DAY, NOW, rng.random() * 9000)
        known.append(clock.now())
    wall, cpu = (one / len(known) / 4.33 * 1000 for one in took.both())
    record(f"{name}one act, checked and durable", wall, "ms", note=f"cpu {cpu:.3g} ms", **LESS)
    return known


def _elsewhere(record: Record, folder: Path, lines: int) -> None:
    """The same questions to a Parquet file that is not copied."""
    (folder / "inbox").mkdir()
    machines = lines // EACH
    machine, place = np.repeat(np.arange(machines), EACH), np.tile(np.arange(EACH), machines)
    names = np.char.add("M-", machine.astype("U"))
    ids = np.where(place == 0, names, np.char.add(np.char.add(names, "/"), place.astype("U")))
    above = np.char.add(np.char.add(names, "/"), (1 + (place - 4) % UNITS).astype("U"))
    parents = np.where(place == 0, "", np.where(place <= UNITS, names, above))
    table = {
        "id": ids,
        "in": parents,
        "pn": np.char.add("PART-", place.astype("U")),
        "pos": np.char.add("p", place.astype("U")),
        "rev": ((machine * 7 + place) % 12).astype("U"),
        "since": pa.array(T0 + (machine % 1000) * (DAY // 10), pa.timestamp("us", "UTC")),
    }
    pq.write_table(pa.table(table), folder / "inbox" / "fleet.parquet", row_group_size=122_880)
    plant = Plant(f"sqlite:///{folder / 'elsewhere.sqlite'}")
    conf = plant.configuration
    conf.shared.engines.reach = _Inbox(folder)
    columns = Lines(item="id", part="pn", parent="in", slot="pos", revision="rev", since="since")
    conf.sources.declare(Source(id="elsewhere", kind="parquet", path="inbox/fleet.parquet", columns=columns))
    order = tuple(Revision(revision=str(one)) for one in range(12))
    parts = tuple(PartType(part=f"PART-{one}", revisions=order) for one in (5, 7))
    conf.parts.apply(conf.parts.plan(PartsDocument(parts=parts)))
    both = (Having(part="PART-5", below="5"), Having(part="PART-7", below="3"))
    name = f"configuration, {lines:,} lines of Parquet elsewhere: "
    wall, cpu = _worst(lambda: conf.fleet(*both, at=NOW, source="elsewhere", page=ONE))
    record(f"{name}two parts below a revision, at a moment", wall, "s", note=f"cpu {cpu:.3g} s", **LESS)
    wall, cpu = _worst(lambda: conf.attached_tree("elsewhere", "M-777", NOW))
    record(f"{name}a machine", wall * 1000, "ms", note=f"cpu {cpu * 1000:.3g} ms", **LESS)
    plant.close()


class _Inbox:
    """Reaches what lies below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def inbox(self, name: str) -> Path:
        return self._folder / name

    def file(self, name: str) -> Path:
        return self._folder / name


def _worst(ask: Callable[[], Any], times: int = 7) -> tuple[float, float]:
    """Seconds of the slowest, but the first, which warms up; by the clock, and of the processors."""
    took = []
    for _ in range(times + 1):
        begun = Took()
        ask()
        took.append(begun.both())
    return max(wall for wall, _ in took[1:]), max(cpu for _, cpu in took[1:])


def _book() -> PartsDocument:
    twelve = tuple(Revision(revision=str(one)) for one in range(12))
    limits = (LifeLimit(kind="hours", limit=20_000.0),)
    return PartsDocument(
        parts=(
            PartType(part="PART-1-2", revisions=twelve, limits=limits),
            PartType(part="FIRMWARE", kind=ItemKind.SOFTWARE, revisions=tuple(Revision(revision=v) for v in FIRMWARE)),
        )
    )


def _as_built(machines: int) -> Iterator[Built]:
    for machine in range(machines):
        at, id, serial = T0 + (machine % 1000) * (DAY // 10), f"M-{machine:06d}", f"{machine:06d}"
        yield Built(item=ItemSpec(id=id, part="MACHINE", revision="A", maker="acme", serial=serial), at=at)
        for u in range(UNITS):
            unit = f"{id}.U{u}"
            spec = ItemSpec(id=unit, part=f"UNIT-{u}", revision="ABC"[(machine + u) % 3], maker="acme", serial=serial)
            yield Built(item=spec, at=at, parent=id, slot=f"unit {u}")
            for p in range(INSIDE):
                revision = str((machine * 7 + p) % 12)
                part = ItemSpec(id=f"{unit}.P{p}", part=f"PART-{u}-{p}", revision=revision, maker="b", serial=serial)
                yield Built(item=part, at=at, parent=unit, slot=f"slot {p}")
        firmware = FIRMWARE[machine % len(FIRMWARE)]
        software = ItemSpec(id=f"{id}.SW", part="FIRMWARE", revision=firmware, kind=ItemKind.SOFTWARE)
        yield Built(item=software, at=at, parent=f"{id}.U0", slot="firmware")
