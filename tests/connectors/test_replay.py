"""Logs are replayed in their own order, at any speed, and read in bulk to the same readings."""

import asyncio
import gzip
import threading
from collections import Counter
from itertools import pairwise
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemel.clock import SECOND, SteppedClock, parse_time, to_rfc3339
from gemel.connectors.mtconnect import import_devices
from gemel.connectors.mtconnect.items import ItemTable, LineReader
from gemel.connectors.reach import Reach
from gemel.connectors.recordings import KnownLines, Pace, busiest_moment, due, first_moment, read_lines
from gemel.connectors.replay import readings_of_log
from gemel.errors import InvalidInput
from gemel.intake import SourceRule
from gemel.twin import Binding, ConnectorSpec, Kind, Plant, PropertyType, Quality, Scale, TwinSpec, TwinType

SHOP = Path(__file__).parents[2] / "src/gemel/demo/data"
PLANT = Plant(
    types=(
        TwinType(
            id="mill",
            properties=(
                PropertyType(name="load", unit="%"),
                PropertyType(name="feed", unit="mm/s"),
                PropertyType(name="program", kind=Kind.TEXT),
                PropertyType(name="count", kind=Kind.INTEGER),
                PropertyType(name="position", kind=Kind.ARRAY, unit="mm"),
                PropertyType(name="system", kind=Kind.CONDITION),
            ),
        ),
    ),
    twins=(TwinSpec(id="mill-1", types=("mill",)),),
)
BINDINGS = tuple(
    Binding(address=name, twin="mill-1", property=name) for name in ("load", "program", "count", "position", "system")
)
LOG = """\
2017-01-01T00:00:00Z|load|UNAVAILABLE|count|0
2017-03-20T08:00:00Z|load|10|program|O1
2017-03-20T08:00:01Z|load|20
2017-03-20T08:00:01Z|load|21
2017-03-20T07:59:59Z|load|19
2017-03-20T08:00:02Z|position|1 2 3
2017-03-20T08:00:03Z|system|WARNING|7|||hot
2017-03-20T08:00:04Z|load|abc|nobody|1
nonsense
"""


@pytest.fixture
def mill(house):
    house.introduce(PLANT)
    house.intake.believe("log", SourceRule(past_s=30 * 366 * 86_400.0))
    return house


def play(house, *files, bindings=BINDINGS, **settings):
    house.run(
        [
            ConnectorSpec(
                id="log", kind="replay", settings={"files": list(map(str, files)), **settings}, bindings=bindings
            )
        ]
    )
    house.until(lambda: house.supervisor.health()["log"].state == "ended")


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """The directory that logs are played from."""
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs"


def write(path: Path, text: str = LOG) -> Path:
    if path.suffix == ".gz":
        with gzip.open(path, "wt") as log:
            log.write(text)
    else:
        path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["a.shdr", "a.shdr.gz"])
def test_a_log_is_played_in_its_own_order_with_equal_times_and_steps_back(mill, logs, name):
    play(mill, write(logs / name), speed=0)
    told = [(to_rfc3339(time)[11:], value) for time, value in mill.readings("mill-1", "load")]
    assert told == [("00:00:00Z", None), ("08:00:00Z", 10), ("08:00:01Z", 20), ("08:00:01Z", 21), ("07:59:59Z", 19)]
    assert (mill.value("mill-1", "position"), mill.value("mill-1", "program")) == ([1.0, 2.0, 3.0], "O1")
    health = mill.supervisor.health()["log"]
    assert (health.quarantined, health.unbound) == (1, {"nobody": 1})
    assert mill.intake.quarantined(source="log").items[0].detail.startswith("mill-1.load is a number; 'abc' is not one")


