"""What holds for every page: accessible, light and dark; fits a phone; small; nothing from elsewhere."""

from __future__ import annotations

import gzip
import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.web.conftest import PHONE, ROOT, Open

pytestmark = pytest.mark.browser

PAGES = {
    "overview": "/",
    "twin": "/twins/mazak01?last=8h",
    "part": "/twins/mazak01.x",
    "twins": "/twins?q=mazak",
    "connectors": "/connectors",
    "types": "/types",
    "type": "/types/rotary_axis",
    "events": "/events",
    "quarantine": "/quarantine",
    "health": "/diagnosis",
    "backups, no place set": "/backups",
    "connect": "/connect",
    "devices": "/devices",
    "sharing": "/access",
    "people": "/access/people",
    "programs": "/access/programs",
    "why": "/access/why?twin=mazak01",
    "audit": "/access/audit",
    "usage": "/access/usage",
    "account": "/account",
    "wall": "/?wall=1",
    "trends": "/trends?show=mazak01.x:load,mazak01.controller.path:execution&last=8h",
    "no trend": "/trends",
    "work": "/work",
    "failures": "/work?failures",
    "effectiveness": "/effectiveness",
    "effectiveness of a machine": "/effectiveness/mazak01?last=24h",
    "effectiveness compared": "/effectiveness?compare&setting=controller.path.program",
    "nothing here": "/twins/no-such-twin",
}
WEB = ROOT / "src/gemel/server/web"
GZIPPED_JS_BYTES = 180_000
"""All pages but those that come when asked for, in both languages, once for a browser: 0.6 seconds on 2.5 Mbit/s."""
LATER_JS_BYTES = 60_000
"""What comes when it is asked for, the largest piece of it."""


def settled(page: Page) -> None:
    expect(page.locator("main [role=status]")).to_have_count(0)


def violations(page: Page, *rules: str) -> list[str]:
    """What axe finds by these rules, or by all."""
    options = {"runOnly": {"type": "rule", "values": list(rules)}} if rules else None
    found = Axe().run(page, options=options).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['target']} {one['nodes'][0]['failureSummary']}" for one in found]


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_accessible_in_light_and_dark_and_fits_a_phone(open_page: Open, name: str) -> None:
    page = open_page(PAGES[name], touch=True)
    settled(page)
    assert violations(page) == []
    light = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).not_to_have_css("background-color", light)
    assert violations(page, "color-contrast") == []
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    settled(page)
    expect(page.locator("html")).to_have_js_property("scrollWidth", PHONE["width"])
    assert violations(page, "target-size", "scrollable-region-focusable", "color-contrast", "aria-hidden-focus") == []


def test_the_search_is_accessible(open_page: Open) -> None:
    page = open_page("/")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Id, name").fill("mazak")
    page.wait_for_selector("[role=option]")
    assert [one["id"] for one in Axe().run(page).response["violations"]] == []


def test_the_menus_are_accessible_and_fit_a_phone(open_page: Open) -> None:
    for phone in (False, True):
        page = open_page("/", phone=phone)
        if phone:
            page.get_by_role("button", name="Menu").click()
        for menu in () if phone else ("Service", "Administration", "Settings"):
            page.get_by_role("button", name=menu).click()
            assert [one["id"] for one in Axe().run(page).response["violations"]] == []
        if phone:
            expect(page.get_by_role("link", name="Backups")).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") == 390
            assert [one["id"] for one in Axe().run(page).response["violations"]] == []


def test_the_app_is_small_and_asks_nobody_else(built: None) -> None:
    scripts = list(WEB.glob("assets/*.js"))
    sizes = {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in scripts}
    asked = re.findall(r"/assets/([^\"]+\.js)", (WEB / "index.html").read_text())
    assert sum(sizes[name] for name in asked) < GZIPPED_JS_BYTES
    assert max(size for name, size in sizes.items() if name not in asked) < LATER_JS_BYTES
    for path in [*scripts, *WEB.glob("assets/*.css"), WEB / "index.html"]:
        assert path.with_name(path.name + ".gz").exists()
        assert path.with_name(path.name + ".br").exists()
        hosts = set(re.findall(r"https?://([a-z0-9.-]+)", path.read_text()))
        assert hosts <= {"www.w3.org", "svelte.dev", "agent.local"}, path  # XML, Svelte's error texts, an example
    assert "<style" not in (WEB / "index.html").read_text()


def test_the_lock_file_names_no_registry() -> None:
    text = (ROOT / "web/package-lock.json").read_text()
    assert '"resolved"' not in text
    wanted = json.loads((ROOT / "web/package.json").read_text())
    versions = {**wanted["dependencies"], **wanted["devDependencies"]}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions.values()), versions
