"""The log of commits after a backup, for restores to any moment: pages, as SQLite's write-ahead log has them.

What a transaction changed is in the write-ahead log before anywhere else, all tables alike. The log copies it every few
seconds, into segments that name the one before them by hash. While it follows it holds a read transaction, so that
SQLite does not begin its write-ahead log anew before all of it is copied. See docs/decisions/0008.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import msgspec
import structlog

from gemel.backup.create import DOCUMENTS, documents_of
from gemel.backup.files import copy
from gemel.backup.manifest import Manifest
from gemel.backup.restore import Goal
from gemel.database import Database
from gemel.disk import sync
from gemel.errors import Corrupt, InvalidInput, NotFound

__all__ = ["Log", "Segment", "replay", "segments"]

# https://www.sqlite.org/fileformat2.html#the_write_ahead_log
_HEADER, _FRAME = 32, 24
_FRAME_HEAD = struct.Struct(">II")  # page, and of a commit's last frame the size of the database in pages
_MAGIC = b"gemel.w1"
_LENGTH = struct.Struct(">I")
_HEAD = "SELECT sequence, first + count - 1, recorded FROM journal_block ORDER BY sequence DESC LIMIT 1"
_log = structlog.get_logger("gemel.backup")


class Segment(msgspec.Struct, frozen=True):
    """The head of a segment's file: magic, length of this in JSON, this, then frames."""

    index: int
    previous: str
    """SHA-256 of the head of the segment before it; at random where the log begins anew, after a backup."""
    page_size: int
    frames: int
    position: int
    """Where the journal was at its end."""
    recorded: int
    sha256: str
    """Of the frames."""


