"""The time of a log against the time of the clock: how fast it runs, and whether its times are moved to now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from gemel.clock import SECOND, Clock

__all__ = ["Pace", "due"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pace:
    """A log whose moment `start` is played at `anchor`. Times in microseconds since the epoch, UTC."""

    start: int
    anchor: int
    speed: float = 1.0
    """Seconds of the log in a second of the clock; 0: all at once, with the times that it has."""
    shift: bool = True
    """Whether times are told as moments of the clock (so that the log seems to happen now)."""

    def due(self, time: int) -> int:
        """When the log's moment `time` is to be told, by the clock."""
        return self.anchor + round((time - self.start) / self.speed) if self.speed > 0 else self.anchor

    def told(self, time: int) -> int:
        """What to tell as its time."""
        return self.due(time) if self.shift and self.speed > 0 else time

    def wait_s(self, time: int, now: int) -> float:
        """Seconds from `now` until `time` is due; 0 when it is late, or speed is 0."""
        return max(0.0, (self.due(time) - now) / SECOND) if self.speed > 0 else 0.0


async def due(
    rows: Iterable[tuple[int, T]],
    pace: Pace,
    clock: Clock,
    *,
    most: int = 2_000,
    wait: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> AsyncIterator[list[T]]:
    """Play (time, row) in the order they have, also where their times step back: those due together come together.

    At most `most` of them at once; the list may be empty. `wait` is called with the seconds until the next one is due.
    """
    newest = pace.start
    waiting: list[T] = []
    for time, row in rows:
        newest = max(newest, time)
        wait_s = pace.wait_s(newest, clock.now())
        if wait_s > 0 or len(waiting) >= most:
            yield waiting
            waiting = []
            await wait(wait_s)
        waiting.append(row)
    yield waiting
