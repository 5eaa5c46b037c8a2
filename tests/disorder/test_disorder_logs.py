"""Whole days of real machines through the platform: every line of a log is in the history, in the log's order."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

import gemel
from gemel.clock import SteppedClock, parse_time
from gemel.connectors.mtconnect.address import parse_address
from gemel.connectors.mtconnect.devices import read_devices
from gemel.connectors.mtconnect.importing import plant_of
from gemel.platform import Platform
from gemel.twin import ConnectorSpec, Plant
from tests.disorder.house import stored

DATA = Path(gemel.__file__).parent / "demo" / "data"
LOGS = (  # with how many pairs of an item with equal times they hold at least, and how many steps of an item back
    ("Mazak01-20170320-20170321.shdr.gz", 0, 0),
    ("Mazak03-20170501-20170502.shdr.gz", 2, 100),
    ("GFAgie01-20161107-20161108.shdr.gz", 800, 0),
)
AFTER = parse_time("2017-06-01T00:00:00Z")
Told = tuple[int, Any]
"""time, value"""


def plain_lines(path: Path) -> Iterator[tuple[str, int, list[str]]]:
    """(item, time, fields) of each line, read in the plainest way."""
    with gzip.open(path, "rt") as log:
        for line in log:
            time, item, *fields = line.rstrip("\r\n").split("|")
            moment = datetime.fromisoformat(time)
            micros = round(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond
            yield item, micros, fields


class Day:
    """The platform after the day, and what the log says, by twin and property."""

    def __init__(self, platform: Platform, spec: ConnectorSpec, path: Path, least: tuple[int, int]) -> None:
        self.platform = platform
        self.least = least
        device = str(spec.settings["device"]).lower()
        named = {}
        for binding in spec.bindings:  # the log calls most items by their names, one by its id
            address = parse_address(binding.address)
            named[address.name] = named[address.id] = binding
        self.conditions = {
            (binding.twin, binding.property) for binding in spec.bindings if "shape=condition" in binding.address
        }
        self.log: dict[tuple[str, str], list[tuple[int, list[str]]]] = {}
        self.unbound = 0
        for item, time, fields in plain_lines(path):
            if item in named:
                place = named[item].twin, named[item].property
                self.log.setdefault(place, []).append((time, fields))
            else:
                self.unbound += 1
        self.rows: dict[tuple[str, str], list[Told]] = {}
        for twin, name, time, value, _ in stored(platform):
            if twin.partition(".")[0] == device:
                self.rows.setdefault((twin, name), []).append((time, value))


@pytest.fixture(scope="module", params=LOGS, ids=lambda one: one[0].partition("-")[0])
def day(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    name, *least = request.param
    device = name.partition("-")[0]
    whole = plant_of(read_devices((DATA / "Devices.xml").read_bytes(), "Devices.xml"), values_in="units")
    (spec,) = (spec for spec in whole.connectors if spec.settings["device"] == device)
    replayed = ConnectorSpec(
        id="log",
        kind="replay",
        settings={"files": [f"logs/{name}"], "speed": 0, "shift": "none", "device": device},
        bindings=spec.bindings,
    )
    twins = tuple(twin for twin in whole.twins if twin.id.partition(".")[0] == device.lower())
    folder = tmp_path_factory.mktemp("day")
    (folder / "logs").symlink_to(DATA)
    with Platform.open(folder, clock=SteppedClock(AFTER)) as platform:
        platform.apply(Plant(types=whole.types, twins=twins))
        platform.apply(Plant(types=whole.types, twins=twins, connectors=(replayed,)))
        seen = platform.position
        while (health := platform.supervisor.health().get("log")) is None or health.state != "ended":
            platform.journal.wait(seen + 1, 0.2)
            seen = platform.position
        platform.history.flush()
        yield Day(platform, spec, DATA / name, tuple(least))


def value_of(fields: list[str], stored_value: Any) -> Any:
    """The text of a line as the kind of what was stored for it."""
    if fields[0].upper() == "UNAVAILABLE":
        return None
    if isinstance(stored_value, list):
        return [float(part) for part in fields[0].split()]
    return type(stored_value)(float(fields[0])) if isinstance(stored_value, int | float) else fields[0].strip()


def test_nothing_of_the_day_was_refused(day: Day) -> None:
    assert day.platform.quarantined().items == []
    health = day.platform.supervisor.health()["log"]
    assert sum(health.unbound.values()) == day.unbound


def test_every_bound_line_is_in_history_in_the_order_of_the_log(day: Day) -> None:
    assert set(day.rows) == set(day.log)
    assert sum(map(len, day.log.values())) > 40_000
    for place, lines in day.log.items():
        assert [time for time, _ in day.rows[place]] == [time for time, _ in lines], place
        if place not in day.conditions:
            pairs = zip(lines, day.rows[place], strict=True)
            assert all(value == value_of(fields, value) for (_, fields), (_, value) in pairs), place


def test_equal_times_and_steps_back_stay(day: Day) -> None:
    def counted(rows: list[Any]) -> tuple[int, int]:
        steps = list(itertools.pairwise(time for time, *_ in rows))
        return sum(a == b for a, b in steps), sum(b < a for a, b in steps)

    of_log = {place: counted(lines) for place, lines in day.log.items()}
    assert {place: counted(rows) for place, rows in day.rows.items()} == of_log
    equal, back = map(sum, zip(*of_log.values(), strict=True))
    assert (equal >= day.least[0], back >= day.least[1]) == (True, True), (equal, back)


def test_conditions_are_in_history_as_they_were_told(day: Day) -> None:
    assert day.conditions <= set(day.rows)
    for place in day.conditions:
        for (_, fields), (_, value) in zip(day.log[place], day.rows[place], strict=True):
            told = {"level": "unavailable"} if value is None else msgspec.json.decode(value)
            assert told["level"] == fields[0].lower()
            if told["level"] != "unavailable":
                assert told["code"] == fields[1]
                assert told["text"] == "|".join(fields[4:]).strip()


def test_the_state_is_what_the_log_said_last(day: Day) -> None:
    for (twin, name), rows in day.rows.items():
        now = day.platform.now(twin)[name]
        time, value = max(rows, key=lambda row: row[0]), None
        time, value = [row for row in rows if row[0] == time[0]][-1]
        assert now.time == time
        if (twin, name) not in day.conditions:
            assert now.value == value
            continue
        on: dict[str, str] = {}
        known = True
        for _, fields in sorted(day.log[twin, name], key=lambda line: line[0]):
            level, code = fields[0].lower(), fields[1]
            known = level != "unavailable"
            if not known or (level == "normal" and not code):
                on.clear()
            elif level == "normal":
                on.pop(code, None)
            else:
                on[code] = level
        assert (None if now.value is None else {one["code"]: one["level"] for one in now.value}) == (
            on if known else None
        )
