"""From a thread that writes a file to an answer that is sent while it is written, in bounded memory."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from typing import Any

from gemel.server.bridge import Threads

__all__ = ["Pipe"]

PARTS = 8
PART_BYTES = 256 * 1024


class Pipe(io.RawIOBase):
    """The writing end, a binary file without a place to seek to; the thread waits while the reader is behind."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._parts: asyncio.Queue[bytes | None] = asyncio.Queue(PARTS)
        self._buffer = bytearray()
        self._written = 0
        self._left = False
        self._task: asyncio.Task[Any] | None = None

    # the thread's side

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Raises BrokenPipeError when the reader has left."""
        taken = memoryview(data).nbytes
        self._buffer += data
        self._written += taken
        if len(self._buffer) >= PART_BYTES:
            self._pass_on()
        return taken

    def tell(self) -> int:
        return self._written

    def _pass_on(self) -> None:
        part, self._buffer = bytes(self._buffer), bytearray()
        if self._left:
            raise BrokenPipeError("the reader has left")
        if part:
            done: Future[None] = asyncio.run_coroutine_threadsafe(self._parts.put(part), self._loop)
            done.result()

    def leave(self) -> None:
        """Nobody takes any more: the thread is told so when it next passes something on."""
        self._left = True
        while not self._parts.empty():  # let go a thread that waits for room
            self._parts.get_nowait()

    # the event loop's side

    async def start(self, threads: Threads, work: Callable[[], Any]) -> AsyncIterator[bytes]:
        """Run `work`, which writes here, in a thread; what it raises before the first part is raised here."""

        def run() -> None:
            work()
            self._pass_on()

        self._task = asyncio.create_task(threads.run(run))
        self._task.add_done_callback(lambda _: self._finish())
        first = await self._parts.get()
        if first is None:
            self._task.result()
        return self._rest(first)

    def _finish(self) -> None:
        if self._parts.full():  # the reader takes the end after what waits before it
            waiting = asyncio.ensure_future(self._parts.put(None))
            waiting.add_done_callback(lambda _: None)
        else:
            self._parts.put_nowait(None)

    async def _rest(self, part: bytes | None) -> AsyncIterator[bytes]:
        assert self._task is not None
        try:
            while part is not None:
                if self._left:
                    raise BrokenPipeError("it was broken off")
                yield part
                part = await self._parts.get()
            self._task.result()  # an error in the middle breaks the answer off, so that nobody takes it for whole
        finally:
            self.leave()
