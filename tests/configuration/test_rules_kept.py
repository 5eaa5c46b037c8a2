"""The rules of the parts book: asked before anything is written; what was seen is recorded whatever they say."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gemel.configuration import (
    Basis,
    Concession,
    Expected,
    Finding,
    ItemKind,
    ItemSpec,
    Level,
    Nonconformance,
    Standing,
    operations,
    parse_parts,
)
from gemel.configuration.acts import expecting
from gemel.configuration.acts.expecting import expect
from gemel.configuration.operations import Install, Judge, Move, Remove, Swap
from gemel.errors import ConfigurationDiffers, Conflict, InvalidInput, NotFound, RuleBroken
from tests.configuration.conftest import World, day, ids

PARTS = """
parts:
  - part: LINE
    slots: [{slot: station, count: 5}]
  - part: MILL
    end_item: true
    slots:
      - {slot: pump, mandatory: true}
      - {slot: guard, mandatory: true, safety: true}
      - {slot: control, kind: electrical, otherwise: concession}
      - {slot: bolts, count: 8}
      - {slot: cooler, effectivity: {serials: [M200..]}}
    rules:
      - {slot: pump, part: PUMP, revisions: [Z..]}
      - {slot: pump, part: PUMP, revisions: [Y], effectivity: {serials: [..M100], until: 2026-06-01}}
      - {slot: pump, part: SPECIAL, level: concession}
      - {slot: pump, part: OLD, level: warn}
      - {slot: pump, part: FAKE, level: block}
      - {slot: control, part: PLC, requires: [{part: FUSE}], excludes: [{part: COOLER}]}
      - {slot: guard, part: GUARD}
  - part: PUMP
    revisions: [{revision: Y}, {revision: Z}, {revision: AA}]
    slots: [{slot: seal}]
    rules: [{slot: seal, part: SEAL, effectivity: {serials: [..M150]}}]
    limits: [{kind: hours, limit: 1000}]
  - part: NEWPUMP
    revisions: [{revision: A, replaces: [PUMP/AA]}, {revision: B}]
  - part: SEAL
    limits: [{kind: days, limit: 100}]
"""
SEEN = Basis(seen=True)
CONCEDED = Concession(by="p-7", reason="the stock is empty", until=day(9, 1))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two mills, a store, and parts beside them, to be copied."""
    path = tmp_path_factory.mktemp("built") / "configuration.sqlite"
    world = World(f"sqlite:///{path}")
    _build(world)
    world.database.close()
    return path


@pytest.fixture
def mill(built: Path, tmp_path: Path) -> Iterator[World]:
    path = tmp_path / "configuration.sqlite"
    shutil.copy(built, path)
    world = World(f"sqlite:///{path}")
    world.clock.time = day(1, 2)
    yield world
    world.database.close()


def _build(plain: World) -> None:
    conf, plain.clock.time = plain.configuration, day(1, 1)
    conf.parts.apply(conf.parts.plan(parse_parts(PARTS)))
    conf.create(ItemSpec(id="M", part="MILL", serial="M50"), day(1, 1))
    conf.create(ItemSpec(id="M-NEW", part="MILL", serial="M250"), day(1, 1))
    conf.create(ItemSpec(id="STORE", part="STORE", kind=ItemKind.LOCATION), day(1, 1))
    for id, part, revision in (
        ("P-Y", "PUMP", "Y"),
        ("P-Z", "PUMP", "Z"),
        ("P-AA", "PUMP", "AA"),
        ("P-NIL", "PUMP", ""),
        ("NEW-A", "NEWPUMP", "A"),
        ("NEW-B", "NEWPUMP", "B"),
        ("SPECIAL", "SPECIAL", ""),
        ("OLD", "OLD", ""),
        ("FAKE", "FAKE", ""),
        ("GUARD", "GUARD", ""),
        ("FUSE", "FUSE", ""),
        ("COOLER", "COOLER", ""),
        ("SEAL", "SEAL", ""),
    ):
        conf.create(ItemSpec(id=id, part=part, revision=revision, serial=f"SN-{id}"), day(1, 1))
    conf.create(ItemSpec(id="PLC", part="PLC", serial="1", kind=ItemKind.ELECTRICAL), day(1, 1))


