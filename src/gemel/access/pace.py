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

    def __init__(self, clock: Clock, per_second: float = 0.0) -> None:
        self._clock = clock
        self.per_second = per_second
        """Requests and messages of one party; 0: as many as they like."""
        self._lock = threading.Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Party → (how many it may still send, as of when)."""

    def take(self, who: Principal) -> None:
        """One more. Raises Overloaded with the time until there is room again; then it does not count."""
        wait = self._wait(who, owe=False)
        if wait:
            raise Overloaded(
                f"{who.party} may send {self.per_second:g} requests in a second, all its people and programs together; "
                f"try again in {max(wait, 0.1):.1f} s",
                retry_after_s=max(wait, 0.1),
            )

    def owe(self, who: Principal) -> float:
        """One more that is here already, and counts; seconds in which no other is to be taken."""
        return self._wait(who, owe=True)

    def _wait(self, who: Principal, *, owe: bool) -> float:
        rate = self.per_second
        if not who.party or not rate:
            return 0.0
        now, most = self._clock.monotonic(), rate * BURST_S
        with self._lock:
            left, before = self._left.pop(who.party, (most, now))
            left = min(most, left + (now - before) * rate)
            taken = left >= 1 or owe
            self._left[who.party] = (left - taken, now)
            if len(self._left) > REMEMBERED:
                self._left.popitem(last=False)
        return max(0.0, ((0 if owe else 1) - (left - owe)) / rate)
