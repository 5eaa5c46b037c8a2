"""Computed properties over HTTP: lineage, the past anew, deviation; nobody sees inputs by a side door."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from gemel.access import Action, Selector
from gemel.platform import Platform
from gemel.server import Server
from gemel.twin import PropertyGroup

PLANT = """
gemel: 1
types:
  - id: pump
    properties:
      - {name: power, unit: kW, group: process}
      - {name: estimate, unit: kW, group: process}
      - {name: doubled, unit: kW, group: process, computed: {expression: power * 2}}
  - id: station
    properties: [{name: power, unit: kW, group: process, computed: {expression: sum(parts.power)}}]
twins:
  - {id: station-1, types: [station]}
  - {id: pump-1, types: [pump], part_of: station-1}
  - {id: pump-2, types: [pump], part_of: station-1}
"""
LINEAGE = "/api/v1/twins/station-1/properties/power/lineage"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with Platform.open(tmp_path_factory.mktemp("computed")) as platform:
        platform.apply(PLANT)
        for pump, power in (("pump-1", 2.0), ("pump-2", 3.0)):
            platform.write(pump, "power", power)
            position = platform.write(pump, "estimate", power + 1)
        assert platform.computation.wait(position, 120)
        yield platform


def test_lineage_tells_the_inputs_and_what_made_them(admin: httpx.Client) -> None:
    found = admin.get(LINEAGE).json()
    assert (found["value"], found["expression"], found["version"], found["hidden"]) == (5.0, "sum(parts.power)", 1, 0)
    assert {(one["twin"], one["value"], one["unit"]) for one in found["inputs"]} == {
        ("pump-1", 2.0, "kW"),
        ("pump-2", 3.0, "kW"),
    }
    assert admin.get(LINEAGE, params={"at": "2020-01-01T00:00:00Z"}).status_code == 404
    assert admin.get("/api/v1/twins/pump-1/properties/power/lineage").json()["code"] == "invalid-input"


@pytest.fixture(scope="module")
def reader(platform: Platform, server: Server) -> Iterator[httpx.Client]:
    """A program of another party, which sees the station and one of its pumps."""
    gate = platform.gate
    gate.parties.add("a", "A Ltd")
    gate.grant("party:a", [Action.READ], Selector(twins=("station-1",)), groups=[PropertyGroup.PROCESS])
    account = gate.accounts.add("reader of a", None, None, party="a", kind="service")
    _, token = gate.tokens.add("reader of a", None, owner=account.id)
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:
        yield client


def test_inputs_that_somebody_may_not_see_are_only_counted(platform: Platform, reader: httpx.Client) -> None:
    found = reader.get(LINEAGE).json()
    told = [one["twin"] for one in found["inputs"]]
    seen = [id for id in ("pump-1", "pump-2") if reader.get(f"/api/v1/twins/{id}").status_code == 200]
    assert (found["value"], sorted(told), found["hidden"]) == (5.0, seen, 2 - len(seen))
    platform.apply(PLANT.replace("twins:\n", "twins:\n  - {id: pump-3, types: [pump]}\n"))
    assert reader.get("/api/v1/twins/pump-3/properties/doubled/lineage").status_code == 404
    compared = {"simple": "power", "detailed": "pump-3:power"}
    assert reader.get("/api/v1/twins/station-1/deviation", params=compared).status_code == 404


def test_the_past_is_computed_anew_by_an_engineer_only(as_role: Callable[[str], httpx.Client]) -> None:
    address = "/api/v1/types/pump/properties/doubled/redo"
    body = {"start": "2026-01-01T00:00:00Z", "twins": ["pump-1", "pump-2"]}
    assert as_role("operator").post(address, json=body).status_code == 403
    done = as_role("engineer").post(address, json=body)
    assert done.status_code == 200
    assert (done.json()["values"], done.json()["twins"]) == (2, 2)
    refused = as_role("engineer").post("/api/v1/types/pump/properties/power/redo", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-input")
    late = as_role("engineer").post(address, json={**body, "end": "2025-01-01T00:00:00Z"})
    assert late.json()["code"] == "invalid-query"


def test_a_deviation_and_how_the_computation_stands(admin: httpx.Client, platform: Platform) -> None:
    asked = {"simple": "estimate", "detailed": "power", "bound": 0.5}
    found = admin.get("/api/v1/twins/pump-1/deviation", params=asked).json()
    assert (found["bias"], found["rmse"], found["largest"], found["within"], found["unit"]) == (
        1.0,
        1.0,
        1.0,
        0.0,
        "kW",
    )
    assert platform.computation.wait(platform.position, 60)
    standing = admin.get("/api/v1/computation").json()
    assert (standing["properties"], standing["broken"], standing["error"]) == (2, {}, "")
    assert admin.put("/api/v1/twins/pump-1/now/doubled", json={"value": 1}).json()["code"] == "invalid-value"


def test_a_type_that_cannot_be_computed_is_refused_with_the_place(admin: httpx.Client) -> None:
    computed = {"name": "twice", "computed": {"expression": "powr * 2"}}
    answer = admin.put("/api/v1/types/meter", json={"id": "meter", "properties": [{"name": "power"}, computed]})
    assert answer.status_code == 422
    (problem,) = answer.json()["problems"]
    assert problem["field"] == "properties[1].computed.expression"
    assert "did you mean power?" in problem["message"]
