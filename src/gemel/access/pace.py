"""How fast other organisations may ask: a measure each, that fills again; the plant's own work comes first."""

from __future__ import annotations

import threading
from collections import OrderedDict

from gemel.access.principal import Principal
from gemel.clock import Clock
from gemel.errors import Overloaded

__all__ = ["Pace"]

BURST_S = 10.0
"""Whoever was quiet may send what comes in this time at once."""
REMEMBERED = 10_000


class Pace:
    """All people and programs of a party share one measure; the operating organisation's have none. Thread-safe."""

    def __init__(self, clock: Clock, per_second: float) -> None:
        """`per_second`: requests and messages of one party; 0: as many as they like."""
        self._clock = clock
        self._rate = per_second
        self._lock = threading.Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Party → (how many it may still send, as of when)."""

    def take(self, who: Principal) -> None:
        """One more. Raises Overloaded with the time until there is room again."""
        if not who.party or not self._rate:
            return
        now, most = self._clock.monotonic(), self._rate * BURST_S
        with self._lock:
            left, before = self._left.pop(who.party, (most, now))
            left = min(most, left + (now - before) * self._rate)
            allowed = left >= 1
            self._left[who.party] = (left - 1 if allowed else left, now)
            if len(self._left) > REMEMBERED:
                self._left.popitem(last=False)
        if not allowed:
            wait = (1 - left) / self._rate
            raise Overloaded(
                f"{who.party} may send {self._rate:g} requests in a second, all its people and programs together; "
                f"try again in {max(wait, 0.1):.1f} s",
                retry_after_s=max(wait, 0.1),
            )
