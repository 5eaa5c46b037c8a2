"""What is written stays written: files whole or not at all, and names that survive a power cut.

An fsync of a file keeps its content, not its name: the folder that names it needs one too, and so does the folder
above a new folder.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gemel.errors import GemelError, StorageFailed, StorageFull

__all__ = ["make_folder", "refusal", "refusals", "sync", "write_whole"]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_SIGNS_FULL = ("no space left", "disk is full", "disk full", "quota exceeded", "file too large")
_SIGNS_FAILED = ("input/output error", "disk i/o error", "read-only file system", "readonly database", "unable to open")
_REFUSED = {errno.EIO, errno.EROFS, errno.ENXIO, errno.ENODEV, errno.ESTALE}


def sync(path: Path) -> None:
    """fsync a file, or a folder (which keeps the names in it)."""
    if sys.platform == "win32" and path.is_dir():  # NTFS journals names; a folder cannot be opened
        return
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> Path:
    """Make a folder and those above it, so that their names survive a power cut; nothing if it is there."""
    missing = [one for one in (path, *path.parents) if not one.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for one in missing:
        sync(one.parent)
    return path


def write_whole(path: Path, data: bytes | memoryview, *, mode: int = 0o666) -> None:
    """Replace a file in one step: after a crash it is the old one or the new one. OSError leaves the old one."""
    fresh = path.with_name(f"{path.name}.new")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(path)
    except BaseException:
        with suppress(OSError):
            fresh.unlink()
        raise
    sync(path.parent)


def refusal(text: str, what: str) -> GemelError | None:
    """What an engine's error text says of the disk below it: StorageFull, StorageFailed, or nothing."""
    text = text.lower()
    if any(sign in text for sign in _SIGNS_FULL):
        return StorageFull(f"the disk that holds {what} is full; free space and try again, nothing was written")
    if any(sign in text for sign in _SIGNS_FAILED):
        return StorageFailed(f"the disk that holds {what} refused: {text:.200}; look after the disk")
    return None


@contextmanager
def refusals(what: str) -> Iterator[None]:
    """Raise what the disk refuses as StorageFull or StorageFailed; `what` is what it was asked for."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(f"{what} cannot be written: the disk is full; free space and try again") from error
        if error.errno in _REFUSED:
            raise StorageFailed(
                f"{what} cannot be used, the disk refused: {error.strerror}; look after the disk"
            ) from error
        raise
