"""What was done is told with all that was said; and what comes in need not be known before."""

from __future__ import annotations

import random
import string

import pytest
from sqlalchemy import select, text

from gemel.configuration import ActKind, Basis, ItemSpec, LifeLimit, PartsDocument, PartType, tables
from gemel.configuration.operations import Install, Swap
from gemel.errors import Conflict, InvalidInput, NotFound
from tests.configuration.conftest import World, day, ids


@pytest.fixture
def mill(world: World) -> World:
    world.clock.time = day(6, 1)
    for id in ("M", "M2", "pump"):
        world.configuration.create(ItemSpec(id=id, part=id[0].upper(), serial=id), day(1, 1))
    world.configuration.install("pump", "M", "pump", day(1, 2))
    return world


def test_the_acts_of_an_item_tell_its_use_its_judgements_and_all_that_was_said(mill: World) -> None:
    conf = mill.configuration
    conf.use("pump", "hours", day(2, 1), day(3, 1), 7.0)
    conf.adjust("pump", "hours", 3.0, day(2, 2), basis=Basis(reason="its card"))
    acts = conf.acts("pump")
    assert [act.kind for act in acts] == [ActKind.CREATED, ActKind.INSTALLED, ActKind.USED, ActKind.ADJUSTED]
    assert acts[1].operation == {"do": "install", "child": "pump", "parent": "M", "slot": "pump", "at": day(1, 2)}
    assert acts[2].operation["amount"] == 7.0


def test_what_nobody_wrote_down_before_is_swapped_in_by_one_act_and_taken_back_as_one(mill: World) -> None:
    conf = mill.configuration
    spec = ItemSpec(id="fresh", part="P", serial="4713", revision="B")
    swap = Swap(parent="M", slot="pump", new="fresh", at=day(3, 1), spec=spec)
    done = conf.do(swap, basis=Basis(key="once"))
    assert conf.do(swap, basis=Basis(key="once")).repeated
    assert ids(conf.tree("M", day(3, 2))) == {"fresh"}
    assert conf.tree("fresh", day(3, 2)).item.revision == "B"
    conf.correct(done.act, day(3, 5), basis=Basis(reason="the work sheet"))
    assert ids(conf.tree("M", day(3, 2))) == {"pump"}
    assert ids(conf.tree("M", day(3, 6))) == {"fresh"}
    assert conf.tree("fresh", day(3, 6)).item.born == day(3, 5)
    conf.withdraw(done.act, basis=Basis(reason="it was not so"))
    assert ids(conf.tree("M", day(3, 6))) == {"pump"}
    again = conf.do(Install(child="fresh", parent="M2", slot="pump", at=day(3, 1), spec=spec))
    assert [act.number for act in conf.acts("fresh")][-1] == again.act


def test_an_item_that_is_known_is_not_made_known_by_a_swap(mill: World) -> None:
    conf = mill.configuration
    conf.create(ItemSpec(id="spare", part="P", serial="9"), day(1, 1))
    swap = Swap(parent="M", slot="pump", new="spare", at=day(3, 1), spec=ItemSpec(id="spare", part="P"))
    with pytest.raises(Conflict, match="an item spare already"):
        conf.do(swap)
    with pytest.raises(InvalidInput, match="name the same item"):
        conf.do(Swap(parent="M", slot="pump", new="a", at=day(3, 1), spec=ItemSpec(id="b", part="P")))
    twice = ItemSpec(id="other", part="P", serial="9")
    with pytest.raises(Conflict, match="is spare"):
        conf.do(Swap(parent="M", slot="pump", new="other", at=day(3, 1), spec=twice))
    with pytest.raises(NotFound):
        conf.tree("other", day(4, 1))
    assert ids(conf.tree("M", day(4, 1))) == {"pump"}


def test_least_life_left_is_asked_of_one_machine(mill: World) -> None:
    conf = mill.configuration
    limited = PartType(part="P", limits=(LifeLimit(kind="hours", limit=100.0),))
    conf.parts.apply(conf.parts.plan(PartsDocument(parts=(limited,))))
    conf.create(ItemSpec(id="loose", part="P", serial="l"), day(1, 1))
    conf.use("M", "hours", day(2, 1), day(3, 1), 40.0)
    assert [one.item for one in conf.remaining(kind="hours").items] == ["pump", "loose"]
    (one,) = conf.remaining(kind="hours", root="M").items
    assert (one.item, one.remaining) == ("pump", 60.0)
    assert not conf.remaining(root="M2").items
    conf.shared.close()


def test_evidence_of_any_length_is_taken_and_what_may_be_a_name_is_found_by_an_index(world: World) -> None:
    conf, a = world.configuration, tables.act.c
    whole = "".join(random.Random(1).choices(string.ascii_letters, k=100_000))  # that no index can make small
    for id, evidence in (("M", whole), ("P", "record:ncr-7")):
        conf.create(ItemSpec(id=id, part=id), day(1, 1), Basis(evidence=evidence))
    assert [act.basis.evidence for act in conf.acts("M")] == [whole]
    asked = select(a.number).where(a.evidence == "record:ncr-7", text(tables.EVIDENCE_NAMES))
    with world.database.read() as tx:
        assert tx.scalars(asked).all() == [conf.acts("P")[0].number]
        told = asked.compile(tx.engine, compile_kwargs={"literal_binds": True})
        if tx.dialect.name == "postgresql":
            tx.execute(text("SET LOCAL enable_seqscan = off"))
        plan = tx.exec_driver_sql(f"EXPLAIN {'QUERY PLAN ' * (tx.dialect.name == 'sqlite')}{told}").all()
    assert "ix_configuration_act_evidence" in str(plan)
