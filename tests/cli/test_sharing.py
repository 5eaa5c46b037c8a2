"""Sharing on the command line: look at what would be seen, begin with a usual grant, take it back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import gemel
from gemel.cli import app
from gemel.errors import InvalidInput

PLANT = """
gemel: 1
types:
  - id: press
    properties:
      - {name: vibration, unit: mm/s, group: condition}
      - {name: recipe, kind: text, group: process}
twins: [{id: press-7, types: [press]}]
"""


@pytest.fixture
def plant(tmp_path: Path) -> str:
    folder = tmp_path / "plant"
    with gemel.open(folder) as platform:
        platform.apply(PLANT)
        platform.gate.parties.add("swift", "Swift Ltd")
    return str(folder)


def run(plant: str, *words: str) -> str:
    done = CliRunner().invoke(app, ["--at", plant, *words])
    assert done.exit_code == 0, done.output
    return done.output


def test_a_usual_grant_is_looked_at_and_then_made(plant: str) -> None:
    asked = ("grants", "add", "party:swift", "--twin", "press-7", "--template", "service")
    shown = run(plant, *asked, "--dry-run")
    assert "1 twins: press-7 and parts" in shown
    assert "vibration" in shown
    assert "process" in shown
    made = json.loads(run(plant, "--json", *asked, "--history", "7d"))
    assert (made["groups"], made["history"]) == (["identity", "configuration", "condition", "usage"], "604800s")
    assert made["ends"] is not None


def test_a_template_that_is_not_there_is_refused_with_those_that_are(plant: str) -> None:
    done = CliRunner().invoke(app, ["--at", plant, "grants", "add", "party:swift", "--twin", "x", "--template", "no"])
    assert isinstance(done.exception, InvalidInput)
    assert "use service, maker, supplier" in done.exception.detail


def test_a_program_of_a_party_has_an_account_and_a_token_of_its_own(plant: str) -> None:
    run(plant, "grants", "add", "party:swift", "--twin", "press-7", "--group", "condition", "--days", "1")
    assert "is a service" in run(plant, "users", "add-service", "swift dashboard", "--party", "swift")
    made = json.loads(run(plant, "--json", "tokens", "add", "dash", "--owner", "swift dashboard"))
    shown = json.loads(run(plant, "--json", "users", "list"))
    rows = shown if isinstance(shown, list) else shown["items"]
    kept = {row["id"]: (row["name"], row["kind"], row["party"]) for row in rows}
    assert kept[made["owner"]] == ("swift dashboard", "service", "swift")
    with gemel.open(plant) as platform:
        assert platform.gate.tokens.principal(made["secret"]).party == "swift"
