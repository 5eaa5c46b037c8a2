"""SQL polling: a SQLite file and PostgreSQL; rows in any order of commit, restarts, limits, what may not be done."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.pool import NullPool

from gemel.clock import parse_time
from gemel.connectors.base import check
from gemel.connectors.reach import Reach
from gemel.connectors.sql import SqlSettings, SqlSource
from gemel.connectors.sql.rows import RowReader
from gemel.errors import GemelError, InvalidInput
from gemel.testing.connectors import RecordingPort, SourceContract
from gemel.testing.postgres import PostgresServer, postgres
from gemel.twin import Binding, ConnectorSpec, Plant, PropertyType, TwinSpec, TwinType
from tests.connectors.house import House

__all__ = ["postgres"]
QUERY = "SELECT id, ts, machine, load FROM log WHERE id > :after ORDER BY id"
BINDING = Binding(address="load", twin="{machine}", property="load")


class TestContract(SourceContract):
    plugin = SqlSource
    settings = {"url": "postgresql+psycopg://127.0.0.1:1/none", "query": QUERY, "key": "id"}  # noqa: RUF012
    bindings = (BINDING,)


class Mes:
    """A database of somebody else, in the plant's inbox."""

    def __init__(self, folder: Path) -> None:
        (folder / "inbox").mkdir(exist_ok=True)
        self.path = folder / "inbox" / "mes.sqlite"
        self.reach = Reach.of(folder)
        self.run("CREATE TABLE IF NOT EXISTS log (id INTEGER, ts TEXT, machine TEXT, load REAL)")

    def run(self, statement: str, *rows: tuple[Any, ...]) -> None:
        with contextlib.closing(sqlite3.connect(self.path)) as connection, connection:
            if rows:
                connection.executemany(statement, rows)
            else:
                connection.execute(statement)

    def add(self, *rows: tuple[Any, ...]) -> None:
        self.run("INSERT INTO log VALUES (?, ?, ?, ?)", *rows)


@pytest.fixture
def mes(tmp_path: Path) -> Mes:
    return Mes(tmp_path)


def source(*bindings: Binding, **more: Any) -> SqlSource:
    told = {"url": "sqlite:///inbox/mes.sqlite", "query": QUERY, "key": "id", "time": "ts", "every_s": 0.1, **more}
    return SqlSource(msgspec.convert(told, SqlSettings), bindings or (BINDING,))


@contextlib.asynccontextmanager
async def running(made: SqlSource, port: RecordingPort) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(made.run(port))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def day(number: int) -> str:
    return f"2024-01-{number:02d} 00:00:00"


async def test_rows_become_readings_with_their_time_and_new_ones_follow(mes: Mes):
    mes.add((1, day(1), "press-7", 4.5), (2, day(2), "press-8", None))
    port = RecordingPort(reach=mes.reach)
    async with running(source(time_zone="Europe/Berlin"), port):
        await port.until(lambda: port.readings)
        mes.add((3, day(3), "press-8", 5.0))
        await port.until(lambda: len(port.readings) == 2)
    assert [(r.twin, r.value) for r in port.readings] == [("press-7", 4.5), ("press-8", 5.0)]
    assert port.readings[0].time == parse_time("2023-12-31T23:00:00Z")
    assert port.heartbeats >= 2


async def test_a_long_table_names_its_properties_itself(mes: Mes):
    mes.run("CREATE TABLE long (id INTEGER, twin TEXT, name TEXT, value REAL)")
    mes.run("INSERT INTO long VALUES (?, ?, ?, ?)", (1, "a", "load", 1.0), (2, "b", "speed", 2.0))
    port = RecordingPort(reach=mes.reach)
    made = source(
        Binding(address="value", twin="{twin}", property="{name}"),
        query="SELECT * FROM long WHERE id > :after ORDER BY id",
        time="",
    )
    async with running(made, port):
        await port.until(lambda: len(port.readings) == 2)
    assert [(r.twin, r.property, r.value, r.time) for r in port.readings] == [
        ("a", "load", 1.0, None),
        ("b", "speed", 2.0, None),
    ]


