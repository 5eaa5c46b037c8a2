"""A machine is configured, ordered and built in the browser, with the answers of the rules as it is chosen."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from gemel.platform import Platform
from gemel.server import Server
from tests.services.sold import sell
from tests.web.conftest import Open

pytestmark = pytest.mark.browser


def test_a_machine_is_configured_ordered_and_built(open_page: Open, tmp_path: Path) -> None:
    with Platform.open(tmp_path) as platform, Server(platform, port=0, demo=True) as server:
        sell(platform)
        ordered_and_built(open_page, platform, server.url)


def ordered_and_built(open_page: Open, platform: Platform, url: str) -> None:
    page = open_page("/offers/new?part=TP", url=url)
    pump = page.get_by_role("group", name="pump", exact=True)
    expect(page.get_by_text("All rules are kept.")).to_be_visible()
    pump.get_by_role("radio", name="CP-60").check()
    expect(pump.get_by_text("CP-60 needs VFD-7 in the same machine")).to_be_visible()
    expect(page.get_by_role("button", name="Order")).to_be_disabled()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    pump.get_by_role("button", name="CP-40 C in pump").click()
    page.get_by_role("button", name="Choose the rest").click()
    expect(page.get_by_text("All rules are kept.")).to_be_visible()
    page.get_by_role("textbox", name="Name", exact=True).fill("Skid for Acme")
    page.get_by_role("button", name="Order").click()
    expect(page.get_by_role("heading", name="Skid for Acme")).to_be_visible()
    expect(page.get_by_text("Design model", exact=True)).to_be_visible()
    (offer,) = [one for one in platform.offers.all().items if one.title == "Skid for Acme"]
    assert platform.twin(offer.item).stage == "planned"
    page.get_by_role("button", name="Record what was built").click()
    page.get_by_label("Serial number", exact=True).fill("T7")
    page.get_by_label("Serial number: pump", exact=True).fill("1204")
    page.get_by_role("button", name="It was built").click()
    expect(page.get_by_text("serial number not known").first).to_be_visible()
    assert platform.twin(offer.item).stage == "built"