class Log:
    """Follows one SQLite database into the folder of a log."""

    def __init__(self, database: Database, folder: Path, *, every_s: float = 5.0) -> None:
        """Raises InvalidInput for PostgreSQL, which archives its own log."""
        if not database.is_sqlite or not database.url.database:
            raise InvalidInput(
                "backup.follow is for SQLite; with PostgreSQL use its own archiving (archive_command, pgBackRest) for "
                "the database, and Gemel's backups for the rest"
            )
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.error = ""
        """Why it does not follow just now; empty while it does."""
        self._database = database
        self._path = Path(database.url.database)
        self._every_s = every_s
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._salts, self._done = b"", 0
        self._index = max((int(path.stem) for path in folder.glob("*.wal")), default=0) + 1
        self._previous = ""
        self.position = 0
        """What is logged reaches up to here."""
        self._broken = True
        self._pin = self._connect()
        self._checkpointer = self._connect()
        self._thread = threading.Thread(target=self._follow, name="gemel-backup-log", daemon=True)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)

    def start(self) -> None:
        self._thread.start()

    @property
    def broken(self) -> bool:
        """Whether a new backup is needed before the log goes on."""
        return self._broken

    def close(self) -> None:
        """Log what is there, and stop."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()
        with self._lock:
            self._pin.close()
            self._checkpointer.close()

    @contextmanager
    def still(self) -> Iterator[None]:
        """Nothing is committed while this is held."""
        with self._lock, self._database.still():
            yield

    def begin(self) -> tuple[int, str]:
        """Within `still`: from here on everything is logged, after a backup of this moment.

        Returns the index of the next segment, and what that will name as the one before it.
        """
        if self._broken:
            self._previous = secrets.token_hex(32)
            self._unpin()
            self._salts, self._done = self._salts_now(), self._checkpoint()
            self._take_pin()
            self._broken = False
        else:
            parts = [self._frames(self._checkpoint())]
            self._unpin()
            self._take_pin()
            self._write(parts)
        return self._index, self._previous

    def poll(self) -> None:
        """Log what was committed since the last time."""
        with self._lock:
            if self._broken:
                return
            try:
                self._poll()
                self.error = ""
            except (OSError, sqlite3.Error) as error:
                self.error = f"{error!s:.200}"
                self._broken = True  # what was read may be lost: only a new backup is a sure beginning
                self._unpin()
                raise

    def _follow(self) -> None:
        last = False
        while not last:
            last = self._closing.wait(self._every_s)
            try:
                self.poll()
            except (OSError, sqlite3.Error):
                _log.exception("the log of commits cannot be written; it goes on with the next backup")

    def _poll(self) -> None:
        self._repin()
        before, end = self._salts_now(), self._checkpoint()
        # Most of the work is done here, while the writer goes on; under its lock only what came meanwhile.
        parts = [self._frames(end)] if self._salts_now() == before else []
        with self._database.still():
            parts.append(self._frames(self._checkpoint()))
            self._unpin()
            self._checkpoint()  # all of it is in the database now: the next write begins the write-ahead log anew
            self._take_pin()
        self._write(parts)

    def _salts_now(self) -> bytes:
        try:
            with self._wal() as file:
                return file.read(_HEADER)[16:24]
        except FileNotFoundError:
            return b""

    def _wal(self) -> BinaryIO:
        return self._path.with_name(f"{self._path.name}-wal").open("rb")

    def _checkpoint(self) -> int:
        """Frames of the write-ahead log that are committed; as many as readers allow come into the database."""
        _busy, frames, _moved = self._checkpointer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return max(0, int(frames))

    def _frames(self, end: int) -> bytes:
        """What is committed up to frame `end` and was not read yet."""
        salts = self._salts_now()
        if salts != self._salts:
            self._salts, self._done = salts, 0
        if end <= self._done:
            return b""
        with self._wal() as file:
            head = file.read(_HEADER)
            size = _FRAME + self._page_size(head)
            file.seek(_HEADER + self._done * size)
            data = file.read((end - self._done) * size)
        if len(data) != (end - self._done) * size:
            raise OSError(f"the write-ahead log ends at {len(data)} bytes after frame {self._done}, not at {end}")
        self._done = end
        return data

    @staticmethod
    def _page_size(head: bytes) -> int:
        return int.from_bytes(head[8:12], "big")

    def _take_pin(self) -> None:
        self._pin.execute("BEGIN")
        self._pin.execute("SELECT 1 FROM sqlite_master").fetchone()

    def _unpin(self) -> None:
        if self._pin.in_transaction:
            self._pin.execute("COMMIT")

    def _repin(self) -> None:
        """Hold the newest moment instead of an older one; at no time none."""
        fresh = self._connect()
        old, self._pin = self._pin, fresh
        self._take_pin()
        old.close()

    def _write(self, parts: list[bytes]) -> None:
        """One segment, durable; read through the pin, which sees exactly what is in it."""
        frames = b"".join(parts)
        if not frames:
            return
        row = self._pin.execute(_HEAD).fetchone() or (0, 0, 0)
        with self._wal() as file:
            page_size = self._page_size(file.read(_HEADER))
        about = Segment(
            index=self._index,
            previous=self._previous,
            page_size=page_size,
            frames=len(frames) // (_FRAME + page_size),
            position=row[1],
            recorded=row[2],
            sha256=sha256(frames).hexdigest(),
        )
        head = msgspec.json.encode(about)
        self._keep_documents()
        path = _place(self.folder, self._index)
        aside = path.with_suffix(f".{secrets.token_hex(4)}")
        with aside.open("wb") as out:
            out.write(_MAGIC + _LENGTH.pack(len(head)) + head)
            out.write(frames)
            out.flush()
            os.fsync(out.fileno())
        aside.replace(path)
        sync(self.folder)
        self._previous = sha256(head).hexdigest()
        self._index += 1
        self.position = row[1]

    def _keep_documents(self) -> None:
        """Those that the log may name: they are on the disk before a commit names them."""
        plant, vault = self._path.parent, self.folder.parent
        for path in set(documents_of(plant)) - set(documents_of(vault)):
            copy(plant / DOCUMENTS / path, vault / DOCUMENTS / path)

    def prune(self, before: int) -> None:
        """Delete segments that no kept backup needs."""
        for path in self.folder.glob("*.wal"):
            if int(path.stem) < before:
                path.unlink()


def _place(folder: Path, index: int) -> Path:
    return folder / f"{index:012d}.wal"


def segments(folder: Path, first: int, previous: str) -> Iterator[tuple[Segment, bytes]]:
    """The unbroken run of segments from an index on, each checked. Raises Corrupt at one that is damaged."""
    index = first
    while (path := _place(folder, index)).exists():
        data = path.read_bytes()
        try:
            (length,) = _LENGTH.unpack_from(data, len(_MAGIC))
            head = data[len(_MAGIC) + _LENGTH.size :][:length]
            about = msgspec.json.decode(head, type=Segment)
        except (struct.error, msgspec.MsgspecError) as error:
            raise Corrupt(f"{path} cannot be read ({error!s:.100}); restore to a moment before it") from error
        frames = data[len(_MAGIC) + _LENGTH.size + length :]
        if about.previous != previous:
            return  # the log began anew, after a later backup
        if data[: len(_MAGIC)] != _MAGIC or about.index != index or sha256(frames).hexdigest() != about.sha256:
            raise Corrupt(f"{path} is not as it was written; restore to a moment before it")
        yield about, frames
        previous, index = sha256(head).hexdigest(), index + 1


def replay(folder: Path, manifest: Manifest, database: Path, goal: Goal) -> None:
    """Bring a restored database from its backup's moment to `goal`, commit by commit where it lies within a segment.

    Raises NotFound if the log does not reach so far.
    """
    if manifest.log is None:
        if goal.position == manifest.position:
            return
        raise NotFound(
            f"backup {manifest.id} has position {manifest.position} and no log after it (`backup: {{follow: true}}` "
            f"keeps one); restore to {manifest.position}"
        )
    reached = manifest.position
    with database.open("r+b") as file:
        for about, frames in segments(folder, manifest.log, manifest.log_after):
            size = _FRAME + about.page_size
            if goal.allows(about.position, about.recorded):
                _apply(file, frames, size)
                reached = about.position
                continue
            for commit in _commits(frames, size):
                undo = _apply(file, commit, size)
                file.flush()
                position, recorded = _head(database)
                if not goal.allows(position, recorded):
                    _undo(file, undo, about.page_size)
                    break
                reached = position
            break
        else:
            if goal.position is not None and reached < goal.position:
                raise NotFound(f"the log ends at position {reached}; restore to that or an earlier one")
        file.flush()
        os.fsync(file.fileno())


def _commits(frames: bytes, size: int) -> Iterator[bytes]:
    start = 0
    for at in range(0, len(frames), size):
        _page, pages = _FRAME_HEAD.unpack_from(frames, at)
        if pages:
            yield frames[start : at + size]
            start = at + size


_Undo = tuple[int, list[tuple[int, bytes]]]


def _apply(file: BinaryIO, frames: bytes, size: int) -> _Undo:
    """Write pages as a checkpoint would; returns what was there."""
    length = file.seek(0, os.SEEK_END)
    old = []
    for at in range(0, len(frames), size):
        page, pages = _FRAME_HEAD.unpack_from(frames, at)
        place = (page - 1) * (size - _FRAME)
        file.seek(place)
        old.append((place, file.read(size - _FRAME)))
        file.seek(place)
        file.write(frames[at + _FRAME : at + size])
        if pages:
            file.truncate(pages * (size - _FRAME))
    return length, old


def _undo(file: BinaryIO, undo: _Undo, page_size: int) -> None:
    length, old = undo
    for place, page in reversed(old):
        if len(page) == page_size:
            file.seek(place)
            file.write(page)
    file.truncate(length)
    file.flush()


def _head(database: Path) -> tuple[int, int]:
    opened = sqlite3.connect(f"file:{database}?immutable=1", uri=True)
    try:
        row = opened.execute(_HEAD).fetchone() or (0, 0, 0)
    finally:
        opened.close()
    return row[1], row[2]
