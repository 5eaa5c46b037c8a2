"""How configurations are kept up, over HTTP: promises, snapshots, events that become operations, attached sources."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gemel.access import Action, Selector
from gemel.intake import Happened, Message
from gemel.platform import Platform
from gemel.server import Server
from tests.configuration.conftest import day
from tests.server.test_server_items import said
from tests.server.test_server_parties import token_of

PLANT = """
types:
  - id: machine
    events: [{name: part_replaced, fields: [{name: new, kind: text}]}]
  - {id: other}
twins: [{id: m1, types: [machine]}, {id: m2, types: [other]}]
"""
BOOK = """
parts:
  - part: MILL
    slots: [{slot: pump, mandatory: true}, {slot: guard, safety: true}, {slot: lamp}]
"""
FIRST = [
    said("create", at=day(1, 1), spec={"id": "M1", "part": "MILL", "serial": "1", "twin": "m1"}),
    said("create", at=day(1, 1), spec={"id": "M2", "part": "MILL", "serial": "2", "twin": "m2"}),
    said("create", at=day(1, 1), spec={"id": "P1", "part": "PUMP", "serial": "p1"}),
    said("install", child="P1", parent="M1", slot="pump", at=day(1, 1)),
]
CSV = "id,part,in,pos,from\nN1,PRESS,,,2026-01-01\nN1/p,PUMP,N1,pump,2026-01-01\nN2,PRESS,,,2026-01-01\n"
SOURCE = {
    "kind": "csv",
    "path": "inbox/base.csv",
    "columns": {"item": "id", "part": "part", "parent": "in", "slot": "pos", "since": "from"},
}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with Platform.open(tmp_path_factory.mktemp("kept")) as platform:
        platform.apply(PLANT)
        inbox = platform.folder.path / "inbox"
        inbox.mkdir(exist_ok=True)
        (inbox / "base.csv").write_text(CSV)
        yield platform


@pytest.fixture(scope="module")
def clients(platform: Platform) -> Iterator[dict[str, httpx.Client]]:
    gate = platform.gate
    gate.parties.add("a", "A Ltd")
    gate.grant("party:a", [Action.READ], Selector(twins=("m1",)), groups=["configuration"])
    secrets = {role: gate.tokens.add(role, role)[1] for role in ("viewer", "operator", "engineer")}
    secrets["party"] = token_of(platform, "a", "of a")
    with Server(platform, port=0) as server:
        found = {
            name: httpx.Client(
                base_url=f"{server.url}/api/v1", headers={"Authorization": f"Bearer {secret}"}, timeout=60
            )
            for name, secret in secrets.items()
        }
        assert found["engineer"].put("/parts", content=BOOK, headers={"Content-Type": "application/yaml"}).is_success
        done = found["engineer"].post("/operations", json=[{"operation": one} for one in FIRST]).json()
        assert [one["problem"] for one in done] == [None] * len(FIRST)
        yield found
        for one in found.values():
            one.close()


def do(clients: dict[str, httpx.Client], verb: str, **told: object) -> None:
    answer = clients["operator"].post("/operations", json={"operation": said(verb, **told)})
    assert answer.is_success, answer.text


def test_a_promise_is_kept_only_when_all_that_must_be_filled_was_told_of(clients: dict[str, httpx.Client]) -> None:
    engineer = clients["engineer"]
    nothing = engineer.get("/items/M1/upkeep").json()
    assert (nothing["standing"]["promise"]["within_days"], nothing["may"]) == (0.0, True)
    told = engineer.put("/items/M1/upkeep", json={"within_days": 30_000, "every": "month"}).json()
    assert (told["standing"]["state"], told["standing"]["confirmed"]) == ("never", None)
    assert told["standing"]["next_snapshot"].endswith("-01T00:00:00Z")
    do(clients, "observe", parent="M1", slot="guard", at=day(6, 1), saw="nothing")
    kept = clients["viewer"].get("/items/M1/upkeep").json()
    assert (kept["standing"]["state"], kept["standing"]["confirmed"], kept["may"]) == (
        "kept",
        "2026-01-01T00:00:00Z",
        False,
    )
    engineer.put("/items/M2/upkeep", json={"within_days": 1})
    assert [one["root"] for one in engineer.get("/upkeep").json()["items"]] == ["M1", "M2"]
    assert [one["root"] for one in engineer.get("/upkeep", params={"broken": True}).json()["items"]] == ["M2"]
    assert [one["root"] for one in engineer.get("/upkeep", params={"q": "m2"}).json()["items"]] == ["M2"]
    assert engineer.get("/upkeep", params={"q": "%"}).json()["items"] == []
    first = engineer.get("/upkeep", params={"limit": 1}).json()
    rest = engineer.get("/upkeep", params={"limit": 1, "cursor": first["next"]}).json()
    assert [one["root"] for one in (*first["items"], *rest["items"])] == ["M1", "M2"]


def test_others_see_how_their_machine_is_kept_up_and_promise_nothing(clients: dict[str, httpx.Client]) -> None:
    party = clients["party"]
    told = party.get("/items/M1/upkeep").json()
    assert (told["events"], told["refused"], told["may"]) == (None, None, False)
    assert party.get("/items/M2/upkeep").status_code == 404
    assert [one["root"] for one in party.get("/upkeep").json()["items"]] == ["M1"]
    for client in (party, clients["operator"]):
        assert client.put("/items/M1/upkeep", json={"within_days": 1}).status_code == 403


def test_what_changed_since_a_snapshot(clients: dict[str, httpx.Client]) -> None:
    operator = clients["operator"]
    taken = operator.post("/items/M1/snapshots", json={"title": "as delivered"}).json()
    assert operator.get(f"/snapshots/{taken['number']}/difference").json() == []
    do(clients, "create", at=day(6, 1), spec={"id": "L1", "part": "LAMP", "serial": "l1"})
    do(clients, "install", child="L1", parent="M1", slot="lamp", at=day(6, 2))
    (one,) = operator.get(f"/snapshots/{taken['number']}/difference").json()
    assert (one["path"], one["before"], one["after"]["id"]) == (["lamp"], None, "L1")
    assert clients["party"].get("/snapshots/999/difference").status_code == 404


def test_an_event_becomes_an_operation_or_is_listed_until_it_can(
    clients: dict[str, httpx.Client], platform: Platform
) -> None:
    engineer, operator = clients["engineer"], clients["operator"]
    swap = {"do": "swap", "parent": "$item", "slot": "pump", "new": {"part": "PUMP", "serial": "$new"}, "at": "$time"}
    rule = {"event": "part_replaced", "operation": swap, "types": ["machine"]}
    assert operator.put("/translations/replaced", json=rule).status_code == 403
    kept = engineer.put("/translations/replaced", json=rule).json()
    assert kept["operation"] == swap
    assert engineer.put("/translations/replaced", json=kept).json() == kept
    assert engineer.put("/translations/other", json=kept).status_code == 422
    assert engineer.put("/translations/long", json={**rule, "types": ["machine"] * 9_000}).status_code == 422
    assert "no translation" in engineer.put("/translations/x", json={"event": "e"}).json()["detail"]
    tried = {"translation": {**kept, "make": True}, "twin": "m1", "fields": {"new": "p2"}}
    made, swapped = engineer.post("/translations/try", json=tried).json()
    assert (made["spec"]["serial"], swapped["do"], swapped["new"]) == ("p2", "swap", made["spec"]["id"])
    assert "tells no 'new'" in engineer.post("/translations/try", json={**tried, "fields": {}}).json()["detail"]
    nothing = engineer.post(
        "/translations/try", json={**tried, "translation": {**tried["translation"], "operation": {}}}
    )
    assert (nothing.status_code, "no whole operation" in nothing.json()["detail"]) == (422, True)
    event = Happened(twin="m1", event="part_replaced", time=day(7, 1), fields={"new": "p2"}, id="e-1")
    receipt = platform.intake.submit("maintenance", [Message(events=[event])]).result(60)
    assert platform.translator.wait(receipt.last, 60)
    about = operator.get("/items/M1/upkeep").json()
    assert (about["events"], about["refused"]) == (["replaced"], 1)
    assert operator.get("/items/M2/upkeep").json()["events"] == []
    (one,) = operator.get("/refusals", params={"twin": "m1"}).json()["items"]
    assert (one["fields"], one["time"]) == ({"new": "p2"}, "2026-07-01T00:00:00Z")
    assert clients["viewer"].post(f"/refusals/{one['number']}/retry").status_code == 403
    assert "nobody knows PUMP" in operator.post(f"/refusals/{one['number']}/retry").json()["detail"]
    do(clients, "create", at=day(1, 1), spec={"id": "P2", "part": "PUMP", "serial": "p2"})
    assert operator.post(f"/refusals/{one['number']}/retry").json()["state"] == "done"
    held = {part["path"][-1]: part["item"]["id"] for part in operator.get("/items/M1/tree").json()["parts"]}
    assert held["pump"] == "P2"
    assert operator.get("/refusals").json()["items"] == []
    assert operator.get("/refusals", params={"state": "lost"}).status_code == 422
    assert engineer.delete("/translations/replaced").status_code == 204


def test_a_source_is_attached_asked_and_let_go(clients: dict[str, httpx.Client]) -> None:
    engineer, viewer = clients["engineer"], clients["viewer"]
    assert clients["operator"].put("/sources/base", json=SOURCE).status_code == 403
    assert engineer.put("/sources/base", json=SOURCE).json()["lines"] == 3
    (whole,), (outside,) = engineer.get("/sources").json(), viewer.get("/sources").json()
    assert whole["source"]["path"] == "inbox/base.csv"
    assert (outside["source"], outside["lines"], outside["error"]) == (None, 3, "")
    found = viewer.get("/configurations", params={"having": "PUMP", "source": "base"}).json()
    assert [(one["root"], one["items"]) for one in found["items"]] == [("N1", ["N1/p"])]
    first = viewer.get("/sources/base/machines").json()
    assert [(one["id"], one["born"]) for one in first] == [(id, "2026-01-01T00:00:00Z") for id in ("N1", "N2")]
    assert [one["id"] for one in viewer.get("/sources/base/machines", params={"q": "n2"}).json()] == ["N2"]
    assert viewer.get("/sources/base/machines", params={"q": "N_"}).json() == []
    tree = viewer.get("/sources/base/tree", params={"root": "N1"}).json()
    assert [part["item"]["id"] for part in tree["parts"]] == ["N1/p"]
    both = viewer.get("/configurations", params={"having": "PUMP", "source": "own,base"}).json()["items"]
    assert {one["root"]: one["items"] for one in both} == {"M1": ["P2"], "N1": ["N1/p"], "P1": ["P1"]}
    of_it = ("/sources/base", "/sources/base/machines", "/sources/base/tree?root=N1")
    for path in ("/sources", *of_it, "/configurations?having=PUMP&source=base"):
        assert clients["party"].get(path).status_code == 403
    assert engineer.delete("/sources/base").status_code == 204
    assert viewer.get("/sources/base").status_code == 404


def test_what_a_secret_holds_is_told_to_nobody(clients: dict[str, httpx.Client], platform: Platform) -> None:
    secrets = Path(platform.folder.path / "secrets")
    secrets.mkdir(exist_ok=True)
    (secrets / "key").write_text("-----BEGIN hush-hush\n")
    (secrets / "key").chmod(0o600)
    asked = {**SOURCE, "kind": "postgres", "path": "", "table": "parts", "secret": "key"}
    refused = clients["engineer"].put("/sources/server", json=asked)
    assert refused.status_code == 422
    assert "holds no address" in refused.text
    assert "hush" not in refused.text
    for path in ("../journal.sqlite", "inbox/../gemel.yaml", "/etc/passwd"):
        assert clients["engineer"].put("/sources/file", json={**SOURCE, "path": path}).status_code == 422


def test_where_a_source_lies_is_told_to_whoever_may_attach_it_alone(
    clients: dict[str, httpx.Client], platform: Platform
) -> None:
    engineer, viewer = clients["engineer"], clients["viewer"]
    inbox = platform.folder.path / "inbox"
    assert engineer.put("/sources/lost", json=SOURCE).is_success
    (inbox / "base.csv").rename(inbox / "else.csv")
    for client in (engineer, viewer):
        for path in ("/sources/lost/tree?root=N1", "/configurations?having=PUMP&source=lost"):
            refused = client.get(path)
            assert refused.status_code == 422
            assert "does not answer as it is declared; an engineer sees why" in refused.text
            assert "base.csv" not in refused.text
    assert "base.csv" in engineer.get("/sources/lost").json()["error"]
    (inbox / "else.csv").rename(inbox / "base.csv")
    assert engineer.delete("/sources/lost").status_code == 204
