"""The configuration in the browser: both times, the rules' answers before anything is written, records made offline."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from gemel.clock import to_rfc3339
from gemel.configuration import Basis, ItemKind, ItemSpec, parse_parts
from gemel.platform import Platform
from gemel.server import Server
from tests.web.conftest import Open
from tests.web.test_web_devices import accessible

pytestmark = pytest.mark.browser
DAY = 86_400_000_000
BOOK = """
gemel: 1
parts:
  - part: MILL
    revisions: [{revision: A}]
    slots:
      - {slot: pump, mandatory: true, otherwise: concession}
      - {slot: door_switch, mandatory: true, safety: true, kind: electrical}
    rules: [{slot: pump, part: PUMP}]
  - part: PUMP
    revisions: [{revision: A}, {revision: B, replaces: [A]}]
    limits: [{kind: hours, limit: 1000}]
"""


class Plant:
    """A mill whose pump was swapped 50 days ago, as was first said; corrected since to 48 days ago."""

    def __init__(self, platform: Platform, url: str) -> None:
        self.platform, self.url, self.items = platform, url, platform.configuration
        self.now = platform.clock.now() // DAY * DAY
        self.items.parts.apply(self.items.parts.plan(parse_parts(BOOK, "parts.yaml")))
        for id, part, serial in (("mill-1", "MILL", "M-1"), ("pump-a", "PUMP", "PA-1"), ("pump-b", "PUMP", "PB-2")):
            self.know(id, part, serial)
        self.know("heater", "HEATER", "H-9")
        self.know("pump-c", "PUMP", "PC-3")
        self.know("pump-d", "PUMP", "PD-4")
        self.items.create(ItemSpec(id="store", part="store", kind=ItemKind.LOCATION), self.ago(100))
        for spare in ("pump-b", "heater", "pump-c", "pump-d"):
            self.items.install(spare, "store", "stock", self.ago(99))
        self.items.install("pump-a", "mill-1", "pump", self.ago(99))
        self.items.use("pump-b", "hours", self.ago(40), self.ago(10), 950)
        act = self.items.swap("mill-1", "pump", "pump-b", self.ago(50), to=("store", "stock"))
        self.items.correct(act, self.ago(48), basis=Basis(reason="the work order says so"))

    def ago(self, days: float) -> int:
        return int(self.now - days * DAY)

    def know(self, id: str, part: str, serial: str) -> None:
        self.items.create(ItemSpec(id=id, part=part, serial=serial, revision="A"), self.ago(100))

    def pump(self) -> str:
        """What is in the slot now, as the platform has it."""
        return next(part.item.id for part in self.items.tree("mill-1").parts if part.path == ("pump",))


@pytest.fixture(scope="module")
def plant(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    folder = tmp_path_factory.mktemp("mill")
    with Platform.open(folder) as platform, Server(platform, port=0, demo=True) as server:
        yield Plant(platform, server.url)


def opened(open_page: Open, plant: Plant, path: str, **how: object) -> Page:
    page = open_page(path, url=plant.url, **how)
    expect(page.locator("main h1")).to_be_visible()
    return page


def row(page: Page, slot: str) -> Locator:
    return page.locator("tbody tr").filter(has=page.locator("td.slot", has_text=re.compile(f"^\\s*{slot}")))


def swap_for(page: Page, serial: str) -> Locator:
    """The form of a swap of the pump, filled in with what came in."""
    page.get_by_role("button", name="Write down for pump").click()
    page.get_by_role("button", name="Swap…").click()
    form = page.get_by_role("dialog")
    form.get_by_role("combobox", name="What came in").fill(serial)
    form.get_by_role("option").filter(has_text=serial).click()
    return form


def test_a_machine_is_seen_as_it_was_and_as_it_was_believed_to_be(open_page: Open, plant: Plant) -> None:
    between = to_rfc3339(plant.ago(49))
    page = opened(open_page, plant, f"/items/mill-1?at={between}")
    expect(row(page, "Pump")).to_contain_text("PA-1")
    expect(page.get_by_text("You see it as it was on")).to_be_visible()

    known = page.get_by_role("slider", name="As believed on")
    known.press("ArrowLeft")
    known.press("ArrowLeft")
    expect(row(page, "Pump")).to_contain_text("PB-2")
    expect(page.get_by_text("What is believed cannot be changed from here.")).to_be_visible()
    expect(page.get_by_role("button", name="Write down for pump")).to_have_count(0)
    assert accessible(page) == []

    link = page.url
    assert set(parse_qs(urlsplit(link).query)) == {"at", "known"}
    again = opened(open_page, plant, link.removeprefix(plant.url), scheme="dark", phone=True)
    expect(row(again, "Pump")).to_contain_text("PB-2")
    assert accessible(again) == []
    assert again.evaluate("document.documentElement.scrollWidth") == 390

    page.get_by_role("button", name="Back to now").click()
    valid = page.get_by_role("slider", name="As it was on")
    expect(valid).to_have_attribute("aria-valuetext", "Now")
    valid.press("ArrowLeft")
    expect(valid).not_to_have_attribute("aria-valuetext", "Now")
    expect(row(page, "Pump")).to_contain_text("PB-2")
    for _ in range(4):
        valid.press("ArrowLeft")
    expect(row(page, "Pump")).to_contain_text("Unknown")


def test_what_is_unknown_worn_or_missing_is_told_apart(open_page: Open, plant: Plant) -> None:
    page = opened(open_page, plant, "/items/mill-1")
    expect(row(page, "Door switch")).to_contain_text("Unknown: nobody said what is here")
    expect(row(page, "Door switch")).to_contain_text("safety")
    expect(row(page, "Pump")).to_contain_text("50 hours left")
    upkeep = page.get_by_role("region", name="Upkeep")
    upkeep.get_by_role("button", name="Promise…").click()
    upkeep.get_by_label("Every slot is confirmed within").fill("90")
    upkeep.get_by_role("button", name="Promise", exact=True).click()
    expect(upkeep).to_contain_text("a slot was never confirmed")
    expect(upkeep).to_contain_text("Door switch never")
    assert accessible(page) == []
    for view in ("life", "acts", "compare", "inspect", "handover"):
        page.goto(f"{plant.url}/items/pump-b?view={view}")
        expect(page.get_by_role("heading", level=1)).to_have_text("PB-2")
        expect(page.locator("main [role=status]")).to_have_count(0)
        assert accessible(page) == [], view
    fleet = ("/fleet?having=PUMP:=A", "/fleet?view=left", "/fleet?view=relied", "/bulletins")
    others = ("/items", "/items?gaps", "/parts", "/parts/MILL", "/thread", "/thread/item/pump-b", "/waiting")
    for path in (*fleet, *others):
        page.goto(plant.url + path)
        expect(page.locator("main [role=status]")).to_have_count(0)
        assert accessible(page) == [], path


def test_a_swap_hears_the_rules_before_anything_is_written(open_page: Open, plant: Plant) -> None:
    page = opened(open_page, plant, "/items/mill-1")
    before = plant.pump()
    page.get_by_role("button", name="Write down for pump").click()
    page.get_by_role("button", name="Swap…").click()
    form = page.get_by_role("dialog")
    field = form.get_by_role("combobox", name="What came in")
    field.focus()
    expect(form.get_by_role("option").filter(has_text="PC-3")).to_contain_text("fits · in store")
    expect(form.get_by_role("option").filter(has_text="H-9")).to_have_count(0)  # it does not belong there
    field.fill("H-9")
    offered = form.get_by_role("option").filter(has_text="H-9")
    expect(offered).to_contain_text("HEATER does not belong there; PUMP does")
    offered.click()
    expect(form.get_by_text("Needs a concession.")).to_be_visible()
    expect(form.get_by_role("button", name="Swap", exact=True)).to_be_disabled()
    assert accessible(page) == []
    assert plant.pump() == before

    form.get_by_label("It was seen so").check()
    form.get_by_role("button", name="Swap", exact=True).click()
    expect(page.get_by_text("H-9 came in for")).to_be_visible()
    expect(row(page, "Pump")).to_contain_text("H-9")
    expect(row(page, "Pump")).to_contain_text("Open: ")
    assert [one.state for one in plant.items.nonconformances("mill-1")] == ["open"]
    assert accessible(page) == []

    page.get_by_role("button", name="Undo").click()
    expect(row(page, "Pump")).not_to_contain_text("H-9")
    assert plant.pump() == before


def test_a_record_made_offline_is_merged_and_its_conflict_has_ways_out(open_page: Open, plant: Plant) -> None:
    page = opened(open_page, plant, "/items/mill-1", phone=True)
    page.evaluate("navigator.serviceWorker.ready.then(() => 1)")
    page.reload()
    expect(row(page, "Pump")).to_contain_text("PB-2")
    page.wait_for_function(
        "caches.open('gemel-seen').then(c => c.keys()).then(k => k.some(r => r.url.includes('store/tree')))"
    )
    page.context.set_offline(True)
    page.reload()
    expect(page.get_by_text("No connection: this was read")).to_be_visible()

    form = swap_for(page, "PC-3")
    expect(form.get_by_text("the rules are asked once it is sent")).to_be_visible()
    form.get_by_role("button", name="Swap", exact=True).click()
    expect(row(page, "Pump")).to_contain_text("waits for a connection")
    expect(page.get_by_role("link", name="1 waiting to be sent")).to_be_visible()
    assert accessible(page) == []

    plant.items.swap("mill-1", "pump", "pump-d", plant.ago(0.5), to=("store", "stock"))
    page.context.set_offline(False)
    page.get_by_role("link", name="1 not taken").click()
    entry = page.get_by_role("listitem").filter(has_text="PC-3 came in")
    expect(entry).to_contain_text("pump-d")
    assert accessible(page) == []
    entry.get_by_role("button", name="Send, whatever is in the slot now").click()
    expect(page.get_by_text("Nothing waits.")).to_be_visible()
    assert plant.pump() == "pump-c"


def test_the_parts_book_is_edited_as_text_and_its_faults_are_found_by_line(open_page: Open, plant: Plant) -> None:
    page = opened(open_page, plant, "/parts/PUMP")
    page.get_by_role("button", name="Edit").click()
    text = page.get_by_role("textbox", name="Parts, as YAML")
    expect(text).to_have_value(re.compile("- part: PUMP\n(.|\n)*limit: 1000"))
    assert "MILL" not in text.input_value()
    text.fill(text.input_value().replace("limit: 1000", "limit: 1200"))
    page.get_by_role("button", name="Show the difference").click()
    expect(page.get_by_role("heading", name="What would change: 1 changed")).to_be_focused()
    expect(page.get_by_text("limits › hours › limit")).to_be_visible()
    assert accessible(page) == []
    page.get_by_role("link", name="Parts", exact=True).click()
    expect(page.get_by_role("searchbox")).to_be_visible()
    page.go_back()
    expect(text).to_have_value(re.compile("limit: 1200"))
    expect(page.get_by_text("did not apply")).to_be_visible()
    page.get_by_role("button", name="Show the difference").click()
    expect(page.get_by_role("button", name="Apply")).to_be_visible()
    assert plant.items.parts.part("PUMP").limits[0].limit == 1000
    plant.items.parts.apply(plant.items.parts.plan(parse_parts("parts: [{part: HEATER}]")))
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("The book was changed meanwhile")).to_be_visible()
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("Applied: 1 changed.")).to_be_visible()
    expect(page.get_by_role("button", name="Edit")).to_be_focused()
    expect(page.get_by_text("1,200 hours")).to_be_visible()

    page = opened(open_page, plant, "/parts?edit=1", phone=True, scheme="dark")
    text = page.get_by_role("textbox", name="Parts, as YAML")
    expect(text).to_have_value(re.compile("- part: HEATER"))
    declared = text.input_value()
    text.fill(declared.replace("slot: pump, part", "slot: pomp, part"))
    page.get_by_role("button", name="Show the difference").click()
    expect(page.get_by_role("heading", name="1 thing is wrong in the text")).to_be_focused()
    expect(page.get_by_text("no slot 'pomp'")).to_be_visible()
    assert accessible(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("button", name="Line ").click()
    assert text.evaluate("it => it.value.slice(it.selectionStart, it.selectionEnd)").startswith("pomp, part: PUMP")
    text.fill(re.sub("- part: HEATER\n", "", declared))
    page.get_by_role("button", name="Show the difference").click()
    expect(page.get_by_text("Taken out: HEATER")).to_be_visible()
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("Applied: 1 taken out.")).to_be_visible()
    assert [one.part for one in plant.items.parts.all()] == ["MILL", "PUMP"]
