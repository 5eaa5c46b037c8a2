"""What runs on the recorded disk, and what is found on it afterwards: `python -m …faults.work NAME FOLDER SEED`.

Each workload says what it sends (`sent N`) and what was acknowledged (`ok N`), in the order of the disk's operations;
its checker opens the folder with the product and counts what is there.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import structs
from sqlalchemy import event

from gemel.clock import SECOND, SteppedClock
from gemel.database import Database
from gemel.history import Pace, Settings, Upkeep
from gemel.intake import Message, Reported
from gemel.journal import SqlJournal
from gemel.platform import Platform
from gemel.registry import Registry
from gemel.testing.journal import frame_of
from gemel.twin import Block, Form, TwinSpec, TwinType
from tests.disorder.house import PLANT, journaled, stored
from tests.guarantees.faults import preload
from tests.history.conftest import PROPERTIES
from tests.history.world import T0, Cast, World

__all__ = ["WORK", "Work"]

SMALL_LOG = 24
"""Pages of the write-ahead log after which SQLite checkpoints: as the product does, but much sooner."""


class Work(NamedTuple):
    run: Callable[[Path, random.Random], None]
    found: Callable[[Path], Counter[int]]
    """How often each number is there."""


def sending(number: int) -> None:
    preload.note(f"sent {number}")


def acknowledged(number: int) -> None:
    preload.note(f"ok {number}")


def checkpoint_soon(database: Database) -> None:
    @event.listens_for(database.engine, "connect")
    def _(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA wal_autocheckpoint={SMALL_LOG}").close()


# journal and registry


@contextmanager
def opened_journal(folder: Path) -> Iterator[tuple[Database, SqlJournal, Registry]]:
    database = Database(f"sqlite:///{folder / 'gemel.sqlite'}")
    try:
        checkpoint_soon(database)
        database.migrate()
        with closing(SqlJournal(database)) as journal:
            yield database, journal, Registry(database, SteppedClock(T0))
    finally:
        database.close()


def run_journal(folder: Path, chance: random.Random) -> None:
    """Each number is a twin in the registry and a change in the journal, in one transaction; telemetry expires."""
    with opened_journal(folder) as (database, journal, registry):
        with database.write() as tx:
            registry.committed(registry.put_type(tx, TwinType(id="machine", properties=tuple(PROPERTIES))))
        for number in range(1, 25):
            sending(number)
            changes = []

            def build(tx: Any, number: int = number, changes: list[Any] = changes) -> Any:
                changes += registry.put_twin(tx, TwinSpec(id=f"m-{number}", types=("machine",)))
                frame = frame_of(Form.NUMBER, [(i, i, i / 7) for i in range(chance.randint(1, 400))])
                numbered = tuple(structs.replace(one, ordinal=len(frame) + at) for at, one in enumerate(changes))
                head = journal.head()
                return Block(head.sequence + 1, head.position + 1, T0, {Form.NUMBER: frame}, numbered)

            journal.append_from(build, expected_sequence=journal.head().sequence)
            acknowledged(number)
            registry.committed(changes)
            if number % 6 == 0:
                journal.expire(journal.head().position // 2)


def found_in_journal(folder: Path) -> Counter[int]:
    with opened_journal(folder) as (_, journal, registry):
        verification = journal.verify()
        assert verification.ok, verification.reason
        told = Counter(int(c.subject[2:]) for b in journal.blocks() for c in b.changes if c.subject.startswith("m-"))
        known = {int(registry.directory.ids([n])[0][2:]) for n in registry.directory.numbers()}
        assert known == set(told), f"registry and journal differ in {known ^ set(told)}"
        return told


# history: commits, merges, keyframes, roll-ups, deletions, and the journal lets go of what history has

BUSY = Settings(
    pace=Pace(commit_s=0.0, commit_rows=1), upkeep=Upkeep(merge_files=3, keyframe_rows=1, keep_s=0.0, settle_s=0.0)
)


def run_history(folder: Path, chance: random.Random) -> None:
    with closing(World(folder, Cast(PROPERTIES, ["mill-1"]), settings=BUSY)) as world:
        number = world.journal.head().position
        for turn in range(1, 19):
            first, number = number + 1, number + chance.randint(1, 3)
            for one in range(first, number + 1):
                sending(one)
            world.put([("mill-1", "parts", time_of(one), one) for one in range(first, number + 1)])
            for one in range(first, number + 1):
                acknowledged(one)
            if turn % 3 == 0:
                world.history.flush()
                world.journal.expire(world.history.position + 1)
            if turn % 6 == 0:
                world.history.upkeep()


def time_of(number: int) -> int:
    """Some of it late, over two days."""
    return T0 + (number * 7919 % 2_880) * 60 * SECOND


def found_in_history(folder: Path) -> Counter[int]:
    with closing(World(folder, Cast(PROPERTIES, ["mill-1"]), settings=BUSY)) as world:
        verification = world.journal.verify()
        assert verification.ok, verification.reason
        assert world.history.position <= world.journal.head().position
        assert world.history.flush() == world.journal.head().position, world.history.status()
        series = world.history.range("mill-1", "parts", 0, 2**60, method="raw")
        values = series.columns["value"].to_pylist()
        assert [time_of(value) for value in values] == series.columns["time"].tolist()
        for value in values[:: max(1, len(values) // 3)]:
            reading = world.history.value(("mill-1", "parts"), time_of(value))
            assert reading is not None
            assert reading.value == value, "an instant answers otherwise than the range"
        return Counter(values)


# the whole platform


def run_platform(folder: Path, chance: random.Random) -> None:
    plant = folder / "plant"
    with Platform.open(plant) as platform:
        checkpoint_soon(platform.database)
        platform.apply(PLANT)
        preload.note("ready")
    (plant / "gemel.yaml").write_text("keyframe_every_s: 0.02\nhistory_every_s: 0.02\n")
    number = 0
    for _ in range(2):
        with Platform.open(plant) as platform:
            checkpoint_soon(platform.database)
            for _ in range(12):
                numbers = list(range(number + 1, number + 1 + chance.randint(1, 3)))
                number = numbers[-1]
                for one in numbers:
                    sending(one)
                platform.ingest([message(one) for one in numbers], source="plc")
                for one in numbers:
                    acknowledged(one)


def message(number: int) -> Message:
    return Message(id=f"m-{number}", readings=[
        Reported(twin="press-a", property="count", value=number, time=T0 + number * SECOND),
        Reported(twin="press-b", property="program", value=f"O{number}", time=T0 + number * SECOND),
    ])  # fmt: skip


def found_in_platform(folder: Path) -> Counter[int]:
    plant = folder / "plant"
    with Platform.open(plant) as platform:
        if platform.registry.directory.twin("press-a") is None:
            return Counter()
        assert platform.verify().ok
        in_journal = journaled(platform)
        assert stored(platform) == in_journal
        counts = Counter(value for twin, name, _, value, _ in in_journal if (twin, name) == ("press-a", "count"))
        programs = Counter(int(v[1:]) for twin, name, _, v, _ in in_journal if (twin, name) == ("press-b", "program"))
        assert counts == programs, "a message is there in part"
        if counts:
            assert platform.now("press-a")["count"].value == max(counts)
            again = platform.ingest([message(max(counts))], source="plc")
            assert (again.accepted, again.repeated) == (0, 2), "what was told before is taken twice"
        return counts


WORK = {
    "journal": Work(run_journal, found_in_journal),
    "history": Work(run_history, found_in_history),
    "platform": Work(run_platform, found_in_platform),
}


def main() -> None:
    name, folder, seed = sys.argv[1:]
    WORK[name].run(Path(folder), random.Random(seed))


if __name__ == "__main__":
    main()
