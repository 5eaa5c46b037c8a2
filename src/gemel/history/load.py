"""Bulk load: years of CSV or Parquet at once, checked and staged, then taken in with one change of the journal.

The file is read once, checked against the properties and staged as Parquet; then the change `history.loaded` is
journaled with its hashes; the historian meets that change as it follows the journal and takes the staged rows in, in
the same transaction as its position. So a load is there whole, once, and at its place in the order of everything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pyarrow as pa

from gemel.errors import NotFound, Problem
from gemel.history import extensions
from gemel.history.derived import DAY
from gemel.history.mapping import Mapping
from gemel.history.reader import moment
from gemel.twin import Change

__all__ = [
    "LOADED_KIND",
    "Loaded",
    "Progress",
    "Staged",
    "file_digest",
    "load_hash",
    "loaded_change",
    "selects",
    "staged",
    "staged_folder",
    "text",
]

LOADED_KIND = "history.loaded"
_INSERT_ROWS = 4_000_000

Progress = Callable[[float], None]
"""Called with the part that is done, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did."""

    hash: str
    """Of the content and the mapping: the same load again has no effect."""
    rows: int
    """Readings taken in."""
    position: int
    """The journal position of the load; all its readings have it."""
    start: int | None = None
    end: int | None = None
    """The time of its first and last reading."""
    rejected: int = 0
    """Values that were left out."""
    problems: tuple[Problem, ...] = ()
    """The first hundred of them, with their lines (of a Parquet file: row numbers), both from 1."""
    repeated: bool = False
    """It had been loaded before."""


@dataclass(frozen=True, slots=True)
class Staged:
    """Rows that wait to be taken in: one Parquet file per table, with the columns series, time, value."""

    hash: str
    rows: int
    start: int | None
    end: int | None
    tables: dict[str, int] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each staged file: what the journal vouches for."""
    rejected: int = 0
    problems: tuple[Problem, ...] = ()


def staged_folder(folder: Path, digest: str) -> Path:
    return folder / "loads" / digest


def load_hash(source: Path | pa.Table, mapping: Mapping) -> str:
    """SHA-256 of the content and of how it is read, in hex. Raises NotFound."""
    if isinstance(source, Path) and not source.is_file():
        raise NotFound(f"there is no file {source}")
    digest = hashlib.sha256(msgspec.json.encode(mapping))
    if isinstance(source, pa.Table):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, source.schema) as writer:
            writer.write_table(source.combine_chunks())
        digest.update(sink.getvalue())
    else:
        digest.update(file_digest(source).encode())
    return digest.hexdigest()


def loaded_change(held: Staged, name: str, now: int) -> Change:
    """What the journal keeps of a load: enough to check its rows for ever. Its identity is the hash."""
    return Change(
        kind=LOADED_KIND,
        subject="history",
        time=now,
        source="history.load",
        id=held.hash,
        body={
            "hash": held.hash,
            "name": name,
            "rows": held.rows,
            "start": held.start,
            "end": held.end,
            "tables": held.tables,
            "sha256": held.digests,
            "rejected": held.rejected,
        },
    )


def staged(folder: Path, digest: str) -> Staged | None:
    """What is staged under this hash, or None if it is not (any more)."""
    try:
        return msgspec.json.decode((staged_folder(folder, digest) / "staged.json").read_bytes(), type=Staged)
    except FileNotFoundError:
        return None


def selects(folder: Path, held: Staged, position: int, recorded: int) -> list[tuple[str, str]]:
    """(table, SELECT) pairs that insert the staged rows, each of so many days that they can be sorted in memory."""
    found = []
    for table in held.tables:
        path = staged_folder(folder, held.hash) / f"{table}.parquet"
        for start, end in _spans(path):
            found.append(
                (
                    table,
                    f"SELECT series, time, make_timestamp({recorded}) AS recorded, value, "
                    f"CAST(0 AS UTINYINT) AS quality, CAST({position} AS BIGINT) AS position FROM {text(path)} "
                    f"WHERE time >= {moment(start)} AND time < {moment(end)}",
                )
            )
    return found


def _spans(path: Path) -> list[tuple[int, int]]:
    """Whole days, joined up to `_INSERT_ROWS`."""
    with extensions.connect() as connection:
        days = connection.execute(
            f"SELECT epoch_us(date_trunc('day', time)) AS day, count(*) FROM {text(path)} GROUP BY day ORDER BY day"
        ).fetchall()
    spans: list[tuple[int, int]] = []
    rows = 0
    for day, count in days:
        if spans and rows + count <= _INSERT_ROWS:
            spans[-1], rows = (spans[-1][0], day + DAY), rows + count
        else:
            spans.append((day, day + DAY))
            rows = count
    return spans


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def text(value: object) -> str:
    """An SQL text literal."""
    return "'" + str(value).replace("'", "''") + "'"
