"""A Python function in a process of its own: what it does wrong stays there."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Collection, Sequence
from importlib.metadata import EntryPoint
from typing import Any

import msgspec

from gemel.clock import Clock
from gemel.computation import worker
from gemel.errors import GemelError, InvalidInput
from gemel.plugins import FUNCTIONS, installed, owner_of, trusted
from gemel.twin import Computed

__all__ = ["Function", "FunctionDown", "FunctionHealth", "find_function"]

FIRST_CALL_S = 30.0
"""The first one of a process also imports the function: so long at least."""
ROWS = 10_000
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
_ENVIRONMENT = ("PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV")
"""What the process gets to know; secrets of the platform may stand in other variables."""


class FunctionDown(Exception):
    """The function does not run now. A turn in the road inside this room, never seen outside."""

    def __init__(self, detail: str, again_s: float) -> None:
        super().__init__(detail)
        self.detail, self.again_s = detail, again_s


class FunctionHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How a function stands."""

    function: str
    state: str
    """idle, running or down."""
    rows: int = 0
    """For which it gave a value since the start."""
    failed: int = 0
    """Rows for which it raised."""
    restarts: int = 0
    error: str = ""
    """The last fault."""


def find_function(name: str, plugins: Collection[str]) -> EntryPoint:
    """The entry point of `package.module:name`, of a distribution that the plant trusts. Raises InvalidInput."""
    declared = [point for point in installed(FUNCTIONS) if point.value == name]
    if not declared:
        known = sorted(point.value for point in installed(FUNCTIONS))
        there = f"there are {', '.join(known[:10])}" if known else "no installed distribution declares one"
        raise InvalidInput(f"there is no function {name!r:.120} in the group {FUNCTIONS}; {there}")
    if not trusted(declared[0], plugins):
        owner = owner_of(declared[0])
        raise InvalidInput(
            f"the function {name} is of the distribution {owner}; if you trust it, "
            f"write `plugins: [{owner}]` in the plant's gemel.yaml and start again"
        )
    return declared[0]


class Function:
    """Calls one function, in a process that is started when it is first needed and again, ever later, when it failed.

    For one thread at a time, besides `health` and `close`.
    """

    def __init__(self, computed: Computed, plugins: Collection[str], clock: Clock) -> None:
        """computed: names the function, and how much time and memory it gets."""
        self.name = computed.function
        self._plugins, self._clock = plugins, clock
        self._timeout_s, self._memory_mb = computed.timeout_s, computed.memory_mb
        self._process: _Process | None = None
        self._pause_s, self._not_before = FIRST_PAUSE_S, 0.0
        self._rows = self._failed = self._restarts = 0
        self._error = ""
        self._lock = threading.Lock()
        self._closed = False

    def call(self, columns: Sequence[Sequence[Any]], rows: int) -> list[Any]:
        """A value or None for each row. Raises FunctionDown when it hangs, dies, or did so a moment ago."""
        found: list[Any] = []
        for start in range(0, rows, ROWS):
            found += self._call([column[start : start + ROWS] for column in columns], min(ROWS, rows - start))
        return found

    def _call(self, columns: list[Sequence[Any]], rows: int) -> list[Any]:
        wait_s = self._not_before - self._clock.monotonic()
        if wait_s > 0:
            raise FunctionDown(self._error, wait_s)
        try:
            process, allowed_s = self._running()
            reply = process.ask({"columns": columns}, allowed_s)
            values = reply["values"]
            if len(values) != rows:
                raise InvalidInput(f"it answered {len(values)} values for {rows} rows")
        except (GemelError, OSError, ValueError, KeyError, TypeError) as error:
            raise self._down(error) from error
        self._pause_s = FIRST_PAUSE_S
        self._rows += rows - reply["failed"]
        self._failed += reply["failed"]
        self._error = reply["error"]
        return list(values)

    def _running(self) -> tuple[_Process, float]:
        with self._lock:
            if self._closed:
                raise InvalidInput("the platform is closing")
            if self._process is not None:
                return self._process, self._timeout_s
            find_function(self.name, self._plugins)
            self._process = _Process(self.name, self._memory_mb)
            return self._process, max(FIRST_CALL_S, self._timeout_s)

    def _down(self, error: Exception) -> FunctionDown:
        detail = error.detail if isinstance(error, GemelError) else f"{type(error).__name__}: {error!s:.300}"
        with self._lock:
            if self._process is not None:
                said = self._process.stop()
                detail = f"{detail}; {said}" if said else detail
                self._process = None
                self._restarts += 1
        self._error = detail
        self._not_before = self._clock.monotonic() + self._pause_s
        pause, self._pause_s = self._pause_s, min(LONGEST_PAUSE_S, 2 * self._pause_s)
        return FunctionDown(detail, pause)

    def health(self) -> FunctionHealth:
        down = self._not_before > self._clock.monotonic()
        state = "down" if down else "idle" if self._process is None else "running"
        return FunctionHealth(
            function=self.name,
            state=state,
            rows=self._rows,
            failed=self._failed,
            restarts=self._restarts,
            error=self._error,
        )

    def close(self) -> None:
        """End the process, also while it is called."""
        with self._lock:
            self._closed = True
            process = self._process
        if process is not None:
            process.stop()


class _Process:
    """The process, and a thread that carries requests to it: neither writing to it nor reading can hold us up."""

    def __init__(self, name: str, memory_mb: int) -> None:
        environment = {key: os.environ[key] for key in _ENVIRONMENT if key in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, worker.__file__, name, str(memory_mb)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            encoding="utf-8",
        )
        self._requests: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._said: deque[str] = deque(maxlen=20)
        self._carrier = threading.Thread(target=self._carry, name="gemel-function", daemon=True)
        self._listener = threading.Thread(target=self._listen, name="gemel-function-log", daemon=True)
        self._carrier.start()
        self._listener.start()

    def ask(self, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        self._requests.put(json.dumps(request) + "\n")
        try:
            line = self._replies.get(timeout=timeout_s)
        except queue.Empty:
            raise InvalidInput(f"no answer within {timeout_s:g} s") from None
        if not line:
            raise InvalidInput("its process ended")
        return dict(json.loads(line))

    def _carry(self) -> None:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            while (request := self._requests.get()) is not None:
                stdin.write(request)
                stdin.flush()
                line = stdout.readline()
                self._replies.put(line)
                if not line:
                    return
        except (OSError, ValueError):  # the pipe broke: it is gone
            self._replies.put("")

    def _listen(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        for line in stderr:
            self._said.append(line[:300].rstrip())

    def stop(self) -> str:
        """Kill it; the last line that it said."""
        self._process.kill()
        self._requests.put(None)
        self._process.wait()
        self._carrier.join()
        self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what was not written yet has nowhere to go
                    continue
        return self._said[-1] if self._said else ""
