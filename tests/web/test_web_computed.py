"""A computed property in a browser: it lives on the twin's page, and tells what it was made of."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

import gemel
from gemel.platform import Platform
from gemel.server import Server
from tests.web.conftest import Open

pytestmark = pytest.mark.browser
PLANT = """
gemel: 1
types:
  - id: pump
    properties:
      - {name: power, unit: kW, group: process}
      - {name: flow, unit: m3/h, group: process}
      - {name: effort, unit: kW.h/m3, group: process, computed: {expression: power / flow}}
  - id: station
    properties: [{name: total, unit: kW, group: process, computed: {expression: sum(parts.power)}}]
twins:
  - {id: station-1, types: [station], name: Station}
  - {id: pump-1, types: [pump], part_of: station-1}
  - {id: pump-2, types: [pump], part_of: station-1}
"""


@pytest.fixture(scope="module")
def station(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Platform, str]]:
    with gemel.open(tmp_path_factory.mktemp("station")) as platform, Server(platform, port=0, demo=True) as server:
        platform.apply(PLANT)
        for pump, power in (("pump-1", 2.0), ("pump-2", 3.0)):
            platform.write(pump, "flow", 10.0)
            platform.write(pump, "power", power)
        yield platform, server.url


def test_a_computed_value_lives_and_tells_what_it_was_made_of(open_page: Open, station: tuple[Platform, str]) -> None:
    platform, url = station
    page = open_page("/twins/station-1", url=url)
    row = page.get_by_role("listitem").filter(has=page.get_by_role("button", name="total", exact=False)).first
    expect(row.locator("strong").first).to_have_text("5")
    platform.write("pump-2", "power", 6.5)
    expect(row.locator("strong").first).to_have_text("8.50")  # nobody has reloaded anything
    row.locator("button.how").click()
    made = row.locator(".lineage")
    expect(made.locator("code")).to_have_text("sum(parts.power)")
    expect(made.get_by_role("listitem").filter(has_text="pump-2")).to_contain_text(re.compile("6.50? kW"))
    assert [one["id"] for one in Axe().run(page).response["violations"]] == []
    made.get_by_role("link", name="pump-1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("pump-1")
    expect(page.get_by_role("listitem").filter(has_text="effort").locator("strong").first).to_have_text(
        re.compile("0.20*")
    )
