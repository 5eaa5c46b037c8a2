"""Writing a whole plant out in open formats."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TextIO

import msgspec
import pyarrow.parquet as pq
import sqlalchemy as sa
import yaml

import gemel
from gemel.backup import Asked, Running, Vault, create, restore
from gemel.backup.create import DOCUMENTS
from gemel.backup.files import Stored, fsync_tree, stored
from gemel.backup.restore import RESTORED
from gemel.backup.vault import Progress
from gemel.errors import InvalidInput
from gemel.journal.codec import Row
from gemel.journal.plain import to_plain
from gemel.transfer.describe import COLUMNS, FILES, JOURNAL, LEFT_OUT, README, left_out_columns

__all__ = ["FORMAT", "Exported", "export_everything"]

FORMAT = 1
_DRAFT = ".draft"


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """`manifest.json` of an export."""

    format: int = FORMAT
    gemel: str
    made: int
    position: int
    sequence: int
    head: str
    """Hash of the journal at the position, hexadecimal."""
    recorded: int
    schema: str
    """The database's last migration: the form of tables/*.jsonl."""
    files: tuple[Stored, ...]
    rows: dict[str, int]
    """Table → rows."""

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def export_everything(
    plant: Running,
    target: Path,
    opened: Callable[[Path], AbstractContextManager[Asked]],
    *,
    progress: Progress | None = None,
) -> Exported:
    """Write one moment of a running plant into a new folder. `opened` opens a quiet copy of it.

    Raises InvalidInput if the folder is not empty.
    """
    told = progress or (lambda _: None)
    if target.exists() and any(target.iterdir()):
        raise InvalidInput(f"{target} is not empty; name a new folder for the export")
    made_here = not target.exists()
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = target / _DRAFT
    try:
        # A backup is one moment, and a copy that nobody else writes to can be read at leisure.
        made = create(plant, Vault.make(draft / "vault"), progress=lambda part: told(0.3 * part))
        restore(Vault(draft / "vault"), draft / "plant", share=True, progress=lambda part: told(0.3 + 0.1 * part))
        (draft / "plant" / RESTORED).unlink()
        with opened(draft / "plant") as copy:
            copy.history.flush()
            rows = _write(copy, target, told)
            copied = _history(copy, target)
        if (documents := draft / "plant" / DOCUMENTS).is_dir():
            documents.rename(target / DOCUMENTS)
        shutil.rmtree(draft)
        told(0.95)
        fsync_tree(target)
        files = tuple(stored(target, path) for path in sorted(target.rglob("*")) if path.is_file())
        manifest = Exported(
            gemel=gemel.__version__,
            made=made.made,
            position=made.position,
            sequence=made.sequence,
            head=made.head,
            recorded=made.recorded,
            schema=made.schema,
            files=files,
            rows=rows | copied,
        )
        path = target / "manifest.json"
        with path.open("wb") as out:
            out.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
            out.flush()
            os.fsync(out.fileno())
    except BaseException:
        for left in target.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        if made_here:
            target.rmdir()
        raise
    told(1.0)
    return manifest


def _write(copy: Asked, target: Path, told: Progress) -> dict[str, int]:
    """Everything but the past; returns rows by table."""
    (target / "README.md").write_text(README)
    described = {f"tables/{table}.jsonl": columns for table, columns in COLUMNS.items()} | FILES
    (target / "schema.json").write_bytes(msgspec.json.format(msgspec.json.encode(described), indent=1))
    (target / "plant.yaml").write_text(_plant(copy), "utf-8")
    counts = {}
    (target / "tables").mkdir()
    with copy.database.read() as connection:
        metadata = sa.MetaData()
        metadata.reflect(connection)
        for table in metadata.sorted_tables:
            if table.name not in LEFT_OUT and table.name != JOURNAL:
                with (target / "tables" / f"{table.name}.jsonl").open("w", encoding="utf-8") as out:
                    counts[table.name] = _lines(out, _rows(connection, table))
        told(0.5)
        counts |= _journal(connection, metadata.tables[JOURNAL], target / "journal")
    told(0.7)
    keyframe = copy.state.snapshot()
    (target / "now").mkdir()
    listed = []
    for number, ((type_id, property_), cells) in enumerate(keyframe.tables.items()):
        pq.write_table(cells, target / "now" / f"{number}.parquet", compression="zstd")
        listed.append({"file": f"{number}.parquet", "type": type_id, "property": property_})
    about = {"position": keyframe.position, "tables": listed, "sources": keyframe.sources, "retired": keyframe.retired}
    (target / "now" / "about.json").write_bytes(msgspec.json.encode(about))
    return counts


