"""Access in the browser: share with a preview, invite, make a token, keep out, revoke and undo, ask why, look back."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyotp
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from gemel.access import Selector
from tests.web.conftest import Open, Shop

pytestmark = pytest.mark.browser
TWIN = "mazak01"
PASSWORD = "a sentence of some words"


def accessible(page: Page) -> list[str]:
    return [f"{one['id']}: {one['nodes'][0]['target']}" for one in Axe().run(page).response["violations"]]


@pytest.fixture(autouse=True)
def clean(shop: Shop) -> Iterator[None]:
    """Nobody and nothing is left over from another test."""
    yield
    gate = shop.platform.gate
    for grant in gate.grants.all():
        if grant.revoked is None:
            gate.grants.revoke(grant.id)
    for token in gate.tokens.all():
        gate.tokens.withdraw(token.id)
    for account in gate.accounts.all():
        if account.name:
            gate.accounts.erase(account.id)


def test_a_machine_is_shared_after_a_preview_revoked_and_shared_again(open_page: Open, shop: Shop) -> None:
    gate = shop.platform.gate
    page = open_page("/access")
    expect(page.get_by_text("Nothing is shared")).to_be_visible()
    page.get_by_role("button", name="Add an organisation").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("Swift Service Ltd")
    expect(page.get_by_label("Id, for ever")).to_have_value("swift-service-ltd")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("button", name="Share something: Swift Service Ltd").click()
    page.get_by_role("combobox", name="As", exact=True).select_option("Service for a job")
    preview = page.get_by_role("region", name="What they will see")
    expect(preview.get_by_text("Nothing yet")).to_be_visible()
    twins = page.get_by_role("combobox", name="Twins")
    twins.fill(TWIN)
    twins.press("Enter")
    count = len(shop.platform.registry.part_ids([TWIN])) + 1
    expect(preview.get_by_text(f"{count} twins")).to_be_visible()
    opened = preview.locator("details").filter(has_text="Path")
    opened.locator("summary").first.click()
    expect(opened.get_by_text("Not to be seen").first).to_be_visible()
    assert accessible(page) == []
    page.get_by_label("What for").fill("order 4711")
    page.get_by_role("button", name="Share it").click()
    expect(page.get_by_text("Shared with Swift Service Ltd.")).to_be_visible()
    (grant,) = [one for one in gate.grants.all() if one.revoked is None]
    assert (grant.to, grant.selector.twins, grant.history_s) == ("party:swift-service-ltd", (TWIN,), 30 * 86_400)
    assert {str(group) for group in grant.groups} == {"identity", "configuration", "condition", "usage"}

    page.get_by_role("button", name="Revoke: Swift Service Ltd").click()
    assert accessible(page) == []
    asked = page.get_by_role("alertdialog")
    expect(asked.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(asked).to_have_count(0)
    page.get_by_role("button", name="Revoke: Swift Service Ltd").click()
    asked.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("No longer shared with Swift Service Ltd.")).to_be_visible()
    assert gate.grants.get(grant.id).revoked is not None
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name="Revoke: Swift Service Ltd")).to_be_visible()
    (again,) = [one for one in gate.grants.all() if one.revoked is None]
    assert (again.selector, again.groups, again.purpose) == (grant.selector, grant.groups, "order 4711")


def test_a_person_is_invited_signs_in_with_a_second_factor_and_is_kept_out(open_page: Open, shop: Shop) -> None:
    page = open_page("/access/people")
    page.get_by_role("button", name="Invite somebody").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("Olga Operator")
    page.get_by_label("Role").select_option("Operator")
    page.get_by_role("button", name="Make the link").click()
    address = page.get_by_role("region", name="Invitation for Olga Operator").locator("pre").inner_text()
    assert accessible(page) == []
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_text("invited, no password yet")).to_be_visible()
    assert address.partition("#")[2] not in page.content()

    httpx.post(f"{shop.url}/api/v1/links/use", json={"secret": address.partition("#")[2], "password": PASSWORD})
    session = httpx.post(f"{shop.url}/api/v1/session", json={"name": "Olga Operator", "password": PASSWORD}).cookies
    own = open_page("/")
    own.goto("about:blank")  # as below: what the overview still asks ends with it
    own.context.add_cookies([{"name": name, "value": value, "url": shop.url} for name, value in session.items()])
    own.goto(shop.url + "/account")
    own.get_by_role("button", name="Set it up").click()
    expect(own.get_by_role("img", name="QR code")).to_be_visible()
    assert accessible(own) == []
    secret = own.locator(".secret").inner_text().replace(" ", "")
    own.get_by_label("Code that the app shows").fill(pyotp.TOTP(secret).now())
    own.get_by_role("button", name="Turn it on").click()
    codes = own.get_by_role("region", name="Recovery codes").locator("pre").inner_text().split()
    assert len(codes) == 10
    own.get_by_role("button", name="Done").click()
    expect(own.get_by_role("button", name="Turn it off")).to_be_visible()

    page.reload()
    expect(page.get_by_text("with a second factor")).to_be_visible()
    page.get_by_role("button", name="Actions for Olga Operator").click()
    page.get_by_role("button", name="Keep out").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Keep out").click()
    expect(page.get_by_text("Olga Operator is kept out.")).to_be_visible()
    assert shop.platform.gate.accounts.get("Olga Operator").disabled
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("may sign in")).to_be_visible()


def test_a_token_is_kept_to_a_twin_shown_once_and_withdrawn(open_page: Open, shop: Shop) -> None:
    page = open_page("/access/programs")
    page.get_by_role("button", name="Add a service").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("MES")
    page.get_by_role("button", name="Add it").click()
    page.get_by_label("What it is for").fill("MES at line 2")
    expect(page.get_by_label("Acts for")).to_have_value(shop.platform.gate.accounts.get("MES").id)
    page.get_by_label("Only some actions or machines").check()
    page.get_by_label("Read").check()
    twins = page.get_by_role("combobox", name="Twins")
    twins.fill(TWIN)
    twins.press("Enter")
    page.get_by_role("button", name="Make it").click()
    secret = page.get_by_role("region", name="Token MES at line 2").locator("pre").inner_text()
    assert accessible(page) == []
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_role("region", name="Token MES at line 2")).to_have_count(0)
    assert secret not in page.content()
    headers = {"Authorization": f"Bearer {secret}"}
    assert httpx.get(f"{shop.url}/api/v1/twins/{TWIN}", headers=headers).status_code == 200
    assert httpx.get(f"{shop.url}/api/v1/twins/mazak03", headers=headers).status_code == 404
    page.get_by_role("button", name="Withdraw: MES at line 2").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("The token MES at line 2 is withdrawn.")).to_be_visible()
    assert httpx.get(f"{shop.url}/api/v1/twins/{TWIN}", headers=headers).status_code == 401


def test_why_audit_and_usage_tell_what_a_program_of_another_organisation_did(
    open_page: Open, shop: Shop, tmp_path: Path
) -> None:
    gate = shop.platform.gate
    if "quick" not in {one.id for one in gate.parties.all()}:
        gate.parties.add("quick", "Quick Ltd")
    gate.grant("party:quick", ["read"], Selector(twins=(TWIN,)), groups=["usage"])
    service = gate.accounts.add("Quick cloud", None, None, party="quick", kind="service")
    _, secret = gate.tokens.add("quick reader", None, owner=service.id)
    headers = {"Authorization": f"Bearer {secret}"}
    httpx.get(f"{shop.url}/api/v1/twins/{TWIN}/now", headers=headers)
    httpx.get(f"{shop.url}/api/v1/twins/mazak03", headers=headers)

    page = open_page(f"/access/why?who=party:quick&twin={TWIN}&action=read")
    expect(page.get_by_text("No.", exact=True)).to_be_visible()
    expect(page.get_by_text("is for usage alone, not for the twin as a whole")).to_be_visible()
    assert accessible(page) == []
    page = open_page("/access/audit?party=quick")
    rows = page.locator("tbody tr")
    expect(
        rows.filter(has_text="token quick reader").filter(has_text="refused").filter(has_text="mazak03")
    ).to_have_count(1)
    page.get_by_label("Outcome").select_option("allowed")
    expect(rows.filter(has_text="refused")).to_have_count(0)
    expect(rows.filter(has_text=TWIN).first).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    with Path(download.value.path()).open(newline="") as file:
        told = list(csv.DictReader(file))
    assert {(one["party"], one["allowed"]) for one in told} == {("quick", "true")}
    page = open_page("/access/usage?party=quick")
    expect(page.get_by_role("row", name="token quick reader").first).to_be_visible()
    assert accessible(page) == []


def test_a_person_to_whom_nothing_is_granted_is_told_so(open_page: Open, shop: Shop) -> None:
    gate = shop.platform.gate
    gate.accounts.add("Nora Nobody", PASSWORD, "")
    session = httpx.post(f"{shop.url}/api/v1/session", json={"name": "Nora Nobody", "password": PASSWORD}).cookies
    page = open_page("/")
    page.goto("about:blank")  # what the overview still asks ends with it: it would be asked as Nora
    page.context.add_cookies([{"name": name, "value": value, "url": shop.url} for name, value in session.items()])
    page.goto(shop.url + "/")
    expect(page.get_by_text("nothing is shared with you yet")).to_be_visible()