async def test_a_backlog_is_taken_in_batches_without_a_pause_between(mes: Mes):
    mes.add(*[(number, day(1), "a", float(number)) for number in range(1, 26)])
    port = RecordingPort(reach=mes.reach)
    async with running(source(limit=10, every_s=3600), port):
        await port.until(lambda: len(port.readings) == 25)
    assert [r.value for r in port.readings] == [float(number) for number in range(1, 26)]


async def test_rows_of_one_time_are_told_apart_by_their_id_and_late_ones_are_found(mes: Mes):
    made = source(
        query="SELECT * FROM log WHERE ts >= :after ORDER BY ts",
        key="ts",
        id=["machine"],
        start="2024-01-01 00:00:00",
        limit=2,
    )
    mes.add((0, day(1), "a", 1.0), (0, day(1), "b", 2.0), (0, day(1), "c", 3.0), (0, day(2), "a", 4.0))
    port = RecordingPort(reach=mes.reach)
    async with running(made, port):
        await port.until(lambda: 4.0 in [r.value for r in port.readings])
        mes.add((0, day(2), "late", 5.0))
        await port.until(lambda: 5.0 in [r.value for r in port.readings])
    assert len({m.id for m in port.messages if m.readings}) == 5


@pytest.mark.parametrize(
    ("query", "reason", "timeout_s"),
    [
        ("SELECT * FROM log WHERE id > :after ORDER BY id DESC", "ORDER BY", 60.0),
        ("SELECT id, ts, machine FROM log WHERE id > :after ORDER BY id", "no column 'load'", 60.0),
        ("SELECT * FROM nowhere WHERE id > :after", "no such table", 60.0),
        ("DELETE FROM log WHERE id > :after RETURNING *", "readonly", 60.0),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
            "SELECT id, ts, machine, load FROM log, n WHERE id > :after AND i < 0",
            "interrupted",
            0.2,
        ),
    ],
)
async def test_a_query_that_cannot_be_served_says_why(mes: Mes, query: str, reason: str, timeout_s: float):
    mes.add((1, day(1), "a", 1.0), (2, day(1), "a", 2.0))
    port = RecordingPort(reach=mes.reach)
    async with running(source(query=query, timeout_s=timeout_s), port) as task:
        with pytest.raises(Exception, match=reason):
            await asyncio.wait_for(task, 60)
    assert not port.messages


async def test_a_database_elsewhere_on_this_machine_is_out_of_reach(tmp_path: Path):
    for url in ("sqlite:////etc/passwd", "sqlite:///inbox/../gemel.sqlite", "sqlite:///gemel.sqlite"):
        port = RecordingPort(reach=Reach.of(tmp_path))
        async with running(source(url=url), port) as task:
            with pytest.raises(InvalidInput, match="inbox"):
                await asyncio.wait_for(task, 60)


async def test_a_row_without_a_time_is_refused_alone(mes: Mes):
    mes.add((1, "yesterday", "a", 1.0), (2, day(2), "a", 2.0))
    port = RecordingPort(reach=mes.reach)
    async with running(source(), port):
        await port.until(lambda: port.readings)
    assert [r.value for r in port.readings] == [2.0]
    assert "'yesterday' is no time" in port.rejected[0][0]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"url": "postgresql://me:secret@host/db"}, "no user or password"),
        ({"url": "postgresql://host/db?password=x"}, "no user or password"),
        ({"url": "access:///x"}, "not supported"),
        ({"query": "SELECT 1"}, ":after"),
        ({"start": "soon"}, "write it like"),
        ({"time_zone": "Mars/Base"}, "no time zone"),
    ],
)
def test_settings_that_cannot_be_are_told_at_apply(told: dict[str, Any], reason: str):
    spec = ConnectorSpec(id="a", kind="sql", settings={**TestContract.settings, **told}, bindings=(BINDING,))
    (problem,) = check(spec)
    assert reason in problem.message
    assert "secret@" not in problem.message


