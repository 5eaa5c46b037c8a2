"""One machine and all machines over HTTP: what is worn, missing, planned, inspected; the parts book; lives."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from gemel.access import Action, Selector
from gemel.platform import Platform
from gemel.server import Server
from tests.configuration.conftest import day
from tests.server.test_server_items import said
from tests.server.test_server_parties import token_of

PLANT = """
types:
  - {id: machine, slots: [{name: pump, type: pump}], properties: [{name: speed}]}
  - {id: pump, properties: [{name: vibration, unit: mm/s, group: condition}, {name: fault, kind: condition}]}
twins:
  - {id: m1, types: [machine]}
  - {id: m1.pump, types: [pump], part_of: {twin: m1, slot: pump}}
  - {id: m2, types: [machine]}
  - {id: m2.pump, types: [pump], part_of: {twin: m2, slot: pump}}
"""
BOOK = """
parts:
  - part: MILL
    slots: [{slot: pump, mandatory: true}, {slot: guard, mandatory: true, safety: true}]
    rules: [{slot: pump, part: P-7}]
  - {part: P-7, revisions: [{revision: Z}, {revision: AA}], limits: [{kind: hours, limit: 1000}]}
"""
FIRST = [
    *(said("create", at=day(1, 1), spec={"id": f"M{n}", "part": "MILL", "twin": f"m{n}"}) for n in (1, 2)),
    *(
        said("create", at=day(1, 1), spec={"id": f"P-{n}", "part": "P-7", "serial": str(n), "revision": revision})
        for n, revision in ((1, "Z"), (2, "AA"), (3, "AA"))
    ),
    said("install", child="P-1", parent="M1", slot="pump", at=day(1, 1)),
    said("install", child="P-2", parent="M2", slot="pump", at=day(1, 1)),
    said("use", item="M1", kind="hours", start=day(1, 1), end=day(3, 1), amount=900.0),
]


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, httpx.Client]]:
    with Platform.open(tmp_path_factory.mktemp("machines"), run_connectors=False) as platform:
        platform.apply(PLANT)
        gate = platform.gate
        gate.parties.add("a", "A Ltd")
        groups = ["configuration", "condition", "usage"]
        gate.grant("party:a", [Action.READ, Action.MAINTAIN], Selector(twins=("m1",)), groups=groups)
        gate.parties.add("b", "B Ltd")
        gate.grant("party:b", [Action.READ], Selector(twins=("m1",)), groups=["configuration"])
        secrets = {role: gate.tokens.add(role, role)[1] for role in ("viewer", "operator", "engineer")}
        secrets |= {f"party {one}": token_of(platform, one, f"of {one}") for one in ("a", "b")}
        for twin, month in (("m1.pump", 2), ("m2.pump", 5)):
            platform.write(twin, "vibration", float(month), time=day(month, 20))
            platform.write(twin, "fault", {"code": f"F{month}", "level": "fault"}, time=day(month, 20))
        with Server(platform, port=0) as server:
            made = {
                name: httpx.Client(
                    base_url=f"{server.url}/api/v1", headers={"Authorization": f"Bearer {secret}"}, timeout=60
                )
                for name, secret in secrets.items()
            }
            assert made["engineer"].put("/parts", content=BOOK).json()["empty"] is False
            done = made["operator"].post("/operations", json=[{"operation": one} for one in FIRST]).json()
            assert [one["problem"] for one in done] == [None] * len(FIRST)
            yield made
            for client in made.values():
                client.close()


def test_the_book_is_applied_with_its_difference_and_remembered(clients: dict[str, httpx.Client]) -> None:
    engineer = clients["engineer"]
    assert engineer.put("/parts", content=BOOK).json()["empty"] is True
    more = BOOK.replace("Z}, ", "Z}, {revision: ZZ}, ")
    assert "ZZ" in engineer.put("/parts", content=more, params={"dry_run": True}).json()["text"]
    assert [one["revision"] for one in engineer.get("/parts/P-7").json()["revisions"]] == ["Z", "AA"]
    assert [one["part"] for one in engineer.get("/parts", params={"q": "mil"}).json()["items"]] == ["MILL"]
    assert engineer.get("/parts/P-7/where-used").json() == [
        {"part": "MILL", "maker": "", "slot": "pump", "revisions": []}
    ]
    assert len(engineer.get("/parts/P-7/states").json()) == 1
    assert clients["operator"].put("/parts", content=BOOK).status_code == 403
    assert engineer.put("/parts", content="parts: [{part: X, slots: [{}]}]").json()["problems"][0]["line"] == 1
    assert "$defs" in httpx.get(str(engineer.base_url) + "schemas/parts.json").json()


def test_the_book_is_read_as_the_document_that_makes_it(clients: dict[str, httpx.Client]) -> None:
    engineer = clients["engineer"]
    answer = clients["viewer"].get("/parts.yaml")
    assert answer.headers["content-type"].startswith("application/yaml")
    told = engineer.put("/parts", content=answer.content, params={"dry_run": True, "prune": True}).json()
    assert told["empty"] is True
    one = clients["viewer"].get("/parts.yaml", params={"part": "P-7"}).text
    assert "part: P-7" in one
    assert "MILL" not in one
    assert clients["viewer"].get("/parts.yaml", params={"part": "NIX"}).status_code == 404
    assert clients["party a"].get("/parts.yaml").status_code == 403


def test_a_difference_that_was_looked_at_is_applied_only_while_the_book_is_the_same(
    clients: dict[str, httpx.Client],
) -> None:
    engineer, spare = clients["engineer"], "parts: [{part: SPARE}]"
    shown = engineer.put("/parts", content=spare, params={"dry_run": True}).json()
    held = {"If-Match": f'"{shown["revision"]}"'}
    assert engineer.put("/parts", content="parts: [{part: OTHER}]").status_code == 200
    refused = engineer.put("/parts", content=spare, headers=held)
    assert (refused.status_code, refused.json()["code"]) == (412, "revision-conflict")
    assert engineer.get("/parts/SPARE").status_code == 404
    again = engineer.put("/parts", content=spare, params={"dry_run": True}).json()
    assert again["revision"] != shown["revision"]
    held = {"If-Match": f'"{again["revision"]}"'}
    assert engineer.put("/parts", content=spare, headers=held).json()["empty"] is False
    assert engineer.put("/parts", content=BOOK, params={"prune": True}).status_code == 200


def test_what_is_worn_missing_and_unsafe_is_told(clients: dict[str, httpx.Client]) -> None:
    viewer = clients["viewer"]
    (limit,) = viewer.get("/items/P-1/limits", params={"at": "2026-03-01T00:00:00Z"}).json()
    assert (limit["used"], limit["remaining"], limit["root"]) == (900.0, 100.0, "M1")
    left = [one["item"] for one in viewer.get("/remaining", params={"at": "2026-03-01T00:00:00Z"}).json()["items"]]
    assert left[0] == "P-1"
    whole = viewer.get("/items/M1/completeness").json()
    assert (whole["held"], whole["missing"]) == (1, 1)
    assert whole["threatens"]
    assert {one["slot"] for one in viewer.get("/items/M1/findings").json()} >= {"guard"}
    assert [one["path"] for one in viewer.get("/items/M1/sides").json()["slots"]] == [["guard"], ["pump"]]
    assert viewer.get("/items/M1/readiness").json()["root"] == "M1"
    assert viewer.get("/items/NIX/completeness").status_code == 404


def test_machines_are_found_by_what_they_have_in_the_order_of_revisions(clients: dict[str, httpx.Client]) -> None:
    def found(who: str, *having: str, **asked: str) -> list[str]:
        answer = clients[who].get("/configurations", params={"having": having, **asked})
        assert answer.status_code == 200, answer.text
        return [one["root"] for one in answer.json()["items"]]

    assert found("viewer", "P-7:<AA") == ["M1"], "AA comes after Z"
    assert found("viewer", "P-7:>Z") == ["M2", "P-3"]
    assert found("viewer", "MILL", "P-7") == ["M1", "M2"]
    assert found("viewer", "MILL", "P-7", limit="1") == ["M1"]
    assert found("viewer", "P-7:<AA", at="2025-12-01T00:00:00Z") == []
    assert found("party a", "MILL", "P-7") == ["M1"]
    told = clients["party a"].get("/configurations", params={"having": ["MILL"]}).json()
    assert (told["total"], told["next"]) == (1, None), "nothing is said of how many others there are"
    assert clients["viewer"].get("/configurations", params={"having": ["P-7:~C"]}).status_code == 422


def test_a_bulletin_applies_by_serial_number_date_and_content(clients: dict[str, httpx.Client]) -> None:
    bulletin = {"part": "MILL", "having": [{"part": "P-7", "below": "AA"}], "effectivity": {"from": "2026-01-01"}}
    found = clients["viewer"].post("/applicability", json=bulletin).json()
    assert [one["root"] for one in found["items"]] == ["M1"]
    told = {one: clients["viewer"].post(f"/items/{one}/applicability", json=bulletin).json() for one in ("M1", "M2")}
    assert told["M2"]["applies"] is False
    assert told["M2"]["reasons"]
    assert clients["party a"].post("/items/M2/applicability", json=bulletin).status_code == 404


def test_an_inspection_proposes_and_writes_nothing(clients: dict[str, httpx.Client]) -> None:
    operator = clients["operator"]
    seen = [{"parent": "M2", "slot": "pump", "at": "2026-04-01T00:00:00Z", "saw": "item", "part": "P-7", "serial": "3"}]
    found = operator.post("/items/M2/inspect", json={"seen": seen}).json()
    assert [one["slot"] for one in found["differences"]] == ["pump"]
    assert found["operations"][0]["do"] == "swap"
    assert operator.get("/items/M2/tree").json()["parts"][0]["item"]["id"] == "P-2"
    assert clients["viewer"].post("/items/M2/inspect", json={"seen": seen}).status_code == 403


def test_a_plan_is_not_part_of_what_is_until_it_is_carried_out(clients: dict[str, httpx.Client]) -> None:
    operator = clients["operator"]
    swap = said("swap", parent="M1", slot="pump", new="P-3", at=day(4, 1))
    asked = {"operations": [swap], "at": "2026-04-01T00:00:00Z", "title": "Pump", "work_order": "WO-9"}
    plan = operator.post("/plans", json=asked).json()
    assert plan["operations"][0]["at"] == "2026-04-01T00:00:00Z"
    assert operator.get("/items/M1/tree").json()["parts"][0]["item"]["id"] == "P-1"
    marked = operator.get("/items/M1/tree", params={"plans": True}).json()
    assert {one["item"]["id"]: one["planned"] for one in marked["parts"]} == {"P-1": "remove", "P-3": "install"}
    assert clients["party a"].get("/items/M1/plans").json() == [], "it names an item that is not shown"
    assert clients["party a"].get(f"/plans/{plan['number']}").status_code == 404
    (tried,) = operator.post(f"/plans/{plan['number']}/check").json()
    assert tried["outcome"]["act"] == 0
    assert clients["viewer"].post(f"/plans/{plan['number']}/carry-out").status_code == 403
    (done,) = operator.post(f"/plans/{plan['number']}/carry-out").json()
    assert done["act"] > 0
    assert operator.get("/items/P-3").json()["root"] == "M1"
    assert operator.get("/items/M1/plans").json() == []
    assert operator.get(f"/plans/{plan['number']}").json()["state"] == "done"
    other = operator.post("/plans", json=asked | {"operations": [said("retire", child="P-1", at=day(5, 1))]}).json()
    assert operator.post(f"/plans/{other['number']}/cancel", json={"reason": "kept"}).json()["state"] == "cancelled"
    assert operator.post(f"/plans/{other['number']}/carry-out").status_code == 409


def test_a_snapshot_is_of_one_moment(clients: dict[str, httpx.Client]) -> None:
    operator = clients["operator"]
    made = operator.post("/items/M2/snapshots", json={"at": "2026-02-01T00:00:00Z", "title": "Handover"}).json()
    assert (made["valid"], made["title"], made["items"]) == ("2026-02-01T00:00:00Z", "Handover", 2)
    assert [one["number"] for one in operator.get("/items/M2/snapshots").json()] == [made["number"]]
    assert operator.get(f"/snapshots/{made['number']}").json()["parts"][0]["item"]["id"] == "P-2"
    assert clients["party a"].get(f"/snapshots/{made['number']}").status_code == 404


def test_use_is_told_only_to_whom_it_is_granted(clients: dict[str, httpx.Client]) -> None:
    asked = {"at": "2026-03-01T00:00:00Z"}
    assert clients["party a"].get("/items/P-1/limits", params=asked).json()[0]["used"] == 900.0
    assert clients["party b"].get("/items/P-1/limits", params=asked).status_code == 404
    assert clients["party b"].get("/items/P-1/counters", params=asked).status_code == 404
    assert clients["party b"].get("/items/P-1/tree", params=asked).status_code == 200


def test_a_life_goes_on_in_another_machine(clients: dict[str, httpx.Client]) -> None:
    moves = [
        said("remove", child="P-2", at=day(3, 1)),
        said("move", child="P-1", parent="M2", slot="pump", at=day(4, 2)),
    ]
    done = clients["operator"].post("/operations", json=[{"operation": one} for one in moves]).json()
    if done[1]["problem"]:  # a plan took it out of its machine before: it is in nothing then
        again = said("install", child="P-1", parent="M2", slot="pump", at=day(4, 2))
        assert clients["operator"].post("/operations", json={"operation": again}).status_code == 201
    life = clients["viewer"].get("/items/P-1/life/vibration").json()
    told = [(one["piece"]["root"], one["series"]["columns"]["value"]) for one in life["stretches"] if one["series"]]
    assert told == [("M1", [2.0]), ("M2", [5.0])]
    assert life["unit"] == "mm/s"
    events = clients["viewer"].get("/items/P-1/events").json()["items"]
    assert [one["piece"]["root"] for one in events] == ["M2", "M1"]
    first, *_ = clients["viewer"].get("/items/P-1/life").json()
    assert first["properties"] == ["fault", "vibration"]
    shared = clients["party a"].get("/items/P-1/life/vibration").json()["stretches"]
    assert [one["piece"]["root"] for one in shared if one["series"]] == ["M1"], "nothing of another's machine"
    assert "m2" not in clients["party a"].get("/items/P-1/events").text