def install(child: str, slot: str = "pump", at: int = 0, parent: str = "M") -> Install:
    return Install(child=child, parent=parent, slot=slot, at=at or day(1, 5))


def rules(findings: tuple[Finding, ...]) -> set[str]:
    return {finding.rule for finding in findings}


def broken(caught: pytest.ExceptionInfo[RuleBroken]) -> set[str]:
    found: list[Finding] = caught.value.extra["findings"]
    return {finding.rule for finding in found}


@pytest.mark.parametrize(
    ("child", "rule", "says"),
    [
        ("GUARD", "part", "GUARD does not belong there; PUMP Z.. does"),
        ("NEW-B", "part", "NEWPUMP does not belong there"),
        ("FAKE", "banned", "must not be in pump of M"),
        ("SPECIAL", "allowed", "needs a concession"),
    ],
)
def test_what_does_not_belong_is_refused_and_nothing_is_written(mill: World, child: str, rule: str, says: str) -> None:
    with pytest.raises(RuleBroken, match=says) as caught:
        mill.configuration.do(install(child))
    assert rule in broken(caught)
    assert ids(mill.configuration.tree("M")) == set()
    assert [change.kind for change in mill.journaled if change.kind == "item.installed"] == []


def test_what_a_rule_allows_is_taken_and_the_order_of_revisions_is_not_of_letters(mill: World) -> None:
    outcome = mill.configuration.do(install("P-AA"))
    assert outcome.act
    assert "missing" not in rules(outcome.findings)


def test_an_older_revision_is_for_older_machines_and_until_a_date(mill: World) -> None:
    conf = mill.configuration
    mill.clock.time = day(8, 1)
    with pytest.raises(RuleBroken, match=r"P-Y in pump of M: PUMP Y is for ..M100 until 2026-06-01, not for M \(M50\)"):
        conf.do(install("P-Y", at=day(6, 2)))
    with pytest.raises(RuleBroken, match=r"not for M-NEW \(M250\)"):
        conf.do(install("P-Y", parent="M-NEW"))
    conf.do(install("P-Y", at=day(5, 2)))


def test_one_may_replace_another_in_one_direction_only(mill: World) -> None:
    conf = mill.configuration
    conf.do(install("NEW-A"))
    conf.create(ItemSpec(id="X", part="X"), day(1, 1))
    text = PARTS + "  - part: X\n    slots: [{slot: s}]\n    rules: [{slot: s, part: NEWPUMP}]\n"
    conf.parts.apply(conf.parts.plan(parse_parts(text)))
    with pytest.raises(RuleBroken, match="PUMP does not belong there; NEWPUMP does"):
        conf.do(install("P-AA", slot="s", parent="X"))


def test_a_revision_that_nobody_knows_is_a_warning_not_a_fit(mill: World) -> None:
    outcome = mill.configuration.do(install("P-NIL"))
    (finding,) = [one for one in outcome.findings if one.item == "P-NIL"]
    assert (finding.rule, finding.level) == ("revision", Level.WARN)
    assert "a revision that is not known" in finding.text


def test_what_was_seen_is_recorded_as_a_nonconformance_never_refused(mill: World) -> None:
    conf, mill.clock.time = mill.configuration, day(1, 6)
    outcome = conf.do(install("FAKE"), basis=SEEN)
    (number,) = outcome.nonconformances
    (found,) = conf.nonconformances("M")
    assert (found.number, found.item, found.rule, found.state) == (number, "FAKE", "banned", Standing.OPEN)
    mill.clock.time = day(2, 1)
    conf.do(Remove(child="FAKE", at=day(1, 20), to=("STORE", "shelf")))
    (found,) = conf.nonconformances("M")
    assert found.state is Standing.CLOSED
    (found,) = conf.nonconformances("M", day(1, 10))
    assert found.state is Standing.OPEN


