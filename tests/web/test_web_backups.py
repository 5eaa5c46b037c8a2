"""Backups in the browser: one now, a drill with its answers, the command that restores; for administrators."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from gemel.backup import Vault
from gemel.platform import Platform
from gemel.server import Server
from tests.web.conftest import Open
from tests.web.test_web_devices import accessible

pytestmark = pytest.mark.browser
LONG_MS = 60_000
"""A restore, on a busy machine."""
PLANT = {
    "gemel": 1,
    "types": [{"id": "pump", "properties": [{"name": "pressure", "unit": "bar"}]}],
    "twins": [{"id": "p-1", "types": ["pump"]}],
}


@pytest.fixture(scope="module")
def plant(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A plant with a place for backups; none is made by itself."""
    folder = tmp_path_factory.mktemp("backups")
    (folder / "plant").mkdir()
    (folder / "plant" / "gemel.yaml").write_text(f"backup: {{to: {folder / 'vault'}, every: forever}}\n")
    with Platform.open(folder / "plant") as platform, Server(platform, port=0, demo=True) as server:
        platform.backups.make()
        platform.apply(PLANT)
        platform.write("p-1", "pressure", 3.2)
        yield server


def test_a_backup_is_made_drilled_and_its_answers_are_seen(open_page: Open, plant: Server) -> None:
    page = open_page("/backups", url=plant.url)
    expect(page.get_by_role("button", name="Drill")).to_have_count(1)
    expect(page.get_by_text("Never", exact=True)).to_be_visible()
    expect(page.get_by_text("On demand only")).to_be_visible()
    page.get_by_role("button", name="Back up now").click()
    expect(page.get_by_text("Backed up")).to_be_visible(timeout=LONG_MS)
    expect(page.get_by_role("button", name="Drill")).to_have_count(2)
    page.get_by_role("button", name="Drill").first.click()
    expect(page.get_by_text("No answer differs")).to_be_visible(timeout=LONG_MS)
    row = page.get_by_role("row").filter(has_text="Ranges and averages")
    asked, equal, _, different = (int(one.replace(",", "")) for one in row.locator("td.number").all_text_contents())
    assert asked == equal > 0
    assert different == 0
    assert accessible(page) == []
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_text("No answer differed")).to_be_visible()
    page.reload()
    page.get_by_role("button", name="Details").click()
    expect(page.get_by_text("No answer differs")).to_be_visible()


def test_the_command_that_restores_follows_what_is_chosen(open_page: Open, plant: Server) -> None:
    page = open_page("/backups", url=plant.url)
    command = page.locator("pre").filter(has_text="backup restore")
    expect(command).to_contain_text("plant-again")
    choice = page.get_by_label("Which")
    newest = choice.locator("option").nth(1).get_attribute("value")
    choice.select_option(newest)
    page.get_by_label("New folder").fill("again; rm -rf x")
    expect(command).to_contain_text(f"'again; rm -rf x' --id {newest}")


def test_a_drill_that_fails_says_why(open_page: Open, plant: Server) -> None:
    platform = plant.services.platform
    vault = Vault(Path(platform.backups.standing().to))
    made = platform.backups.make()
    broken = vault.backups / made.id / made.files[0].path
    whole = broken.read_bytes()
    broken.write_bytes(b"x" * len(whole))
    try:
        page = open_page("/backups", url=plant.url)
        page.get_by_role("button", name="Drill").first.click()
        expect(page.get_by_text("It could not be restored")).to_be_visible(timeout=LONG_MS)
        expect(page.get_by_text("Answers differed")).to_be_visible()
        assert accessible(page) == []
    finally:
        broken.write_bytes(whole)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_backups_fit_a_phone_and_are_accessible(open_page: Open, plant: Server, scheme: str) -> None:
    for phone in (False, True):
        page = open_page("/backups", scheme=scheme, phone=phone, url=plant.url)
        expect(page.get_by_role("heading", name="Restore")).to_be_visible()
        assert accessible(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]  # type: ignore[index]


def test_without_a_place_the_way_out_is_told(open_page: Open) -> None:
    page = open_page("/backups")
    expect(page.get_by_text("No place for backups is set")).to_be_visible()
    expect(page.get_by_text("to: /mnt/backups")).to_be_visible()
    expect(page.get_by_role("button", name="Back up now")).to_have_count(0)
