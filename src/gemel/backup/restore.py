"""Bringing a plant back from a backup, as it was then or at a moment after it."""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import yaml
from sqlalchemy import Connection

from gemel.backup.create import CATALOGUE, DOCUMENTS, EPOCH, SECRETS, documents_of, epoch_of
from gemel.backup.files import Stored, copy, fsync_tree
from gemel.backup.manifest import Manifest
from gemel.backup.rows import copy_rows
from gemel.backup.vault import Progress, Vault, check
from gemel.clock import to_rfc3339
from gemel.database import Database
from gemel.disk import sync
from gemel.erasure import LEDGER
from gemel.errors import Conflict, Corrupt, InvalidInput, NotFound
from gemel.folder import DATABASE, SETTINGS
from gemel.history import write_sums
from gemel.journal.tables import block_table
from gemel.twin import Change

__all__ = ["RESTORED", "RESTORED_KIND", "Goal", "Restored", "adopt", "restore"]

RESTORED = "restored.json"
RESTORED_KIND = "backup.restored"


class Goal(msgspec.Struct, frozen=True):
    """How far to go: nothing given is the end of the backup; else up to a position, or what was sealed by a time."""

    position: int | None = None
    time: int | None = None

    def allows(self, position: int, recorded: int) -> bool:
        return (self.position is None or position <= self.position) and (self.time is None or recorded <= self.time)

    @property
    def is_end(self) -> bool:
        return self.position is None and self.time is None

    def __str__(self) -> str:
        return f"position {self.position}" if self.time is None else to_rfc3339(self.time)


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What was brought back; lies in the new folder until the plant is opened, which journals it."""

    epoch: str
    """A random name of this life of the plant: positions after `position` may mean something else in another."""
    backup: str
    position: int
    head: str
    recorded: int


def restore(
    vault: Vault,
    folder: Path,
    *,
    id: str = "",
    goal: Goal | None = None,
    database: str = "",
    share: bool = False,
    progress: Progress | None = None,
) -> Restored:
    """Make `folder` a plant again. Every file is checked against its hash on the way, before the folder is there.

    `share`: files of the past are the vault's own where both are on one disk (for a look, not for a life of its own).
    `database`: URL of an empty PostgreSQL database that is to hold registry and journal. Raises Conflict if the folder
    is not empty, Corrupt if the backup is damaged, NotFound if no backup reaches back to `goal`.
    """
    goal = goal or Goal()
    told = progress or (lambda _: None)
    manifest = _chosen(vault, id, goal)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(f"{folder} is not empty; name a new folder: a restore overwrites nothing")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.with_name(f".{folder.name}.restoring")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    try:
        _copy_in(vault, manifest, draft, lambda part: told(0.9 * part), share=share)
        if not goal.is_end:
            _go_on(vault, manifest, draft / DATABASE, goal)
            _more_documents(vault, draft)
        restored = _end_of(draft / DATABASE, manifest)
        if database:
            _move(draft, database)
        (draft / RESTORED).write_bytes(msgspec.json.encode(restored))
        if vault.ledger.exists():
            copy(vault.ledger, draft / LEDGER)  # at its first opening the plant erases again what is in it
        fsync_tree(draft)
        if folder.exists():
            folder.rmdir()
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    told(1.0)
    return restored


def _chosen(vault: Vault, id: str, goal: Goal) -> Manifest:
    if id:
        found = vault.newest(id)
        if not goal.allows(found.position, found.recorded):
            raise NotFound(f"backup {id} is of position {found.position}, after {goal}; name an earlier one")
        return found
    listed = [one for one in vault.all() if goal.allows(one.position, one.recorded)]
    if not listed:
        first = min((one.position for one in vault.all()), default=0)
        raise NotFound(f"no backup in {vault.folder} reaches back to {goal}; the first is of position {first}")
    return max(listed, key=lambda one: (one.position, one.made))


def _copy_in(vault: Vault, manifest: Manifest, draft: Path, told: Progress, *, share: bool) -> None:
    done = 0
    for root, files in ((vault.place(manifest.id), manifest.files), (vault.folder, manifest.shared)):
        for file in files:
            target = draft / _place(file.path)
            if not (share and root == vault.folder and _linked(root, file, target)):
                _copy_checked(root, file, target)
            done += file.size
            told(done / max(1, manifest.size))
    past = {
        file.path.removeprefix("history/"): file.sha256 for file in manifest.shared if file.path.startswith("history/")
    }
    if past:
        write_sums(draft / "history", past)


def _linked(root: Path, file: Stored, target: Path) -> bool:
    check(root, file)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(root / file.path, target)
    except OSError:  # another disk
        return False
    return True


def _place(path: str) -> str:
    """Where a file of a backup lies in a plant's folder."""
    first = path.partition("/")[0]
    return f"history/{path}" if first in (CATALOGUE, "loads") else path


