"""Bulk loads: checked, staged, journaled, taken in once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gemel.clock import SECOND, to_rfc3339
from gemel.errors import InvalidDocument, InvalidInput, NotFound
from gemel.history import Column, EventQuery, Mapping
from gemel.history.load import staged_folder
from gemel.twin import Change
from tests.history.world import DAY, HOUR, T0, World

WIDE = Mapping(
    time="when",
    twin="mill-1",
    columns=(
        Column(column="temp_f", property="temperature", unit="[degF]"),
        Column(column="count", property="parts"),
        Column(column="state", property="execution"),
    ),
)
LONG = Mapping(time="ts", time_unit="ms", twin_column="machine", property_column="name", value_column="value")


def journal(world: World) -> list[Change]:
    """A hook as the platform's, that also tells what it journaled."""
    told: list[Change] = []

    def change(change: Change) -> int:
        told.append(change)
        return world.put([], [change])

    world.__dict__["change"] = change
    return told


def write_wide(path: Path) -> Path:
    path.write_text(
        "when,temp_f,count,state\n"
        "2024-01-01T00:00:00Z,212,1,ACTIVE\n"
        "2024-01-01T01:00:10+01:00,32,two,ACTIVE\n"
        "not a time,50,3,READY\n"
        "2024-01-01 00:00:30,,4,READY\n"
    )
    return path


def test_a_csv_is_taken_in_and_its_faults_told_with_their_lines(world: World, tmp_path: Path) -> None:
    told = journal(world)
    parts: list[float] = []
    loaded = world.history.load(
        write_wide(tmp_path / "old.csv"),
        WIDE,
        world.change,
        progress=parts.append,  # type: ignore[attr-defined]
    )
    assert (loaded.rows, loaded.rejected) == (7, 4)
    assert [(p.line, p.field) for p in loaded.problems] == [(3, "count"), (4, "count"), (4, "state"), (4, "temp_f")]
    assert (loaded.start, loaded.end) == (T0, T0 + 30 * SECOND)
    assert parts == sorted(parts)
    assert parts[-1] == 1.0
    values = {name: r.value for name, r in world.history.twin("mill-1", T0 + HOUR).items()}
    assert values == {"temperature": pytest.approx(0.0), "parts": 4, "execution": "READY"}
    first = world.history.value(("mill-1", "temperature"), T0)
    assert first is not None
    assert (first.value, first.position) == (pytest.approx(100.0), loaded.position)
    assert [change.id for change in told] == [loaded.hash]
    assert told[0].body["rows"] == 7


def test_the_same_file_again_has_no_effect(world: World, tmp_path: Path) -> None:
    told = journal(world)
    path = write_wide(tmp_path / "old.csv")
    first = world.history.load(path, WIDE, world.change)  # type: ignore[attr-defined]
    world.reopen()
    again = world.history.load(path, WIDE, world.change)  # type: ignore[attr-defined]
    assert (again.repeated, again.rows, again.position) == (True, 0, first.position)
    assert len(told) == 1


def test_a_long_parquet_names_unknown_twins(world: World, tmp_path: Path) -> None:
    journal(world)
    table = pa.table(
        {
            "ts": [T0 // 1000, T0 // 1000 + 1, T0 // 1000 + 2, T0 // 1000 + 3],
            "machine": ["mill-1", "mill-2", "nobody", "mill-2"],
            "name": ["temperature", "door_open", "temperature", "vibration"],
            "value": ["20.5", "true", "1", "[1, 2.5]"],
        }
    )
    path = tmp_path / "long.parquet"
    pq.write_table(table, path)
    for source in (path, table):
        loaded = world.history.load(source, LONG, world.change)  # type: ignore[attr-defined]
        assert loaded.rows == 3
        assert [(p.line, p.message) for p in loaded.problems] == [(3, "there is no nobody.temperature")]
    mill_2 = {name: r.value for name, r in world.history.twin("mill-2", T0 + DAY).items()}
    assert mill_2 == {"door_open": True, "vibration": [1.0, 2.5]}


def test_a_load_journaled_before_a_crash_is_taken_in_after_it(world: World, tmp_path: Path) -> None:
    def crash(change: Change) -> int:
        world.history.close()  # the process ends between the journal's commit and the historian's
        return world.put([], [change])

    path = write_wide(tmp_path / "old.csv")
    with pytest.raises(Exception, match="goes on by itself"):
        world.history.load(path, WIDE, crash)
    world.history = world._open()
    assert world.history.wait(1)
    world.history.flush()
    assert len(world.history.twin("mill-1", T0 + HOUR)) == 3
    assert sum(f.rows for f in world.history.files() if f.table.startswith("reading")) == 7


def test_a_load_whose_staged_rows_were_lost_is_mended_by_loading_again(world: World, tmp_path: Path) -> None:
    def crash(change: Change) -> int:
        world.history.close()
        shutil.rmtree(staged_folder(world.folder / "history", change.id))
        return world.put([], [change])

    path = write_wide(tmp_path / "old.csv")
    with pytest.raises(Exception, match="goes on by itself"):
        world.history.load(path, WIDE, crash)
    world.history = world._open()
    world.history.flush()
    assert world.history.twin("mill-1", T0 + HOUR) == {}
    told = journal(world)
    loaded = world.history.load(path, WIDE, world.change)  # type: ignore[attr-defined]
    assert (loaded.rows, loaded.position, told) == (7, 1, [])
    assert len(world.history.twin("mill-1", T0 + HOUR)) == 3
    events = world.history.events(EventQuery(kinds=("history.",))).items
    assert [event.change.id for event in events] == [loaded.hash]


def test_a_mapping_or_source_that_does_not_fit_says_where(world: World, tmp_path: Path) -> None:
    journal(world)
    load = world.history.load
    path = write_wide(tmp_path / "old.csv")
    change = world.change  # type: ignore[attr-defined]
    with pytest.raises(NotFound, match=r"nothing\.csv"):
        load(tmp_path / "nothing.csv", WIDE, change)
    with pytest.raises(InvalidInput, match="it has when, temp_f"):
        load(path, Mapping(time="date", twin="mill-1", columns=WIDE.columns), change)
    bad = Mapping(time="when", twin="mill-1", columns=(Column(column="count", property="colour"),))
    with pytest.raises(InvalidDocument, match="colour"):
        load(path, bad, change)
    garbage = tmp_path / "garbage.parquet"
    garbage.write_bytes(b"not parquet at all")
    with pytest.raises(InvalidInput, match="cannot be read"):
        load(garbage, WIDE, change)
    assert not any((tmp_path / "history" / "loads").iterdir())


def test_times_without_an_offset_are_those_of_the_given_zone(world: World) -> None:
    journal(world)
    table = pa.table({"time": ["2024-07-01 12:00:00", "2024-07-01T12:00:00+05:00"], "t": [1.0, 2.0]})
    mapping = Mapping(twin="mill-1", time_zone="Europe/Berlin", columns=(Column(column="t", property="temperature"),))
    world.history.load(table, mapping, world.change)  # type: ignore[attr-defined]
    series = world.history.range("mill-1", "temperature", T0, T0 + 300 * DAY)
    assert [to_rfc3339(time) for time in series.columns["time"].tolist()] == [
        "2024-07-01T07:00:00Z",
        "2024-07-01T10:00:00Z",
    ]
