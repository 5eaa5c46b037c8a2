"""The arithmetic of time, against a naive model that looks at every microsecond."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from gemel.entanglement.flows import lost_in
from gemel.entanglement.latency import counted, latency_of
from gemel.entanglement.past import held_by_age
from gemel.entanglement.spans import Spans, spans_of, turns
from gemel.history import Rows
from gemel.twin import Change, Form

END = 60
moments = st.integers(0, END)
pairs = st.lists(st.tuples(moments, moments), max_size=8)


def spans(listed: list[tuple[int, int]]) -> Spans:
    return spans_of(np.array([one[0] for one in listed], np.int64), np.array([one[1] for one in listed], np.int64))


def inside(found: Spans) -> set[int]:
    return {moment for begin, end in found.listed() for moment in range(begin, end)}


def naive(listed: list[tuple[int, int]]) -> set[int]:
    return {moment for begin, end in listed for moment in range(begin, end)}


@given(pairs, pairs, moments, moments)
def test_spans_are_what_sets_of_microseconds_are(one, other, start, end):
    a, b, window = spans(one), spans(other), set(range(start, end))
    assert inside(a) == naive(one)
    assert inside(a.joined(b)) == naive(one) | naive(other)
    assert inside(a.common(b)) == naive(one) & naive(other)
    assert inside(a.within(start, max(start, end))) == naive(one) & window
    assert inside(a.rest(start, max(start, end))) == window - naive(one)
    assert inside(a.without(b)) == naive(one) - naive(other)
    assert a.length == len(naive(one))
    assert all(end < begin for end, begin in zip(a.end[:-1].tolist(), a.begin[1:].tolist(), strict=True))


@given(st.lists(st.tuples(moments, st.booleans()), max_size=8), st.booleans(), moments)
def test_turns_hold_until_the_next_one(told, before, start):
    told = sorted(told, key=lambda one: one[0])
    end = END
    expected = set()
    for moment in range(start, end):
        state = before
        for at, holds in told:
            if max(at, start) <= moment:
                state = holds
        if state:
            expected.add(moment)
    assert inside(turns(told, before=before, start=start, end=end)) == expected


readings = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12)), min_size=1, max_size=10)


def rows_of(told: list[tuple[int, int]]) -> Rows:
    """Readings (time, on the way for) in the order of their recording."""
    told = sorted(told, key=lambda one: one[0] + one[1])
    n = len(told)
    time = np.array([one[0] for one in told], np.int64)
    recorded = np.array([one[0] + one[1] for one in told], np.int64)
    empty = Rows.empty(Form.NUMBER)
    value = pa.array(np.zeros(n), empty.value.type)
    return Rows(Form.NUMBER, np.zeros(n, np.int64), time, recorded, value, np.zeros(n, np.uint8), np.arange(1, n + 1))


@given(readings, st.integers(1, 15), st.sampled_from(["samples", "changes"]))
def test_a_value_is_fresh_as_the_state_says_reading_by_reading(told, age, mode):
    rows = rows_of(told)
    stop, kept = held_by_age(rows, age, mode, END)
    expected = set()
    for moment in range(END):
        cell = None
        for time, recorded in zip(rows.time.tolist(), rows.recorded.tolist(), strict=True):
            if recorded <= moment and (cell is None or time >= cell[0]):
                cell = (time, recorded)
        if cell is not None and moment < (min(cell) if mode == "samples" else cell[1]) + age:
            expected.add(moment)
    assert inside(spans_of(kept.recorded, stop)) == expected


@given(st.lists(st.integers(0, 60), min_size=1, max_size=25))
def test_what_is_lost_is_what_never_came(numbers):
    """Numbers in any order through a watermark as the intake keeps it; what is journaled of gaps, summed up again."""
    told, reached, seen = [], -1, set()
    for time, number in enumerate(numbers):
        if number in seen:
            continue
        if number > reached + 1:
            body = {"epoch": "e", "first": reached + 1, "last": number - 1}
            told.append(Change(kind="source.missed", subject="plc", time=time, body=body))
        elif number < reached:
            body = {"epoch": "e", "first": number, "last": number}
            told.append(Change(kind="source.came_late", subject="plc", time=time, body=body))
        seen.add(number)
        reached = max(reached, number)
    lost = lost_in(told, 0)
    assert sum(one.count for one in lost) == reached + 1 - len(seen)


@given(st.lists(st.integers(-5_000_000, 7_200_000_000), min_size=1, max_size=300))
def test_quantiles_are_near_the_exact_ones(latencies):
    found = latency_of(counted(np.array(latencies, np.int64)))
    assert found is not None
    assert found.count == len(latencies)
    assert found.ahead == sum(one < 0 for one in latencies)
    ordered = sorted(max(0, one) / 1e6 for one in latencies)
    for q, told in ((0.5, found.p50_s), (0.95, found.p95_s), (0.99, found.p99_s)):
        exact = ordered[max(0, -(-int(q * 100) * len(ordered) // 100) - 1)]
        assert exact / 1.12 - 0.001 <= told <= exact * 1.12 + 0.001


def test_nothing_has_no_distribution():
    assert latency_of(counted(np.zeros(0, np.int64))) is None
