"""A look at a folder from outside, open or not: what would keep it from opening, and what does not hold."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import socket
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import sqlalchemy as sa

import gemel
from gemel.clock import Clock
from gemel.connectors.base import SecretRef
from gemel.connectors.reach import Reach
from gemel.database import Database
from gemel.diagnosis.check import Check, Level
from gemel.diagnosis.scrub import scrubbed_text
from gemel.errors import Corrupt, GemelError
from gemel.folder import DATABASE, Folder, Settings, parse_size
from gemel.history import read_index
from gemel.journal import SqlJournal
from gemel.registry import connectors_in
from gemel.twin import ConnectorSpec

__all__ = ["doctor"]

Progress = Callable[[str], None]
LIBRARIES = ("duckdb", "pyarrow", "sqlalchemy", "litestar", "cedarpy", "numpy")
SMALL_BYTES = 1_000_000_000


def doctor(
    folder: Path, clock: Clock, *, full: bool = False, fix: bool = False, progress: Progress | None = None
) -> list[Check]:
    """Look at everything. `full`: recompute every hash of the journal. `fix`: mend what can be mended without risk:
    permissions of the folder, and what a process that is gone left behind. Reads only, else."""
    told, found = progress or (lambda _: None), []
    settings, checks = _settings(folder)
    found += checks
    for what, look in (
        ("programs", _versions),
        ("permissions", lambda: _permissions(folder, fix)),
        ("owner", lambda: _owner(folder, fix)),
        ("disk", lambda: _disk(folder, settings)),
        ("fsync", lambda: _fsync(folder, clock)),
        ("database", lambda: _database(folder, settings)),
        ("journal", lambda: _journal(folder, settings, full)),
        ("history", lambda: _history(folder)),
        ("connectors", lambda: _connectors(folder, settings)),
    ):
        told(what)
        try:
            found += list(look())
        except (GemelError, OSError, sa.exc.SQLAlchemyError, sqlite3.Error) as error:
            text = error.detail if isinstance(error, GemelError) else f"{error!s:.300}"
            found.append(Check(part=what, level=Level.BAD, told=scrubbed_text(text)))
    return found


def _settings(folder: Path) -> tuple[Settings, list[Check]]:
    try:
        settings = Folder.settings_of(folder)
    except GemelError as error:
        told = scrubbed_text(error.detail)
        return Settings(), [
            Check(part="settings", level=Level.BAD, told=told, way_out="mend gemel.yaml; see settings.md")
        ]
    except OSError as error:
        return Settings(), [
            Check(part="settings", level=Level.BAD, told=f"gemel.yaml cannot be read: {error.strerror}")
        ]
    return settings, [Check(part="settings", level=Level.OK, told="gemel.yaml is valid, or not there")]


def _versions() -> Iterator[Check]:
    listed = []
    for name in LIBRARIES:
        try:
            listed.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            yield Check(
                part="programs", level=Level.BAD, told=f"{name} is not installed", way_out="pip install --upgrade gemel"
            )
    python = ".".join(map(str, sys.version_info[:3]))
    yield Check(
        part="programs", level=Level.OK, told=f"gemel {gemel.__version__}, Python {python}; {', '.join(listed)}"
    )


def _permissions(folder: Path, fix: bool) -> Iterator[Check]:
    mode = stat.S_IMODE(folder.stat().st_mode)
    if os.name != "posix" or not mode & 0o077:
        yield Check(part="permissions", level=Level.OK, told="the folder is for its user alone")
    elif fix:
        folder.chmod(0o700)
        yield Check(part="permissions", level=Level.OK, told="the folder is for its user alone now", fixed=True)
    else:
        yield Check(
            part="permissions",
            level=Level.BAD,
            told=f"others of this machine may look into the folder (mode {mode:o}): it has password hashes",
            way_out="`gemel doctor --fix`, or chmod 700",
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Check(part="permissions", level=Level.BAD, told="this user may not write into it", way_out="chown it")


def _owner(folder: Path, fix: bool) -> Iterator[Check]:
    owner = Folder.owner(folder)
    if Folder.held(folder):
        who = f"process {owner.process}" if owner else "a process"
        where = f", served at {owner.url}" if owner and owner.url else ""
        yield Check(part="owner", level=Level.OK, told=f"it is open in {who}{where}")
    elif owner is None:
        yield Check(part="owner", level=Level.OK, told="nobody has it open")
    elif fix:
        Folder.forget_owner(folder)
        yield Check(
            part="owner", level=Level.OK, told="what a process that is gone left behind was removed", fixed=True
        )
    else:
        yield Check(
            part="owner",
            level=Level.WARN,
            told=f"process {owner.process} is gone without having closed it; the next opening looks after that",
            way_out="`gemel doctor --fix` removes the note",
        )


def _disk(folder: Path, settings: Settings) -> Iterator[Check]:
    disk = shutil.disk_usage(folder)
    told = f"{disk.free / 1e9:,.1f} GB of {disk.total / 1e9:,.1f} GB are free"
    short = disk.free < SMALL_BYTES
    way_out = "free space: a full disk refuses what comes in" if short else ""
    yield Check(part="disk", level=Level.WARN if short else Level.OK, told=told, way_out=way_out)
    budget = parse_size(settings.disk.budget, disk.total)
    if budget is not None and budget > disk.total:
        yield Check(
            part="disk", level=Level.WARN, told=f"the budget of {settings.disk.budget} is more than the disk has"
        )


def _fsync(folder: Path, clock: Clock) -> Iterator[Check]:
    path, times = folder / ".doctor", []
    try:
        with path.open("wb") as file:
            for _ in range(5):
                file.write(bytes(4096))
                file.flush()
                begun = clock.monotonic()
                os.fsync(file.fileno())
                times.append(clock.monotonic() - begun)
    finally:
        path.unlink(missing_ok=True)
    slowest = 1000 * max(times)
    way_out = "acknowledgements wait for it; use an SSD, and no network share" if slowest > 100 else ""
    level = Level.WARN if slowest > 100 else Level.OK
    yield Check(part="fsync", level=level, told=f"it works; the slowest of five took {slowest:.1f} ms", way_out=way_out)


def _database(folder: Path, settings: Settings) -> Iterator[Check]:
    if settings.database:
        host, port = urlsplit(settings.database).hostname or "localhost", urlsplit(settings.database).port or 5432
        yield _reached("database", host, port)
        return
    path = folder / DATABASE
    if not path.exists():
        yield Check(part="database", level=Level.WARN, told="there is none yet", way_out="gemel apply plant.yaml")
        return
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        answers = [row[0] for row in connection.execute("PRAGMA quick_check(5)")]
        version = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        size, free = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
        page = connection.execute("PRAGMA page_size").fetchone()[0]
    if answers != ["ok"]:
        yield Check(
            part="database", level=Level.BAD, told=f"SQLite finds damage: {answers[0]:.200}", way_out="restore a backup"
        )
    else:
        told = (
            f"SQLite finds it whole; {size * page / 1e6:,.0f} MB, of which {free * page / 1e6:,.0f} MB are free inside"
        )
        yield Check(part="database", level=Level.OK, told=f"{told}; version {version[0] if version else 'none'}")


def _journal(folder: Path, settings: Settings, full: bool) -> Iterator[Check]:
    path = folder / DATABASE
    if settings.database or not path.exists():
        return
    database = Database(f"sqlite:///{path}", read_only=True)
    try:
        journal = SqlJournal(database)  # checks its end
        head = journal.head()
        if not full:
            told = f"{head.sequence:,} blocks up to position {head.position:,}; its end holds (`--full` looks at all)"
            yield Check(part="journal", level=Level.OK, told=told)
            return
        found = journal.verify()
    except Corrupt as error:
        yield Check(part="journal", level=Level.BAD, told=error.detail, way_out="restore a backup")
        return
    finally:
        database.close()
    if found.ok:
        yield Check(part="journal", level=Level.OK, told=f"all {found.blocks:,} blocks are as they were written")
    else:
        yield Check(
            part="journal", level=Level.BAD, told=f"block {found.damaged}: {found.reason}", way_out="restore a backup"
        )


def _history(folder: Path) -> Iterator[Check]:
    home = folder / "history"
    if not home.exists():
        yield Check(part="history", level=Level.OK, told="there is none yet")
        return
    index = read_index(home)
    wrong = [file.path for file in index.files if not _is_whole(home / file.path, file.size)]
    if wrong and not Folder.held(folder):  # an open one merges files while we look
        yield Check(
            part="history",
            level=Level.BAD,
            told=f"{len(wrong)} of {len(index.files)} files are missing or cut short, the first is {wrong[0]}",
            way_out="restore the folder `history` from a backup",
        )
    else:
        size = sum(file.size for file in index.files)
        told = f"{len(index.files):,} files with {size / 1e6:,.0f} MB are there, up to position {index.position:,}"
        yield Check(part="history", level=Level.OK, told=told)


def _is_whole(path: Path, size: int) -> bool:
    try:
        if path.stat().st_size != size:
            return False
        with path.open("rb") as file:  # Parquet begins and ends with its name
            begins = file.read(4)
            file.seek(-4, os.SEEK_END)
            return begins == file.read(4) == b"PAR1"
    except OSError:
        return False


def _connectors(folder: Path, settings: Settings) -> Iterator[Check]:
    path = folder / DATABASE
    if settings.database or not path.exists():
        return
    database = Database(f"sqlite:///{path}", read_only=True)
    try:
        with database.read() as tx:
            specs = connectors_in(tx)
    finally:
        database.close()
    reach = Reach.of(folder)
    for spec in specs:
        for ref in _references(spec.settings):
            try:
                reach.secret(ref)
            except GemelError as error:
                yield Check(
                    part=f"connector {spec.id}",
                    level=Level.BAD,
                    told=f"a secret cannot be had: {error.detail}",
                    way_out="set it where the reference points",
                )
        if spec.enabled:
            yield from _addresses(spec)


def _addresses(spec: ConnectorSpec) -> Iterator[Check]:
    for value in spec.settings.values():
        parts = urlsplit(value) if isinstance(value, str) and "://" in value else None
        try:
            port = parts.port if parts else None
        except ValueError:
            port = None
        if parts is not None and parts.hostname and port:
            yield _reached(f"connector {spec.id}", parts.hostname, port)


def _references(value: object) -> Iterator[SecretRef]:
    if isinstance(value, dict):
        if value and set(value) <= {"env", "file", "keyring"}:
            try:
                yield msgspec.convert(value, SecretRef)
            except msgspec.ValidationError:
                return
        else:
            for one in value.values():
                yield from _references(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _references(one)


def _reached(part: str, host: str, port: int) -> Check:
    try:
        with socket.create_connection((host, port), timeout=2.0):
            return Check(part=part, level=Level.OK, told=f"{host}:{port} answers")
    except OSError as error:
        return Check(
            part=part,
            level=Level.WARN,
            told=f"{host}:{port} does not answer: {error.strerror or error}",
            way_out="is it on, is the address right, does a firewall let it through?",
        )