def test_a_nonconformance_ends_with_its_item_in_whatever_order_that_was_told(mill: World) -> None:
    conf, mill.clock.time = mill.configuration, day(3, 1)
    conf.do(Install(child="FAKE", parent="M", slot="pump", at=day(1, 5), until=day(1, 20)), basis=SEEN)
    assert [found.state for at in (day(1, 6), day(1, 20)) for found in conf.nonconformances("M", at)] == [
        Standing.OPEN,
        Standing.CLOSED,
    ]


def test_what_makes_it_right_again_closes_it(mill: World) -> None:
    conf, mill.clock.time = mill.configuration, day(3, 1)
    conf.do(install("P-Y", at=day(1, 5), parent="M-NEW"), basis=SEEN)
    changed = conf.modify("P-Y", "revision", "Z", day(1, 10))
    states = [found.state for at in (day(1, 6), day(1, 10)) for found in conf.nonconformances("M-NEW", at)]
    assert states == [Standing.OPEN, Standing.CLOSED]
    conf.withdraw(changed, basis=Basis(reason="it was another pump"))
    assert [found.state for found in conf.nonconformances("M-NEW", day(1, 12))] == [Standing.OPEN]


def test_what_is_put_right_at_the_moment_it_was_seen_was_so_for_a_moment(mill: World) -> None:
    conf, mill.clock.time = mill.configuration, day(3, 1)
    conf.do(install("P-Y", parent="M-NEW"), basis=SEEN)
    conf.modify("P-Y", "revision", "Z", day(1, 5))
    states = [found.state for at in (0, 1) for found in conf.nonconformances("M-NEW", day(1, 5) + at)]
    assert states == [Standing.OPEN, Standing.CLOSED]


def test_a_withdrawn_act_takes_its_nonconformance_with_it_and_a_corrected_one_moves_it(mill: World) -> None:
    conf, mill.clock.time = mill.configuration, day(3, 1)
    seen = conf.do(install("FAKE"), basis=SEEN).act
    conf.correct(seen, day(1, 9), basis=Basis(reason="the photograph is of the 9th"))
    assert conf.nonconformances("M", day(1, 8)) == []
    assert [found.time for found in conf.nonconformances("M", day(1, 9))] == [day(1, 9)]
    conf.withdraw(seen, basis=Basis(reason="another machine"))
    assert conf.nonconformances("M") == []
    assert len(conf.nonconformances("M", day(1, 9), known=day(3, 1) + 1)) == 1


def test_a_concession_lets_in_what_needs_one_for_its_time(mill: World) -> None:
    conf = mill.configuration
    with pytest.raises(InvalidInput, match="who concedes it"):
        conf.do(install("SPECIAL"), concession=Concession(by="", reason=""))
    outcome = conf.do(install("SPECIAL"), concession=CONCEDED)
    assert len(outcome.nonconformances) == 1

    def at(moment: int) -> Nonconformance:
        return conf.nonconformances("M", moment)[0]

    assert (at(day(2, 1)).state, at(day(2, 1)).by, at(day(9, 1)).state) == (Standing.CONCEDED, "p-7", Standing.OPEN)
    with pytest.raises(RuleBroken, match="must not be"):
        conf.do(install("FAKE", parent="M-NEW"), concession=CONCEDED)


