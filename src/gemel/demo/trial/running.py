"""A simulated object in a process of its own: time that goes by, and an end that is asked for."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from gemel.clock import Clock, WallClock

__all__ = ["STEP_S", "steps", "until_stopped"]

STEP_S = 0.5


async def steps(every_s: float, clock: Clock | None = None) -> AsyncIterator[float]:
    """The seconds that went by, about every `every_s`, for ever."""
    clock = clock or WallClock()
    last = clock.monotonic()
    while True:
        await asyncio.sleep(every_s)
        now = clock.monotonic()
        yield now - last
        last = now


async def until_stopped(work: Coroutine[Any, Any, object]) -> None:
    """Run until SIGTERM or Ctrl-C."""
    task = asyncio.ensure_future(work)
    with contextlib.suppress(NotImplementedError):  # Windows: it is ended without being asked
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
