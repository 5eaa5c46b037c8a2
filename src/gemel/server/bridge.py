"""From the threads of other rooms to the server's event loop: results, and work that takes long."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from gemel.server.budget import Budget, caller

__all__ = ["Bridge", "Threads"]

T = TypeVar("T")


class Bridge:
    """Brings results of futures to the event loop, all that came together in one wake-up.

    A group commit resolves dozens of futures at once; waking the loop for each would cost more than the request.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ready: deque[tuple[asyncio.Future[Any], Future[Any]]] = deque()
        self._woken = False

    async def result(self, future: Future[T]) -> T:
        """What the future resolves to; raises what it raises."""
        if future.done():
            return future.result()
        waiter: asyncio.Future[T] = self._loop.create_future()
        future.add_done_callback(partial(self._finished, waiter))
        return await waiter

    def _finished(self, waiter: asyncio.Future[Any], future: Future[Any]) -> None:
        self._ready.append((waiter, future))
        if not self._woken:
            self._woken = True
            with contextlib.suppress(RuntimeError):  # the loop has ended; nobody waits any more
                self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._woken = False  # before the emptying: what comes after this line wakes the loop again
        while self._ready:
            waiter, future = self._ready.popleft()
            if waiter.done():
                continue
            if future.cancelled():
                waiter.cancel()
            elif (error := future.exception()) is not None:
                waiter.set_exception(error)
            else:
                waiter.set_result(future.result())


class Threads:
    """Work that would hold up the event loop, a few pieces at a time; what exceeds `limit` is refused at once, and no
    caller takes all of it (see Budget)."""

    def __init__(self, at_once: int, *, limit: int) -> None:
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="gemel-read")
        self.room = Budget(limit, "such requests")

    async def run(self, work: Callable[..., T], *args: Any, **fields: Any) -> T:
        """`work(…)` in a thread. Raises Overloaded when too many wait already, and what `work` raises."""
        with self.room.hold(caller.get(), 1):
            return await asyncio.get_running_loop().run_in_executor(self._pool, partial(work, *args, **fields))

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
