"""Lives of items as a table: where they begin and end, how they are counted, as believed when."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gemel.clock import SteppedClock
from gemel.configuration import Basis, ItemKind, ItemSpec
from gemel.errors import InvalidInput
from gemel.health.lifetimes import Asked, Failures
from gemel.intake import Happened, Message
from gemel.platform import Platform
from tests.health.fleet import DAY, on

PLANT = """
gemel: 1
types:
  - id: machine
    slots: [{name: pump, type: pump}]
  - id: pump
    properties: [{name: fault, kind: condition}]
    events: [{name: seized}, {name: oiled}]
twins:
  - {id: m1, types: [machine]}
  - {id: m1.pump, types: [pump], part_of: {twin: m1, slot: pump}}
  - {id: p9, types: [pump]}
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    clock = SteppedClock(on(100))
    with Platform.open(tmp_path_factory.mktemp("lives"), clock=clock, run_connectors=False) as platform:
        platform.apply(PLANT)
        made = platform.configuration
        for id, part, twin in (("M1", "M", "m1"), ("M2", "M", ""), ("P1", "P", ""), ("P2", "P", ""), ("P9", "P", "p9")):
            made.create(ItemSpec(id=id, part=part, twin=twin, revision="A"), on(0))
        made.create(ItemSpec(id="STORE", part="", kind=ItemKind.LOCATION), on(0))
        made.use("M1", "hours", on(0), on(100), 1000.0)
        made.use("M2", "hours", on(0), on(100), 2000.0)
        made.install("P2", "STORE", "shelf", on(0))
        made.install("P1", "M1", "pump", on(10))
        made.adjust("P1", "hours", 500.0, on(15), basis=Basis(reason="its log book"))
        made.modify("P1", "revision", "B", on(20))
        made.swap("M1", "pump", "P2", on(40), to=("STORE", "shelf"))
        made.remove("P1", on(60), to=("M2", "pump"))
        made.install("P9", "M2", "spare", on(30))
        seized = Happened(twin="m1.pump", event="seized", time=on(70))
        platform.intake.submit("pumps", [Message(events=[seized])], strict=True).result()
        platform.write("p9", "fault", {"code": "F1", "level": "fault"}, time=on(50))
        platform.write("p9", "fault", {"code": "F2", "level": "warning"}, time=on(80))
        made.modify("P1", "failed", "cracked", on(80))
        made.modify("P1", "failed", "", on(90))
        platform.past()
        yield platform


def lives(platform: Platform, *names: str, **how: Any) -> list[tuple[Any, ...]]:
    failures = Failures(events=how.pop("events", ()), conditions=how.pop("conditions", ()))
    asked = Asked(parts=("P",), counter=how.pop("counter", "hours"), failures=failures)
    table = platform.lifetimes.table(asked, how.pop("at", None), **how)
    return [tuple(row[name] for name in names) for row in table.to_pylist()]


def test_a_life_ends_by_failure_and_a_repair_begins_the_next(platform: Platform) -> None:
    told = lives(platform, "item", "life", "entry", "exit", "ended", "mode")
    assert told[0] == ("P1", 1, 500.0, 500.0 + 300.0 + 400.0, "failed", "cracked")
    assert told[1] == ("P1", 2, 0.0, 200.0, "running", "")


def test_what_is_known_of_an_item_is_as_of_the_beginning(platform: Platform) -> None:
    told = lives(platform, "item", "life", "revision", "machine", "position", "repairs")
    assert told[:2] == [("P1", 1, "A", "M1", "pump", 0), ("P1", 2, "B", "M2", "pump", 1)]


def test_time_in_a_store_is_no_use_and_what_was_taken_out_well_is_censored(platform: Platform) -> None:
    told = {row[0]: row[1:] for row in lives(platform, "item", "entry", "exit", "ended", at=on(50))}
    assert told["P1"] == (500.0, 800.0, "removed")
    assert told["P2"] == (0.0, pytest.approx(100.0), "running")


def test_by_the_calendar_a_life_counts_from_its_first_machine(platform: Platform) -> None:
    told = {row[:2]: row[2:] for row in lives(platform, "item", "life", "entry", "exit", counter="days")}
    assert told["P1", 1] == (0.0, 70.0)
    assert told["P2", 1] == (0.0, 60.0)


def test_events_and_faults_end_lives_of_the_item_that_was_there(platform: Platform) -> None:
    told = lives(platform, "item", "life", "ended", "mode", events=("seized",), conditions=("fault",))
    assert ("P2", 1, "failed", "seized") in told
    assert ("P2", 2, "running", "") in told
    assert ("P9", 1, "failed", "fault") in told
    assert ("P9", 2, "running", "") in told
    assert [row for row in told if row[0] == "P1"] == [("P1", 1, "failed", "cracked"), ("P1", 2, "running", "")]


