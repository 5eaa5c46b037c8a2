"""`SHA256SUMS`: what every file of the history was when it was written, and whether it still is.

Parquet as DuckDB writes it has no checksum of its pages, and a flipped bit in one may give another value. So the hash
of each file is recorded, and synced, before the catalogue or a name tells of it; and a file is read in full and held
against its hash before the first query of a process reads it, and again by the scrub. `sha256sum -c --ignore-missing
SHA256SUMS` in the history's folder does the same without Gemel.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path

from gemel.disk import refusals, sync, write_whole
from gemel.errors import Corrupt

__all__ = ["NAME", "Sums", "record", "tidy", "write_sums"]

NAME = "SHA256SUMS"
_PART = 1 << 20
_writing = threading.Lock()


def record(folder: Path, files: Iterable[Path]) -> None:
    """Append the hashes of new files in the history's folder; on disk when this returns."""
    lines = "".join(f"\n{digest(path)}  {path.relative_to(folder).as_posix()}" for path in files)
    if not lines:
        return
    path = folder / NAME
    with _writing:
        new = not path.exists()
        # A line begins where the last one ended, torn or not: what a full disk left of one spoils no other.
        with path.open("ab") as out:
            out.write(lines.encode())
            out.flush()
            os.fsync(out.fileno())
        if new:
            sync(folder)


def tidy(folder: Path) -> None:
    """Leave out files that are gone, when they are the most."""
    listed = _read(folder)
    there = {path: told for path, told in listed.items() if (folder / path).exists()}
    if len(listed) > 2 * len(there) + 1000:
        with _writing:
            write_sums(folder, there)


def write_sums(folder: Path, told: Mapping[str, str]) -> None:
    """Say what every file of the history is: path in its folder → hash in hexadecimal digits."""
    write_whole(folder / NAME, "".join(f"\n{hashed}  {path}" for path, hashed in told.items()).encode())


def digest(path: Path, pause: Callable[[int], bool] | None = None) -> str:
    """SHA-256 of a file. `pause` is called with the bytes of each part, and stops it by True."""
    found = sha256()
    with path.open("rb") as file:
        while part := file.read(_PART):
            found.update(part)
            if pause is not None and pause(len(part)):
                break
    return found.hexdigest()


def _read(folder: Path) -> dict[str, str]:
    path = folder / NAME
    if not path.exists():
        return {}
    told = {}
    for line in path.read_bytes().decode(errors="replace").splitlines():
        hashed, gap, name = line.partition("  ")
        if gap and len(hashed) == 64:
            told[name] = hashed
    return told


class Sums:
    """Which files this process has found as they were written. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._told: dict[str, str] = {}
        self._sound: set[str] = set()
        self._lock = threading.Lock()
        self.damaged: dict[str, str] = {}
        """Path → what is wrong with it."""
        self.found: Callable[[str, str], None] | None = None
        """Told once of each damaged file: path, reason."""

    def require(self, paths: Iterable[str]) -> None:
        """Hold files (relative paths) against their hashes, each once in a process. Raises Corrupt, StorageFailed."""
        for path in paths:
            if path in self._sound:
                continue
            try:
                self.check(path)
            except FileNotFoundError:
                raise Corrupt(f"{self._folder / path} is missing; restore it from a backup") from None

    def check(self, path: str, pause: Callable[[int], bool] | None = None) -> bool:
        """Read a file in full; False if it has no hash. Raises Corrupt: it is left as it lies."""
        told = self._of(path)
        if told is None:
            return False
        with refusals(f"{self._folder / path}"):
            found = digest(self._folder / path, pause)
        if found == told:
            self._sound.add(path)
            self.damaged.pop(path, None)
            return True
        if pause is not None and pause(0):  # stopped half-way
            return True
        self._sound.discard(path)
        reason = f"its SHA-256 is {found[:12]}…, and was {told[:12]}… when it was written"
        if path not in self.damaged:
            self.damaged[path] = reason
            if self.found is not None:
                self.found(path, reason)
        way = (
            "restore it from a backup"
            if path.startswith("data/")
            else "remove it, and it is made anew when the history is opened"
        )
        raise Corrupt(f"{self._folder / path} is damaged: {reason}. What does not need it is answered; {way}")

    def _of(self, path: str) -> str | None:
        with self._lock:
            if path not in self._told:
                self._told = _read(self._folder)
            return self._told.get(path)
