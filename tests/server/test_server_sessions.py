"""Signing in with a cookie, and why another site cannot use it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher

from gemel.clock import SteppedClock
from gemel.errors import InvalidInput
from gemel.platform import Platform
from gemel.server import Options, Server

GOOD = "correct horse battery"


@pytest.fixture(scope="module")
def quick() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    patch.setattr("gemel.access.accounts.PasswordHasher", lambda: hasher)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, quick: None) -> Iterator[tuple[Platform, Server]]:
    with Platform.open(tmp_path_factory.mktemp("plant")) as platform, Server(platform, port=0) as server:
        token = platform.gate.accounts.setup_token()
        body = {"token": token, "name": "Ada", "password": GOOD}
        assert httpx.get(server.url + "/api/v1/me").json()["setup"] is True
        made = httpx.post(server.url + "/api/v1/setup", json=body)
        assert (made.status_code, made.json()["role"]) == (201, "administrator")
        assert httpx.post(server.url + "/api/v1/setup", json=body).status_code == 409
        yield platform, server


@pytest.fixture
def browser(place: tuple[Platform, Server]) -> Iterator[httpx.Client]:
    _, server = place
    with httpx.Client(base_url=server.url, headers={"Origin": server.url}) as client:
        assert client.post("/api/v1/session", json={"name": "Ada", "password": GOOD}).status_code == 200
        yield client


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(place: tuple[Platform, Server]) -> None:
    answer = httpx.post(place[1].url + "/api/v1/session", json={"name": "Ada", "password": GOOD})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/" in cookie
    assert GOOD not in answer.text


def test_a_signed_in_browser_reads_writes_and_signs_out(browser: httpx.Client) -> None:
    me = browser.get("/api/v1/me").json()
    assert (me["name"], me["roles"][-1], me["demo"]) == ("Ada", "administrator", False)
    assert browser.post("/api/v1/tokens", json={"name": "t"}).status_code == 201
    assert browser.delete("/api/v1/session").status_code == 204
    assert browser.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1.evil.example"]
)
def test_a_write_from_another_site_is_refused(browser: httpx.Client, origin: str) -> None:
    answer = browser.post("/api/v1/tokens", json={"name": "t"}, headers={"Origin": origin})
    assert answer.status_code == 403


def test_a_write_by_cookie_needs_an_origin(place: tuple[Platform, Server], browser: httpx.Client) -> None:
    cookies = dict(browser.cookies)
    with httpx.Client(base_url=place[1].url, cookies=cookies) as bare:
        assert bare.get("/api/v1/me").status_code == 200
        assert bare.post("/api/v1/tokens", json={"name": "t"}).status_code == 403


def test_a_wrong_password_is_refused_and_noted(place: tuple[Platform, Server]) -> None:
    platform, server = place
    answer = httpx.post(server.url + "/api/v1/session", json={"name": "Ada", "password": "wrong password"})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    newest = platform.gate.audit.entries(limit=1)[0]
    assert (newest.action, newest.allowed) == ("sign_in", False)


def test_sign_in_slows_down(place: tuple[Platform, Server]) -> None:
    wrong = {"name": "Mallory", "password": "wrong password"}
    answers = [httpx.post(place[1].url + "/api/v1/session", json=wrong) for _ in range(12)]
    late = [answer for answer in answers if answer.status_code == 429]
    assert late
    assert int(late[0].headers["retry-after"]) >= 1
    place[0].gate.accounts.throttle.succeeded("address:127.0.0.1", "name:mallory")


def test_an_administrator_adds_changes_and_erases_people(browser: httpx.Client) -> None:
    made = browser.post("/api/v1/users", json={"name": "Bob", "password": GOOD, "role": "viewer"})
    assert made.status_code == 201
    bob = made.json()["id"]
    changed = browser.patch(
        f"/api/v1/users/{bob}", json={"role": "engineer"}, headers={"If-Match": made.headers["etag"]}
    )
    assert (changed.json()["role"], changed.json()["revision"]) == ("engineer", 2)
    assert browser.patch(f"/api/v1/users/{bob}", json={}, headers={"If-Match": '"1"'}).status_code == 412
    assert [user["name"] for user in browser.get("/api/v1/users").json()["items"]].count("Bob") == 1
    assert browser.delete(f"/api/v1/users/{bob}").status_code == 204
    assert browser.get(f"/api/v1/users/{bob}").json()["name"] == ""


def test_a_new_password_ends_the_other_sessions(place: tuple[Platform, Server], browser: httpx.Client) -> None:
    browser.post("/api/v1/users", json={"name": "Cy", "password": GOOD, "role": "viewer"})
    url, origin = place[1].url, {"Origin": place[1].url}
    with httpx.Client(base_url=url, headers=origin) as one, httpx.Client(base_url=url, headers=origin) as two:
        for client in (one, two):
            client.post("/api/v1/session", json={"name": "Cy", "password": GOOD})
        changed = one.put("/api/v1/me/password", json={"old": GOOD, "new": "another good sentence"})
        assert changed.status_code == 204
        assert one.get("/api/v1/me").status_code == 200
        assert two.get("/api/v1/me").status_code == 401
        assert one.get("/api/v1/users").status_code == 403


def test_a_withdrawn_token_ends_at_once(place: tuple[Platform, Server], browser: httpx.Client) -> None:
    made = browser.post("/api/v1/tokens", json={"name": "line", "role": "viewer"}).json()
    bearer = {"Authorization": f"Bearer {made['secret']}"}
    assert httpx.get(place[1].url + "/api/v1/me", headers=bearer).json()["kind"] == "token"
    assert "secret" not in browser.get("/api/v1/tokens").text
    assert browser.delete(f"/api/v1/tokens/{made['id']}").status_code == 204
    assert httpx.get(place[1].url + "/api/v1/me", headers=bearer).status_code == 401


def test_the_session_rotates_while_in_use(tmp_path: Path, quick: None) -> None:
    clock = SteppedClock(1_750_000_000_000_000)
    with Platform.open(tmp_path / "plant", clock=clock) as platform, Server(platform, port=0) as server:
        platform.gate.accounts.add("Ada", GOOD, "viewer")
        with httpx.Client(base_url=server.url) as client:
            client.post("/api/v1/session", json={"name": "Ada", "password": GOOD})
            first = client.cookies["gemel_session"]
            clock.step(16 * 60)
            assert client.get("/api/v1/me").status_code == 200
            assert client.cookies["gemel_session"] != first
            clock.step(61)
            assert client.get("/api/v1/me").status_code == 200
            assert httpx.get(server.url + "/api/v1/me", cookies={"gemel_session": first}).status_code == 401


def test_the_demo_signs_in_by_itself_on_the_loopback_only(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"127\.0\.0\.1 only"):
        Options(host="0.0.0.0", demo=True)
    with Platform.open(tmp_path / "plant") as platform, Server(platform, port=0, demo=True) as server:
        assert httpx.get(server.url + "/api/v1/me").json()["demo"] is True
        rebound = httpx.get(server.url + "/api/v1/me", headers={"Host": "evil.example"})
        assert rebound.status_code == 401
        cross = httpx.post(
            server.url + "/api/v1/tokens", json={"name": "t"}, headers={"Origin": "https://evil.example"}
        )
        assert cross.status_code == 403
        hidden = httpx.post(server.url + "/api/v1/tokens", json={"name": "t"}, headers={"Sec-Fetch-Site": "cross-site"})
        assert hidden.status_code == 403
        assert httpx.post(server.url + "/api/v1/tokens", json={"name": "t"}).status_code == 201


def test_tls_needs_both_files(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="both"):
        Options(tls_cert=tmp_path / "cert.pem")
    with pytest.raises(InvalidInput, match="there is no file"):
        Options(tls_cert=tmp_path / "cert.pem", tls_key=tmp_path / "key.pem")


def test_a_taken_port_is_said_so(place: tuple[Platform, Server]) -> None:
    from gemel.errors import Conflict

    with pytest.raises(Conflict, match="choose another"):
        Server(place[0], port=place[1].services.port).start()
