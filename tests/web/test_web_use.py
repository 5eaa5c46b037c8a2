"""What people do: watch, search, look back, share a view, export; and what they see when the server is away."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from gemel.intake import Message, Reported
from gemel.platform import Platform
from gemel.server import Server
from tests.web.conftest import Open, Shop

pytestmark = pytest.mark.browser

COUNT = 120
SHOWN = "/twins/mazak01?show=mazak01.controller.path:execution,mazak01.x:load&last=8h"


def shows(page: Page, *labels: str) -> None:
    """Exactly these charts, one below the other."""
    figures = page.locator("figure")
    expect(figures).to_have_count(len(labels))
    for number, label in enumerate(labels):
        expect(figures.nth(number)).to_have_attribute("aria-label", label)


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_the_overview_tells_each_machine_and_its_state(open_page: Open) -> None:
    page = open_page("/")
    expect(page.get_by_role("article")).to_have_count(5)
    tile = page.get_by_role("article").filter(has_text="Mazak01")
    expect(tile.locator(".word")).to_have_text(re.compile("Active|Ready|Stopped|Interrupted|Feed hold"))
    expect(tile.get_by_text("% active")).to_be_visible()
    quiet = page.get_by_role("article").filter(has_text="Hurco02")
    expect(quiet.locator(".word")).to_have_text("No data")
    page.wait_for_function(
        "[...document.querySelectorAll('.figure')].reduce((sum, one) => sum + Number(one.textContent), 0) === 5"
    )
    tile.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Mazak01")


def test_a_state_that_changes_is_seen_without_reloading(open_page: Open, shop: Shop) -> None:
    page = open_page("/")
    tile = page.get_by_role("article").filter(has_text="Mazak03")
    for word in ("ACTIVE", "FEED_HOLD", "READY"):
        shop.report("mazak03.controller.path", "execution", word)
        expect(tile.locator(".word")).to_have_text(word.capitalize().replace("_", " "))


def test_a_fault_is_told_by_shape_and_text(open_page: Open, shop: Shop) -> None:
    page = open_page("/")
    tile = page.get_by_role("article").filter(has_text="Mazak03")
    shop.report("mazak03.controller", "system_condition", {"level": "fault", "code": "717", "text": "SHAPE EXCEEDS"})
    expect(tile.get_by_text("717 SHAPE EXCEEDS")).to_be_visible()
    expect(tile.locator("svg.fault")).to_be_visible()
    expect(page.get_by_text("1 fault")).to_be_visible()
    shop.report("mazak03.controller", "system_condition", {"level": "normal", "code": "717"})
    expect(tile.get_by_text("717 SHAPE EXCEEDS")).to_have_count(0)


def test_a_live_value_moves_in_the_list(open_page: Open) -> None:
    page = open_page("/twins/mazak01.x")
    value = page.locator("li", has=page.get_by_role("button", name="Load")).locator("strong").first
    before = value.text_content()
    expect(value).not_to_have_text(before or "")


def test_a_deep_link_gives_the_same_view_again(open_page: Open) -> None:
    page = open_page(SHOWN)
    shows(page, "Execution", "Load")
    expect(page.get_by_role("button", name="8 h")).to_have_attribute("aria-pressed", "true")
    row = page.get_by_role("region", name="Values").get_by_role("button", name="Axis feedrate").first
    row.click()
    expect(row).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="24 h").click()
    page.wait_for_url("**last=24h**")
    there = page.url
    shows(page, "Execution", "Load", "Axis feedrate")
    page.reload()
    shows(page, "Execution", "Load", "Axis feedrate")
    expect(page.get_by_role("button", name="24 h")).to_have_attribute("aria-pressed", "true")
    expect(page).to_have_url(there)


def test_keys_and_wheel_move_all_charts_together(open_page: Open) -> None:
    page = open_page(SHOWN)
    shows(page, "Execution", "Load")
    stack = page.get_by_role("application")
    stack.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**from=**")
    first = query(page)
    page.keyboard.press("+")
    page.wait_for_url(lambda url: parse_qs(urlsplit(url).query).get("from") != first["from"])
    page.keyboard.press("End")
    page.wait_for_url(re.compile("last="))
    box = stack.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 300, box["y"] + 60)
    expect(page.locator(".cursor")).to_have_count(1)
    expect(page.locator("figure output").first).not_to_be_empty()
    page.mouse.down()
    page.mouse.move(box["x"] + 420, box["y"] + 60, steps=4)
    page.mouse.up()
    page.wait_for_url("**from=**")


def test_back_leads_from_the_part_to_the_machine(open_page: Open) -> None:
    page = open_page("/twins/mazak01")
    page.get_by_role("region", name="Composition").get_by_role("link", name="Path").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Path")
    expect(page.get_by_role("navigation", name="Part of").get_by_role("link", name="Mazak01")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Mazak01")


def test_search_from_the_keyboard_finds_a_serial_number(open_page: Open) -> None:
    page = open_page("/")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Id, name")).to_be_focused()
    page.keyboard.type("M7303290458")
    expect(page.get_by_role("listbox", name="Search").get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Mazak01")


def test_what_is_shown_can_be_exported(open_page: Open, tmp_path: Path) -> None:
    page = open_page(SHOWN)
    shows(page, "Execution", "Load")
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as loading:
        page.get_by_role("link", name="CSV").click()
    target = tmp_path / "shown.csv"
    loading.value.save_as(target)
    text = target.read_text()
    assert "mazak01.x" in text
    assert "load" in text
    assert "mazak01.controller.path" in text


def test_a_lost_server_is_said_and_its_return_is_seen(open_page: Open, shop: Shop) -> None:
    page = open_page("/twins/mazak01.x?show=none")
    live = page.get_by_role("banner").get_by_text("Live", exact=True)
    expect(live).to_be_visible()
    port = shop.server.services.port
    shop.server.stop()
    expect(page.get_by_text(re.compile("These values are not live"))).to_be_visible()
    expect(page.get_by_role("banner").get_by_text(re.compile("Reconnecting, last data .* ago"))).to_be_visible()
    shop.server = Server(shop.platform, port=port, demo=True)
    shop.server.start()
    expect(live).to_be_visible()
    value = page.locator("li", has=page.get_by_role("button", name="Load")).locator("strong").first
    before = value.text_content()
    expect(value).not_to_have_text(before or "")


def test_the_demo_says_so_and_times_are_those_of_the_site(open_page: Open) -> None:
    page = open_page("/")
    expect(page.get_by_text("Demo: signed in automatically on this computer")).to_be_visible()
    expect(page.get_by_role("banner").get_by_text(re.compile("^GMT-[45]|E[SD]T"))).to_be_visible()
    zone = "Intl.DateTimeFormat('en-GB', {timeZone: 'America/New_York', hour: '2-digit', minute: '2-digit'})"
    clock = page.get_by_role("banner").locator("time")
    expect(clock).to_have_text(re.compile(r"^\d\d:\d\d"))
    shown = (clock.text_content() or "")[:5]
    assert shown in page.evaluate(f"[0, 60000].map(ago => {zone}.format(Date.now() - ago))")


def test_a_german_reader_reads_german(open_page: Open) -> None:
    page = open_page("/", locale="de-DE")
    expect(page.get_by_role("heading", level=1)).to_have_text("Übersicht")
    page.get_by_role("button", name="Einstellungen").click()
    page.get_by_role("combobox", name="Sprache").select_option("en")
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


def test_a_chosen_appearance_is_kept(open_page: Open) -> None:
    page = open_page("/")
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("button", name="Dark").click()
    page.reload()
    page.wait_for_selector("h1")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


def test_an_empty_plant_says_what_to_do(open_page: Open, tmp_path: Path) -> None:
    with Platform.open(tmp_path / "empty") as platform, Server(platform, port=0, demo=True) as server:
        page = open_page("/", url=server.url)
        expect(page.get_by_text("gemel apply plant.yaml")).to_be_visible()
        for path in ("/connectors", "/types", "/twins", "/trends"):
            page.goto(server.url + path)
            expect(page.get_by_text("gemel apply plant.yaml")).to_be_visible()
        page.close()


def test_who_is_not_signed_in_is_asked_to(open_page: Open, tmp_path: Path) -> None:
    with Platform.open(tmp_path / "guarded") as platform:
        platform.gate.accounts.add("ada", "a long enough password", "viewer")
        with Server(platform, port=0) as server:
            page = open_page("/twins", url=server.url)
            page.get_by_label("Name").fill("ada")
            page.get_by_label("Password").fill("a long enough password")
            page.get_by_role("button", name="Sign in").click()
            expect(page.get_by_role("heading", level=1)).to_have_text("Twins")
            expect(page.get_by_text("Demo:")).to_have_count(0)
            page.close()


def test_the_first_administrator_sets_gemel_up(open_page: Open, tmp_path: Path) -> None:
    with Platform.open(tmp_path / "new") as platform, Server(platform, port=0) as server:
        secret = platform.gate.accounts.setup_token()
        page = open_page(f"/setup#{secret}", url=server.url)
        expect(page.get_by_role("heading", level=1)).to_have_text("Set up Gemel")
        expect(page).to_have_url(f"{server.url}/setup")
        page.get_by_label("Name").fill("ada")
        page.get_by_label("Password", exact=True).fill("a long enough password")
        page.get_by_label("Password again").fill("another password")
        page.get_by_role("button", name="Make this administrator").click()
        expect(page.get_by_role("alert")).to_have_text("The two passwords are not the same.")
        page.get_by_label("Password again").fill("a long enough password")
        page.get_by_role("button", name="Make this administrator").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
        expect(page).to_have_url(f"{server.url}/")
        assert [account.name for account in platform.gate.accounts.all()] == ["ada"]
        page.goto(server.url + "/setup")
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
        page.close()


def test_setting_up_without_the_secret_says_where_it_is(open_page: Open, tmp_path: Path) -> None:
    with Platform.open(tmp_path / "new") as platform, Server(platform, port=0) as server:
        page = open_page("/setup", url=server.url)
        expect(page.get_by_text("This address lacks its secret")).to_be_visible()
        expect(page.get_by_role("link", name="Sign in")).to_be_visible()
        page.close()


def test_conditions_that_come_and_go_are_told_as_events(open_page: Open, shop: Shop) -> None:
    page = open_page("/twins/mazak03?show=none")
    events = page.get_by_role("region", name="Events")
    expect(events).to_be_visible()
    shop.report("mazak03.controller", "system_condition", {"level": "warning", "code": "E815", "text": "LOW OIL"})
    expect(events.get_by_text("E815 LOW OIL", exact=True)).to_be_visible()
    shop.report("mazak03.controller", "system_condition", {"level": "normal", "code": "E815"})
    expect(events.get_by_text("Cleared: E815 LOW OIL")).to_be_visible()
    page.goto(f"{shop.url}/events?twin=mazak03")
    expect(page.get_by_text("E815 LOW OIL", exact=True)).to_be_visible()
    expect(page.get_by_text("Cleared: E815 LOW OIL")).to_be_visible()


def test_the_overview_asks_once_however_many_machines_there_are(open_page: Open, tmp_path: Path) -> None:
    twins = [{"id": f"m-{n}", "types": ["press"], "name": f"Press {n}"} for n in range(COUNT)]
    pumps = [{"id": f"m-{n}.pump", "types": ["pump"], "part_of": f"m-{n}"} for n in range(COUNT)]
    state = {"name": "state", "kind": "enumeration", "headline": True}
    flow = {"name": "flow", "kind": "number", "unit": "L/min", "headline": True}
    types = [{"id": "press", "properties": [state]}, {"id": "pump", "properties": [flow]}]
    with Platform.open(tmp_path / "many") as platform, ExitStack() as stack:
        platform.apply({"gemel": 1, "types": types, "twins": [*twins, *pumps]})
        told = [Reported(twin=f"m-{n}", property="state", value="ACTIVE") for n in range(COUNT)]
        platform.ingest([Message(readings=[*told, Reported(twin="m-7.pump", property="flow", value=12.5)])])
        server = stack.enter_context(Server(platform, port=0, demo=True))  # now: nothing is told to have changed
        page = open_page("/", url=server.url)
        page.goto("about:blank")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(urlsplit(request.url).path))
        page.goto(server.url + "/")
        expect(page.get_by_text(f"{COUNT} machines")).to_be_visible()
        expect(page.locator('[data-state="active"] .figure')).to_have_text(str(COUNT))
        expect(page.get_by_role("article").filter(has_text="Press 7").get_by_text("12.5")).to_be_visible()
        assert [path for path in asked if path.startswith("/api/v1/twins")].count("/api/v1/twins") == 1
        assert not [path for path in asked if path.endswith("/parts")]
        platform.ingest([Message(readings=[Reported(twin=f"m-{COUNT - 1}", property="state", value="READY")])])
        expect(page.locator('[data-state="ready"] .figure')).to_have_text("1")
        page.get_by_role("article").filter(has_text=f"Press {COUNT - 1}").scroll_into_view_if_needed()
        expect(page.get_by_role("article").filter(has_text=f"Press {COUNT - 1}").locator(".word")).to_have_text("Ready")
        page.close()


def test_on_a_phone_all_of_a_cell_stands_beside_its_own_name(open_page: Open) -> None:
    page = open_page("/effectiveness", phone=True)
    row = page.locator("table.stack tbody tr").filter(has_text="Mazak01")
    expect(row.locator("td").first.locator(".tag")).to_be_visible()  # two things in one cell
    lefts = row.locator("td > *").evaluate_all("all => all.map((one) => Math.round(one.getBoundingClientRect().left))")
    assert len(lefts) > 3
    assert len(set(lefts)) == 1, lefts
