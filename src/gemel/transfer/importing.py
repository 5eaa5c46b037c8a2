"""Making a plant of an export, in a new folder, on SQLite or PostgreSQL."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import sqlalchemy as sa
import yaml

from gemel.backup.create import DOCUMENTS
from gemel.backup.files import fsync_tree
from gemel.backup.restore import RESTORED, Restored
from gemel.backup.rows import check_fits, go_on_counting
from gemel.backup.vault import Progress, check
from gemel.database import Database
from gemel.errors import Conflict, Corrupt, InvalidInput, NotFound
from gemel.folder import DATABASE, SETTINGS
from gemel.history import rebuild, tables_of
from gemel.journal.plain import of_plain
from gemel.state import Keyframe
from gemel.transfer.describe import JOURNAL
from gemel.transfer.exporting import FORMAT, Exported

__all__ = ["Imported", "import_everything"]

_AT_ONCE = 2000


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What was made of an export."""

    folder: str
    position: int
    rows: dict[str, int]
    people: int
    """Accounts that are to have new passwords before they may sign in."""


class _About(msgspec.Struct):
    position: int
    tables: list[dict[str, Any]]
    sources: dict[str, tuple[int, int]]
    retired: tuple[int, ...]


def import_everything(
    source: Path, folder: Path, *, database: str = "", catalogue: str = "", progress: Progress | None = None
) -> Imported:
    """Make `folder` a plant with everything that `source` holds; every file is checked against its hash first.

    `database`, `catalogue`: URLs of empty PostgreSQL databases, instead of SQLite in the folder. Raises NotFound if
    there is no export, Corrupt if it is damaged or of a later form, Conflict if the folder is not empty, InvalidInput
    if PostgreSQL has no room for what SQLite kept.
    """
    told = progress or (lambda _: None)
    exported = _manifest(source)
    if folder.exists() and any(folder.iterdir()):
        raise Conflict(f"{folder} is not empty; name a new folder: an import overwrites nothing")
    for done, file in enumerate(exported.files):
        check(source, file)
        told(0.2 * done / len(exported.files))
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.with_name(f".{folder.name}.importing")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    try:
        url = database or f"sqlite:///{draft / DATABASE}"
        people = _database(source, exported, url)
        told(0.5)
        files = [
            (path.relative_to(source / "history").parts[0], path.absolute())
            for path in sorted((source / "history").rglob("*.parquet"))
            if path.parent != source / "history"
        ]
        if unknown := {table for table, _ in files} - set(tables_of()):
            raise Corrupt(f"the export holds a table {min(unknown)!r} of the history that this Gemel does not know")
        rebuild(
            draft / "history",
            files,
            exported.position,
            catalogue_url=catalogue or None,
            progress=lambda part: told(0.5 + 0.4 * part),
        )
        _state(source, draft / "state")
        if (source / DOCUMENTS).is_dir():
            shutil.copytree(source / DOCUMENTS, draft / DOCUMENTS)
        settings = {name: value for name, value in (("database", database), ("catalogue", catalogue)) if value}
        if settings:
            (draft / SETTINGS).write_text(yaml.safe_dump(settings))
        epoch = Restored(
            epoch=secrets.token_hex(8),
            backup=f"export of {exported.made}",
            position=exported.position,
            head=exported.head,
            recorded=exported.recorded,
        )
        (draft / RESTORED).write_bytes(msgspec.json.encode(epoch))
        fsync_tree(draft)
        if folder.exists():
            folder.rmdir()
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    told(1.0)
    return Imported(folder=str(folder), position=exported.position, rows=exported.rows, people=people)


class _Form(msgspec.Struct):
    format: int
    gemel: str


def _manifest(source: Path) -> Exported:
    path = source / "manifest.json"
    try:
        data = path.read_bytes()
        form = msgspec.json.decode(data, type=_Form)
        if form.format > FORMAT:
            raise Corrupt(
                f"{source} was made by Gemel {form.gemel} in form {form.format}; this Gemel reads forms up to {FORMAT}"
            )
        return msgspec.json.decode(data, type=Exported)
    except FileNotFoundError:
        raise NotFound(f"there is no export in {source}; make one with `gemel export --everything {source}`") from None
    except msgspec.MsgspecError as error:
        raise Corrupt(f"{path} cannot be read: {error!s:.200}") from error


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as reading:
        for line in reading:
            yield msgspec.json.decode(line)


def _database(source: Path, exported: Exported, url: str) -> int:
    """Every row, under the numbers it had. Returns how many accounts there are."""
    into = Database(url)
    try:
        into.migrate()
        with into.write() as connection:
            metadata = sa.MetaData()
            metadata.reflect(connection)
            for table in metadata.sorted_tables:
                path = source / "tables" / f"{table.name}.jsonl"
                if path.exists():
                    _table(connection, table, _lines(path))
            _journal(connection, metadata.tables[JOURNAL], source / "journal")
    finally:
        into.close()
    return exported.rows.get("account", 0)


def _table(connection: sa.Connection, table: sa.Table, rows: Iterator[dict[str, Any]]) -> None:
    if connection.execute(sa.select(table).limit(1)).first() is not None:
        raise InvalidInput(f"the target database is not empty: {table.name} has rows; name an empty database")
    batch = []
    for row in rows:
        if table.name == "account":  # nobody's password came along: an administrator gives new ones
            row |= {"password": "", "disabled": True}
        if unknown := row.keys() - table.columns.keys():
            raise Corrupt(
                f"the export holds {table.name}.{min(unknown)}, which this Gemel does not know; use a newer one"
            )
        check_fits(connection, table, row)
        batch.append({name: _value(table.columns[name], value) for name, value in row.items()})
        if len(batch) == _AT_ONCE:
            connection.execute(sa.insert(table), batch)
            batch = []
    if batch:
        connection.execute(sa.insert(table), batch)
    go_on_counting(connection, table)


def _value(column: sa.Column[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(column.type, sa.LargeBinary):
        return bytes.fromhex(value)
    return bool(value) if isinstance(column.type, sa.Boolean) else value


def _journal(connection: sa.Connection, table: sa.Table, folder: Path) -> None:
    """The chain with its changes; what it had of readings is in the history, as after the retention of the journal."""
    changes = groupby(_lines(folder / "changes.jsonl"), key=lambda one: one["sequence"])
    upcoming = next(changes, None)
    for told in _lines(folder / "blocks.jsonl"):
        texts: list[str] = []
        if upcoming is not None and upcoming[0] == told["sequence"]:
            texts = [one["text"] for one in upcoming[1]]
            upcoming = next(changes, None)
        connection.execute(sa.insert(table), {"partition": told["partition"], **of_plain(told, texts)})


def _state(source: Path, folder: Path) -> None:
    about = msgspec.json.decode((source / "now" / "about.json").read_bytes(), type=_About)
    tables = {
        (str(one["type"]), int(one["property"])): pq.read_table(source / "now" / one["file"]) for one in about.tables
    }
    Keyframe(about.position, tables, about.sources, about.retired).save(folder)
