"""The key figures by themselves: the worked example, what is missing, sums over any cut, counters, shifts."""

from __future__ import annotations

import datetime
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemel.clock import parse_time
from gemel.errors import InvalidQuery
from gemel.services.effectiveness import Elements, figures
from gemel.services.effectiveness.bars import MOST, bar
from gemel.services.effectiveness.counting import amounts, counter, cycles
from gemel.services.effectiveness.course import Course, Labels, Pieces, States, Steps
from gemel.services.effectiveness.elements import STATES, UNKNOWN
from gemel.services.effectiveness.grouping import Grid, grid_of
from gemel.services.effectiveness.shifts import buckets, plan
from gemel.services.effectiveness.signals import Signal
from gemel.twin import Counting, Effectiveness, ProductionState, Shift, StateRule

S = ProductionState
MINUTE = 60_000_000
RULES = (StateRule(state=S.PRODUCING, when="running"),)


def code(state: ProductionState | None) -> int:
    return UNKNOWN if state is None else STATES.index(state)


def times(**minutes: float) -> tuple[int, ...]:
    return tuple(round(minutes.get(name, 0) * MINUTE) for name in (*map(str, STATES), "unknown"))


def course(
    *states: tuple[int, ProductionState | None],
    before: ProductionState | None = None,
    planned: list[tuple[int, int]] | None = None,
    parts: list[tuple[int, float]] | None = None,
    **declared: object,
) -> Course:
    """Minutes and states, one after the other."""
    edges = np.cumsum([0, *(length for length, _ in states)]).astype(np.int64) * MINUTE
    told = Effectiveness(states=RULES, **declared)  # type: ignore[arg-type]
    steps = None
    if parts is not None:
        at = np.array([time * MINUTE for time, _ in parts], np.int64)
        steps = Steps(at, np.array([n for _, n in parts], np.float64), np.ones(len(parts), np.bool_))
    shifts = None
    if planned is not None:
        shifts = Pieces.of([(a * MINUTE, b * MINUTE, 0) for a, b in planned], 1)
    bar_of = States(edges, np.array([code(one) for _, one in states], np.int8), code(before))
    return Course(0, int(edges[-1]), bar_of, told, plan=shifts, parts=steps)


# the figures


def test_the_worked_example_of_the_standard():
    # A shift of 480 min with breaks of 60, down for 47; 19,271 parts at 1.0 s, 423 of them rejected.
    e = Elements(
        inside=times(producing=373, down=47),
        outside=times(idle=60),
        parts=19_271,
        good=19_271 - 423,
        ideal_us=19_271 * 1e6,
        failures=1,
    )
    found = figures(e)
    assert (round(found.availability, 4), round(found.effectiveness, 4), round(found.quality_ratio, 4)) == (
        0.8881,
        0.8611,
        0.9780,
    )
    assert round(found.oee, 4) == 0.7479
    assert found.planned_busy_s == 420 * 60
    assert not found.missing
    assert not found.warnings


def test_all_ratios_of_the_standard():
    inside = times(producing=60, set_up=20, down=15, repair=5, idle=20, maintenance=10, planned_stop=30)
    found = figures(Elements(inside=inside, parts=50, good=45, ideal_us=48 * MINUTE, failures=3))
    assert found.availability == 60 / 120  # planned stops and maintenance are taken off the planned busy time
    assert found.utilisation_efficiency == 60 / 100
    assert found.allocation_efficiency == 100 / 120
    assert found.technical_effectiveness == 60 / 80
    assert found.setup_ratio == 20 / 80
    assert found.corrective_maintenance_ratio == 5 / 15
    assert found.nee == pytest.approx(80 / 120 * 0.8 * 0.9)
    assert found.oee == pytest.approx(0.5 * 0.8 * 0.9)


