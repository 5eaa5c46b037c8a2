"""Other programs read the history while it is written; exports; events."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from gemel.clock import SECOND
from gemel.errors import InvalidInput, InvalidQuery
from gemel.history import EventQuery, Pace, Settings, Upkeep
from gemel.twin import Change, Quality
from tests.history.conftest import PROPERTIES
from tests.history.world import T0, Cast, World

OUTSIDE = """
import duckdb, sys
from gemel.history.extensions import load      # or: INSTALL ducklake; INSTALL sqlite; where there is a network
connection = duckdb.connect()
load(connection, "ducklake", "sqlite")
connection.execute(f"ATTACH 'ducklake:sqlite:{sys.argv[1]}/catalogue.sqlite' AS lake (READ_ONLY)")
print(connection.execute("SELECT count(*), sum(value) FROM lake.reading").fetchone())
"""


def test_plain_duckdb_in_another_process_reads_the_lake_while_it_is_written(world: World) -> None:
    for n in range(3):
        world.put([("mill-1", "temperature", T0 + n * SECOND, float(n))])
        world.history.flush()
        run = [sys.executable, "-c", OUTSIDE, str(world.folder / "history")]
        answer = subprocess.run(run, capture_output=True, text=True, check=True)
        assert answer.stdout.strip() == str((n + 1, float(sum(range(n + 1)))))


def test_pandas_reads_the_published_files_also_after_merging(tmp_path: Path) -> None:
    settings = Settings(pace=Pace(commit_s=3600), upkeep=Upkeep(merge_files=2))
    world = World(tmp_path, Cast(PROPERTIES, ["mill-1"]), settings=settings)
    try:
        for n in range(5):
            world.put([("mill-1", "temperature", T0 + n * SECOND, float(n))])
            world.history.flush()
            if n == 3:
                assert world.history.upkeep()
            folder = world.folder / "history"
            index = json.loads((folder / "files.json").read_text())
            columns = ["series", "time", "value", "position"]
            frames = [pd.read_parquet(folder / f["path"], columns=columns) for f in index["files"]]
            frame = pd.concat(frames).sort_values("time")
            assert frame["value"].tolist() == [float(i) for i in range(n + 1)]
            assert index["position"] == n + 1
            assert frame["time"].iloc[0] == pd.Timestamp("2024-01-01")
    finally:
        world.close()


@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow"])
def test_an_export_holds_every_reading_as_it_is(world: World, tmp_path: Path, kind: str) -> None:
    world.put(
        [
            ("mill-1", "temperature", T0, 20.5),
            ("mill-1", "temperature", T0 + 1, None, Quality.UNAVAILABLE),
            ("mill-1", "parts", T0, 2**53 + 1),
            ("mill-1", "vibration", T0, [1.0, 2.5]),
            ("mill-1", "execution", T0, 'AC"TI,VE'),
        ]
    )
    world.history.flush()
    world.put([("mill-1", "temperature", T0 + 2, 21.0)])
    world.history.wait(6)
    target, parts = tmp_path / f"out.{kind}", []
    names = ["temperature", "parts", "vibration", "execution"]
    selection = [("mill-1", name) for name in names]
    rows = world.history.export(selection, T0, T0 + 10, target, format=kind, progress=parts.append)
    table: Any
    if kind == "csv":
        table = pa_csv.read_csv(target)
    elif kind == "parquet":
        table = pq.read_table(target)
    else:
        with pa.ipc.open_stream(target) as reader:
            table = reader.read_all()
    assert (rows, table.num_rows, parts[-1]) == (6, 6, 1.0)
    assert table.column("number").to_pylist()[:3] == [20.5, None, 21.0]
    assert table.column("integer").to_pylist()[3] == 2**53 + 1
    assert table.column("text").to_pylist()[4:] == ["[1.0,2.5]", 'AC"TI,VE']
    assert table.column("quality").to_pylist()[1] == "unavailable"
    assert not list(tmp_path.glob("*.part"))


def test_an_unknown_export_format_is_refused(world: World, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="csv, parquet or arrow"):
        world.history.export([("mill-1", "parts")], T0, T0 + 1, tmp_path / "x", format="xls")


def test_events_come_in_pages_from_files_and_memory(world: World) -> None:
    for n in range(10):
        kind = "event.happened" if n % 2 else "twin.changed"
        world.put([], [Change(kind=kind, subject=f"mill-{n % 3}", time=T0 + n, body={"n": n})])
        if n == 5:
            world.history.flush()
    world.history.wait(10)
    query = EventQuery(limit=3)
    found: list[int] = []
    while True:
        page = world.history.events(query)
        found += [fact.change.body["n"] for fact in page.items]
        if page.next is None:
            break
        query = EventQuery(limit=3, cursor=page.next)
    assert found == list(range(9, -1, -1))
    asked = EventQuery(kinds=("event.",), twins=("mill-1",), start=T0 + 1, end=T0 + 8, newest_first=False)
    assert [fact.change.body["n"] for fact in world.history.events(asked).items] == [1, 7]
    with pytest.raises(InvalidQuery, match="not a cursor"):
        world.history.events(EventQuery(cursor="x"))


def test_users_sql_joins_the_history_with_the_live_fleet(world: World) -> None:
    from gemel.state import State

    world.put([("mill-1", "temperature", T0 + n * SECOND, float(n)) for n in range(5)])

    class NoParts:
        def parts(self, twins: Sequence[str], depth: int | None) -> list[str]:
            return []

        def roots(self, type_id: str | None) -> list[str]:
            return []

    state = State(world.directory, world.clock, blocks=world.journal.blocks, composition=NoParts())
    try:
        query = (
            "SELECT twin, property, unit, max(value) AS top FROM history.reading JOIN history.series USING (series) "
            "GROUP BY ALL"
        )
        world.history.wait(world.journal.head().position)
        before = state.sql(query, world.history.relations()).to_pylist()
        world.history.flush()
        after = state.sql(query, world.history.relations()).to_pylist()
        assert before == after == [{"twin": "mill-1", "property": "temperature", "unit": "Cel", "top": 4.0}]
    finally:
        state.close()
