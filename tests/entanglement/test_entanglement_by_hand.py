"""Orders that people carry out, and orders that a wire carries: on a running plant, to a real OPC UA server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import gemel
from gemel.commands import Order
from gemel.errors import Conflict, InvalidDocument
from gemel.platform import Platform
from gemel.state import Selection
from tests.commands.skid import Skid, plant
from tests.entanglement.conftest import PLANT

WAIT_S = 60


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Platform]:
    with gemel.open(tmp_path / "plant") as platform:
        platform.apply(PLANT)
        yield platform


def shown(platform: Platform, order: Order) -> Order:
    """The order once it waits for a person."""
    found = platform.commander.reached(order.id, {"delivered"}).result(WAIT_S)
    assert found.state == "delivered"
    return found


def ended(platform: Platform, order: Order) -> Order:
    return platform.commander.reached(order.id).result(WAIT_S)


def kinds(platform: Platform) -> dict[str, dict]:
    return {fact.change.kind: fact.change for fact in platform.events().items}


def test_an_order_where_no_wire_goes_is_an_instruction_that_somebody_confirms(running: Platform):
    order = shown(running, running.set("press-7", "oil_level", 70))
    waiting = running.commander.instructions.open()
    assert [(one.order.id, one.where) for one in waiting] == [(order.id, "the sight glass")]
    assert order.deadline - order.created == 8 * 3600 * 1_000_000, "a shift, unless the binding says otherwise"
    running.commander.instructions.confirm(order.id, actor="user-2", said="topped up").result(WAIT_S)
    assert ended(running, order).state == "applied"
    assert running.commander.instructions.open() == []
    tie = next(tie for tie in running.ties("press-7") if tie.property == "oil_level")
    assert (tie.level, tie.inward, tie.outward) == ("model", "manual", "manual")
    assert running.now("press-7")["oil_level"].value == 70
    past = running.tied("press-7", "oil_level", order.created, running.clock.now())
    assert {span.level for span in past.levels} == {"model"}, "automatic neither in nor back"
    told = kinds(running)
    assert (told["command.confirmed"].actor, told["command.confirmed"].body["found"]) == ("user-2", 70)
    assert told["value.entered"].actor == "user-2"


def test_a_value_found_that_does_not_agree_refuses_the_order_and_is_kept(running: Platform):
    order = shown(running, running.set("press-7", "oil_level", 70))
    running.commander.instructions.confirm(order.id, actor="user-2", value=55.0).result(WAIT_S)
    done = ended(running, order)
    assert (done.state, done.detail) == ("refused", "a person found 55.0, not 70.0")
    assert running.now("press-7")["oil_level"].value == 55.0


def test_a_command_is_confirmed_with_its_output_or_declined(running: Platform):
    order = shown(running, running.command("press-7", "grease"))
    running.commander.instructions.confirm(order.id, actor="user-2", output={"shots": 4}).result(WAIT_S)
    assert (ended(running, order).state, ended(running, order).output) == ("applied", {"shots": 4})
    with pytest.raises(Conflict, match="nothing waits"):
        running.commander.instructions.confirm(order.id, actor="user-3")
    order = shown(running, running.command("press-7", "grease"))
    running.commander.instructions.decline(order.id, actor="user-2", said="no grease left").result(WAIT_S)
    assert (ended(running, order).state, ended(running, order).detail) == ("refused", "declined by a person")
    assert kinds(running)["command.declined"].actor == "user-2"


def test_an_instruction_outlasts_a_restart(tmp_path: Path):
    with gemel.open(tmp_path / "plant") as platform:
        platform.apply(PLANT)
        order = shown(platform, platform.set("press-7", "oil_level", 70))
    with gemel.open(tmp_path / "plant") as platform:
        assert [one.order.id for one in platform.commander.instructions.open("press-7")] == [order.id]
        platform.commander.instructions.confirm(order.id, actor="user-2").result(WAIT_S)
        assert ended(platform, order).state == "applied"


def test_what_people_read_has_a_bound_of_its_own():
    with pytest.raises(InvalidDocument, match="mode: samples"):
        _plan(PLANT.replace("property: oil_level, mode: samples", "property: oil_level"))


def _plan(text: str) -> None:
    from gemel.connectors.base import build
    from gemel.twin import parse_plant

    build(parse_plant(text, "plant").connectors[1])


def test_a_property_whose_order_the_wire_carried_is_a_twin(tmp_path: Path):
    with Skid() as skid, gemel.open(tmp_path / "plant") as platform:
        platform.apply(plant(skid.url))
        with platform.subscribe(Selection(twins=("pump-1",))) as changes:
            while "speed" not in platform.now("pump-1") or not platform.now("pump-1")["speed"].fresh:
                assert changes.get(WAIT_S) is not None
        start = platform.clock.now()
        speed = next(tie for tie in platform.ties("pump-1") if tie.property == "speed")
        assert (speed.level, speed.outward) == ("shadow", "none")
        assert platform.set("pump-1", "speed", 1500, wait_s=WAIT_S).state == "applied"
        ties = {tie.property: tie for tie in platform.ties("pump-1")}
        assert (ties["speed"].level, ties["speed"].inward, ties["speed"].outward) == ("twin", "automatic", "automatic")
        assert ties["pressure"].level == "shadow", "a sensor: nothing flows out"
        past = platform.tied("pump-1", "speed", start, platform.clock.now())
        assert [span.level for span in past.levels][-2:] == ["shadow", "twin"]
        with pytest.raises(Conflict, match="not by people"):
            platform.commander.instructions.confirm(platform.orders("pump-1").items[0].id, actor="user-2")
