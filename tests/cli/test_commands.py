"""The command line, as a person and as a program uses it."""

import json

import pytest
from typer.testing import CliRunner

from gemel.cli import app
from gemel.cli.target import target
from gemel.errors import GemelError, NotFound

PLANT = """
gemel: 1
types:
  - {id: press, title: Press, properties: [{name: oil_temperature, unit: Cel}]}
twins:
  - {id: press-7, types: [press], name: Press 7, serial: SN-4711}
"""


@pytest.fixture
def gemel(tmp_path, monkeypatch):
    """Runs a command on a folder of its own; returns what it printed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plant.yaml").write_text(PLANT)
    runner = CliRunner()

    def run(*arguments: str) -> str:
        done = runner.invoke(app, ["--at", str(tmp_path / "plant"), *arguments])
        if isinstance(done.exception, GemelError):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


def test_a_dry_run_needs_no_plant_and_makes_none(gemel, tmp_path):
    assert "press-7" in gemel("apply", "plant.yaml", "--dry-run")
    assert not (tmp_path / "plant").exists()


def test_a_plant_is_made_read_and_proven(gemel):
    gemel("apply", "plant.yaml")
    gemel("write", "press-7", "oil_temperature", "104", "--unit", "[degF]")
    assert "40" in gemel("now", "press-7")
    assert json.loads(gemel("--json", "now", "press-7"))["oil_temperature"]["value"] == 40.0
    assert "SN-4711" in gemel("twins")
    assert "oil_temperature" in gemel("types", "press")
    assert "press-7" in gemel("query", "SELECT twin FROM live.press")
    assert json.loads(gemel("--json", "verify"))["ok"]


def test_a_command_on_a_folder_that_is_not_there_says_how_to_make_it(gemel):
    with pytest.raises(NotFound, match=r"apply plant\.yaml"):
        gemel("twins")


def test_a_schema_is_printed_without_a_plant(gemel):
    assert json.loads(gemel("schema", "plant"))["title"] == "Plant document"


def test_json_lists_are_lists(gemel):
    gemel("apply", "plant.yaml")
    assert [twin["id"] for twin in json.loads(gemel("--json", "twins"))] == ["press-7"]


def test_the_target_is_a_folder_unless_it_is_an_address():
    target.at = "https://plant.example"
    assert target.is_url
    target.at = "plant"
    assert not target.is_url