def _rows(connection: sa.Connection, table: sa.Table) -> Iterator[dict[str, Any]]:
    chosen = [column for column in table.columns if column.name not in left_out_columns(table.name)]
    query = sa.select(*chosen).order_by(*table.primary_key.columns)
    for row in connection.execution_options(stream_results=True).execute(query).mappings():
        yield {name: plain(value) for name, value in row.items()}


def plain(value: Any) -> Any:
    """As JSON has it."""
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else value


def _lines(out: TextIO, rows: Iterator[dict[str, Any]]) -> int:
    count = 0
    for row in rows:
        out.write(msgspec.json.encode(row).decode() + "\n")
        count += 1
    return count


def _journal(connection: sa.Connection, table: sa.Table, folder: Path) -> dict[str, int]:
    """The chain, and each change as it was hashed; the readings are in the history."""
    folder.mkdir()
    blocks = changes = 0
    query = sa.select(table).order_by(table.c.partition, table.c.sequence)
    with (
        (folder / "blocks.jsonl").open("w", encoding="utf-8") as chain,
        (folder / "changes.jsonl").open("w", encoding="utf-8") as said,
    ):
        for row in connection.execution_options(stream_results=True).execute(query).mappings():
            block, texts = to_plain(Row(**{name: row[name] for name in Row.__slots__}))
            chain.write(msgspec.json.encode({"partition": row["partition"], **block}).decode() + "\n")
            blocks += 1
            for text in texts:
                said.write(msgspec.json.encode({"sequence": block["sequence"], "text": text}).decode() + "\n")
                changes += 1
    return {JOURNAL: blocks, "journal_change": changes}


def _history(copy: Asked, target: Path) -> dict[str, int]:
    """The Parquet files themselves, and what their series mean."""
    paths: list[str] = copy.history.all_files()
    for path in paths:
        name = path.removeprefix("data/main/")
        place = target / "history" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        (copy.history.folder / path).rename(place)
    (target / "history").mkdir(exist_ok=True)
    pq.write_table(copy.history.series(), target / "history" / "series.parquet", compression="zstd")
    counts: dict[str, int] = {}
    for path in paths:
        name = path.removeprefix("data/main/")
        table = name.partition("/")[0]
        counts[table] = counts.get(table, 0) + pq.read_metadata(target / "history" / name).num_rows
    return counts


def _plant(copy: Asked) -> str:
    """Types, twins, links and connectors as of now, as a document that `gemel apply` takes anywhere."""
    registry = copy.registry
    twins = []
    for number in registry.directory.numbers():
        entry = registry.directory.entry(int(number))
        if entry is None:
            continue
        twin = registry.twin(entry.id)
        told: dict[str, Any] = {"id": twin.id, "types": list(twin.types)}
        told |= {
            name: value for name in ("name", "description", "serial", "attributes") if (value := getattr(twin, name))
        }
        if twin.aliases:
            told["aliases"] = list(twin.aliases)
        told["stage"] = twin.stage.value
        for link in registry.links(entry.id, direction="out"):
            if link.kind == "part_of" and "part_of" not in told:
                told["part_of"] = {"twin": link.target, "slot": link.slot} if link.slot else link.target
            else:
                told.setdefault("links", {}).setdefault(link.kind, []).append(link.target)
        twins.append(told)
    document = {
        "gemel": 1,
        "site": msgspec.to_builtins(registry.site()),
        "types": [_declared(msgspec.to_builtins(type_)) for type_ in registry.types()],
        "twins": twins,
        "connectors": [msgspec.to_builtins(spec) for spec in registry.connectors()],
    }
    return str(yaml.safe_dump(_said(document), sort_keys=False, allow_unicode=True))


def _said(value: Any) -> Any:
    """Without what says nothing: a document's defaults."""
    if isinstance(value, dict):
        return {name: _said(one) for name, one in value.items() if one not in (None, "", [], {}, False)}
    return [_said(one) for one in value] if isinstance(value, list) else value


def _declared(type_: dict[str, Any]) -> dict[str, Any]:
    """A type as a document declares it: without what Gemel counts."""
    properties = [
        {name: value for name, value in one.items() if name not in ("generation", "earlier")}
        for one in type_.get("properties", ())
    ]
    return {name: value for name, value in type_.items() if name != "version"} | {"properties": properties}
