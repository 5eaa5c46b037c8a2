"""The scrub: reads the whole history now and then, slowly, so that damage is found while a backup is still there."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gemel.errors import GemelError
from gemel.history.sums import Sums

__all__ = ["Checked", "Scrub", "check_all"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Checked:
    """What reading every file of the history found."""

    files: int = 0
    size: int = 0
    """Bytes."""
    unhashed: int = 0
    """Files without a hash: of an older Gemel, or `SHA256SUMS` lost its line."""
    damaged: dict[str, str] = field(default_factory=dict)
    """Path → reason."""

    @property
    def ok(self) -> bool:
        return not self.damaged


def check_all(
    folder: Path,
    sums: Sums,
    paths: Sequence[str],
    *,
    progress: Callable[[int, int], None] | None = None,
    pause: Callable[[int], bool] | None = None,
) -> Checked:
    """Hold all these files against their hashes, as they are on the disk."""
    size = unhashed = done = 0
    damaged: dict[str, str] = {}
    for path in paths:
        if pause is not None and pause(0):
            break
        try:
            _forget_cached(folder / path)
            size += (folder / path).stat().st_size
            unhashed += not sums.check(path, pause)
        except FileNotFoundError:
            continue  # merged away since
        except GemelError as error:
            damaged[path] = error.detail
        done += 1
        if progress is not None:
            progress(done, len(paths))
    return Checked(done, size, unhashed, damaged)


def _forget_cached(path: Path) -> None:
    """What the disk holds is asked for, not what memory still has of it."""
    if hasattr(os, "posix_fadvise"):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


class Scrub:
    """A thread that reads so many bytes a second, and begins again when its time has come."""

    def __init__(
        self, folder: Path, sums: Sums, paths: Callable[[], Sequence[str]], *, bytes_s: float, every_s: float
    ) -> None:
        self._folder, self._sums, self._paths = folder, sums, paths
        self._bytes_s, self._every_s = bytes_s, every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gemel-history-scrub", daemon=True)
        self._thread.start()

    def _pause(self, read: int) -> bool:
        return self._stop.wait(read / self._bytes_s)

    def _run(self) -> None:
        while not self._stop.wait(min(60.0, self._every_s)):
            found = check_all(self._folder, self._sums, self._paths(), pause=self._pause)
            _log.info("the history was read: %d files, %d damaged", found.files, len(found.damaged))
            if self._stop.wait(self._every_s):
                return

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
