"""Choosing from the quarantine: nothing is replayed or discarded that was not meant."""

import httpx
import pytest

HELD = {"messages": [{"readings": [{"twin": "wraith", "property": "x", "value": 1}]}], "source": "wraiths"}


@pytest.mark.parametrize(
    "body",
    [
        {"source": "http:wraiths", "rule": {"shift_seconds": 3600}},
        {"source": "http:wraiths", "rule": {"shift_s": 3600, "zone": "UTC"}},
        {"source": "http:wraiths", "rules": {"shift_s": 3600}},
        {"source": "http:wraiths", "rule": {"rate": 0}},
    ],
)
def test_a_replay_with_a_rule_that_is_not_understood_replays_nothing(admin: httpx.Client, body: dict) -> None:
    assert admin.post("/api/v1/ingest", json=HELD).json()["quarantined"] == 1
    answer = admin.post("/api/v1/quarantine/replay", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")
    held = admin.get("/api/v1/quarantine", params={"source": "http:wraiths"}).json()["items"]
    assert admin.post("/api/v1/quarantine/discard", json={"source": "http:wraiths"}).json() == {"discarded": len(held)}


def test_all_is_discarded_only_by_name(admin: httpx.Client) -> None:
    assert admin.post("/api/v1/ingest", json=HELD).json()["quarantined"] == 1
    assert admin.post("/api/v1/quarantine/discard", json={"all": False}).status_code == 422
    assert admin.post("/api/v1/quarantine/discard", json={"all": True}).json()["discarded"] >= 1
    assert admin.get("/api/v1/quarantine").json()["items"] == []