def test_the_standard_divides_by_failures_and_one_and_common_practice_by_failures():
    found = figures(Elements(inside=times(producing=90, set_up=10, idle=40, down=20), failures=4))
    assert (found.mtbf_iso22400_s, found.mttf_iso22400_s, found.mttr_iso22400_s) == (1200, 1680, 240)
    assert (found.mean_operating_s_per_failure, found.mean_down_s_per_failure) == (1500, 300)
    quiet = figures(Elements(inside=times(producing=100)))
    assert (quiet.mtbf_iso22400_s, quiet.mean_operating_s_per_failure) == (6000, None)


def test_without_a_plan_nothing_that_needs_one_is_known():
    found = figures(Elements(inside=times(producing=60, idle=60), parts=10, good=10, ideal_us=50 * MINUTE, plan=False))
    assert (found.oee, found.availability, found.nee, found.allocation_efficiency) == (None, None, None, None)
    assert found.effectiveness == pytest.approx(50 / 60)
    assert [one.what for one in found.missing] == ["shifts"]


def test_without_a_run_time_effectiveness_is_not_known_and_the_program_is_named():
    found = figures(Elements(inside=times(producing=60), parts=10, good=10, unrated={"O4711": 4.0}))
    assert (found.effectiveness, found.oee) == (None, None)
    assert found.availability == 1.0
    (missing,) = found.missing
    assert missing.what == "run_time"
    assert "O4711" in missing.text
    assert "run_time" in missing.text


@pytest.mark.parametrize(("which", "what"), [("counted", "parts"), ("judged", "quality")])
def test_what_nobody_tells_is_missing_and_not_perfect(which: str, what: str):
    found = figures(Elements(inside=times(producing=60), parts=10, good=10, ideal_us=50 * MINUTE, **{which: False}))
    assert (found.oee, found.quality_ratio) == (None, None)
    assert what in [one.what for one in found.missing]


def test_a_gap_is_neither_production_nor_idleness():
    found = figures(Elements(inside=times(producing=30, idle=10, unknown=40), parts=1, good=1, ideal_us=30 * MINUTE))
    assert found.availability == 30 / 40
    assert found.known_share == 0.5
    assert (found.availability_at_least, found.availability_at_most) == (30 / 80, 70 / 80)
    assert "not known" in found.warnings[0]
    nothing = figures(Elements(inside=times(unknown=60)))
    assert (nothing.availability, nothing.oee) == (None, None)
    assert nothing.missing[0].what == "data"


def test_an_effectiveness_above_one_is_told_and_not_cut():
    found = figures(Elements(inside=times(producing=60), parts=100, good=100, ideal_us=90 * MINUTE))
    assert found.effectiveness == 1.5
    assert "150%" in found.warnings[0]


def test_nothing_made_in_planned_time_is_an_oee_of_zero():
    found = figures(Elements(inside=times(idle=60)))
    assert (found.oee, found.availability, found.effectiveness) == (0.0, 0.0, None)
    assert found.missing[0].what == "production"


def test_losses_lead_from_all_time_to_the_effective_time():
    e = Elements(
        inside=times(producing=50, idle=10, set_up=5, down=5, planned_stop=10, unknown=20),
        outside=times(unknown=100),
        parts=10,
        good=8,
        ideal_us=40 * MINUTE,
    )
    left = 0.0
    for one in figures(e).losses:
        if one.kind == "total":
            assert not left or one.seconds == pytest.approx(left), one.name
            left = one.seconds
        else:
            left -= one.seconds
    assert left == pytest.approx(32 * 60)


# sums


def test_time_is_counted_by_state_in_and_out_of_plan():
    one = course((30, S.PRODUCING), (10, None), (20, S.IDLE), planned=[(10, 35)])
    e = one.whole()
    assert e.inside == times(producing=20, unknown=5)
    assert e.outside == times(producing=10, unknown=5, idle=20)


def test_a_failure_begins_in_a_known_state_that_is_not_down():
    one = course((5, S.DOWN), (5, S.IDLE), (5, S.DOWN), (5, S.REPAIR), (5, None), (5, S.DOWN), before=S.PRODUCING)
    assert one.whole().failures == 2
    assert course((5, S.DOWN), (5, S.IDLE)).whole().failures == 0  # nobody saw it begin


