"""Connectors over HTTP: what is told to whom, and what is refused before it is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gemel.platform import Platform
from gemel.server import Server

API = "/api/v1"
As = Callable[[str], httpx.Client]
URLS = ["mqtt://gemel:hunter2@127.0.0.1", "mqtt://127.0.0.1/?token=hunter2"]


def declared(settings: dict[str, Any], kind: str = "mqtt") -> dict[str, Any]:
    return {"gemel": 1, "connectors": [{"id": "spy", "kind": kind, "settings": settings}]}


def kept(platform: Platform) -> bytes:
    files = [path for path in platform.folder.path.glob("gemel.sqlite*") if path.is_file()]
    assert files
    return b"".join(path.read_bytes() for path in files)


@pytest.mark.parametrize("url", URLS)
def test_a_password_in_a_url_is_refused_by_every_way_and_kept_nowhere(
    platform: Platform, server: Server, as_role: As, url: str
) -> None:
    engineer = as_role("engineer")
    body = declared({"url": url})
    answers = [
        engineer.post(f"{API}/apply", json=body),
        engineer.post(f"{API}/apply?dry_run=true", json=body),
        engineer.put(f"{API}/connectors/spy", json={"kind": "mqtt", "settings": {"url": url}}),
        engineer.put(f"{API}/connectors/spy", json={"kind": "http", "settings": {"notes": [url]}}),
        engineer.post(f"{API}/twins", json={"id": "spy", "types": ["press"], "attributes": {"manual": {"page": url}}}),
    ]
    for answer in answers:
        assert answer.status_code == 422
        assert "a URL holds no password" in answer.text
        assert "hunter2" not in answer.text
    assert b"hunter2" not in kept(platform)
    assert engineer.get(f"{API}/connectors/spy").status_code == 404


def test_settings_are_shown_to_those_who_may_configure(server: Server, as_role: As) -> None:
    engineer = as_role("engineer")
    settings = {"url": "mqtt://127.0.0.1:1", "user": "gemel", "password": {"env": "GEMEL_SECRET_SPY"}}
    given = {"kind": "mqtt", "title": "Hall 3", "settings": settings, "enabled": False}
    assert engineer.put(f"{API}/connectors/hall-3", json=given).json()["settings"] == settings
    try:
        for role in ("viewer", "operator", "engineer", "administrator"):
            one = as_role(role).get(f"{API}/connectors/hall-3").json()
            (listed,) = as_role(role).get(f"{API}/connectors").json()["items"]
            may = role in ("engineer", "administrator")
            assert one["settings"] == listed["settings"] == (settings if may else None)
            assert (one["kind"], one["title"], one["bindings"]) == ("mqtt", "Hall 3", [])
            assert one["health"]["state"] == "disabled"
            (event,) = as_role(role).get(f"{API}/events", params={"kind": "connector.created"}).json()["items"]
            assert event["body"]["connector"].get("settings") == (settings if may else None)
    finally:
        assert engineer.delete(f"{API}/connectors/hall-3").status_code == 204


@pytest.mark.parametrize(
    ("kind", "settings", "field", "reason"),
    [
        ("replay", {"path": "x", "files": ["logs/a"]}, "settings", "unknown field `path`"),
        ("mqtt", {"url": "mqtt://127.0.0.1", "tls": {"ca": 1}}, "settings.tls.ca", "Expected `str`"),
        ("repaly", {}, "kind", "there is no connector kind 'repaly'"),
    ],
)
def test_settings_that_the_plug_in_does_not_take_are_refused_with_the_field(
    platform: Platform, server: Server, as_role: As, kind: str, settings: dict[str, Any], field: str, reason: str
) -> None:
    engineer = as_role("engineer")
    body = declared(settings, kind)
    for dry_run in ("true", "false"):
        answer = engineer.post(f"{API}/apply?dry_run={dry_run}", json=body)
        (problem,) = answer.json()["problems"]
        assert (answer.status_code, problem["field"], problem["line"]) == (422, f"connectors[0].{field}", 1)
        assert reason in problem["message"]
    answer = engineer.put(f"{API}/connectors/spy", json={"kind": kind, "settings": settings})
    (problem,) = answer.json()["problems"]
    assert (answer.status_code, problem["field"]) == (422, field)
    assert reason in problem["message"]
    assert platform.registry.connectors() == []
