"""Dropped files: every form, damaged and hostile ones, repeats, and a crash in the middle."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import gzip
import io
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemel.clock import parse_time
from gemel.connectors.columns import Columns, Moments
from gemel.connectors.folder import FolderSettings, FolderSource
from gemel.connectors.folder.reading import form_of, rows_of
from gemel.connectors.reach import Reach
from gemel.errors import InvalidInput
from gemel.testing.connectors import RecordingPort, SourceContract
from gemel.twin import Binding, ConnectorSpec, Kind, Plant, PropertyType, TwinSpec, TwinType
from tests.connectors.house import House

WIDE = (Binding(address="load", twin="{machine}", property="load"),)
HEAD = "time,machine,load\n"


class TestContract(SourceContract):
    plugin = FolderSource
    settings = {"path": "elsewhere"}  # noqa: RUF012
    bindings = WIDE


class Drop:
    """The inbox of a plant, and a connector that looks into it."""

    def __init__(self, plant: Path) -> None:
        self.folder = plant / "inbox" / "press"
        self.folder.mkdir(parents=True)
        self.port = RecordingPort(reach=Reach.of(plant), kinds={("a", "load"): Kind.NUMBER})

    def put(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def names(self, where: str) -> list[str]:
        return sorted(path.name for path in (self.folder / where).iterdir())

    def reason(self, name: str, where: str = "rejected") -> str:
        return (self.folder / where / f"{name}.reason.txt").read_text()

    @contextlib.asynccontextmanager
    async def taken(self, *names: str, **more: Any) -> AsyncIterator[None]:
        """Within: `names` were put aside."""
        told = {"path": "inbox/press", "every_s": 0.05, "settle_s": 0, **more}
        task = asyncio.create_task(FolderSource(msgspec.convert(told, FolderSettings), WIDE).run(self.port))
        try:
            await self.port.until(lambda: not any(os.path.lexists(self.folder / name) for name in names))
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])


@pytest.fixture
def drop(tmp_path: Path) -> Drop:
    return Drop(tmp_path)


def parquet(rows: int) -> pa.Table:
    start = parse_time("2024-01-01T00:00:00Z") * 1000
    return pa.table(
        {
            "time": pa.array([start + i for i in range(rows)], pa.timestamp("ns", "UTC")),
            "machine": ["a"] * rows,
            "load": [float(i) for i in range(rows)],
        }
    )


def arrow(table: pa.Table, maker: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with maker(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


async def test_every_form_is_read(drop: Drop, tmp_path: Path):
    csv = HEAD + "2024-01-01T00:00:00Z,a,1\n2024-01-01T00:00:01Z,a,\n"
    drop.put("1.csv", "\ufeff" + csv)
    drop.put("2.csv.gz", gzip.compress(csv.replace(",1\n", ",2\n").encode()))
    drop.put("3.jsonl", '{"time": "2024-01-01T00:00:02Z", "machine": "a", "load": 3}\n\n')
    pq.write_table(parquet(2), drop.folder / "4.parquet")
    drop.put("5.arrow", arrow(parquet(3), pa.ipc.new_stream))
    drop.put("6.arrow", arrow(parquet(4), pa.ipc.new_file))
    async with drop.taken("1.csv", "2.csv.gz", "3.jsonl", "4.parquet", "5.arrow", "6.arrow"):
        assert len(drop.names("done")) == 6
        assert drop.names("rejected") == []
    values = [reading.value for reading in drop.port.readings]
    assert sorted(values) == sorted([1.0, 2.0, 3, 0, 1, 0, 1, 2, 0, 1, 2, 3])
    assert {reading.twin for reading in drop.port.readings} == {"a"}
    assert drop.port.readings[0].time == parse_time("2024-01-01T00:00:00Z")


async def test_rows_that_cannot_be_read_are_told_by_number_and_the_rest_is_taken(drop: Drop):
    drop.put("x.csv", HEAD + "2024-01-01,a,1\nyesterday,a,2\n2024-01-01,a,3,4\n2024-01-01,,5\n2024-01-02,a,6\n")
    async with drop.taken("x.csv"):
        told = drop.reason("x.csv", "done").splitlines()
    assert [reading.value for reading in drop.port.readings] == [1.0, 6.0]
    assert [line.partition(":")[0] for line in told] == ["row 3", "row 4", "row 5"]


async def test_a_file_with_decimal_commas_and_umlauts_is_read_as_its_country_writes(tmp_path: Path):
    drop = Drop(tmp_path)
    drop.port = RecordingPort(reach=Reach.of(tmp_path), kinds={("prässe", "load"): Kind.NUMBER})
    rows = ["12,5", "1.234,5", "-7", "1.234.567", "2,5e3", "12.5", "1.23,4", "n/a"]
    lines = "time;machine;load\n" + "".join(f"2024-01-01T00:00:0{n};pr\u00e4sse;{row}\n" for n, row in enumerate(rows))
    drop.put("de.csv", lines.encode("cp1252"))
    async with drop.taken("de.csv", delimiter=";", decimal=",", encoding="cp1252"):
        assert [one.value for one in drop.port.readings] == [12.5, 1234.5, -7, 1_234_567, 2500, "12.5", "1.23,4", "n/a"]
    assert {one.twin for one in drop.port.readings} == {"pr\u00e4sse"}


async def test_the_same_content_is_taken_once_and_another_one_of_that_name_again(drop: Drop):
    content = HEAD + "2024-01-01,a,1\n"
    for name, text in (
        ("x.csv", content),
        ("x.csv", content),
        ("y.csv", content),
        ("x.csv", content + "2024-01-02,a,2\n"),
    ):
        drop.put(name, text)
        async with drop.taken(name):
            pass
    assert [reading.value for reading in drop.port.readings] == [1.0, 1.0, 2.0]
    assert drop.names("done") == [
        "1-x.csv",
        "1-x.csv.reason.txt",
        "2-x.csv",
        "x.csv",
        "y.csv",
        "y.csv.reason.txt",
    ]
    assert "before" in drop.reason("y.csv", "done")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", "", "no column"),
        ("a.csv", "time,load\n2024-01-01,1\n", "no column 'machine'"),
        ("a.csv", HEAD + 'x,"unclosed\n', "damaged"),
        ("a.csv", HEAD + "x" * 2_000_000, "line is longer"),
        ("a.csv.gz", gzip.compress((HEAD + "2024-01-01,a,1\n" * 5_000).encode())[:-20], "damaged"),
        ("a.csv.gz", gzip.compress((HEAD + "2024-01-01,b,1\n" * 400_000).encode()), "maximum_bytes"),
        ("a.csv.gz", b"no gzip", "damaged"),
        ("a.parquet", b"PAR1 and then nothing", "damaged"),
        ("a.arrow", b"ARROW1" + bytes(50), "damaged"),
        ("a.arrow", arrow(parquet(5_000), pa.ipc.new_stream)[:-3_000], "damaged"),
        ("a.exe", b"MZ", "ends in none of"),
        ("a.jsonl", "[1]\n{\n", "row 1: not a JSON object"),
    ],
)
async def test_a_file_that_cannot_be_read_is_rejected_with_the_reason(
    drop: Drop, name: str, content: str | bytes, reason: str
):
    drop.put(name, content)
    async with drop.taken(name, maximum_bytes=4_000_000):
        assert drop.names("rejected") == [name, f"{name}.reason.txt"]
        assert reason in drop.reason(name)


async def test_hostile_names_and_links_do_no_harm(drop: Drop, tmp_path: Path):
    (tmp_path / "secret.csv").write_text(HEAD + "2024-01-01,a,7\n")
    (drop.folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    os.mkfifo(drop.folder / "pipe.csv")
    names = ["link.csv", "pipe.csv", "new\nline.csv", "-rf.csv", "é" * 120 + ".csv", "$(reboot).csv"]
    for name in names[2:]:
        drop.put(name, HEAD + f"2024-01-01,a,{len(name)}\n")
    drop.put(os.fsdecode(b"\xff\xfe.csv"), HEAD + "2024-01-01,a,0\n")
    async with drop.taken(*names, os.fsdecode(b"\xff\xfe.csv")):
        assert "links are not followed" in drop.reason("link.csv")
        assert "no plain file" in drop.reason("pipe.csv")
    assert sorted(reading.value for reading in drop.port.readings) == sorted([0.0, *(float(len(n)) for n in names[2:])])


async def test_what_is_still_being_written_is_left_alone(drop: Drop):
    for name in (".hidden.csv", "a.csv.part", "b.tmp", "~c.csv"):
        drop.put(name, HEAD)
    drop.put("z.csv", HEAD + "2024-01-01,a,1\n")
    async with drop.taken("z.csv"):
        left = sorted(path.name for path in drop.folder.iterdir() if path.is_file())
    assert left == [".hidden.csv", "a.csv.part", "b.tmp", "~c.csv"]


@pytest.mark.parametrize("path", ["/etc", "inbox/../secrets", "logs", "inbox/out"])
async def test_no_other_folder_is_reached(tmp_path: Path, path: str):
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "out").symlink_to("/tmp")
    with pytest.raises(InvalidInput, match="inbox"):
        await FolderSource(FolderSettings(path=path), WIDE).run(RecordingPort(reach=Reach.of(tmp_path)))


@given(
    st.lists(
        st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8), st.floats()), max_size=30
    )
)
def test_csv_comes_back_as_it_was_written(tmp_path_factory: Any, rows: list[tuple[str, float]]):

    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["machine", "load"])
    writer.writerows([(name, repr(value)) for name, value in rows])
    columns = Columns([Binding(address="load", twin="{machine}", property="load")], "", Moments("rfc3339", "UTC"))
    raw = io.BytesIO(out.getvalue().encode())
    found = [row for _, row in rows_of(raw, ".csv", FolderSettings(path="inbox/a"), columns)]
    assert [(row["machine"], row["load"]) for row in found] == [(name, repr(value)) for name, value in rows]  # type: ignore[index]


def test_what_a_name_says():
    assert [form_of(name) for name in ("A.CSV", "a.csv.gz", "a.parquet.gz", "a.gz", "csv")] == [
        ".csv",
        ".csv.gz",
        "",
        "",
        "",
    ]


def test_a_crash_in_the_middle_of_a_file_loses_nothing_and_doubles_nothing(tmp_path: Path):
    count = 30_000
    start = parse_time("2024-01-01T00:00:00Z")
    plant = Plant(
        types=(TwinType(id="press", properties=(PropertyType(name="load"),)),),
        twins=(TwinSpec(id="a", types=("press",)),),
    )
    settings = {"path": "inbox/press", "every_s": 0.05, "settle_s": 0, "time_format": "us"}
    spec = ConnectorSpec(id="files", kind="folder", settings=settings, bindings=WIDE)
    folder = tmp_path / "inbox" / "press"
    folder.mkdir(parents=True)
    (folder / "big.csv").write_text(HEAD + "".join(f"{start + i},a,{i}\n" for i in range(count)))
    for turn in range(4):
        house = House(tmp_path)
        if not turn:
            house.introduce(plant)
        before = len(house.readings("a", "load"))
        house.run([spec])
        if turn < 3:
            house.until(lambda: len(house.readings("a", "load")) > before)  # noqa: B023 - asked at once
        else:
            house.until(lambda: (folder / "done" / "big.csv").exists())
        house.close()
    house = House(tmp_path)
    found = [value for _, value in house.readings("a", "load")]
    house.close()
    assert found == [float(i) for i in range(count)]