def _copy_checked(root: Path, file: Stored, target: Path) -> None:
    try:
        found = copy(root / file.path, target)
    except FileNotFoundError:
        raise Corrupt(f"{root / file.path} is missing from the backup; restore an earlier one") from None
    if found != (file.size, file.sha256):
        raise Corrupt(f"{root / file.path} is not as it was written; restore an earlier one")
    if file.path.partition("/")[0] == SECRETS:
        target.chmod(0o600)


def _go_on(vault: Vault, manifest: Manifest, database: Path, goal: Goal) -> None:
    """From the backup's moment on with what the log holds."""
    from gemel.backup.log import replay

    replay(vault.log, manifest, database, goal)


def _more_documents(vault: Vault, draft: Path) -> None:
    """Those that were kept after the backup; their names say what they hold."""
    for path in set(documents_of(vault.folder)) - set(documents_of(draft)):
        name = f"{DOCUMENTS}/{path}"
        _copy_checked(vault.folder, Stored(name, (vault.folder / name).stat().st_size, Path(path).name), draft / name)


def _end_of(database: Path, manifest: Manifest) -> Restored:
    """Where the journal of the restored database ends. Raises Corrupt unless it is a whole database with that end."""
    opened = Database(f"sqlite:///{database}")
    c = block_table.c
    try:
        with opened.read() as connection:
            row = connection.execute(
                block_table.select()
                .with_only_columns(c.first, c.count, c.hash, c.recorded)
                .order_by(c.sequence.desc())
                .limit(1)
            ).one_or_none()
            found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    except sqlite3.DatabaseError as error:
        raise Corrupt(f"the restored database cannot be read: {error!s:.200}") from error
    finally:
        opened.close()
        for name in ("-wal", "-shm"):
            database.with_name(database.name + name).unlink(missing_ok=True)
    if found != "ok":
        raise Corrupt(f"the restored database is damaged: {found!s:.200}")
    first, count, hash_, recorded = row or (1, 0, b"", 0)
    return Restored(
        epoch=secrets.token_hex(8), backup=manifest.id, position=first + count - 1, head=hash_.hex(), recorded=recorded
    )


def _move(draft: Path, url: str) -> None:
    """Registry and journal into PostgreSQL; the settings say so."""
    here, there = Database(f"sqlite:///{draft / DATABASE}"), Database(url)
    try:
        if there.is_sqlite:
            raise InvalidInput("a restored plant has its SQLite database in its folder; leave the URL out")
        here.migrate()
        there.migrate()
        with here.read() as source, there.write() as target:
            copy_rows(source, target)
    finally:
        here.close()
        there.close()
    for name in ("", "-wal", "-shm"):
        (draft / f"{DATABASE}{name}").unlink(missing_ok=True)
    settings = draft / SETTINGS
    told = (yaml.safe_load(settings.read_text()) if settings.exists() else None) or {}
    settings.write_text(yaml.safe_dump({"database": url, **told}, sort_keys=False))


def adopt(folder: Path, now: int, change: Callable[[Callable[[Connection], Sequence[Change]]], int]) -> str:
    """Journal, once, that this plant was restored; what follows is a new epoch. Returns the epoch; empty: the first."""
    path = folder / RESTORED
    if path.exists():
        restored = msgspec.json.decode(path.read_bytes(), type=Restored)
        body = msgspec.to_builtins(restored)
        said = Change(kind=RESTORED_KIND, subject="plant", time=now, source="backup", id=restored.epoch, body=body)
        change(lambda _: [said])
        path.replace(folder / EPOCH)
        sync(folder)
    return epoch_of(folder)
