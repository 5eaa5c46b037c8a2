"""Devices in the browser: let in with a code that is shown once, from a table, kept out; what was refused is seen."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.web.conftest import Open, Shop

pytestmark = pytest.mark.browser
TWIN, OTHER = "mazak01", "mazak03"


def accessible(page: Page) -> list[str]:
    return [f"{one['id']}: {one['nodes'][0]['target']}" for one in Axe().run(page).response["violations"]]


def clean(shop: Shop) -> None:
    for device in shop.platform.gate.devices.all():
        shop.platform.gate.devices.remove(device.id)


def test_a_device_is_let_in_reports_and_is_kept_out(open_page: Open, shop: Shop) -> None:
    clean(shop)
    page = open_page("/devices")
    expect(page.get_by_text("No devices yet")).to_be_visible()
    page.get_by_role("button", name="Let a device in").click()
    page.get_by_label("Id", exact=True).fill("gateway-1")
    page.get_by_label("Twins").fill(TWIN)
    page.get_by_role("button", name="Make a claim code").click()
    code = page.locator(".big").inner_text()
    expect(page.locator(".code pre")).to_contain_text(f"gemel device claim {shop.url} {code}")
    assert accessible(page) == []
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_text("Waiting to be claimed")).to_be_visible()
    assert code not in page.content()

    secret = httpx.post(f"{shop.url}/api/v1/devices/claim", json={"code": code}).json()["secret"]
    told = [{"twin": twin, "property": "availability", "value": "AVAILABLE"} for twin in ("no-such-twin", OTHER)]
    body = {"messages": [{"readings": told}]}
    httpx.post(f"{shop.url}/api/v1/ingest", json=body, headers={"Authorization": f"Bearer {secret}"})
    expect(page.get_by_text("Active")).to_be_visible()
    page.get_by_role("link", name="gateway-1").click()
    expect(page.get_by_text("does not speak for twin")).to_have_count(2)
    expect(page.get_by_role("row", name="Secret Good")).to_be_visible()
    page.get_by_role("button", name="Revoke").click()
    assert accessible(page) == []
    page.get_by_role("alertdialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("row", name="Secret Revoked")).to_be_visible()
    again = httpx.post(f"{shop.url}/api/v1/ingest", json=body, headers={"Authorization": f"Bearer {secret}"})
    assert again.status_code == 401


def test_a_table_is_looked_through_before_it_is_taken(open_page: Open, shop: Shop, tmp_path: Path) -> None:
    clean(shop)
    table = tmp_path / "devices.csv"
    table.write_text(f"id,twins\nbox-1,{TWIN}\nbox-2,{OTHER}\nbox-3,no-such-twin\n")
    page = open_page("/devices")
    page.get_by_role("button", name="From a table").click()
    page.get_by_label("Table (CSV)").set_input_files(table)
    expect(page.get_by_text("1 line is faulty")).to_be_visible()
    expect(page.get_by_role("button", name="Let 2 devices in")).to_be_disabled()
    assert shop.platform.gate.devices.all() == []
    assert accessible(page) == []
    page.get_by_label("Leave out the faulty lines").check()
    page.get_by_role("button", name="Let 2 devices in").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Save the claim codes").click()
    header, *rows = Path(download.value.path()).read_text().splitlines()
    assert header == "id,claim_code"
    assert [row.split(",")[0] for row in rows] == ["box-1", "box-2"]
    assert shop.platform.gate.devices.claim(rows[0].split(",")[1]).device.id == "box-1"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_list_and_one_device_fit_a_phone_and_are_accessible(open_page: Open, shop: Shop, scheme: str) -> None:
    clean(shop)
    devices = shop.platform.gate.devices
    devices.add("waiting-" + "x" * 40, [TWIN, OTHER])
    devices.claim(devices.add("active", [TWIN])[1])
    devices.add("kept-out", [OTHER])
    devices.revoke("kept-out")
    for phone in (False, True):
        for path in ("/devices", "/devices/active"):
            page = open_page(path, scheme=scheme, phone=phone)
            expect(page.get_by_text("Active", exact=True)).to_be_visible()
            assert accessible(page) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]  # type: ignore[index]
