"""What a process on a failing disk does, from inside: `python -m tests.guarantees.faults.failing NAME FOLDER SEED`.

Runs below the shim. Each scenario makes one operation after the other fail, and prints as JSON what it saw.
"""

from __future__ import annotations

import errno
import random
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from gemel.clock import SECOND, to_rfc3339
from gemel.errors import StorageFailed, StorageFull
from gemel.history import Stage
from gemel.journal import SqlJournal
from gemel.platform import Platform
from gemel.server import Server
from gemel.testing.journal import mixed
from tests.disorder.house import PLANT, Caller, journaled, stored
from tests.guarantees.faults.preload import Kind, arm, clear, seen
from tests.guarantees.faults.work import T0, found_in_platform, message, opened_journal

GROWS = Kind.WRITE | Kind.TRUNCATE | Kind.CREATE | Kind.RENAME | Kind.MKDIR
FAST = "keyframe_every_s: 0.02\nhistory_every_s: 0.02\n"
MOST = 400
"""Operations that one step may have."""

Told = Counter[str]


def append(journal: SqlJournal, count: int = 1) -> None:
    for _ in range(count):
        journal.append(mixed(journal), expected_sequence=journal.head().sequence)


def new_plant(folder: Path) -> Path:
    """A platform that writes keyframes and history all the time."""
    plant = folder / "plant"
    with Platform.open(plant) as platform:
        platform.apply(PLANT)
        platform.ingest([message(0)], source="plc")
    (plant / "gemel.yaml").write_text(FAST)
    return plant


def send(platform: Platform, number: int) -> None:
    platform.ingest([message(number)], source="plc")


def settled(platform: Platform) -> None:
    """History and keyframe follow by themselves, without a restart."""
    head = platform.journal.head().position
    assert platform.history.flush() == head, platform.history.status()
    patience = threading.Event()
    for _ in range(500):  # the historian says how it fares a moment after what it did
        if platform.history.status().stage is Stage.RUNNING:
            break
        patience.wait(0.01)
    assert platform.history.status().stage is Stage.RUNNING, platform.history.status()
    assert stored(platform) == journaled(platform)


# full


def full_journal(folder: Path, _chance: random.Random) -> Told:
    """An append is refused as full or done; the next one works, in the same process."""
    told: Told = Counter()
    with opened_journal(folder) as (_, journal, _registry):
        append(journal)
        for step in range(MOST):
            arm(GROWS, errno.ENOSPC, skip=step)
            try:
                append(journal, 8)  # far enough for a checkpoint to come
                told["done"] += 1
            except StorageFull:
                told["refused"] += 1
            came = seen()
            clear()
            append(journal)
            if came <= step:
                break
        head = journal.head().sequence
        assert journal.verify().ok
    with opened_journal(folder) as (_, journal, _registry):
        assert journal.head().sequence == head
        assert journal.verify().ok
    assert told["refused"] > 20
    return told


def full_platform(folder: Path, chance: random.Random) -> Told:
    """Whatever is under way meets the full disk: journal, keyframe, Parquet, catalogue, files.json, gemel.owner."""
    told: Told = Counter()
    plant, number, sent = new_plant(folder), 0, {0}
    with Platform.open(plant) as platform:
        for path in ["gemel.sqlite", "catalogue.sqlite", ".parquet", "files.json", "/state/", "/plant/"]:
            for _ in range(3):
                number += 1
                arm(GROWS, errno.ENOSPC, skip=chance.randrange(12), path=path)
                try:
                    send(platform, number)
                    sent.add(number)
                    told["done"] += 1
                except StorageFull:
                    told["refused"] += 1
                platform.history.flush(0.2)
                assert platform.now("press-a")["count"].value in (number, number - 1), "the now is lost"
                platform.range("press-a", "count", T0, T0 + 9999 * SECOND)
                clear()
                if number not in sent:
                    send(platform, number)
                    sent.add(number)
        settled(platform)
        assert platform._house.alive
    assert set(found_in_platform(folder)) == sent
    assert (plant / "state").exists()
    return told


def full_open(folder: Path, chance: random.Random) -> Told:
    """Opening on a full disk works or says that it is full, lets the folder go, and works when there is space."""
    told: Told = Counter()
    plant = new_plant(folder)
    for step in sorted(chance.sample(range(60), 8)):
        with Platform.open(plant) as platform:
            send(platform, step + 1)
        arm(GROWS, errno.ENOSPC, skip=step)
        try:
            Platform.open(plant).close()
            told["done"] += 1
        except (StorageFull, StorageFailed):  # SQLite does not always say why it could not make a file
            told["refused"] += 1
        clear()
    assert len(found_in_platform(folder)) == 9
    assert told["refused"]
    return told


