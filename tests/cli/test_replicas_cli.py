"""`gemel replica` and `gemel edge status`, as a person and as a program uses them."""

import json

import pytest
from typer.testing import CliRunner

from gemel.cli import app
from gemel.errors import NotFound
from gemel.platform import Platform
from gemel.server import Server
from tests.edge.conftest import PLANT, count, edge_folder, level


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_copy_says_how_it_is_and_an_edge_node_how_it_stands(tmp_path):
    with Platform.open(tmp_path / "upstream") as upstream, Server(upstream, port=0) as server:
        token = upstream.gate.tokens.add("hall 3", "engineer")[1]
        access = ("--at", server.url, "--token", token)
        folder = edge_folder(tmp_path / "edge", server.url, token)
        with Platform.open(folder) as edge, Server(edge, port=0) as of_edge:
            edge.apply(PLANT)
            level(edge, count(edge, 0, 10))
            at_edge = ("--at", of_edge.url, "--token", edge.gate.tokens.local())
            assert "to http://127.0.0.1" in run(*at_edge, "edge", "status")
            assert json.loads(run(*at_edge, "--json", "edge", "status"))["name"] == "hall-3"
        told = json.loads(run(*access, "--json", "replica", "press-1", "--once", "--folder", str(tmp_path / "copy")))
        assert (told["twins"], told["checked"] > 0, told["mended"]) == (1, True, 0)
        assert "the same at the platform" in run(*access, "replica", "--type", "press", "--property", "count", "--once")
        with pytest.raises(NotFound, match="is no edge node"):
            run(*access, "edge", "status")
