"""Our own clock as the writer tells it: it never goes back a little, and says when it went back much."""

from __future__ import annotations

from gemel.clock import SECOND, Clock

__all__ = ["SteadyClock"]

TOLERANCE = 60 * SECOND
"""Steps back of up to a minute (NTP, a leap second) are waited out: until then it stands still."""


class SteadyClock:
    """Used by the writer's thread alone."""

    def __init__(self, clock: Clock, last: int) -> None:
        """`last`: the moment at which the newest block was recorded."""
        self._clock = clock
        self._last = last
        self._stepped: tuple[int, int] | None = None

    def now(self) -> int:
        """Microseconds since the epoch; after a step back of more than a minute the honest time."""
        now = self._clock.now()
        if now < self._last:
            if self._last - now <= TOLERANCE:
                return self._last
            self._stepped = self._last, now
        self._last = now
        return now

    def stepped(self) -> tuple[int, int] | None:
        """(from, to) of a step back that was not told yet."""
        told, self._stepped = self._stepped, None
        return told
