"""From one version to the next and back: who wrote a folder, a copy before tables change, and the way back."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import msgspec
import structlog

import gemel
from gemel.database import Database
from gemel.disk import sync
from gemel.errors import Conflict, NewerFormat, NotFound
from gemel.folder import DATABASE, Folder
from gemel.journal import SqlJournal
from gemel.journal.codec import ERASED_VERSION

__all__ = ["FORMS", "Format", "Kept", "prepare", "rollback", "written"]

FORMAT, KEPT = "format.json", "before-upgrade"
FORMS = {"journal": ERASED_VERSION, "state": 2, "history": 1}
"""The newest form of blocks, keyframes and Parquet tables that this version writes. It reads all earlier ones."""
_log = structlog.get_logger("gemel.backup")


class Format(msgspec.Struct, frozen=True):
    """`format.json`: who wrote the folder last, and in which forms."""

    gemel: str
    database: str
    """The last migration of its tables."""
    forms: dict[str, int]


class Kept(msgspec.Struct, frozen=True):
    """`before-upgrade/kept.json`: of the copy that was made before the tables changed."""

    gemel: str
    """The version that it was written by; empty if that is not known."""
    database: str
    sequence: int
    position: int
    made: int


def prepare(folder: Path, database: Database, now: int) -> None:
    """Before the tables are migrated: refuse what a later version wrote, and keep a copy of what will change.

    Raises NewerFormat; then nothing was touched.
    """
    known = _read(folder)
    revision = database.revision()
    if known is not None and (newer := [name for name, form in known.forms.items() if form > FORMS.get(name, 0)]):
        raise NewerFormat(_refusal(folder, known.gemel, f"form {known.forms[newer[0]]} of its {newer[0]}"))
    if revision is not None and revision not in database.revisions():
        raise NewerFormat(_refusal(folder, known.gemel if known else "", f"{revision} of its tables"))
    if revision is None or revision == database.revisions()[0]:
        return
    if database.is_sqlite:
        _keep(folder, database, known.gemel if known else "", revision, now)
    else:
        _log.warning(
            "the tables of PostgreSQL change; the way back is your own dump (pg_dump) from before", was=revision
        )


def _refusal(folder: Path, version: str, what: str) -> str:
    made = f"was written by Gemel {version}" if version else "was written by a later Gemel"
    return (
        f"{folder} {made}: this is {gemel.__version__} and does not know {what}. Use that version, or go back with "
        "its `gemel rollback`; nothing was changed"
    )


def written(folder: Path, database: Database) -> None:
    """After the migration: say who writes here now."""
    told = Format(gemel.__version__, database.revisions()[0], FORMS)
    if _read(folder) != told:
        _write(folder / FORMAT, msgspec.json.encode(told))


def _read(folder: Path) -> Format | None:
    try:
        return msgspec.json.decode((folder / FORMAT).read_bytes(), type=Format)
    except (FileNotFoundError, msgspec.MsgspecError):  # older than this file, or torn: the tables tell, too
        return None


def _write(path: Path, data: bytes) -> None:
    aside = path.with_name(f"{path.name}.new")
    with aside.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    aside.replace(path)
    sync(path.parent)


def _end(connection: sqlite3.Connection) -> tuple[int, int]:
    row = connection.execute(
        "SELECT sequence, first + count - 1 FROM journal_block ORDER BY sequence DESC LIMIT 1"
    ).fetchone()
    return (row[0], row[1]) if row else (0, 0)


def _keep(folder: Path, database: Database, version: str, revision: str, now: int) -> None:
    place = folder / KEPT
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    assert database.url.database is not None
    source, target = sqlite3.connect(database.url.database), sqlite3.connect(place / DATABASE)
    try:
        source.backup(target)
        sequence, position = _end(target)
    finally:
        source.close()
        target.close()
    sync(place / DATABASE)
    _write(place / "kept.json", msgspec.json.encode(Kept(version, revision, sequence, position, now)))


def rollback(folder: Path) -> Kept:
    """Put the tables back as they were before the last upgrade; the folder must not be open.

    Raises NotFound if no copy was kept, Conflict if something was accepted since, which would be lost.
    """
    place = folder / KEPT
    try:
        kept = msgspec.json.decode((place / "kept.json").read_bytes(), type=Kept)
    except FileNotFoundError:
        raise NotFound(f"{folder} keeps no copy from before an upgrade; restore a backup instead") from None
    held = Folder.take(folder)
    try:
        _refuse_what_would_be_lost(folder, kept)
        aside = folder / f"{DATABASE}.rollback"
        shutil.copyfile(place / DATABASE, aside)
        sync(aside)
        for name in (f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}.main.head"):
            (folder / name).unlink(missing_ok=True)
        aside.replace(folder / DATABASE)
        (folder / FORMAT).unlink(missing_ok=True)
        sync(folder)
    finally:
        held.release()
    return kept


def _refuse_what_would_be_lost(folder: Path, kept: Kept) -> None:
    database = Database(f"sqlite:///{folder / DATABASE}")
    try:
        database.checkpoint()
        journal = SqlJournal(database)
        try:
            position = journal.head().position
            since = position - kept.position
            if since:
                raise Conflict(
                    f"{since} changes and readings were accepted since the upgrade (position {kept.position} → "
                    f"{position}), and going back would lose them. Keep this version; or take everything along with "
                    "`gemel export --everything FOLDER` and import it where the earlier one runs",
                    position=position,
                )
        finally:
            journal.close()
    finally:
        database.close()
