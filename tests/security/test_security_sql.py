"""SQL of users reads the fleet and its past, and reaches nothing else: no files, no network, no settings, no other
process."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from gemel.errors import InvalidQuery
from gemel.platform import Platform
from gemel.server import Server
from gemel.state import sql as sql_room

ESCAPES = [
    "SELECT * FROM read_text('{0}')",
    "SELECT * FROM read_blob('{0}')",
    "SELECT * FROM read_csv('{0}')",
    "SELECT * FROM read_csv_auto('{0}')",
    "SELECT * FROM read_json('{0}')",
    "SELECT * FROM read_json_objects('{0}')",
    "SELECT * FROM read_parquet('{0}')",
    "SELECT * FROM parquet_metadata('{0}')",
    "SELECT * FROM sniff_csv('{0}')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM '{0}'",
    'SELECT * FROM "{0}"',
    "FROM '{0}'",
    "SELECT * FROM sqlite_scan('{0}', 'account')",
    "SELECT * FROM postgres_scan('host=127.0.0.1', 'public', 'x')",
    "SELECT * FROM read_csv('http://127.0.0.1:1/x')",
    "SELECT * FROM 'https://127.0.0.1:1/x.parquet'",
    "SELECT * FROM 's3://bucket/x.parquet'",
    "SELECT getenv('HOME')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_databases()",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM sqlite_master",
    "SELECT current_setting('temp_directory')",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('{0}')",
    "SELECT (SELECT content FROM read_text('{0}'))",
    "WITH a AS (SELECT * FROM read_text('{0}')) SELECT * FROM a",
    "SELECT 1 WHERE EXISTS (FROM read_text('{0}'))",
    "ATTACH '{0}' AS x",
    "COPY (SELECT 1) TO '{0}.out'",
    "COPY (SELECT 1) TO PROGRAM 'sh'",
    "EXPORT DATABASE '{0}.out'",
    "IMPORT DATABASE '{0}'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "RESET enable_external_access",
    "PRAGMA database_list",
    "CREATE TABLE x AS SELECT 1",
    "CREATE MACRO m() AS TABLE SELECT * FROM read_text('{0}')",
    "CREATE SECRET s (TYPE s3)",
    "CALL pragma_version()",
    "EXPLAIN ANALYZE SELECT 1",
    "SELECT 1; ATTACH '{0}'",
]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("elsewhere") / "secret.csv"
    path.write_text("told\nhunter2\n")
    return path


@pytest.mark.parametrize("sql", ESCAPES)
def test_no_query_reaches_files_network_or_settings(admin: httpx.Client, target: Path, sql: str) -> None:
    text = sql.format(target)
    before = sorted(target.parent.iterdir())
    answer = admin.post("/api/v1/query", json={"sql": text})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-query"), text
    assert "hunter2" not in answer.text
    assert sorted(target.parent.iterdir()) == before


def test_the_platforms_own_files_are_out_of_reach_too(platform: Platform) -> None:
    for name in ("gemel.sqlite", "gemel.owner", "secrets/x"):
        for function in ("read_blob", "read_text", "read_parquet"):
            with pytest.raises(InvalidQuery):
                platform.query(f"SELECT * FROM {function}('{platform.folder.path / name}')")


def test_the_engine_refuses_by_itself_what_the_check_would_let_pass(platform: Platform, target: Path) -> None:
    """Two walls: the engine that runs a query has its doors shut, whatever was checked before."""
    import duckdb

    with platform.state._sql._cursor({}) as cursor:
        for sql in (
            f"SELECT * FROM read_text('{target}')",
            f"COPY (SELECT 1) TO '{target}.out'",
            "SET enable_external_access = true",
            "INSTALL httpfs",
        ):
            with pytest.raises(duckdb.Error):
                cursor.execute(sql)


def test_only_who_may_query_does(as_role: Callable[[str], httpx.Client]) -> None:
    assert as_role("").post("/api/v1/query", json={"sql": "SELECT 1"}).status_code == 401


def test_a_query_ends_when_its_caller_goes(
    server: Server, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks and hangs up keeps none of the few threads for queries."""
    begun: queue.Queue[threading.Thread] = queue.Queue()
    run = sql_room._Watch.run

    def noted(self: threading.Thread) -> None:
        self._timeout_s = 3_600.0  # type: ignore[attr-defined]  # only its caller ends it
        begun.put(self)
        run(self)  # type: ignore[arg-type]

    monkeypatch.setattr(sql_room._Watch, "run", noted)
    body = b'{"sql": "SELECT count(*) FROM range(1000000) a, range(1000000) b"}'
    head = f"POST /api/v1/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {tokens['viewer']}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.services.port), timeout=60) as caller:
        caller.sendall(head.encode() + body)
        watch = begun.get(timeout=60)
        assert watch.is_alive()
    watch.join(timeout=60)
    assert not watch.is_alive()


def test_a_query_whose_answer_is_kept_for_later_goes_on(admin: httpx.Client) -> None:
    headers = {"Idempotency-Key": "query-once"}
    answer = admin.post("/api/v1/query", json={"sql": "SELECT 41 + 1 AS x"}, headers=headers)
    assert answer.json()["rows"] == [[42]]
