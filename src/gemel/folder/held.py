"""The folder that a platform lives in: who has it open."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

import filelock
import msgspec

from gemel.disk import make_folder, refusals, write_whole
from gemel.errors import FolderInUse, InvalidInput

if TYPE_CHECKING:
    from gemel.folder.settings import Settings

__all__ = ["DATABASE", "SETTINGS", "Folder", "Owner"]

LOCK, OWNER, SETTINGS, DATABASE = "gemel.lock", "gemel.owner", "gemel.yaml", "gemel.sqlite"


class Owner(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who has the folder open; a server adds how programs of the same user on this machine reach it."""

    process: int
    url: str = ""
    token: str = ""


class Folder:
    """A folder that this process holds for writing until `release`."""

    def __init__(self, path: Path, lock: filelock.FileLock) -> None:
        """Use `Folder.take`."""
        self.path = path
        self._lock = lock

    @classmethod
    def take(cls, path: str | os.PathLike[str]) -> Self:
        """Make the folder if it is new, and hold it. Raises FolderInUse with the process that has it."""
        folder = Path(path)
        try:
            with refusals(f"the folder {folder}"):
                make_folder(folder)
                folder.chmod(0o700)  # password hashes, quarantined payloads: for this user alone
        except OSError as error:
            raise InvalidInput(f"{folder} cannot be used as a folder: {error.strerror}") from error
        lock = filelock.FileLock(folder / LOCK)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            owner = cls.owner(folder)
            who = f"process {owner.process}" if owner else "another process"
            way = "stop it first, or wait until it serves"
            if owner and owner.url:
                way = f"connect to it with gemel.connect({owner.url!r})"
            raise FolderInUse(f"{folder} is open in {who}; {way}") from None
        taken = cls(folder, lock)
        try:
            taken.announce()
        except BaseException:
            taken.release()
            raise
        return taken

    @staticmethod
    def owner(path: str | os.PathLike[str]) -> Owner | None:
        """Who has a folder open, if it said so; only the same user may read it."""
        try:
            return msgspec.json.decode((Path(path) / OWNER).read_bytes(), type=Owner)
        except (OSError, msgspec.DecodeError):
            return None

    @classmethod
    def server(cls, path: str | os.PathLike[str]) -> Owner | None:
        """Who serves this very folder now: its lock is held, and not only said to be (a copy says so too)."""
        owner, lock = cls.owner(path), filelock.FileLock(Path(path) / LOCK)
        if owner is None or not owner.url:
            return None
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            return owner
        lock.release()
        return None

    @staticmethod
    def exists(path: str | os.PathLike[str]) -> bool:
        """Whether a platform lives there: its database, or its settings that name one elsewhere."""
        return any((Path(path) / name).exists() for name in (DATABASE, SETTINGS))

    def announce(self, *, url: str = "", token: str = "") -> None:
        """Say who holds the folder, and where it is served; readable by this user alone."""
        owner = Owner(process=os.getpid(), url=url, token=token)
        with refusals(f"{self.path / OWNER}"):
            write_whole(self.path / OWNER, msgspec.json.encode(owner), mode=0o600)

    def settings(self) -> Settings:
        """Raises InvalidDocument with line and column."""
        return self.settings_of(self.path)

    @classmethod
    def held(cls, path: str | os.PathLike[str]) -> bool:
        """Whether some process has the folder open now."""
        lock = filelock.FileLock(Path(path) / LOCK)
        if not Path(lock.lock_file).exists():
            return False
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            return True
        lock.release()
        return False

    @staticmethod
    def forget_owner(path: str | os.PathLike[str]) -> None:
        """Remove the note of a process that is gone."""
        (Path(path) / OWNER).unlink(missing_ok=True)

    @staticmethod
    def settings_of(folder: Path) -> Settings:
        """The settings of a folder that somebody else may have open. Raises InvalidDocument with line and column."""
        from gemel.folder.settings import read_settings  # who only asks for the owner need not know rooms above

        return read_settings(folder / SETTINGS)

    def release(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self.path / OWNER).unlink()
        self._lock.release()
