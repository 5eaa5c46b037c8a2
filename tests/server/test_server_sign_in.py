"""Ways in: one-time links, the second factor, and another system, which is a real provider in a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pyotp
import pytest

from gemel.access import Action, Role, Selector
from gemel.platform import Platform
from gemel.server import Server

API = "/api/v1"
SENTENCE = "correct horse battery staple"
USERS = [
    {"sub": "u1", "name": "Erika Ingenieur", "groups": ["plant-engineers", "canteen"], "org": "own.example"},
    {"sub": "u2", "name": "Pat Partner", "groups": ["plant-engineers"], "org": "partner.example"},
    {"sub": "u3", "name": "Nobody Known", "groups": [], "org": "elsewhere.example"},
    {"sub": "u4", "name": "root", "groups": [], "org": "own.example"},
]


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """A real OpenID Connect provider; its address."""
    chosen = [argument for user in USERS for argument in ("--user-claims", json.dumps(user))]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", "0", *chosen]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"running on (http://127\.0\.0\.1:\d+)", line):
                break
        else:
            pytest.fail("the provider did not start")
        yield found[1]
        process.terminate()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, provider: str) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("plant")
    (folder / "secrets").mkdir()
    (folder / "secrets" / "provider").write_text("a secret of ours")
    (folder / "gemel.yaml").write_text(
        f"""
sign_in:
  issuer: {provider}
  client_id: gemel
  client_secret: {{file: provider}}
  name: Company login
  role_claim: groups
  roles: {{plant-engineers: engineer}}
  default_role: viewer
  party_claim: org
  parties: {{partner.example: partner}}
  own_values: [own.example]
