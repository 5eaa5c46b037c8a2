"""Entanglement over HTTP and in the command line: what the caller may see, and no more."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from typer.testing import CliRunner

import gemel
from gemel.access import Action, Role, Selector
from gemel.cli import app
from gemel.platform import Platform
from gemel.server import Server
from gemel.twin import PropertyGroup
from tests.entanglement.conftest import PLANT

API = "/api/v1"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with gemel.open(tmp_path_factory.mktemp("http") / "plant") as platform:
        platform.apply(PLANT)
        platform.write("press-7", "note", "first")
        platform.write("press-8", "note", "second")
        yield platform


@pytest.fixture(scope="module")
def server(platform: Platform) -> Iterator[Server]:
    with Server(platform, port=0) as running:
        yield running


@pytest.fixture(scope="module")
def token(platform: Platform) -> str:
    return platform.gate.tokens.add("engineer", Role.ENGINEER)[1]


@pytest.fixture
def caller(server: Server, token: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        yield client


def test_a_twin_is_told_property_by_property(caller: httpx.Client):
    found = caller.get(f"{API}/twins/press-7/entanglement").raise_for_status().json()
    ties = {tie["property"]: tie for tie in found["properties"]}
    assert ties["note"]["level"] == "shadow"
    assert ties["temperature"]["declared"]["sources"] == ["line"]
    assert ties["temperature"]["why"] == "nothing was ever reported of it"
    assert found["summary"]["twin"] == "press-7"
    assert found["summary"]["levels"]["shadow"] == 1


def test_the_shop_is_filtered_and_paged(caller: httpx.Client):
    both = caller.get(f"{API}/entanglement", params={"type": "press"}).raise_for_status().json()
    assert [one["twin"] for one in both["items"]] == ["press-7", "press-8"]
    assert both["shop"]["levels"]["shadow"] >= 2
    page = caller.get(f"{API}/entanglement", params={"type": "press", "limit": 1}).json()
    assert ([one["twin"] for one in page["items"]], page["next"] is not None) == (["press-7"], True)
    assert caller.get(f"{API}/entanglement", params={"broken": True, "type": "press"}).json()["items"] == []
    refused = caller.get(f"{API}/entanglement", params={"level": "ghost"})
    assert (refused.status_code, "model, shadow, twin" in refused.json()["detail"]) == (422, True)


def test_a_value_is_entered_and_its_past_is_told(caller: httpx.Client):
    entered = caller.post(f"{API}/twins/press-8/properties/oil_level/entries", json={"value": 61.5})
    assert (entered.status_code, entered.json()["accepted"]) == (201, 1)
    tie = next(
        one
        for one in caller.get(f"{API}/twins/press-8/entanglement").json()["properties"]
        if one["property"] == "oil_level"
    )
    assert (tie["inward"], tie["entered"] is not None, tie["entered_by"] != "") == ("manual", True, True)
    past = caller.get(f"{API}/twins/press-8/properties/oil_level/entanglement").raise_for_status().json()
    assert (past["received"], past["levels"][-1]["level"]) == (1, "model")
    refused = caller.post(f"{API}/twins/press-8/properties/oil_level/entries", json={"value": "full"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-value")


def test_an_instruction_is_shown_and_confirmed(caller: httpx.Client, platform: Platform):
    order = caller.put(f"{API}/twins/press-7/properties/oil_level/desired", json={"value": 70}).json()
    platform.commander.reached(order["id"], {"delivered"}).result(60)
    shown = caller.get(f"{API}/instructions", params={"twin": "press-7"}).json()
    assert [(one["order"]["id"], one["where"]) for one in shown] == [(order["id"], "the sight glass")]
    done = caller.post(f"{API}/orders/{order['id']}/confirm", json={"note": "topped up"})
    assert (done.status_code, done.json()["state"] in ("acknowledged", "applied")) == (200, True)
    assert caller.get(f"{API}/orders/{order['id']}", params={"wait": 40}).json()["state"] == "applied"
    assert caller.post(f"{API}/orders/{order['id']}/decline", json={}).status_code == 409
    assert caller.get(f"{API}/instructions").json() == []


def test_another_party_is_told_only_of_what_is_granted(platform: Platform, server: Server):
    gate = platform.gate
    gate.parties.add("a", "A Ltd")
    gate.grant("party:a", [Action.READ, Action.QUERY], Selector(twins=("press-8",)), groups=[PropertyGroup.PROCESS])
    account = gate.accounts.add("reader of a", None, None, party="a", kind="service")
    _, secret = gate.tokens.add("reader of a", None, owner=account.id)
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {secret}"}, timeout=60) as other:
        assert other.get(f"{API}/twins/press-7/entanglement").status_code == 404
        told = other.get(f"{API}/twins/press-8/entanglement").raise_for_status().json()["properties"]
        assert {(one["entered_by"], *one["declared"]["sources"]) for one in told} == {("",)}, (
            "no names of people, connectors"
        )
        found = other.get(f"{API}/entanglement").raise_for_status().json()
        assert [one["twin"] for one in found["items"]] == ["press-8"]
        assert found["shop"]["twins"] == 1
        rows = other.post(f"{API}/query", json={"sql": "SELECT DISTINCT twin FROM entanglement"}).json()["rows"]
        assert rows == [["press-8"]]
        assert other.get(f"{API}/instructions").json() == []


def test_the_command_line_tells_the_same(server: Server, token: str):
    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["--at", server.url, "--token", token, *arguments], env={"COLUMNS": "200"})
        assert done.exit_code == 0, done.output
        return done.stdout

    assert "press-7" in run("entanglement")
    assert json.loads(run("--json", "entanglement", "press-7"))["summary"]["twin"] == "press-7"
    assert "readings" in run("entanglement", "press-7", "note", "--from", "1h")
    assert "entered by you" in run("enter", "press-7", "oil_level", "64")
    assert "Nothing waits for a person" in run("instructions")