def test_parts_out_of_plan_or_of_knowledge_are_in_no_figure():
    steps = [(5, 1.0), (15, 2.0), (25, 4.0), (35, 8.0)]
    one = course((20, S.PRODUCING), (10, None), (10, S.IDLE), planned=[(0, 30)], parts=steps, run_time_s=30.0)
    e = one.whole()
    assert (e.parts, e.parts_unknown, e.parts_outside) == (3.0, 4.0, 8.0)
    assert e.ideal_us == 90e6


def test_run_times_are_by_program_and_what_has_none_is_named():
    programs = Labels(np.array([0, 10, 20]) * MINUTE, np.array([0, 1]), ("A", "B"))
    one = course((30, S.PRODUCING), parts=[(5, 2.0), (15, 3.0), (25, 4.0)], run_times_s={"A": 10.0}, program="program")
    one = Course(one.start, one.end, one.states, one.declared, parts=one.parts, programs=programs)
    e = one.whole()
    assert (e.ideal_us, e.unrated) == (20e6, {"": 4.0, "B": 3.0})


def test_good_parts_are_all_less_the_rejected():
    one = course((30, S.PRODUCING), parts=[(5, 10.0), (15, 10.0)], run_time_s=1.0)
    rejected = Steps(np.array([16 * MINUTE]), np.array([3.0]), np.array([True]))
    told = Course(one.start, one.end, one.states, one.declared, parts=one.parts, rejected=rejected)
    assert (told.whole().good, told.whole().judged) == (17.0, True)


lengths = st.tuples(st.integers(1, 90), st.sampled_from([*STATES, None]))
cuts = st.lists(st.integers(0, 1_000), max_size=6)


@st.composite
def courses(draw: st.DrawFn) -> Course:
    states = draw(st.lists(lengths, min_size=1, max_size=12))
    end = sum(length for length, _ in states)
    planned = draw(st.none() | st.lists(st.integers(0, end), min_size=2, max_size=6, unique=True).map(sorted))
    parts = draw(st.lists(st.tuples(st.integers(0, end - 1), st.integers(0, 9).map(float)), max_size=10))
    spans = None if planned is None else list(zip(planned[::2], planned[1::2], strict=False))
    return course(
        *states, planned=spans, parts=sorted(parts), run_time_s=7.0, all_good=True, before=draw(st.sampled_from(STATES))
    )


def additive(one: Course, inner: list[int]) -> None:
    edges = sorted({0, one.end, *(min(cut * MINUTE, one.end) for cut in inner)})
    spans = list(pairwise(edges))
    each = one.sums(Pieces.of([(a, b, place) for place, (a, b) in enumerate(spans)], len(spans)))
    assert sum(each, Elements()) == one.whole()
    assert sum(reversed(each), Elements()) == one.whole()
    assert sum(sum(e.inside) + sum(e.outside) for e in each) == one.end
    shown = figures(one.whole())
    for name in ("availability", "utilisation_efficiency", "setup_ratio", "known_share"):
        value = getattr(shown, name)
        assert value is None or 0 <= value <= 1


@given(courses(), cuts)
@settings(max_examples=60)
def test_the_parts_of_any_cut_sum_to_the_whole_in_any_order(one: Course, inner: list[int]):
    additive(one, inner)


@pytest.mark.soak
@given(courses(), cuts)
@settings(max_examples=10_000)
def test_the_parts_of_any_cut_sum_to_the_whole_in_any_order_soak(one: Course, inner: list[int]):
    additive(one, inner)


def test_groups_that_lie_between_one_another_get_their_own():
    one = course((10, S.PRODUCING), (10, S.IDLE), (10, S.PRODUCING))
    pieces = Pieces.of([(0, 5 * MINUTE, 0), (5 * MINUTE, 15 * MINUTE, 1), (20 * MINUTE, 30 * MINUTE, 0)], 2)
    assert [e.inside for e in one.sums(pieces)] == [times(producing=15), times(producing=5, idle=5)]


def held(values: list[float]) -> Signal:
    """Each for a minute, one after the other."""
    edges = np.arange(len(values) + 1, dtype=np.int64) * MINUTE
    return Signal(edges[:-1], edges[1:], pa.array(values, pa.float64()))


