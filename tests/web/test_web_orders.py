"""Orders in the browser: wanted beside what is, rules by name, a second person, the unknown, several at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from gemel.access import Role
from gemel.commands import Ask, OrderKind, OrderState
from gemel.platform import Platform
from gemel.server import Server
from gemel.state import Selection
from tests.commands.skid import Skid, plant
from tests.web.conftest import Open
from tests.web.test_web_devices import accessible

pytestmark = pytest.mark.browser
CONTROL = (
    "{two_persons: [batch], interlocks: [{name: door_closed, of: [speed, start], require: \"door = 'closed'\", "
    "message: close the door first}]}"
)
LINE = """
gemel: 1
types:
  - id: line
    slots: [{name: infeed, type: pump}]
    goals:
      - name: output
        unit: "%"
        minimum: 0
        maximum: 100
        now: infeed.speed / 30
        members: [{slot: infeed, property: speed, value: goal * 30}]
  - id: bench
    properties: [{name: threshold, unit: bar}]
    commands:
      - {name: watch, effect: {threshold: {expression: "5"}}, undo: ignore}
      - {name: ignore, effect: {threshold: {expression: "0"}}}
twins:
  - {id: line-1, types: [line], name: Line 1}
  - {id: pump-1, types: [pump], part_of: [{twin: line-1, slot: infeed}]}
  - {id: bench-1, types: [bench]}
"""


@pytest.fixture(scope="module")
def skid() -> Iterator[Skid]:
    with Skid() as one:
        yield one


@pytest.fixture(scope="module")
def served(built: None, skid: Skid, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A pump skid behind OPC UA, part of a line that has a goal."""
    with Platform.open(tmp_path_factory.mktemp("skid")) as platform, Server(platform, port=0, demo=True) as server:
        patient = plant(skid.url, CONTROL).replace("speed, direction: out", "speed, direction: out, deadline_s: 600")
        platform.apply(patient)
        platform.apply(LINE)
        yield server


@pytest.fixture
def panel(open_page: Open, served: Server, skid: Skid) -> Callable[..., Page]:
    """The page of a twin, with live values, its skid as at the start and known to be so."""
    skid.reset()
    platform = served.services.platform
    with platform.subscribe(Selection(twins=("pump-1",))) as changes:
        while (door := platform.now("pump-1").get("door")) is None or not door.fresh or door.value != "closed":
            assert changes.get(60) is not None, f"the door stayed {door}"

    def opened(twin: str = "pump-1", **how: object) -> Page:
        page = open_page(f"/twins/{twin}", url=served.url, **how)
        expect(page.get_by_role("heading", name="Orders", exact=True)).to_be_visible()
        return page

    return opened


def ask(page: Page, name: str, value: str) -> None:
    """Set a property by its row."""
    page.locator("#orders-title").locator("xpath=ancestor::section").get_by_role("row").filter(
        has=page.get_by_role("rowheader", name=name, exact=True)
    ).get_by_role("button", name="Set").click()
    page.get_by_role("textbox", name=name).fill(value)
    page.locator("form").get_by_role("button", name="Set").click()


def test_what_is_requested_stands_beside_what_is(panel: Callable[..., Page], skid: Skid) -> None:
    page = panel()
    skid.stuck = True
    ask(page, "Speed", "900")
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="Speed", exact=True))
    expect(row).to_contain_text("900")
    expect(row).to_contain_text("differs from what is")
    assert accessible(page) == []
    skid.set("Speed", 900.0)
    expect(page.locator("li .state.well").first).to_have_text("applied")
    expect(row).not_to_contain_text("differs")


def test_a_refusal_names_its_rule_and_the_way_out(panel: Callable[..., Page], skid: Skid) -> None:
    page = panel()
    skid.set("Door", "open")
    expect(page.locator(".rule")).to_contain_text("door_closed requires door = 'closed'; close the door first")
    ask(page, "Speed", "300")
    first = page.locator("ul > li").filter(has=page.locator(".way")).first
    expect(first.locator(".state")).to_contain_text("refused")
    expect(first.locator(".detail")).to_contain_text("close the door first")
    assert 300.0 not in [value for _, value in skid.writes]


