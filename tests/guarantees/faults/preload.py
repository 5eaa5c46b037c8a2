"""Builds `shim.c`, starts Python with it below everything that writes, and steers it from inside."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from enum import IntFlag
from functools import cache
from pathlib import Path

import pytest

__all__ = ["Kind", "arm", "clear", "environment", "note", "run", "seen"]

ROOT = Path(__file__).parents[3]
SOURCE = Path(__file__).with_name("shim.c")


class Kind(IntFlag):
    """The operations on files, as the shim counts them."""

    WRITE = 1
    FSYNC = 2
    TRUNCATE = 4
    CREATE = 8
    RENAME = 16
    MKDIR = 32
    UNLINK = 64
    READ = 128


@cache
def shim() -> Path:
    """The built library; skips the test where there is no C compiler or no Linux."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("the faults of a disk are injected by a small C library: install gcc and libc6-dev (Linux)")
    built = Path(tempfile.mkdtemp(prefix="gemel-faults-")) / "shim.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(built), str(SOURCE), "-ldl", "-lpthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the C compiler here cannot build a shared library: {done.stderr.strip()[-200:]}")
    return built


def environment(disk: Path, log: Path | None) -> dict[str, str]:
    told = os.environ | {"LD_PRELOAD": str(shim()), "FAULT_ROOT": str(disk), "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    return told | ({"FAULT_LOG": str(log)} if log else {})


def run(module: str, *arguments: object, disk: Path, log: Path | None = None) -> str:
    """Run a Python module over `disk` with the shim below it; its standard output. It must succeed."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", module, *map(str, arguments)],
        env=environment(disk, log),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    told = f"{done.stdout[-1500:]}\n{done.stderr[-4000:]}"
    assert done.returncode == 0, f"{module} {arguments}: {done.returncode}\n{told}"
    return done.stdout


# inside the process under test


@cache
def _inside() -> ctypes.CDLL:
    library = ctypes.CDLL(None)
    library.fault_seen.restype = ctypes.c_long
    library.fault_arm.argtypes = [ctypes.c_int, ctypes.c_long, ctypes.c_long, ctypes.c_int, ctypes.c_char_p]
    return library


def note(text: str) -> None:
    """Put a line into the log, in its order among the operations."""
    _inside().fault_note(text.encode())


def arm(kinds: Kind, error: int, *, skip: int = 0, times: int = -1, path: str = "") -> None:
    """From now on operations of these kinds on paths that hold `path` fail: after `skip`, so many `times` (-1: all)."""
    _inside().fault_arm(int(kinds), skip, times, error, path.encode())


def clear() -> None:
    _inside().fault_clear()


def seen() -> int:
    """How many operations of the armed kinds came since `arm`."""
    return int(_inside().fault_seen())
