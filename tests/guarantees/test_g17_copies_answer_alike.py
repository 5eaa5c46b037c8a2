"""G17: backup and restore, and export and import, give equal answers to the full suite of questions."""

from collections import Counter

import pytest

from gemel.backup import Vault, compare, draw, restore
from gemel.transfer import export_everything, import_everything
from tests.guarantees.ledger import seed, tell
from tests.transfer.conftest import clock, filled, opened, plant, postgres

__all__ = ["clock", "filled", "opened", "plant", "postgres"]


rounds = pytest.mark.parametrize("rounds", [2, pytest.param(15, marks=pytest.mark.soak)])
"""Other questions each time."""


def assert_alike(plant, again, position, what, rounds=1):
    assert again.verify().ok
    again.past()
    asked = Counter()
    for number in range(seed(), seed() + rounds):
        answers = compare(plant, again, draw(plant, position, plant.clock.now(), count=60, seed=number))
        assert [answer for answer in answers if not answer.ok] == [], f"GEMEL_SEED={number}"
        asked.update({answer.group: answer.equal for answer in answers})
    assert all(asked.values()), asked
    tell("G17", what, ok=asked.total(), rounds=rounds)


@rounds
def test_g17_a_restored_plant_answers_alike(plant, opened, tmp_path, rounds):
    position = plant.past().followed
    plant.backup(tmp_path / "vault")
    restore(Vault(tmp_path / "vault"), tmp_path / "again")
    with opened(tmp_path / "again") as again:
        assert_alike(plant, again, position, "answers after a restore", rounds)


@rounds
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_g17_an_imported_plant_answers_alike(plant, opened, tmp_path, database, postgres, rounds):
    made = export_everything(plant, tmp_path / "out", opened)
    url = "" if database == "sqlite" else postgres.create()
    import_everything(tmp_path / "out", tmp_path / "again", database=url)
    with opened(tmp_path / "again") as again:
        assert_alike(plant, again, made.position, f"answers after an import, {database}", rounds)


def test_g17_what_was_exported_twice_over_is_the_same(plant, opened, tmp_path):
    """Export, import, export, import: nothing is lost on the way."""
    export_everything(plant, tmp_path / "out", opened)
    import_everything(tmp_path / "out", tmp_path / "once")
    with opened(tmp_path / "once") as once:
        second = export_everything(once, tmp_path / "out2", opened)
    import_everything(tmp_path / "out2", tmp_path / "twice")
    with opened(tmp_path / "twice") as twice:
        assert_alike(plant, twice, second.position - 1, "answers after two moves")
