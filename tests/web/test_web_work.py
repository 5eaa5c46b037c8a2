"""Work in the browser: a visit is noted on a telephone without a connection, and comes to the platform by itself."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from gemel.configuration import ItemSpec
from gemel.services.work import WorkQuery, WorkSpec
from tests.web.conftest import Open, Shop
from tests.web.test_web_devices import accessible

BORN = 1_700_000_000_000_000

pytestmark = pytest.mark.browser


def test_a_visit_without_a_connection_is_kept_and_told_once_there_is_one(open_page: Open, shop: Shop) -> None:
    orders = shop.platform.work.orders
    orders.put(WorkSpec(id="WEB-1", twin="mazak01", title="Change the filter"))
    page = open_page("/work")
    page.get_by_role("link", name="Change the filter").click()
    page.get_by_role("button", name="Note a visit").click()
    page.get_by_role("radio", name="failed").check()
    page.get_by_label("Why").select_option("wrong_tools")
    page.context.set_offline(True)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("kept in this browser")).to_be_visible()
    assert orders.get("WEB-1").visits == ()
    page.context.set_offline(False)
    expect(page.get_by_text("waits for a connection")).to_have_count(0, timeout=60_000)
    expect(page.get_by_text("failed: wrong tools")).to_be_visible()
    (visit,) = orders.get("WEB-1").visits
    assert (visit.outcome, visit.cause) == ("failed", "wrong_tools")


def test_an_order_is_made_for_an_item_and_told_otherwise(open_page: Open, shop: Shop) -> None:
    configuration, orders = shop.platform.configuration, shop.platform.work.orders
    configuration.create(ItemSpec(id="PUMP-W", part="CP-W", serial="W1", twin="hurco02"), BORN)
    page = open_page("/items/PUMP-W")
    expect(page.get_by_role("link", name="Order work…")).to_have_attribute("href", "/work?new=&item=PUMP-W")
    page = open_page("/work?new=&item=PUMP-W")  # by itself: texts of pages that were never open are there, too
    form = page.get_by_role("dialog", name="New order")
    expect(form.get_by_text("PUMP-W · CP-W · Hardware")).to_be_visible()
    form.get_by_label("What is to be done").fill("Change the seal")
    form.get_by_text("Crew, and what it brings").click()
    form.get_by_label("Tools").fill("torque wrench\nlaser")
    form.get_by_role("button", name="Add a part").click()
    form.get_by_label("Part", exact=True).fill("MS-12")
    assert accessible(page) == []
    form.get_by_role("button", name="Make the order").click()
    expect(page.get_by_role("heading", name="Change the seal", level=1)).to_be_visible()
    page.get_by_role("button", name="Change…").click()
    form = page.get_by_role("dialog", name="Change")
    form.get_by_label("What is to be done").fill("Change both seals")
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Change both seals", level=1)).to_be_visible()
    (order,) = orders.all(WorkQuery(q="both seals")).items
    assert (order.item, order.twin, order.tools) == ("PUMP-W", "hurco02", ("torque wrench", "laser"))
    assert [(one.part, one.quantity) for one in order.parts] == [("MS-12", 1)]
