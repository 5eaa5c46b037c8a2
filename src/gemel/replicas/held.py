"""What a replica holds and knows of itself: written by the thread that follows, read by everybody."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from gemel.client import Delta, Now, Subscription, Update
from gemel.clock import Clock
from gemel.errors import GemelError
from gemel.replicas.copy import Copy
from gemel.replicas.values import Lag, Restarted

__all__ = ["Held"]

PASSED = 10_000


class Held:
    """Everything below is guarded by `changed`, which is notified at each step."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.changed = threading.Condition()
        self.copy = Copy()
        self.whole = False
        """There has been a copy: of the folder, or the first keyframe."""
        self.passed: deque[tuple[int, str]] = deque(maxlen=PASSED)
        self.subscription: Subscription | None = None
        self.cut_since = clock.now()
        self.head = 0
        self.asked: deque[float] = deque(maxlen=100)
        self.level: float | None = None
        """Steady seconds: all that the platform held then is here."""
        self.checked, self.checked_at, self.mended = 0, 0, 0
        self.restarted: Restarted | None = None
        self.error: GemelError | None = None

    @property
    def connected(self) -> bool:
        return self.subscription is not None

    # written

    def take(self, deltas: Sequence[Delta], subscription: Subscription, *, first: bool) -> bool:
        """One step of the stream, all of it or nothing; False if the copy is not what the platform has.

        `first`: it is the first one of a connection; what is stale comes with it, if it goes on from a position.
        """
        mark = deltas[-1].mark
        with self.changed:
            if first and not any(one.snapshot for one in deltas):
                self.copy.refreshed()
            copy = self.copy
            copy.take(deltas, subscription.epoch)
            self.passed.append((copy.position, copy.hash))
            self.head = max(subscription.head, copy.position)
            equal = True
            if mark is not None:
                if self.asked:  # it answers this one or a later one
                    self.level = self.asked[0]
                    self.asked.clear()
                if mark[0]:
                    equal = (copy.hash, copy.count) == mark
                    self.checked += equal
                    self.mended += not equal
                    self.checked_at = copy.position
            if equal:
                self.subscription, self.error, self.whole = subscription, None, True
            self.changed.notify_all()
        return equal

    def cut(self, error: GemelError) -> None:
        """There is no connection, for this reason."""
        with self.changed:
            self._cut()
            self.error = error
            self.changed.notify_all()

    def _cut(self) -> None:
        if self.subscription is not None:
            self.subscription, self.cut_since = None, self.clock.now()

    def restart(self, reason: str) -> None:
        """The copy is made anew; until then the old one answers."""
        with self.changed:
            self._cut()
            self.restarted = Restarted(self.clock.now(), reason)

    def forget(self, reason: str) -> None:
        """Hold nothing any more that may not be read."""
        with self.changed:
            if self.copy.count:
                self.restarted = Restarted(self.clock.now(), reason)
            self.copy.clear()
            self.passed.clear()

    def ask(self, *, hashed: bool = False) -> None:
        """Have the platform say up to where all has come; nothing while there is no connection."""
        with self.changed:
            subscription = self.subscription
            if subscription is None:
                return
            self.asked.append(self.clock.monotonic())
        try:
            subscription.mark(hashed=hashed)
        except (GemelError, OSError):
            return  # the thread that follows hears of it, too

    # read; under the lock

    def now(self, one: Update) -> Now:
        """As users see it: while it is cut off, nothing is fresh."""
        fresh, since = one.fresh, one.stale_since
        if fresh and not self.connected:
            fresh, since = False, self.cut_since
        return Now(one.value, one.time, one.recorded, one.changed, one.quality, one.position, fresh, since)

    def lag(self) -> Lag:
        seconds = None if self.level is None else self.clock.monotonic() - self.level
        return Lag(max(0, self.head - self.copy.position), seconds)

    def why(self) -> str:
        """Why it goes no further."""
        return "the platform is not there yet" if self.error is None else self.error.detail
