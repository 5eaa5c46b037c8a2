"""What is known of one machine, from which side, with how much life left, and who relied on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gemel.configuration import (
    Applicability,
    Basis,
    Built,
    Configuration,
    Effectivity,
    Having,
    Holding,
    ItemSpec,
    LifeLimit,
    PartsDocument,
    PartType,
    Reliance,
    Revision,
    Saw,
    SlotRule,
    SlotSpec,
    Span,
    Verdict,
    parse_parts,
)
from gemel.configuration.operations import Identify, Merge, Observe, Report, Swap, Use
from gemel.errors import InvalidInput, NotFound
from tests.configuration.conftest import World, day, ids

PUMP = PartType(
    part="PUMP",
    revisions=tuple(Revision(revision=one) for one in ("Z", "AA", "AB")),
    limits=(
        LifeLimit(kind="hours", limit=1000.0),
        LifeLimit(kind="hours", limit=500.0, hard=False, revisions=("..AA",)),
        LifeLimit(kind="days", limit=3650.0, effectivity=Effectivity(serials=("1..5",))),
    ),
)
PRESS = PartType(
    part="PRESS",
    end_item=True,
    slots=(
        SlotSpec(slot="pump", mandatory=True, safety=True),
        SlotSpec(slot="guard", mandatory=True, safety=True),
        SlotSpec(slot="lamp"),
        SlotSpec(slot="heater", effectivity=Effectivity(serials=("100..",))),
    ),
    rules=(
        SlotRule(slot="pump", part="PUMP", revisions=("AA..",), effectivity=Effectivity(serials=("1..9",))),
        SlotRule(slot="pump", part="OTHER", effectivity=Effectivity(serials=("10..",))),
    ),
)
SEEN = Basis(seen=True)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(f"sqlite:///{tmp_path_factory.mktemp('shop') / 'configuration.sqlite'}")
    conf, world.clock.time = world.configuration, day(1, 1)
    conf.parts.apply(conf.parts.plan(PartsDocument(parts=(PUMP, PRESS))))
    yield world
    conf.shared.close()
    world.database.close()


def press(conf: Configuration, name: str, serial: str, revision: str = "AA") -> None:
    made = [
        Built(item=ItemSpec(id=name, part="PRESS", serial=serial), at=day(1, 1)),
        Built(
            item=ItemSpec(id=f"{name}.pump", part="PUMP", serial=f"{name}-p", revision=revision),
            at=day(1, 1),
            parent=name,
            slot="pump",
        ),
    ]
    assert conf.load(made).items == 2


def test_unknown_is_not_empty_and_held_is_not_confirmed(shop: World) -> None:
    conf = shop.configuration
    press(conf, "K", "3")
    told = conf.completeness("K", day(2, 1))
    states = {one.path: one.holding for one in told.slots}
    assert states == {("pump",): Holding.HELD, ("guard",): Holding.UNKNOWN, ("lamp",): Holding.UNKNOWN}
    assert (told.held, told.unknown, told.empty, told.missing) == (1, 2, 0, 1)
    assert told.confirmed is None
    assert told.threatens == ("guard is unknown: nobody told what is there",)
    conf.do(Observe(parent="K", slot="guard", at=day(3, 1), saw=Saw.NOTHING))
    conf.do(Observe(parent="K", slot="lamp", at=day(3, 2), saw=Saw.NOTHING))
    told = conf.completeness("K", day(3, 3))
    assert (told.empty, told.unknown, told.missing) == (2, 0, 1)
    assert told.confirmed == day(1, 1)  # the pump has not been looked at since it was built in
    conf.do(Observe(parent="K", slot="pump", at=day(3, 4), item="K.pump"))
    assert conf.completeness("K", day(3, 5)).confirmed == day(3, 1)
    conf.do(Observe(parent="K", slot="pump", at=day(3, 6), part="PUMP", serial="another"))
    told = conf.completeness("K", day(3, 7))
    assert {one.path: one.holding for one in told.slots}[("pump",)] is Holding.DIFFERS
    assert "pump was seen to hold something else" in told.threatens
    assert conf.completeness("K", day(3, 5)).differing == 0


def test_a_model_is_no_twin_until_it_is_told_what_was_built(shop: World) -> None:
    conf = shop.configuration
    conf.create(ItemSpec(id="idea", part="PRESS"), day(1, 1))
    told = conf.readiness("idea", day(2, 1))
    assert (told.twin, told.stage) == (False, "model")
    assert [one.split(":")[0] for one in told.missing] == ["its serial number", "its as-built configuration"]
    press(conf, "R", "4")
    told = conf.readiness("R", day(2, 1))
    assert (told.twin, told.stage, told.built) == (True, "built", day(1, 1))
    conf.modify("R", "milestone", "delivered", day(2, 10))
    assert conf.readiness("R", day(2, 9)).stage == "built"
    assert conf.readiness("R", day(2, 11)).stage == "delivered"


def test_one_machine_from_all_sides(shop: World) -> None:
    conf = shop.configuration
    press(conf, "S", "5", revision="Z")
    conf.modify("S", "milestone", "delivered", day(2, 1))
    conf.create(ItemSpec(id="S.new", part="PUMP", serial="new", revision="AB"), day(1, 1))
    conf.swap("S", "pump", "S.new", day(3, 1))
    conf.create(ItemSpec(id="S.next", part="PUMP", serial="next", revision="AB"), day(1, 1))
    conf.plans.make([Swap(parent="S", slot="pump", new="S.next", at=day(5, 1))], at=day(5, 1), title="overhaul")
    told = conf.sides("S", day(4, 1))
    assert (told.built, told.delivered) == (day(1, 1), day(2, 1))
    slots = {one.path: one for one in told.slots}
    assert set(slots) == {("pump",), ("guard",), ("lamp",)}  # a heater have only later ones
    pump = slots[("pump",)]
    assert [(one.part, one.revisions) for one in pump.designed] == [("PUMP", ("AA..",))]
    assert [one.revision for one in (*pump.built, *pump.delivered, *pump.maintained)] == ["Z", "Z", "AB"]
    assert [one.item for one in pump.planned] == ["S.next"]
    assert (pump.verdict, pump.changed, pump.mandatory) == (Verdict.ALLOWED, True, True)
    assert {one.path: one.verdict for one in conf.sides("S", day(2, 1)).slots}[("pump",)] is Verdict.NOT_ALLOWED
    assert slots[("guard",)].verdict is Verdict.MISSING


def test_limits_are_of_a_revision_and_of_a_machine(shop: World) -> None:
    conf = shop.configuration
    press(conf, "L", "2", revision="AA")
    conf.use("L", "hours", day(1, 1), day(1, 31), 400.0)
    conf.adjust("L.pump", "hours", 50.0, day(1, 1), basis=Basis(reason="ran on the test bench"))
    told = conf.limits("L.pump", day(1, 31))
    assert [(one.kind, one.limit, one.used, one.hard) for one in told] == [
        ("hours", 500.0, 450.0, False),
        ("hours", 1000.0, 450.0, True),
        ("days", 3650.0, 30.0, True),
    ]
    assert (told[0].root, told[0].path, told[0].remaining) == ("L", ("pump",), pytest.approx(50.0))
    conf.modify("L.pump", "revision", "AB", day(2, 1))
    assert [one.limit for one in conf.limits("L.pump", day(2, 2)) if one.kind == "hours"] == [1000.0]
    press(conf, "L7", "7")
    assert {one.kind for one in conf.limits("L7.pump", day(2, 2))} == {"hours"}
    least = conf.remaining(part="PUMP", at=day(1, 31)).items
    assert (least[0].item, least[0].limit, least[0].root) == ("L.pump", 500.0, "L")
    assert [one.share for one in least] == sorted((one.share for one in least), reverse=True)
    assert {one.item for one in least if one.kind == "days"} >= {"L.pump"}
    assert "L7.pump" not in {one.item for one in least if one.kind == "days"}


def test_a_bulletin_applies_by_serial_number_and_by_what_is_in_the_machine(shop: World) -> None:
    conf = shop.configuration
    for name, serial, revision in (("B20", "20", "Z"), ("B21", "21", "AB"), ("B40", "40", "Z"), ("B22", "22", "")):
        press(conf, name, serial, revision)
    to = Applicability(
        part="PRESS", effectivity=Effectivity(serials=("20..29",)), having=(Having(part="PUMP", below="AB"),)
    )
    found = conf.applicable(to, day(2, 1))
    assert [one.root for one in found.machines] == ["B20"]
    answers = {name: conf.applies(to, name, day(2, 1)) for name in ("B20", "B21", "B40", "B22")}
    assert {name: one.applies for name, one in answers.items()} == {
        "B20": True,
        "B21": False,
        "B40": False,
        "B22": None,
    }
    assert answers["B20"].items == ("B20.pump",)
    assert "has no place in the order of PUMP" in answers["B22"].reasons[0]


def test_what_applies_means_the_end_item_and_not_the_line_that_it_stands_in(shop: World) -> None:
    conf = shop.configuration
    conf.create(ItemSpec(id="LINE", part="LINE", serial="500"), day(1, 1))
    for name, serial, revision in (("L51", "510", "Z"), ("L52", "520", "AB")):
        press(conf, name, serial, revision)
        conf.install(name, "LINE", name, day(1, 5))
    old = (Having(part="PUMP", below="AB"),)

    def found(serials: str, part: str = "", having: tuple[Having, ...] = old) -> list[str]:
        to = Applicability(part=part, effectivity=Effectivity(serials=(serials,)), having=having)
        listed = [one.root for one in conf.applicable(to, day(2, 1)).machines]
        told = {name: conf.applies(to, name, day(2, 1)) for name in ("LINE", "L51", "L52", "L51.pump")}
        assert ("LINE" in listed) is (told["LINE"].applies is True)
        return [name for name, one in told.items() if one.applies]

    assert found("510..519") == found("510", "PRESS") == ["LINE", "L51", "L51.pump"]
    assert found("520") == found("500") == found("510", "LINE") == [], "no old pump is in 520, and no press is 500"
    assert found("520", "PRESS", ()) == ["LINE", "L52"]
    whole = Applicability(part="PRESS", effectivity=Effectivity(serials=("500",)))
    assert "L51 has serial number 510" in conf.applies(whole, "L51", day(2, 1)).reasons[0]


def test_reported_software_is_met_with_parts(shop: World) -> None:
    conf = shop.configuration
    press(conf, "V", "60", revision="Z")
    conf.parts.apply(
        conf.parts.plan(
            PartsDocument(parts=(PartType(part="FW", revisions=(Revision(revision="9"), Revision(revision="10"))),))
        )
    )
    conf.do(Report(item="V", slot="firmware", part="FW", version="9", at=day(2, 1)))
    conf.do(Report(item="V", slot="firmware", part="FW", version="10", at=day(3, 1)))
    (one,) = conf.fleet(Having(part="PUMP", below="AB"), Having(part="FW", below="10"), during=(0, day(9, 1))).machines
    assert (one.root, one.spans) == ("V", (Span(day(2, 1), day(3, 1)),))


def test_the_acceptance_example_lists_who_relied_on_what_was_corrected(world: World) -> None:
    conf, clock = world.configuration, world.clock
    clock.time = day(1, 2)
    for id in ("M1", "M2", "PUMP-A", "PUMP-B", "SEAL-1"):
        conf.create(ItemSpec(id=id, part=id.split("-")[0], serial=id), day(1, 1))
    conf.install("SEAL-1", "PUMP-A", "seal", day(1, 1))
    conf.install("PUMP-A", "M1", "pump", day(1, 1))
    clock.time = day(3, 15)
    swap = conf.swap("M1", "pump", "PUMP-B", day(3, 10))
    clock.time = day(3, 20)
    conf.rely(Reliance(kind="visit", reference="V-7", root="M1", valid=day(3, 11), known=clock.time))
    conf.rely(Reliance(kind="visit", reference="V-7", root="M1", valid=day(3, 11), known=clock.time))
    conf.rely(Reliance(kind="invoice", reference="F-1", root="M1", valid=day(3, 20), known=clock.time))
    taken = conf.snapshots.take("M1", day(3, 11))
    clock.time = day(5, 1)
    act = conf.correct(swap, day(3, 12), basis=Basis(reason="the work order says the 12th"))
    told = conf.dependants(act)
    assert told.items == ("PUMP-A", "PUMP-B")
    assert told.span == Span(day(3, 10), day(3, 12))
    assert set(told.roots) >= {"M1"}
    assert "SEAL-1" in told.counters
    assert {(one.reliance.kind, one.reliance.reference) for one in told.relied} == {
        ("visit", "V-7"),
        ("snapshot", str(taken.number)),
    }
    (differs,) = told.relied[0].differences[:1]
    assert (differs.before and differs.before.id, differs.after and differs.after.id) == ("PUMP-B", "PUMP-A")
    before = conf.known_of(act) - 1
    assert ids(conf.tree("M1", day(3, 11), known=before)) == {"PUMP-B"}
    assert ids(conf.tree("M1", day(3, 11), known=conf.known_of(act))) == {"PUMP-A", "SEAL-1"}
    assert conf.dependants(swap).relied == ()
    with pytest.raises(NotFound, match="there is no act 999"):
        conf.dependants(999)
    with pytest.raises(InvalidInput, match="1 to 32"):
        conf.rely(Reliance(kind="", reference="x", root="M1", valid=0, known=0))


def test_limits_are_of_the_maker_and_of_what_is_still_an_item_of_its_own(plain: World) -> None:
    conf, plain.clock.time = plain.configuration, day(2, 1)
    text = """
