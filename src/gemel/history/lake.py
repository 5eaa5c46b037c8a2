"""The catalogue: DuckLake over SQLite or PostgreSQL. Only the historian's thread may touch a `Lake`."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from gemel.disk import make_folder, refusal, sync
from gemel.errors import Corrupt
from gemel.history import extensions
from gemel.history.listing import described, partitions, within
from gemel.history.published import File, read_index
from gemel.history.sums import record
from gemel.history.tables import CREATE, FORGOTTEN, LOADED, PARTITION, SORT, TABLES

__all__ = ["Commit", "Lake"]

_log = logging.getLogger(__name__)

SCRUB = "scrub"
"""A file that says that the catalogue is to be written anew: something was erased."""
META = "__ducklake_metadata_lake"
_OPTIONS = {
    "parquet_compression": "zstd",
    "parquet_version": "2",
    "parquet_row_group_size": "122880",
    "target_file_size": "512MB",
    # Rows come in the order of SORT: the historian brings them into it for a fifth of what DuckDB's sort costs.
    "sort_on_insert": "false",
}


class Commit(msgspec.Struct, frozen=True):
    """What the newest snapshot says of itself; written in the same transaction as its rows."""

    position: int
    """Every reading and change up to this journal position is in the lake."""


class Lake:
    """Tables in Parquet with transactions. Opening repairs what a crash left behind."""

    def __init__(self, folder: Path, *, catalogue_url: str | None = None, memory_mb: int | None = None) -> None:
        """`folder` is made when missing. `catalogue_url`: postgresql://…; None is SQLite inside `folder`."""
        self.folder = folder.absolute()
        self.data = self.folder / "data"
        make_folder(self.data)
        # One thread: a second one makes a commit hardly faster, costs half as much again, and others need it.
        needs = ("ducklake", "sqlite") if catalogue_url is None else ("ducklake", "sqlite", "postgres")
        self._connection = extensions.connect(memory_mb=memory_mb, threads=1, extensions=needs)
        try:
            self._scrub()
            self._attach(catalogue_url)
            self._create()
            self._files: dict[int, File] = {}
            self._known: set[str] = set()
            self.position = self._read_position()
            self.refresh()
            self._check()
        except BaseException as error:
            with suppress(duckdb.Error):
                self._connection.close()
            if isinstance(error, duckdb.Error) and (refused := refusal(str(error), "the history")):
                raise refused from error
            if isinstance(error, (duckdb.Error, UnicodeDecodeError)) and catalogue_url is None:
                raise self._damaged(f"its catalogue cannot be read: {error!s:.200}") from error
            raise

    def _check(self) -> None:
        """Hold the catalogue against the disk and against itself. Raises Corrupt: nothing may be missing in silence."""
        for file in self._files.values():
            path = self.folder / file.path
            size = path.stat().st_size if path.exists() else -1
            if size != file.size:
                found = "is missing" if size < 0 else f"has {size} bytes"
                raise self._damaged(f"{file.path} {found}, its catalogue says {file.size}")
        told = self._connection.execute(f"SELECT coalesce(sum(rows), 0) FROM lake.{LOADED}").fetchone()
        rows, loaded = sum(file.rows for file in self._files.values()), int(told[0]) if told else 0
        dropped = sum(rows for *_, rows in self.forgotten())
        if rows + dropped != self.position + loaded:  # every position of the journal is one row
            raise self._damaged(
                f"its catalogue lists {rows} rows up to position {self.position}, of which {loaded} were loaded, and "
                f"{dropped} were dropped"
            )

    def _check_bounds(self, published: Sequence[File]) -> None:
        """Where the catalogue says other bounds of a file than were published, the file decides: a bound that is wrong
        would leave out rows in silence. Raises Corrupt."""
        told = {file.path: file for file in published}
        for file in self._files.values() if told else ():
            if told.get(file.path) != file and not within(self.folder / file.path, file):
                raise self._damaged(f"{file.path} holds other rows than its catalogue says")

    def _damaged(self, what: str) -> Corrupt:
        return Corrupt(
            f"the history in {self.folder} is damaged: {what}. Restore the folder from a backup; or remove it, and "
            "what the journal holds is written anew, but bulk loads must be loaded again"
        )

    def check_against(self, head: int) -> None:
        """Hold the position against where the journal ends, and against what was published. Raises Corrupt."""
        if self.position > head:
            raise Corrupt(
                f"the history in {self.folder} goes up to position {self.position}, the journal only to {head}: "
                "the journal lost its end, or is another's. Restore both from one backup"
            )
        try:
            index = read_index(self.folder)
        except Corrupt as error:  # it only serves programs outside, and is written anew
            _log.warning("%s", error.detail)
            return
        self._check_bounds(index.files)
        published = index.position
        if not self.position < published:
            return
        if not self.position:
            raise self._damaged("its catalogue is empty")
        _log.warning("the catalogue of the history lost its end; positions from %d on are written anew", self.position)

    def _attach(self, catalogue_url: str | None) -> None:
        options = ["OVERRIDE_DATA_PATH true", "DATA_INLINING_ROW_LIMIT 0", f"DATA_PATH {_text(str(self.data) + '/')}"]
        if catalogue_url is None:
            target = f"sqlite:{self.folder / 'catalogue.sqlite'}"
            options.append("META_JOURNAL_MODE 'WAL'")
        else:
            target = f"postgres:{catalogue_url}"
        self._connection.execute(f"ATTACH {_text('ducklake:' + target)} AS lake ({', '.join(options)})")

    def _create(self) -> None:
        have = {
            name
            for (name,) in self._connection.execute(
                "SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake'"
            ).fetchall()
        }
        if set(CREATE) <= have:
            return
        with self._transaction():
            for option, value in _OPTIONS.items():
                self._connection.execute(f"CALL lake.set_option('{option}', '{value}')")
            for table, columns in CREATE.items():
                if table in have:
                    continue
                self._connection.execute(f"CREATE TABLE lake.{table} ({columns})")
                if table in PARTITION:
                    self._connection.execute(f"ALTER TABLE lake.{table} SET PARTITIONED BY ({PARTITION[table]})")
                    self._connection.execute(f"ALTER TABLE lake.{table} SET SORTED BY ({SORT[table]})")

    def _transaction(self) -> _Transaction:
        return _Transaction(self._connection)

    def _read_position(self) -> int:
        row = self._connection.execute(
            f"SELECT commit_extra_info FROM {META}.ducklake_snapshot_changes "
            "WHERE commit_extra_info IS NOT NULL ORDER BY snapshot_id DESC LIMIT 1"
        ).fetchone()
        return msgspec.json.decode(row[0], type=Commit).position if row else 0

    def _say(self, position: int) -> None:
        info = msgspec.json.encode(Commit(position)).decode()
        self._connection.execute(f"CALL lake.set_commit_message('gemel', 'history', extra_info => '{info}')")

    def commit(
        self, tables: Mapping[str, pa.Table], position: int, *, also: Sequence[tuple[str, str]] = ()
    ) -> list[File]:
        """Add rows to tables and move to `position` in one transaction; the new files are on disk before it.

        `tables`: rows in the order of `SORT`, which is not looked at again. `also`: further (table, SELECT) pairs, for
        bulk loads. Returns the files that are new. After an exception nothing of it is in the lake, and `commit` may
        be called again.
        """
        counts: dict[str, int] = {}
        written: list[Path] = []
        with self._transaction():
            for table, rows in tables.items():
                if rows.num_rows:
                    counts[table] = rows.num_rows
                    self._insert(table, rows)
                    written += self._unknown_in(table, rows)
            written += self._take_in(also, counts)
            self._sync(written)
            self._say(position)
        self.position = position
        new = self.refresh()
        self._read_back(new, counts)
        return new

    def _take_in(self, also: Sequence[tuple[str, str]], counts: dict[str, int]) -> list[Path]:
        """Insert what (table, SELECT) pairs give, in the order of files; counts it, and returns the new files."""
        written: list[Path] = []
        if also:
            self._connection.execute("RESET threads")  # years to sort and compress are worth all there are
        try:
            for table, select in also:
                order = f" ORDER BY {SORT[table]}" if table in SORT else ""
                inserted = self._connection.execute(f"INSERT INTO lake.{table} {select}{order}").fetchone()
                counts[table] = counts.get(table, 0) + (int(inserted[0]) if inserted else 0)
                written += self._unknown(table)
        finally:
            if also:
                self._connection.execute("SET threads = 1")
        return written

    def _insert(self, table: str, rows: pa.Table) -> None:
        self._connection.register("arrived", rows)
        try:
            self._connection.execute(f"INSERT INTO lake.{table} SELECT * FROM arrived")
        finally:
            self._connection.unregister("arrived")

    def _unknown_in(self, table: str, rows: pa.Table) -> list[Path]:
        """The files that this transaction wrote for `rows`: those in their partitions that were not there before."""
        found = []
        for folder in partitions(self.data / "main" / table, table, rows):
            with os.scandir(folder) as entries:
                found += [Path(entry.path) for entry in entries if entry.path not in self._known]
        return found

    def _unknown(self, table: str) -> list[Path]:
        """What lies in a table's folder and was not there before; DuckLake does not list what a merge wrote."""
        return [path for path in (self.data / "main" / table).rglob("*.parquet") if str(path) not in self._known]

    def _sync(self, files: Sequence[Path]) -> None:
        """fsync what this transaction wrote, and the folders that name it: DuckLake does not."""
        folders: set[Path] = set()
        record(self.folder, files)
        for path in files:
            sync(path)
            folders.update(path.parents[: len(path.relative_to(self.data).parts)])
        for folder in folders:
            sync(folder)

    def refresh(self) -> list[File]:
        """Read the list of live files from the catalogue; returns those that were not known before."""
        live = {
            int(number)
            for (number,) in self._connection.execute(
                f"SELECT data_file_id FROM {META}.ducklake_data_file WHERE end_snapshot IS NULL"
            ).fetchall()
        }
        found = described(self._connection, META, sorted(live - self._files.keys()))
        self._files.update(found)
        new = list(found.values())
        self._known.update(str(self.folder / file.path) for file in new)
        for number in self._files.keys() - live:
            del self._files[number]  # but its path stays known while the file may lie there
        return new

    def _read_back(self, files: Iterable[File], counts: Mapping[str, int]) -> None:
        """Open the new files again: what the journal may forget must be readable."""
        seen = dict.fromkeys(counts, 0)
        for file in files:
            rows = pq.read_metadata(self.folder / file.path).num_rows
            if rows != file.rows:
                raise Corrupt(f"{file.path} holds {rows} rows, the catalogue says {file.rows}")
            seen[file.table] += rows
        for table, count in counts.items():
            if table in TABLES and seen[table] != count:
                raise Corrupt(f"{count} rows went into {table}, {seen[table]} came back")

    @property
    def files(self) -> list[File]:
        """Every live file."""
        return list(self._files.values())

    def recover(self) -> None:
        """After a failure: learn from the catalogue what was committed, so that nothing is written twice."""
        self.position = self._read_position()
        self.refresh()

    def loaded(self) -> dict[str, int]:
        """hash -> position of every bulk load that is in the lake."""
        return dict(self._connection.execute(f"SELECT hash, position FROM lake.{LOADED}").fetchall())

    def forgotten(self) -> list[tuple[str, int, int, int]]:
        """(table, day, property, rows) of all that was dropped or erased."""
        return self._connection.execute(
            f"SELECT name, day, property, CAST(sum(rows) AS BIGINT) FROM lake.{FORGOTTEN} GROUP BY ALL"
        ).fetchall()

    def drop(self, table: str, span: tuple[int, int], terms: str, *, property: str) -> int:
        """Write the files of one partition anew without the rows in `span` that `terms` tell; how many went.

        `span`: [start, end) of the whole partition, so that every file of it goes as one. `property`: SQL for the
        number under which the rows are counted. The old files stay until `clean`.
        """
        low, high = (f"make_timestamp({moment})" for moment in span)
        inside = f"time >= {low} AND time < {high}"
        counted = 0
        with self._transaction():
            told = self._connection.execute(
                f"SELECT {property} AS number, count(*) FROM lake.{table} WHERE {inside} AND ({terms}) GROUP BY ALL"
            ).fetchall()
            if told:
                self._connection.execute(
                    f"CREATE TEMP TABLE kept AS FROM lake.{table} WHERE {inside} AND NOT ({terms}) "
                    f"ORDER BY {SORT[table]}"
                )
                try:
                    self._connection.execute(f"DELETE FROM lake.{table} WHERE {inside}")
                    self._connection.execute(f"INSERT INTO lake.{table} FROM kept")
                finally:
                    self._connection.execute("DROP TABLE kept")
                counted = sum(rows for _, rows in told)
                values = ", ".join(f"('{table}', {span[0]}, {int(number)}, {int(rows)})" for number, rows in told)
                self._connection.execute(f"INSERT INTO lake.{FORGOTTEN} VALUES {values}")
                self._sync([*self._unknown(table), *self._unknown(FORGOTTEN)])
            self._say(self.position)
        for file in self.refresh():
            if pq.read_metadata(self.folder / file.path).num_rows != file.rows:
                raise Corrupt(f"{file.path} does not hold the {file.rows} rows that the catalogue says")
        return counted

    def count_as_erased(self, table: str, day: int, told: Mapping[int, int], *, number: int) -> None:
        """Of what was dropped on a day count so many rows by property number under `number` instead."""
        rows = [row for was, count in told.items() for row in ((was, -count), (number, count))]
        values = ", ".join(f"('{table}', {int(day)}, {int(under)}, {int(count)})" for under, count in rows)
        with self._transaction():
            self._connection.execute(f"INSERT INTO lake.{FORGOTTEN} VALUES {values}")
            self._sync(self._unknown(FORGOTTEN))
            self._say(self.position)
        self.refresh()

    def forget_bounds(self) -> None:
        """Leave no bound of a text in the catalogue that was of an erased row; it only serves to skip files.

        What SQLite keeps of deleted rows in free pages goes with the next closing, or opening.
        """
        texts = f"SELECT column_id FROM {META}.ducklake_column WHERE column_type = 'varchar'"
        with self._transaction():
            self._connection.execute(
                f"UPDATE {META}.ducklake_table_column_stats SET min_value = NULL, max_value = NULL "
                f"WHERE column_id IN ({texts})"
            )
        (self.folder / SCRUB).touch()

    def merge(self, table: str, *, sizes: tuple[int, int], at_most: int) -> bool:
        """Merge files of one table with so many bytes, [least, below), into `at_most` files; True if any was merged.

        The merged-away files stay until `clean`.
        """
        with self._transaction():
            merged = self._connection.execute(
                f"CALL ducklake_merge_adjacent_files('lake', '{table}', "
                f"min_file_size => {sizes[0]}, max_file_size => {sizes[1]}, max_compacted_files => {at_most})"
            ).fetchall()
            if merged:
                self._sync(self._unknown(table))
            self._say(self.position)
        self.refresh()
        return bool(merged)

    def moment(self) -> str:
        """Now, as the catalogue counts time; for `clean`."""
        row = self._connection.execute("SELECT CAST(now() AS VARCHAR)").fetchone()
        assert row is not None
        return str(row[0])

    def clean(self, before: str) -> None:
        """Forget snapshots of before a `moment`, and delete the files that were merged away before it."""
        for routine in ("ducklake_expire_snapshots", "ducklake_cleanup_old_files"):
            self._connection.execute(f"CALL {routine}('lake', older_than => TIMESTAMPTZ {_text(before)})")

    def remove_orphans(self) -> None:
        """Delete files that a crash left outside the catalogue; only while nobody else writes here."""
        self._connection.execute("CALL ducklake_delete_orphaned_files('lake', cleanup_all => true)")

    def all_files(self) -> list[str]:
        """Every file that the catalogue holds now, of all tables, relative to the folder."""
        found = []
        for table in CREATE:
            for row in self._connection.execute(
                f"SELECT data_file, delete_file FROM ducklake_list_files('lake', '{table}')"
            ).fetchall():
                found += [str(Path(name).relative_to(self.folder)) for name in row if name]
        return found

    def copy_catalogue(self, target: Path) -> None:
        """Write the catalogue as it is to a new SQLite file, wherever it lives itself."""
        self._connection.execute(f"ATTACH {_text(str(target))} AS copied (TYPE sqlite)")
        try:
            self._connection.execute(f"COPY FROM DATABASE {META} TO copied")
        finally:
            self._connection.execute("DETACH copied")

    def close(self) -> None:
        with suppress(duckdb.Error):
            self._connection.execute("DETACH lake")
        self._connection.close()
        self._scrub()

    def _scrub(self) -> None:
        """Write a SQLite catalogue anew without its free pages, if something was erased; never while it is attached."""
        path = self.folder / "catalogue.sqlite"
        if not (self.folder / SCRUB).exists():
            return
        if path.exists():
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("VACUUM")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (self.folder / SCRUB).unlink()


class _Transaction:
    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN")

    def __exit__(self, kind: Any, *_rest: object) -> None:
        if kind is None:
            self._connection.execute("COMMIT")
        else:
            with suppress(duckdb.Error):  # the error that brought us here is the one to tell
                self._connection.execute("ROLLBACK")


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
