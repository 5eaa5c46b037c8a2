"""Work in the library: orders told twice, rework, erasure; times that are joined, prices that change."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemel.clock import SECOND, SteppedClock, parse_time
from gemel.configuration import ItemSpec, Span, parse_parts
from gemel.errors import ConfigurationDiffers, Conflict, InvalidInput, NotFound, RuleBroken
from gemel.platform import Platform
from gemel.services.work import (
    Asked,
    By,
    Cause,
    Outcome,
    PartWanted,
    PriceKind,
    PriceSpec,
    ReworkCause,
    StopKind,
    StopSpec,
    VisitSpec,
    WorkSpec,
    WorkState,
)
from gemel.services.work.report import joined
from gemel.services.work.stop import stood
from gemel.thread import Node
from gemel.twin import Expected, Kind, parse_expected

HOUR = 3600 * SECOND
NOW = parse_time("2026-06-01T12:00:00Z")


@pytest.fixture(scope="module")
def clock() -> SteppedClock:
    return SteppedClock(NOW)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory, clock: SteppedClock) -> Iterator[Platform]:
    with Platform.open(tmp_path_factory.mktemp("orders") / "plant", clock=clock, run_connectors=False) as platform:
        platform.apply(
            "gemel: 1\ntypes: [{id: mill, properties: [{name: load}]}, {id: lathe}]\ntwins: "
            "[{id: mill-1, types: [mill]}, {id: mill-2, types: [mill]}, {id: gone, types: [lathe]}, "
            "{id: l, types: [lathe]}]"
        )
        platform.configuration.create(ItemSpec(id="M-1", part="MILL", serial="1", twin="mill-1"), NOW - 900 * HOUR)
        platform.configuration.create(ItemSpec(id="P-1", part="PUMP", revision="B"), NOW - 900 * HOUR)
        platform.configuration.install("P-1", "M-1", "pump", NOW - 800 * HOUR)
        yield platform


def test_an_order_is_known_by_the_system_that_holds_it_and_told_again_it_is_the_same(plant: Platform) -> None:
    orders = plant.work.orders
    spec = WorkSpec(system="sap", external="000/47 11", item="P-1", title="Seal", parts=(PartWanted(part="S-1"),))
    told = orders.put(spec)
    assert (told.what, told.order.id, told.order.twin) == ("new", "sap:000-47-11", "mill-1")
    assert orders.put(spec).what == "same"
    changed = orders.put(msgspec.structs.replace(spec, title="Both seals"))
    assert (changed.what, changed.order.revision) == ("changed", 2)
    record = plant.thread.record("sap:000-47-11")
    assert (record.kind, record.title, record.attributes["parts"]) == ("work-order", "Both seals", [{"part": "S-1"}])
    reached = {str(link.target) for link in plant.thread.links(Node.parse("record:sap:000-47-11"))}
    assert reached == {"item:P-1", "twin:mill-1"}
    orders.put(msgspec.structs.replace(spec, item="", twin="mill-2"))  # they corrected the machine
    reached = {str(link.target) for link in plant.thread.links(Node.parse("record:sap:000-47-11"))}
    assert reached == {"twin:mill-2"}


def test_states_are_a_history_with_both_times_and_what_is_done_stays_so(plant: Platform) -> None:
    orders = plant.work.orders
    orders.put(WorkSpec(id="S-1", twin="mill-1"))
    orders.move("S-1", WorkState.ON_THE_WAY, time=NOW - HOUR)
    orders.move("S-1", WorkState.DONE)
    steps = orders.get("S-1").steps
    assert [(one.state, one.time) for one in steps] == [
        ("on_the_way", NOW - HOUR),
        ("planned", NOW),
        ("done", NOW),
    ]
    assert all(one.recorded == NOW for one in steps)
    with pytest.raises(Conflict):
        orders.move("S-1", WorkState.WORKING)
    with pytest.raises(Conflict):
        orders.put(WorkSpec(id="S-1", twin="mill-2"))
    orders.put(WorkSpec(id="S-2", twin="l"))
    with pytest.raises(InvalidInput, match="future"):
        orders.move("S-2", WorkState.DONE, time=NOW + 9 * HOUR)


def test_rework_names_the_order_that_it_repairs_and_why(plant: Platform) -> None:
    orders = plant.work.orders
    orders.put(WorkSpec(id="R-1", twin="l"))
    for bad in (WorkSpec(twin="l", repairs="R-1"), WorkSpec(twin="l", rework=ReworkCause.WORKMANSHIP)):
        with pytest.raises(InvalidInput, match="together"):
            orders.put(bad)
    with pytest.raises(NotFound):
        orders.put(WorkSpec(twin="l", repairs="none", rework=ReworkCause.OTHER))
    repair = orders.put(WorkSpec(twin="l", repairs="R-1", rework=ReworkCause.WRONG_CONFIGURATION_DATA)).order
    assert [one.id for one in orders.repaired_by("R-1")] == [repair.id]
    (told,) = plant.work.report(Asked(start=NOW - HOUR, end=NOW + HOUR, twin="l"))
    (rework,) = told.rework
    assert (rework.cause, rework.count, rework.unknown_hours) == ("wrong_configuration_data", 1, 1)


def test_nobody_begins_on_a_machine_that_is_not_safe_or_not_as_assumed_without_a_concession(plant: Platform) -> None:
    orders, items = plant.work.orders, plant.configuration
    parts = "parts: [{part: CUT, end_item: true, slots: [{slot: guard, mandatory: true, safety: true}]}, {part: G}]"
    items.parts.apply(items.parts.plan(parse_parts(parts)))
    items.create(ItemSpec(id="CUT-1", part="CUT", serial="9"), NOW - 50 * HOUR)
    made = orders.put(WorkSpec(id="W-cut", item="CUT-1", title="Sharpen", expects=(parse_expected("G"),))).order
    assert made.expects == orders.get("W-cut").expects == (Expected(has=("G",)),)
    orders.move("W-cut", WorkState.ASSIGNED)
    with pytest.raises(ConfigurationDiffers, match="CUT-1 has no G"):
        orders.move("W-cut", WorkState.ON_THE_WAY)
    orders.put(WorkSpec(id="W-cut", item="CUT-1", title="Sharpen"))
    orders.move("W-cut", WorkState.ON_THE_WAY, concession="not needed", reason="at once")
    assert orders.get("W-cut").steps[-1].reason == "at once"  # nothing was wrong
    with pytest.raises(RuleBroken, match="CUT-1 is not safe as it is configured: guard of CUT-1 is empty") as refused:
        orders.move("W-cut", WorkState.WORKING)
    assert [one.rule for one in refused.value.extra["findings"]] == ["missing"]
    begun = VisitSpec(key="v", start=NOW - HOUR, outcome=Outcome.UNDER_WAY)
    with pytest.raises(RuleBroken):
        orders.visit("W-cut", begun)
    orders.move("W-cut", WorkState.WORKING, concession="I fit the guard first", reason="late", actor="ann")
    assert orders.get("W-cut").steps[-1].reason == "conceded: I fit the guard first; late"
    for wrong in (Expected(has=("G:x",)), Expected(slot="guard", item="x" * 400), Expected(hash="x" * 400)):
        with pytest.raises(InvalidInput):
            orders.put(WorkSpec(id="W-cut-0", item="CUT-1", title="Sharpen", expects=(wrong,)))
    orders.visit("W-cut", begun)
    orders.put(WorkSpec(id="W-cut-2", item="CUT-1", title="Clean"))
    done = VisitSpec(key="w", start=NOW - 2 * HOUR, end=NOW - HOUR, outcome=Outcome.DONE)
    assert orders.visit("W-cut-2", done).state is WorkState.DONE  # what was done is noted


def test_a_report_is_of_one_part_wherever_it_is_concerned(plant: Platform) -> None:
    plant.work.orders.put(WorkSpec(id="PART-1", item="P-1"))
    plant.work.orders.put(WorkSpec(id="PART-2", twin="mill-2", parts=(PartWanted(part="PUMP", revision="C"),)))
    asked = Asked(start=NOW - HOUR, end=NOW + HOUR, part="PUMP")
    assert plant.work.report(asked)[0].orders >= 2
    only = msgspec.structs.replace(asked, revision="C")
    assert plant.work.report(only)[0].orders == 1
    groups = {one.group: one.orders for one in plant.work.report(msgspec.structs.replace(asked, by=By.TYPE))}
    assert set(groups) == {"mill"}


def test_a_visit_counts_when_it_was_made_and_its_hours_in_the_time_that_they_lie_in(plant: Platform) -> None:
    orders, month = plant.work.orders, parse_time("2026-02-01T00:00:00Z")
    window = month - 22 * 24 * HOUR
    orders.put(WorkSpec(id="AWAY-1", twin="mill-2", party="late", start=window, end=window + 24 * HOUR))
    went = month + 29 * 24 * HOUR
    told = VisitSpec(key="1", start=went, end=went + HOUR, outcome=Outcome.FAILED, cause=Cause.OTHER)
    orders.visit("AWAY-1", msgspec.structs.replace(told, start=went + 40 * 24 * HOUR, end=went + 41 * 24 * HOUR))
    orders.visit("AWAY-1", told)  # what was told of it first is not so any more
    orders.put(WorkSpec(id="NIGHT-1", twin="mill-2", party="late", start=month - 9 * HOUR, end=month))
    night = VisitSpec(key="2", start=month - 2 * HOUR, end=month + 2 * HOUR, outcome=Outcome.DONE)
    orders.visit("NIGHT-1", night)

    def of(start: int, end: int) -> tuple[int, int, float]:
        (one,) = plant.work.report(Asked(start=start, end=end, party="late"))
        return one.orders, one.visits.failed, one.visits.hours

    assert of(month - 31 * 24 * HOUR, month) == (2, 0, 2.0)
    assert of(month, month + 28 * 24 * HOUR) == (1, 0, 2.0)
    assert of(went - HOUR, went + 24 * HOUR) == (1, 1, 1.0)
    assert of(went + 39 * 24 * HOUR, went + 42 * 24 * HOUR) == (0, 0, 0.0)
    assert of(month + 2 * HOUR, month + 3 * HOUR) == (0, 0, 0.0), "it ended as this time began"
    assert of(window + 24 * HOUR, window + 25 * HOUR) == (0, 0, 0.0), "so did its window"


def test_prices_change_with_time_and_a_machines_own_goes_before_its_types(plant: Platform) -> None:
    prices = plant.work.prices
    prices.put(PriceSpec(per_hour="10", currency="JPY", rests_on="all"))
    prices.put(PriceSpec(type="mill", per_hour="100", currency="EUR", rests_on="type"))
    prices.put(PriceSpec(type="mill", per_hour="200", currency="EUR", since=NOW - 2 * HOUR, rests_on="dearer"))
    prices.put(PriceSpec(twin="mill-2", per_hour="", rests_on="not in use"))
    book = prices.book()
    lines = book.cost(PriceKind.DOWNTIME, "mill-1", NOW - 3 * HOUR, NOW - HOUR)
    assert [(one.amount, one.rests_on) for one in lines] == [(Decimal("100.00"), "type"), (Decimal("200.00"), "dearer")]
    assert book.cost(PriceKind.DOWNTIME, "mill-2", NOW - HOUR, NOW) == []
    (yen,) = book.cost(PriceKind.DOWNTIME, "l", NOW - HOUR // 3, NOW)
    assert yen.amount == Decimal("3")  # a yen has no hundredths
    assert book.cost(PriceKind.WORK, "l", NOW - HOUR, NOW) == []
    for bad in ({"per_hour": "x"}, {"currency": "euro"}, {"rests_on": ""}, {"per_hour": "-1"}, {"per_hour": "NaN"}):
        with pytest.raises(InvalidInput):
            prices.put(PriceSpec(**({"per_hour": "1", "currency": "EUR", "rests_on": "x"} | bad)))


def test_words_and_names_of_people_go_when_they_are_erased(plant: Platform) -> None:
    orders = plant.work.orders
    orders.put(WorkSpec(id="E-1", twin="l"))
    who = orders.person("fsm", "anna.k")
    assert orders.person("fsm", "anna.k") == who
    visit = VisitSpec(
        key="1", who=who, start=NOW - HOUR, end=NOW, outcome=Outcome.FAILED, cause=Cause.OTHER, note="my back hurts"
    )
    orders.visit("E-1", visit, actor=who)
    assert orders.get("E-1").visits[0].note == "my back hurts"
    plant.erasures.erase_person(who)
    told = orders.get("E-1").visits[0]
    assert (told.who, "back" in told.note) == (who, False)
    assert orders.person("fsm", "anna.k") != who
    with pytest.raises(NotFound):
        plant.erasures.erase_person("person-nobody")


def test_erasing_a_machine_takes_its_work_along(plant: Platform) -> None:
    plant.work.orders.put(WorkSpec(id="GONE-1", twin="gone"))
    stop = plant.work.stops.put(StopSpec(twin="gone", start=NOW - HOUR, kind=StopKind.SECURITY))
    erased = plant.erasures.erase_twin("gone", plant.erasures.preview("gone").code)
    assert erased.counts["work"] == 2
    with pytest.raises(NotFound):
        plant.work.orders.get("GONE-1")
    with pytest.raises(NotFound):
        plant.work.stops.get(stop.id)


MINUTES = st.tuples(st.integers(0, 500), st.integers(1, 60), st.sampled_from(["FAULT", "ACTIVE", "Interrupted"]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(MINUTES, max_size=12), min_size=1, max_size=3), st.integers(0, 30))
def test_times_that_a_machine_stood_are_apart_and_cover_just_what_it_told(told: list, least: int) -> None:
    minute = 60 * SECOND
    properties = [
        (f"p{i}", Kind.ENUMERATION, [(a * minute, (a + n) * minute, v) for a, n, v in some])
        for i, some in enumerate(told)
    ]
    found = stood(properties, until=1000 * minute, at_least_s=60.0 * least)
    spans = [span for span, _ in found]
    assert all(one.end < two.start for one, two in pairwise(spans))
    standing = {m for some in told for a, n, v in some if v != "ACTIVE" for m in range(a, a + n)}
    covered = {m for span in spans for m in range(span.start // minute, span.end // minute)}
    assert covered <= standing
    if not least:
        assert covered == standing
    assert all(span.end - span.start >= least * minute for span in spans)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 50)), min_size=1, max_size=8))
def test_downtime_is_counted_once_where_stops_overlap(told: list) -> None:
    spans = joined([Span(a, a + n) for a, n in told])
    assert sum(one.end - one.start for one in spans) == len({m for a, n in told for m in range(a, a + n)})
