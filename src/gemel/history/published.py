"""What readers see: an immutable list of files with their bounds and the tail after it, replaced as one."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from gemel.disk import write_whole
from gemel.errors import Corrupt
from gemel.history.derived import DAY, Derived
from gemel.history.forgotten import Forgotten
from gemel.history.tables import TABLES
from gemel.history.tail import Part

__all__ = ["File", "FileTable", "Index", "View", "Views", "read_index", "write_index"]


class File(msgspec.Struct, frozen=True):
    """One Parquet file of one table, with the bounds of what is in it (both ends included)."""

    table: str
    path: str
    """Relative to the history's folder."""
    rows: int
    size: int
    """Bytes."""
    min_time: int
    max_time: int
    min_series: int
    max_series: int
    min_position: int
    max_position: int


class Index(msgspec.Struct, frozen=True):
    """`files.json`: the published list, for readers outside this process."""

    version: int
    position: int
    """Everything up to this journal position is in the files."""
    files: tuple[File, ...]


class FileTable:
    """The files of one table, with their bounds as vectors, so that pruning a year of days costs microseconds."""

    def __init__(self, files: Sequence[File], forgotten: Forgotten | None = None) -> None:
        self.forgotten = forgotten or Forgotten()
        self.files = tuple(sorted(files, key=lambda file: (file.min_time, file.min_position)))
        self._bounds: NDArray[np.int64] = np.array(
            [(f.min_time, f.max_time, f.min_series, f.max_series, f.min_position, f.max_position) for f in self.files],
            np.int64,
        ).reshape(-1, 6)

    def select(
        self,
        *,
        start: int | None = None,
        end: int | None = None,
        series: tuple[int, int] | None = None,
        after_position: int | None = None,
    ) -> list[File]:
        """Files that may hold rows with time in [start, end), series in [least, greatest], position after that."""
        bounds = self._bounds
        keep = np.ones(len(bounds), np.bool_)
        if start is not None:
            keep &= bounds[:, 1] >= start
        if end is not None:
            keep &= bounds[:, 0] < end
        if series is not None:
            keep &= (bounds[:, 3] >= series[0]) & (bounds[:, 2] <= series[1])
        if after_position is not None:
            keep &= bounds[:, 5] > after_position
        return [self.files[i] for i in np.flatnonzero(keep)]

    @cached_property
    def day_rows(self) -> dict[int, int]:
        """When a day begins -> how many rows it has, or had before they were dropped for their age.

        No file of a reading table holds rows of two days.
        """
        found = {day: rows for day in self.forgotten.days if (rows := self.forgotten.rows(day))}
        for file in self.files:
            day = file.min_time // DAY * DAY
            found[day] = found.get(day, 0) + file.rows
        return found

    @property
    def max_time(self) -> int | None:
        """The newest reading's; None without files."""
        return int(self._bounds[:, 1].max()) if len(self._bounds) else None


_NO_FILES = FileTable(())


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One consistent state of the history: all that is at or before `position`, and nothing after it."""

    files: Mapping[str, FileTable] = field(default_factory=dict)
    stored: int = 0
    """The position up to which `files` hold everything."""
    tail: tuple[Part, ...] = ()
    """What came after `stored`, in order."""
    derived: Derived = field(default_factory=Derived)
    """Keyframes and roll-ups; what they lack of `files` shows in their names."""

    @property
    def position(self) -> int:
        return self.tail[-1].last if self.tail else self.stored

    def table(self, name: str) -> FileTable:
        return self.files.get(name, _NO_FILES)


class Views:
    """The current view, and who still reads an older one: files are deleted only when nobody does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._current = View()
        self._generation = 0
        self._held: dict[int, int] = {}

    @property
    def current(self) -> View:
        return self._current

    @property
    def generation(self) -> int:
        """Counts publications."""
        return self._generation

    def publish(self, view: View) -> None:
        with self._changed:
            self._current = view
            self._generation += 1
            self._changed.notify_all()

    def wait(self, position: int, timeout_s: float, *, stored: bool = False) -> bool:
        """Whether the view (with `stored`: its files) reached `position` within the time."""
        with self._changed:
            return self._changed.wait_for(
                lambda: (self._current.stored if stored else self._current.position) >= position, timeout_s
            )

    @contextmanager
    def hold(self) -> Iterator[View]:
        """The current view; none of its files disappears before this block is left."""
        with self._lock:
            generation, view = self._generation, self._current
            self._held[generation] = self._held.get(generation, 0) + 1
        try:
            yield view
        finally:
            with self._lock:
                self._held[generation] -= 1
                if not self._held[generation]:
                    del self._held[generation]

    def oldest_held(self) -> int:
        """The generation of the oldest view that somebody reads; the current one when nobody does."""
        with self._lock:
            return min(self._held, default=self._generation)


def file_tables(files: Iterable[File], forgotten: Mapping[str, Forgotten]) -> dict[str, FileTable]:
    """The files by table."""
    by_table: dict[str, list[File]] = {table: [] for table in TABLES}
    for file in files:
        by_table.setdefault(file.table, []).append(file)
    return {table: FileTable(listed, forgotten.get(table)) for table, listed in by_table.items()}


def write_index(folder: Path, position: int, files: Iterable[File]) -> None:
    """Replace `files.json` in one step that survives a power cut."""
    write_whole(folder / "files.json", msgspec.json.encode(Index(1, position, tuple(files))))


def read_index(folder: Path) -> Index:
    """What `files.json` says; an empty index when there is none yet. Raises Corrupt."""
    path = folder / "files.json"
    if not path.exists():
        return Index(1, 0, ())
    try:
        return msgspec.json.decode(path.read_bytes(), type=Index)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Corrupt(f"{path} cannot be read: {error}; it is written anew when the history is opened") from error
