"""A backup is one moment of a running plant, and a restore is that moment again."""

import msgspec
import pytest

import gemel
from gemel.backup import Vault, restore
from gemel.errors import Conflict, Corrupt, InvalidInput, NotFound


def test_a_backup_of_a_plant_at_work_holds_exactly_what_was_before_its_position(plant, writing, tmp_path):
    made = plant.backup(tmp_path / "vault")
    restore(Vault(tmp_path / "vault"), tmp_path / "again")
    with gemel.open(tmp_path / "again") as again:
        assert again.verify().ok
        before = [(position, value) for position, value in writing.acknowledged if position <= made.position]
        assert again.now("press-7")["oil_temperature"].value == before[-1][1]
        told = again.range("press-7", "oil_temperature", 0, plant.clock.now(), method="raw").columns["value"]
        assert list(told)[50:] == [value for _, value in before]


def test_taking_in_goes_on_while_a_backup_is_made(plant, writing, tmp_path):
    before = len(writing.acknowledged)
    plant.backup(tmp_path / "vault")
    assert len(writing.acknowledged) >= before + 3  # one may have been under way, and one waited for it


def test_a_restored_past_is_held_against_the_hashes_of_when_it_was_written(plant, tmp_path):
    plant.history.flush()
    made = plant.backup(tmp_path / "vault")
    restore(Vault(tmp_path / "vault"), tmp_path / "again")
    assert made.shared
    harmed = tmp_path / "again" / made.shared[0].path
    harmed.write_bytes(harmed.read_bytes()[:-20] + b"x" * 20)
    with gemel.open(tmp_path / "again") as again:
        found = again.history.verify()
    assert found.unhashed == 0
    assert list(found.damaged) == [made.shared[0].path.removeprefix("history/")]


def test_files_of_the_past_are_copied_once(plant, tmp_path):
    plant.history.flush()
    first = plant.backup(tmp_path / "vault")
    copied = {file.path: (tmp_path / "vault" / file.path).stat().st_mtime_ns for file in first.shared}
    plant.write("press-7", "oil_temperature", 99)
    plant.history.flush()
    second = plant.backup(tmp_path / "vault")
    assert copied
    assert {file.path for file in second.shared} > set(copied)
    assert all((tmp_path / "vault" / path).stat().st_mtime_ns == then for path, then in copied.items())


def test_a_restored_plant_goes_on_as_a_new_epoch(plant, tmp_path):
    made = plant.backup(tmp_path / "vault")
    restored = restore(Vault(tmp_path / "vault"), tmp_path / "again")
    assert (restored.position, restored.head) == (made.position, made.head)
    for _ in range(2):  # told once, however often it is opened
        with gemel.open(tmp_path / "again") as again:
            assert again.position == made.position + 1
            told = again.events().items[0]
    assert told.change.kind == "backup.restored"
    assert told.change.body["epoch"] == restored.epoch


def test_what_was_erased_after_a_backup_stays_erased_in_what_is_restored_from_it(plant, tmp_path):
    before = plant.backup(tmp_path / "vault")
    number = plant.registry.twin("press-7").number
    plant.erasures.erase_twin("press-7", plant.erasures.preview("press-7").code)
    plant.backup(tmp_path / "vault")
    restore(Vault(tmp_path / "vault"), tmp_path / "again", id=before.id)
    with gemel.open(tmp_path / "again") as again:
        assert again.history.count(number) == 0
        assert not again.now("press-8")["strokes"].stale_since
        assert not any(now.value for now in again.now("press-7").values())


def test_a_restore_overwrites_nothing(plant, tmp_path):
    plant.backup(tmp_path / "vault")
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "note.txt").write_text("mine")
    with pytest.raises(Conflict, match="not empty"):
        restore(Vault(tmp_path / "vault"), tmp_path / "again")
    assert (tmp_path / "again" / "note.txt").read_text() == "mine"


@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_a_damaged_backup_is_refused_and_leaves_no_folder(plant, tmp_path, harm):
    plant.history.flush()
    made = plant.backup(tmp_path / "vault")
    vault = Vault(tmp_path / "vault")
    victims = [vault.place(made.id) / file.path for file in made.files] + [vault.folder / f.path for f in made.shared]
    for victim in victims:
        whole = victim.read_bytes()
        if not whole:
            continue
        if harm == "remove":
            victim.unlink()
        else:
            victim.write_bytes(whole[:-1] if harm == "cut" else bytes([whole[0] ^ 1]) + whole[1:])
        with pytest.raises(Corrupt, match=victim.name):
            vault.verify(made)
        with pytest.raises(Corrupt, match=victim.name):
            restore(vault, tmp_path / "again")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["plant", "vault"]
        victim.write_bytes(whole)
    restore(vault, tmp_path / "again")


