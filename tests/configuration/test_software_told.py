"""Software that was reported is part of what a machine is: its tree, its hash, what differs, how complete it is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemel.clock import SteppedClock
from gemel.configuration import (
    FOREVER,
    Basis,
    Configuration,
    Expected,
    Holding,
    ItemKind,
    ItemSpec,
    Node,
    Running,
    SoftwareState,
    Standing,
    Verdict,
    configuration_hash,
    parse_parts,
)
from gemel.configuration.hashing import items_hash
from gemel.configuration.operations import Modify, Report
from gemel.errors import ConfigurationDiffers, Conflict, GemelError, RuleBroken
from gemel.platform import Platform
from tests.configuration.conftest import World, day

PLANT = """
types:
  - {id: machine, properties: [{name: speed}]}
  - {id: controller, properties: [{name: firmware, kind: text}]}
twins: [{id: m1, types: [machine]}, {id: c1, types: [controller]}, {id: c2, types: [controller]}]
"""
SOFTWARE = """
software:
  - part: FW
    scheme: semver
    versions: [{version: 1.0.0}, {version: 2.0.0}, {version: 2.1.0, excludes: [{part: OLD-PUMP}]}]
    required:
      - {versions: ">=2", machines: [{part: MILL}], why: SB-9}
    ways: [{type: controller, slot: firmware, reports: firmware}]
"""
BOOK = """
parts:
  - part: CTRL
    slots:
      - {slot: firmware, kind: software, mandatory: true, safety: true}
      - {slot: recipes, kind: software, mandatory: true}
"""
NOW = day(6, 1)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Two mills of the same parts: M1 with the controller C1, M2 with C2, whose twins tell of their firmware."""
    with Platform.open(tmp_path_factory.mktemp("told"), clock=SteppedClock(NOW), run_connectors=False) as platform:
        platform.apply(PLANT)
        made, at = platform.configuration, day(1, 1)
        made.parts.apply(made.parts.plan(parse_parts(BOOK)))
        for i in ("1", "2"):
            made.create(ItemSpec(id=f"M{i}", part="MILL", serial=f"M{i}", twin="m1" if i == "1" else ""), at)
            made.create(ItemSpec(id=f"C{i}", part="CTRL", serial=f"C{i}", revision="A", twin=f"c{i}"), at)
            made.install(f"C{i}", f"M{i}", "control", at)
        platform.software.apply(SOFTWARE)
        yield platform


def reported(made: Configuration, item: str, version: str, at: int, slot: str = "firmware", part: str = "FW") -> int:
    return made.do(Report(item=item, slot=slot, version=version, at=at, part=part)).act


def inside(tree: Node) -> tuple[Running, ...]:
    """What the controller of a mill runs."""
    return tree.parts[0].software


def test_a_tree_tells_what_runs_and_what_is_required(plant: Platform) -> None:
    made = plant.configuration
    (silent,) = inside(made.tree("M1", day(1, 2)))
    assert (silent.version, silent.since, silent.required, silent.state) == ("", None, (">=2",), SoftwareState.UNKNOWN)
    reported(made, "C1", "1.0.0", day(2, 1))
    reported(made, "C1", "2.0.0", day(3, 1))
    (old,), (now,) = inside(made.tree("M1", day(2, 2))), inside(made.tree("M1"))
    assert (old.version, old.since, old.state, old.differs) == ("1.0.0", day(2, 1), SoftwareState.BEHIND, True)
    assert (now.slot, now.part, now.version, now.state, now.differs) == (
        "firmware",
        "FW",
        "2.0.0",
        SoftwareState.OK,
        False,
    )
    (alone,) = made.tree("C1", day(2, 2)).software
    assert alone == old, "what is required of a part is told by the machine that it is in"
    looked = plant.software.look("c1").standings
    assert [(one.module.slot, one.module.version, one.required, one.state) for one in looked] == [
        (one.slot, one.version, one.required, one.state) for one in inside(made.tree("M1"))
    ]


def test_two_machines_that_differ_in_their_firmware_alone_differ(plant: Platform) -> None:
    made, known = plant.configuration, FOREVER - 1
    reported(made, "C2", "2.1.0", day(3, 1))
    (item, runs) = made.difference(("M1", NOW, known), ("M2", NOW, known))
    assert (item.before and item.before.id, item.after and item.after.id) == ("C1", "C2")
    assert runs.path == ("control", "firmware")
    assert (runs.before, runs.after) == (None, None)
    assert (runs.ran and runs.ran.version, runs.runs and runs.runs.version) == ("2.0.0", "2.1.0")
    (one,) = made.difference(("M1", day(2, 2), known), ("M1", NOW, known))
    assert (one.ran and one.ran.version, one.runs and one.runs.version) == ("1.0.0", "2.0.0")
    assert made.difference(("M1", day(3, 2), known), ("M1", NOW, known)) == []


