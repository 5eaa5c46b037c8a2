"""Where files lie: found when they are settled, opened without following links, put aside under their own names."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from gemel.errors import InvalidInput

__all__ = ["Dropped", "Inbox"]

_UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".filepart")
_MOST_NAME = 200
_PLAINLY = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
"""No link, no waiting at a pipe, nothing for other programs; Windows has the last of these alone."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file as it lay there."""

    path: Path
    stamp: tuple[int, int, int]
    """(inode, size, time of change): another one is another content."""


class Inbox:
    """The folder, with `done/` and `rejected/` in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[Path, tuple[tuple[int, int, int], float]] = {}

    def make(self) -> None:
        """Make the folders. Raises OSError."""
        for name in ("", "done", "rejected"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)

    def settled(self, now_s: float, settle_s: float) -> list[Dropped]:
        """Files that have not changed for `settle_s`, the oldest first, without those that are being written."""
        found: list[tuple[int, Dropped]] = []
        seen: dict[Path, tuple[tuple[int, int, int], float]] = {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.startswith((".", "~")) or entry.name.lower().endswith(_UNFINISHED):
                    continue
                told = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(told.st_mode):
                    continue
                path, stamp = Path(entry.path), (told.st_ino, told.st_size, told.st_mtime_ns)
                before = self._seen.get(path)
                since = before[1] if before is not None and before[0] == stamp else now_s
                seen[path] = (stamp, since)
                if now_s - since >= settle_s:
                    found.append((told.st_mtime_ns, Dropped(path, stamp)))
        self._seen = seen
        return [one for _, one in sorted(found, key=lambda pair: (pair[0], pair[1].path))]

    def open(self, dropped: Dropped) -> BinaryIO:
        """Raises InvalidInput for what is no plain file, OSError for one that is gone."""
        try:
            descriptor = os.open(dropped.path, _PLAINLY)
        except OSError as error:
            if dropped.path.is_symlink():
                raise InvalidInput("it is a link; links are not followed") from None
            raise error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise InvalidInput("it is no plain file")
        return os.fdopen(descriptor, "rb")

    def changed(self, dropped: Dropped) -> bool:
        """Whether it is not what it was."""
        told = dropped.path.lstat()
        return (told.st_ino, told.st_size, told.st_mtime_ns) != dropped.stamp

    def put_aside(self, dropped: Dropped, where: str, problems: Sequence[str]) -> Path:
        """Move it to done/ or rejected/, with its problems in a .reason.txt beside it."""
        name = dropped.path.name
        if len(os.fsencode(name)) > _MOST_NAME:
            name = f"{blake2b(os.fsencode(name), digest_size=16).hexdigest()}{dropped.path.suffix[:20]}"
        target, number = self._folder / where / name, 0
        while target.exists() or target.is_symlink():
            number += 1
            target = self._folder / where / f"{number}-{name}"
        if problems:
            text = "\n".join(problems) + "\n"
            target.with_name(f"{target.name}.reason.txt").write_text(text, encoding="utf-8", errors="backslashreplace")
        dropped.path.rename(target)
        self._seen.pop(dropped.path, None)
        return target
