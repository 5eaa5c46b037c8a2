"""A promise on what is known of a machine counts the slots that must be filled, told of or not."""

from __future__ import annotations

import pytest

from gemel.configuration import (
    FOREVER,
    Basis,
    Effectivity,
    ItemKind,
    ItemSpec,
    Kept,
    PartsDocument,
    PartType,
    Promise,
    Saw,
    SlotSpec,
)
from gemel.configuration.acts.acting import item_row
from gemel.configuration.operations import Identify, Observe, Report
from gemel.configuration.questions.confirming import confirmed
from tests.configuration.conftest import World, day


@pytest.fixture
def world(plain: World) -> World:
    plain.clock.time = day(2, 1)
    return plain


def book(world: World, *slots: SlotSpec, part: str = "MILL") -> None:
    parts = world.configuration.parts
    parts.apply(parts.plan(PartsDocument(parts=(PartType(part=part, slots=slots),))))


def told(world: World, root: str) -> list[str]:
    kinds = [one.kind for one in world.journaled if one.subject == root]
    return [kind.removeprefix("item.upkeep_") for kind in kinds if kind.startswith("item.upkeep_")]


def test_a_slot_that_must_be_filled_and_of_which_nobody_told_keeps_no_promise(world: World) -> None:
    conf, house = world.configuration, world.configuration.as_("gemel").upkeep
    pump, guard, lamp = (
        SlotSpec(slot="pump", mandatory=True),
        SlotSpec(slot="guard", safety=True),
        SlotSpec(slot="lamp"),
    )
    book(world, pump, guard, lamp)
    book(world, SlotSpec(slot="seal", mandatory=True), part="PUMP")
    conf.create(ItemSpec(id="M", part="MILL", serial="7"), day(1, 1))
    conf.create(ItemSpec(id="P", part="PUMP", serial="1"), day(1, 1))
    conf.install("P", "M", "pump", day(1, 10))
    assert conf.upkeep.promise(Promise(root="M", within_days=60)).state is Kept.NEVER
    conf.do(Observe(parent="M", slot="guard", at=day(1, 20), saw=Saw.NOTHING))
    assert conf.upkeep.of("M").state is Kept.NEVER, "of the seal in the pump nobody told"
    conf.do(Observe(parent="P", slot="seal", at=day(1, 5), saw=Saw.NOTHING))
    kept = conf.upkeep.of("M")
    assert (kept.state, kept.confirmed) == (Kept.KEPT, day(1, 5))
    house.look()
    assert told(world, "M") == ["declared"]
    book(world, pump, guard, lamp, SlotSpec(slot="filter", mandatory=True))
    house.look()
    house.look()
    assert told(world, "M") == ["declared", "broken"]
    book(world, pump, guard, lamp)
    world.configuration.as_("gemel").upkeep.look()  # as after a restart
    assert told(world, "M") == ["declared", "broken", "kept_again"]


def test_software_that_a_machine_reports_is_told_of(world: World) -> None:
    conf, house = world.configuration, world.configuration.as_("gemel").upkeep
    book(world, SlotSpec(slot="drive", mandatory=True), SlotSpec(slot="app", mandatory=True, kind=ItemKind.SOFTWARE))
    conf.create(ItemSpec(id="M", part="MILL", serial="7"), day(1, 1))
    conf.create(ItemSpec(id="D", part="DRIVE", serial="1"), day(1, 1))
    conf.install("D", "M", "drive", day(1, 10))
    conf.upkeep.promise(Promise(root="M", within_days=60))
    house.look()
    assert told(world, "M") == ["declared", "broken"]
    conf.do(Observe(parent="M", slot="app", at=day(1, 1), saw=Saw.UNKNOWN))
    conf.do(Report(item="M", slot="app", part="APP", version="1.0", at=day(1, 2)))
    assert conf.upkeep.of("M").confirmed == day(1, 10)
    house.look()
    assert told(world, "M") == ["declared", "broken", "kept_again"]


def test_what_is_told_deep_inside_told_otherwise_or_told_of_what_a_part_is_counts_at_the_next_look(
    world: World,
) -> None:
    conf, house = world.configuration, world.configuration.as_("gemel").upkeep
    book(world, SlotSpec(slot="bearing", mandatory=True), part="SPINDLE")
    book(world, SlotSpec(slot="bearing"), SlotSpec(slot="sensor", mandatory=True), part="SPINDLE-2")
    conf.create(ItemSpec(id="hall", part="HALL", kind=ItemKind.LOCATION), day(1, 1))
    conf.create(ItemSpec(id="mill", part="MILL", serial="7"), day(1, 1))
    conf.create(ItemSpec(id="spindle", part="SPINDLE", serial="1"), day(1, 1))
    conf.install("mill", "hall", "place", day(1, 2))
    conf.install("spindle", "mill", "spindle", day(1, 2))
    conf.upkeep.promise(Promise(root="mill", within_days=60))
    house.look()
    assert told(world, "mill") == ["declared", "broken"]
    looked = Observe(parent="spindle", slot="bearing", at=day(1, 5), saw=Saw.NOTHING)
    act = conf.do(looked).act
    house.look()
    assert told(world, "mill")[2:] == ["kept_again"]
    conf.withdraw(act, basis=Basis(reason="it was the spindle of another mill"))
    house.look()
    assert told(world, "mill")[3:] == ["broken"]
    conf.do(looked)
    house.look()
    assert told(world, "mill")[4:] == ["kept_again"]
    conf.do(Identify(item="spindle", at=day(1, 2), part="SPINDLE-2"), basis=Basis(reason="its plate"))
    house.look()
    assert told(world, "mill")[5:] == ["broken"]


def test_many_promises_are_asked_as_completeness_says_of_each(world: World) -> None:
    conf = world.configuration
    for n, filled in enumerate(("", "a", "ab")):
        conf.create(ItemSpec(id=f"M{n}", part="MILL", serial=str(n)), day(1, 1))
        for slot in filled:
            conf.do(Observe(parent=f"M{n}", slot=slot, at=day(1, 2 + n), saw=Saw.NOTHING))
    line = PartType(part="LINE", slots=(SlotSpec(slot="station"),))
    late = SlotSpec(slot="c", mandatory=True, effectivity=Effectivity(serials=("5..",)))
    both = (SlotSpec(slot="a", mandatory=True), SlotSpec(slot="b", safety=True))
    mill = PartType(part="MILL", end_item=True, slots=(*both, late))
    conf.parts.apply(conf.parts.plan(PartsDocument(parts=(line, mill))))
    conf.create(ItemSpec(id="L", part="LINE", serial="9"), day(1, 1))
    conf.install("M2", "L", "station", day(1, 20))
    with world.database.read() as tx:
        numbers = {name: int(item_row(tx, name).number) for name in ("M0", "M1", "M2", "L")}
        together = confirmed(tx, list(numbers.values()), day(2, 1), FOREVER - 1, conf.parts.read(tx))
    for name, number in numbers.items():
        assert together[number] == conf.completeness(name, day(2, 1)).confirmed, name
    assert together[numbers["L"]] == day(1, 4), "the line's number means nothing for the mill"