def test_what_is_expected_by_its_hash_is_refused_where_other_software_runs(plant: Platform) -> None:
    made = plant.configuration
    before = made.hash("M1", day(2, 2))
    assert before != made.hash("M1", day(3, 2)) == made.hash("M1")
    assert made.hash("M1", day(3, 2), known=1) == items_hash(made.tree("M1", day(3, 2), known=1))
    painted = Modify(child="M1", name="colour", value="red", at=NOW)
    with pytest.raises(ConfigurationDiffers):
        made.do(painted, basis=Basis(expects=(Expected(root="M1", hash=before),)), dry_run=True)
    made.do(painted, basis=Basis(expects=(Expected(root="M1", hash=made.hash("M1")),)), dry_run=True)


def test_a_snapshot_seals_the_software_and_one_of_before_stays_good(plant: Platform) -> None:
    made = plant.configuration
    sealed = made.snapshots.take("M1", day(2, 2))
    tree = made.snapshots.tree(sealed.number)
    assert [one.version for one in inside(tree)] == ["1.0.0"]
    assert sealed.hash == configuration_hash(tree) != items_hash(tree)
    with plant.database.write() as tx:
        old = "UPDATE configuration_snapshot SET hash = ? WHERE number = ?"
        tx.exec_driver_sql(old, (items_hash(tree), sealed.number))
    assert made.snapshots.tree(sealed.number) == tree
    (one,) = made.snapshots.difference(sealed.number)
    assert one.runs is not None
    assert one.runs.version == "2.0.0"


def test_a_mandatory_slot_of_software_is_filled_by_a_report(plant: Platform) -> None:
    before, now = (plant.configuration.completeness("C1", at) for at in (day(1, 2), NOW))
    assert (before.held, before.missing, before.unknown) == (0, 2, 2)
    assert (now.held, now.missing, now.unserialised, now.threatens) == (1, 1, 0, ())
    held, gap = now.slots
    assert (held.path, held.holding, held.part, held.revision) == (("firmware",), Holding.HELD, "FW", "2.0.0")
    assert (held.software, held.gap, held.confirmed) == (True, "", day(3, 1))
    assert (gap.path, gap.gap, now.confirmed) == (("recipes",), "content", None)
    unsafe = [[(one.rule, one.slot) for one in plant.configuration.unsafe("C1", at)] for at in (day(1, 2), NOW)]
    assert unsafe == [[("missing", "firmware")], []]


def test_what_is_required_goes_by_the_mill_and_not_by_the_line_that_it_stands_in(plant: Platform) -> None:
    made, at = plant.configuration, day(1, 1)
    plant.apply("twins: [{id: c3, types: [drive]}, {id: c4, types: [drive]}]\ntypes: [{id: drive, properties: []}]")
    made.parts.apply(made.parts.plan(parse_parts("parts: [{part: SAW, end_item: true}]")))
    made.create(ItemSpec(id="L", part="LINE", serial="50"), at)
    for i in ("3", "4"):
        made.create(ItemSpec(id=f"S{i}", part="SAW", serial=f"{i}00"), at)
        made.create(ItemSpec(id=f"D{i}", part="DRIVE", serial=f"D{i}", twin=f"c{i}"), at)
        made.install(f"D{i}", f"S{i}", "drive", at)
        made.install(f"S{i}", "L", f"saw-{i}", at)
        reported(made, f"D{i}", "1.0.0", day(2, 1), part="DFW")
    reported(made, "D3", "3.0.0", day(2, 1), slot="safety", part="SFW")
    plant.software.apply(DRIVES)

    def told(twin: str) -> list[tuple[SoftwareState, tuple[str, ...]]]:
        standings = plant.software.look(twin).standings
        return [(one.state, one.required) for one in standings if one.module.twin == twin and one.module.part == "DFW"]

    assert (told("c3"), told("c4")) == ([(SoftwareState.BEHIND, (">=2",))], [(SoftwareState.FREE, ())])
    looked = plant.software.look("c3")
    judge = plant.software.judge()
    may = {
        one.item: [each.rule for each in judge.objections(looked.machine, one, "2.0.0")]
        for one in looked.machine.modules
        if one.part == "DFW"
    }
    assert may == {"D3": [], "D4": ["requires"]}, "what the other saw has does not count"


