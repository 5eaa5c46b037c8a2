"""When the disk tears, flips, fills or fails: a prefix with all acknowledged blocks, or a refusal."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import sqlalchemy as sa

from gemel.database import Database
from gemel.errors import Corrupt, StorageFailed, StorageFull
from gemel.journal import SqlJournal
from gemel.testing.journal import block_after, frame_of, mixed
from gemel.twin import Form


@pytest.fixture
def written(tmp_path):
    """A copy of the files of a journal of ten blocks as a kill leaves them: much of it in the write-ahead log."""
    folder = tmp_path / "first"
    folder.mkdir()
    database = Database(f"sqlite:///{folder / 'j.sqlite'}")
    database.migrate()
    journal = SqlJournal(database)
    for sequence in range(10):
        journal.append(mixed(journal), expected_sequence=sequence)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "j.sqlite-shm").unlink(missing_ok=True)
    journal.close()
    database.close()
    return copy / "j.sqlite"


def reopened(path):
    """(blocks, position) of a journal as a restart finds it; raises what refuses."""
    database = Database(f"sqlite:///{path}")
    try:
        journal = SqlJournal(database)
        try:
            found = list(journal.blocks())
            assert journal.verify().ok
            return len(found)
        finally:
            journal.close()
    finally:
        database.close()


def test_after_a_kill_everything_acknowledged_is_there(written):
    assert reopened(written) == 10


@pytest.mark.parametrize("cut", [1, 100, 16_000, 40_000, 10**9])
def test_a_torn_end_of_the_log_is_refused_not_forgotten(written, cut):
    wal = Path(f"{written}-wal")
    with wal.open("r+b") as file:
        file.truncate(max(0, wal.stat().st_size - cut))
    with pytest.raises((Corrupt, sa.exc.DatabaseError)):
        reopened(written)


@pytest.mark.parametrize("at", [0.2, 0.5, 0.8, 0.97])
def test_a_flipped_bit_in_the_log_is_refused(written, at):
    wal = Path(f"{written}-wal")
    data = bytearray(wal.read_bytes())
    data[int(len(data) * at)] ^= 4
    wal.write_bytes(data)
    with pytest.raises((Corrupt, sa.exc.DatabaseError)):
        reopened(written)


def test_a_truncated_database_is_refused(written):
    database = Database(f"sqlite:///{written}")
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    assert reopened(written) == 10
    with written.open("r+b") as file:
        file.truncate(written.stat().st_size - 20_000)
    with pytest.raises((Corrupt, sa.exc.DatabaseError)):
        reopened(written)


def test_an_empty_file_in_place_of_the_database_is_refused(written):
    for path in (written, Path(f"{written}-wal")):
        path.write_bytes(b"")
    database = Database(f"sqlite:///{written}")
    database.migrate()
    with pytest.raises(Corrupt, match="block 10 was acknowledged"):
        SqlJournal(database)
    database.close()


def test_a_torn_head_file_does_not_stop_a_sound_journal(written):
    head = Path(f"{written}.main.head")
    head.write_bytes(head.read_bytes()[:20])
    assert reopened(written) == 10


@pytest.fixture
def small_disk(tmp_path):
    """A file system of four mebibytes."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"a small tmpfs cannot be mounted here: {done.stderr.decode()[:100]}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(append):
    while True:
        append()


def test_a_full_disk_refuses_and_recovers_by_itself(small_disk):
    database = Database(f"sqlite:///{small_disk / 'j.sqlite'}")
    database.migrate()
    journal = SqlJournal(database)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(100_000))

    def append():
        rows = [(i, i, float(os.urandom(1)[0]) + i / 7) for i in range(2_000)]
        return journal.append(
            block_after(journal, frame_of(Form.NUMBER, rows)), expected_sequence=journal.head().sequence
        )

    with pytest.raises(StorageFull):
        fill(append)
    kept = journal.head()
    assert kept.sequence > 0
    with pytest.raises(StorageFull):
        append()
    assert not journal.failed
    ballast.unlink()
    grown = append()
    assert grown.sequence == kept.sequence + 1
    assert journal.verify().ok
    journal.close()
    database.close()
    again = Database(f"sqlite:///{small_disk / 'j.sqlite'}")
    reader = SqlJournal(again)
    assert reader.head() == grown
    reader.close()
    again.close()


def test_a_failed_fsync_ends_the_writer(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'j.sqlite'}")
    database.migrate()
    journal = SqlJournal(database)
    journal.append(mixed(journal), expected_sequence=0)

    def refuse(_):
        raise sa.exc.OperationalError("COMMIT", {}, Exception("disk I/O error"))

    with pytest.raises(StorageFailed):
        journal.append(mixed(journal), expected_sequence=1, also=refuse)
    with pytest.raises(StorageFailed, match="takes no more"):
        journal.append(mixed(journal), expected_sequence=1)
    assert journal.verify().ok
    journal.close()
    database.close()
