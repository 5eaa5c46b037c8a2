"""Nonconformances that no rule finds: somebody says that something is not as it should be, and it is judged."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from gemel.configuration import Basis, Concession, Gravity, ItemSpec, Level, Standing, parse_parts, tables
from gemel.configuration.operations import Correct, Install, Judge, Move, Raise, Remove, Withdraw
from gemel.errors import InvalidInput, InvalidTime, NotFound, RuleBroken
from tests.configuration.conftest import World, day

PARTS = """
parts:
  - part: MILL
    end_item: true
    slots: [{slot: pump}, {slot: guard, safety: true}]
  - part: PUMP
  - part: GUARD
"""
SCRATCH = Basis(reason="a scratch on the flange", evidence="record:ncr-7", source="user")


@pytest.fixture
def mill(plain: World) -> World:
    """A mill with a pump and a guard, and a store, since 1 January."""
    conf = plain.configuration
    plain.clock.time = day(6, 1)
    conf.parts.apply(conf.parts.plan(parse_parts(PARTS)))
    for id, part in (("mill", "MILL"), ("mill-2", "MILL"), ("pump", "PUMP"), ("guard", "GUARD")):
        conf.create(ItemSpec(id=id, part=part, serial=id), day(1, 1))
    conf.install("pump", "mill", "pump", day(1, 2))
    conf.install("guard", "mill", "guard", day(1, 2))
    return plain


def test_one_that_is_raised_is_open_stays_with_its_item_and_threatens_whatever_it_is_in(mill: World) -> None:
    conf = mill.configuration
    told = conf.do(Raise(item="pump", at=day(2, 1)), basis=SCRATCH)
    (number,) = told.nonconformances
    (one,) = conf.nonconformances("mill", day(2, 2))
    assert (one.number, one.item, one.parent, one.slot, one.rule) == (number, "pump", "pump", "", "raised")
    assert (one.state, one.text, one.evidence) == (Standing.OPEN, SCRATCH.reason, "record:ncr-7")
    assert conf.nonconformances("mill", day(1, 31)) == []
    (threat,) = [one for one in conf.threats("mill", day(2, 2)) if one.kind == "nonconformance"]
    assert (threat.gravity, threat.slot, threat.item, threat.text) == (
        Gravity.THREATENS,
        "pump",
        "pump",
        SCRATCH.reason,
    )

    conf.do(Move(child="pump", parent="mill-2", slot="pump", at=day(3, 1)))
    assert conf.nonconformances("mill", day(3, 2)) == []
    assert [one.number for one in conf.nonconformances("mill-2", day(3, 2))] == [number]
    assert [one.text for one in conf.threats("pump", day(3, 2))] == [SCRATCH.reason]  # a spare by itself, too
    assert any(act.kind == "raised" for act in conf.acts("pump"))


def test_it_is_conceded_for_a_time_or_closed_by_who_says_why(mill: World) -> None:
    conf = mill.configuration
    (number,) = conf.do(Raise(item="mill", slot="pump", at=day(2, 1)), basis=SCRATCH).nonconformances

    def standing(month: int, of: int) -> Standing:
        (one,) = conf.nonconformances("mill", day(month, of))
        return one.state

    leave = Concession(by="user-1", reason="it does not touch the seal", until=day(3, 1))
    conf.do(Judge(nonconformance=number, state=Standing.CONCEDED, at=day(2, 10)), concession=leave)
    assert [standing(2, 5), standing(2, 20), standing(3, 5)] == [Standing.OPEN, Standing.CONCEDED, Standing.OPEN]
    assert "nonconformance" not in {one.kind for one in conf.threats("mill", day(2, 20))}
    conf.do(Remove(child="pump", at=day(3, 6)))  # one of a slot does not go with what was in it
    assert standing(3, 7) is Standing.OPEN
    closing = Judge(nonconformance=number, state=Standing.CLOSED, at=day(3, 10))
    conf.do(closing, basis=Basis(reason="polished, report 12"))
    assert standing(3, 11) is Standing.CLOSED

    already = conf.do(Raise(item="guard", at=day(2, 1)), basis=SCRATCH, concession=leave)
    (other,) = conf.nonconformances("guard", day(2, 2))
    assert (other.number, other.state, other.by) == (already.nonconformances[0], Standing.CONCEDED, "user-1")


def test_what_is_amiss_in_a_slot_of_safety_makes_the_machine_unsafe_each_for_itself(mill: World) -> None:
    conf = mill.configuration
    assert conf.unsafe("mill", day(2, 2)) == []
    first, second = (
        conf.do(Raise(item="guard", at=day(2, 1)), basis=Basis(reason=text)).nonconformances[0]
        for text in ("a crack", "a bolt is missing")
    )
    leave = Concession(by="user-1", reason="it holds", until=day(5, 1))
    conf.do(Judge(nonconformance=first, state=Standing.CONCEDED, at=day(2, 2)), concession=leave)
    assert [one.text for one in conf.unsafe("mill", day(2, 3))] == ["a bolt is missing"]
    assert second in {one.number for one in conf.nonconformances("mill", day(2, 3))}


def test_it_is_said_once_at_a_time_at_which_the_item_is_known_and_with_words(mill: World) -> None:
    conf, said = mill.configuration, Raise(item="pump", at=day(2, 1))
    once = Basis(reason="bent", source="gauge", key="m-1")
    act = conf.do(said, basis=once).act
    assert conf.do(said, basis=once).repeated
    assert len(conf.nonconformances("pump", day(2, 2))) == 1
    for wrong, basis, error in (
        (Raise(item="pump", at=day(2, 1)), Basis(reason=" "), InvalidInput),
        (Raise(item="pump", at=day(2, 1), level=Level.ALLOW), SCRATCH, InvalidInput),
        (Raise(item="pump", at=day(1, 1) - 1), SCRATCH, InvalidTime),
        (Raise(item="nobody", at=day(2, 1)), SCRATCH, NotFound),
    ):
        with pytest.raises(error):
            conf.do(wrong, basis=basis)
    conf.do(Correct(act=act, at=day(2, 3)), basis=Basis(reason="the card says the 3rd"))
    assert conf.nonconformances("pump", day(2, 2)) == []
    withdrawn = conf.do(Withdraw(act=act), basis=Basis(reason="it was another pump"))
    assert conf.nonconformances("pump", day(2, 4)) == []
    assert mill.journaled[-1].subject == "pump"
    assert withdrawn.nonconformances == ()


def test_what_must_not_be_used_does_not_come_into_a_machine(mill: World) -> None:
    conf = mill.configuration
    conf.create(ItemSpec(id="spare", part="PUMP", serial="9"), day(1, 1))
    conf.do(Remove(child="pump", at=day(2, 1)))
    (number,) = conf.do(Raise(item="spare", at=day(2, 1), level=Level.BLOCK), basis=SCRATCH).nonconformances
    assert [one.gravity for one in conf.threats("spare", day(2, 2))] == [Gravity.STOPS]
    into = Install(child="spare", parent="mill", slot="pump", at=day(2, 2))
    refused = conf.do_all([(into, Basis())], dry_run=True)[0]
    assert f"nonconformance {number}" in str(refused)
    conf.do(Judge(nonconformance=number, state=Standing.CLOSED, at=day(2, 1, 12)), basis=Basis(reason="reworked"))
    conf.do(into)


def test_peoples_words_of_it_are_kept_sealed(mill: World) -> None:
    conf = mill.configuration.as_("user-hannah")
    conf.do(Raise(item="pump", at=day(2, 1)), basis=SCRATCH)
    with mill.database.read() as tx:
        kept = [*tx.scalars(select(tables.nonconformance.c.text)), *tx.scalars(select(tables.act.c.operation))]
    assert not any("scratch" in text for text in kept)
    assert "scratch" not in str(mill.journaled)
    assert [one.text for one in conf.nonconformances("pump", day(2, 2))] == [SCRATCH.reason]


def test_what_must_not_be_used_comes_into_no_machine_where_there_is_no_parts_book_either(plain: World) -> None:
    conf, plain.clock.time = plain.configuration, day(6, 1)
    for id in ("M", "P"):
        conf.create(ItemSpec(id=id, part=id, serial=id), day(1, 1))
    conf.do(Raise(item="P", at=day(2, 1), level=Level.BLOCK), basis=SCRATCH)
    with pytest.raises(RuleBroken, match="P must not be used by nonconformance"):
        conf.install("P", "M", "pump", day(2, 2))