parts:
  - {part: BRG-1, maker: A, limits: [{kind: hours, limit: 1000}, {kind: days, limit: 365}]}
  - {part: BRG-1, maker: B, limits: [{kind: hours, limit: 5000}]}
"""
    conf.parts.apply(conf.parts.plan(parse_parts(text)))
    plain.clock.time = day(3, 1)
    for id, maker in (("a", "A"), ("b", "B"), ("u", "A"), ("other", "C")):
        conf.create(ItemSpec(id=id, part="BRG-1", maker=maker, serial="" if id == "u" else id), day(1, 1))
    conf.do(Use(item="b", kind="hours", start=day(1, 1), end=day(2, 1), amount=2000))
    conf.do(Use(item="u", kind="hours", start=day(1, 1), end=day(2, 1), amount=900))

    def least(known: int | None = None) -> list[tuple[str, str, float]]:
        return [(one.item, one.kind, one.limit) for one in conf.remaining(at=day(2, 1), known=known).items]

    assert least() == [
        ("u", "hours", 1000),
        ("b", "hours", 5000),
        ("a", "days", 365),
        ("u", "days", 365),
        ("a", "hours", 1000),
    ]
    before = conf.latest()
    plain.clock.time = day(3, 2)
    conf.do(Merge(item="u", into="a", at=day(3, 2)))
    assert least() == [("a", "hours", 1000), ("b", "hours", 5000), ("a", "days", 365)]
    assert len(least(before)) == 5
    assert least(day(2, 28)) == [], "nobody knew of them before the first of March"
    for item in ("a", "b"):
        alone = [(one.kind, one.used, one.limit) for one in conf.limits(item, day(2, 1))]
        assert [(o.kind, o.used, o.limit) for o in conf.remaining(at=day(2, 1)).items if o.item == item] == alone
    conf.do(Identify(item="b", part="BRG-2", at=day(2, 15), stamped=True))
    assert [(one.item, one.part) for one in conf.remaining(kind="hours", at=day(2, 1)).items][1] == ("b", "BRG-1")
    assert [one.item for one in conf.remaining(kind="hours", at=day(2, 20)).items] == ["a"]
    conf.shared.close()
