"""Entanglement in the browser: the shop, the level of a value, the stretch in which it was stale, an instruction."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from gemel.intake import Message, Reported
from gemel.platform import Platform
from gemel.server import Server
from tests.entanglement.conftest import PLANT
from tests.web.conftest import Open
from tests.web.test_web_devices import accessible

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def plant(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A press whose line has fallen silent: stale since a minute ago, after three lost messages."""
    with Platform.open(tmp_path_factory.mktemp("plant")) as platform, Server(platform, port=0, demo=True) as server:
        platform.apply(PLANT)
        now = platform.clock.now()
        for number, age_s in ((0, 120), (1, 90), (5, 60)):
            told = Reported(twin="press-7", property="temperature", value=20.0, time=now - age_s * 1_000_000)
            platform.ingest([Message(readings=[told], sequence=number, epoch="e")], source="line")
        yield server


@pytest.mark.parametrize("look", [{}, {"scheme": "dark"}, {"phone": True}], ids=["light", "dark", "phone"])
def test_the_shop_says_what_flows_and_what_is_stale(open_page: Open, plant: Server, look: dict) -> None:
    page = open_page("/entanglement", url=plant.url, **look)
    row = page.get_by_role("row").filter(has_text="press-7")
    expect(row).to_contain_text("1 stale since")
    expect(page.get_by_role("row").filter(has_text="press-8")).to_contain_text("0 of 4")
    assert accessible(page) == []
    page.get_by_label("Only with stale values").check()
    expect(page.get_by_role("row").filter(has_text="press-8")).to_have_count(0)
    expect(row).to_be_visible()


def test_each_value_has_its_level_and_each_chart_its_gaps(open_page: Open, plant: Server) -> None:
    page = open_page("/twins/press-7?show=temperature&last=5m", url=plant.url)
    mark = page.get_by_role("button", name="How Temperature is tied to its object: Model")
    expect(mark).to_be_visible()
    mark.click()
    expect(page.get_by_text("its value is stale: nothing flows in")).to_be_visible()
    expect(page.get_by_text("comes by line")).to_be_visible()
    expect(page.locator("[data-tie]")).to_contain_text("3 messages of its source never came")
    assert accessible(page) == []


def test_an_instruction_is_carried_out_and_confirmed(open_page: Open, plant: Server) -> None:
    platform = plant.services.platform
    order = platform.set("press-7", "oil_level", 70)
    platform.commander.reached(order.id, {"delivered"}).result(60)
    page = open_page("/entanglement", url=plant.url)
    waiting = page.get_by_role("region", name="Waits for a person").get_by_role("listitem")
    expect(waiting).to_contain_text("the sight glass")
    waiting.get_by_label("The value that was found").fill("71")
    assert accessible(page) == []
    waiting.get_by_role("button", name="Done", exact=True).click()
    expect(page.get_by_text("Waits for a person")).to_have_count(0)
    assert platform.commander.reached(order.id).result(60).state == "applied"
    assert platform.now("press-7")["oil_level"].value == 71