def test_what_was_begun_and_not_finished_is_no_backup(plant, tmp_path):
    made = plant.backup(tmp_path / "vault")
    left = tmp_path / "vault" / "backups" / ".draft-1-2"
    left.mkdir()
    (left / "gemel.sqlite").write_bytes(b"half")
    (tmp_path / "vault" / "backups" / "20200101T000000Z-1").mkdir()  # died while it was being deleted
    assert [one.id for one in Vault(tmp_path / "vault").all()] == [made.id]


def test_a_backup_of_a_later_form_is_refused_with_the_version_that_made_it(plant, tmp_path):
    made = plant.backup(tmp_path / "vault")
    path = Vault(tmp_path / "vault").place(made.id) / "manifest.json"
    told = msgspec.json.decode(path.read_bytes()) | {"format": 9, "gemel": "9.1"}
    path.write_bytes(msgspec.json.encode(told))
    with pytest.raises(Corrupt, match=r"made by Gemel 9\.1"):
        restore(Vault(tmp_path / "vault"), tmp_path / "again")


def test_only_the_newest_are_kept_and_the_rest_can_still_be_restored(plant, tmp_path):
    vault = Vault(tmp_path / "vault")
    plant.history.flush()
    plant.backup(vault.folder)
    plant.write("press-7", "oil_temperature", 99)
    plant.history.flush()
    plant.history.upkeep()
    newest = plant.backup(vault.folder)
    gone = vault.keep(1)
    assert len(gone) == 1
    assert [one.id for one in vault.all()] == [newest.id]
    lying = {path.relative_to(vault.folder).as_posix() for path in (vault.folder / "history").rglob("*.parquet")}
    assert lying == {file.path for file in newest.shared}
    restore(vault, tmp_path / "again")


def test_secrets_stay_at_home_unless_they_are_asked_for(plant, tmp_path):
    (tmp_path / "plant" / "secrets").mkdir(exist_ok=True)
    (tmp_path / "plant" / "secrets" / "ca.key").write_text("the key")
    (tmp_path / "plant" / "gemel.yaml").write_text("history_every_s: 3\ncatalogue: postgresql://me:hidden@db/lake\n")
    plant.backup(tmp_path / "vault")
    plant.backups.make(tmp_path / "other", secrets=True)
    everything = b"".join(path.read_bytes() for path in (tmp_path / "vault").rglob("*") if path.is_file())
    assert b"the key" not in everything
    assert b"hidden" not in everything
    restore(Vault(tmp_path / "other"), tmp_path / "again")
    assert (tmp_path / "again" / "secrets" / "ca.key").read_text() == "the key"
    assert (tmp_path / "again" / "gemel.yaml").read_text() == "history_every_s: 3\n"


def test_backups_go_outside_of_the_plant_and_never_among_other_things(plant, tmp_path):
    with pytest.raises(InvalidInput, match="inside the plant's own folder"):
        plant.backup(tmp_path / "plant" / "backups")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("…")
    with pytest.raises(InvalidInput, match="holds other things"):
        plant.backup(tmp_path / "home")
    with pytest.raises(NotFound, match="no backups"):
        restore(Vault(tmp_path / "nowhere"), tmp_path / "again")


def test_a_plant_in_postgresql_is_backed_up_and_restored_to_either_database(postgres, tmp_path):
    from tests.backup.conftest import PLANT

    (tmp_path / "plant").mkdir()
    (tmp_path / "plant" / "gemel.yaml").write_text(f"database: {postgres.create()}\n")
    with gemel.open(tmp_path / "plant") as platform:
        platform.apply(PLANT)
        platform.write("press-7", "oil_temperature", 42)
        made = platform.backup(tmp_path / "vault")
        before = platform.past().fingerprints(made.position)
    vault = Vault(tmp_path / "vault")
    restore(vault, tmp_path / "lite")
    restore(vault, tmp_path / "grown", database=postgres.create())
    for place in ("lite", "grown"):
        with gemel.open(tmp_path / place) as again:
            assert again.verify().ok
            assert again.now("press-7")["oil_temperature"].value == 42
            assert again.past().fingerprints(made.position) == before
            again.write("press-7", "oil_temperature", 43)
