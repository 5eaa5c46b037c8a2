"""Use that machines tell themselves, day by day, and what is in them with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemel.clock import SteppedClock
from gemel.configuration import Basis, Configuration, ItemSpec, Metering, UsageRule
from gemel.configuration.upkeep.metering import amount_of
from gemel.errors import InvalidDocument, StorageFull
from gemel.folder import Folder
from gemel.history import EventQuery, Rows
from gemel.platform import Platform
from gemel.services.forms import Filling
from gemel.twin import Change, Form
from tests.configuration.conftest import day

TYPES = """
types: [{id: mill, properties: [{name: hours, unit: h}, {name: running, kind: boolean}]}]
twins: [{id: m1, types: [mill]}]
"""
HOURS = UsageRule(kind="hours", type="mill", property="hours")
RUNNING = UsageRule(kind="running", type="mill", property="running", how="time")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    clock = SteppedClock(day(5, 4, 12))
    with Platform.open(tmp_path_factory.mktemp("metering"), clock=clock, run_connectors=False) as platform:
        platform.apply(TYPES)
        made = platform.configuration
        made.create(ItemSpec(id="M1", part="MILL", twin="m1"), day(4, 1))
        made.create(ItemSpec(id="PUMP", part="P"), day(4, 1))
        made.install("PUMP", "M1", "pump", day(5, 2))
        for of, hour, hours in ((1, 0, 100.0), (1, 20, 110.0), (2, 20, 125.0), (3, 6, 2.0), (3, 20, 5.0)):
            platform.write("m1", "hours", hours, time=day(5, of, hour))
        for hour, running in ((6, True), (18, False), (20, True), (21, None)):
            platform.write("m1", "running", running, time=day(5, 2, hour))
        yield platform


def metered(platform: Platform, *rules: UsageRule) -> int:
    """Everything that is due, by somebody who has just been started."""
    one = Metering(platform.configuration, platform.database, platform.registry, platform.clock, rules=rules)
    told = one.step(platform.past())
    while one.waiting:
        told += one.step(platform.past())
    return told


def count(platform: Platform, item: str, until: int, kind: str = "hours") -> float:
    return platform.configuration.count(item, kind, until).amount


def changes(platform: Platform, kind: str, item: str) -> list[Change]:
    """What was journaled of an item, in order of time."""
    found = platform.events(EventQuery(twins=(item,), kinds=(kind,), newest_first=False, limit=1000)).items
    return [one.change for one in found]


def test_each_day_is_told_once_and_counts_for_what_was_in_the_machine(platform: Platform) -> None:
    assert metered(platform, HOURS, RUNNING) == 4
    assert metered(platform, HOURS, RUNNING) == 0, "told again, by another who was just started"
    counted = [count(platform, "M1", day(5, of)) for of in (2, 3, 4)]
    assert counted == [10.0, 25.0, 30.0], "a fall is a reset: 2 h before 6 o'clock and 3 h after"
    assert count(platform, "PUMP", day(5, 4)) == 20.0, "it came on the second day"
    assert count(platform, "M1", day(5, 4), "running") == 13.0, "what is not known is not counted"
    told = [(one.actor, one.time) for one in changes(platform, "item.used", "M1")]
    assert told == [("gemel", day(5, of)) for of in (1, 2, 2, 3)]


def test_readings_that_come_late_correct_what_was_told(platform: Platform) -> None:
    metered(platform, HOURS)
    before = platform.clock.now() + 1_000_000
    platform.clock.step(60)  # type: ignore[attr-defined]
    platform.write("m1", "hours", 6.0, time=day(5, 3, 23))
    assert metered(platform, HOURS) == 1
    assert count(platform, "M1", day(5, 4)) == 31.0
    assert platform.configuration.count("M1", "hours", day(5, 4), known=before).amount == 30.0


def test_a_disk_that_is_full_between_two_acts_loses_no_use(platform: Platform) -> None:
    metered(platform, HOURS)
    platform.clock.step(60)  # type: ignore[attr-defined]
    platform.write("m1", "hours", 7.0, time=day(5, 3, 23) + 60_000_000)
    whole, left = platform.configuration._run, 1

    def run(work: Any, *, actor: str = "") -> Any:
        nonlocal left
        if left == 0:
            raise StorageFull("the disk is full")
        left -= 1
        return whole(work, actor=actor)

    full = Configuration(platform.database, platform.clock, run, shared=platform.configuration.shared)
    one = Metering(full, platform.database, platform.registry, platform.clock, rules=(HOURS,))
    one.step(platform.past())
    while one.waiting:
        one.step(platform.past())
    metered(platform, HOURS)
    assert count(platform, "M1", day(5, 4)) == 32.0


def test_what_people_told_stands(platform: Platform) -> None:
    made = platform.configuration
    made.create(ItemSpec(id="M2", part="MILL", twin="m1"), day(5, 1))
    made.use("M2", "hours", day(5, 1), day(5, 2, 12), 1.0)
    metered(platform, HOURS)
    told = changes(platform, "item.used", "M2")
    assert [one.time for one in told] == [day(5, 1), day(5, 3)], "days that meet what was told are left"
    made.withdraw(told[1].body["act"], basis=Basis(reason="it stood"))
    assert metered(platform, HOURS) == 0
    assert count(platform, "M2", day(5, 4)) == 1.0


def test_a_day_in_which_a_form_counts_is_not_told_and_its_rest_comes_with_the_next_form(platform: Platform) -> None:
    asked = "{name: hours, ask: Hour meter, kind: number, unit: h, counter: hours}"
    platform.forms.declared.apply(f"forms: [{{id: meter, title: Meter, applies: [{{part: MILL}}], fields: [{asked}]}}]")
    platform.configuration.create(ItemSpec(id="M3", part="MILL", twin="m1"), day(5, 1))

    def fill(of: int, hour: int, hours: float) -> None:
        at = day(5, of, hour)
        platform.forms.fill(Filling(form="meter", item="M3", at=at, answers={"hours": hours}))

    fill(1, 6, 1000.0)
    fill(2, 6, 1012.0)
    metered(platform, HOURS)
    assert count(platform, "M3", day(5, 3)) == 1012.0, "what was used on the second after the form is not told yet"
    assert count(platform, "M3", day(5, 4)) > 1012.0, "the third is told from readings"
    fill(3, 12, 1030.0)
    assert count(platform, "M3", day(5, 3, 12)) != 1030.0, "a day that was told counts nothing of a form"
    fill(4, 6, 1040.0)
    assert count(platform, "M3", day(5, 4, 6)) == pytest.approx(1040.0), "the next form says what the meter said"


def rows(*told: tuple[int, Any]) -> Rows:
    times = np.array([time for time, _ in told], np.int64)
    values = pa.array([value for _, value in told], pa.float64())
    return Rows(Form.NUMBER, times, times, times, values, np.zeros(len(told), np.uint8), times)


@given(steps=st.lists(st.floats(0, 1000), min_size=1, max_size=20), cut=st.integers(0, 20))
def test_a_counter_that_is_metered_in_parts_gains_as_much_as_in_one(steps: list[float], cut: int) -> None:
    told = list(enumerate(np.cumsum([0.0, *steps]).tolist()))
    cut = min(cut, len(told) - 1)
    one = amount_of(HOURS, rows(*told), 0, 100)
    parts = [amount_of(HOURS, rows(*told[: cut + 1]), 0, cut + 1), amount_of(HOURS, rows(*told[cut:]), cut + 1, 100)]
    assert one == pytest.approx(sum(part or 0.0 for part in parts))


def test_what_nobody_told_is_no_use_of_zero() -> None:
    assert amount_of(HOURS, rows(), 0, 10) is None
    assert amount_of(HOURS, rows((1, None)), 0, 10) is None
    assert amount_of(HOURS, rows((-5, 7.0)), 0, 10) is None, "only what was held from before"


def test_rules_are_settings_of_the_plant(tmp_path: Path) -> None:
    (tmp_path / "gemel.yaml").write_text("usage: [{kind: hours, type: mill, property: hours}]\n")
    assert Folder.settings_of(tmp_path).usage == (HOURS,)
    (tmp_path / "gemel.yaml").write_text("usage: [{kind: hours, type: mill, property: hours, how: guess}]\n")
    with pytest.raises(InvalidDocument):
        Folder.settings_of(tmp_path)
