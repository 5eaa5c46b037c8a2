"""Rows lie in files by hour, series and time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gemel.history.order import filing_order

HOUR = 3_600_000_000
rows = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 5), st.integers(-(2**62), 2**62)),
        st.one_of(st.integers(-3, 3).map(lambda n: n * HOUR // 2), st.integers(-(2**52), 2**52)),
    ),
    max_size=60,
)


@given(rows)
def test_rows_are_filed_by_hour_then_series_then_time_and_else_as_they_came(told: list[tuple[int, int]]) -> None:
    series = np.array([one[0] for one in told], np.int64)
    time = np.array([one[1] for one in told], np.int64)
    found = filing_order(series, time)
    order = list(range(len(told))) if found is None else found.tolist()
    assert order == sorted(range(len(told)), key=lambda i: (time[i] // HOUR, series[i], time[i]))


def test_more_series_than_one_digit_holds_are_sorted() -> None:
    series = np.random.default_rng(1).permutation(200_000).astype(np.int64)
    order = filing_order(series, np.zeros(200_000, np.int64))
    assert order is not None
    assert (series[order] == np.arange(200_000)).all()


def test_what_lies_in_order_is_not_moved() -> None:
    assert filing_order(np.zeros(9, np.int64), np.arange(9)) is None
