"""The life of items over a real platform: readings, events and links follow them from machine to machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gemel.access import Principal, Role
from gemel.clock import SteppedClock
from gemel.configuration import Basis, Configuration, ItemSpec, Life, Seen, assigned
from gemel.errors import NotFound, UnknownProperty
from gemel.platform import Platform
from tests.configuration.conftest import day

PLANT = """
gemel: 1
types:
  - id: machine
    slots: [{name: pump, type: pump}, {name: spindle, type: spindle}]
    properties: [{name: speed, unit: /min}, {name: seal_leakage, unit: mL/h, slot: pump/seal}]
  - {id: hall}
  - id: pump
    properties: [{name: vibration, unit: mm/s}, {name: fault, kind: condition}]
  - id: spindle
    properties: [{name: load, unit: kW}]
twins:
  - {id: hall, types: [hall]}
  - {id: m1, types: [machine], part_of: hall}
  - {id: m1.pump, types: [pump], part_of: {twin: m1, slot: pump}}
  - {id: m2, types: [machine], part_of: hall}
  - {id: m2.pump, types: [pump], part_of: {twin: m2, slot: pump}}
  - {id: spindle-7, types: [spindle]}
  - {id: encoder-3, types: [spindle]}
"""
START, END = day(1, 1), day(6, 1)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    clock = SteppedClock(day(6, 1))
    with Platform.open(tmp_path_factory.mktemp("life"), clock=clock, run_connectors=False) as platform:
        platform.apply(PLANT)
        made = platform.configuration
        for id, twin in (("M1", "m1"), ("M2", "m2"), ("PUMP-A", ""), ("PUMP-B", ""), ("HEAD", "")):
            made.create(ItemSpec(id=id, part=id[:4], twin=twin), START)
        for id in ("spindle-7", "encoder-3"):
            made.create(ItemSpec(id=id.upper(), part="S", twin=id), START)
        made.install("PUMP-A", "M1", "pump", START)
        made.swap("M1", "pump", "PUMP-B", day(3, 10))
        made.install("PUMP-A", "M2", "pump", day(4, 1))
        for month, twin in ((2, "m1.pump"), (4, "m1.pump"), (3, "m2.pump"), (5, "m2.pump")):
            platform.write(twin, "vibration", float(month), time=day(month, 20))
            platform.write(twin, "fault", {"code": f"F{month}", "level": "fault"}, time=day(month, 20))
        platform.write("m2", "speed", 900.0, time=day(5, 20))
        platform.write("spindle-7", "load", 3.0, time=day(2, 1))
        for id in ("SEAL-1", "SEAL-2"):
            made.create(ItemSpec(id=id, part="SEAL", serial=id), START)
        made.install("SEAL-1", "PUMP-A", "seal", START)
        made.install("SEAL-2", "PUMP-B", "seal", START)
        for month, machine in ((2, "m1"), (4, "m1"), (5, "m2")):
            platform.write(machine, "seal_leakage", month / 10, time=day(month, 21))
        platform.past()
        yield platform


@pytest.fixture(scope="module")
def life(platform: Platform) -> Life:
    view = platform.view(Principal(id="user-1", kind="User", role=Role.VIEWER))
    return Life(Seen(platform.database, platform.clock, view), view, platform.registry)


def told(life: Life, item: str, property: str, **how: Any) -> list[tuple[str, list[float]]]:
    """(machine, values) of each piece that somebody tells of."""
    found = life.series(item, property, START, END, **how)
    return [(one.piece.root, list(one.series.columns["value"])) for one in found.stretches if one.series is not None]


def test_readings_stay_with_the_item_when_it_moves(life: Life) -> None:
    assert told(life, "PUMP-A", "vibration") == [("M1", [2.0]), ("M2", [5.0])]
    assert told(life, "PUMP-B", "vibration") == [("M1", [4.0])]


def test_a_life_has_no_gaps_and_says_where_nobody_told(life: Life) -> None:
    pieces = life.pieces("PUMP-A", START, END)
    assert [(one.root, one.twin, one.own) for one in pieces] == [
        ("M1", "m1.pump", False),
        ("", "", False),
        ("M2", "m2.pump", False),
    ]
    assert [one.span.start for one in pieces[1:]] == [one.span.end for one in pieces[:-1]]


def test_what_the_machine_around_an_item_told_can_be_asked_by_item(life: Life) -> None:
    assert told(life, "PUMP-A", "speed", around=True) == [("M1", []), ("M2", [900.0])]


def test_any_question_of_a_time_can_be_asked_along_a_life(life: Life, platform: Platform) -> None:
    def readings(piece: Any, _view: Any) -> int | None:
        if not piece.twin:
            return None
        return len(platform.range(piece.twin, "vibration", piece.span.start, piece.span.end).columns["value"])

    assert [count for _, count in life.along("PUMP-A", START, END, readings)] == [1, None, 1]


def test_faults_come_with_the_item_that_had_them(life: Life) -> None:
    found, more = life.events("PUMP-A", START, END, kinds=("condition.",))
    assert not more
    codes = [(one.piece.root, entry["code"]) for one in found for entry in one.fact.change.body["raised"]]
    assert codes == [("M2", "F5"), ("M1", "F2")]


def test_what_no_piece_has_is_told_with_the_reason(life: Life) -> None:
    with pytest.raises(UnknownProperty, match="nobody tells of colour of PUMP-A"):
        life.series("PUMP-A", "colour", START, END)
    with pytest.raises(NotFound):
        life.pieces("PUMP-Z", START, END)


# an item with a twin of its own


def links(platform: Platform, twin: str) -> set[tuple[str, str]]:
    return {(link.target, link.slot) for link in platform.registry.links(twin, kind="part_of", direction="out")}


def test_the_twin_of_an_item_is_part_of_what_it_is_in(platform: Platform, life: Life) -> None:
    made: Configuration = platform.configuration
    made.install("SPINDLE-7", "M1", "spindle", day(2, 1))
    assert links(platform, "spindle-7") == {("m1", "spindle")}
    assert links(platform, "m1") == {("hall", "")}, "what is no item stays as it was"
    act = made.remove("SPINDLE-7", day(4, 1), to=("M2", "spindle"))
    assert links(platform, "spindle-7") == {("m2", "spindle")}
    was = platform.registry.links("spindle-7", kind="part_of", direction="out", at=day(3, 1))
    assert [link.target for link in was] == ["m1"]
    made.withdraw(act, basis=Basis(reason="it stayed"))
    assert links(platform, "spindle-7") == {("m1", "spindle")}
    assert told(life, "SPINDLE-7", "load") == [("", []), ("M1", [3.0])]


def test_what_is_only_tried_links_nothing(platform: Platform) -> None:
    from gemel.configuration import operations as ops

    before = platform.registry.links("encoder-3")
    outcome = platform.configuration.do(
        ops.Install(child="ENCODER-3", parent="M2", slot="spindle", at=day(2, 1)), dry_run=True
    )
    assert outcome.act == 0
    assert platform.registry.links("encoder-3") == before


def test_a_twin_within_a_sub_assembly_goes_with_it(platform: Platform) -> None:
    made = platform.configuration
    made.install("ENCODER-3", "HEAD", "encoder", day(1, 2))
    assert links(platform, "encoder-3") == set()
    made.install("HEAD", "M2", "head", day(1, 3))
    assert links(platform, "encoder-3") == {("m2", "")}
    made.remove("HEAD", day(2, 3))
    assert links(platform, "encoder-3") == set()


def test_a_property_of_the_machine_that_its_type_assigns_to_a_slot_is_of_what_was_there(life: Life) -> None:
    assert told(life, "SEAL-1", "seal_leakage") == [("M1", [0.2]), ("M2", [0.5])]
    assert told(life, "SEAL-2", "seal_leakage") == [("M1", [0.4])]
    here = life.pieces("SEAL-1", day(2, 1), day(2, 2))[0]
    assert (here.machine, here.below, assigned(here, life._view)) == ("m1", ("pump", "seal"), ["seal_leakage"])
    with pytest.raises(UnknownProperty):
        life.series("PUMP-A", "seal_leakage", START, END)
