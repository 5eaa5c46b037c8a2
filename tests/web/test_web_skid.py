"""The demo's pump skid in a browser: its picture lives, an order is carried out, a rule that refuses is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

import gemel
from gemel.demo.trial.documents import SKID, document
from gemel.server import Server
from tests.demo.objects import skid_running
from tests.web.conftest import Open

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def trial(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a demo that has the skid alone."""
    folder: Path = tmp_path_factory.mktemp("skid")
    with skid_running() as (_, url), gemel.open(folder / "plant") as platform:
        whole = document({SKID: url})
        alone = tuple(spec for spec in whole.connectors if spec.id == SKID)
        platform.apply(msgspec.structs.replace(whole, connectors=alone))
        with Server(platform, port=0, demo=True) as server:
            yield server.url


def test_a_newcomer_starts_the_pump(open_page: Open, trial: str) -> None:
    page = open_page("/twins/skid", url=trial)
    picture = page.get_by_role("img", name="Picture of Pump skid")
    expect(picture.locator("text.value").first).to_contain_text("100")
    panel = page.get_by_role("region", name="Orders")
    expect(panel.get_by_text("open the suction valve first")).to_be_visible()

    panel.get_by_role("button", name="Start", exact=True).click()
    panel.get_by_role("button", name="Send").click()
    refused = panel.get_by_role("listitem").filter(has_text="Start").first
    expect(refused.get_by_text("refused", exact=True).first).to_be_visible()
    expect(refused.get_by_text("suction_open requires suction_valve > 90")).to_be_visible()

    row = panel.get_by_role("row").filter(has_text="Suction valve")
    row.get_by_role("button", name="Set").click()
    panel.get_by_label("Suction valve").fill("100")
    panel.locator("form").get_by_role("button", name="Set").click()
    expect(
        panel.get_by_role("listitem").filter(has_text="Suction valve → 100").get_by_text("applied", exact=True).first
    ).to_be_visible()
    expect(panel.get_by_text("open the suction valve first")).to_have_count(1)  # only in the order that was refused

    panel.get_by_role("button", name="Start", exact=True).click()
    panel.get_by_role("button", name="Send").click()
    expect(picture.locator("g.active circle")).to_have_count(1)


def test_the_picture_is_accessible_in_both_schemes_and_on_a_phone(open_page: Open, trial: str) -> None:
    for scheme, phone in (("light", False), ("dark", False), ("light", True)):
        page = open_page("/twins/skid", url=trial, scheme=scheme, phone=phone)
        expect(page.get_by_role("img", name="Picture of Pump skid")).to_be_visible()
        assert [one["id"] for one in Axe().run(page).response["violations"]] == []
        if phone:
            assert page.evaluate("document.documentElement.scrollWidth") == 390