def test_a_nonconformance_is_judged_by_somebody_with_a_reason(mill: World) -> None:
    conf, mill.clock.time = mill.configuration, day(3, 1)
    (number,) = conf.do(install("FAKE"), basis=SEEN).nonconformances
    judge = Judge(nonconformance=number, state=Standing.CONCEDED, at=day(1, 20))
    with pytest.raises(InvalidInput, match="who concedes it"):
        conf.do(judge)
    conf.do(judge, concession=CONCEDED)
    closing = Judge(nonconformance=number, state=Standing.CLOSED, at=day(2, 1))
    with pytest.raises(InvalidInput, match="give a reason"):
        conf.do(closing)
    conf.as_("p-9").do(closing, basis=Basis(reason="tested, it is genuine"))
    (found,) = conf.nonconformances("M")
    assert (found.state, found.by, found.reason) == (Standing.CLOSED, "p-9", "tested, it is genuine")
    assert mill.journaled[-1].body["items"] == ["FAKE", "M"]
    with pytest.raises(NotFound, match="no nonconformance 77"):
        conf.do(Judge(nonconformance=77, state=Standing.CLOSED, at=1), basis=Basis(reason="x"))


def test_what_requires_and_excludes_others_is_asked_of_the_whole_machine(mill: World) -> None:
    conf = mill.configuration
    with pytest.raises(RuleBroken, match="PLC needs FUSE in the same machine"):
        conf.do(install("PLC", "control"))
    conf.do(install("FUSE", "fuse"))
    conf.do(install("PLC", "control"))
    with pytest.raises(RuleBroken, match="PLC does not go with COOLER"):
        conf.do(install("COOLER", "cooler", parent="M"))
    with pytest.raises(RuleBroken, match="PLC needs FUSE"):
        conf.do(Remove(child="FUSE", at=day(1, 8), to=("STORE", "shelf")))


def test_a_slot_that_a_machine_does_not_have_takes_nothing(mill: World) -> None:
    conf = mill.configuration
    with pytest.raises(RuleBroken, match=r"M \(M50\) has no slot cooler"):
        conf.do(install("COOLER", "cooler"))
    conf.do(install("COOLER", "cooler", parent="M-NEW"))
    outcome = conf.do(install("FUSE", "attic"))
    assert "MILL has no slot 'attic'" in outcome.findings[0].text


def test_the_kind_of_an_item_is_that_of_its_slot(mill: World) -> None:
    mill.configuration.create(ItemSpec(id="P-SW", part="PUMP", revision="Z", kind=ItemKind.SOFTWARE), day(1, 1))
    with pytest.raises(RuleBroken, match="pump of M is for hardware, P-SW is software"):
        mill.configuration.do(install("P-SW"))


def test_serial_ranges_mean_the_machine_also_deep_inside_and_only_in_one(mill: World) -> None:
    conf = mill.configuration
    conf.do(install("SEAL", "seal", parent="P-AA"))  # nobody knows yet into which machine the pump goes
    conf.create(ItemSpec(id="L", part="LINE", serial="L1"), day(1, 1))
    conf.do(install("M-NEW", "station", parent="L"))
    with pytest.raises(RuleBroken, match=r"SEAL in seal of P-AA: SEAL is for ..M150, not for M-NEW"):
        conf.do(install("P-AA", parent="M-NEW"))
    conf.do(install("M", "station", parent="L"))
    conf.do(install("P-AA"))