def test_control_is_taken_handed_over_and_taken_back(panel: Callable[..., Page], served: Server) -> None:
    served.services.platform.gate.accounts.add("Ada", None, Role.OPERATOR)
    page = panel()
    page.get_by_role("button", name="Take control").click()
    expect(page.get_by_text("You have control until")).to_be_visible()
    page.get_by_role("button", name="Hand over").click()
    page.get_by_label("To whom").select_option("Ada")
    assert accessible(page) == []
    page.locator("form").get_by_role("button", name="Hand over").click()
    expect(page.get_by_text("Ada has control until")).to_be_visible()
    ask(page, "Speed", "300")
    expect(page.locator("ul > li .detail").first).to_contain_text("Ada has control of pump-1; ask for a hand-over")
    page.get_by_role("button", name="Take it by force").click()
    page.get_by_label("Why").fill("Ada has gone home")
    page.locator("form").get_by_role("button", name="Take it by force").click()
    expect(page.get_by_text("You have control until")).to_be_visible()
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_text("Nobody has control: whoever may")).to_be_visible()


def test_a_second_person_agrees(panel: Callable[..., Page], served: Server, skid: Skid) -> None:
    platform = served.services.platform
    order = platform.commander.carry_out(asked_by_somebody("batch", 12), actor="somebody-else")
    page = panel()
    row = page.locator("ul > li").filter(has=page.locator(".way")).first
    expect(row).to_contain_text("It waits for a second person.")
    row.get_by_role("button", name="Approve").click()
    expect(row.locator(".state")).to_have_text("applied")
    assert platform.commander.order(order.id).approval not in ("", "waiting")
    assert ("Batch", 12) in skid.writes


def test_what_nobody_knows_is_settled_by_a_person(panel: Callable[..., Page], served: Server, skid: Skid) -> None:
    platform = served.services.platform
    order = platform.command("pump-1", "start", {"ramp": 58}, wait_s=60)
    assert order.state is OrderState.UNKNOWN
    page = panel()
    row = page.locator("ul > li").filter(has=page.locator(".way")).first
    expect(row).to_contain_text("Look at the machine, then say what you saw.")
    row.get_by_role("button", name="It was not").click()
    expect(row.locator(".state")).to_contain_text("refused")
    assert platform.commander.order(order.id).reason == "settled"


@pytest.mark.parametrize(("scheme", "phone"), [("light", False), ("dark", False), ("light", True)])
def test_several_at_once_show_every_member_and_the_whole(
    panel: Callable[..., Page], served: Server, scheme: str, phone: bool
) -> None:
    platform = served.services.platform
    members = [
        {"twin": "bench-1", "command": "watch"},
        {"twin": "pump-1", "command": "start", "input": {"ramp": 55}, "undo": {"command": "stop"}},
    ]
    made = platform.transaction(members, title="Fill tank 3", wait_s=60)
    assert str(made.state) == "compensated"
    page = panel("bench-1", scheme=scheme, phone=phone)
    row = page.locator("li").filter(has_text="Fill tank 3").first
    expect(row.locator(".state").first).to_have_text("put back")
    expect(row.get_by_role("row").filter(has_text="bench-1")).to_contain_text("put back")
    expect(row.get_by_role("row").filter(has_text="pump-1")).to_contain_text("refused")
    assert accessible(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_goal_is_asked_for_and_reached(panel: Callable[..., Page], skid: Skid) -> None:
    page = panel("line-1")
    page.get_by_role("textbox", name="New value of Output").fill("40")
    page.locator(".goal").get_by_role("button", name="Set").click()
    expect(page.locator(".goal .state")).to_have_text("reached")
    assert skid.value("Speed") == pytest.approx(1200)
    assert accessible(page) == []


def asked_by_somebody(name: str, value: object) -> Ask:
    return Ask(twin="pump-1", name=name, kind=OrderKind.PROPERTY, input=value, deadline_s=120)