"""
    )
    with Platform.open(folder, run_connectors=False) as platform:
        platform.gate.accounts.add("root", SENTENCE, Role.ADMINISTRATOR)
        platform.gate.parties.add("partner", "Partner Ltd")
        yield platform


@pytest.fixture(scope="module")
def server(platform: Platform) -> Iterator[Server]:
    with Server(platform, port=0) as server:
        yield server


@pytest.fixture
def browser(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers={"Origin": server.url}, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def admin(server: Server, platform: Platform) -> Iterator[httpx.Client]:
    _, secret = platform.gate.tokens.add("admin", Role.ADMINISTRATOR)
    with httpx.Client(base_url=server.url + API, headers={"Authorization": f"Bearer {secret}"}, timeout=60) as client:
        yield client


def sign_in(browser: httpx.Client, name: str, password: str = SENTENCE, **more: str) -> httpx.Response:
    return browser.post(f"{API}/session", json={"name": name, "password": password, **more})


# one-time links


def test_an_invited_person_sets_a_password_once_with_the_link(admin: httpx.Client, browser: httpx.Client) -> None:
    made = admin.post("/users", json={"name": "Ines Invited", "role": "operator"}).json()
    assert made["invited"]
    assert sign_in(browser, "Ines Invited", "").status_code == 401
    link = admin.post("/links", json={"user": made["id"]}).json()
    assert link["address"].endswith(f"/welcome#{link['secret']}")
    assert browser.post(f"{API}/links/look", json={"secret": link["secret"]}).json() == {
        "name": "Ines Invited",
        "kind": "invitation",
    }
    weak = browser.post(f"{API}/links/use", json={"secret": link["secret"], "password": "short"})
    assert weak.status_code == 422
    given = {"secret": link["secret"], "password": SENTENCE}
    assert browser.post(f"{API}/links/use", json=given).status_code == 204
    assert browser.post(f"{API}/links/use", json=given).status_code == 401
    assert sign_in(browser, "Ines Invited").json()["role"] == "operator"


def test_a_new_link_makes_the_earlier_one_void_and_a_new_password_ends_sessions(
    admin: httpx.Client, browser: httpx.Client, platform: Platform
) -> None:
    platform.gate.accounts.add("Rita Reset", SENTENCE, Role.VIEWER)
    sign_in(browser, "Rita Reset")
    assert browser.get(f"{API}/me").json()["name"] == "Rita Reset"
    first, second = (admin.post("/links", json={"user": "Rita Reset"}).json()["secret"] for _ in range(2))
    assert browser.post(f"{API}/links/look", json={"secret": first}).status_code == 401
    assert browser.post(f"{API}/links/look", json={"secret": second}).json()["kind"] == "reset"
    assert browser.post(f"{API}/links/use", json={"secret": second, "password": SENTENCE + "!"}).status_code == 204
    assert browser.get(f"{API}/me").status_code == 401


def test_a_service_gets_no_link_and_no_password(admin: httpx.Client) -> None:
    made = admin.post("/users", json={"name": "a program", "kind": "service", "role": "viewer"}).json()
    assert admin.post("/links", json={"user": made["id"]}).status_code == 409
    assert admin.patch(f"/users/{made['id']}", json={"password": SENTENCE}).status_code == 422
    token = admin.post("/tokens", json={"name": "its token", "owner": made["id"]}).json()
    assert (token["owner"], token["role"]) == (made["id"], "viewer")


# the second factor


def test_the_second_factor_is_asked_for_and_each_code_is_good_once(
    browser: httpx.Client, admin: httpx.Client, platform: Platform
) -> None:
    account = platform.gate.accounts.add("Zoe Factor", SENTENCE, Role.VIEWER)
    sign_in(browser, "Zoe Factor")
    begun = browser.post(f"{API}/me/second-factor").json()
    assert begun["uri"].startswith("otpauth://totp/Gemel:Zoe%20Factor?secret=")
    assert sign_in(browser, "Zoe Factor").status_code == 200  # not confirmed yet
    assert browser.put(f"{API}/me/second-factor", json={"code": "000000"}).status_code == 422
    totp = pyotp.TOTP(begun["secret"])
    for _ in range(5):  # meanwhile the half minute before this one may have become the one before that
        now = platform.clock.now() // 1_000_000
        confirmed = browser.put(f"{API}/me/second-factor", json={"code": totp.at(now - 30)})
        if confirmed.status_code == 200:
            break
    recovery = confirmed.json()["codes"]
    assert len(set(recovery)) == 10

    refused = sign_in(browser, "Zoe Factor")
    assert (refused.status_code, refused.json()["second_factor"]) == (401, True)
    assert sign_in(browser, "Zoe Factor", code=totp.at(now - 30)).status_code == 401  # used already
    later = totp.at(platform.clock.now() // 1_000_000 + 30)
    assert sign_in(browser, "Zoe Factor", code=later).status_code == 200
    assert sign_in(browser, "Zoe Factor", code=later).status_code == 401
    assert sign_in(browser, "Zoe Factor", code=recovery[0]).status_code == 200
    assert sign_in(browser, "Zoe Factor", code=recovery[0]).status_code == 401

    assert admin.delete(f"/users/{account.id}/second-factor").status_code == 204
    assert sign_in(browser, "Zoe Factor").status_code == 200


def test_secrets_of_second_factors_and_links_are_not_in_the_database_in_the_clear(
    admin: httpx.Client, browser: httpx.Client, platform: Platform
) -> None:
    platform.gate.accounts.add("Clara Clear", SENTENCE, Role.VIEWER)
    sign_in(browser, "Clara Clear")
    secret = browser.post(f"{API}/me/second-factor").json()["secret"]
    link = admin.post("/links", json={"user": "Clara Clear"}).json()["secret"]
    files = list(Path(platform.folder.path).glob("gemel.sqlite*"))
    assert files
    for path in files:
        held = path.read_bytes()
        assert secret.encode() not in held
        assert link.encode() not in held


# another system


def by_provider(browser: httpx.Client, subject: str) -> httpx.Response:
    begun = browser.get(f"{API}/sign-in/other")
    assert begun.status_code == 302
    asked = parse_qs(urlsplit(begun.headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    answer = httpx.post(begun.headers["location"], data={"sub": subject})
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["location"])
    return browser.get(f"{back.path}?{back.query}")


def test_the_other_system_is_named_where_people_sign_in(browser: httpx.Client) -> None:
    assert browser.get(f"{API}/sign-in").json() == {"password": True, "other": "Company login"}


def test_a_person_signs_in_by_the_provider_with_the_role_that_its_claims_mean(browser: httpx.Client) -> None:
    came = by_provider(browser, "u1")
    assert (came.status_code, came.headers["location"]) == (302, "/")
    me = browser.get(f"{API}/me").json()
    assert (me["name"], me["role"]) == ("Erika Ingenieur", "engineer")
    first = me["id"]
    by_provider(browser, "u1")
    assert browser.get(f"{API}/me").json()["id"] == first


def test_a_person_of_another_organisation_has_its_party_and_no_role(browser: httpx.Client, platform: Platform) -> None:
    assert by_provider(browser, "u2").status_code == 302
    me = browser.get(f"{API}/me").json()
    assert (me["name"], me["role"], me["party"]) == ("Pat Partner", "", "partner")
    assert browser.get(f"{API}/twins").status_code == 403
    platform.gate.grant("party:partner", [Action.READ], Selector(everything=True))
    assert browser.get(f"{API}/twins").status_code == 200


def test_who_is_of_no_known_organisation_is_not_let_in(browser: httpx.Client) -> None:
    assert by_provider(browser, "u3").status_code == 401
    assert browser.get(f"{API}/me").status_code == 401


def test_the_provider_cannot_make_somebody_another_person_here(browser: httpx.Client) -> None:
    assert by_provider(browser, "u4").status_code == 409
    assert browser.get(f"{API}/me").status_code == 401


def test_only_the_browser_that_began_can_come_back(browser: httpx.Client, server: Server) -> None:
    begun = browser.get(f"{API}/sign-in/other")
    answer = httpx.post(begun.headers["location"], data={"sub": "u1"})
    back = urlsplit(answer.headers["location"])
    with httpx.Client(base_url=server.url) as other:
        assert other.get(f"{back.path}?{back.query}").status_code == 401
    assert browser.get(f"{back.path}?{back.query}").status_code == 302
    assert browser.get(f"{back.path}?{back.query}").status_code == 401  # and only once


def test_a_code_that_the_provider_does_not_know_lets_nobody_in(browser: httpx.Client) -> None:
    begun = browser.get(f"{API}/sign-in/other")
    state = parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
    assert browser.get(f"{API}/sign-in/callback", params={"state": state, "code": "made up"}).status_code == 401
