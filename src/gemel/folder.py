"""The folder that a platform lives in: who has it open, and what its operator chose."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Self

import filelock
import msgspec

from gemel.errors import FolderInUse, InvalidDocument, InvalidInput
from gemel.twin.structure import build
from gemel.twin.yaml import parse_yaml

__all__ = ["DATABASE", "Folder", "Owner", "Settings"]

LOCK, OWNER, SETTINGS, DATABASE = "gemel.lock", "gemel.owner", "gemel.yaml", "gemel.sqlite"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`gemel.yaml` in the folder: what the operator of a platform may choose. All of it has a default."""

    database: str = ""
    """SQLAlchemy URL of registry and journal (`postgresql+psycopg://…`); empty: SQLite in the folder."""
    catalogue: str = ""
    """PostgreSQL URL of the history's DuckLake catalogue; empty: SQLite in the folder."""
    keyframe_every_s: float = 300.0
    """How often the state is written down, so that a restart need not read the journal from its start."""
    history_every_s: float = 5.0
    """How often what is new is written as Parquet; queries see it at once, programs outside when it is written."""


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
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)  # password hashes, quarantined payloads: for this user alone
        except OSError as error:
            raise InvalidInput(f"{folder} cannot be used as a folder: {error.strerror}") from error
        lock = filelock.FileLock(folder / LOCK)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            owner = cls.owner(folder)
            who = f"process {owner.process}" if owner else "another process"
            way = f"connect to it with gemel.connect({owner.url!r})" if owner and owner.url else "stop it first"
            raise FolderInUse(f"{folder} is open in {who}; {way}") from None
        taken = cls(folder, lock)
        taken.announce()
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
        target, fresh = self.path / OWNER, self.path / f"{OWNER}.new"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(owner))
        fresh.replace(target)

    def settings(self) -> Settings:
        """Raises InvalidDocument with line and column."""
        path = self.path / SETTINGS
        if not path.exists():
            return Settings()
        built, problems = build(parse_yaml(path.read_text(), str(path)) or {}, Settings)
        if built is None or problems:
            raise InvalidDocument(str(path), [problem for problem, _ in problems])
        return built

    def release(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self.path / OWNER).unlink()
        self._lock.release()
