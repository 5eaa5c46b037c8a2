"""How all configurations are kept up, in the browser: promises, snapshots, rules for events, attached sources."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from gemel.configuration import ItemSpec, Translation, parse_parts
from gemel.intake import Happened, Message
from gemel.platform import Platform
from gemel.server import Server
from tests.web.conftest import PHONE, Open
from tests.web.test_web_devices import accessible

pytestmark = pytest.mark.browser
DAY = 86_400_000_000
PLANT = """
types: [{id: lathe, events: [{name: chuck_changed, fields: [{name: new, kind: text}]}]}]
twins: [{id: lathe-1, types: [lathe]}, {id: lathe-2, types: [lathe]}]
"""
BOOK = """
parts:
  - part: LATHE
    slots: [{slot: chuck, mandatory: true}, {slot: guard, safety: true}]
  - part: CHUCK
    revisions: [{revision: A}, {revision: B, replaces: [A]}]
"""
CSV = "nr,part,in,pos\nN1,PRESS,,\nN1/p,BEAM,N1,top\nN2,PRESS,,\n"
SWAP = {"do": "swap", "parent": "$item", "slot": "chuck", "new": {"part": "CHUCK", "serial": "$new"}}


class Kept:
    """Two lathes with a chuck; the guard of none was ever looked at; one event that became nothing."""

    def __init__(self, platform: Platform, url: str) -> None:
        self.platform, self.url, self.items = platform, url, platform.configuration
        self.now = platform.clock.now()
        platform.apply(PLANT)
        self.items.parts.apply(self.items.parts.plan(parse_parts(BOOK, "parts.yaml")))
        begin = self.now - 100 * DAY
        for lathe in ("lathe-1", "lathe-2"):
            self.items.create(ItemSpec(id=lathe, part="LATHE", twin=lathe), begin)
            chuck = ItemSpec(id=f"{lathe}-chuck", part="CHUCK", serial=f"C-{lathe}", revision="A")
            self.items.create(chuck, begin)
            self.items.install(chuck.id, lathe, "chuck", begin)
        self.items.translations.declare(Translation(id="chucks", event="chuck_changed", operation=SWAP))
        event = Happened(twin="lathe-1", event="chuck_changed", time=self.now, fields={"new": "C-9"}, id="1")
        receipt = platform.intake.submit("test", [Message(events=[event])]).result(60)
        assert platform.translator.wait(receipt.last, 60)
        inbox = platform.folder.path / "inbox"
        inbox.mkdir(exist_ok=True)
        (inbox / "base.csv").write_text(CSV)

    def chuck(self) -> list[str]:
        return [part.item.serial for part in self.items.tree("lathe-1").parts]


@pytest.fixture(scope="module")
def kept(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    with Platform.open(tmp_path_factory.mktemp("kept")) as platform, Server(platform, port=0, demo=True) as server:
        yield Kept(platform, server.url)


def fits(page: Page) -> None:
    """Dark, on a telephone."""
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert accessible(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_what_who_looks_may_not_do_is_not_offered(open_page: Open, kept: Kept) -> None:
    def viewer(route: Route) -> None:
        route.fulfill(json={**route.fetch().json(), "roles": ["viewer"]})

    page = open_page("/prospects?view=upgrades&part=CHUCK&to=B", url=kept.url)
    expect(page.get_by_role("row", name="lathe-1-chuck")).to_contain_text("to be offered")
    assert accessible(page) == []
    page.route("**/api/v1/me", viewer)
    page.reload()
    expect(page.get_by_text("Operators may ask this")).to_be_visible()
    page.goto(f"{kept.url}/upkeep?view=translations")
    expect(page.get_by_role("row", name="C-9")).to_be_visible()
    expect(page.locator("main").get_by_role("button")).to_have_count(0)


def test_a_promise_for_several_machines_shows_what_is_behind_and_leads_there(open_page: Open, kept: Kept) -> None:
    page = open_page("/upkeep", url=kept.url)
    expect(page.get_by_text("Nothing is promised yet.")).to_be_visible()
    page.get_by_role("button", name="Promise for several machines").click()
    page.get_by_label("Part number of the machines").fill("LATHE")
    page.get_by_role("button", name="Promise for 2 machines").click()
    expect(page.get_by_text("Promised for 2 machines.")).to_be_visible()
    behind = page.get_by_role("row", name="lathe-1")
    expect(behind).to_contain_text("Guard never")
    fits(page)
    behind.get_by_role("link", name="Look into the slots").click()
    expect(page.get_by_role("group", name="Guard")).to_be_visible()


def test_two_snapshots_are_taken_and_told_apart(open_page: Open, kept: Kept) -> None:
    page = open_page("/upkeep?view=snapshots&machine=lathe-2", url=kept.url)
    page.get_by_placeholder("Title, if you like").fill("as delivered")
    page.get_by_role("button", name="Take one now").click()
    expect(page.get_by_role("cell", name="as delivered")).to_be_visible()
    expect(page.get_by_text("Nothing differs.")).to_be_visible()
    kept.items.modify("lathe-2-chuck", "revision", "B", kept.platform.clock.now())
    page.reload()
    expect(page.get_by_role("cell", name="lathe-2-chuck CHUCK B")).to_be_visible()
    fits(page)


def test_a_rule_is_mended_tried_without_effect_and_its_event_carried_out(open_page: Open, kept: Kept) -> None:
    page = open_page("/upkeep?view=translations", url=kept.url)
    refused = page.get_by_role("row", name="C-9")
    expect(refused).to_contain_text("nobody knows CHUCK with serial number C-9")
    page.get_by_role("button", name="Change: chucks").click()
    page.get_by_label("Make an item whose serial number nobody knows yet").check()
    page.get_by_label("With a refused event").select_option(index=1)
    page.get_by_role("button", name="Try it", exact=True).click()
    expect(page.get_by_text("It would become:")).to_be_visible()
    fits(page)
    assert kept.chuck() == ["C-lathe-1"]
    page.get_by_role("button", name="Keep the rule").click()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("Nothing waits")).to_be_visible()
    assert kept.chuck() == ["C-9"]


def test_a_source_is_attached_and_a_machine_in_it_is_asked(open_page: Open, kept: Kept) -> None:
    page = open_page("/upkeep?view=sources", url=kept.url)
    page.get_by_role("button", name="Attach a source").click()
    page.get_by_label("Its name").fill("base")
    page.get_by_label("Form").select_option("csv")
    page.get_by_label("File below inbox/").fill("inbox/base.csv")
    page.get_by_role("button", name="Look through and attach").click()
    expect(page.get_by_text("base has no column 'id'; it has in, nr, part, pos")).to_be_visible()
    fits(page)
    for label, column in (("Id of the item", "nr"), ("Id of what it is in", "in"), ("Slot", "pos")):
        page.get_by_label(label, exact=True).fill(column)
    page.get_by_role("button", name="Look through and attach").click()
    expect(page.get_by_role("link", name="N1", exact=True)).to_be_visible()
    page.goto(f"{kept.url}/fleet?having=BEAM&source=base")
    expect(page.get_by_label("Of whose machines")).to_have_value("base")
    page.get_by_role("link", name="N1", exact=True).click()
    expect(page.get_by_role("cell", name="BEAM")).to_be_visible()
    page.get_by_role("button", name="Remove: base").click()
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_text("base is not asked any more.")).to_be_visible()
