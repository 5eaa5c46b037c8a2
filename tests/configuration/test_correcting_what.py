"""An act that named the wrong item or slot is put right in one step; what was believed before can be asked for ever."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from gemel.configuration import Basis, Configuration, ItemKind, ItemSpec, Standing, parse_parts
from gemel.configuration.operations import Correct, Install, Swap, Use
from gemel.errors import Conflict, InvalidInput, RuleBroken
from tests.configuration.conftest import World, day, ids

PARTS = """
parts:
  - part: MILL
    end_item: true
    slots: [{slot: one}, {slot: two}]
    rules: [{slot: one, part: PUMP}, {slot: two, part: PUMP}]
"""
WHY = Basis(reason="the plate says so")


class Mill:
    """A mill with a pump, two others in a store, and the act by which one of them came in on 10 March."""

    numbers = count(1)

    def __init__(self, conf: Configuration) -> None:
        self.conf, self.name = conf, f"M{next(self.numbers)}"
        conf.create(ItemSpec(id=self.name, part="MILL", serial=self.name), day(1, 1))
        for one in "ABC":
            conf.create(ItemSpec(id=self.pump(one), part="PUMP", serial=self.pump(one)), day(1, 1))
        conf.install(self.pump("A"), self.name, "one", day(1, 2))
        for one in "BC":
            conf.install(self.pump(one), "STORE", "shelf", day(1, 2))
        self.act = conf.do(self.swap("B", day(3, 10))).act

    def pump(self, one: str) -> str:
        return f"{self.name}.{one}"

    def swap(self, new: str, at: int, slot: str = "one") -> Swap:
        return Swap(parent=self.name, slot=slot, new=self.pump(new), at=at, to=("STORE", "shelf"))

    def held(self, at: int, known: int | None = None) -> set[str]:
        return {one[-1] for one in ids(self.conf.tree(self.name, at, known=known))}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(f"sqlite:///{tmp_path_factory.mktemp('correcting') / 'configuration.sqlite'}")
    conf, world.clock.time = world.configuration, day(3, 20)
    conf.parts.apply(conf.parts.plan(parse_parts(PARTS)))
    conf.create(ItemSpec(id="STORE", part="STORE", kind=ItemKind.LOCATION), day(1, 1))
    yield world
    conf.shared.close()
    world.database.close()


@pytest.fixture
def mill(shop: World) -> Mill:
    return Mill(shop.configuration)


def where(mill: Mill, one: str, at: int) -> list[str]:
    return [stay.root for stay in mill.conf.stays(mill.pump(one), at, at + 1)]


def test_another_serial_number_came_in_than_was_said(mill: Mill) -> None:
    conf, before = mill.conf, mill.conf.known_of(mill.act)
    told = conf.do(Correct(act=mill.act, at=day(3, 11), instead=mill.swap("C", day(3, 11))), basis=WHY)
    assert [mill.held(day(3, of)) for of in (10, 11)] == [{"A"}, {"C"}]
    assert mill.held(day(3, 11), known=before) == {"B"}
    assert [where(mill, one, day(3, 15)) for one in "ABC"] == [["STORE"], ["STORE"], [mill.name]]
    (corrected,) = [one for one in conf.acts(mill.pump("C")) if one.number == told.act]
    assert (corrected.amends, corrected.basis.reason) == (mill.act, "the plate says so")
    again = conf.do(Correct(act=told.act, at=day(3, 12), instead=mill.swap("B", day(3, 12))), basis=WHY)
    assert [mill.held(day(3, of)) for of in (11, 12)] == [{"A"}, {"B"}]
    conf.withdraw(again.act, basis=WHY)
    assert mill.held(day(3, 15)) == {"A"}


def test_it_came_into_another_machine_than_was_said(mill: Mill, shop: World) -> None:
    conf, other = mill.conf, Mill(shop.configuration)
    conf.create(ItemSpec(id=mill.pump("D"), part="PUMP", serial=mill.pump("D")), day(1, 1))
    act = conf.install(mill.pump("D"), mill.name, "two", day(3, 12))
    into = Install(child=mill.pump("D"), parent=other.name, slot="two", at=day(3, 12))
    conf.do(Correct(act=act, at=day(3, 12), instead=into), basis=WHY)
    assert (mill.held(day(3, 15)), other.held(day(3, 15))) == ({"B"}, {"B", "D"})
    taken = Install(child=mill.pump("B"), parent=other.name, slot="two", at=day(3, 10))
    with pytest.raises(Conflict, match="is in shelf of STORE"):
        conf.do(Correct(act=mill.act, at=day(3, 10), instead=taken), basis=WHY)
    assert mill.held(day(3, 15)) == {"B"}  # nothing of it was done


def test_what_came_in_by_the_wrong_act_was_never_there(mill: Mill) -> None:
    conf = mill.conf
    spec = ItemSpec(id=mill.pump("N"), part="PUMP", serial=mill.pump("N"))
    wrong = conf.do(Install(child=spec.id, parent=mill.name, slot="two", at=day(3, 12), spec=spec)).act
    right = ItemSpec(id=mill.pump("O"), part="PUMP", serial=mill.pump("O"))
    into = Install(child=right.id, parent=mill.name, slot="two", at=day(3, 12), spec=right)
    conf.do(Correct(act=wrong, at=day(3, 12), instead=into), basis=WHY)
    assert mill.held(day(3, 15)) == {"B", "O"}
    assert conf.stays(spec.id, day(1, 1), day(3, 20)) == []


def test_a_trial_says_what_the_rules_say_and_leaves_nothing(mill: Mill) -> None:
    conf = mill.conf
    conf.create(ItemSpec(id=mill.pump("X"), part="OTHER", serial=mill.pump("X")), day(1, 1))
    said = Correct(act=mill.act, at=day(3, 10), instead=mill.swap("X", day(3, 10)))
    with pytest.raises(RuleBroken, match="OTHER does not belong there"):
        conf.do(said, basis=WHY, dry_run=True)
    fine = Correct(act=mill.act, at=day(3, 10), instead=mill.swap("C", day(3, 10)))
    assert conf.do(fine, basis=WHY, dry_run=True).findings == ()
    assert mill.held(day(3, 15)) == {"B"}


def test_a_nonconformance_of_what_was_never_there_is_closed(mill: Mill) -> None:
    conf = mill.conf
    conf.create(ItemSpec(id=mill.pump("X"), part="OTHER", serial=mill.pump("X")), day(1, 1))
    wrong = conf.do(mill.swap("X", day(3, 12)), basis=Basis(seen=True))
    assert wrong.nonconformances
    conf.do(Correct(act=wrong.act, at=day(3, 12), instead=mill.swap("C", day(3, 12))), basis=WHY)
    assert {one.state for one in conf.nonconformances(mill.name, day(3, 15))} <= {Standing.CLOSED}


def test_what_later_acts_rest_on_is_named(mill: Mill) -> None:
    later = mill.conf.do(mill.swap("C", day(3, 15))).act
    with pytest.raises(Conflict, match=f"act {later} .*withdraw that first") as caught:
        mill.conf.do(Correct(act=mill.act, at=day(3, 10), instead=mill.swap("C", day(3, 10))), basis=WHY)
    assert caught.value.extra["act"] == later


def test_what_says_not_where_something_came_is_not_corrected_so(mill: Mill) -> None:
    use = mill.conf.do(Use(item=mill.name, kind="hours", start=day(2, 1), end=day(2, 2), amount=5.0)).act
    with pytest.raises(Conflict, match="does not say what came where"):
        mill.conf.do(Correct(act=use, at=day(3, 10), instead=mill.swap("C", day(3, 10))), basis=WHY)
    with pytest.raises(InvalidInput, match="of one moment"):
        mill.conf.do(Correct(act=mill.act, at=day(3, 11), instead=mill.swap("C", day(3, 10))), basis=WHY)
