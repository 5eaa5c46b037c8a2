"""SQL over the live fleet: users' SELECTs, checked, over views that are made for each query."""

from __future__ import annotations

import mmap
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import msgspec
import pyarrow as pa

from gemel.errors import InvalidQuery, UnknownType
from gemel.state.core import Core
from gemel.state.live import Projection, live_table
from gemel.state.sql_check import Checked, check

__all__ = ["Files", "Relation", "Sql"]

MAX_TEXT = 100_000
"""Characters of a query."""
MOST_GROWTH = 1_500_000_000
"""Bytes by which the process may grow while a query runs: DuckDB's limit does not count what functions make."""
WATCH_S = 0.05
_STATM = Path("/proc/self/statm")


class Files(msgspec.Struct, frozen=True):
    """A relation that lies in files: `select` is our own SQL, over files in `folder` only."""

    select: str
    folder: Path
    tail: pa.Table | None = None
    """Rows that are not in files yet, with the same columns in the same order."""
    seen: pa.Table | None = None
    """What a reader may see of them, in any form; for `through`."""
    through: str = ""
    """With `seen`: our own SELECT that lets through what may be seen, of `{rows}` by `{seen}`."""


Relation: TypeAlias = pa.Table | Files | Callable[[], pa.Table | Files]
"""What a name other than `live.<type>` means; a callable is asked when a query names it."""


class Sql:
    """Runs users' queries. Thread-safe; each query has its own cursor, and its own memory and time limit."""

    def __init__(self, core: Core, *, memory: str = "1GB", threads: int = 2) -> None:
        self._core = core
        self._settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory,
            "threads": str(threads),
            "temp_directory": "",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
        }
        self._lock = threading.Lock()
        self._engines: dict[frozenset[Path], duckdb.DuckDBPyConnection] = {}

    def run(
        self,
        text: str,
        relations: Mapping[str, Relation],
        *,
        project: Callable[[str], Projection | None] | None = None,
        limit: int = 100_000,
        timeout_s: float = 30.0,
        unwanted: threading.Event | None = None,
    ) -> pa.Table:
        """The answer; see `State.sql`."""
        if len(text) > MAX_TEXT:
            raise InvalidQuery(f"the query has {len(text)} characters, at most {MAX_TEXT} are read")
        names = {name.lower(): name for name in relations}

        def known(schema: str, name: str) -> bool:
            if schema.lower() == "live":
                return name in self._core.layout.by_type and (project is None or project(name) is not None)
            return (f"{schema}.{name}" if schema else name).lower() in names

        def listed() -> Iterator[str]:
            yield from names.values()
            types = sorted(name for name in self._core.layout.by_type if known("live", name))
            yield from (f"live.{name}" if name.isidentifier() else f'live."{name}"' for name in types)

        try:
            checked = check(text, self._parse, known, limit=limit + 1, views=listed)
        except RecursionError:
            raise InvalidQuery("the query is nested too deeply") from None
        with ExitStack() as stack:
            position = self._core.position
            views = {
                called: self._live(stack, name, checked, project)
                if schema.lower() == "live"
                else _made(relations[names[(f"{schema}.{name}" if schema else name).lower()]])
                for (schema, name), called in checked.views.items()
            }
            with self._cursor(views) as cursor:
                answer = _within(cursor, checked, timeout_s, unwanted)
        truncated = len(answer) > limit
        told = {"gemel.position": str(position), "gemel.truncated": str(truncated).lower()}
        return (answer.slice(0, limit) if truncated else answer).replace_schema_metadata(told)

    def close(self) -> None:
        with self._lock:
            for engine in self._engines.values():
                engine.close()
            self._engines.clear()

    def _live(
        self, stack: ExitStack, type_id: str, checked: Checked, project: Callable[[str], Projection | None] | None
    ) -> pa.Table:
        columns = checked.columns

        def wants(name: str) -> bool:
            return name.strip() in columns or (checked.every_column and not name.startswith(" "))

        projection = project(type_id) if project is not None else None
        try:
            return stack.enter_context(live_table(self._core, type_id, wants=wants, projection=projection))
        except UnknownType as error:
            raise InvalidQuery(error.detail) from None

    def _parse(self, text: str) -> str:
        with self._cursor({}) as cursor:
            found = cursor.execute("SELECT json_serialize_sql(?)", [text]).fetchone()
        assert found is not None
        return str(found[0])

    @contextmanager
    def _cursor(self, views: Mapping[str, pa.Table | Files]) -> Iterator[duckdb.DuckDBPyConnection]:
        folders = frozenset(view.folder.resolve() for view in views.values() if isinstance(view, Files))
        cursor = self._engine(folders).cursor()
        try:
            for name, view in views.items():
                if isinstance(view, Files):
                    select = view.select
                    if view.tail is not None:
                        cursor.register(f"{name} tail", view.tail)
                        select = f'{select} UNION ALL SELECT * FROM "{name} tail"'
                    if view.seen is not None:
                        cursor.register(f"{name} seen", view.seen)
                        select = view.through.replace("{rows}", f"({select})").replace("{seen}", f'"{name} seen"')
                    cursor.execute(f'CREATE TEMP VIEW "{name}" AS {select}')
                else:
                    cursor.register(name, view)
            yield cursor
        finally:
            cursor.close()

    def _engine(self, folders: frozenset[Path]) -> duckdb.DuckDBPyConnection:
        with self._lock:
            engine = self._engines.get(folders)
            if engine is None:
                engine = duckdb.connect(":memory:", config=self._settings)
                allowed = ", ".join("'" + str(folder).replace("'", "''") + "'" for folder in sorted(folders))
                engine.execute(f"SET allowed_directories = [{allowed}]")
                engine.execute("SET enable_external_access = false")
                engine.execute("SET lock_configuration = true")
                self._engines[folders] = engine
            return engine