DRIVES = """
software:
  - part: SFW
    versions: [{version: 3.0.0}]
  - part: DFW
    scheme: semver
    versions: [{version: 1.0.0}, {version: 2.0.0, requires: [{part: SFW}]}]
    required: [{versions: ">=2", effectivity: {serials: ["300..399"]}}]
"""
RULES = """
parts:
  - part: LATHE
    end_item: true
    slots:
      - {slot: chuck}
      - {slot: nc, kind: software, mandatory: true}
      - {slot: panel}
    rules:
      - {slot: chuck, part: CHUCK, requires: [{part: NC, revisions: ["2.0.."]}], excludes: [{part: DEMO}]}
      - {slot: nc, part: NC}
  - {part: CHUCK}
  - {part: NC, kind: software, revisions: [{revision: "1.0"}, {revision: "2.0"}, {revision: "3.0"}]}
"""


@pytest.fixture
def lathe(plain: World) -> Configuration:
    """L with a chuck that needs a newer NC than it has."""
    made = plain.configuration
    plain.clock.time = day(1, 1)
    made.parts.apply(made.parts.plan(parse_parts(RULES)))
    for id, part in (("L", "LATHE"), ("C", "CHUCK")):
        made.create(ItemSpec(id=id, part=part, serial=id), day(1, 1))
    made.create(ItemSpec(id="NC-1", part="NC", revision="3.0", kind=ItemKind.SOFTWARE), day(1, 1))
    plain.clock.time = day(6, 1)
    return made


def found(made: Configuration, at: int) -> list[tuple[str, str]]:
    return [(one.rule, one.slot) for one in made.findings("L", at)]


def test_rules_ask_what_was_reported_and_a_report_is_never_refused(lathe: Configuration) -> None:
    assert found(lathe, day(1, 2)) == [("missing", "nc")]
    reported(lathe, "L", "1.0", day(2, 1), "nc", "NC")
    with pytest.raises(RuleBroken, match=r"needs NC 2\.0\.\."):
        lathe.install("C", "L", "chuck", day(2, 2))
    reported(lathe, "L", "2.0", day(3, 1), "nc", "NC")
    lathe.install("C", "L", "chuck", day(3, 2))
    assert found(lathe, day(3, 3)) == []
    back = lathe.do(Report(item="L", slot="nc", version="1.0", at=day(4, 1), part="NC"))
    (number,) = back.nonconformances
    assert [(one.rule, one.item) for one in back.findings] == [("requires", "C")]
    done = lathe.do(Report(item="L", slot="nc", version="3.0", at=day(5, 1), part="NC"))
    assert (done.findings, done.nonconformances) == ((), ())
    stood = [{one.number: one.state for one in lathe.nonconformances("L", at)}[number] for at in (day(4, 2), day(5, 2))]
    assert stood == [Standing.OPEN, Standing.CLOSED]
    other = lathe.do(Report(item="L", slot="panel-app", version="9", at=day(5, 3), part="DEMO"))
    assert [(one.rule, one.item) for one in other.findings] == [("excludes", "C")]
    (wrong,) = lathe.do(Report(item="L", slot="nc", version="9", at=day(5, 4), part="DEMO")).findings[1:]
    assert (wrong.rule, wrong.slot, wrong.item, wrong.parent) == ("part", "nc", "", "L")


def test_what_runs_counts_and_not_what_was_recorded_to_be_put_in(lathe: Configuration) -> None:
    lathe.install("NC-1", "L", "nc", day(1, 5))
    reported(lathe, "L", "1.0", day(2, 1), "nc", "NC")
    with pytest.raises(RuleBroken, match="needs NC"):
        lathe.install("C", "L", "chuck", day(2, 2))
    lathe.install("C", "L", "chuck", day(1, 6), until=day(1, 7))


def test_a_slot_for_a_part_is_not_filled_by_software_of_its_name(lathe: Configuration) -> None:
    reported(lathe, "L", "1.0", day(2, 1), "chuck", "FW")
    (chuck,) = [one for one in lathe.completeness("L", day(2, 2)).slots if one.path == ("chuck",)]
    assert (chuck.holding, chuck.software, chuck.kind) == (Holding.UNKNOWN, False, ItemKind.HARDWARE)


