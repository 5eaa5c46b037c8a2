"""Trends: values of several machines below each other, kept by name, shared by link."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.web.conftest import Open

pytestmark = pytest.mark.browser
SAYS_COPIED = """() => {
  const copied = () => [...document.querySelectorAll("button")].some((one) => one.textContent.includes("Copied"));
  window.said = new Promise((done) => new MutationObserver(() => copied() && done(true)).observe(document.body, {
    subtree: true, childList: true, characterData: true,
  }));
}"""
SHOWN = "/trends?twin=mazak01&show=mazak01.x:load&last=8h"


def titled(page: Page, *machines: str) -> None:
    """One chart of the load for each of these machines."""
    expect(page.locator("figure")).to_have_count(len(machines))
    expect(page.locator("figure .title")).to_have_text([f"{name} › X · Linear axis Load" for name in machines])


def test_a_value_is_put_beside_that_of_the_other_machines(open_page: Open) -> None:
    page = open_page(SHOWN)
    page.get_by_role("button", name="Compare").click()
    titled(page, "Mazak01", "GFAgie01", "Mazak03")
    page.get_by_role("combobox", name="Machine").select_option("hurco02")
    page.get_by_role("region", name="Values").get_by_role("button", name="Execution").first.click()
    expect(page.locator("figure")).to_have_count(4)
    page.wait_for_url(lambda url: "execution" in url)
    there = page.url
    page.reload()
    expect(page.locator("figure")).to_have_count(4)
    expect(page).to_have_url(there)


def test_a_trend_is_kept_by_name_and_forgotten(open_page: Open) -> None:
    page = open_page(SHOWN)
    page.get_by_role("button", name="Save").click()
    page.get_by_label("Save as").fill("Loads")
    page.keyboard.press("Enter")
    page.goto(page.url.split("?")[0])
    expect(page.get_by_text("Choose a machine")).to_be_visible()
    page.get_by_role("link", name="Loads").click()
    expect(page.locator("figure")).to_have_count(1)
    assert [one["id"] for one in Axe().run(page).response["violations"]] == []
    page.get_by_role("button", name="Forget Loads").click()
    page.reload()
    expect(page.locator("figure")).to_have_count(1)
    expect(page.get_by_role("link", name="Loads")).to_have_count(0)


def test_a_copied_link_shows_later_what_is_seen_now(open_page: Open) -> None:
    page = open_page("/twins/mazak01.x?show=load&last=8h")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate(SAYS_COPIED)  # it says so for a moment only
    page.get_by_role("button", name="Copy link").click()
    assert page.evaluate("said")
    link = page.evaluate("navigator.clipboard.readText()")
    query = parse_qs(urlsplit(link).query)
    assert set(query) == {"show", "from", "to"}
    page.goto(link)
    expect(page.locator("figure")).to_have_attribute("aria-label", "Load")
    expect(page.get_by_role("button", name="8 h")).to_have_attribute("aria-pressed", "false")


def test_a_twin_leads_to_its_values_beside_those_of_others(open_page: Open) -> None:
    page = open_page("/twins/mazak01.x?show=load&last=24h")
    page.get_by_role("link", name="Compare").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Trends")
    expect(page.get_by_role("combobox", name="Machine")).to_have_value("mazak01")
    expect(page.get_by_role("button", name="24 h")).to_have_attribute("aria-pressed", "true")
    titled(page, "Mazak01")