def test_bins_of_values_that_lie_close_together_are_in_order_and_tell_them_apart():
    values = [12_001.0 + i / 4 for i in range(37)]
    grid = grid_of([(course((37, S.PRODUCING)), held(values))], 4)
    places, names = grid.labels(pa.array(values))
    assert np.bincount(places).tolist() == [9, 9, 9, 10]
    assert names == ["12001 … 12003", "12003 … 12006", "12006 … 12008", "12008 … 12010"]
    few = Grid().labels(pa.array([1_234_567.0, 1_234_568.0, 0.1 + 0.2]))
    assert few[1] == ["1234567", "1234568", "0.3"]


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=40), st.integers(2, 6))
@settings(max_examples=50, deadline=None)
def test_every_value_is_in_the_one_bin_that_holds_it(values: list[float], bins: int):
    grid = grid_of([(course((len(values), S.PRODUCING)), held(values))], bins)
    if not grid.edges:
        return
    places, names = grid.labels(pa.array(values))
    assert list(grid.edges) == sorted(set(grid.edges))
    assert len(names) == len(set(names)) == len(grid.edges) - 1
    for value, place in zip(values, places.tolist(), strict=True):
        assert grid.edges[place] <= value <= grid.edges[place + 1]


def test_a_long_bar_is_thinned_to_what_held_longest():
    states = [(1, S.PRODUCING if n % 2 else S.IDLE) for n in range(4 * MOST)]
    drawn, resolution = bar([course(*states)], 0, 4 * MOST * MINUTE)
    assert len(drawn) <= MOST
    assert resolution == 240.0
    assert (drawn[0].start, drawn[-1].end) == (0, 4 * MOST * MINUTE)
    assert all(one.end == two.start for one, two in pairwise(drawn))


# counting


def test_a_fall_of_a_counter_is_a_reset():
    steps = counter(np.array([1, 2, 3, 4]), np.array([5.0, 9.0, 2.0, 3.0]), before=(0, 4.0))
    assert steps.amount.tolist() == [1.0, 4.0, 2.0, 1.0]


def test_without_a_reading_before_the_first_one_counts_nothing():
    assert counter(np.array([1, 2]), np.array([100.0, 101.0])).amount.tolist() == [1.0]
    assert not len(counter(np.array([5]), np.array([7.0])).amount)


def test_a_step_across_a_gap_is_not_sure_of_its_time():
    steps = counter(np.array([1, 4, 9]), np.array([1.0, np.nan, 3.0]), before=(0, 0.0), gaps=[(4, 9)])
    assert list(zip(steps.time.tolist(), steps.sure.tolist(), strict=True)) == [(1, True), (9, False)]


def test_amounts_are_counted_as_they_are_told():
    steps = amounts(np.array([1, 2, 3]), np.array([20.0, np.nan, -1.0]))
    assert (steps.time.tolist(), steps.amount.tolist()) == ([1], [20.0])


def test_a_cycle_counts_when_it_is_seen_to_end():
    edges, value = np.arange(7), np.array([1, 0, 1, -1, 0, 1], np.int8)
    assert cycles(edges, value).time.tolist() == [1]  # across what is not known nobody saw it end


@given(st.lists(st.integers(0, 50), min_size=2, max_size=30), st.integers(1, 28))
@settings(max_examples=50)
def test_a_counter_read_in_two_pieces_counts_the_same(values: list[int], cut: int):
    time, value = np.arange(1, len(values) + 1), np.array(values, np.float64)
    cut = min(cut, len(values) - 1)
    whole = counter(time, value)
    first, second = counter(time[:cut], value[:cut]), counter(time[cut:], value[cut:], before=(cut, value[cut - 1]))
    assert whole.amount.sum() == first.amount.sum() + second.amount.sum()


# shifts

WEEKDAYS = "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"


