"""What stays open (sockets, streams, downloads, queries) hears within a second when somebody's rights have changed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from gemel.access import Projection
from gemel.clock import MAX_TIME
from gemel.errors import GemelError
from gemel.server.call import Call

if TYPE_CHECKING:
    from gemel.platform import Platform

__all__ = ["Rights"]

LOOK_EVERY_S = 0.25


class Rights:
    """Made and used on the server's event loop; the gate wakes it from any thread."""

    def __init__(self, platform: Platform) -> None:
        self._clock = platform.clock
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._open: dict[Call, list[Callable[[], None]]] = {}
        self._ended = platform.gate.on_touch(self._touched)
        self._task = asyncio.create_task(self._follow())

    @property
    def watched(self) -> int:
        """How many callers have something open that rests on their rights."""
        return len(self._open)

    @contextlib.contextmanager
    def hold(self, call: Call, tell: Callable[[], None]) -> Iterator[None]:
        """Call `tell`, on the loop, whenever what the caller may do may be something else than before."""
        self._open.setdefault(call, []).append(tell)
        try:
            yield
        finally:
            self._open[call].remove(tell)
            if not self._open[call]:
                del self._open[call]

    @contextlib.contextmanager
    def until_changed(self, call: Call, before: Projection | None, stop: Callable[[], None]) -> Iterator[None]:
        """Call `stop` once what the caller sees is not what it was `before`."""

        def look() -> None:
            try:
                if call.look() is before:
                    return
            except GemelError:
                pass
            stop()

        with self.hold(call, look):
            look()
            yield

    def _touched(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed, and nobody waits any more
            self._loop.call_soon_threadsafe(self._changed.set)

    async def _follow(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), LOOK_EVERY_S)
            touched = self._changed.is_set()
            self._changed.clear()
            now = self._clock.now()
            for call, tells in list(self._open.items()):
                if touched or call.due(MAX_TIME) <= now:
                    for tell in list(tells):
                        tell()

    async def close(self) -> None:
        self._ended()
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