def test_times_are_moved_to_now_and_keep_their_distances(mill, logs):
    start = mill.clock.now()
    play(mill, write(logs / "a.shdr"), speed=20)
    times = [time for time, value in mill.readings("mill-1", "load") if value is not None]
    assert start <= times[0] <= mill.clock.now()
    assert [time - times[0] for time in times] == [0, SECOND // 20, SECOND // 20, -SECOND // 20]


def test_a_log_begins_where_it_is_told_with_what_was_known_before(mill, logs):
    play(mill, write(logs / "a.shdr"), speed=0, begin="2017-03-20T08:00:02Z")
    assert [value for _, value in mill.readings("mill-1", "load")] == [19.0]  # the last that was told
    assert mill.readings("mill-1", "program")[0][1] == "O1"


def test_a_loop_begins_again(mill, logs):
    path = write(logs / "a.shdr", "2017-03-20T08:00:00Z|load|10\n2017-03-20T08:00:01Z|load|20\n")
    settings = {"files": [str(path)], "speed": 100, "loop": True}
    mill.run([ConnectorSpec(id="log", kind="replay", settings=settings, bindings=BINDINGS)])
    mill.until(lambda: len(mill.readings("mill-1", "load")) >= 6)
    assert [value for _, value in mill.readings("mill-1", "load")][:4] == [10.0, 20.0, 10.0, 20.0]


def test_a_table_with_a_column_a_quantity_is_played(mill, logs):
    (logs / "a.csv").write_text("time,load,program\n2017-03-20T08:00:00Z,10,0012\n2017-03-20T08:00:01Z,,O2\n")
    play(mill, logs / "a.csv", speed=0)
    assert [value for _, value in mill.readings("mill-1", "load")] == [10.0]
    assert [value for _, value in mill.readings("mill-1", "program")] == ["0012", "O2"]


def test_a_table_with_a_row_a_reading_is_played(mill, logs):
    table = pa.table(
        {
            "at": pa.array([parse_time(f"2017-03-20T08:00:0{n}Z") for n in range(2)], pa.timestamp("us")),
            "name": ["load", "load"],
            "reading": [1.5, 2.5],
        }
    )
    pyarrow.parquet.write_table(table, logs / "a.parquet")
    play(mill, logs / "a.parquet", speed=0, time="at", item="name", value="reading")
    assert mill.readings("mill-1", "load") == [
        (parse_time("2017-03-20T08:00:00Z"), 1.5),
        (parse_time("2017-03-20T08:00:01Z"), 2.5),
    ]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"files": ["logs/nothing.shdr"]}, "'logs/nothing.shdr' names no file"),
        ({"files": []}, "files must name a log"),
        ({"files": ["a"], "sped": 1}, "unknown field `sped`"),
    ],
)
def test_wrong_settings_are_told_in_health(mill, settings, reason):
    mill.run([ConnectorSpec(id="log", kind="replay", settings=settings)])
    mill.until(lambda: mill.supervisor.health()["log"].errors)
    assert reason in mill.supervisor.health()["log"].last_error


def test_a_log_read_in_bulk_gives_the_readings_that_a_replay_gives(mill, logs):
    path = write(logs / "a.shdr.gz")
    play(mill, path, speed=0)
    refused: Counter[str] = Counter()
    bulk: dict[str, list] = {}
    for batch in readings_of_log(path, BINDINGS, mill.registry.directory, refused=refused):
        for row in batch.to_pylist():
            bulk.setdefault(row["property"], []).append((round(row["time"].timestamp() * SECOND), row["value"]))
    for name in ("load", "program", "count", "position"):
        assert [r for r in bulk[name] if r[1] != "abc"] == mill.readings("mill-1", name)
    assert [value["level"] for _, value in bulk["system"]] == ["warning"]
    assert refused["no binding for item nobody"] == 1
    assert refused.total() == 2