def test_a_row_for_each_time_in_which_nothing_changed_adds_up_to_the_life(platform: Platform) -> None:
    told = lives(platform, "item", "life", "revision", "machine", "entry", "exit", "ended", changing=True)
    of = [row[2:] for row in told if row[:2] == ("P1", 1)]
    assert of == [
        ("A", "M1", 500.0, 600.0, "changed"),
        ("B", "M1", 600.0, 800.0, "changed"),
        ("B", "M2", 800.0, 1200.0, "failed"),
    ]


def test_a_table_is_made_again_as_it_was_believed(platform: Platform) -> None:
    known = platform.configuration.latest()
    before = platform.lifetimes.table(Asked(parts=("P",), counter="hours"), on(85), known=known)
    act = next(one for one in platform.configuration.acts("P1") if one.kind == "swapped")
    platform.configuration.correct(act.number, on(45), basis=Basis(reason="the work sheet says so"))
    try:
        after = {row[0]: row[1] for row in lives(platform, "item", "exit", at=on(50))}
        assert after["P1"] == pytest.approx(850.0)
        again = platform.lifetimes.table(Asked(parts=("P",), counter="hours"), on(85), known=known)
        assert again.equals(before)
    finally:
        platform.configuration.correct(act.number, on(40), basis=Basis(reason="no, it does not"))


def test_an_event_is_of_the_item_in_whose_place_the_twin_stood_then(platform: Platform) -> None:
    """drive-7 stood at m1 for 40 days, and stands at m2 since."""
    platform.apply(
        "types: [{id: drive, events: [{name: jammed}]}, {id: mover, slots: [{name: drive, type: drive}]}]\n"
        "twins: [{id: v1, types: [mover]}, {id: v2, types: [mover]}, {id: drive-7, types: [drive]}]"
    )
    made = platform.configuration
    for n in "12":
        made.create(ItemSpec(id=f"V{n}", part="V", twin=f"v{n}"), on(0))
        made.create(ItemSpec(id=f"D{n}", part="D"), on(0))
        made.install(f"D{n}", f"V{n}", "drive", on(1))
    registry = platform.registry
    platform.change(lambda tx: registry.put_link(tx, "part_of", "drive-7", "v1", slot="drive", since=on(2)))
    platform.change(lambda tx: registry.end_link(tx, "part_of", "drive-7", "v1", until=on(40)))
    platform.change(lambda tx: registry.put_link(tx, "part_of", "drive-7", "v2", slot="drive", since=on(40)))
    jams = [Happened(twin="drive-7", event="jammed", time=on(day)) for day in (1.5, 30, 60)]
    platform.intake.submit("drives", [Message(events=jams)], strict=True).result()
    platform.past()
    asked = Asked(parts=("D",), failures=Failures(events=("jammed",)))
    told = [(row["item"], row["ended"], row["end"]) for row in platform.lifetimes.table(asked).to_pylist()]
    ends = [(item, round((end.timestamp() * 1e6 - on(0)) / DAY, 1)) for item, ended, end in told if ended == "failed"]
    assert ends == [("D1", 1.5), ("D1", 30.0), ("D2", 60.0)]


def test_a_failure_that_people_note_after_the_machine_told_it_is_one(platform: Platform) -> None:
    """Within a day, or after a longer time in which it was not used; after use it is another one."""
    platform.apply("types: [{id: fan, events: [{name: stalled}]}]\ntwins: [{id: fan-1, types: [fan]}]")
    made = platform.configuration
    made.create(ItemSpec(id="FAN", part="FAN", twin="fan-1"), on(0))
    for start, end, hours in ((0, 30, 300.0), (30, 40, 0.0), (40, 100, 600.0)):
        made.use("FAN", "hours", on(start), on(end), hours)
    stalls = [Happened(twin="fan-1", event="stalled", time=on(day)) for day in (10, 30, 60)]
    platform.intake.submit("fans", [Message(events=stalls)], strict=True).result()
    for failed, repaired in ((10.1, 12), (38, 40), (70, 71)):
        made.modify("FAN", "failed", "worn", on(failed))
        made.modify("FAN", "failed", "", on(repaired))
    platform.past()
    asked = Asked(parts=("FAN",), counter="hours", failures=Failures(events=("stalled",)))
    told = [(row["exit"], row["ended"], row["mode"]) for row in platform.lifetimes.table(asked).to_pylist()]
    assert told == [
        (pytest.approx(100.0), "failed", "stalled"),
        (pytest.approx(180.0), "failed", "stalled"),
        (pytest.approx(200.0), "failed", "stalled"),
        (pytest.approx(100.0), "failed", "worn"),
        (pytest.approx(290.0), "running", ""),
    ]


def test_what_cannot_be_asked_is_said_with_the_way_out() -> None:
    with pytest.raises(InvalidInput, match="1 to 100 part numbers"):
        Asked(parts=())
    with pytest.raises(InvalidInput, match="kind of use"):
        Asked(parts=("P",), counter="")
