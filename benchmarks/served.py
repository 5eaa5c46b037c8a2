"""What the benchmarks of the whole path share: a served platform with a thousand presses, load from other processes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gemel
from gemel.platform import Platform
from gemel.server import Server

__all__ = ["PLANT", "TWINS", "Served", "load", "loading", "result", "served", "until"]

TWINS = 1000
PLANT = {
    "gemel": 1,
    "types": [
        {
            "id": "press",
            "properties": [
                {"name": "pressure", "unit": "bar"},
                {"name": "temperature", "unit": "Cel"},
                {"name": "speed", "unit": "/min"},
            ],
        }
    ],
    "twins": [{"id": f"press-{n}", "types": ["press"]} for n in range(TWINS)],
}


class Served:
    """A platform, the server over it, and what a client needs."""

    def __init__(self, platform: Platform, server: Server) -> None:
        self.platform, self.server = platform, server
        self.url, self.token = server.url, platform.gate.tokens.local()

    @property
    def access(self) -> dict[str, object]:
        return {"url": self.url, "token": self.token, "twins": TWINS}


@contextmanager
def served(settings: str = "") -> Iterator[Served]:
    """A platform with a thousand presses on a disk (not in memory), served on a free port."""
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as folder:
        (Path(folder) / "gemel.yaml").write_text(settings)
        with gemel.open(folder) as platform:
            platform.apply(PLANT)
            with Server(platform, port=0) as server:
                yield Served(platform, server)


@contextmanager
def loading(kind: str, **arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A load generator at work in its own process; ended at the end if it has not ended by itself."""
    command = [sys.executable, "-m", "benchmarks.load", kind, json.dumps(arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def result(process: subprocess.Popen[str], timeout_s: float = 900.0) -> dict[str, float]:
    """What a load generator measured, once it is done."""
    out, errors = process.communicate(timeout=timeout_s)
    if process.returncode:
        raise RuntimeError(errors)
    return json.loads(out.splitlines()[-1])


def load(kind: str, **arguments: object) -> dict[str, float]:
    """Run a load generator in its own process; what it measured."""
    with loading(kind, **arguments) as process:
        return result(process)


def until(platform: Platform, position: int, timeout_s: float) -> None:
    """Return when all up to `position` can be asked of the history, or nothing more has come for two seconds."""
    deadline = time.monotonic() + timeout_s
    while platform.position < position and time.monotonic() < deadline:
        before = platform.position
        if not platform.state.wait(position, 2.0) and platform.position == before:
            break
    platform.history.wait(platform.position, timeout_s)