def test_bulk_readings_are_shifted_scaled_and_in_the_propertys_unit(mill, tmp_path):
    path = write(tmp_path / "a.shdr", "2017-03-20T08:00:00Z|f|2|p|1 2\n2017-03-20T08:00:01Z|f|UNAVAILABLE\n")
    bindings = [
        Binding(address="f", twin="mill-1", property="feed", unit="m/min", scale=Scale(factor=3)),
        Binding(address="p", twin="mill-1", property="position", unit="[in_i]", scale=Scale(factor=2, offset=1)),
    ]
    found = readings_of_log(path, bindings, mill.registry.directory, shift=7)
    batches = {batch.column("property")[0].as_py(): batch for batch in found}
    assert batches["feed"].column("value").to_pylist() == [pytest.approx(100.0), None]
    assert batches["feed"].column("quality").to_pylist() == [Quality.GOOD, Quality.UNAVAILABLE]
    assert batches["position"].column("value").to_pylist() == [pytest.approx([76.2, 127.0])]
    assert batches["feed"].column("time").cast(pa.int64())[0].as_py() == parse_time("2017-03-20T08:00:00Z") + 7
    mill.intake.believe("bulk", SourceRule(past_s=30 * 366 * 86_400.0))
    receipts = [mill.intake.submit_frame("bulk", b).result(timeout=60) for b in batches.values()]
    assert [(r.accepted, r.quarantined) for r in receipts] == [(2, 0), (1, 0)]


@given(st.integers(0, 10**15), st.floats(0.01, 1000), st.lists(st.integers(0, 10**12), max_size=10))
def test_a_pace_keeps_order_and_scales_distances(anchor, speed, offsets):
    pace = Pace(10**15, anchor, speed)
    told = [pace.told(10**15 + offset) for offset in sorted(offsets)]
    assert told == sorted(told)
    assert all(abs((t - anchor) - o / speed) <= 1 for t, o in zip(told, sorted(offsets), strict=True))
    assert pace.wait_s(10**15, anchor) == 0.0


LEVELS = ["NORMAL", "FAULT", "WARNING", "UNAVAILABLE"]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(LEVELS), st.sampled_from(["", "1", "2"]))))
def test_known_conditions_are_those_that_are_on(reports):
    known = KnownLines()
    on: dict[str, dict[str, str]] = {}
    for item, level, code in reports:
        code = "" if level == "UNAVAILABLE" else code
        known.learn(f"t|{item}|{level}|{code}|||")
        active = on.setdefault(item, {})
        if level in ("NORMAL", "UNAVAILABLE"):
            if code:
                active.pop(code, None)
            else:
                active.clear()
        else:
            active[code] = level
    told = [line.split("|")[1:4] for line in known.lines()]
    for item, active in on.items():
        levels = {code: level for name, level, code in told if name == item and level in ("FAULT", "WARNING")}
        assert levels == active
        if not active:
            assert len([1 for name, *_ in told if name == item]) == 1


def test_a_log_that_opens_with_old_knowledge_begins_with_its_day(tmp_path):
    path = write(tmp_path / "a.shdr")
    assert to_rfc3339(first_moment([path])) == "2017-03-20T08:00:00Z"
    assert to_rfc3339(busiest_moment([path])) == "2017-03-20T07:59:00Z"
    with pytest.raises(InvalidInput, match="no line with a time"):
        first_moment([write(tmp_path / "b.shdr", "nonsense\n")])


def test_a_log_that_is_cut_off_says_so(tmp_path):
    path = write(tmp_path / "a.shdr.gz", LOG * 500)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InvalidInput, match="cannot be read"):
        list(read_lines([path]))


def test_the_real_logs_keep_their_equal_times_and_steps_back(house):
    plant = msgspec.convert(import_devices((SHOP / "Devices.xml").read_bytes(), values_in="units"), Plant)
    house.introduce(plant)
    equal = back = taken = 0
    for connector in plant.connectors:
        device = connector.settings["device"]
        paths = sorted(SHOP.glob(f"{device}-*.shdr.gz"))
        for path in paths:
            table = ItemTable(connector.bindings, lambda *_: None, device)
            readings = [r for m in LineReader(table, lambda: 0).read(read_lines([path])) for r in m.readings]
            bulk: dict[tuple[str, str], list[int]] = {}
            for batch in readings_of_log(path, connector.bindings, house.registry.directory, device=device):
                assert batch.num_rows
                names = zip(batch["twin"].to_pylist(), batch["property"].to_pylist(), strict=True)
                for key, time in zip(names, batch["time"].cast(pa.int64()).to_pylist(), strict=True):
                    bulk.setdefault(key, []).append(time)
            lines: dict[tuple[str, str], list[int]] = {}
            for reading in readings:
                lines.setdefault((reading.twin, reading.property), []).append(reading.time)
            assert bulk == lines
            taken += len(readings)
            for times in lines.values():
                steps = [b - a for a, b in pairwise(times)]
                equal += steps.count(0)
                back += sum(step < 0 for step in steps)
    assert (taken, equal, back) == (534_906, 881, 243)


