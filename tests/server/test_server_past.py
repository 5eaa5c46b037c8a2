"""What happened, conditions as they were, and ranges that begin at their left edge."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from gemel.intake import Message, Reported
from gemel.platform import Platform

BEGIN = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z"""
MINUTE = 60_000_000


@pytest.fixture(scope="module")
def told(platform: Platform) -> None:
    """A morning of two presses; press-7 is part of line-1."""

    def condition(twin: str, minute: int, level: str, code: str = "", text: str = "") -> Reported:
        value = {"level": level, "code": code, "text": text}
        return Reported(twin=twin, property="hydraulics", value=value, time=BEGIN + minute * MINUTE)

    readings = [
        condition("press-7", 0, "normal"),
        condition("press-7", 10, "warning", "H1", "oil low"),
        condition("press-7", 20, "fault", "H2", "no pressure"),
        condition("press-7", 30, "normal", "H1"),
        condition("press-8", 15, "warning", "H9"),
        Reported(twin="press-7", property="oil_temperature", value=40.0, time=BEGIN),
        Reported(twin="press-7", property="oil_temperature", value=50.0, time=BEGIN + 60 * MINUTE),
    ]
    receipt = platform.ingest([Message(readings=readings)])
    assert (receipt.accepted, receipt.problems) == (len(readings), [])


def conditions(admin: httpx.Client, path: str, **query: Any) -> list[tuple[str, str, list[str], list[str]]]:
    asked = {"kind": "condition.changed", "start": "2026-01-01T00:00:00Z", "end": "2026-01-01T12:00:00Z", **query}
    found, cursor = [], ""
    while cursor is not None:
        page = admin.get(path, params={**asked, "cursor": cursor}).raise_for_status().json()
        for one in page["items"]:
            codes = ([entry["code"] for entry in one["body"][name]] for name in ("raised", "cleared"))
            found.append((one["twin"], one["time"][11:16], *codes))
        cursor = page["next"]
    return found


@pytest.mark.usefixtures("told")
def test_codes_of_conditions_that_come_and_go_are_events(admin: httpx.Client) -> None:
    all_of_them = [
        ("press-7", "00:30", [], ["H1"]),
        ("press-7", "00:20", ["H2"], []),
        ("press-8", "00:15", ["H9"], []),
        ("press-7", "00:10", ["H1"], []),
    ]
    assert conditions(admin, "/api/v1/events") == all_of_them
    assert conditions(admin, "/api/v1/events", limit=1) == all_of_them
    assert conditions(admin, "/api/v1/events", oldest_first=True) == all_of_them[::-1]
    assert conditions(admin, "/api/v1/twins/press-8/events") == [all_of_them[2]]
    asked = {"kind": "condition.changed", "end": "2026-01-01T00:25:00Z", "limit": 1}
    [fault] = admin.get("/api/v1/twins/press-7/events", params=asked).json()["items"]
    assert fault["body"]["property"] == "hydraulics"
    [entry] = fault["body"]["raised"]
    assert (entry["level"], entry["text"], entry["since"]) == ("fault", "no pressure", "2026-01-01T00:20:00Z")


@pytest.mark.usefixtures("told")
def test_what_happened_to_the_parts_is_asked_for_at_once(admin: httpx.Client) -> None:
    assert conditions(admin, "/api/v1/twins/line-1/events") == []
    found = conditions(admin, "/api/v1/twins/line-1/events", parts=True)
    assert {twin for twin, *_ in found} == {"press-7"}
    assert conditions(admin, "/api/v1/events", twin="line-1", parts=True) == found


@pytest.mark.usefixtures("told")
def test_a_condition_was_what_it_would_have_been_live(admin: httpx.Client) -> None:
    at = "/api/v1/twins/press-7/at"
    then = admin.get(at, params={"time": "2026-01-01T00:25:00Z"}).json()["values"]["hydraulics"]
    assert [(e["level"], e["code"], e["since"]) for e in then["value"]] == [
        ("warning", "H1", "2026-01-01T00:10:00Z"),
        ("fault", "H2", "2026-01-01T00:20:00Z"),
    ]
    later = admin.get(at, params={"time": "2026-01-01T00:45:00Z"}).json()["values"]["hydraulics"]["value"]
    live = admin.get("/api/v1/twins/press-7/now/hydraulics").json()["value"]
    assert later == live
    asked = {"start": "2026-01-01T00:15:00Z", "end": "2026-01-01T01:00:00Z"}
    columns = admin.get("/api/v1/twins/press-7/history/hydraulics", params=asked).json()["columns"]
    assert [[entry["code"] for entry in value] for value in columns["value"]] == [["H1"], ["H1", "H2"], ["H2"]]
    assert columns["value"][0][0]["since"] == "2026-01-01T00:10:00Z"


@pytest.mark.usefixtures("told")
def test_a_range_tells_the_value_held_at_its_start(admin: httpx.Client) -> None:
    asked = {"start": "2026-01-01T00:30:00Z", "end": "2026-01-01T02:00:00Z", "points": 10}
    path = "/api/v1/twins/press-7/history/oil_temperature"
    assert admin.get(path, params=asked).json()["before"] == {"time": BEGIN, "value": 40.0}
    kelvin = admin.get(path, params={**asked, "unit": "K"}).json()["before"]
    assert kelvin["value"] == pytest.approx(313.15)
    early = {"start": "2025-12-31T00:00:00Z", "end": "2026-01-01T02:00:00Z", "points": 10}
    assert admin.get(path, params=early).json()["before"] is None


@pytest.mark.usefixtures("told")
def test_an_overview_brings_what_its_machines_are_made_of(admin: httpx.Client) -> None:
    asked = {"roots": True, "include": "links,parts,headline"}
    found = {twin["id"]: twin for twin in admin.get("/api/v1/twins", params=asked).json()["items"]}
    [part] = found["line-1"]["parts"]
    assert (part["id"], part["types"], part["parts"]) == ("press-7", ["press"], [])
    assert part["headline"]["oil_temperature"]["value"] == 50.0
    assert found["press-8"]["parts"] == []
    plain = admin.get("/api/v1/twins", params={"roots": True, "include": "parts"}).json()["items"]
    assert all("headline" not in one for twin in plain for one in twin["parts"])
    assert admin.get("/api/v1/twins", params={"include": "colour"}).status_code == 422