def _made(relation: Relation) -> pa.Table | Files:
    return relation() if callable(relation) else relation


def _within(
    cursor: duckdb.DuckDBPyConnection, checked: Checked, timeout_s: float, unwanted: threading.Event | None
) -> Any:
    watch = _Watch(cursor, timeout_s, unwanted)
    watch.start()
    try:
        encoded = msgspec.json.encode(checked.tree).decode()
        row = cursor.execute("SELECT json_deserialize_sql(?::JSON)", [encoded]).fetchone()
        assert row is not None
        return cursor.execute(row[0]).to_arrow_table()
    except duckdb.InterruptException:
        if watch.too_large:
            raise InvalidQuery("the query needs more memory than it may have; ask for less, or in parts") from None
        if unwanted is not None and unwanted.is_set():
            raise InvalidQuery("the query was given up: nobody waits for its answer") from None
        raise InvalidQuery(f"the query took longer than {timeout_s:g} s; ask for less, or in parts") from None
    except duckdb.OutOfMemoryException:
        raise InvalidQuery("the query needs more memory than it may have; ask for less, or in parts") from None
    except duckdb.Error as error:
        raise InvalidQuery(f"the query cannot be answered: {_told(error)}") from None
    finally:
        watch.stop()


class _Watch(threading.Thread):
    """Interrupts a query that takes too long, that nobody wants any more, or while which the process grows too much."""

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, timeout_s: float, unwanted: threading.Event | None = None
    ) -> None:
        super().__init__(name="gemel-query-watch", daemon=True)
        self._cursor = cursor
        self._timeout_s = timeout_s
        self._unwanted = unwanted or threading.Event()
        self._done = threading.Event()
        self.too_large = False

    def run(self) -> None:
        end, most = time.monotonic() + self._timeout_s, _resident() + MOST_GROWTH
        while (left := end - time.monotonic()) > 0 and not self.too_large and not self._unwanted.is_set():
            if self._done.wait(min(left, WATCH_S)):
                return
            self.too_large = _resident() > most
        while not self._done.is_set():  # again and again: an interrupt between two statements would be lost
            self._cursor.interrupt()
            self._done.wait(WATCH_S)

    def stop(self) -> None:
        """Returns once it no longer touches the cursor."""
        self._done.set()
        self.join()


def _resident() -> int:
    """Bytes of memory that this process has; 0 where the system does not say."""
    try:
        return int(_STATM.read_bytes().split()[1]) * mmap.PAGESIZE
    except OSError:
        return 0


def _told(error: duckdb.Error) -> str:
    """DuckDB's own words without the SQL that we made of the query."""
    return str(error).split("\n\nLINE ")[0].strip()[:500]
