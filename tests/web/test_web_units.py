"""Numbers in the units that a reader chose: values, charts, forms; what is sent is in the declared one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from gemel.intake import Message, Reported
from gemel.platform import Platform
from gemel.server import Server
from tests.web.conftest import Open
from tests.web.test_web_devices import accessible

pytestmark = pytest.mark.browser
PLANT = """
gemel: 1
types:
  - id: oven
    properties:
      - {name: chamber, unit: Cel, normal: [60, 90], headline: true}
      - {name: rise, unit: K}
      - {name: limit, unit: Cel, maximum: 200}
    commands:
      - name: heat
        input: [{name: to, unit: Cel, minimum: 0, maximum: 200}]
        effect: {limit: {expression: input.to}}
twins: [{id: oven-1, types: [oven], name: Oven 1}]
"""


@pytest.fixture(scope="module")
def oven(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("oven")
    with Platform.open(folder) as platform, Server(platform, port=0, demo=True) as server:
        platform.apply(PLANT)
        values = {"chamber": 80.0, "rise": 10.0, "limit": 100.0}
        readings = [Reported(twin="oven-1", property=name, value=value) for name, value in values.items()]
        platform.ingest([Message(readings=readings)])
        yield server


def value(page: Page, name: str) -> Locator:
    """What stands beside a name in the list of values."""
    return page.locator("li", has=page.get_by_role("button", name=re.compile(rf"chart.*{name}|{name}.*chart"))).locator(
        ".value"
    )


def test_values_charts_and_forms_speak_the_chosen_unit_and_send_the_declared_one(open_page: Open, oven: Server) -> None:
    page = open_page("/twins/oven-1", url=oven.url)
    expect(value(page, "Chamber")).to_have_text("80°C")
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Units").select_option("US customary")
    page.keyboard.press("Escape")
    expect(value(page, "Chamber")).to_have_text("176°F")
    expect(value(page, "Rise")).to_have_text("10K")  # a difference stays one
    chart = page.get_by_role("figure", name="Chamber")
    expect(chart.locator("output")).to_have_text("176\u202f°F")
    page.get_by_role("button", name="Heat").click()
    expect(page.locator("form .unit")).to_have_text("°F")
    expect(page.locator("form").get_by_text(re.compile("32.*392"))).to_be_visible()
    page.locator("form .typed .field").fill("212.9")
    expect(page.get_by_text("Sent as 100.5 °C")).to_be_visible()
    accessible(page)
    page.get_by_role("button", name="Send").click()
    expect(page.locator("li").get_by_text("To 212.9 °F").first).to_be_visible()
    expect(value(page, "Limit")).to_have_text("212.9°F")
    assert oven.services.platform.now("oven-1")["limit"].value == 100.5
    page.reload()  # the browser keeps it; one unit can go its own way
    expect(chart.locator("output")).to_have_text("176\u202f°F")
    page.get_by_role("button", name="Settings").click()
    page.get_by_text("Unit by unit").click()
    page.get_by_label("°C").select_option("°C")
    page.keyboard.press("Escape")
    expect(chart.locator("output")).to_have_text("80\u202f°C")
