"""A budget is kept as its operator chose: warned of, by dropping the oldest days, or by refusing what is new."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pytest

from gemel.clock import SECOND, SteppedClock
from gemel.errors import StorageFull
from gemel.history import EventQuery
from gemel.intake import Message, Reported
from gemel.platform import Platform
from gemel.server import Server

DAY = 86_400 * SECOND
T0 = 1_704_067_200 * SECOND
DAYS, ROWS = 8, 9_000
PLANT = """
gemel: 1
types: [{id: press, properties: [{name: force, unit: kN}]}, {id: oven, properties: [{name: heat, unit: Cel}]}]
twins: [{id: press-7, types: [press]}, {id: press-8, types: [press]}, {id: oven-1, types: [oven]}]
"""
Opened = Callable[[str], AbstractContextManager[Platform]]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight days of noise, some 300 kB each, of two presses and an oven; closed."""
    path, clock, rng = tmp_path_factory.mktemp("filled"), SteppedClock(T0), np.random.default_rng(4)
    with Platform.open(path, clock=clock, run_connectors=False) as plant:
        plant.apply(PLANT)
        for _ in range(DAYS):
            time = clock.now() + np.sort(rng.integers(0, DAY, ROWS))
            clock.step(86_400)
            for twin, name, rows in (("press-7", "force", ROWS), ("press-8", "force", ROWS), ("oven-1", "heat", 500)):
                columns = {
                    "twin": pa.array([twin] * rows),
                    "property": pa.array([name] * rows),
                    "time": time[:rows],
                    "value": rng.random(rows),
                }
                plant.intake.submit_frame("rig", pa.RecordBatch.from_pydict(columns)).result(60)
            plant.history.flush()
        assert plant.history.upkeep(60)
    return path


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(T0 + DAYS * DAY)


@pytest.fixture
def opened(tmp_path: Path, filled: Path, clock: SteppedClock) -> Opened:
    """Opens a copy of it with these settings of the disk."""

    @contextmanager
    def with_disk(disk: str) -> Iterator[Platform]:
        shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
        (tmp_path / "gemel.yaml").write_text(f"disk: {disk}\n")
        with Platform.open(tmp_path, clock=clock, run_connectors=False) as platform:
            yield platform

    return with_disk


def days_of(plant: Platform, twin: str, name: str) -> list[int]:
    """How many readings each day still has."""
    return [
        len(plant.range(twin, name, T0 + day * DAY, T0 + (day + 1) * DAY, method="raw").columns["time"])
        for day in range(DAYS)
    ]


def keep(plant: Platform, *, looks: int = 1) -> None:
    """As the housekeeper does."""
    for _ in range(looks):
        plant.history.retain(plant.storage.limits())
        assert plant.history.upkeep(60)


def size_of(plant: Platform, type_id: str) -> int:
    return next(one.bytes for one in plant.storage.standing().types if one.type == type_id)


def test_a_type_over_its_budget_loses_its_oldest_days_until_it_fits_and_no_other_does(opened: Opened) -> None:
    with opened("{over: drop, types: {press: 500kB}}") as plant:
        before = size_of(plant, "press")
        assert before > 1_000_000
        keep(plant, looks=DAYS)
        left = days_of(plant, "press-7", "force")
        assert size_of(plant, "press") <= 500_000
        assert 2 <= sum(bool(count) for count in left) < DAYS
        assert left == sorted(left)  # the newest stay
        assert all(days_of(plant, "oven-1", "heat"))
        assert plant.verify().ok
        means = plant.range("press-7", "force", T0, T0 + DAY, points=24, method="mean").columns["value"]
        assert len(means) > 20


def test_the_plants_budget_never_takes_today_or_yesterday_nor_what_is_held(opened: Opened, clock: SteppedClock) -> None:
    with opened("{over: drop, budget: 1kB}") as plant:
        plant.holds.put("press-8", "claim 4711")
        keep(plant, looks=DAYS + 2)
        assert [bool(count) for count in days_of(plant, "press-7", "force")] == [*[False] * (DAYS - 1), True]
        assert all(days_of(plant, "press-8", "force"))


