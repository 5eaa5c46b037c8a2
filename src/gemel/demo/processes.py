"""The processes of the demonstration: started together, told by what they print, gone when the `with` ends."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from queue import Empty, SimpleQueue

from gemel.errors import GemelError

__all__ = ["Lines", "Processes", "address_of"]

Lines = SimpleQueue[str]
"""What a process prints, line by line; "" when it ends."""
STARTS_WITHIN_S = 60.0


class Processes:
    """Python modules as processes; `stop` ends them all."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[str]] = []

    def spawn(self, module: str, *arguments: str) -> Lines:
        """Start `python -m gemel.<module>`."""
        process = subprocess.Popen(
            [sys.executable, "-m", f"gemel.{module}", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self._processes.append(process)
        lines = Lines()
        threading.Thread(target=_follow, args=(process, lines), daemon=True).start()
        return lines

    def stop(self) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self._processes.clear()


def address_of(name: str, lines: Lines) -> tuple[str, str]:
    """(the whole line, the port) where a process says that it listens. Raises GemelError when it ends, or says nothing
    for a minute."""
    said = []
    with contextlib.suppress(Empty):
        while (line := lines.get(timeout=STARTS_WITHIN_S)) != "":
            said.append(line)
            if found := re.search(r"^(?:listening on |opc\.tcp://).*:(\d+)\b", line):
                return line.strip(), found[1]
    raise GemelError(f"the process of {name} did not start: {' '.join(said)[-500:]}")


def _follow(process: subprocess.Popen[str], lines: Lines) -> None:
    """Read all that a process says, so that it never waits for a reader."""
    assert process.stdout is not None
    with contextlib.suppress(ValueError):  # closed when the shop closes
        for line in process.stdout:
            lines.put(line)
    lines.put("")
