"""What is meant to be done, and what was seen: both beside what is held to be so."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gemel.configuration import Basis, Item, ItemKind, ItemSpec, Node, Outcome, PlanState, Reliance, Saw, parse_parts
from gemel.configuration.operations import Create, Install, Move, Observe, Operation, Remove, Report, Swap, Withdraw
from gemel.errors import Conflict, GemelError, InvalidInput, InvalidTime, NotFound, RuleBroken
from tests.configuration.conftest import World, day, ids

CREW = Basis(source="crew", key="visit-1")


@pytest.fixture
def mill(plain: World) -> World:
    """A mill with a known pump and seal, a fan of unknown serial number, and a store."""
    conf, plain.clock.time = plain.configuration, day(2, 1)
    conf.create(ItemSpec(id="M", part="MILL", serial="1"), day(1, 1))
    conf.create(ItemSpec(id="STORE", part="STORE", kind=ItemKind.LOCATION), day(1, 1))
    for id, part, serial in (("P1", "PUMP", "1"), ("P2", "PUMP", "2"), ("S1", "SEAL", "1"), ("FAN", "FAN", "")):
        conf.create(ItemSpec(id=id, part=part, serial=serial, revision="A"), day(1, 1))
    conf.install("S1", "P1", "seal", day(1, 1))
    conf.install("P1", "M", "pump", day(1, 2))
    conf.install("FAN", "M", "fan", day(1, 2))
    conf.install("P2", "STORE", "shelf", day(1, 2))
    return plain


def marks(node: Node) -> set[tuple[str, str]]:
    return {(node.item.id, node.planned)} - {(node.item.id, "")} | {m for part in node.parts for m in marks(part)}


def test_a_plan_is_never_part_of_what_is_so(mill: World) -> None:
    conf = mill.configuration
    before = conf.hash("M", day(3, 1))
    swap = Swap(parent="M", slot="pump", new="P2", at=0, to=("STORE", "shelf"))
    plan = conf.plans.make([swap], at=day(2, 20), title="overhaul", work_order="WO-1")
    mill.clock.time = day(2, 25)
    assert conf.hash("M", day(3, 1)) == before
    assert marks(conf.tree("M", plans=True)) == {("P1", "remove"), ("P2", "install")}
    assert ids(conf.tree("M")) == {"P1", "S1", "FAN"}
    assert [one.number for one in conf.plans.of("M")] == [one.number for one in conf.plans.of("P2")] == [plan.number]
    assert conf.plans.of("FAN") == []
    (tried,) = conf.plans.check(plan.number)
    assert isinstance(tried, Outcome)


def test_a_plan_is_carried_out_as_a_whole_and_once(mill: World) -> None:
    conf = mill.configuration
    swap = Swap(parent="M", slot="pump", new="P2", at=0, to=("STORE", "shelf"))
    plan = conf.plans.make([swap, Remove(child="FAN", at=0, to=("STORE", "shelf"))], at=day(2, 20), work_order="WO-1")
    mill.clock.time = day(2, 25)
    outcomes = conf.plans.carry_out(plan.number, at=day(2, 21))
    assert ids(conf.tree("M")) == {"P2"}
    assert ids(conf.tree("M", day(2, 20))) == {"P1", "S1", "FAN"}
    done = conf.plans.get(plan.number)
    assert (done.state, done.acts) == (PlanState.DONE, tuple(one.act for one in outcomes))
    assert conf.acts("P2")[-1].basis.work_order == "WO-1"
    with pytest.raises(Conflict, match="done already"):
        conf.plans.carry_out(plan.number)
    with pytest.raises(Conflict, match="done already"):
        conf.plans.cancel(plan.number, "too late")
    assert conf.plans.of("M") == []
    assert [one.number for one in conf.plans.of("M", known=day(2, 10))] == [plan.number]
    assert [change.kind for change in mill.journaled[-3:]] == ["item.swapped", "item.moved", "plan.carried_out"]


def test_a_plan_that_cannot_be_carried_out_changes_nothing(mill: World) -> None:
    conf = mill.configuration
    plan = conf.plans.make(
        [Remove(child="FAN", at=0, to=("STORE", "shelf")), Move(child="P2", parent="M", slot="pump", at=0)],
        at=day(2, 20),
    )
    results = conf.plans.check(plan.number)
    assert [isinstance(one, GemelError) for one in results] == [False, True]
    with pytest.raises(Conflict, match="pump of M holds P1"):
        conf.plans.carry_out(plan.number)
    assert ids(conf.tree("M")) == {"P1", "S1", "FAN"}
    assert conf.plans.get(plan.number).state is PlanState.PLANNED
    with pytest.raises(InvalidInput, match="say why"):
        conf.plans.cancel(plan.number, " ")
    assert conf.plans.cancel(plan.number, "the pump is in use").reason == "the pump is in use"
    assert conf.plans.all() == []


def test_what_is_tried_holds_the_writer_for_one_machine_at_a_time_and_for_fifty_operations_at_most(mill: World) -> None:
    conf = mill.configuration
    held: list[str] = []
    for name in ("N", "O"):
        conf.create(ItemSpec(id=name, part="MILL", serial=name), day(1, 1))
    on_two: list[Operation] = []
    for n in range(30):
        spec = ItemSpec(id=f"F{n}", part="FILTER", serial=f"{n}")
        on_two += [
            Create(spec=spec, at=day(2, 2)),
            Install(child=spec.id, parent="NO"[n % 2], slot=f"f{n}", at=day(2, 2)),
        ]
    twice = Create(spec=ItemSpec(id="OTHER", part="FILTER", serial="0"), at=day(2, 2))
    writer = conf._desk._run

    def run(work: Any, *, actor: str = "") -> Any:
        held.append(actor)
        return writer(work, actor=actor)

    conf._desk._run = run
    tried = conf.do_all([(one, Basis()) for one in (*on_two, twice, Remove(child="P2", at=day(2, 2)))], dry_run=True)
    assert [isinstance(one, Outcome) for one in tried] == [True] * 60 + [False, True]
    assert "serial number 0 of no maker is F0" in str(tried[60])
    assert len(held) == 3
    on_one = [Move(child="P2", parent="M", slot=f"spare {n}", at=day(2, 2) + n) for n in range(52)]
    tried = conf.do_all([(one, Basis()) for one in on_one], dry_run=True)
    assert [isinstance(one, Outcome) for one in tried] == [True] * 50 + [False] * 2
    assert "50 operations on one machine are tried at once" in str(tried[-1])
    assert conf.history("P2")[-1].parent == "STORE"


def test_a_plan_is_of_what_will_be_and_of_items_that_are_known_or_made_in_it(mill: World) -> None:
    conf = mill.configuration
    with pytest.raises(InvalidInput, match="withdraw tells what was"):
        conf.plans.make([Withdraw(act=1)], at=day(3, 1))
    with pytest.raises(NotFound, match="no item 'NEW'"):
        conf.plans.make([Install(child="NEW", parent="M", slot="lamp", at=0)], at=day(3, 1))
    new = Create(spec=ItemSpec(id="NEW", part="LAMP"), at=0)
    conf.plans.make([new, Install(child="NEW", parent="M", slot="lamp", at=0)], at=day(3, 1))
    assert marks(conf.tree("M", plans=True)) == {("NEW", "install")}
    with pytest.raises(NotFound, match="no plan 77"):
        conf.plans.get(77)


def seen(slot: str, saw: Saw = Saw.ITEM, *, parent: str = "M", at: int = 0, **read: str) -> Observe:
    return Observe(parent=parent, slot=slot, at=at or day(2, 10), saw=saw, **read)  # type: ignore[arg-type]


def test_an_inspection_tells_what_differs_and_what_would_bring_the_record_to_it(mill: World) -> None:
    conf = mill.configuration
    mill.clock.time = day(2, 11)
    looked = [
        seen("pump", part="PUMP", serial="2", revision="B"),
        seen("fan", part="FAN", serial="F-7"),
        seen("lamp", Saw.UNKNOWN),
        seen("guard", part="GUARD", serial="G-1"),
    ]
    found = conf.inspect("M", looked)
    assert [(one.slot, one.recorded) for one in found.differences] == [
        ("pump", ("P1",)),
        ("fan", ("FAN",)),
        ("lamp", ()),
        ("guard", ()),
    ]
    told = "P2 was seen in pump of M, it is recorded in shelf of STORE; P1 is recorded there"
    assert found.differences[0].text == told
    assert found.unseen == (("P1", "seal"),)
    assert ids(conf.tree("M")) == {"P1", "S1", "FAN"}
    _, outcomes = conf.adopt("M", looked, basis=CREW)
    assert not [one for one in outcomes if isinstance(one, GemelError)]
    items: dict[str, Item] = {part.path[-1]: part.item for part in conf.tree("M").parts}
    assert {slot: (item.part, item.serial) for slot, item in items.items()} == {
        "pump": ("PUMP", "2"),
        "fan": ("FAN", "F-7"),
        "lamp": ("", ""),
        "guard": ("GUARD", "G-1"),
    }
    again = conf.inspect("M", looked)
    assert (again.differences, items["pump"].revision) == ((), "B")
    assert set(again.confirmed) == {"P2", "FAN", "GUARD-G-1", items["lamp"].id}
    assert next((one.slot, one.saw) for one in conf.observations("M")) == ("guard", Saw.ITEM)
    _, repeated = conf.adopt("M", looked, basis=CREW)
    assert [one.repeated for one in repeated if isinstance(one, Outcome)] == [True] * 4


def test_what_was_seen_beside_another_piece_takes_none_out(mill: World) -> None:
    conf = mill.configuration
    conf.parts.apply(conf.parts.plan(parse_parts("parts: [{part: MILL, slots: [{slot: filter, count: 3}]}]")))
    conf.create(ItemSpec(id="F1", part="FILTER", serial="1"), day(1, 1))
    conf.create(ItemSpec(id="N", part="FILTER"), day(1, 1))
    conf.install("F1", "M", "filter", day(1, 2))
    mill.clock.time = day(2, 11)
    both = [
        seen("filter", part="FILTER", serial="1"),
        seen("filter", part="FILTER", serial="2"),
        seen("shelf", parent="STORE", part="PUMP", serial="2"),
        seen("shelf", parent="STORE", part="PUMP", serial="3"),
    ]
    found, outcomes = conf.adopt("M", both, basis=CREW)
    assert found.confirmed == ("F1", "P2")
    assert found.differences[0].text == "FILTER-2 was seen in filter of M; it is not recorded there"
    assert not [one for one in outcomes if isinstance(one, GemelError)]
    assert ids(conf.tree("M")) == {"P1", "S1", "FAN", "F1", "FILTER-2"}
    assert ids(conf.tree("STORE")) == {"P2", "PUMP-3"}
    conf.remove("FILTER-2", day(2, 11))
    conf.swap("M", "filter", "N", day(2, 12))
    three = [seen("filter", part="FILTER", serial=serial, at=day(2, 13)) for serial in ("4", "5")]
    conf.adopt("M", [*three, seen("filter", part="FILTER", at=day(2, 13))], basis=CREW)
    pieces = {part.item.serial for part in conf.tree("M", day(2, 14)).parts if part.path == ("filter",)}
    assert pieces == {"4", "5", ""}, "the unknown piece is one of them, and the last is a third"


def test_what_one_slot_holds_beside_others_differs_piece_by_piece(mill: World) -> None:
    conf = mill.configuration
    conf.parts.apply(conf.parts.plan(parse_parts("parts: [{part: MILL, slots: [{slot: filter, count: 3}]}]")))
    for n in range(1, 5):
        conf.create(ItemSpec(id=f"F{n}", part="FILTER", serial=f"{n}", revision="A"), day(1, 1))
        conf.do(Report(item=f"F{n}", slot="fw", part="FW", version=str(n % 2), at=day(1, 2)))
    for n in range(1, 4):
        conf.install(f"F{n}", "M", "filter", day(1, 2))
    conf.remove("F1", day(1, 10))
    conf.modify("F3", "revision", "B", day(1, 11))
    conf.do(Swap(parent="M", slot="filter", old="F2", new="F4", at=day(1, 12)))
    now = conf.latest()

    def differs(before: int, after: int) -> list[tuple[str, str]]:
        found = conf.difference(("M", before, now), ("M", after, now))
        assert {one.path[0] for one in found} == {"filter"}
        return [
            (one.before.id if one.before else "", one.after.id if one.after else "") for one in found if not one.ran
        ]

    assert differs(day(1, 9), day(1, 10)) == [("F1", "")]
    assert differs(day(1, 10), day(1, 11)) == [("F3", "F3")]
    assert differs(day(1, 11), day(1, 12)) == [("F2", "F4")]
    relied = Reliance(kind="order", reference="A-1", root="M", valid=day(1, 9), known=now)
    conf.rely(relied)
    mill.clock.time = day(2, 2)
    act = conf.correct(
        next(a.number for a in conf.acts("F1") if a.kind == "removed"), day(1, 8), basis=Basis(reason="it was sooner")
    )
    (told,) = conf.dependants(act).relied
    assert [(one.before.id, one.after) for one in told.differences if one.before] == [("F1", None)]


def test_what_relies_or_is_planned_is_at_a_moment_that_can_be_told(mill: World) -> None:
    conf, on = mill.configuration, Reliance(kind="order", reference="A-2", root="M", valid=day(1, 9), known=day(1, 9))
    for wrong in ({"valid": 10**18}, {"known": -(10**18)}):
        with pytest.raises(InvalidTime):
            conf.rely(msgspec.structs.replace(on, **wrong))
    conf.rely(msgspec.structs.replace(on, known=mill.clock.time + 10**12))  # of what will be known nobody relies
    assert conf.reliances().items[0].reliance.known <= conf.latest()
    with pytest.raises(InvalidTime):
        conf.plans.make([Remove(child="FAN", at=day(1, 9))], at=10**18)


def test_unknown_is_not_empty(mill: World) -> None:
    conf = mill.configuration
    found = conf.inspect("M", [seen("fan", Saw.UNKNOWN), seen("pump", Saw.UNKNOWN)])
    assert (found.differences, found.confirmed) == ((), ("FAN",))
    found = conf.inspect("M", [seen("fan", Saw.NOTHING), seen("lamp", Saw.NOTHING)])
    assert found.operations == (Remove(child="FAN", at=day(2, 10)),)
    with pytest.raises(InvalidInput, match="say what was seen"):
        conf.do(seen("fan"))
    with pytest.raises(InvalidInput, match="read no part"):
        conf.do(seen("fan", Saw.NOTHING, serial="7"))


def test_what_was_seen_may_break_a_rule_and_is_recorded(mill: World) -> None:
    conf = mill.configuration
    text = "parts: [{part: MILL, slots: [{slot: fan}], rules: [{slot: fan, part: FAN}]}]"
    conf.parts.apply(conf.parts.plan(parse_parts(text)))
    mill.clock.time = day(2, 11)
    wrong = [seen("fan", part="PROPELLER", serial="1")]
    operations = conf.inspect("M", wrong).operations
    refused = conf.do_all([(o, Basis()) for o in operations], dry_run=True)
    assert isinstance(refused[-1], RuleBroken)
    conf.adopt("M", wrong, basis=CREW)
    assert [one.rule for one in conf.nonconformances("M")] == ["part"]


def test_the_makers_record_is_merged_into_an_old_machine_that_was_begun_without_it(mill: World) -> None:
    """An as-built is an inspection of the day of making: what was unknown is identified, conflicts are listed."""
    conf = mill.configuration
    maker = Basis(source="maker", evidence="as-built 1998", key="as-built")
    built = [
        seen("pump", at=day(1, 2), item="P1"),
        seen("fan", at=day(1, 2), part="FAN", maker="ACME", serial="F-1"),
        seen("table", at=day(1, 2), part="TABLE", serial="T-1"),
        seen("chuck", at=day(1, 2), parent="TABLE-T-1", part="CHUCK", serial="C-1"),
        seen("seal", at=day(1, 2), parent="P1", part="SEAL", serial="9"),
    ]
    with pytest.raises(NotFound, match="TABLE-T-1"):
        conf.do(built[3])  # an observation is of a slot of an item that is known
    found, outcomes = conf.adopt("M", built, basis=maker)
    assert not [one for one in outcomes if isinstance(one, GemelError)]
    assert [one.slot for one in found.differences] == ["fan", "table", "chuck", "seal"]
    tree = {part.path[-1]: part for part in conf.tree("M").parts}
    assert (tree["fan"].item.id, tree["fan"].item.serial) == ("FAN", "F-1")
    assert [part.item.serial for part in tree["pump"].parts] == ["9"]
    assert conf.tree("M", day(1, 1) + 1).parts == ()
    assert ids(conf.tree("TABLE-T-1")) == {"CHUCK-C-1"}


def test_a_late_inspection_ends_where_the_next_is_known(mill: World) -> None:
    conf = mill.configuration
    conf.remove("P2", day(1, 20), to=("M", "lamp"))
    conf.adopt("M", [seen("lamp", at=day(1, 10), part="LAMP", serial="L")], basis=CREW)
    assert [(p.parent, p.valid.end) for p in conf.history("LAMP-L")] == [("M", day(1, 20))]


def test_reported_software_is_kept_with_both_times(mill: World) -> None:
    from sqlalchemy import select

    from gemel.configuration import tables

    conf = mill.configuration
    late = conf.do(Report(item="M", slot="plc", version="2", at=day(1, 20))).act
    conf.do(Report(item="M", slot="plc", version="1", at=day(1, 10)))
    with pytest.raises(Conflict, match="that very moment"):
        conf.do(Report(item="M", slot="plc", version="3", at=day(1, 10)))
    conf.withdraw(late, basis=Basis(reason="another machine"))
    s = tables.software.c
    with mill.database.read() as tx:
        rows = tx.execute(select(s.version, s.valid_from).where(s.recorded_to == 1 << 62)).all()
    assert [tuple(row) for row in rows] == [("1", day(1, 10))]
