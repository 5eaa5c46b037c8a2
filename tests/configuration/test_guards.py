"""What the database refuses of parts, plans, observations and nonconformances; and a long story on both kinds."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from gemel.configuration import Basis, Built, ItemKind, ItemSpec, Outcome, parse_parts
from gemel.configuration.operations import Adjust, Identify, Install, Judge, Merge, Observe, Report, Retire, Split, Swap
from gemel.configuration.values import Concession, Saw, Standing
from gemel.errors import Conflict, GemelError, InvalidTime
from tests.configuration.conftest import World, day, ids

PARTS = """
parts:
  - {part: M, slots: [{slot: pump}], rules: [{slot: pump, part: PUMP}]}
  - {part: PUMP, revisions: [{revision: A}]}
"""
WHY = Basis(reason="test")
REFUSED = [
    *(
        f"DELETE FROM configuration_{table}"
        for table in ("observation", "software", "nonconformance", "standing", "part", "revision", "plan", "item")
    ),
    "UPDATE configuration_part SET body = '{}'",
    "UPDATE configuration_revision SET ordinal = 7",
    "UPDATE configuration_nonconformance SET text = 'fine'",
    "UPDATE configuration_standing SET state = 'closed'",
    "UPDATE configuration_observation SET serial = 'X'",
    "UPDATE configuration_software SET version = '9'",
    "UPDATE configuration_plan SET operations = '[]'",
    "UPDATE configuration_plan SET state = 'planned' WHERE state = 'cancelled'",
    "INSERT INTO configuration_part (part, maker, body, actor, recorded_from, recorded_to) "
    "SELECT part, maker, body, actor, recorded_from, recorded_to FROM configuration_part",
    "INSERT INTO configuration_software (item, slot, part, version, valid_from, valid_to, recorded_from, recorded_to, "
    "begun_by) SELECT item, slot, part, '2', valid_from + 5, valid_to, recorded_from + 1, recorded_to, begun_by "
    "FROM configuration_software",
    "INSERT INTO configuration_standing (nonconformance, state, party, until, reason, valid_from, valid_to, "
    "recorded_from, recorded_to, begun_by) SELECT nonconformance, 'closed', party, until, reason, valid_from + 5, "
    "valid_to, recorded_from + 1, recorded_to, begun_by FROM configuration_standing",
]


def force(world: World, statement: str) -> None:
    with world.database.write() as tx:
        tx.execute(text(statement))


def test_the_database_itself_refuses_and_a_long_story_ends_the_same_on_both(world: World) -> None:
    conf, world.clock.time = world.configuration, day(2, 1)
    conf.parts.apply(conf.parts.plan(parse_parts(PARTS)))
    for id in ("M", "M2"):
        conf.create(ItemSpec(id=id, part="M", serial=id), day(1, 1))
    conf.create(ItemSpec(id="STORE", part="STORE", kind=ItemKind.LOCATION), day(1, 1))
    conf.create(ItemSpec(id="P", part="PUMP", serial="1"), day(1, 1))
    conf.create(ItemSpec(id="X", part=""), day(1, 1))
    wrong = conf.do(Install(child="X", parent="M", slot="pump", at=day(1, 2)), basis=Basis(seen=True))
    conf.do(Identify(item="X", part="FAN", at=day(1, 3)), basis=Basis(seen=True))
    (number,) = [one.number for one in conf.nonconformances("M")]
    conf.do(
        Judge(nonconformance=number, state=Standing.CONCEDED, at=day(1, 5)),
        concession=Concession(by="p-1", reason="spare"),
    )
    conf.do(Report(item="M", slot="plc", version="1", at=day(1, 2)))
    conf.do(Observe(parent="M", slot="pump", at=day(1, 4), saw=Saw.UNKNOWN))
    plan = conf.plans.make([Swap(parent="M", slot="pump", new="P", at=0, to=("STORE", "shelf"))], at=day(3, 1))
    conf.plans.cancel(plan.number, "not now")
    for statement in REFUSED:
        with pytest.raises((DatabaseError, GemelError)):
            force(world, statement)
    conf.do(Swap(parent="M", slot="pump", new="P", at=day(1, 10), to=("STORE", "shelf")))
    conf.correct(wrong.act, day(1, 3), basis=WHY)
    assert [one.state for one in conf.nonconformances("M", day(1, 12))] == [Standing.CLOSED]
    conf.create(ItemSpec(id="FAN-2", part="FAN", serial="2"), day(1, 1))
    conf.do(Merge(item="X", into="FAN-2", at=day(2, 1)))
    assert ids(conf.tree("STORE")) == {"FAN-2"}
    conf.do(Split(item="FAN-2", other="X", at=day(2, 1)))
    assert (ids(conf.tree("STORE")), ids(conf.tree("M"))) == ({"X"}, {"P"})
    assert conf.plans.all() == []


def test_what_is_retired_is_not_retired_again_and_many_go_on(world: World) -> None:
    conf = world.configuration
    for id in ("A", "B"):
        conf.create(ItemSpec(id=id, part=id), day(1, 2))
    said = conf.retire("A", day(2, 1))
    for again in (day(1, 15), day(2, 1), day(3, 1)):
        first, second = conf.do_all(
            [(Retire(child="A", at=again), Basis()), (Adjust(item="B", kind="hours", amount=1, at=again), WHY)]
        )
        assert isinstance(first, Conflict)
        assert isinstance(second, Outcome)
        assert f"retired at 2026-02-01T00:00:00Z already; correct act {said}" in first.detail
    with pytest.raises(InvalidTime, match="B is not known before"):
        conf.retire("B", day(1, 1))


def test_a_moment_in_nanoseconds_is_refused_before_anything_is_believed(plain: World) -> None:
    conf, later = plain.configuration, day(2, 1) * 1000
    for id in ("M", "A"):
        conf.create(ItemSpec(id=id, part=id), day(1, 1))
    line = Built(item=ItemSpec(id="B", part="B"), at=later)
    assert next(one.reason for one in conf.load([line]).refused).endswith("are these seconds or nanoseconds?")
    for said in (
        Install(child="A", parent="M", slot="a", at=later),
        Install(child="A", parent="M", slot="a", at=day(1, 2), until=later),
        Retire(child="A", at=-later),
    ):
        with pytest.raises(InvalidTime, match="nanoseconds"):
            conf.do(said)
    assert len(conf.acts("A")) == 1


def test_when_it_happened_is_told_apart_from_when_it_was_told(plain: World) -> None:
    conf, plain.clock.time = plain.configuration, day(3, 1)
    told = Basis(source="tablet-4", uncertainty_s=7200, confidence=0.8, evidence="photo 12")
    conf.create(ItemSpec(id="M", part="M"), day(1, 1), told)
    (act,) = conf.acts("M")
    assert (act.time, act.recorded, act.basis) == (day(1, 1), day(3, 1), told)


def test_what_was_swapped_twice_between_two_hand_ins_is_told_whatever_comes_first(plain: World) -> None:
    """Two tablets were in a cellar: one noted A out and B in, the other B out and A back in."""
    conf, plain.clock.time = plain.configuration, day(3, 1)
    conf.create(ItemSpec(id="STORE", part="STORE", kind=ItemKind.LOCATION), day(1, 1))
    for id in ("M", "A", "B"):
        conf.create(ItemSpec(id=id, part=id), day(1, 1))
    conf.install("A", "M", "pump", day(1, 2))
    conf.install("B", "STORE", "shelf", day(1, 2))
    there = Swap(parent="M", slot="pump", old="A", new="B", at=day(2, 1), to=("STORE", "shelf"))
    back = Swap(parent="M", slot="pump", old="B", new="A", at=day(2, 5), to=("STORE", "shelf"))
    first, second = (there, Basis(source="tablet-1", key="7")), (back, Basis(source="tablet-2", key="3"))
    (early,) = conf.do_all([second])
    assert isinstance(early, Conflict)
    done = conf.do_all([first, second])
    assert all(isinstance(one, Outcome) for one in done)
    assert [(p.parent, p.valid.start) for p in conf.history("A")] == [
        ("M", day(1, 2)),
        ("STORE", day(2, 1)),
        ("M", day(2, 5)),
    ]
    again = conf.do_all([second, first])
    assert [one.repeated for one in again if isinstance(one, Outcome)] == [True, True]
