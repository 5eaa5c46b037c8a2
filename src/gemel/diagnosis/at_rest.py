"""The folder itself, seen from outside: who may look into it, who has it open, its disk, the files of its history."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec

from gemel.clock import Clock
from gemel.diagnosis.check import Check, bad, ok, warn
from gemel.errors import GemelError
from gemel.folder import Folder, Settings, parse_size
from gemel.history import read_index
from gemel.thread import Store

__all__ = ["disk", "documents", "fsync", "history", "owner", "permissions"]

SMALL_BYTES = 1_000_000_000
SLOW_FSYNC_MS = 100.0
FSYNCS = 5


def permissions(folder: Path, fix: bool) -> Iterator[Check]:
    """Whether it is for its user alone, and whether this one may write."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    if os.name != "posix" or not mode & 0o077:
        yield ok("permissions", "the folder is for its user alone")
    elif fix:
        folder.chmod(0o700)
        yield _fixed("permissions", "the folder is for its user alone now")
    else:
        told = f"others of this machine may look into the folder (mode {mode:o}): it has password hashes"
        yield bad("permissions", told, "`gemel doctor --fix`, or chmod 700")
    if not os.access(folder, os.W_OK | os.X_OK):
        yield bad(
            "permissions", "this user may not write into it", "run it as the user whose folder it is, or chown it"
        )


def owner(folder: Path, fix: bool) -> Iterator[Check]:
    """Which process has it open, or had."""
    noted = Folder.owner(folder)
    if Folder.held(folder):
        who = f"process {noted.process}" if noted else "a process"
        where = f", served at {noted.url}" if noted and noted.url else ""
        yield ok("owner", f"it is open in {who}{where}")
    elif noted is None:
        yield ok("owner", "nobody has it open")
    elif fix:
        Folder.forget_owner(folder)
        yield _fixed("owner", "what a process that is gone left behind was removed")
    else:
        told = f"process {noted.process} is gone without having closed it; the next opening looks after that"
        yield warn("owner", told, "`gemel doctor --fix` removes the note")


def _fixed(part: str, told: str) -> Check:
    return msgspec.structs.replace(ok(part, told), fixed=True)


def disk(folder: Path, settings: Settings) -> Iterator[Check]:
    """What is free, and whether the budget fits."""
    whole = shutil.disk_usage(folder)
    told = f"{whole.free / 1e9:,.1f} GB of {whole.total / 1e9:,.1f} GB are free"
    if whole.free < SMALL_BYTES:
        bound = f"{told} (bound: {SMALL_BYTES / 1e9:,.0f} GB)"
        yield warn("disk", bound, "free space: a full disk refuses what comes in")
    else:
        yield ok("disk", told)
    budget = parse_size(settings.disk.budget, whole.total)
    if budget is not None and budget > whole.total:
        told = f"the budget of {settings.disk.budget} is more than the {whole.total / 1e9:,.1f} GB that the disk has"
        yield warn("disk", told, "set `disk.budget` in gemel.yaml to less, or to a share: 80%")


def fsync(folder: Path, clock: Clock) -> Iterator[Check]:
    """How long the disk takes to keep what is written."""
    path, times = folder / ".doctor", []
    try:
        with path.open("wb") as file:
            for _ in range(FSYNCS):
                file.write(bytes(4096))
                file.flush()
                begun = clock.monotonic()
                os.fsync(file.fileno())
                times.append(clock.monotonic() - begun)
    finally:
        path.unlink(missing_ok=True)
    slowest = 1000 * max(times)
    told = f"it works; the slowest of {FSYNCS} took {slowest:.1f} ms"
    if slowest > SLOW_FSYNC_MS:
        bound = f"{told} (bound: {SLOW_FSYNC_MS:.0f} ms)"
        yield warn("fsync", bound, "acknowledgements wait for it: use an SSD, and no network share")
    else:
        yield ok("fsync", told)


def history(folder: Path) -> Iterator[Check]:
    """Whether the files that the history lists are there, whole."""
    home = folder / "history"
    if not home.exists():
        yield ok("history", "there is none yet")
        return
    index = read_index(home)
    wrong = [file.path for file in index.files if not _is_whole(home / file.path, file.size)]
    if wrong and not Folder.held(folder):  # an open one merges files while we look
        told = f"{len(wrong):,} of {len(index.files):,} files are missing or cut short, the first is {wrong[0]}"
        yield bad("history", told, "restore the plant from a backup (`gemel backup restore`)")
    else:
        size = sum(file.size for file in index.files)
        told = f"{len(index.files):,} files with {size / 1e6:,.0f} MB are there, up to position {index.position:,}"
        yield ok("history", told)


def documents(folder: Path, full: bool) -> Iterator[Check]:
    """Contents of documents; with `full` each is held against its name, which is its hash."""
    store = Store(folder / "documents")
    wrong, count = [], 0
    for name in store.all():
        count += 1
        if full:
            try:
                store.check(name)
            except GemelError:
                wrong.append(name)
    if wrong:
        told = f"{len(wrong):,} of {count:,} contents are not as they were written, the first is {wrong[0]}"
        yield bad("documents", told, "copy them from documents/ of a backup")
    else:
        yield ok("documents", f"{count:,} contents{' are as they were written' if full else ' are there'}")


def _is_whole(path: Path, size: int) -> bool:
    try:
        if path.stat().st_size != size:
            return False
        with path.open("rb") as file:  # Parquet begins and ends with its name
            begins = file.read(4)
            file.seek(-4, os.SEEK_END)
            return begins == file.read(4) == b"PAR1"
    except OSError:
        return False
