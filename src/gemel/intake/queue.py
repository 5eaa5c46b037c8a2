"""What waits to be taken in: bounded by bytes and count, and fair between sources."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import pyarrow as pa

from gemel.errors import GemelError, Overloaded
from gemel.intake.base import Message

__all__ = ["Answer", "FairQueue", "Item", "size_of_messages"]

READING_BYTES = 64
GUARANTEED_BYTES, GUARANTEED_COUNT = 65_536, 64
"""What each source may let wait in any case, for as long as the eighth lasts that is kept for this."""
RETRY_S = (0.2, 30.0)
"""Shortest and longest that a refused source is asked to wait."""
AT_ONCE = 32
"""Submissions of one source that are taken in its turn."""


def size_of_messages(messages: Sequence[Message]) -> int:
    """Roughly the bytes that messages take while they wait."""
    size = 0
    for message in messages:
        size += READING_BYTES * (1 + len(message.readings)) + 4 * READING_BYTES * len(message.events)
        for reading in message.readings:
            value = reading.value
            if type(value) is not float and isinstance(value, str | list | dict | bytes | np.ndarray):
                size += 8 * len(value)
    return size


class Answer:
    """Where the outcome of an item goes: a future for threads, or one of an event loop."""

    __slots__ = ("future", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.loop = loop
        self.future: Any = Future() if loop is None else loop.create_future()


class Item:
    """One thing to take in, in its turn."""

    __slots__ = (
        "actor",
        "answer",
        "frame",
        "identity",
        "messages",
        "replays",
        "resumed",
        "scope",
        "size",
        "source",
        "strict",
        "work",
    )

    def __init__(self, source: str, size: int, answer: Answer) -> None:
        self.source = source
        self.size = size
        self.answer = answer
        self.actor = ""
        self.strict = False
        self.resumed = False
        self.scope: Callable[[str], bool] | None = None
        """Which twins, by id or alias, the source may speak of; None: of all."""
        self.messages: Sequence[Message] = ()
        self.frame: pa.RecordBatch | None = None
        self.identity: tuple[str, int] | None = None
        """(epoch, sequence) of a numbered frame."""
        self.work: Callable[..., Any] | None = None
        self.replays: Any = None

    @property
    def alone(self) -> bool:
        """Whether it makes a block of its own."""
        return self.work is not None or self.replays is not None


def share_of(source: str) -> str:
    """Whose room a source takes: all names that one caller gives over HTTP (`http:<caller>/<name>`) share one."""
    return source.partition("/")[0]


class FairQueue:
    """Sources take turns, and none may take more room than is left free: one alone fills half of it, two a third each,
    and whoever comes next always finds some. Thread-safe."""

    def __init__(self, max_bytes: int, max_count: int, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._rate = 0.0  # bytes that were made durable in a second, lately
        self._handed: tuple[float, int] | None = None
        self._max_bytes = max_bytes
        self._max_count = max_count
        self._bytes = 0
        self._count = 0
        self._of: dict[str, deque[Item]] = {}
        self._bytes_of: dict[str, int] = {}
        self._turn: deque[str] = deque()
        self._lock = threading.Lock()
        self._some = threading.Condition(self._lock)
        self._closed: GemelError | None = None

    def put(self, item: Item) -> None:
        """Raises Overloaded when there is no room, or why the intake has closed."""
        source, size = share_of(item.source), item.size
        with self._lock:
            if self._closed is not None:
                raise self._closed
            waiting = self._of.get(source)
            own = self._bytes_of.get(source, 0) + size
            count = 1 if waiting is None else len(waiting) + 1
            fits = own <= self._max_bytes - self._bytes and count <= self._max_count - self._count
            if self._bytes and not fits and not self._has_right(own, size, count):
                raise Overloaded(
                    f"{self._count} submissions ({self._bytes >> 10} KiB) wait to be made durable, "
                    f"{count - 1} of them of {source or 'this'}, which must wait a moment and send again",
                    retry_after_s=self._retry_after(own),
                )
            if waiting is None:
                waiting = self._of[source] = deque()
                self._turn.append(source)
            waiting.append(item)
            self._bytes_of[source] = own
            self._bytes += size
            self._count += 1
            if self._count == 1:
                self._some.notify()

    def take(self, max_bytes: int) -> list[Item]:
        """Wait for something; up to `max_bytes` of it, or one piece of work alone. Empty: closed and drained."""
        with self._lock:
            self._measure()
            while not self._count:
                if self._closed is not None:
                    return []
                self._some.wait()
            taken: list[Item] = []
            size = 0
            turn, of = self._turn, self._of
            while turn and size < max_bytes and not (taken and taken[-1].alone):
                source = turn[0]
                waiting, before = of[source], len(taken)
                if taken and waiting[0].alone:
                    break  # its turn is the next, by itself
                own = 0
                while waiting and len(taken) - before < AT_ONCE and size + own < max_bytes:
                    if taken and (waiting[0].alone or taken[-1].alone):
                        break
                    taken.append(waiting.popleft())
                    own += taken[-1].size
                size += own
                turn.popleft()
                if waiting:
                    self._bytes_of[source] -= own
                    turn.append(source)
                else:
                    del of[source], self._bytes_of[source]
            self._bytes -= size
            self._count -= len(taken)
            self._handed = self._monotonic(), size
            return taken

    def _has_right(self, own: int, size: int, count: int) -> bool:
        """Whether a source that asks for little is let in although others have taken what there is."""
        little = own <= GUARANTEED_BYTES and count <= GUARANTEED_COUNT
        return little and self._bytes + size <= self._max_bytes * 9 // 8 and self._count < self._max_count * 9 // 8

    def _measure(self) -> None:
        """What was handed out last is durable now: how fast was that?"""
        if self._handed is None:
            return
        seconds = self._monotonic() - self._handed[0]
        if seconds > 0:
            self._rate += 0.2 * (self._handed[1] / seconds - self._rate)
        self._handed = None

    def _retry_after(self, own: int) -> float:
        """Seconds until half of what waits of a source will be durable, if all who wait get equal turns."""
        if not self._rate:
            return 1.0
        seconds = own / 2 * max(1, len(self._turn)) / self._rate
        return min(max(seconds, RETRY_S[0]), RETRY_S[1])

    def close(self, why: GemelError) -> None:
        """Take no more; what waits is still handed out."""
        with self._lock:
            self._closed = self._closed or why
            self._some.notify_all()

    def waiting(self) -> tuple[int, int]:
        """(submissions, bytes) that wait."""
        with self._lock:
            return self._count, self._bytes
