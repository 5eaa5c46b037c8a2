"""`gemel witness`, `gemel proof` and `gemel verify --witness`, as a person and as a program uses them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from gemel.cli import app
from gemel.errors import NotYet
from tests.witness.conftest import Pair, rewrite

Run = Callable[..., Result]


@pytest.fixture
def run(pair: Pair) -> Run:
    """A command of Acme's people, on its server."""
    runner = CliRunner()

    def ran(*arguments: str) -> Result:
        token = pair.a.platform.gate.tokens.local()
        return runner.invoke(app, ["--at", pair.a.server.url, "--token", token, *arguments])

    return ran


def test_what_people_see_of_their_peers_and_what_they_hand_on(pair: Pair, run: Run, tmp_path: Path) -> None:
    assert run("witness", "key").stdout.strip() == pair.a.key
    told = run("witness", "status")
    assert told.exit_code == 0
    assert "signs as acme.example/shop" in told.stdout
    assert "bolt.example/works" in told.stdout
    position = pair.a.works()
    refused = run("proof", str(position))
    assert isinstance(refused.exception, NotYet)
    pair.b.looks()
    checked = run("witness", "check")
    assert checked.exit_code == 0, checked.output
    assert "it holds our journal up to" in checked.stdout
    proof = run("proof", str(position), "--to", str(tmp_path / "proof.json"))
    assert "1 reading of press-7.force" in proof.stdout.replace("\n", "")
    assert json.loads((tmp_path / "proof.json").read_text())["form"] == "gemel.proof.1"
    verified = run("verify", "--witness")
    assert verified.exit_code == 0, verified.output
    assert "bolt.example/works holds it up to" in verified.stdout
    assert json.loads(run("--json", "verify", "--witness").stdout)["together"]["ok"] is True
    assert "signs with a new key" in run("witness", "rotate").stdout
    assert run("witness", "key").stdout.strip() == pair.a.key


def test_what_is_wrong_is_told_with_the_way_out_until_it_is_accepted(pair: Pair, run: Run) -> None:
    pair.a.works(10)
    pair.b.looks()
    pair.a.looks()
    pair.a.stop()
    rewrite(pair.a.folder, 6)
    pair.a.start()
    pair.a.works()
    pair.b.looks()
    found = run("witness", "check")
    assert found.exit_code == 1
    words = " ".join(found.stdout.split())
    assert "bolt.example/works says:" in words
    assert "its past was changed" in words
    verified = run("verify", "--witness")
    assert verified.exit_code == 1
    assert "another past" in " ".join(verified.stdout.split())
    nothing = run("witness", "accept", "nobody", "--reason", "it is known")
    assert nothing.exit_code == 1
