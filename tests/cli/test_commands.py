"""The command line, as a person and as a program uses it."""

import json
import shutil
import sqlite3

import pytest
from typer.testing import CliRunner

from gemel import open as open_plant
from gemel.cli import app
from gemel.cli.main import hoisted
from gemel.cli.target import target
from gemel.errors import GemelError, InvalidDocument, NotFound, UnknownProperty
from gemel.folder import Folder
from gemel.server import Server

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


def test_a_fault_that_only_the_plant_finds_is_told_with_file_line_and_column(gemel, tmp_path):
    (tmp_path / "more.yaml").write_text("gemel: 1\ntwins:\n  - {id: a, types: [press]}\n  - {id: b, types: [presss]}\n")
    with pytest.raises(InvalidDocument) as refused:
        gemel("apply", "plant.yaml", "more.yaml")
    (problem,) = refused.value.problems
    assert (problem.line, problem.column, problem.field) == (4, 21, "twins[1].types[0]")
    assert "(more.yaml)" in refused.value.detail
    assert refused.value.detail.startswith("plant.yaml, more.yaml has 1 problem(s)")

    (tmp_path / "alone.yaml").write_text("gemel: 1\n\ntwins:\n  - {id: b, types: [presss]}\n")
    with pytest.raises(InvalidDocument, match=r"alone.yaml has 1 problem\(s\):\n  line 4, column 21: twins\[0\]"):
        gemel("apply", "alone.yaml")


def test_a_plant_is_made_read_and_proven(gemel):
    gemel("apply", "plant.yaml")
    gemel("write", "press-7", "oil_temperature", "104", "--unit", "[degF]")
    assert "40" in gemel("now", "press-7")
    assert json.loads(gemel("--json", "now", "press-7"))["oil_temperature"]["value"] == 40.0
    assert "SN-4711" in gemel("twins")
    assert "oil_temperature" in gemel("types", "press")
    assert "press-7" in gemel("query", "SELECT twin FROM live.press")
    assert json.loads(gemel("--json", "verify"))["ok"]


def test_a_renamed_property_written_by_its_former_name_is_told_as_it_is_kept(gemel, tmp_path):
    gemel("apply", "plant.yaml")
    (tmp_path / "renamed.yaml").write_text(
        "gemel: 1\ntypes:\n  - {id: press, properties: [{name: oil, aliases: [oil_temperature], unit: K}]}\n"
    )
    gemel("apply", "renamed.yaml")
    assert "313.15 K" in gemel("write", "press-7", "oil_temperature", "40", "--unit", "Cel")


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


def test_a_copy_of_a_served_folder_is_not_taken_for_it(gemel, tmp_path):
    gemel("apply", "plant.yaml")
    with open_plant(tmp_path / "plant") as platform, Server(platform, port=0) as server:
        platform.folder.announce(url=server.url, token=platform.gate.tokens.local())
        shutil.copytree(tmp_path / "plant", tmp_path / "copy")
        assert Folder.server(tmp_path / "plant").url == server.url
        assert Folder.server(tmp_path / "copy") is None
        assert "press-7" in gemel("twins")  # through the server
        gemel("write", "press-7", "oil_temperature", "50")
    gemel("--at", str(tmp_path / "copy"), "twins")
    with open_plant(tmp_path / "copy") as copy:
        assert copy.now("press-7") == {}


def test_a_damaged_byte_is_found_by_the_command(gemel, tmp_path):
    gemel("apply", "plant.yaml")
    gemel("write", "press-7", "oil_temperature", "50")
    database = tmp_path / "plant/gemel.sqlite"
    with sqlite3.connect(database) as connection:
        (body,) = connection.execute("SELECT body FROM journal_block ORDER BY sequence DESC LIMIT 1").fetchone()
        broken = bytes([body[-1] ^ 1])
        connection.execute("UPDATE journal_block SET body = ? WHERE body = ?", (body[:-1] + broken, body))
    connection.close()
    done = CliRunner().invoke(app, ["--at", str(tmp_path / "plant"), "verify"])
    assert done.exit_code == 1


def test_a_plant_is_for_its_user_alone(gemel, tmp_path):
    gemel("apply", "plant.yaml")
    assert (tmp_path / "plant").stat().st_mode & 0o077 == 0
    (tmp_path / "plant").chmod(0o755)  # as somebody made it by hand
    held = Folder.take(tmp_path / "plant")
    try:
        held.announce(url="http://127.0.0.1:1", token="of this user")
        assert (tmp_path / "plant").stat().st_mode & 0o077 == 0
        (note,) = [path for path in (tmp_path / "plant").glob("*.*") if b"of this user" in path.read_bytes()]
        assert note.stat().st_mode & 0o077 == 0
    finally:
        held.release()


def test_global_options_may_come_last():
    assert hoisted(["now", "press-7", "--json", "--at", "x", "--token=t"]) == [
        "--json",
        "--at",
        "x",
        "--token=t",
        "now",
        "press-7",
    ]
    assert hoisted(["query", "--", "--json"]) == ["query", "--", "--json"]


def test_answers_for_programs_tell_times_and_qualities_as_every_edge_does(gemel):
    gemel("apply", "plant.yaml")
    gemel("write", "press-7", "oil_temperature", "50", "--time", "2026-01-01T00:00:00Z")
    told = json.loads(gemel("--json", "now", "press-7"))["oil_temperature"]
    assert (told["time"], told["quality"]) == ("2026-01-01T00:00:00Z", "good")


def test_a_property_that_told_nothing_yet_is_not_an_unknown_one(gemel):
    gemel("apply", "plant.yaml")
    with pytest.raises(NotFound, match="not told its oil_temperature yet"):
        gemel("now", "press-7", "oil_temperature")
    with pytest.raises(UnknownProperty, match="no property 'pressure'"):
        gemel("now", "press-7", "pressure")


def test_an_order_that_waits_for_another_person_says_so(gemel, tmp_path):
    gemel("apply", "plant.yaml")
    (tmp_path / "press.yaml").write_text("""
gemel: 1
types:
  - {id: press, title: Press, properties: [{name: oil_temperature, unit: Cel}], commands: [{name: open}],
     control: {two_persons: [open]}}
connectors:
  - {id: wire, kind: http,
     bindings: [{address: "http://127.0.0.1:9/open", twin: press-7, property: open, direction: out}]}
""")
    gemel("apply", "press.yaml")
    with open_plant(tmp_path / "plant") as platform, Server(platform, port=0) as server:
        platform.folder.announce(url=server.url, token=platform.gate.tokens.local())
        assert "requested" in gemel("command", "press-7", "open", "--wait", "0")
        assert "waits for approval" in " ".join(gemel("orders").split())
