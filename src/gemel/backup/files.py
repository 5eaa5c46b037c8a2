"""Copying files so that they are on the disk, and known by their hash."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import msgspec

from gemel.disk import sync

__all__ = ["Stored", "copy", "digest", "fsync_tree", "stored"]

_PART = 1 << 20


class Stored(msgspec.Struct, frozen=True):
    """A file as it was written."""

    path: str
    """Relative; with forward slashes."""
    size: int
    sha256: str

    def __post_init__(self) -> None:
        """A manifest may come from anybody: what it names lies in its folder, and is copied into ours."""
        parts = self.path.split("/")
        if {"", ".", ".."} & set(parts) or any(sign in self.path for sign in ("\\", ":", "\0")):
            raise ValueError(f"{self.path!r:.200} leads out of the folder")


def copy(source: Path, target: Path) -> tuple[int, str]:
    """Copy aside, fsync, rename: the target is there whole or not at all. Returns its size and SHA-256."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f"{target.name}.copying")
    seen, size = sha256(), 0
    with source.open("rb") as reading, aside.open("wb") as writing:
        while part := reading.read(_PART):
            seen.update(part)
            size += len(part)
            writing.write(part)
        writing.flush()
        os.fsync(writing.fileno())
    aside.replace(target)
    sync(target.parent)
    return size, seen.hexdigest()


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    seen = sha256()
    with path.open("rb") as reading:
        while part := reading.read(_PART):
            seen.update(part)
    return seen.hexdigest()


def stored(folder: Path, path: Path) -> Stored:
    """What lies at `path`, told relative to `folder`."""
    return Stored(path.relative_to(folder).as_posix(), path.stat().st_size, digest(path))


def fsync_tree(folder: Path) -> None:
    """Every file and folder below and including this one."""
    for path in (*folder.rglob("*"), folder):
        sync(path)
