"""Orders from a terminal."""

import json

import pytest
from typer.testing import CliRunner

from gemel.access import Role
from gemel.cli import app
from gemel.errors import Conflict, InvalidInput


@pytest.fixture
def gemel(server, platform):
    token = platform.gate.tokens.add("terminal", Role.OPERATOR)[1]
    runner = CliRunner()

    def run(*arguments, exit_code=0):
        done = runner.invoke(app, ["--at", server.url, "--token", token, *arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == exit_code, done.output
        return done.stdout

    return run


def test_a_command_says_what_became_of_it(gemel, skid):
    assert "applied pump-1.start cycle=42" in gemel("command", "pump-1", "start", "ramp=0.05@min")
    assert skid.calls == [("Start", (3.0,))]


def test_a_value_is_set_and_listed(gemel, skid):
    assert "applied pump-1.batch" in gemel("set", "pump-1", "batch", "12")
    listed = gemel("orders", "--twin", "pump-1", "--limit", "1")
    assert "batch = 12" in listed
    order = json.loads(gemel("--json", "orders", "--limit", "1"))[0]
    assert "acknowledged" in gemel("orders", "show", order["id"])


def test_what_was_not_applied_is_an_exit_code_and_a_way_out(gemel, skid):
    told = gemel("command", "pump-1", "start", "ramp=58", exit_code=3)
    assert "unknown pump-1.start" in told
    order = json.loads(gemel("--json", "orders", "--state", "unknown"))[0]["id"]
    assert "refused" in gemel("orders", "resolve", order, "--not-applied", "--note", "I looked")


def test_control_is_taken_shown_and_given_up(gemel, skid):
    assert "you have control of pump-1" in gemel("control", "take", "pump-1", "--for", "60")
    assert "(you)" in gemel("control", "show", "pump-1")
    gemel("control", "release", "pump-1")
    assert "nobody" in gemel("control", "show", "pump-1")


def test_inputs_are_written_as_name_and_value(gemel, skid):
    with pytest.raises(InvalidInput, match="is not INPUT=VALUE"):
        gemel("command", "pump-1", "start", "ramp")


def test_on_a_folder_that_nobody_serves_nothing_is_sent(tmp_path):
    from gemel import open as open_plant

    with open_plant(tmp_path / "plant", run_connectors=False) as still:
        still.apply("gemel: 1\ntypes: [{id: a, commands: [{name: go}]}]\ntwins: [{id: b, types: [a]}]")
        with pytest.raises(Conflict, match="start `gemel serve`"):
            still.command("b", "go")
