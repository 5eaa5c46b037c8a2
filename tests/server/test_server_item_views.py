"""Views of the configuration over HTTP: granted by templates, previewed, explained, and no other way to the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gemel.access import TEMPLATES
from gemel.configuration import ItemSpec, parse_parts
from gemel.platform import Platform
from gemel.server import Server
from tests.configuration.conftest import day
from tests.server.test_server_parties import token_of

PLANT = """
gemel: 1
types: [{id: machine, properties: [{name: speed, group: condition}]}]
twins: [{id: m1, types: [machine]}, {id: m2, types: [machine]}]
"""
PARTS = """
parts:
  - {part: MILL, materials: [{material: iron, mass: 900}]}
  - {part: D-1, materials: [{material: copper, mass: 70}], limits: [{kind: hours, limit: 90}]}
  - part: P-7
    revisions: [{revision: A}, {revision: B}, {revision: C}]
    limits: [{kind: hours, limit: 105}]
    materials: [{material: steel, mass: 2}]
"""
VIEWS = [one for one in TEMPLATES if one.items is not None]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with Platform.open(tmp_path_factory.mktemp("item-views"), run_connectors=False) as platform:
        platform.apply(PLANT)
        made = platform.configuration
        made.parts.apply(made.parts.plan(parse_parts(PARTS)))
        for id, part, maker, twin in (
            ("M1", "MILL", "Mill", "m1"),
            ("M2", "MILL", "Mill", "m2"),
            ("PUMP", "P-7", "Acme", ""),
            ("DRIVE", "D-1", "Volt", ""),
        ):
            spec = ItemSpec(id=id, part=part, maker=maker, twin=twin, serial=f"secret-{id}", revision="B")
            made.create(spec, day(1, 1))
        made.install("PUMP", "M1", "pump", day(1, 1))
        made.install("DRIVE", "M1", "spindle", day(1, 1))
        made.use("M1", "hours", day(1, 1), day(2, 1), 100.0)
        platform.write("m1", "speed", 7.0, time="2026-01-10T00:00:00Z")
        yield platform


@pytest.fixture(scope="module")
def server(platform: Platform) -> Iterator[Server]:
    with Server(platform, port=0) as server:
        yield server


def client(server: Server, secret: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {secret}"}
    return httpx.Client(base_url=f"{server.url}/api/v1", headers=headers, timeout=60)


@pytest.fixture(scope="module")
def admin(platform: Platform, server: Server) -> Iterator[httpx.Client]:
    with client(server, platform.gate.tokens.add("admin", "administrator")[1]) as made:
        yield made


@pytest.fixture(scope="module")
def supplier(platform: Platform, server: Server, admin: httpx.Client) -> Iterator[httpx.Client]:
    platform.gate.parties.add("acme", "Acme")
    terms = granted(admin, "tier-supplier", "party:acme", {"everything": True}, makers=["Acme"])
    assert terms.status_code == 201, terms.text
    with client(server, token_of(platform, "acme", "of acme")) as made:
        yield made


def granted(admin: httpx.Client, template: str, to: str, selector: dict[str, Any], **items: Any) -> httpx.Response:
    one = next(each for each in admin.get("/grant-templates").json() if each["id"] == template)
    terms = {"actions": one["actions"], "groups": one["groups"], "history": one["history"]}
    return admin.post("/grants", json={"to": to, "selector": selector, **terms, "items": one["items"] | items})


@pytest.mark.parametrize("template", [one.id for one in VIEWS])
def test_every_template_of_a_view_can_be_granted_and_previewed(admin: httpx.Client, template: str) -> None:
    one = next(each for each in VIEWS if each.id == template)
    assert one.family in {"role", "business", "scenario", "customer"}
    filled = {"makers": ["Acme"]} if "makers" in one.asks else {"slots": ["pump"]} if "slots" in one.asks else {}
    made = granted(admin, template, "role:viewer", {"twins": ["m1"]}, **filled)
    assert made.status_code == 201, made.text
    assert made.json()["selected"].startswith("items of m1 and parts: ")
    assert admin.delete(f"/grants/{made.json()['id']}").status_code == 200
    looked = admin.post("/grants/preview", json={"selector": {"twins": ["m1"]}, "items": made.json()["items"]}).json()
    assert looked["twins"] == 1
    assert bool(looked["trees"]) == (template != "ota-update")


def test_a_preview_shows_the_configuration_as_it_would_be_told(admin: httpx.Client) -> None:
    items = {"makers": ["Acme"], "columns": ["serials"], "machines": "anonymous"}
    asked = {"selector": {"everything": True}, "items": items}
    (tree,) = admin.post("/grants/preview", json=asked).json()["trees"]
    assert tree["item"]["id"].startswith("hidden-")
    (part,) = tree["parts"]
    assert (part["item"]["id"], part["item"]["serial"], part["item"]["revision"]) == ("PUMP", "secret-PUMP", "")
    assert "revisions" in part["item"]["withheld"]


PATHS = [
    "/items/{item}",
    "/items/{item}/tree",
    "/items/{item}/history",
    "/items/{item}/stays",
    "/items/{item}/acts",
    "/items/{item}/counters",
    "/items/{item}/compare",
    "/items/{item}/life",
    "/items/{item}/life/speed",
    "/items/{item}/events",
    "/items/{item}/limits",
    "/items/{item}/completeness",
    "/items/{item}/sides",
    "/items/{item}/findings",
    "/items/{item}/nonconformances",
    "/items/{item}/observations",
    "/items/{item}/snapshots",
    "/items/{item}/plans",
    "/items/{item}/software",
    "/items/{item}/documents",
    "/items/{item}/work-pack.pdf",
    "/items/{item}/dossier",
    "/items/{item}/dossier.pdf",
    "/items/{item}/materials",
    "/items/{item}/threats",
    "/items/{item}/slots/pump/fitting",
]
FLEET = [
    "/threats",
    "/items",
    "/configurations?having=D-1",
    "/configurations?having=P-7",
    "/remaining",
    "/thread/item/DRIVE",
    "/thread/item/M1",
    "/documents",
    "/records",
    "/twins",
    "/links",
    "/find?code=secret-DRIVE",
    "/find?code=DRIVE",
    "/events",
    "/query?sql=SELECT+*+FROM+twins",
]
SECRETS = ("M1", "m1", "DRIVE", "D-1", "Volt", "MILL", "secret-M1", "secret-DRIVE")


@pytest.mark.parametrize("path", PATHS)
def test_of_what_is_not_of_the_view_nothing_is_told_by_any_path(supplier: httpx.Client, path: str) -> None:
    for item in ("DRIVE", "M1", "M2"):
        there = supplier.get(path.format(item=item))
        missing = supplier.get(path.format(item="NOTHING"))
        assert there.status_code == missing.status_code
        assert there.status_code >= 400
        assert there.text.replace(item, "NOTHING") == missing.text


@pytest.mark.parametrize("path", [*(path.format(item="PUMP") for path in PATHS), *FLEET])
def test_no_answer_names_what_is_withheld(supplier: httpx.Client, path: str) -> None:
    answer = supplier.get(path)
    asked = path.partition("?")[2] + path
    assert not [one for one in SECRETS if one not in asked and f'"{one}"' in answer.text]


def test_what_is_of_the_view_is_told(supplier: httpx.Client) -> None:
    (one,) = supplier.get("/items").json()["items"]
    assert (one["item"]["id"], one["path"]) == ("PUMP", ["pump"])
    assert one["root"].startswith("hidden-")
    assert supplier.get("/items/PUMP/counters", params={"at": "2026-02-01T00:00:00Z"}).json()["hours"]["amount"] == 100
    refused = supplier.get("/items/PUMP/acts")
    assert (refused.status_code, refused.json()["code"]) == (403, "denied")
    assert "not part of what is shared with you" in refused.json()["detail"]
    (piece,) = supplier.get("/items/PUMP/life").json()
    assert piece["piece"]["machine"] == "withheld"
    assert "m1" not in supplier.get("/items/PUMP/life").text


def test_the_fleet_is_asked_over_what_is_of_the_view(supplier: httpx.Client) -> None:
    (match,) = supplier.get("/configurations", params={"having": "P-7:<C"}).json()["items"]
    assert match["root"].startswith("hidden-")
    assert (match["items"], match["withheld"]) == (["PUMP"], ["part", "serial"])
    none = supplier.get("/configurations", params={"having": "D-1"}).json()
    assert none == supplier.get("/configurations", params={"having": "NOTHING"}).json()
    assert (none["items"], none["total"]) == ([], 0)
    to = {"having": [{"part": "P-7"}], "effectivity": {"serials": ["9..10"]}}
    # whose serial number is withheld may be meant
    (applies,) = supplier.post("/applicability", json=to).json()["items"]
    assert applies["root"] == match["root"]
    one = supplier.post(f"/items/{match['root']}/applicability", json={"having": [{"part": "P-7"}]}).json()
    assert (one["root"], one["applies"], one["items"]) == (match["root"], True, ["PUMP"])
    (left,) = supplier.get("/remaining").json()["items"]
    assert (left["item"], left["kind"], left["used"], left["root"]) == ("PUMP", "hours", 100, match["root"])
    assert supplier.get("/remaining", params={"root": "M1"}).status_code == 404
    (threat,) = supplier.get("/threats").json()["items"]
    assert (threat["item"], threat["part"], threat["serial"]) == (match["root"], "", "")
    assert [(each["kind"], each["slot"], each["item"]) for each in threat["threats"]] == [("limit", "pump", "PUMP")]
    assert supplier.get(f"/items/{match['root']}/threats").json() == threat["threats"]
    assert supplier.get(f"/items/{match['root']}/materials").json()["mass"] == 2.0


def test_a_revoked_view_ends_at_once(platform: Platform, server: Server, admin: httpx.Client) -> None:
    platform.gate.parties.add("gone", "Gone")
    made = granted(admin, "owner-operator", "party:gone", {"twins": ["m1"]}).json()
    with client(server, token_of(platform, "gone", "of gone")) as party:
        assert {one["item"]["id"] for one in party.get("/items").json()["items"]} == {"M1", "PUMP", "DRIVE"}
        admin.delete(f"/grants/{made['id']}")
        assert party.get("/items").status_code == 403
        assert party.get("/items/PUMP").status_code in {403, 404}


def test_why_an_item_is_told_or_not(admin: httpx.Client, supplier: httpx.Client) -> None:
    assert supplier.get("/items").status_code == 200
    told = admin.get("/access/why", params={"who": "party:acme", "item": "PUMP"}).json()
    assert told["allowed"]
    assert any("tells counters" in one["told"] for one in told["reasons"])
    other = admin.get("/access/why", params={"who": "party:acme", "item": "DRIVE"}).json()
    assert not other["allowed"]
    assert any("is not of it now: made by Acme" in one["told"] for one in other["reasons"])
    assert any("a view of the configuration" in one for one in other["needed"])


def test_who_was_told_what_by_a_view_is_in_the_audit_log(platform: Platform, supplier: httpx.Client) -> None:
    supplier.get("/items/PUMP/tree")
    platform.gate.audit.flush()
    told = [one for one in platform.gate.audit.entries(limit=200) if one.kind == "Item" and one.detail == "tree"]
    assert {one.party for one in told} == {"acme"}
    assert told[0].policy.startswith("grant-")
    assert told[0].rows == 1
    assert len(supplier.get("/remaining").json()["items"]) == 1
    platform.gate.audit.flush()
    told = [one for one in platform.gate.audit.entries(limit=200) if one.kind == "Item" and one.detail == "remaining"]
    assert ({one.party for one in told}, told[0].rows) == ({"acme"}, 1)


def test_a_view_that_could_not_be_is_refused(admin: httpx.Client) -> None:
    wrong = {"to": "role:viewer", "actions": ["read"], "selector": {"everything": True}, "items": {"columns": ["x"]}}
    assert admin.post("/grants", json=wrong).status_code in {400, 422}
    sketch = {"selector": {"twins": ["m1"]}, "items": {"slots": ["/"]}}
    assert admin.post("/grants/preview", json=sketch).status_code == 422
