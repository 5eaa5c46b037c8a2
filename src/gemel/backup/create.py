"""Making a backup of a plant that goes on working."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec
import sqlalchemy as sa
import yaml
from sqlalchemy import Connection

import gemel
from gemel.backup.files import Stored, copy, fsync_tree, stored
from gemel.backup.manifest import Manifest
from gemel.backup.rows import copy_rows
from gemel.backup.vault import DRAFT, Progress, Vault
from gemel.clock import SECOND, Clock
from gemel.database import Database
from gemel.errors import Conflict, Overloaded
from gemel.folder import DATABASE, SETTINGS, Folder
from gemel.history import History
from gemel.journal import SqlJournal
from gemel.journal.tables import block_table
from gemel.state import State

__all__ = [
    "CATALOGUE",
    "DOCUMENTS",
    "EPOCH",
    "HISTORY",
    "SECRETS",
    "Running",
    "check_same",
    "create",
    "documents_of",
    "epoch_of",
]

CATALOGUE, SECRETS, EPOCH = "catalogue.sqlite", "secrets", "epoch.json"
HISTORY, DOCUMENTS = "history", "documents"
"""Folders whose files never change: all backups of a vault share them."""
PAGES = 4096
"""So many pages of SQLite are copied between two looks at the progress."""
TRIES = 3


class Running(Protocol):
    """What of an open platform a backup reads."""

    folder: Folder
    clock: Clock
    database: Database
    journal: SqlJournal
    state: State
    history: History


class _Moment:
    """One snapshot of the database, held while the rest of the plant goes on."""

    def __init__(self, connection: Connection, partition: str) -> None:
        c = block_table.c
        self.connection = connection
        row = connection.execute(
            sa.select(c.sequence, c.first, c.count, c.hash, c.recorded)
            .where(c.partition == partition)
            .order_by(c.sequence.desc())
            .limit(1)
        ).one_or_none()
        self.sequence = int(row.sequence) if row else 0
        self.position = int(row.first + row[2] - 1) if row else 0
        self.hash = bytes(row.hash) if row else b""
        self.recorded = int(row.recorded) if row else 0
        self.schema = str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar())
        self.log: tuple[int, str] | None = None

    def whole_after(self, position: int) -> bool:
        """Whether the snapshot holds every reading that came after `position`."""
        c = block_table.c
        gone = sa.select(c.sequence).where(c.expired, c.first + c.count - 1 > position).limit(1)
        return self.connection.execute(gone).first() is None


def create(
    plant: Running,
    vault: Vault,
    *,
    with_secrets: bool = False,
    log: Follows | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """A backup of one consistent moment; taking in goes on. `log`: what follows the database from that moment on.

    Files of the history that the vault has are not copied again. Raises Conflict if the vault is another plant's,
    StorageFull and the like; what was begun then
    is left out.
    """
    told = progress or (lambda _: None)
    epoch = epoch_of(plant.folder.path)
    for other in vault.all()[-1:]:
        check_same(plant, other)
        if other.epoch != epoch:
            raise Conflict(
                f"{vault.folder} holds backups of another life of this plant; name a new folder for this one's"
            )
    began = plant.clock.monotonic()
    made = plant.clock.now()
    draft = vault.backups / f"{DRAFT}-{os.getpid()}-{made}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        for left in range(TRIES - 1, -1, -1):
            with plant.history.view(), _taken(plant, draft, log) as (moment, stored_to, paths, pause_s):
                # Retention may have dropped what the copied catalogue and keyframe lack: then the next copy has it.
                if moment.whole_after(stored_to):
                    told(0.02)
                    _copy_database(moment, plant.database, draft / DATABASE, lambda part: told(0.02 + 0.48 * part))
                    shared = _copy_history(plant.history.folder, vault, paths, lambda part: told(0.5 + 0.4 * part))
                    shared += _copy_documents(plant.folder.path, vault, lambda part: told(0.9 + 0.05 * part))
                    break
            if not left:
                raise Overloaded("old data was dropped faster than it could be copied; keep journal longer, try again")
        _copy_rest(plant, draft, with_secrets=with_secrets)
        fsync_tree(draft)
        manifest = Manifest(
            id=f"{datetime.fromtimestamp(made // SECOND, UTC):%Y%m%dT%H%M%SZ}-{moment.position}",
            gemel=gemel.__version__,
            made=made,
            epoch=epoch,
            position=moment.position,
            sequence=moment.sequence,
            head=moment.hash.hex(),
            recorded=moment.recorded,
            history=stored_to,
            schema=moment.schema,
            database="" if plant.database.is_sqlite else plant.database.url.render_as_string(hide_password=True),
            secrets=with_secrets and (plant.folder.path / SECRETS).is_dir(),
            log=moment.log[0] if moment.log else None,
            log_after=moment.log[1] if moment.log else "",
            pause_s=round(pause_s, 6),
            seconds=round(plant.clock.monotonic() - began, 3),
            files=tuple(stored(draft, path) for path in sorted(draft.rglob("*")) if path.is_file()),
            shared=shared,
        )
        if vault.place(manifest.id).exists():  # made twice in one second with nothing between: the same moment
            shutil.rmtree(vault.place(manifest.id))
        vault.write(draft, manifest)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    told(1.0)
    return manifest


def epoch_of(folder: Path) -> str:
    """Which life of the plant lies in a folder; empty for the first."""
    try:
        return msgspec.json.decode((folder / EPOCH).read_bytes(), type=_Epoch).epoch
    except FileNotFoundError:
        return ""


class _Epoch(msgspec.Struct):
    epoch: str


def check_same(plant: Running, manifest: Manifest) -> None:
    """Raises Conflict unless the backup is of this plant, in this life."""
    c = block_table.c
    with plant.database.read() as connection:
        known = connection.execute(
            sa.select(c.hash).where(c.partition == plant.journal.partition, c.sequence == manifest.sequence)
        ).scalar()
    if manifest.sequence and (known is None or known.hex() != manifest.head):
        raise Conflict(
            f"backup {manifest.id} is not of this plant, or of another life of it: our journal holds another block "
            f"{manifest.sequence}, or none; name another folder"
        )


class Follows(Protocol):
    """What keeps the log of commits after a backup."""

    def begin(self) -> tuple[int, str]:
        """Log all that is committed, and say with which segment the log goes on, and what that names before it."""

    @contextmanager
    def still(self) -> Iterator[None]:
        """Nothing is committed while this is held."""


@contextmanager
def _taken(plant: Running, draft: Path, log: Follows | None) -> Iterator[tuple[_Moment, int, list[str], float]]:
    """The moment: keyframe, then catalogue and staged loads, then the database, with nothing of theirs in between."""
    for left in (draft / CATALOGUE, draft / "state", draft / "loads"):
        if left.is_dir():
            shutil.rmtree(left)
        left.unlink(missing_ok=True)
    keyframe = plant.state.snapshot()
    keyframe.save(draft / "state")
    reading = plant.database.read()
    began = plant.clock.monotonic()
    opened: list[_Moment] = []

    def snapshot(stored_to: int, paths: list[str]) -> tuple[_Moment, int, list[str]]:
        for path in paths:
            if path.startswith("loads/"):  # taken in and removed by the thread that runs this
                _same(plant.history.folder / path, draft / path)
        if log is None:
            moment = _Moment(reading.__enter__(), plant.journal.partition)
        else:
            with log.still():
                after = log.begin()
                moment = _Moment(reading.__enter__(), plant.journal.partition)
                moment.log = after
        opened.append(moment)
        return moment, stored_to, [path for path in paths if not path.startswith("loads/")]

    try:
        moment, stored_to, paths = plant.history.copy_catalogue(draft / CATALOGUE, snapshot)
        pause_s = plant.clock.monotonic() - began
        yield moment, min(stored_to, keyframe.position), paths, pause_s
    finally:
        if opened:
            reading.__exit__(None, None, None)


def _same(source: Path, target: Path) -> None:
    """The same file at a second place, in no time where both are on one disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):  # a load that is just being staged is not in the journal
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)


