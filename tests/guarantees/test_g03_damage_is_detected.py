"""G3: what was damaged on the disk is refused with a clear error; it is never skipped, and never answered.

Bits are flipped and files are cut in each kind of file that a platform has. Opening, reading or asking then raises
Corrupt, or answers exactly what was written.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gemel.clock import SECOND
from gemel.errors import Corrupt
from gemel.history.scrub import Scrub
from gemel.history.sums import NAME, Sums
from gemel.journal import SqlJournal
from gemel.platform import Platform
from gemel.state import Keyframe
from gemel.testing.journal import mixed
from gemel.testing.journal import told as said_of
from gemel.twin import Change
from tests.disorder.house import PLANT
from tests.guarantees.faults.results import seed, tell
from tests.guarantees.faults.work import BUSY, T0, message, opened_journal, time_of
from tests.history.conftest import PROPERTIES
from tests.history.world import Cast, World

Flip = tuple[int, int]
"""Which byte, which bit."""


def flipped(data: bytes, flip: Flip) -> bytes:
    at, bit = flip
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def every_bit(data: bytes) -> Iterator[Flip]:
    return ((at, bit) for at in range(len(data)) for bit in range(8))


def some_bits(data: bytes, count: int, chance: random.Random) -> list[Flip]:
    """Where there is something: a database has pages of zeroes."""
    filled = [at for at in range(len(data)) if data[at]]
    return [(chance.choice(filled), chance.randrange(8)) for _ in range(count)]


def tell_kinds(what: str, kinds: dict[str, int]) -> None:
    """Each damage was refused, or the answer was what had been written; anything else fails the test."""
    tell("G3", what, ok=sum(kinds.values()), **kinds)


# the journal


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """A journal in one file (its log is merged into it), and what its blocks say."""
    folder = tmp_path_factory.mktemp("journal")
    with opened_journal(folder) as (database, written, _):
        for sequence in range(12):
            written.append(mixed(written), expected_sequence=sequence)
        told = [said_of(block) for block in written.blocks()]
        with database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder, told


def judged(folder: Path, expected: list[Any]) -> str:
    """`refused` or `whole`; fails when the journal says anything else than what was written."""
    try:
        with opened_journal(folder) as (_, found, _registry):
            blocks = [said_of(block) for block in found.blocks()]
    except Corrupt:
        return "refused"
    assert blocks == expected, "the journal answers what was not written"
    return "whole"


def journal_damage(journal: tuple[Path, list[Any]], tmp_path: Path, count: int) -> None:
    sound, expected = journal
    number = seed()
    chance, kinds = random.Random(number), {"refused": 0, "whole": 0}
    data = (sound / "gemel.sqlite").read_bytes()
    block_pages = [at for at in range(0, len(data), 16_384) if b"ipc" in data[at : at + 16_384] or at == 0]
    for turn in range(count):
        here = tmp_path / "copy"
        shutil.copytree(sound, here)
        if turn % 4 == 3:
            damaged = data[: chance.randrange(len(data))]
        else:
            page = chance.choice(block_pages) if turn % 2 else chance.randrange(0, len(data), 16_384)
            at, bit = some_bits(data[page : page + 16_384] + b"\1", 1, chance)[0]
            damaged = flipped(data, (min(page + at, len(data) - 1), bit))
        (here / "gemel.sqlite").write_bytes(damaged)
        try:
            kinds[judged(here, expected)] += 1
        except BaseException as error:
            error.add_note(f"GEMEL_SEED={number}, turn {turn}")
            raise
        shutil.rmtree(here)
    assert kinds["refused"] > count // 8, kinds
    tell_kinds("journal", kinds)


def test_a_damaged_journal_is_refused_or_says_what_was_written(journal: tuple[Path, list[Any]], tmp_path: Path) -> None:
    journal_damage(journal, tmp_path, 80)


@pytest.mark.soak
def test_a_journal_damaged_in_five_thousand_places_never_says_what_was_not_written(
    journal: tuple[Path, list[Any]], tmp_path: Path
) -> None:
    journal_damage(journal, tmp_path, 5_000)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """A journal of which much lies in SQLite's write-ahead log, and what its blocks say."""
    live, folder = tmp_path_factory.mktemp("live"), tmp_path_factory.mktemp("log")
    with opened_journal(live) as (_, written, _registry):
        with closing(sqlite3.connect(live / "gemel.sqlite")) as beside:
            busy, *_ = beside.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            assert not busy, "the log holds the blocks alone"
        for sequence in range(6):
            written.append(mixed(written), expected_sequence=sequence)
        for path in live.glob("gemel.sqlite*"):
            shutil.copyfile(path, folder / path.name)
        (folder / "gemel.sqlite-shm").unlink()
        told = [said_of(block) for block in written.blocks()]
    return folder, told


