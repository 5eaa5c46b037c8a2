"""Quarantine in the browser: what came, when and why; handed in again after the cause is mended, or discarded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from gemel.intake import Message, Reported
from gemel.platform import Platform
from gemel.server import Server
from tests.web.conftest import Open
from tests.web.test_web_devices import accessible

pytestmark = pytest.mark.browser
TYPE = {"id": "pump", "properties": [{"name": "pressure", "unit": "bar"}]}
TWIN = {"id": "p-1", "types": ["pump"]}


@pytest.fixture
def plant(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A pump that also tells its flow, which its type does not know."""
    with Platform.open(tmp_path_factory.mktemp("plant")) as platform, Server(platform, port=0, demo=True) as server:
        platform.apply({"gemel": 1, "types": [TYPE], "twins": [TWIN]})
        for value in (12.5, 13.5):
            platform.ingest([Message(readings=[Reported(twin="p-1", property="flow", value=value)])], source="gateway")
        yield server


def test_what_came_is_handed_in_again_once_the_cause_is_mended(open_page: Open, plant: Server) -> None:
    page = open_page("/quarantine", url=plant.url)
    row = page.get_by_role("row").filter(has_text="13.5")
    expect(row).to_contain_text("gateway")
    expect(row).to_contain_text("flow")
    expect(row.locator("time")).not_to_be_empty()
    assert accessible(page) == []
    properties = [*TYPE["properties"], {"name": "flow", "unit": "L/min"}]
    plant.services.platform.apply({"gemel": 1, "types": [{**TYPE, "properties": properties}], "twins": [TWIN]})
    row.get_by_role("button", name="Hand in again").click()
    expect(page.get_by_text("Accepted: 1. Refused again: 0.")).to_be_visible()
    assert plant.services.platform.now("p-1")["flow"].value == 13.5
    expect(page.get_by_role("button", name="Hand in again")).to_have_count(1)


def test_all_is_discarded_only_after_a_second_look(open_page: Open, plant: Server) -> None:
    page = open_page("/quarantine", url=plant.url)
    page.get_by_role("button", name="Discard all").click()
    expect(page.get_by_text("cannot be brought back")).to_be_visible()
    assert accessible(page) == []
    page.get_by_role("button", name="Discard all", exact=True).click()
    expect(page.get_by_text("2 discarded")).to_be_visible()
    expect(page.get_by_text("Nothing is in quarantine")).to_be_visible()