def full_http(folder: Path, _chance: random.Random) -> Told:
    """507 and the way out; the same request is taken when there is space."""
    plant = new_plant(folder)
    reading = {"twin": "press-a", "property": "count", "value": 1, "time": to_rfc3339(T0 + SECOND)}
    body = msgspec.json.encode({"source": "plc", "messages": [{"id": "m-1", "readings": [reading]}]})
    with Platform.open(plant) as platform:
        server = Server(platform, port=0, demo=True)
        with closing(Caller(server.start())) as caller:
            arm(GROWS, errno.ENOSPC, path="gemel.sqlite")
            status, answer = caller.ask("POST", "/ingest", body)
            assert status == 507, (status, answer)
            assert msgspec.json.decode(answer)["code"] == "storage-full"
            assert caller.get("/twins/press-a/now")["values"]["count"]["value"] == 0
            clear()
            status, answer = caller.ask("POST", "/ingest", body)
            assert status == 200, answer
        server.stop()
    return Counter(refused=1, done=1)


# failing


def failed_journal(folder: Path, _chance: random.Random) -> Told:
    """After a failed write or fsync the writer takes no more, reads go on, and a restart finds all acknowledged."""
    told: Told = Counter()
    (folder / "before").mkdir()
    with opened_journal(folder / "before") as (_, journal, _registry):
        append(journal, 2)
    for kinds in (Kind.FSYNC, Kind.WRITE | Kind.TRUNCATE):
        for step in range(MOST):
            here = shutil.copytree(folder / "before", folder / f"{int(kinds)}-{step}")
            with opened_journal(here) as (_, journal, _registry):
                arm(kinds, errno.EIO, skip=step, times=1)
                try:
                    append(journal, 8)
                    told["done"] += 1
                except StorageFailed:
                    told["failed"] += 1
                    with pytest.raises(StorageFailed, match="restart"):
                        append(journal)
                came = seen()
                clear()
                acknowledged = journal.head().sequence
                assert len(list(journal.blocks())) == acknowledged
            with opened_journal(here) as (_, journal, _registry):
                assert journal.head().sequence >= acknowledged, "an acknowledged block is lost"
                assert journal.verify().ok
                append(journal)
            shutil.rmtree(here)
            if came <= step:
                break
    assert told["failed"] > 20
    return told


def failed_platform(folder: Path, _chance: random.Random) -> Told:
    """The journal's disk fails: the platform says so, answers readers, and a restart finds all acknowledged."""
    plant = new_plant(folder)
    with Platform.open(plant) as platform:
        send(platform, 1)
        arm(Kind.FSYNC, errno.EIO, path="gemel.sqlite")
        refused(platform, 2)
        clear()
        refused(platform, 3)
        assert platform.journal.failed
        assert platform.now("press-a")["count"].value == 1
        assert len(platform.range("press-a", "count", T0, T0 + 99 * SECOND).columns["time"]) == 2
    found = set(found_in_platform(folder))
    assert {0, 1} <= found <= {0, 1, 2}
    return Counter(failed=2, done=2)


def refused(platform: Platform, number: int) -> None:
    with pytest.raises(StorageFailed):
        send(platform, number)


def failed_history(folder: Path, chance: random.Random) -> Told:
    """The history's disk fails: nothing moves on, the journal keeps all; then everything is written anew."""
    told: Told = Counter()
    plant, number = new_plant(folder), 0
    with Platform.open(plant) as platform:
        for path in ("catalogue.sqlite", ".parquet", "files.json", "history/"):
            for kinds in (Kind.FSYNC, Kind.WRITE):
                platform.history.flush()
                number += 1
                arm(kinds, errno.EIO, skip=chance.randrange(2), path=path)
                send(platform, number)
                told[outcome(platform)] += 1
                assert stored(platform) == journaled(platform), "readers see less"
                clear()
        settled(platform)
    assert len(found_in_platform(folder)) == number + 1
    assert told["failed"] > 2
    return told


def outcome(platform: Platform) -> str:
    """Wait until the history has all, or has said that its disk failed."""
    head = platform.journal.head().position
    for _ in range(200):
        if platform.history.flush(0.3) >= head:
            return "done"
        if platform.history.status().stage is Stage.FAILED:
            return "failed"
    raise AssertionError(f"neither done nor failed: {platform.history.status()}")


def failed_reads(folder: Path, _chance: random.Random) -> Told:
    """What cannot be read is told as the disk's failure, not as damage, and not as an answer."""
    told: Told = Counter()
    plant = new_plant(folder)
    for path in (".parquet", "gemel.sqlite", "catalogue.sqlite", "/plant/"):
        arm(Kind.READ, errno.EIO, path=path)
        try:
            with Platform.open(plant) as platform:
                platform.range("press-a", "count", T0, T0 + 99 * SECOND)
                told["done"] += 1
        except StorageFailed:
            told["failed"] += 1
        clear()
    assert len(found_in_platform(folder)) == 1
    assert told["failed"] >= 3, told
    return told


SCENARIOS: dict[str, Callable[[Path, random.Random], Told]] = {
    one.__name__: one
    for one in (
        full_journal,
        full_platform,
        full_open,
        full_http,
        failed_journal,
        failed_platform,
        failed_history,
        failed_reads,
    )
}


def main() -> None:
    name, folder, seed = sys.argv[1:]
    told = SCENARIOS[name](Path(folder), random.Random(seed))
    sys.stdout.write("\n" + msgspec.json.encode(told).decode())


if __name__ == "__main__":
    main()