def planned(zone: str, start: str, end: str, *shifts: Shift, closed: tuple[str, ...] = ()) -> list[float]:
    """Hours of each planned piece."""
    told = Effectiveness(states=RULES, shifts=shifts, closed=closed)
    found = plan(told, zone, parse_time(start), parse_time(end))
    assert found is not None
    return ((found.end - found.start) / 3_600_000_000).tolist()


def test_shifts_are_of_the_site_without_breaks_weekends_and_holidays():
    day = Shift(starts="06:00", ends="14:00", every=WEEKDAYS, breaks=(("09:00", "09:30"),))
    week = planned("Europe/Berlin", "2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z", day, closed=("2026-03-04",))
    assert week == [3.0, 4.5] * 4
    told = Effectiveness(states=RULES, shifts=(day,))
    found = plan(told, "Europe/Berlin", parse_time("2026-03-02T00:00:00Z"), parse_time("2026-03-03T00:00:00Z"))
    assert found is not None
    assert found.start[0] == parse_time("2026-03-02T05:00:00Z")


@pytest.mark.parametrize(("day", "hours"), [("2026-03-28", 7.0), ("2026-10-24", 9.0), ("2026-06-06", 8.0)])
def test_a_night_shift_is_as_long_as_the_night_was(day: str, hours: float):
    night = Shift(starts="22:00", ends="06:00")
    after = (datetime.date.fromisoformat(day) + datetime.timedelta(days=1)).isoformat()
    assert planned("Europe/Berlin", f"{day}T12:00:00Z", f"{after}T12:00:00Z", night) == [hours]


def test_a_break_of_a_night_shift_may_lie_on_the_next_day():
    night = Shift(starts="22:00", ends="06:00", breaks=(("02:00", "02:30"),))
    assert planned("UTC", "2026-06-01T12:00:00Z", "2026-06-02T12:00:00Z", night) == [4.0, 3.5]


def test_every_second_week_is_counted_from_the_first_day():
    late = Shift(starts="14:00", ends="22:00", every="FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", since="2026-01-05")
    assert planned("UTC", "2026-01-01T00:00:00Z", "2026-02-10T00:00:00Z", late) == [8.0, 8.0, 8.0]


def test_time_in_two_shifts_is_planned_once():
    one, two = Shift(starts="06:00", ends="14:00"), Shift(starts="13:00", ends="15:00")
    assert sum(planned("UTC", "2026-01-05T00:00:00Z", "2026-01-06T00:00:00Z", one, two)) == 9.0


@pytest.mark.parametrize(("by", "count", "longest"), [("hour", 49, 1.0), ("day", 3, 25.0), ("week", 2, 26.5)])
def test_buckets_are_of_the_sites_calendar(by: str, count: int, longest: float):
    start, end = parse_time("2026-10-24T20:30:00Z"), parse_time("2026-10-26T21:00:00Z")  # clocks go back on the 25th
    found = buckets(by, None, "Europe/Berlin", start, end)
    assert (found[0].start, found[-1].end) == (start, end)
    assert all(one.end == two.start for one, two in pairwise(found))
    assert max(one.end - one.start for one in found) == longest * 3_600_000_000
    assert len(found) == count


def test_buckets_by_shift_need_shifts_and_too_many_are_refused():
    with pytest.raises(InvalidQuery, match=r"effectiveness\.shifts"):
        buckets("shift", Effectiveness(states=RULES), "UTC", 0, MINUTE)
    with pytest.raises(InvalidQuery, match="by=month"):
        buckets("month", None, "UTC", 0, MINUTE)
    with pytest.raises(InvalidQuery, match="too many"):
        buckets("hour", None, "UTC", 0, 5_000 * 60 * MINUTE)
    told = Effectiveness(states=RULES, shifts=(Shift(name="Early", starts="06:00", ends="14:00"),))
    found = buckets("shift", told, "UTC", parse_time("2026-01-05T00:00:00Z"), parse_time("2026-01-07T00:00:00Z"))
    assert [one.label for one in found] == ["Early", "Early"]


def test_a_count_may_be_of_several_parts():
    told = Counting(counter="n", each=4)
    assert Steps(np.array([1]), np.array([2.0]), np.array([True])).scaled(told.each).amount.tolist() == [8.0]
