"""A machine is connected from the command line, without questions."""

import json
import os
import pty
import subprocess
import sys

import pytest
from rich.console import Console

from gemel import open as open_plant
from gemel.cli.connect import _table
from gemel.errors import InvalidInput
from tests.cli.test_commands import gemel
from tests.connectors.opcua_server import PressServer

__all__ = ["gemel"]


@pytest.fixture(scope="module")
def press():
    with PressServer() as server:
        yield server


def test_a_machine_is_connected_in_one_command_and_again_without_change(gemel, press, tmp_path):
    command = ["connect", "machine", "--kind", "opcua", "--endpoint", press.url, "--as", "press-9", "--yes"]
    assert "nothing was changed" in gemel(*command, "--choose", "oil_* 2").lower()
    done = gemel(*command, "--choose", "oil_* 2", "--out", "press.yaml", "--apply")
    assert "oil_temperature" in done
    assert "press-9 is connected" in done
    assert "nsu=http://maker.example/press;s=Press.OilTemperature" in (tmp_path / "press.yaml").read_text()
    with open_plant(tmp_path / "plant", run_connectors=False) as plant:
        (spec,) = plant.registry.connectors()
        assert [one.property for one in spec.bindings] == ["oil_temperature", "parts"]
    again = json.loads(gemel("--json", *command, "--choose", "oil_* 2"))
    assert again["plan"].startswith("Nothing to do")
    assert f"gemel connect remove {spec.id}" in " ".join(done.split())
    assert "history stay" in gemel("connect", "remove", spec.id)
    with open_plant(tmp_path / "plant", run_connectors=False) as plant:
        assert plant.registry.connectors() == []
        assert plant.registry.twin("press-9").id == "press-9"


@pytest.mark.parametrize(
    ("arguments", "way_out"),
    [
        (["--kind", "modbus"], "connect-modbus.md"),
        (["--kind", "itself"], "gemel devices add"),
        (["--kind", "carrier-pigeon"], "is not one of"),
        (["--kind", "opcua"], "--endpoint"),
        ([], "--kind"),
    ],
)
def test_what_is_missing_is_named_with_the_option_that_says_it(gemel, arguments, way_out):
    with pytest.raises(InvalidInput, match=way_out):
        gemel("connect", "machine", "--yes", *arguments)


def test_a_choice_that_fits_nothing_is_refused(gemel, press):
    with pytest.raises(InvalidInput, match="none of what was found"):
        gemel("connect", "machine", "--kind", "opcua", "--endpoint", press.url, "--choose", "gas_*", "--yes")


def test_units_in_brackets_are_shown_as_they_are():
    point = {"property": {"name": "oil", "unit": "[degF]"}, "value": 1.5, "quality": "good", "address": "a"}
    console = Console(record=True, width=100)
    console.print(_table([point]))
    assert "[degF]" in console.export_text()


ANSWERS = ["opcua", "{url}", "oil_*", "press-3", "", "y"]
SLIPS = ["carrier-pigeon", "opcua", "opc.tcp://127.0.0.1:1", "{url}", "gas_*", "oil_*", "press 3!", "press-3", "", "y"]


@pytest.mark.parametrize("answers", [ANSWERS, SLIPS], ids=["at once", "with slips"])
def test_a_person_is_asked_step_by_step_and_again_after_a_slip(press, tmp_path, answers):
    ours, theirs = pty.openpty()
    answers = [answer.format(url=press.url) for answer in answers]
    os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
    command = [
        sys.executable,
        "-c",
        "from gemel.cli.main import main; main()",
        "--at",
        str(tmp_path / "plant"),
        "connect",
        "machine",
    ]
    try:
        done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, timeout=600, check=False)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 0, done.stderr
    assert "How does it speak" in done.stdout
    assert "press-3 is connected" in done.stdout
    assert ("none of what was found" in done.stderr) == ("gas_*" in answers)
    with open_plant(tmp_path / "plant", run_connectors=False) as plant:
        assert plant.registry.twin("press-3").types == ("press",)
