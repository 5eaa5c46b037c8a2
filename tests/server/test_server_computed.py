"""Computed properties over HTTP: lineage, the past anew, deviation; nobody sees inputs by a side door."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gemel.access import Action, Selector
from gemel.clock import SteppedClock
from gemel.errors import Overloaded
from gemel.platform import Platform
from gemel.server import Server
from gemel.server.jobs import AT_ONCE, WAITING, Jobs
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
    assert (found["value"], found["expression"], found["version"]) == (5.0, "sum(parts.power)", 1)
    assert found["hidden"] is False
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
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        yield client


def test_inputs_that_somebody_may_not_see_are_only_counted(platform: Platform, reader: httpx.Client) -> None:
    found = reader.get(LINEAGE).json()
    told = [one["twin"] for one in found["inputs"]]
    seen = [id for id in ("pump-1", "pump-2") if reader.get(f"/api/v1/twins/{id}").status_code == 200]
    assert (found["value"], sorted(told), found["hidden"]) == (5.0, seen, len(seen) < 2)
    platform.apply(PLANT.replace("twins:\n", "twins:\n  - {id: pump-3, types: [pump]}\n"))
    assert reader.get("/api/v1/twins/pump-3/properties/doubled/lineage").status_code == 404
    compared = {"simple": "power", "detailed": "pump-3:power"}
    assert reader.get("/api/v1/twins/station-1/deviation", params=compared).status_code == 404


def test_the_past_is_computed_anew_by_an_engineer_only(
    as_role: Callable[[str], httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gemel.server.routes.computing.QUICK_S", 60.0)  # a busy machine takes longer than two
    address = "/api/v1/types/pump/properties/doubled/redo"
    body = {"start": "2026-01-01T00:00:00Z", "twins": ["pump-1", "pump-2"]}
    assert as_role("operator").post(address, json=body).status_code == 403
    done = as_role("engineer").post(address, json=body)
    assert done.status_code == 200
    job = done.json()
    assert (job["state"], job["part"]) == ("done", 1.0)
    assert (job["result"]["values"], job["result"]["twins"], job["result"]["before"]) == (2, 2, [])
    assert as_role("engineer").get(done.headers["location"]).json() == job
    assert job["id"] in [one["id"] for one in as_role("engineer").get("/api/v1/jobs").json()]
    assert as_role("operator").get(done.headers["location"]).status_code == 403
    over = as_role("engineer").delete(done.headers["location"])
    assert (over.status_code, over.json()["code"]) == (409, "conflict")
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


def test_what_lasts_is_a_job_that_can_be_looked_at_and_ended(
    platform: Platform, server: Server, as_role: Callable[[str], httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def lasting(*_: Any, progress: Callable[[float], None], **__: Any) -> None:
        progress(0.25)
        begun.set()
        assert go_on.wait(60)
        progress(0.5)

    monkeypatch.setattr(platform.computation, "redo", lasting)
    address, body = "/api/v1/types/pump/properties/doubled/redo", {"start": "2026-01-01T00:00:00Z"}
    answer = as_role("engineer").post(address, json=body)
    assert begun.wait(60)
    assert answer.status_code == 202
    place = answer.headers["location"]
    job = as_role("engineer").get(place).json()
    assert (job["state"], job["part"], job["about"]) == ("running", 0.25, "pump.doubled")
    assert as_role("engineer").delete(place).status_code == 200
    go_on.set()
    ended = as_role("engineer").get(place, params={"wait_s": 20}).json()
    assert (ended["state"], ended["result"]) == ("cancelled", None)
    assert as_role("engineer").get("/api/v1/jobs/nobody").status_code == 404


def test_too_many_jobs_are_refused_and_closing_ends_what_runs(tmp_path: Path) -> None:
    jobs, go_on = Jobs(SteppedClock(), tmp_path), threading.Event()

    def lasting(progress: Callable[[float], None]) -> None:
        assert go_on.wait(60)
        progress(0.5)

    begun = [jobs.start("redo", "a.b", lasting, actor="user-a") for _ in range(AT_ONCE + WAITING)]
    with pytest.raises(Overloaded, match="jobs wait already"):
        jobs.start("redo", "a.b", lasting, actor="user-a")
    go_on.set()
    jobs.close()
    assert {job.state for job in jobs.all()} <= {"cancelled", "done", "waiting"}
    assert len(jobs.all()) == len(begun)


def test_what_a_server_did_not_end_is_told_by_the_next_one(tmp_path: Path) -> None:
    jobs, go_on = Jobs(SteppedClock(), tmp_path), threading.Event()

    def lasting(progress: Callable[[float], None]) -> None:
        assert go_on.wait(60)
        progress(0.5)

    done = jobs.start("redo", "a.b", lambda _: 1, actor="user-a")
    assert jobs.get(done.id, wait_s=60).state == "done"
    begun = jobs.start("import", "a.yaml", lasting, actor="user-a")
    killed = Jobs(SteppedClock(), tmp_path)  # as a process that begins while nobody closed the first one
    go_on.set()
    jobs.close()
    (told,) = killed.all()
    assert (told.id, told.state, told.actor) == (begun.id, "failed", "user-a")
    assert "broken off" in told.error
    assert told.ended is not None
    killed.close()
