"""Engine, pragmas, migrations, and the two ways to a connection: many readers, one writer."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import URL, Connection, Engine, MetaData, Table, create_engine, event, make_url
from sqlalchemy.exc import DatabaseError, DataError, IntegrityError

from gemel.disk import refusal
from gemel.errors import Corrupt, InvalidInput, MissingExtra, StorageFailed

__all__ = ["Database", "fit", "metadata", "overwrite", "telling"]

_FULL = {"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_SHMOPEN"}
"""SQLite's names for "no space"; the later ones are of the index beside its write-ahead log, made at opening."""
_DAMAGED = (
    "malformed",
    "not a database",
    "no such table",
    "no such column",
    "unrecognized token",
    "already exists",  # a migration finds its table there: the number of the last one is not what was written
    "duplicate column name",
    "could not decode",
    "unsupported file format",
)
_PATIENCE_S = 30
"""How long a statement of SQLite's waits for another process before it fails."""
_MIGRATING = 0x67656D656C  # any number that no other program locks

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def overwrite(connection: Connection, on: bool) -> None:
    """Within a write transaction: have SQLite overwrite what is deleted, instead of only letting its page go."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA secure_delete = {'ON' if on else 'OFF'}")


@cache
def _lengths(table: Table) -> dict[str, int]:
    """Of the columns that are bounded: the most characters that they take."""
    return {one.name: length for one in table.c if (length := getattr(one.type, "length", None)) is not None}


def fit(table: Table, values: Mapping[str, Any]) -> None:
    """Raises InvalidInput for a text that is longer than its column: SQLite would keep it, PostgreSQL refuses it."""
    longest_of = _lengths(table)
    for name, value in values.items():
        longest = longest_of.get(name)
        if longest is not None and isinstance(value, str) and len(value) > longest:
            raise InvalidInput(f"{name} has at most {longest} characters, not {len(value):,}: {value:.40} …")


class Database:
    """One SQL database; SQLite in WAL mode with `synchronous=FULL`, or PostgreSQL with `synchronous_commit=on`."""

    def __init__(self, url: str | URL, *, read_only: bool = False) -> None:
        """`url`: sqlite:///path or postgresql+psycopg://… ; does not touch the database yet."""
        self.url = make_url(url)
        self.read_only = read_only
        self.failed = ""
        """Why nothing is written any more: after a failed write or fsync nobody knows what the disk holds."""
        self._write_lock = threading.Lock()
        try:
            self.engine: Engine = create_engine(
                self.url, pool_pre_ping=not self.is_sqlite, pool_size=8, max_overflow=24
            )
        except ModuleNotFoundError as error:
            raise MissingExtra(f"{error.name} is not installed; pip install 'gemel[postgres]'") from error
        if self.is_sqlite:
            event.listen(self.engine, "connect", self._prepare_sqlite)
            event.listen(self.engine, "begin", self._begin_sqlite)
        else:
            event.listen(self.engine, "connect", self._prepare_postgres)

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    def _prepare_sqlite(self, connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's begin decides, not the driver
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={_PATIENCE_S * 1000}")  # first: what follows may have to wait
        if not self.read_only:
            cursor.execute("PRAGMA page_size=16384")
            _enter_wal(cursor)
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA wal_autocheckpoint=1000")
        cursor.execute("PRAGMA foreign_keys=ON")
        if self.read_only:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    def _prepare_postgres(self, connection: Any, _record: Any) -> None:
        """What is acknowledged is on the disk, whatever the server's own settings say."""
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = on")
            cursor.execute("SET timezone = 'UTC'")
        connection.commit()

    def _begin_sqlite(self, connection: Connection) -> None:
        writes = connection.get_execution_options().get("gemel_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one snapshot; never write through it. Raises StorageFailed, Corrupt, InvalidInput."""
        with telling(), self.engine.connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """The one write transaction at a time; commits (and fsyncs) on leaving, rolls back on an exception.

        Raises StorageFull when there is no space (nothing was written), StorageFailed for any other refusal of the
        disk; after that nothing is written any more until the database is opened again. InvalidInput for a value that
        no column takes.
        """
        with self._write_lock:
            if self.failed:
                raise StorageFailed(f"nothing is written since {self.failed}; restart when the disk is well")
            try:
                with telling(), self.engine.connect() as connection:
                    connection = connection.execution_options(gemel_writes=True)
                    with connection.begin():
                        yield connection
            except StorageFailed as error:
                self.failed = error.detail
                raise

    @contextmanager
    def still(self) -> Iterator[None]:
        """No write transaction of this process is under way while this is held; keep it short."""
        with self._write_lock:
            yield

    def checkpoint(self) -> bool:
        """Bring all of SQLite's write-ahead log into the file and empty the log; whether nobody was in the way."""
        if not self.is_sqlite:
            return True
        with self._write_lock, self.engine.connect() as connection:
            raw = connection.connection.driver_connection
            assert raw is not None
            return not raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]

    def revision(self) -> str | None:
        """The last migration that the tables have seen; None of a new database."""
        with self.read() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    @staticmethod
    @cache
    def revisions() -> tuple[str, ...]:
        """Every migration that this version knows, the newest first."""
        return tuple(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())

    def migrate(self) -> None:
        """Bring the tables to this version's shape, all at once; safe to call again and after a crash in the middle."""
        if self.revision() == self.revisions()[0]:
            return
        config = _config()
        with self.write() as connection:
            if not self.is_sqlite:  # SQLite's write transaction keeps others out by itself
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:  # a revision that nobody wrote
                raise Corrupt(f"the database is damaged ({error!s:.120}); restore it from a backup") from error

    def close(self) -> None:
        self.engine.dispose()


def _enter_wal(cursor: Any) -> None:
    """Turn on the write-ahead log. Who asks while another turns it on is told "locked" at once, whatever the busy
    timeout (a wait could be for ever: https://sqlite.org/c3ref/busy_handler.html); so ask again until it is on.
    """
    give_up = time.monotonic() + _PATIENCE_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.005)
        else:
            return


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


@contextmanager
def telling() -> Iterator[None]:
    """Raise what the engine says of the disk, of its files, and of values that no column takes as errors of ours."""
    try:
        yield
    except IntegrityError:  # "already exists" is said of a key there, and names what somebody typed
        raise
    except DataError as error:  # of PostgreSQL: a text that is too long or has a NUL, a number beyond 64 bits
        why = str(error.orig).partition("\n")[0]
        raise InvalidInput(f"something that was told cannot be kept: {why:.200}") from error
    except OverflowError as error:  # the same of SQLite's driver, which says it in Python's words
        if "SQLite INTEGER" not in str(error):
            raise
        raise InvalidInput("a number that was told cannot be kept: it is beyond 64 bits") from error
    except UnicodeDecodeError as error:  # a text in a file whose bits were flipped
        raise Corrupt(f"the database is damaged ({error!s:.120}); restore it from a backup") from error
    except (DatabaseError, sqlite3.DatabaseError) as error:  # the driver's own while a connection is prepared
        told = _told(error.orig if isinstance(error, DatabaseError) else error)
        if told is None:
            raise
        raise told from error


def _told(error: BaseException | None) -> Exception | None:
    text = str(error)
    if getattr(error, "sqlite_errorname", "") in _FULL:
        text = "the disk is full"
    if any(sign in text.lower() for sign in _DAMAGED):
        return Corrupt(f"the database is damaged ({text:.120}); restore it from a backup, nothing was changed")
    return refusal(text, "the journal")