def test_a_replay_stops_at_once_when_it_is_told_to(mill, logs):
    path = write(logs / "a.shdr", "2017-03-20T08:00:00Z|load|1\n2017-03-20T18:00:00Z|load|2\n")
    mill.run([ConnectorSpec(id="log", kind="replay", settings={"files": [str(path)]}, bindings=BINDINGS)])
    mill.until(lambda: mill.value("mill-1", "load") == 1.0)
    stopped = threading.Event()
    threading.Thread(target=lambda: (mill.run([]), stopped.set())).start()
    assert stopped.wait(60)


def test_nothing_but_logs_of_the_platform_is_played(mill, logs, tmp_path):
    (logs / "hosts.txt").symlink_to("/etc/hosts")
    (logs / "etc").symlink_to("/etc")
    write(tmp_path / "gemel.owner")
    elsewhere = ["/etc/passwd", "/etc/host*", "gemel.owner", "*", "logs/../gemel.owner", "logs/*/../../gemel.owner"]
    for pattern in [*elsewhere, str(tmp_path / "gemel.owner"), "logs/hosts.txt", "logs/*", "logs/etc/hosts", "logs/\0"]:
        with pytest.raises(InvalidInput, match="is not a log of this platform"):
            Reach.of(tmp_path).logs([pattern])
    with pytest.raises(InvalidInput, match="no directory of logs"):
        Reach().logs(["logs/a.shdr"])
    mill.run([ConnectorSpec(id="log", kind="replay", settings={"files": ["/etc/passwd"]})])
    mill.until(lambda: mill.supervisor.health()["log"].errors)
    assert "'/etc/passwd' is not a log of this platform" in mill.supervisor.health()["log"].last_error


def test_logs_are_named_by_path_or_pattern_and_may_lie_behind_a_link(tmp_path):
    store = tmp_path / "store"
    (store / "mill").mkdir(parents=True)
    first, second = write(store / "mill" / "1.shdr"), write(store / "mill" / "2.shdr")
    (store / "latest.shdr").symlink_to(second)
    (tmp_path / "logs").symlink_to(store)
    found = Reach.of(tmp_path).logs(["logs/latest.shdr", "logs/mill/*.shdr", str(tmp_path / "logs/mill/1.shdr")])
    assert [path.resolve() for path in found] == [second, first, second, first]


@given(st.lists(st.integers(0, 100 * SECOND), max_size=40), st.sampled_from([0.5, 1.0, 20.0]), st.integers(1, 50))
def test_rows_keep_their_order_and_none_comes_before_it_is_due(times: list[int], speed: float, most: int):
    clock = SteppedClock()
    pace = Pace(0, clock.now(), speed)
    rows = [(time, place) for place, time in enumerate(times)]

    async def step(seconds: float) -> None:
        clock.step(seconds)

    async def play() -> list[tuple[int, list[int]]]:
        return [(clock.now(), batch) async for batch in due(rows, pace, clock, most=most, wait=step)]

    told = asyncio.run(play())
    assert [place for _, batch in told for place in batch] == list(range(len(times)))
    for now, batch in told:
        assert len(batch) <= most
        assert all(now >= pace.due(times[place]) for place in batch)
    if times:  # nothing waits for what has stepped back
        assert clock.now() == pace.due(max(times))