def test_all_sides_show_the_software_that_was_reported(lathe: Configuration) -> None:
    lathe.do(Modify(child="L", name="milestone", value="built", at=day(2, 2)))
    reported(lathe, "L", "1.0", day(2, 1), "nc", "NC")
    reported(lathe, "L", "2.0", day(3, 1), "nc", "NC")
    reported(lathe, "L", "7", day(3, 1), "panel-app")
    told = {one.path: one for one in lathe.sides("L", day(4, 1)).slots}
    nc, app = told["nc",], told["panel-app",]
    assert [[(side.revision, side.on) for side in one] for one in (nc.built, nc.maintained)] == [
        [("1.0", "L")],
        [("2.0", "L")],
    ]
    assert (nc.verdict, nc.changed, app.verdict, app.built) == (Verdict.ALLOWED, True, Verdict.FREE, ())


# any order of entry

ITEMS, SLOTS, VERSIONS = ("a", "b"), ("x", "y"), ("1", "2", "3")
MOMENTS = st.integers(1, 8).map(lambda n: n * 10)
SAID = st.lists(
    st.tuples(st.just("report"), st.sampled_from(ITEMS), st.sampled_from(SLOTS), st.sampled_from(VERSIONS), MOMENTS)
    | st.tuples(st.sampled_from(["correct", "withdraw"]), st.integers(0, 9), st.just(""), st.just(""), MOMENTS),
    max_size=14,
)
Said = tuple[Any, ...]
_example = count()


def in_order(acts: dict[int, Said]) -> list[int]:
    return sorted(acts, key=lambda number: (*acts[number][1:3], acts[number][4]))


def stands(would: dict[int, Said], acts: dict[int, Said]) -> bool:
    """Whether no two reports are of the same moment, and none was corrected to pass another one."""
    places = [(act[1], act[2], act[4]) for act in would.values()]
    passed = would.keys() == acts.keys() and in_order(would) != in_order(acts)
    return len(set(places)) == len(places) and not passed


def runs(acts: dict[int, Said], moment: int) -> dict[tuple[str, str], tuple[str, int]]:
    """By item and slot the version that was reported last."""
    told = sorted((act for act in acts.values() if act[4] <= moment), key=lambda act: act[4])
    return {(item, slot): (version, at) for _, item, slot, version, at in told}


def any_order(world: World, said: list[Said]) -> None:
    made, prefix = world.configuration, f"e{next(_example)}-"
    world.clock.time += 1000
    made.create(ItemSpec(id=prefix + "M", part="P"), 0)
    for item in ITEMS:
        made.create(ItemSpec(id=prefix + item, part="P"), 0)
        made.install(prefix + item, prefix + "M", item, 1)
    acts: dict[int, Said] = {}
    known: list[tuple[int, dict[int, Said]]] = []
    for kind, what, slot, version, at in said:
        world.clock.time += 1000
        would, number = dict(acts), -1
        if kind != "report":
            if not acts:
                continue
            number = list(acts)[what % len(acts)]
            if kind == "withdraw":
                del would[number]
            else:
                would[number] = (*acts[number][:4], at)
        else:
            would[-1] = (kind, what, slot, version, at)
        try:
            if kind == "report":
                number = reported(made, prefix + what, version, at, slot)
            elif kind == "correct":
                made.correct(number, at, basis=Basis(reason="test"))
            else:
                made.withdraw(number, basis=Basis(reason="test"))
        except GemelError:
            assert not stands(would, acts), (kind, what, slot, version, at, acts)
            continue
        assert stands(would, acts), (kind, what, slot, version, at, acts)
        if kind == "report":
            would[number] = would.pop(-1)
        acts = would
        known.append((world.clock.time + 500, dict(acts)))
    for then, believed in known:
        for moment in range(5, 95, 10):
            tree = made.tree(prefix + "M", moment, known=then)
            told = {(node.path[0], one.slot): (one.version, one.since) for node in tree.parts for one in node.software}
            assert told == runs(believed, moment)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(f"sqlite:///{tmp_path_factory.mktemp('reports') / 'configuration.sqlite'}")
    yield world
    world.database.close()


LOAD: dict[str, Any] = {"suppress_health_check": list(HealthCheck), "deadline": None}


@given(SAID)
@settings(max_examples=4, **LOAD)
def test_reports_are_believed_alike_in_whatever_order_they_become_known(world: World, said: list[Said]) -> None:
    any_order(world, said)


@pytest.mark.soak
@given(SAID)
@settings(max_examples=400, **LOAD)
def test_reports_are_believed_alike_in_whatever_order_they_become_known_long(world: World, said: list[Said]) -> None:
    any_order(world, said)


def test_two_versions_of_one_moment_contradict_each_other(world: World) -> None:
    made = world.configuration
    made.create(ItemSpec(id="T", part="P"), 0)
    reported(made, "T", "1", 10)
    with pytest.raises(Conflict):
        reported(made, "T", "2", 10)
