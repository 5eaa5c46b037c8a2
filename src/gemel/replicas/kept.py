"""The folder of a replica: its whole copy in one file, replaced in one step, so that it goes on after a restart."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import filelock
import msgspec

from gemel.client import Update
from gemel.disk import make_folder, refusals, write_whole
from gemel.errors import FolderInUse
from gemel.replicas.copy import Copy
from gemel.replicas.values import Select

__all__ = ["Kept"]

FORM = 1
NAME, LOCK = "replica.gemel", "replica.lock"


class _Written(msgspec.Struct, frozen=True):
    """What the file holds: MessagePack, compressed with zlib."""

    form: int
    url: str
    select: Select
    epoch: str
    position: int
    hash: str
    values: list[Update]


class Kept:
    """One folder, held by one replica at a time."""

    def __init__(self, folder: str | os.PathLike[str], url: str, select: Select) -> None:
        """Raises FolderInUse, StorageFull."""
        self.folder, self._url, self._select = Path(folder), url, select
        with refusals(f"the folder {self.folder}"):
            make_folder(self.folder)
            self.folder.chmod(0o700)
        self._lock = filelock.FileLock(self.folder / LOCK)
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise FolderInUse(f"{self.folder} is the folder of a replica that runs; give this one another") from None
        self.position = 0
        """What the file holds."""

    def load(self) -> tuple[Copy, str]:
        """The copy that was written, and why it is empty, if it is not for there being no file."""
        copy = Copy()
        try:
            packed = (self.folder / NAME).read_bytes()
        except FileNotFoundError:
            return copy, ""
        try:
            told = msgspec.msgpack.decode(zlib.decompress(packed), type=_Written)
        except (zlib.error, msgspec.DecodeError) as error:
            return copy, f"what was kept in {self.folder} cannot be read ({error!s:.100})"
        if (told.url, told.select) != (self._url, self._select):
            return copy, f"{self.folder} held a copy of {told.url}, or of another selection"
        for update in told.values:
            copy.put(update)
        if copy.hash != told.hash:
            copy.clear()
            return copy, f"what was kept in {self.folder} is not what was written: its hash differs"
        copy.position, copy.epoch = told.position, told.epoch
        self.position = told.position
        return copy, ""

    def save(self, values: list[Update], position: int, epoch: str, hash: str) -> None:  # noqa: A002 - of the copy
        """Write the copy as it was at a position. Raises StorageFull, StorageFailed."""
        told = _Written(FORM, self._url, self._select, epoch, position, hash, values)
        with refusals(f"{self.folder / NAME}"):
            packed = zlib.compress(msgspec.msgpack.encode(told), 1)
            write_whole(self.folder / NAME, packed, mode=0o600)
        self.position = position

    def forget(self) -> None:
        """Remove what was written."""
        (self.folder / NAME).unlink(missing_ok=True)
        self.position = 0

    def close(self) -> None:
        self._lock.release()
