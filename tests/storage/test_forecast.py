"""For how many days the room lasts, told day by day over a simulated year in which it fills."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gemel.clock import SECOND, SteppedClock
from gemel.storage import Forecast, forecast
from gemel.storage.growth import KEEP_US, Growth

HOUR_S, DAY_S, YEAR_D = 3600, 86_400, 365
T0 = 1_704_067_200 * SECOND  # a Monday
WARN_DAYS = 14.0


def year_of(per_day: np.ndarray) -> np.ndarray:
    """Bytes used at each hour: most by day, little at night; `per_day`: bytes of each day."""
    by_hour = np.where((np.arange(24) >= 6) & (np.arange(24) < 22), 1.4, 0.2) / 24
    return np.cumsum(np.outer(per_day, by_hour).ravel()).astype(np.int64)


def told_through(path: Path, used: np.ndarray, disk: int) -> list[tuple[float, Forecast]]:
    """At each noon until the disk is full: (days that are truly left, what is forecast)."""
    clock, growth = SteppedClock(T0), Growth(path)
    full = int(np.argmax(used >= disk)) if (used >= disk).any() else len(used)
    told = []
    for hour in range(full):
        clock.step(HOUR_S)
        assert growth.due(clock.now())
        growth.add(clock.now(), int(used[hour]))
        if hour % 24 == 12 and hour > 15 * 24:
            told.append(((full - hour) / 24, forecast(growth.samples, disk - int(used[hour]))))
    assert growth.samples[-1].time - growth.samples[0].time <= KEEP_US
    assert Growth(path).samples == growth.samples
    return told


def days(one: Forecast) -> float:
    assert one.days is not None
    return one.days


@pytest.mark.parametrize("weekend", [1.0, 0.3])
def test_a_plant_that_grows_evenly_is_forecast_within_a_tenth_all_the_year(tmp_path: Path, weekend: float) -> None:
    per_day = np.where(np.arange(YEAR_D) % 7 < 5, 2e9, 2e9 * weekend)
    used = year_of(per_day)
    for left, one in told_through(tmp_path / "storage.json", used, int(used[-1] * 0.98)):
        assert one.least_days is not None
        assert one.least_days <= left + 0.5
        assert days(one) == pytest.approx(left, rel=0.1, abs=2.0)


def test_a_plant_that_doubles_its_rate_is_seen_within_two_weeks_and_the_range_says_so_before(tmp_path: Path) -> None:
    per_day = np.where(np.arange(YEAR_D) < 200, 1e9, 2e9)
    used = year_of(per_day)
    told = told_through(tmp_path / "storage.json", used, int(used[-1] * 0.98))
    for day, (left, one) in enumerate(told, start=16):
        assert one.least_days is not None
        if 202 <= day < 215:  # the fastest part of what was seen knows it already
            assert one.least_days == pytest.approx(left, rel=0.4)
            assert days(one) >= one.least_days
        if day >= 216:
            assert days(one) == pytest.approx(left, rel=0.1, abs=2.0)


@pytest.mark.parametrize("growing", [1.0, 1.004])
def test_the_warning_comes_two_weeks_ahead_also_where_it_grows_faster_and_faster(
    tmp_path: Path, growing: float
) -> None:
    used = year_of(1e9 * growing ** np.arange(YEAR_D))
    told = told_through(tmp_path / "storage.json", used, int(used[-1] * 0.95))
    (first,) = [left for left, one in told if days(one) < WARN_DAYS][:1]
    assert WARN_DAYS - 2 <= first <= WARN_DAYS + 2
    assert not [left for left, one in told if left > WARN_DAYS + 3 and days(one) < WARN_DAYS]


def test_retention_that_holds_the_size_ends_the_forecast(tmp_path: Path) -> None:
    """After 90 days as much goes as comes."""
    used = year_of(np.full(YEAR_D, 1e9))
    used = np.minimum(used, used[90 * 24])
    told = told_through(tmp_path / "storage.json", used, int(used[-1]) * 2)
    assert all(one.days is None for _, one in told[100:])
    assert all(days(one) < 200 for _, one in told[:60])


def test_a_full_disk_stops_neither_the_forecast_nor_who_makes_room(tmp_path: Path) -> None:
    """The file cannot be written: its folder is a file."""
    (tmp_path / "full").write_text("")
    growth = Growth(tmp_path / "full" / "storage.json")
    for hour in range(3):
        growth.add(T0 + hour * HOUR_S * SECOND, hour)
    assert [sample.used for sample in growth.samples] == [0, 1, 2]
