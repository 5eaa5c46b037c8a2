"""One look-out for changes of types, twins and links, for all open sockets."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from gemel.state import Selection

if TYPE_CHECKING:
    from gemel.platform import Platform

__all__ = ["RegistryWatch"]

RATE_HZ = 2.0


class RegistryWatch:
    """Counts changes of the registry; whoever waits is woken. Made and used on the server's event loop."""

    def __init__(self, platform: Platform) -> None:
        self.count = 0
        self._changed = asyncio.Condition()
        nothing = Selection(properties=(), events=False)
        self._subscription = platform.state.subscribe(nothing, rate_hz=RATE_HZ)
        self._task = asyncio.create_task(self._follow())

    async def after(self, seen: int) -> int:
        """The count, once it is above `seen`."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.count > seen)
            return self.count

    async def _follow(self) -> None:
        async for delta in self._subscription:
            if delta.registry_changed:
                async with self._changed:
                    self.count += 1
                    self._changed.notify_all()

    async def close(self) -> None:
        self._subscription.close()
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
