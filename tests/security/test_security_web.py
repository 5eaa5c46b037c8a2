"""What browsers and other people's pages can do to a server: nothing that its user did not ask for."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import httpx
import pytest

from gemel.platform import Platform
from gemel.server import Server, configure_logs
from gemel.server.logs import recent_logs

Client = Callable[[str], httpx.Client]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "169.254.169.254", "localhost.evil.example", ""])
def test_a_name_that_was_pointed_at_this_machine_gives_nobody_rights(server: Server, host: str) -> None:
    """DNS rebinding: the page is of the same origin for the browser, but has no cookie and no token of ours."""
    for path in ("/api/v1/twins", "/api/v1/site", "/metrics", "/api/v1/audit"):
        answer = httpx.get(server.url + path, headers={"Host": host})
        assert answer.status_code in {400, 401}, path
        assert "press-7" not in answer.text


def test_no_answer_lets_another_site_read_it(server: Server, as_role: Client) -> None:
    for origin in ("https://evil.example", "null", server.url + ".evil.example"):
        for method in ("GET", "OPTIONS"):
            answer = as_role("viewer").request(
                method, "/api/v1/twins", headers={"Origin": origin, "Access-Control-Request-Method": "PUT"}
            )
            assert not [name for name in answer.headers if name.startswith("access-control-")]
            assert "press-7" not in answer.text or method == "GET"


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/twins", "/api/v1/no-such", "/api/v1/twins/ghost", "/healthz", "/%2e%2e/etc/passwd", "/x.js"]
)
def test_refusals_and_missing_pages_have_the_security_headers_too(as_role: Client, path: str) -> None:
    for client in (as_role(""), as_role("viewer")):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "object-src 'none'" in headers["content-security-policy"]
        assert "server" not in headers


@pytest.mark.parametrize("name", ["token", "access_token", "api_key", "authorization"])
def test_a_token_in_an_address_lets_nobody_in_and_stands_in_no_log(
    server: Server, tokens: dict[str, str], name: str
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logs(json=True, level=logging.DEBUG)
    try:
        address = f"{server.url}/api/v1/twins?{name}={tokens['administrator']}"
        assert httpx.get(address).status_code == 401
        assert httpx.put(address, content=b"\x00").status_code in {401, 405}
        lines = [line for line in recent_logs() if not json.loads(line)["logger"].startswith("http")]  # the client's
    finally:
        for handler in root.handlers[:]:
            root.removeHandler(handler)
        for handler in handlers:
            root.addHandler(handler)
        root.setLevel(level)
    assert not [line for line in lines if tokens["administrator"] in line]


def test_headers_of_a_proxy_are_not_believed(server: Server, platform: Platform) -> None:
    """Nobody becomes local, or encrypted, or somebody, by saying so."""
    headers = {
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-User": "admin",
        "Remote-User": "admin",
        "Forwarded": "for=127.0.0.1;proto=https",
    }
    assert httpx.get(server.url + "/api/v1/twins", headers=headers).status_code == 401
    ada = {"name": "Ada", "password": "a long enough sentence"}
    platform.gate.accounts.add(**ada, role="viewer")
    cookie = httpx.post(server.url + "/api/v1/session", json=ada, headers=headers).headers["set-cookie"]
    assert cookie.startswith("gemel_session=")  # over TLS it has another name, and the flag
    assert "secure" not in cookie.lower()


def test_whoever_guesses_is_slowed_down_whatever_address_and_name_it_says(server: Server) -> None:
    told = []
    for n in range(40):
        guess = {"name": f"nobody {n}", "password": "a wrong sentence"}
        headers = {"X-Forwarded-For": f"203.0.113.{n}"}
        told.append(httpx.post(server.url + "/api/v1/session", json=guess, headers=headers).status_code)
        if told[-1] == 429:
            break
    assert set(told[:-1]) == {401}
    assert told[-1] == 429


def test_the_interfaces_own_pages_load_nothing_from_elsewhere(server: Server) -> None:
    page = httpx.get(server.url + "/api/v1/docs").text
    assert 'src="http' not in page
    assert 'href="http' not in page
