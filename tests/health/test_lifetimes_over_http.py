"""Lifetimes over HTTP, in the client and on the command line; and what another party is told of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import polars as pl
import pytest
from typer.testing import CliRunner

import gemel
from gemel.access import Action, Selector
from gemel.cli import app
from gemel.clock import SteppedClock
from gemel.configuration import ItemSpec
from gemel.platform import Platform
from gemel.server import Server
from tests.health.fleet import build, on
from tests.server.test_server_parties import token_of

PLANT = """
gemel: 1
types: [{id: mill}]
twins: [{id: ours, types: [mill]}, {id: theirs, types: [mill]}]
"""
FORMULA = '=HYPERLINK("http://else.where","a")'
DRAFT = {"id": "pumps", "asked": {"parts": ["PUMP"], "counter": "days"}, "horizon": 50.0, "features": ["revision"]}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    clock = SteppedClock(on(300))
    with Platform.open(tmp_path_factory.mktemp("lifetimes-http"), clock=clock, run_connectors=False) as platform:
        platform.apply(PLANT)
        made = platform.configuration
        build(made, pumps=40, days=300, median_days={"A": 150.0, "B": 75.0}, shape=2.0, seed=1)
        for twin, pump in (("theirs", "PUMP-T"), ("ours", "PUMP-O")):
            made.create(ItemSpec(id=twin.upper(), part="MILL", twin=twin), on(1))
            made.create(ItemSpec(id=pump, part="PUMP", revision="A"), on(100))
            made.install(pump, twin.upper(), "pump", on(100))
        made.create(ItemSpec(id="PUMP-X", part="PUMP", revision="A", serial=FORMULA), on(100))
        made.install("PUMP-X", "OURS", "spare", on(100))
        made.remove("PUMP-X", on(200), to=("THEIRS", "spare"))
        platform.gate.parties.add("a", "A Ltd")
        platform.gate.grant(
            "party:a", [Action.READ, Action.EXPORT], Selector(twins=("theirs",)), groups=["configuration", "usage"]
        )
        yield platform


@pytest.fixture(scope="module")
def server(platform: Platform) -> Iterator[Server]:
    with Server(platform, port=0) as server:
        yield server


def http(server: Server, secret: str) -> httpx.Client:
    return httpx.Client(base_url=f"{server.url}/api/v1", headers={"Authorization": f"Bearer {secret}"}, timeout=120)


@pytest.fixture(scope="module")
def secret(platform: Platform) -> str:
    return platform.gate.tokens.add("engineer", "engineer")[1]


@pytest.fixture(scope="module")
def engineer(platform: Platform, server: Server, secret: str) -> Iterator[httpx.Client]:
    with http(server, secret) as made, gemel.connect(server.url, token=secret) as client:
        client.lifetimes.train(DRAFT)
        yield made


@pytest.fixture(scope="module")
def party(platform: Platform, server: Server) -> Iterator[httpx.Client]:
    with http(server, token_of(platform, "a", "reader of a")) as made:
        yield made


def test_the_table_comes_as_rows_and_as_files_for_any_tool(engineer: httpx.Client, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"part": "PUMP", "counter": "hours"}
    rows = engineer.get("/lifetimes/lives", params=asked).json()
    assert rows["total"] == len(rows["items"]) == 43
    assert rows["items"][0]["begin"].endswith("Z")
    for form, read in (("parquet", pd.read_parquet), ("csv", pd.read_csv)):
        path = tmp_path / f"lives.{form}"
        path.write_bytes(engineer.get("/lifetimes/lives", params=asked | {"format": form}).content)
        assert len(read(path)) == 43
    told = pd.read_csv(path)
    assert set(told[told["item"] == "PUMP-X"]["serial"]) == {f"'{FORMULA}"}  # no spreadsheet runs what others wrote
    assert told["begin"].str.endswith("Z").all()
    arrow = engineer.get("/lifetimes/lives", params=asked | {"format": "arrow"}).content
    assert pl.read_ipc_stream(arrow)["ended"].value_counts().height == 2
    assert engineer.get("/lifetimes/lives", params=asked | {"format": "xml"}).status_code == 422


def test_a_model_tells_how_good_it_is_with_the_configuration_and_without(
    engineer: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gemel.server.routes.lifetimes.QUICK_S", 60.0)  # a busy machine takes longer than two
    (brief,) = engineer.get("/lifetimes/models").json()
    model = engineer.get("/lifetimes/models/pumps").json()
    assert brief["failures"] == model["failures"] > 20
    assert model["trained"].endswith("Z")
    assert model["plots"][0]["level"] == ""
    assert [one["feature"] for one in model["effects"]] == ["revision"]
    missing = engineer.get("/lifetimes/models/none")
    assert (missing.status_code, missing.json()["code"]) == (404, "not-found")
    wrong = engineer.post("/lifetimes/models", json=DRAFT | {"horizon": -1})
    assert (wrong.status_code, "more than 0" in wrong.json()["detail"]) == (422, True)


def test_an_item_is_told_its_risk_and_it_is_kept_with_its_position(engineer: httpx.Client) -> None:
    told = engineer.get("/items/PUMP-T/prediction").json()
    assert 0 < told["low"] < told["probability"] < told["high"] < 1
    assert told["fails"].endswith("Z")
    assert told["pace"]["per_day"] == 1.0
    assert told["age"] == 200.0
    assert engineer.post("/lifetimes/models/pumps/predictions").json()["recorded"] > 0
    (kept,) = engineer.get("/items/PUMP-T/predictions").json()
    assert (kept["outcome"], kept["probability"]) == ("open", pytest.approx(told["probability"]))
    assert kept["position"] > 0
    assert engineer.get("/lifetimes/models/pumps/calibration").json()["open"] > 0
    assert engineer.get("/items/NONE/prediction").status_code == 404


def test_a_party_is_told_of_lives_that_it_saw_from_end_to_end_and_of_no_model(
    engineer: httpx.Client, party: httpx.Client
) -> None:
    lives = party.get("/lifetimes/lives", params={"part": "PUMP"}).json()
    assert [row["item"] for row in lives["items"]] == ["PUMP-T"]  # PUMP-X was elsewhere before
    risks = party.get("/lifetimes/risks").json()
    assert ([one["item"] for one in risks["items"]], risks["total"], risks["why"]) == (["PUMP-T"], 1, "")
    told = party.get("/items/PUMP-T/prediction").json()
    assert told["probability"] == pytest.approx(engineer.get("/items/PUMP-T/prediction").json()["probability"])
    assert (told["failures"], told["lives"], told["influences"]) == (None, None, [])
    assert party.get("/items/PUMP-O/prediction").status_code == 404
    assert party.get("/lifetimes/risks", params={"root": "OURS"}).status_code == 404
    for path in ("/lifetimes/models", "/lifetimes/models/pumps", "/lifetimes/models/pumps/calibration"):
        answer = party.get(path)
        assert (answer.status_code, answer.json()["code"]) == (403, "denied"), path
    assert party.post("/lifetimes/models", json=DRAFT).status_code == 403


def test_the_command_line_says_the_same(engineer: httpx.Client, server: Server, secret: str, tmp_path: Path) -> None:
    def gemel_(*arguments: str) -> Any:
        known = ["--at", server.url, "--token", secret, "--json", "lifetimes", *arguments]
        found = CliRunner().invoke(app, known, catch_exceptions=False)
        assert found.exit_code == 0, found.output
        return json.loads(found.stdout)

    assert len(gemel_("lives", "PUMP")) == 43
    out = tmp_path / "lives.parquet"
    assert gemel_("lives", "PUMP", "--out", str(out))["bytes"] == out.stat().st_size
    assert gemel_("models")[0]["id"] == "pumps"
    assert gemel_("model", "pumps")["features"] == ["revision"]
    assert gemel_("risks", "--model", "pumps", "--root", "THEIRS")["items"][0]["item"] in {"PUMP-T", "PUMP-X"}
    assert gemel_("predict", "PUMP-T")["item"] == "PUMP-T"
    assert gemel_("calibration", "pumps")["model"] == "pumps"
    shown = CliRunner().invoke(app, ["--at", server.url, "--token", secret, "lifetimes", "predict", "PUMP-T"])
    assert "fails within 50 days" in shown.output
