"""Login throttling: who fails often has to wait, longer each time."""

from __future__ import annotations

import threading
from collections import OrderedDict

from gemel.clock import Clock
from gemel.errors import Overloaded

__all__ = ["Throttle"]

FREE_FAILURES = 5
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 900.0
FORGET_AFTER_S = 3600.0
REMEMBERED = 10_000


class Throttle:
    """Counts failures by key (a name, an address). After five the wait doubles with each, up to 15 minutes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def check(self, *keys: str) -> None:
        """Raises Overloaded, with the time left, while any of the keys has to wait."""
        now = self._clock.monotonic()
        with self._lock:
            left = max((self._left(key, now) for key in keys), default=0.0)
        if left > 0:
            raise Overloaded(
                f"too many failed sign-ins; wait {left:.0f} s and try again", retry_after_s=max(1.0, round(left, 1))
            )

    def failed(self, *keys: str) -> None:
        """Count a failure for each key."""
        now = self._clock.monotonic()
        with self._lock:
            for key in keys:
                count, last = self._failures.pop(key, (0, now))
                self._failures[key] = (1 if now - last > FORGET_AFTER_S else count + 1, now)
            while len(self._failures) > REMEMBERED:
                self._failures.popitem(last=False)

    def succeeded(self, *keys: str) -> None:
        """Forget the failures of each key."""
        with self._lock:
            for key in keys:
                self._failures.pop(key, None)

    def _left(self, key: str, now: float) -> float:
        count, last = self._failures.get(key, (0, now))
        if count < FREE_FAILURES:
            return 0.0
        wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(count - FREE_FAILURES, 20))
        return max(0.0, last + wait - now)