def _copy_database(moment: _Moment, database: Database, target: Path, told: Progress) -> None:
    """The database as it was at the moment, as SQLite."""
    if not database.is_sqlite:
        into = Database(f"sqlite:///{target}")
        try:
            into.migrate()
            with into.write() as connection:
                copy_rows(moment.connection, connection)
        finally:
            into.close()
        _settle(target)
        return
    source: Any = moment.connection.connection.dbapi_connection
    copied = sqlite3.connect(target)
    try:
        # Within one read transaction every step sees the same moment, and no writer waits for it.
        source.backup(copied, pages=PAGES, progress=lambda _, left, pages: told(1 - left / max(1, pages)))
    finally:
        copied.close()
    _settle(target)


def _settle(path: Path) -> None:
    """Everything in the one file, so that it can be hashed and copied; and it can be opened."""
    opened = sqlite3.connect(path)
    try:
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        found = opened.execute("SELECT count(*) FROM sqlite_master").fetchone()
        assert found[0], path
    finally:
        opened.close()
    for name in ("-wal", "-shm"):
        path.with_name(path.name + name).unlink(missing_ok=True)


def _copy_history(folder: Path, vault: Vault, paths: list[str], told: Progress) -> tuple[Stored, ...]:
    """The files of the past that the vault does not have. They never change, and no name is given twice."""
    return _copy_shared(folder, HISTORY, vault, paths, told)


def _copy_documents(plant: Path, vault: Vault, told: Progress) -> tuple[Stored, ...]:
    """Contents of documents: all that the database of this moment may name, since they are kept before they are named
    and never taken away."""
    return _copy_shared(plant / DOCUMENTS, DOCUMENTS, vault, documents_of(plant), told)


def documents_of(folder: Path) -> list[str]:
    """Contents of documents in a plant's folder, or in a vault, by their path below `documents/`."""
    home = folder / DOCUMENTS
    return [path.relative_to(home).as_posix() for path in sorted(home.glob("??/*")) if len(path.name) == 64]


def _copy_shared(folder: Path, kind: str, vault: Vault, paths: list[str], told: Progress) -> tuple[Stored, ...]:
    known = {file.path: file for manifest in vault.all() for file in manifest.shared}
    found = []
    for done, path in enumerate(paths):
        name = f"{kind}/{path}"
        target, size = vault.folder / name, (folder / path).stat().st_size
        before = known.get(name)
        if before is not None and before.size == size and target.exists() and target.stat().st_size == size:
            found.append(before)
        else:
            found.append(Stored(name, *copy(folder / path, target)))
        told((done + 1) / len(paths))
    return tuple(found)


def _copy_rest(plant: Running, draft: Path, *, with_secrets: bool) -> None:
    """Settings and secrets; without addresses of databases (they may hold passwords; a restored plant has its own),
    and without where backups go to: two plants must not write to one vault."""
    settings = plant.folder.path / SETTINGS
    if settings.exists():
        told = yaml.safe_load(settings.read_text()) or {}
        kept = {name: value for name, value in told.items() if name not in ("database", "catalogue", "backup")}
        (draft / SETTINGS).write_text(yaml.safe_dump(kept, sort_keys=False) if kept else "")
    secrets = plant.folder.path / SECRETS
    if with_secrets and secrets.is_dir():
        shutil.copytree(secrets, draft / SECRETS)
