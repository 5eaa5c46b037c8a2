"""A drill restores a backup aside and compares its answers with those of the plant at work."""

import sqlite3

import msgspec
import pytest

import gemel
from gemel.backup import Vault
from gemel.backup.files import stored
from gemel.errors import Conflict


def test_a_drill_finds_equal_answers_though_the_plant_has_gone_on(plant, writing, tmp_path):
    plant.backup(tmp_path / "vault")
    plant.put_type(gemel.twin.parse_type("{id: pump, properties: [{name: pressure, unit: bar}]}"))
    found = plant.backups.drill(tmp_path / "vault")
    assert found.ok, found
    equal = {answer.group: answer.equal for answer in found.answers}
    assert min(equal["rows"], equal["now"], equal["as of"], equal["ranges"], equal["types"]) > 0
    standing = plant.backups.standing()
    assert standing.last_drill_ok
    assert standing.last_position == found.position


def tampered(vault, made, statement):
    """A backup whose content is another, under hashes that are right."""
    database = vault.place(made.id) / "gemel.sqlite"
    with sqlite3.connect(database) as connection:
        connection.execute(statement)
    connection.close()
    files = tuple(
        stored(vault.place(made.id), database) if file.path == "gemel.sqlite" else file for file in made.files
    )
    told = msgspec.structs.replace(made, files=files)
    (vault.place(made.id) / "manifest.json").write_bytes(msgspec.json.encode(told))


@pytest.mark.parametrize(
    ("statement", "group"),
    [
        ("UPDATE registry_twin SET name = 'another' WHERE id = 'press-7'", "twins"),
        ("UPDATE registry_link SET since = since - 1", "links"),
        ('UPDATE registry_setting SET document = \'{"name": "Elsewhere"}\'', "site"),
    ],
)
def test_a_drill_sees_one_changed_value(plant, tmp_path, statement, group):
    made = plant.backup(tmp_path / "vault")
    tampered(Vault(tmp_path / "vault"), made, statement)
    found = plant.backups.drill(tmp_path / "vault")
    assert not found.ok
    assert [answer.group for answer in found.answers if not answer.ok] == [group]
    assert not plant.backups.standing().last_drill_ok


def test_a_drill_of_a_damaged_backup_fails_and_says_why(plant, tmp_path):
    made = plant.backup(tmp_path / "vault")
    database = Vault(tmp_path / "vault").place(made.id) / "gemel.sqlite"
    database.write_bytes(database.read_bytes()[:-100])
    found = plant.backups.drill(tmp_path / "vault")
    assert not found.ok
    assert "not as it was written" in found.reason


def test_a_drill_needs_a_backup_of_this_very_plant(plant, tmp_path):
    with gemel.open(tmp_path / "other") as other:
        other.apply("gemel: 1\ntypes: [{id: pump}]\n")
        other.backup(tmp_path / "vault")
    with pytest.raises(Conflict, match="not of this plant"):
        plant.backups.drill(tmp_path / "vault")
