"""How much room things take: the parts of the folder, the types and the twins, against what they may take."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

import duckdb
import msgspec

from gemel.clock import SECOND
from gemel.folder import DiskSettings, parse_size
from gemel.history import File
from gemel.registry import Directory
from gemel.storage.growth import Forecast
from gemel.twin import PROPERTY_BITS

__all__ = ["Standing", "TypeUsage", "Usage", "folder_bytes"]

TOP = 20
DAY = 86_400 * SECOND
DROPPED_TABLES = ("reading", "reading_integer", "reading_array")
"""Those that retention drops from; texts and conditions are few and tell changes."""


class TypeUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What the history of one type's twins takes: its share of the files' bytes, by rows."""

    type: str
    rows: int
    bytes: int
    budget: int | None = None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How the room stands. Bytes."""

    disk: int
    free: int
    used: int
    """By the plant's folder."""
    budget: int | None
    left: int
    """Until the budget, or else the disk, is used up."""
    leaving: int
    """Of what is used: files that were merged or dropped, and go once nobody can be reading them (some minutes)."""
    database: int
    history: int
    documents: int
    """Contents of documents, of files that were imported, and of software."""
    other: int
    types: list[TypeUsage]
    twins: list[tuple[str, int]]
    """The twins with the most rows in the history."""
    forecast: Forecast
    warnings: list[str]
    refuses: str = ""
    """Why no readings are taken in now; empty if they are."""


class Usage:
    """Counts rows by type and twin; each file is read once, for files never change."""

    def __init__(self, folder: Path, directory: Directory) -> None:
        self._folder = folder
        self._directory = directory
        self._counts: dict[str, list[tuple[int, int, int]]] = {}

    def of(
        self, files: Iterable[File], settings: DiskSettings, disk: int
    ) -> tuple[list[TypeUsage], list[tuple[str, int]]]:
        """(types by falling bytes, the greatest twins by rows). Reads one column of what is new."""
        listed = [file for file in files if file.table.startswith("reading")]
        self._counts = {path: self._counts[path] for path in (f.path for f in listed) if path in self._counts}
        rows: Counter[str] = Counter()
        size: Counter[str] = Counter()
        twins: Counter[int] = Counter()
        for file in listed:
            for number, twin, count in self._of_file(file):
                ref = self._directory.property(number)
                type_id = ref.type_id if ref is not None else "(erased)"
                rows[type_id] += count
                size[type_id] += round(file.size * count / max(1, file.rows))
                twins[twin] += count
        types = [
            TypeUsage(type=name, rows=rows[name], bytes=count, budget=parse_size(settings.types.get(name, ""), disk))
            for name, count in size.most_common()
        ]
        named = ((self._directory.entry(number), count) for number, count in twins.most_common(TOP))
        return types, [(entry.id, count) for entry, count in named if entry is not None]

    def oldest(self, files: Iterable[File], held: Collection[int]) -> dict[str, int]:
        """Type → the first day that has readings of it which may be dropped: not of `held` twins."""
        found: dict[str, int] = {}
        for file in files:
            if file.table not in DROPPED_TABLES:
                continue
            day = file.min_time // DAY * DAY  # a file is of one day
            refs = (self._directory.property(number) for number, twin, _ in self._of_file(file) if twin not in held)
            for type_id in {ref.type_id for ref in refs if ref is not None}:
                found[type_id] = min(found.get(type_id, day), day)
        return found

    def _of_file(self, file: File) -> list[tuple[int, int, int]]:
        found = self._counts.get(file.path)
        if found is None:
            path = str(self._folder / file.path).replace("'", "''")
            query = (
                f"SELECT series & {(1 << PROPERTY_BITS) - 1}, series >> {PROPERTY_BITS}, count(*) "
                f"FROM read_parquet('{path}', hive_partitioning = false) GROUP BY ALL"
            )
            try:
                with duckdb.connect(config={"threads": 1}) as connection:
                    found = connection.execute(query).fetchall()
            except duckdb.Error:  # merged away in this very moment
                found = []
            self._counts[file.path] = found
        return found


def folder_bytes(path: Path) -> int:
    """Bytes below a folder, or of a file; what disappears meanwhile counts nothing."""
    if path.is_file():
        return path.stat().st_size
    total = 0
    for root, _, names in os.walk(path):
        for name in names:
            try:
                total += (Path(root) / name).lstat().st_size
            except FileNotFoundError:
                continue
    return total


def disk_of(path: Path) -> tuple[int, int]:
    """(bytes of the disk, bytes that are free to us)."""
    found = shutil.disk_usage(path)
    return found.total, found.free
