"""Connecting a machine in the browser: from a real OPC UA server to its twin, step by step."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from gemel.platform import Platform
from gemel.server import Server
from tests.connectors.opcua_server import PressServer
from tests.web.conftest import Open
from tests.web.test_web_devices import accessible

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def press() -> Iterator[PressServer]:
    with PressServer() as server:
        yield server


@pytest.fixture(scope="module")
def plant(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An empty plant of its own, so that the shop stays as it is."""
    with Platform.open(tmp_path_factory.mktemp("plant")) as platform, Server(platform, port=0, demo=True) as server:
        yield server


def to_points(page: Page, url: str) -> None:
    """The first two steps."""
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Address").fill(url)
    page.get_by_role("button", name="Look").click()
    expect(page.get_by_role("heading", name="What is taken?")).to_be_visible()


def test_a_machine_is_connected_step_by_step_and_its_first_value_is_seen(
    open_page: Open, plant: Server, press: PressServer
) -> None:
    page = open_page("/", url=plant.url)
    page.get_by_role("link", name="Connect a machine").click()
    page.goto(f"{plant.url}/connectors")
    page.get_by_role("link", name="Connect a machine").click()
    expect(page.get_by_role("radio", name="OPC UA")).to_be_checked()
    to_points(page, press.url)
    row = page.get_by_role("row").filter(has_text="Press.OilTemperature")
    expect(row).to_contain_text("20")
    expect(row.get_by_label("Unit of oil_temperature")).to_have_value("Cel")
    press.write("OilTemperature", 41.5)
    expect(row).to_contain_text("41.5")

    page.get_by_label("All 8").uncheck()
    expect(page.get_by_role("button", name="Take 0 values")).to_be_disabled()
    page.locator("form.card").get_by_label("Search").fill("oil")
    page.get_by_label("Take oil_temperature").check()
    page.get_by_label(re.compile("Name of .*Press.OilTemperature")).fill("oil_temp")
    page.get_by_role("button", name="Take 1 value").click()

    page.get_by_label("Id", exact=True).fill("press-web")
    page.get_by_role("button", name="Next").click()
    expect(page.locator(".plan")).to_contain_text("press-web")
    expect(page.locator(".plan")).to_contain_text("1 value comes in through it")
    assert plant.services.platform.registry.directory.twin("press-web") is None
    page.get_by_text("The plant document").click()
    expect(page.get_by_label("The plant document (YAML)")).to_contain_text("oil_temp")
    assert accessible(page) == []
    page.get_by_role("button", name="Connect", exact=True).click()
    page.wait_for_url("**/twins/press-web")
    expect(page.get_by_text("41.5").first).to_be_visible()


def test_an_address_that_does_not_answer_is_a_sentence_and_nothing_is_lost(open_page: Open, plant: Server) -> None:
    page = open_page("/connect", url=plant.url)
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Address").fill("opc.tcp://127.0.0.1:1")
    with page.expect_response("**/discoveries"):
        page.get_by_role("button", name="Look").click()
    expect(page.get_by_role("alert")).to_contain_text("Look at the address and port")
    expect(page.get_by_label("Address")).to_have_value("opc.tcp://127.0.0.1:1")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_every_step_fits_the_screen_and_is_accessible(
    open_page: Open, plant: Server, press: PressServer, scheme: str, phone: bool
) -> None:
    page = open_page("/connect", url=plant.url, scheme=scheme, phone=phone)

    def sound() -> None:
        assert accessible(page) == []
        wide = "[...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > innerWidth)"
        assert page.evaluate(f"{wide}.map((e) => e.outerHTML.slice(0, 120))") == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    sound()
    to_points(page, press.url)
    sound()
    page.get_by_role("button", name="Take 8 values").click()
    sound()
    page.get_by_label("Id", exact=True).fill("press-look")
    page.get_by_role("button", name="Next").click()
    expect(page.locator(".plan")).to_contain_text("press-look")
    sound()


def test_the_keyboard_alone_goes_through(open_page: Open, plant: Server, press: PressServer) -> None:
    page = open_page("/connect", url=plant.url)
    page.get_by_role("radio", name="OPC UA").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Address").focus()
    page.keyboard.type(press.url)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="What is taken?")).to_be_focused()
