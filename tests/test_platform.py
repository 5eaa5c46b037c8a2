"""A platform over a folder: its verbs, its lock, its restart."""

import gc
import os
import shutil
import subprocess
import sys

import pytest

import gemel
from gemel.clock import SECOND
from gemel.errors import FolderInUse, InvalidDocument, InvalidValue, UnknownTwin
from gemel.state import Selection

PRESS = """
gemel: 1
types:
  - id: press
    properties:
      - {name: oil_temperature, unit: Cel, minimum: -40, maximum: 200}
      - {name: mode, kind: enumeration, values: [AUTOMATIC, MANUAL]}
      - {name: health, kind: condition}
twins:
  - {id: press-7, types: [press], serial: SN-4711}
"""


@pytest.fixture
def plant(tmp_path):
    with gemel.open(tmp_path / "plant") as platform:
        platform.apply(PRESS)
        yield platform


def test_a_value_is_told_in_the_unit_of_its_property(plant):
    plant.write("press-7", "oil_temperature", 104, unit="[degF]")
    assert plant.now("press-7")["oil_temperature"].value == 40.0


def test_a_write_that_does_not_fit_is_refused_and_changes_nothing(plant):
    before = plant.position
    with pytest.raises(InvalidValue, match="outside"):
        plant.write("press-7", "oil_temperature", 1e9)
    assert plant.position == before
    assert plant.now("press-7") == {}


def test_what_was_written_is_there_after_a_restart(tmp_path):
    with gemel.open(tmp_path) as platform:
        platform.apply(PRESS)
        for value in range(100):
            last = platform.write("press-7", "oil_temperature", value)
    with gemel.open(tmp_path) as platform:
        assert platform.position == last
        assert platform.now("press-7")["oil_temperature"].value == 99
        assert platform.verify().damaged is None


def test_a_restart_begins_with_the_keyframe_and_goes_on_with_the_journal(tmp_path):
    with gemel.open(tmp_path) as platform:
        platform.apply(PRESS)
        platform.write("press-7", "oil_temperature", 1)
    keyframes = list((tmp_path / "state").iterdir())
    assert [int(path.name) for path in keyframes] == [platform.position]
    for path in keyframes[0].iterdir():
        path.write_bytes(b"damaged")
    with gemel.open(tmp_path) as platform:
        assert platform.now("press-7")["oil_temperature"].value == 1
        platform.write("press-7", "mode", "MANUAL")
    shutil.rmtree(tmp_path / "state")
    with gemel.open(tmp_path) as platform:
        assert {name: now.value for name, now in platform.now("press-7").items()} == {
            "oil_temperature": 1,
            "mode": "MANUAL",
        }


def test_a_past_instant_is_answered_right_after_a_write(plant):
    now = plant.clock.now()
    plant.write("press-7", "mode", "MANUAL", time=now - 60 * SECOND)
    plant.write("press-7", "mode", "AUTOMATIC", time=now)
    assert plant.at("press-7", now - 30 * SECOND)["mode"].value == "MANUAL"
    assert plant.at("press-7", now)["mode"].value == "AUTOMATIC"


def test_applying_the_same_document_again_changes_nothing(plant):
    before = plant.position
    assert not plant.apply(PRESS)
    assert plant.position == before


def test_a_dry_run_shows_the_difference_and_changes_nothing(plant):
    plan = plant.apply(PRESS + "  - {id: press-8, types: [press]}\n", dry_run=True)
    assert "press-8" in str(plan)
    with pytest.raises(UnknownTwin):
        plant.twin("press-8")


def test_a_fault_in_a_document_names_its_line(plant):
    with pytest.raises(InvalidDocument, match="line 3") as caught:
        plant.apply("gemel: 1\ntwins:\n  - {id: press-9, tipes: [press]}\n")
    assert "types" in str(caught.value)


def test_a_type_grows_while_its_twins_live(plant):
    plant.write("press-7", "oil_temperature", 50)
    plant.apply(PRESS.replace("twins:", "      - {name: pressure, unit: bar}\ntwins:"))
    plant.write("press-7", "pressure", 160)
    now = plant.now("press-7")
    assert (now["oil_temperature"].value, now["pressure"].value) == (50, 160)


def test_sql_joins_live_values_with_what_is_known(plant):
    plant.write("press-7", "oil_temperature", 81)
    found = plant.query(
        "SELECT t.serial, p.oil_temperature FROM live.press p JOIN twins t USING (twin) WHERE p.oil_temperature > 80"
    )
    assert found.to_pylist() == [{"serial": "SN-4711", "oil_temperature": 81.0}]


def test_a_subscriber_sees_the_snapshot_and_then_every_change(plant):
    plant.write("press-7", "oil_temperature", 1)
    with plant.subscribe(Selection(twins=("press-7",))) as reader:
        seen = [reader.get(timeout=60)]
        plant.write("press-7", "oil_temperature", 2)
        seen.append(reader.get(timeout=60))
    assert [update.now.value for delta in seen for update in delta.values] == [1, 2]
    assert [delta.snapshot for delta in seen] == [True, False]
    assert seen[1].position == plant.position


def test_a_folder_belongs_to_one_process(tmp_path):
    with (
        gemel.open(tmp_path),
        pytest.raises(FolderInUse, match=str(os.getpid())),
    ):
        gemel.open(tmp_path)
    with gemel.open(tmp_path):
        pass


def test_a_process_that_was_killed_does_not_keep_its_folder(tmp_path):
    code = f"import gemel, os; gemel.open({str(tmp_path)!r}); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    with gemel.open(tmp_path) as platform:
        assert platform.position == 0


def test_closing_leaves_nothing_open(tmp_path):
    platform = gemel.open(tmp_path)
    platform.close()
    platform.close()
    del platform
    gc.collect()  # a resource that was left open would warn, and a warning is an error here
