"""With the log of commits, any moment after a backup can be restored, all tables alike."""

import random

import pytest

import gemel
from gemel.backup import Goal, Vault, restore
from gemel.errors import Conflict, Corrupt, InvalidInput, NotFound
from gemel.twin import parse_type
from tests.backup.conftest import PLANT


@pytest.fixture
def followed(tmp_path):
    """A plant whose log is written when the test says so; its first backup is made."""
    (tmp_path / "plant").mkdir()
    settings = f"backup: {{to: {tmp_path / 'vault'}, every: forever, follow: true, follow_every_s: 3600}}\n"
    (tmp_path / "plant" / "gemel.yaml").write_text(settings)
    with gemel.open(tmp_path / "plant") as platform:
        platform.apply(PLANT)
        assert platform.backups.wait_made(1, 60)  # by itself: there was none
        yield platform


def restored(tmp_path, goal):
    folder = tmp_path / f"at-{goal.position}-{goal.time}"
    told = restore(Vault(tmp_path / "vault"), folder, goal=goal)
    return told, gemel.open(folder)


def test_every_position_after_a_backup_can_be_restored(followed, tmp_path):
    seen = {}
    for value in range(30):
        position = followed.write("press-7", "oil_temperature", value)
        seen[position] = (value, len(followed.types()), followed.journal.head().hash.hex())
        if value % 7 == 0:
            followed.put_type(parse_type(f"{{id: pump-{value}, properties: [{{name: pressure, unit: bar}}]}}"))
        if value % 5 == 0:
            followed.backups.log.poll()
    followed.backups.log.poll()
    for position in random.Random(3).sample(sorted(seen), 6):
        value, types, head = seen[position]
        told, again = restored(tmp_path, Goal(position=position))
        with again:
            assert (told.position, told.head) == (position, head)
            assert again.verify().ok
            assert again.now("press-7")["oil_temperature"].value == value
            assert len(again.types()) == types


def test_a_moment_is_as_good_as_a_position(followed, tmp_path):
    followed.write("press-7", "oil_temperature", 1)
    moment = followed.journal.head().recorded
    followed.write("press-7", "oil_temperature", 2)
    followed.backups.log.poll()
    told, again = restored(tmp_path, Goal(time=moment))
    with again:
        assert told.recorded == moment
        assert again.now("press-7")["oil_temperature"].value == 1


def test_what_is_no_part_of_the_journal_comes_back_too(followed, tmp_path):
    account = followed.gate.accounts.add("Ada", "a long enough sentence", "operator")
    position = followed.journal.head().position
    followed.gate.accounts.erase(account.id)
    followed.backups.log.poll()
    _, again = restored(tmp_path, Goal(position=position))
    with again:
        assert again.gate.accounts.verify("Ada", "a long enough sentence").id == account.id


def test_the_write_ahead_log_stays_small_and_nothing_is_lost_when_it_begins_anew(followed, tmp_path):
    wal = tmp_path / "plant" / "gemel.sqlite-wal"
    heads = {}
    for turn in range(12):
        for value in range(15):
            followed.write("press-7", "oil_temperature", turn * 20 + value)
        followed.backups.log.poll()
        heads[turn] = (followed.journal.head(), wal.stat().st_size)
    assert heads[11][1] <= 3 * heads[1][1]  # begun anew, not grown
    head = heads[9][0]
    told, again = restored(tmp_path, Goal(position=head.position))
    with again:
        assert told.head == head.hash.hex()


def test_a_position_beyond_the_log_is_refused_and_says_how_far_it_goes(followed, tmp_path):
    position = followed.write("press-7", "oil_temperature", 1)
    followed.backups.log.poll()
    with pytest.raises(NotFound, match=rf"the log ends at position {position}"):
        restored(tmp_path, Goal(position=position + 1000))


def test_a_damaged_segment_is_refused(followed, tmp_path):
    position = followed.write("press-7", "oil_temperature", 1)
    followed.backups.log.poll()
    segment = max((tmp_path / "vault" / "log").glob("*.wal"))
    segment.write_bytes(segment.read_bytes()[:-1] + b"?")
    with pytest.raises(Corrupt, match="not as it was written"):
        restored(tmp_path, Goal(position=position))


def test_after_a_restart_the_log_goes_on_with_a_new_backup(tmp_path, followed):
    followed.close()
    with gemel.open(tmp_path / "plant") as platform:
        assert platform.backups.wait_made(1, 60)
        position = platform.write("press-7", "oil_temperature", 77)
        platform.write("press-7", "oil_temperature", 78)
        platform.backups.log.poll()
        told, again = restored(tmp_path, Goal(position=position))
    with again:
        assert again.now("press-7")["oil_temperature"].value == 77
        assert told.position == position


def test_a_restored_plant_does_not_write_to_the_backups_of_the_first(followed, tmp_path):
    _, again = restored(tmp_path, Goal(position=Vault(tmp_path / "vault").newest().position))
    with again:
        assert again.backups.standing().to == ""
        with pytest.raises(Conflict, match="another life"):
            again.backup(tmp_path / "vault")


def test_the_log_of_another_backup_is_not_taken_for_its_own(followed, tmp_path):
    """A plant that dies before its log had a segment, and numbers its next log alike."""
    followed.close()
    with gemel.open(tmp_path / "plant") as platform:
        assert platform.backups.wait_made(1, 60)
        position = platform.write("press-7", "oil_temperature", 77)
        platform.backups.log.poll()
    first = Vault(tmp_path / "vault").all()[0]
    with pytest.raises(NotFound, match="the log ends"):
        restore(Vault(tmp_path / "vault"), tmp_path / "again", id=first.id, goal=Goal(position=position))


def test_the_log_is_for_sqlite(tmp_path, postgres):
    (tmp_path / "plant").mkdir()
    (tmp_path / "plant" / "gemel.yaml").write_text(
        f"database: {postgres.create()}\nbackup: {{to: {tmp_path / 'vault'}, follow: true}}\n"
    )
    with pytest.raises(InvalidInput, match="own archiving"):
        gemel.open(tmp_path / "plant")