def test_a_lot_fills_a_slot_of_several_and_a_part_of_it_can_be_taken_out(mill: World) -> None:
    conf, mill.clock.time = mill.configuration, day(3, 1)
    conf.create(ItemSpec(id="LOT-1", part="BOLT", lot="1", quantity=6), day(1, 1))
    conf.create(ItemSpec(id="LOT-2", part="BOLT", lot="2", quantity=3), day(1, 1))
    conf.do(install("LOT-1", "bolts"))
    with pytest.raises(RuleBroken, match="bolts of M holds 8 at most, not 9"):
        conf.do(install("LOT-2", "bolts"))
    conf.do(operations.Use(item="M", kind="hours", start=day(1, 5), end=day(1, 6), amount=8))
    conf.do(operations.Split(item="LOT-1", other="LOT-1B", quantity=2, at=day(1, 9)))
    conf.do(Remove(child="LOT-1B", at=day(1, 9), to=("STORE", "shelf")))
    conf.do(install("LOT-2", "bolts", day(1, 9)))
    held = {part.item.id: part.item.quantity for part in conf.tree("M").parts}
    assert held == {"LOT-1": 4, "LOT-2": 3}
    assert conf.count("LOT-1B", "hours", day(1, 9)).amount == 8
    assert ids(conf.tree("STORE")) == {"LOT-1B"}
    with pytest.raises(InvalidInput, match="take fewer than that"):
        conf.do(operations.Split(item="LOT-1", other="LOT-1C", quantity=4, at=day(1, 9)))
    with pytest.raises(Conflict, match="say which of them"):
        conf.do(Swap(parent="M", slot="bolts", new="LOT-1B", at=day(1, 12)))
    with pytest.raises(Conflict, match="LOT-1B is not in bolts of M then; LOT-1, LOT-2 is"):
        conf.do(Swap(parent="M", slot="bolts", old="LOT-1B", new="LOT-2", at=day(1, 12)))
    with pytest.raises(Conflict, match="LOT-2 is in bolts of M already"):
        conf.do(Swap(parent="M", slot="bolts", old="LOT-2", new="LOT-2", at=day(1, 12)))
    conf.do(Swap(parent="M", slot="bolts", old="LOT-2", new="LOT-1B", at=day(1, 12)))


def test_nothing_comes_into_a_machine_past_a_hard_limit_but_into_a_store(mill: World) -> None:
    conf, mill.clock.time = mill.configuration, day(8, 1)
    conf.adjust("P-AA", "hours", 1000, day(1, 2), basis=Basis(reason="its log card"))
    with pytest.raises(RuleBroken, match="P-AA has 1000 hours of at most 1000"):
        conf.do(install("P-AA"))
    conf.do(install("P-AA", "shelf", parent="STORE"))
    with pytest.raises(RuleBroken, match="of at most 1000"):
        conf.do(Move(child="P-AA", parent="M", slot="pump", at=day(1, 9)))
    conf.do(install("SEAL", "seal", parent="P-Z"))
    with pytest.raises(RuleBroken, match="SEAL has 100 days of at most 100") as caught:
        conf.do(install("P-Z", at=day(4, 11)))
    (finding,) = [one for one in caught.value.extra["findings"] if one.rule == "limit"]
    assert (finding.parent, finding.slot) == ("P-Z", "seal")
    conf.do(install("P-Z", at=day(4, 10)))


def test_what_is_missing_or_unknown_where_safety_asks_is_told(mill: World) -> None:
    conf, mill.clock.time = mill.configuration, day(3, 1)
    assert {(one.rule, one.slot) for one in conf.unsafe("M")} == {("missing", "guard")}
    conf.create(ItemSpec(id="NAMELESS", part="GUARD"), day(1, 1))
    conf.do(install("NAMELESS", "guard"))
    assert [(one.rule, one.item) for one in conf.unsafe("M")] == [("unknown", "NAMELESS")]
    conf.do(operations.Identify(item="NAMELESS", serial="G-1", at=day(2, 1)))
    assert conf.unsafe("M") == []
    conf.do(Swap(parent="M", slot="guard", new="FAKE", at=day(2, 10)), basis=SEEN)
    assert [one.rule for one in conf.unsafe("M")] == ["part"]
    number = conf.nonconformances("M")[0].number
    conceding = Judge(nonconformance=number, state=Standing.CONCEDED, at=day(2, 11))
    conf.do(conceding, concession=Concession(by="p-1", reason="watched", until=day(2, 20)))
    assert (conf.unsafe("M", day(2, 15)), len(conf.unsafe("M", day(2, 20)))) == ([], 1)