def test_a_plant_over_its_budget_drops_no_more_than_it_must(
    opened: Opened, clock: SteppedClock, tmp_path: Path
) -> None:
    with opened("{over: drop, budget: 60MB}") as plant:
        used = plant.storage.standing().used
        (tmp_path / "ballast").write_bytes(bytes(60_000_000 - used + 20_000))
        keep(plant, looks=DAYS)
        room = plant.storage.standing()
        assert room.leaving > 100_000  # readers may still have those files open
        assert room.used - room.leaving <= 60_000_000
        left = [bool(count) for count in days_of(plant, "press-7", "force")]
        assert left[0] is False
        assert sum(left) >= DAYS - 3


def test_a_plant_that_only_warns_drops_nothing(opened: Opened, clock: SteppedClock) -> None:
    with opened("{over: warn, budget: 1kB, types: {press: 1kB}}") as plant:
        keep(plant, looks=3)
        assert all(days_of(plant, "press-7", "force"))
        warnings = plant.storage.standing().warnings
        assert any("of a budget of" in one for one in warnings)
        assert any("the twins of type press take" in one for one in warnings)


def wait_for(plant: Platform, clock: SteppedClock, kind: str) -> dict[str, int]:
    """Ten seconds later; what the housekeeper journaled."""
    position = plant.journal.head().position
    clock.step(11)
    while True:
        facts = plant.events(EventQuery(kinds=(kind,), start=clock.now(), limit=1)).items
        if facts:
            return dict(facts[0].change.body)
        assert plant.journal.wait(position + 1, 60), f"no {kind}"
        position = plant.journal.head().position


def reported(value: float) -> Message:
    return Message(readings=[Reported(twin="press-7", property="force", value=value)])


def test_over_budget_new_readings_are_refused_with_the_way_out_until_there_is_room(
    opened: Opened, clock: SteppedClock, tmp_path: Path
) -> None:
    with opened("{over: refuse, budget: 30MB}") as plant, Server(plant, port=0) as server:
        token = plant.gate.tokens.add("rig", "engineer")[1]

        def put(value: float) -> httpx.Response:
            return httpx.put(
                f"{server.url}/api/v1/twins/press-7/now/force",
                json={"value": value},
                headers={"Authorization": f"Bearer {token}"},
                timeout=60,
            )

        assert put(1.0).status_code < 300
        ballast = tmp_path / "ballast"
        ballast.write_bytes(bytes(40_000_000))
        assert wait_for(plant, clock, "storage.refused")["budget"] == 30_000_000
        with pytest.raises(StorageFull, match=r"of a budget of 0\.03 GB.*raise disk\.budget"):
            plant.write("press-7", "force", 2.0)
        with pytest.raises(StorageFull):
            plant.ingest([reported(2.0)])
        batch = pa.RecordBatch.from_pydict({"twin": ["press-7"], "property": ["force"], "value": [2.0]})
        with pytest.raises(StorageFull):
            plant.intake.submit_frame("rig", batch)
        answer = put(2.0)
        assert (answer.status_code, answer.json()["code"]) == (507, "storage-full")
        assert [one.level for one in plant.health.look() if one.part == "disk"] == ["bad"]
        plant.apply(PLANT.replace("press-8", "press-9"))  # what is known may still change
        assert plant.ingest([reported(2.5)], source="gemel").accepted == 1  # and its own health is told
        assert plant.now("press-7")["force"].value == 2.5

        ballast.unlink()
        assert wait_for(plant, clock, "storage.accepted")["used"] < 30_000_000
        assert put(3.0).status_code < 300
        assert plant.now("press-7")["force"].value == 3.0
        assert plant.verify().ok


def test_a_plant_that_refuses_takes_in_again_below_its_budget_not_at_each_byte(
    opened: Opened, clock: SteppedClock, tmp_path: Path
) -> None:
    with opened("{over: refuse, budget: 30MB}") as plant:
        used = plant.storage.standing().used
        ballast = tmp_path / "ballast"
        ballast.write_bytes(bytes(30_200_000 - used))
        wait_for(plant, clock, "storage.refused")
        ballast.write_bytes(bytes(29_850_000 - used))
        plant.storage._hold_budget()
        assert plant.storage.standing().refuses
        ballast.write_bytes(bytes(29_000_000 - used))
        wait_for(plant, clock, "storage.accepted")
        assert not plant.storage.standing().refuses
