"""The databases from outside: SQLite in the folder or PostgreSQL, the journal in it, the catalogue of the history."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from gemel.database import Database
from gemel.diagnosis.check import Check, Level, bad, ok, warn
from gemel.errors import Corrupt
from gemel.folder import DATABASE, Settings
from gemel.journal import SqlJournal

__all__ = ["catalogue", "database", "is_there", "journal", "opened", "reached"]

WAIT_S = 2.0
MANY = 0.8
"""Of the connections that PostgreSQL allows."""
RESTORE = "restore a backup (`gemel backup restore`); what is here stays untouched by that"


def is_there(folder: Path, settings: Settings) -> bool:
    """Whether there is a database to look into."""
    if settings.database:
        return _answers(settings.database).level is Level.OK
    return (folder / DATABASE).exists()


def opened(folder: Path, settings: Settings) -> Database:
    """The database, to read from; close it."""
    return Database(settings.database or f"sqlite:///{folder / DATABASE}", read_only=True)


def database(folder: Path, settings: Settings) -> Iterator[Check]:
    """Whether it is whole, of this version, and keeps what it acknowledges."""
    if settings.database:
        yield from _postgres("database", settings.database)
    elif not (folder / DATABASE).exists():
        yield warn("database", "there is none yet", "gemel apply plant.yaml")
        return
    else:
        yield from _sqlite(folder / DATABASE)
    if is_there(folder, settings):
        with closing(opened(folder, settings)) as found:
            yield _revision(found)


def _sqlite(path: Path) -> Iterator[Check]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        answers = [row[0] for row in connection.execute("PRAGMA quick_check(5)")]
        page, pages, free = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count", "freelist_count")
        )
    if answers == ["ok"]:
        told = f"SQLite finds it whole; {pages * page / 1e6:,.0f} MB, of which {free * page / 1e6:,.0f} MB are free"
        yield ok("database", f"{told} inside")
    else:
        yield bad("database", f"SQLite finds damage: {answers[0]:.200}", RESTORE)


def _revision(found: Database) -> Check:
    known, has = found.revisions(), found.revision()
    if has is None:
        return warn("database", "it has no tables yet", "gemel apply plant.yaml")
    if has not in known:
        told = f"its tables are of {has}, which this version ({known[0]}) does not know: a newer one made them"
        return bad("database", told, "install the version that ran last, or `gemel rollback`")
    if has != known[0]:
        return ok("database", f"its tables are of {has}; the next opening brings them to {known[0]}")
    return ok("database", f"its tables are of this version ({has})")


def catalogue(settings: Settings) -> Iterator[Check]:
    """The history's, where it is on a server of its own."""
    if settings.catalogue:
        yield from _postgres("catalogue", settings.catalogue.replace("postgresql://", "postgresql+psycopg://", 1))


def _postgres(part: str, url: str) -> Iterator[Check]:
    """Whether the server answers, lets us in, and keeps through a power cut what it acknowledges."""
    answers = _answers(url, part)
    if answers.level is not Level.OK:
        yield bad(part, answers.told, answers.way_out)
        return
    server = Database(url, read_only=True)
    try:
        with server.read() as tx:
            told = {name: tx.execute(sa.text(f"SHOW {name}")).scalar_one() for name in _SHOWN}
            size, used = tx.execute(sa.text(_FIGURES)).one()
            standby = tx.execute(sa.text("SELECT pg_is_in_recovery()")).scalar_one()
    finally:
        server.close()
    most = int(told["max_connections"])
    yield ok(
        part, f"PostgreSQL {told['server_version']} answers; {size / 1e6:,.0f} MB; {used} of {most} connections used"
    )
    if off := [name for name in ("fsync", "full_page_writes") if told[name] != "on"]:
        setting = f"{' and '.join(off)} {'is' if len(off) == 1 else 'are'} off"
        yield bad(
            part, f"{setting}: a power cut may lose what was acknowledged", "set it to on, and restart PostgreSQL"
        )
    if told["data_checksums"] != "on":
        told_ = "data_checksums is off: a disk that flips bits is not noticed by PostgreSQL"
        yield warn(part, told_, "stop PostgreSQL and run pg_checksums --enable; `gemel verify` finds it in the journal")
    if standby:
        yield bad(part, "this server is a standby: nothing can be written", "name the primary in gemel.yaml")
    if used > MANY * most:
        yield warn(part, f"{used} of {most} connections are used (bound: {MANY:.0%})", "raise max_connections")


_SHOWN = ("server_version", "max_connections", "fsync", "full_page_writes", "data_checksums")
_FIGURES = (
    "SELECT pg_database_size(current_database()), (SELECT count(*) FROM pg_stat_activity WHERE datname IS NOT NULL)"
)


def journal(folder: Path, settings: Settings, full: bool) -> Iterator[Check]:
    """Whether the end of the journal holds; with `full`, all of it."""
    if not is_there(folder, settings):
        return
    with closing(opened(folder, settings)) as found:
        if found.revision() is None:
            return
        try:
            log = SqlJournal(found)  # checks its end
            head = log.head()
            if not full:
                told = f"{head.sequence:,} blocks up to position {head.position:,}; its end holds"
                yield ok("journal", f"{told} (`--full` looks at all)")
                return
            verified = log.verify()
        except Corrupt as error:
            yield bad("journal", error.detail, RESTORE)
            return
    if verified.ok:
        yield ok("journal", f"all {verified.blocks:,} blocks are as they were written")
    else:
        yield bad("journal", f"block {verified.damaged}: {verified.reason}", RESTORE)


def _answers(url: str, part: str = "database") -> Check:
    found = sa.make_url(url)
    host = found.host or str(found.query.get("host", "")) or "localhost"
    if host.startswith("/"):  # a socket in the file system: the first question will tell
        return ok(part, f"{host} is a local socket")
    return reached(part, host, found.port or 5432)


def reached(part: str, host: str, port: int) -> Check:
    """Whether something listens there."""
    try:
        with socket.create_connection((host, port), timeout=WAIT_S):
            return ok(part, f"{host}:{port} answers")
    except OSError as error:
        told = f"{host}:{port} does not answer: {error.strerror or error}"
        return warn(part, told, "is it on, is the address right, does a firewall let it through?")