@pytest.mark.parametrize("cuts", [24, pytest.param(2_000, marks=pytest.mark.soak)])
def test_a_log_that_is_cut_anywhere_is_refused_or_has_everything(
    log: tuple[Path, list[Any]], tmp_path: Path, cuts: int
) -> None:
    """To SQLite it looks like one whose end was never synced; the journal knows which block was acknowledged last."""
    sound, expected = log
    data = (sound / "gemel.sqlite-wal").read_bytes()
    kinds, place = {"refused": 0, "whole": 0}, tmp_path / "copy"
    for length in sorted({*range(min(cuts, 64)), *range(0, len(data), len(data) // cuts + 1)}):
        shutil.copytree(sound, place)
        (place / "gemel.sqlite-wal").write_bytes(data[:length])
        try:
            kinds[judged(place, expected)] += 1
        except BaseException as error:
            error.add_note(f"cut after {length} of {len(data)} bytes")
            raise
        shutil.rmtree(place)
    assert kinds["refused"] > cuts // 2, kinds
    tell_kinds("journal: its log cut", kinds)


@pytest.mark.parametrize(
    "row",
    [
        "INSERT INTO registry_property (number, type, place, generation, name) VALUES (9, 'of nobody', 0, 1, 'x')",
        "INSERT INTO registry_type (id, version, document, created) VALUES ('press', 1, 'no JSON', 0)",
        "INSERT INTO registry_shape (number, types) VALUES (1, 'no JSON')",
    ],
)
def test_a_registry_whose_rows_do_not_fit_each_other_is_refused(tmp_path: Path, row: str) -> None:
    """As when a damaged page leads SQLite to the rows of another table."""
    with opened_journal(tmp_path) as (database, _, _registry), database.write() as connection:
        connection.exec_driver_sql(row)
    with pytest.raises(Corrupt, match="the registry is damaged"), opened_journal(tmp_path):
        raise AssertionError("not reached")


# the history


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days in Parquet, with keyframes and roll-ups."""
    folder = tmp_path_factory.mktemp("past")
    with closing(World(folder, Cast(PROPERTIES, ["mill-1"]), settings=BUSY)) as world:
        for first in range(1, 40, 13):
            world.put([("mill-1", "parts", time_of(one), one) for one in range(first, first + 13)])
            world.history.flush()
        world.history.upkeep()
    return folder


def opened(folder: Path) -> World:
    return World(folder, Cast(PROPERTIES, ["mill-1"]))


def values(world: World, start: int = 0, end: int = 2**60) -> list[int]:
    found: list[int] = world.history.range("mill-1", "parts", start, end, method="raw").columns["value"].to_pylist()
    return sorted(found)


def files_of(folder: Path) -> list[str]:
    history = folder / "history"
    return sorted(path.relative_to(history).as_posix() for path in history.rglob("*.parquet"))


@pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.soak)])
def test_flipped_bits_and_cuts_all_over_a_file_of_the_history_are_seen(past: Path, tmp_path: Path, step: int) -> None:
    shutil.copytree(past / "history", tmp_path / "history")
    name = min((tmp_path / "history" / "data").rglob("*.parquet"), key=lambda path: path.stat().st_size)
    relative, data = name.relative_to(tmp_path / "history").as_posix(), name.read_bytes()
    sums = Sums(tmp_path / "history")
    assert sums.check(relative)
    flips = list(every_bit(data))[::step]
    damages = [flipped(data, flip) for flip in flips] + [data[:length] for length in range(0, len(data), step)]
    for damage in damages:
        name.write_bytes(damage)
        with pytest.raises(Corrupt, match="restore it from a backup"):
            sums.check(relative)
    name.write_bytes(data)
    assert sums.check(relative), "a restored file is as good as ever"
    assert not sums.damaged
    tell_kinds("a Parquet file all over", {"refused": len(damages), "whole": 0})


def test_a_query_that_needs_a_damaged_file_is_refused_and_others_are_answered(past: Path, tmp_path: Path) -> None:
    folder = tmp_path / "past"
    shutil.copytree(past, folder)
    day = 86_400 * SECOND
    with closing(opened(folder)) as world:
        expected = values(world, T0, T0 + day)
        second = next(file for file in world.history.files() if file.min_time >= T0 + day)
    victim = folder / "history" / second.path
    victim.write_bytes(flipped(victim.read_bytes(), (second.size // 3, 2)))
    told: list[Change] = []
    with closing(opened(folder)) as world:
        world.history.on_damage(told.append)
        with pytest.raises(Corrupt, match=r"is damaged: its SHA-256"):
            values(world)
        with pytest.raises(Corrupt, match=r"is damaged: its SHA-256"):
            values(world)
        assert values(world, T0, T0 + day) == expected
        checked = world.history.verify()
        assert list(checked.damaged) == [second.path]
        assert not checked.ok
        assert checked.unhashed == 0
    assert [change.kind for change in told] == ["history.damaged"]
    assert told[0].body["path"] == second.path
    assert victim.exists(), "it stays for who wants to mend it"


def test_the_scrub_finds_what_nobody_asks_for(past: Path, tmp_path: Path) -> None:
    folder = tmp_path / "history"
    shutil.copytree(past / "history", folder)
    victim = folder / files_of(tmp_path)[-1]
    victim.write_bytes(flipped(victim.read_bytes(), (100, 0)))
    sums, found = Sums(folder), threading.Event()
    sums.found = lambda path, reason: found.set()
    with closing(Scrub(folder, sums, lambda: files_of(tmp_path), bytes_s=1e9, every_s=0.01)):
        assert found.wait(60)
    assert list(sums.damaged) == [files_of(tmp_path)[-1]]


@pytest.mark.parametrize("kind", ["data", "keyframes", "rollups", NAME, "files.json", "catalogue.sqlite"])
def test_whatever_is_flipped_in_the_history_no_wrong_value_is_answered(past: Path, tmp_path: Path, kind: str) -> None:
    number = seed()
    history_damage(past, tmp_path, kind, 4, number)


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["data", "keyframes", "rollups", NAME, "files.json", "catalogue.sqlite"])
def test_many_flips_in_the_history_give_no_wrong_value(past: Path, tmp_path: Path, kind: str) -> None:
    history_damage(past, tmp_path, kind, 200, seed())


def history_damage(past: Path, tmp_path: Path, kind: str, count: int, number: int) -> None:
    chance, kinds = random.Random(number), {"refused": 0, "whole": 0}
    expected = list(range(1, 40))
    for turn in range(count):
        folder = tmp_path / "past"
        shutil.copytree(past, folder)
        place = folder / "history" / kind
        victim = chance.choice(sorted(place.rglob("*.parquet"))) if place.is_dir() else place
        data = victim.read_bytes()
        victim.write_bytes(flipped(data, some_bits(data, 1, chance)[0]))
        try:
            with closing(opened(folder)) as world:
                assert values(world) == expected
                for one in (1, 20, 39):
                    reading = world.history.value(("mill-1", "parts"), time_of(one))
                    assert reading is not None
                    assert reading.value == one
            kinds["whole"] += 1
        except Corrupt:
            kinds["refused"] += 1
        except BaseException as error:
            error.add_note(f"GEMEL_SEED={number}, turn {turn}, {victim}")
            raise
        shutil.rmtree(folder)
    tell_kinds(f"history: {kind}", kinds)


# the keyframe of the state


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.soak)])
def test_a_keyframe_of_the_state_with_any_byte_flipped_or_cut_is_not_believed(tmp_path: Path, step: int) -> None:
    with Platform.open(tmp_path / "plant") as platform:
        platform.apply(PLANT)
        platform.ingest([message(one) for one in range(1, 4)], source="plc")
    keyframes = tmp_path / "plant" / "state"
    (keyframe,) = keyframes.iterdir()
    whole, refused = Keyframe.load(keyframes), 0
    assert whole is not None
    for file in sorted(keyframe.iterdir()):
        data = file.read_bytes()
        for at in range(0, len(data), 1 if len(data) < 400 else step):
            for damage in (flipped(data, (at, at % 8)), data[:at]):
                file.write_bytes(damage)
                with pytest.raises(Corrupt, match="remove it to start from the journal"):
                    Keyframe.load(keyframes)
                refused += 1
        file.write_bytes(data)
    again = Keyframe.load(keyframes)
    assert again is not None
    assert again.tables == whole.tables
    tell_kinds("keyframe of the state", {"refused": refused, "whole": 0})


def test_a_block_whose_header_was_changed_is_refused(journal: tuple[Path, list[Any]], tmp_path: Path) -> None:
    """A flip that SQLite cannot see: another time of recording."""
    folder = tmp_path / "copy"
    shutil.copytree(journal[0], folder)
    with opened_journal(folder) as (database, _, _registry):
        with database.write() as connection:
            connection.exec_driver_sql("UPDATE journal_block SET recorded = recorded + 1 WHERE sequence = 5")
        with closing(SqlJournal(database)) as again, pytest.raises(Corrupt, match="block 5"):
            list(again.blocks())


def test_a_bound_that_the_catalogue_tells_wrongly_is_seen(past: Path, tmp_path: Path) -> None:
    """With it, a file that holds the answer would be passed over, and an older value be told."""
    folder = tmp_path / "past"
    shutil.copytree(past, folder)
    with closing(sqlite3.connect(folder / "history" / "catalogue.sqlite")) as catalogue:
        changed = catalogue.execute(
            "UPDATE ducklake_file_column_stats SET min_value = '2024-01-02 23:59:59' WHERE rowid = ("
            "SELECT s.rowid FROM ducklake_file_column_stats s"
            " JOIN ducklake_data_file f ON f.data_file_id = s.data_file_id AND f.end_snapshot IS NULL"
            " JOIN ducklake_column c ON c.table_id = s.table_id AND c.column_id = s.column_id"
            " AND c.column_name = 'time' LIMIT 1)"
        ).rowcount
        catalogue.commit()
    assert changed == 1
    with pytest.raises(Corrupt, match="holds other rows than its catalogue says"):
        opened(folder)