def test_an_operation_is_refused_when_what_it_assumes_is_not_so(mill: World) -> None:
    conf, mill.clock.time = mill.configuration, day(3, 1)
    before = conf.hash("M")
    conf.do(install("P-Z"), basis=Basis(expects=(Expected(root="M", slot="pump"), Expected(root="M", hash=before))))
    assert conf.hash("M") != before
    fuse = install("FUSE", "fuse")
    with pytest.raises(ConfigurationDiffers, match="pump of M holds P-Z, not P-AA"):
        conf.do(fuse, basis=Basis(expects=(Expected(root="M", slot="pump", item="P-AA"),)))
    with pytest.raises(ConfigurationDiffers, match="look again") as caught:
        conf.do(fuse, basis=Basis(expects=(Expected(root="M", hash=before),)))
    assert caught.value.status == 412
    assert caught.value.extra["found"] == conf.hash("M")
    conf.do(fuse, basis=Basis(expects=(Expected(root="M", slot="pump", item="P-Z"),)))


def test_a_machine_is_put_together_once_for_all_that_is_assumed_of_it(
    mill: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf, asked = mill.configuration, list[str]()
    whole, held = conf.hash("M"), expecting.asking.tree
    monkeypatch.setattr(expecting.asking, "tree", lambda tx, root, *when: asked.append(root) or held(tx, root, *when))
    with mill.database.read() as tx:
        expect(tx, [Expected(root="M", hash=whole, has=("!NONE",))] * 20, mill.clock.now(), conf.order())
        assert asked == ["M"]
        with pytest.raises(InvalidInput, match="STORE is a place"):
            expect(tx, [Expected(root="STORE", has=("NONE",))], mill.clock.now(), conf.order())


def test_what_is_taken_out_without_a_place_is_a_warning(mill: World) -> None:
    conf, mill.clock.time = mill.configuration, day(3, 1)
    conf.do(install("P-Z"))
    outcome = conf.do(Remove(child="P-Z", at=day(1, 8)), dry_run=True)
    assert rules(outcome.findings) == {"nowhere", "missing"}
    assert (outcome.act, ids(conf.tree("M"))) == (0, {"P-Z"})
    outcome = conf.do(Remove(child="P-Z", at=day(1, 8), to=("STORE", "shelf")))
    assert rules(outcome.findings) == {"missing"}


def test_many_operations_are_done_each_by_itself_and_conflicts_are_listed(mill: World) -> None:
    conf, mill.clock.time = mill.configuration, day(3, 1)
    wishes = [
        (install("P-Z"), Basis(source="tablet", key="1")),
        (install("P-AA"), Basis(source="tablet", key="2")),
        (
            Swap(parent="M", slot="pump", new="P-AA", at=day(1, 9), to=("STORE", "shelf")),
            Basis(source="tablet", key="3"),
        ),
    ]
    tried = conf.do_all(wishes, dry_run=True)
    assert [isinstance(one, Conflict) for one in tried] == [False, True, False]
    assert ids(conf.tree("M")) == set()
    done = conf.do_all(wishes)
    assert [isinstance(one, Conflict) for one in done] == [False, True, False]
    again = conf.do_all(wishes)
    assert [getattr(one, "repeated", None) for one in again] == [True, None, True]
    assert ids(conf.tree("M")) == {"P-AA"}


def test_rules_of_tomorrow_are_findings_of_today_and_not_of_what_was_known(mill: World) -> None:
    conf, mill.clock.time = mill.configuration, day(3, 1)
    conf.do(install("OLD"))
    assert [one.rule for one in conf.findings("M") if one.item] == ["allowed"]
    mill.clock.time = day(4, 1)
    conf.parts.apply(conf.parts.plan(parse_parts(PARTS.replace("part: OLD, level: warn", "part: OLD, level: block"))))
    assert [one.rule for one in conf.findings("M") if one.item] == ["banned"]
    assert [one.rule for one in conf.findings("M", known=day(3, 20)) if one.item] == ["allowed"]
    outcome = conf.do(install("FUSE", "fuse", day(2, 2)))  # what was wrong before is not of this
    assert {one.item for one in outcome.findings} == {"FUSE"}