@given(st.integers(0, 2**52), st.sampled_from(["2024-01-01T00:00:00Z", "2024-01-01 00:00:00", "2024-01-01T00:00:00"]))
@settings(max_examples=200)
def test_what_is_asked_after_is_the_key_that_came(micros: int, start: str):
    made = SqlSettings(url="sqlite:///inbox/a", query=":after", key="k", start=start, time_zone="Asia/Tokyo")
    reader = RowReader(made, [])
    assert reader.key({"k": reader.after(micros)}) == micros


def test_a_restart_loses_nothing_and_doubles_nothing_whatever_was_committed_late(tmp_path: Path):
    mes = Mes(tmp_path)
    plant = Plant(
        types=(TwinType(id="press", properties=(PropertyType(name="load"),)),),
        twins=(TwinSpec(id="press", types=("press",)),),
    )
    spec = ConnectorSpec(
        id="mes",
        kind="sql",
        settings={
            "url": "sqlite:///inbox/mes.sqlite",
            "query": QUERY,
            "key": "id",
            "time": "ts",
            "every_s": 0.1,
            "overlap": 50,
            "limit": 7,
        },
        bindings=(Binding(address="load", twin="press", property="load"),),
    )
    wanted: list[float] = []
    for turn in range(3):
        house = House(tmp_path)
        if not turn:
            house.introduce(plant)
        house.run([spec])
        first = turn * 20 + 1
        numbers = [number for number in range(first, first + 20) if number != first + 5]
        late = [first - 20 + 5] if turn else []  # this one was committed long after its neighbours
        mes.add(*[(number, day(1), "press", float(number)) for number in [*late, *numbers]])
        wanted += [float(number) for number in [*late, *numbers]]
        house.until(lambda: len(house.readings("press", "load")) >= len(wanted))  # noqa: B023 - asked at once
        house.close()
    house = House(tmp_path)
    house.run([spec])
    mes.add((1000, day(1), "press", 1000.0))
    house.until(lambda: house.value("press", "load") == 1000.0)
    found = [value for _, value in house.readings("press", "load")]
    house.close()
    assert sorted(found) == sorted([*wanted, 1000.0])


@pytest.mark.postgres
async def test_postgresql_is_read_with_its_times_and_nothing_is_written(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    url = sa.make_url(postgres.create())
    engine = sa.create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE log (ts timestamptz, machine text, load numeric)"))
        connection.execute(sa.text("CREATE SEQUENCE counter"))
        connection.execute(sa.text("INSERT INTO log VALUES ('2024-05-01T10:00:00+02', 'a', 1.5), (now(), 'b', 2)"))
    monkeypatch.setenv("GEMEL_SECRET_SQL", url.password or "unused")
    told = {
        "url": sa.URL.create(
            url.drivername, host=url.host, port=url.port, database=url.database, query=url.query
        ).render_as_string(),
        "user": url.username,
        "password": {"env": "GEMEL_SECRET_SQL"},
        "key": "ts",
        "id": ["machine"],
        "time": "",
        "start": "2024-01-01T00:00:00Z",
    }
    query = "SELECT * FROM log WHERE ts >= :after ORDER BY ts"
    port = RecordingPort()
    async with running(source(query=query, **told), port):
        await port.until(lambda: len(port.readings) >= 2)
        with engine.begin() as connection:
            connection.execute(sa.text("INSERT INTO log VALUES (now(), 'c', 3.25)"))
        await port.until(lambda: port.readings[-1].value == 3.25)
    assert port.readings[0].time == parse_time("2024-05-01T08:00:00Z")
    assert port.readings[0].value == 1.5
    for bad, reason, timeout_s in (
        ("SELECT *, nextval('counter') FROM log WHERE ts >= :after ORDER BY ts", "read-only", 60.0),
        ("SELECT *, pg_sleep(60) FROM log WHERE ts >= :after ORDER BY ts", "statement timeout", 0.5),
    ):
        async with running(source(query=bad, **told, timeout_s=timeout_s), RecordingPort()) as task:
            with pytest.raises((sa.exc.DBAPIError, GemelError), match=reason):
                await asyncio.wait_for(task, 60)
    engine.dispose()
