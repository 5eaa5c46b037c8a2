"""The frame around the pages: menus by noun, keys, the wall display."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from playwright.sync_api import Error, expect

from tests.web.conftest import Open

pytestmark = pytest.mark.browser


def test_what_is_opened_daily_is_in_the_header_and_the_rest_in_one_menu(open_page: Open) -> None:
    page = open_page("/")
    places = page.get_by_role("navigation", name="Main")
    expect(places.get_by_role("link", name="Events")).to_be_visible()
    menu = places.get_by_role("button", name="Administration")
    expect(places.get_by_role("link", name="Connectors")).to_have_count(0)
    menu.click()
    places.get_by_role("link", name="Connectors").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Connectors")
    expect(menu).to_have_attribute("aria-expanded", "false")
    menu.click()
    expect(places.get_by_role("link", name="Connectors")).to_have_attribute("aria-current", "page")
    page.keyboard.press("Escape")
    expect(menu).to_have_attribute("aria-expanded", "false")
    expect(menu).to_be_focused()


def test_keys_lead_to_pages_and_are_listed(open_page: Open) -> None:
    page = open_page("/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    for _ in range(20):  # the second key is to come soon after the first
        page.keyboard.press("g")
        page.keyboard.press("e")
        with suppress(Error):
            page.wait_for_url("**/events", timeout=3_000)
            break
    expect(page.get_by_role("heading", level=1)).to_have_text("Events")
    page.route(re.compile(r"/events\?.*twin=go?&"), lambda route: route.abort())  # no twin is called so
    page.get_by_label("Filter by twin").press("g")
    page.get_by_label("Filter by twin").press("o")
    expect(page.get_by_label("Filter by twin")).to_have_value("go")
    assert page.url.split("?")[0].endswith("/events")


def test_a_wall_display_shows_machines_clock_and_connection_alone(open_page: Open) -> None:
    page = open_page("/")
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("button", name="Wall display").click()
    page.wait_for_url("**wall=1**")
    expect(page.get_by_role("navigation", name="Main")).to_have_count(0)
    expect(page.locator("header").get_by_text("Live")).to_be_visible()
    expect(page.locator("header time")).to_have_text(re.compile(r"\d\d:\d\d:\d\d"))
    page.reload()
    page.get_by_role("button", name="Leave the wall display").click()
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
