"""Python functions in processes of their own: what they do wrong stays there."""

import textwrap
import time

import pytest

import gemel
from gemel.computation import function
from gemel.errors import InvalidDocument
from gemel.twin import parse_plant
from tests.computation.plants import settled

PLANT = """
gemel: 1
types:
  - id: pump
    properties:
      - {name: hours}
      - {name: mode, kind: text}
      - {name: doubled, computed: {expression: hours * 2}}
      - {name: wear, computed: {function: "acme_models:wear", inputs: [hours, mode], timeout_s: 60}}
      - {name: stuck, computed: {function: "acme_models:stuck", inputs: [hours], timeout_s: 1}}
twins:
  - {id: pump-1, types: [pump]}
  - {id: pump-2, types: [pump]}
"""
CODE = """
import os, time

def wear(hours, mode):
    if mode == "raise":
        raise ValueError("no such mode")
    if mode == "die":
        os._exit(3)
    if mode == "eat":
        return len(bytearray(8 << 30))
    print("said on stdout")
    return None if hours is None else hours / 10

def fill(megabytes):
    return len(bytearray(int(megabytes) << 20)) / (1 << 20)

def stuck(hours):
    while True:
        time.sleep(60)
"""


@pytest.fixture
def models(tmp_path, monkeypatch):
    """An installed distribution, acme-models, that declares functions."""
    site = tmp_path / "site"
    info = site / "acme_models-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "acme_models.py").write_text(textwrap.dedent(CODE))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-models\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[gemel.functions]\nwear = acme_models:wear\nstuck = acme_models:stuck\nfill = acme_models:fill\n"
    )
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("GEMEL_SECRET", "not for functions")
    monkeypatch.setattr(function, "FIRST_CALL_S", 60.0)
    monkeypatch.setattr(function, "FIRST_PAUSE_S", 0.2)


@pytest.fixture
def plant(tmp_path, models):
    folder = tmp_path / "plant"
    folder.mkdir()
    (folder / "gemel.yaml").write_text("plugins: [Acme_Models]\n")
    with gemel.open(folder) as plant:
        plant.apply(PLANT.replace("      - {name: stuck", "      # {name: stuck"))
        yield plant


def health(plant, name):
    return next(one for one in plant.computation.standing().functions if one.function == f"acme_models:{name}")


def until(plant, holds):
    """Look again and again while it computes."""
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end, plant.computation.standing()
        plant.computation.wait(plant.position, 0.2)


def test_a_function_gives_values_and_one_that_raises_or_dies_is_unavailable_alone(plant):
    plant.write("pump-1", "mode", "run")
    plant.write("pump-1", "hours", 50.0)
    plant.write("pump-2", "hours", 70.0)
    settled(plant)
    assert (plant.now("pump-1")["wear"].value, plant.now("pump-2")["wear"].value) == (5.0, 7.0)
    plant.write("pump-1", "mode", "raise")
    settled(plant)
    assert plant.now("pump-1")["wear"].value is None
    assert "no such mode" in health(plant, "wear").error
    plant.write("pump-1", "mode", "die")
    position = plant.write("pump-1", "hours", 60.0)
    assert plant.computation._expressions.wait(position, 60)  # the expressions go on
    assert plant.now("pump-1")["doubled"].value == 120.0
    until(plant, lambda: health(plant, "wear").restarts)  # it dies as often as it is started
    plant.write("pump-1", "mode", "run")
    settled(plant)  # it was started again
    assert plant.now("pump-1")["wear"].value == 6.0
    assert health(plant, "wear").restarts >= 1
    plant.write("pump-1", "mode", "eat")
    plant.write("pump-1", "mode", "run")
    settled(plant)
    assert plant.now("pump-1")["wear"].value == 6.0


def test_a_function_that_hangs_holds_nobody_up(plant, monkeypatch):
    monkeypatch.setattr(function, "FIRST_CALL_S", 1.0)
    plant.apply(PLANT)
    position = plant.write("pump-1", "hours", 10.0)
    assert plant.computation._expressions.wait(position, 60)
    assert plant.now("pump-1")["doubled"].value == 20.0
    until(plant, lambda: "no answer within" in health(plant, "stuck").error)
    assert not plant.computation.wait(position, 0)
    assert plant.computation.standing().behind > 0


def test_a_function_of_a_distribution_that_nobody_trusts_is_not_run(tmp_path, models):
    with gemel.open(tmp_path / "plant") as plant:
        plant.apply(PLANT)
        position = plant.write("pump-1", "hours", 10.0)
        assert plant.computation._expressions.wait(position, 60)
        until(plant, lambda: "plugins: [acme-models]" in health(plant, "wear").error)
        assert not plant.computation.wait(position, 0)
        assert health(plant, "wear").rows == 0


LIMITED = """
gemel: 1
types:
  - id: tank
    properties:
      - {name: size}
      - {name: roomy, computed: {function: "acme_models:fill", inputs: [size], memory_mb: 2048, timeout_s: 60}}
      - {name: narrow, computed: {function: "acme_models:fill", inputs: [size], memory_mb: 256, timeout_s: 60}}
twins: [{id: tank-1, types: [tank]}]
"""


def test_each_property_says_how_much_time_and_memory_its_function_gets(tmp_path, models):
    (tmp_path / "plant").mkdir()
    (tmp_path / "plant" / "gemel.yaml").write_text("plugins: [acme-models]\n")
    with gemel.open(tmp_path / "plant") as plant:
        plant.apply(LIMITED)
        plant.write("tank-1", "size", 10.0)
        settled(plant)
        found = plant.now("tank-1")
        assert (found["roomy"].value, found["narrow"].value) == (10.0, 10.0)
        position = plant.write("tank-1", "size", 400.0)
        until(plant, lambda: plant.now("tank-1")["roomy"].value == 400.0)
        until(plant, lambda: any("MemoryError" in one.error for one in plant.computation.standing().functions))
        assert not plant.computation.wait(position, 0), "one of the two cannot, and is tried again"
        found = {one.restarts > 0: one for one in plant.computation.standing().functions}
        assert set(found) == {False, True}, "two processes: each has its own bounds"
        assert "MemoryError" in found[True].error


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ("memory_mb: 1", "64 to 65,536 MB, not 1"),
        ("timeout_s: 0", "0.1 to 600 s, not 0"),
        ("timeout_s: 1e9", "0.1 to 600 s"),
        ("timeout_s: .nan", "a number is wanted"),
    ],
)
def test_bounds_that_make_no_sense_are_refused(limits, told):
    text = LIMITED.replace("memory_mb: 256, timeout_s: 60", limits)
    with pytest.raises(InvalidDocument, match=told):
        parse_plant(text)


def test_an_expression_takes_no_bounds():
    with pytest.raises(InvalidDocument, match="an expression needs neither"):
        parse_plant(
            "gemel: 1\ntypes: [{id: a, properties: [{name: b}, {name: c, computed: {expression: b, timeout_s: 9}}]}]"
        )
