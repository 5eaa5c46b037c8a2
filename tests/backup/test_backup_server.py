"""Backups over HTTP: for administrators, and no place but the one that is set for whoever is elsewhere."""

import pytest

import gemel
from gemel.errors import Denied, InvalidInput
from gemel.server import Server
from tests.backup.conftest import PLANT


@pytest.fixture
def served(tmp_path):
    (tmp_path / "plant").mkdir()
    (tmp_path / "plant" / "gemel.yaml").write_text(f"backup: {{to: {tmp_path / 'vault'}, every: forever}}\n")
    with gemel.open(tmp_path / "plant", run_connectors=False) as platform:
        platform.apply(PLANT)
        platform.write("press-7", "oil_temperature", 42)
        platform.backups.make()
        with Server(platform, port=0) as server:
            yield platform, server


def client(served, role):
    platform, server = served
    token = platform.gate.tokens.local() if role == "here" else platform.gate.tokens.add("script", role)[1]
    return gemel.connect(server.url, token=token)


def test_an_administrator_backs_up_to_the_place_that_is_set_and_drills(served):
    with client(served, "administrator") as plant:
        made = plant.backups.make()
        found = plant.backups.drill()
        standing = plant.backups.standing()
    assert found["ok"]
    assert standing["items"][-1]["id"] == made["id"]
    assert standing["last_position"] == made["position"]
    assert standing["last_drill_ok"]
    assert standing["running"] == ""


def test_who_is_elsewhere_names_no_folder(served, tmp_path):
    with client(served, "administrator") as plant:
        for ask in (plant.backups.make, plant.backups.drill, plant.backups.export_everything):
            with pytest.raises(Denied, match="own machine"):
                ask(str(tmp_path / "elsewhere"))
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("role", ["viewer", "operator", "engineer"])
def test_others_neither_see_nor_make_backups(served, role):
    with client(served, role) as plant:
        for ask in (plant.backups.standing, plant.backups.make, plant.backups.drill):
            with pytest.raises(Denied):
                ask()


def test_on_the_machine_itself_any_folder_may_be_named(served, tmp_path):
    with client(served, "here") as plant:
        assert plant.backups.make(str(tmp_path / "other"))["position"] > 0
        assert plant.backups.export_everything(str(tmp_path / "leaving"))["rows"]["registry_twin"] == 3
        with pytest.raises(InvalidInput, match="inside the plant's own folder"):
            plant.backups.make(str(tmp_path / "plant" / "inner"))


def test_the_head_says_in_which_life_of_the_plant_it_is(served, tmp_path):
    from gemel.backup import Vault, restore

    platform, _ = served
    assert platform.epoch == ""
    told = restore(Vault(tmp_path / "vault"), tmp_path / "again")
    for _ in range(2):
        with gemel.open(tmp_path / "again", run_connectors=False) as again:
            assert again.epoch == told.epoch
