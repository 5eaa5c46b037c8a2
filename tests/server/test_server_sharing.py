"""What the pages of access ask for: a preview of a grant, usual grants, the audit log as a table, what callers cost."""

from __future__ import annotations

import csv
import io

import httpx

from gemel.access import TEMPLATES
from gemel.clock import to_rfc3339
from gemel.platform import Platform

API = "/api/v1"


def test_a_preview_tells_which_twins_and_properties_would_be_seen(admin: httpx.Client) -> None:
    asked = {"selector": {"twins": ["line-1", "no-such"]}, "groups": ["condition"]}
    found = admin.post(f"{API}/grants/preview", json=asked).json()
    assert (found["twins"], sorted(found["some"]), found["unknown"]) == (2, ["line-1", "press-7"], ["no-such"])
    (press,) = found["types"]
    assert [one["name"] for one in press["seen"]] == ["hydraulics"]
    assert {one["group"] for one in press["hidden"]} == {"process"}
    whole = admin.post(f"{API}/grants/preview", json={"selector": {"everything": True}}).json()
    assert whole["twins"] >= 3
    assert all(not one["hidden"] for one in whole["types"])
    wrong = admin.post(f"{API}/grants/preview", json={"selector": {}, "groups": []})
    assert wrong.json()["code"] == "invalid-input"
    assert admin.post(f"{API}/grants/preview", json={**asked, "groups": ["colour"]}).status_code == 422


def test_a_preview_grants_nothing(admin: httpx.Client, platform: Platform) -> None:
    before = platform.gate.grants.version
    admin.post(f"{API}/grants/preview", json={"selector": {"types": ["press"]}, "groups": ["usage"]})
    assert platform.gate.grants.version == before


def test_every_usual_grant_can_be_granted(admin: httpx.Client, platform: Platform) -> None:
    platform.gate.parties.add("swift", "Swift Ltd")
    listed = admin.get(f"{API}/grant-templates").json()
    assert [one["id"] for one in listed] == [one.id for one in TEMPLATES]
    for one in listed:
        terms = {"to": "party:swift", "selector": {"twins": ["press-7"]}, "history": one["history"]}
        made = admin.post(f"{API}/grants", json={**terms, "actions": one["actions"], "groups": one["groups"]})
        assert made.status_code == 201, made.text
        again = {name: made.json()[name] for name in ("to", "selector", "history", "actions", "groups")}
        assert admin.post(f"{API}/grants", json=again).json()["history"] == made.json()["history"]
        assert "personal" not in made.json()["groups"]
        assert admin.delete(f"{API}/grants/{made.json()['id']}").status_code == 200


def test_the_audit_log_as_a_table_is_what_the_list_tells_and_no_formula(admin: httpx.Client) -> None:
    assert admin.get(f"{API}/twins/=cmd()").status_code == 404
    assert admin.patch(f"{API}/twins/press-7", json={"name": "Press 7"}).status_code == 200
    page = admin.get(f"{API}/audit", params={"action": "configure", "limit": 1000}).json()["items"]
    text = admin.get(f"{API}/audit.csv", params={"action": "configure"})
    assert text.headers["content-disposition"] == 'attachment; filename="gemel-audit.csv"'
    rows = list(csv.DictReader(io.StringIO(text.text)))
    assert [int(row["id"]) for row in rows] == [one["id"] for one in page]
    assert {row["action"] for row in rows} == {"configure"}
    assert not any(cell.startswith(("=", "@")) for row in rows for cell in row.values())


def test_the_audit_log_is_cut_by_time(admin: httpx.Client, platform: Platform) -> None:
    platform.gate.audit.flush()
    now = to_rfc3339(platform.clock.now())
    before = admin.get(f"{API}/audit", params={"end": now, "limit": 1000}).json()["items"]
    after = admin.get(f"{API}/audit", params={"start": now, "limit": 1000}).json()["items"]
    assert before
    assert all(one["time"] < now for one in before)
    assert all(one["time"] >= now for one in after)


def test_what_is_looked_at_every_second_is_in_the_audit_log_once(admin: httpx.Client, platform: Platform) -> None:
    for _ in range(5):
        assert admin.get(f"{API}/parties").status_code == 200
    entries = admin.get(f"{API}/audit", params={"limit": 1000}).json()["items"]
    looks = [one for one in entries if one["detail"] == f"GET {API}/parties"]
    assert len(looks) == 1
    for number in range(2):
        admin.post(f"{API}/parties", json={"id": f"new-{number}", "name": "New"})
    entries = admin.get(f"{API}/audit", params={"limit": 1000}).json()["items"]
    assert len([one for one in entries if one["detail"] == f"POST {API}/parties"]) == 2


def test_what_callers_cost_is_told_to_administrators(admin: httpx.Client) -> None:
    admin.get(f"{API}/twins")
    found = admin.get(f"{API}/load").json()
    mine = found["callers"][0]
    assert mine["principal"].startswith("token-")
    assert mine["requests"] > 0
    assert mine["sent_bytes"] > 0
    assert {one["name"] for one in found["queues"]} >= {"reads", "queries", "exports", "changes", "streams"}
    assert all(0 <= one["waiting"] <= one["most"] for one in found["queues"])
