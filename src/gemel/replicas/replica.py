"""A replica: one thread that follows the platform's stream, and reads that never wait for it."""

from __future__ import annotations

import os
import random
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import structlog

from gemel.client import Client, Delta, Subscription, Update
from gemel.clock import Clock, WallClock
from gemel.errors import (
    Denied,
    GemelError,
    InvalidInput,
    InvalidQuery,
    NotFound,
    NotYet,
    Unauthenticated,
    UnknownTwin,
    UnknownType,
)
from gemel.replicas.copy import Copy
from gemel.replicas.kept import Kept
from gemel.replicas.values import Lag, Now, Restarted, Select, Snapshot, Standing, select_of

__all__ = ["Replica"]

TICK_S = 1.0
"""How often it asks how far it has come, so that the lag is known when nothing changes."""
SOON_S = 0.05
"""The same, while somebody waits for a position."""
SILENCE_S = 15.0
"""Without an answer for so long, the connection is taken for dead."""
CHECK_S = 60.0
SAVE_S = 10.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 30.0
PASSED = 10_000
REFUSED = (Denied, Unauthenticated, UnknownTwin, UnknownType)
"""What it may hold no longer when the platform says so."""


_log = structlog.get_logger("gemel.replicas")


class _Mend(Exception):
    """The copy is not what the platform has: make it anew."""


class Replica:
    """A copy that tracks. Close it, or use it in a `with`; every verb may be called from any thread.

    Reads answer from the copy, connected or not, at `position`: the state of the selection at that position of the
    platform's journal, whole. While it is cut off, no value counts as fresh.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        select: Select | Mapping[str, Any] | Sequence[str] | str | None = None,
        rate: float | None = None,
        folder: str | os.PathLike[str] | None = None,
        verify: bool | str = True,
    ) -> None:
        """Returns when there is a copy: the one of the folder, or the first keyframe of the platform.

        `rate`: at most so many steps a second, each with the latest values only; None: every block of the journal.
        Raises what the platform says against it, and Unreachable, if the folder holds no copy yet.
        """
        self.url, self.select, self._rate = url.rstrip("/"), select_of(select), rate
        if rate is not None and not 0 < rate <= 50:
            raise InvalidInput(f"rate={rate} is not between 0 and 50 steps a second; leave it out for every change")
        self._client = Client(url, token=token, verify=verify)
        self._clock: Clock = WallClock()
        self._changed = threading.Condition()
        self._copy = Copy()
        self._passed: deque[tuple[int, str]] = deque(maxlen=PASSED)
        self._whole = self._closed = False
        self._subscription: Subscription | None = None
        self._cut_since: int = self._clock.now()
        self._head = 0
        self._asked: deque[float] = deque(maxlen=100)
        self._level: float | None = None
        self._check_due = self._save_due = 0.0
        self._checked, self._checked_at, self._mended = 0, 0, 0
        self._restarted: Restarted | None = None
        self._error: GemelError | None = None
        self._listeners: list[Callable[[int, Sequence[Update]], None]] = []
        self._closing = threading.Event()
        self._kept = None if folder is None else Kept(folder, self.url, self.select)
        if self._kept is not None:
            self._copy, reason = self._kept.load()
            self._whole = self._copy.position > 0
            if reason:
                self._restarted = Restarted(self._clock.now(), reason)
        self._thread = threading.Thread(target=self._run, name="gemel-replica", daemon=True)
        self._thread.start()
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._whole or self._error)
            if self._error is not None and not self._whole:
                raise self._error

    def close(self) -> None:
        """Stop following, and write the copy down if it has a folder. Safe to call again."""
        if self._closed:
            return
        self._closed = True
        self._closing.set()
        with self._changed:
            subscription = self._subscription
        if subscription is not None:
            subscription.close()
        self._thread.join()
        if self._kept is not None:
            self._save()
            self._kept.close()
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # reading

    @property
    def position(self) -> int:
        """The copy is the state of the selection at this position of the platform's journal."""
        return self._copy.position

    @property
    def connected(self) -> bool:
        return self._subscription is not None

    def twins(self) -> list[str]:
        """Ids of the twins of which it holds a value."""
        with self._changed:
            return sorted(self._copy.values)

    def now(self, twin: str) -> dict[str, Now]:
        """What the properties of a twin are. Raises UnknownTwin."""
        with self._changed:
            found = self._copy.values.get(twin)
            if found is None:
                raise UnknownTwin(f"this replica holds nothing of {twin!r:.100} at position {self._copy.position}")
            return {name: self._now(one) for name, one in found.items()}

    def value(self, twin: str, property: str) -> Now:
        """One of them. Raises UnknownTwin, NotFound."""
        found = self.now(twin).get(property)
        if found is None:
            raise NotFound(f"this replica holds no {twin}.{property:.80}; now({twin!r}) lists what it holds")
        return found

    def snapshot(self) -> Snapshot:
        """Everything at one position."""
        with self._changed:
            copy = self._copy
            values = {twin: {name: self._now(one) for name, one in of.items()} for twin, of in copy.values.items()}
            return Snapshot(copy.position, copy.epoch, copy.hash, values)

    def _now(self, one: Update) -> Now:
        fresh, since = one.fresh, one.stale_since
        if not self.connected and fresh:
            fresh, since = False, self._cut_since
        return Now(one.value, one.time, one.recorded, one.changed, one.quality, one.position, fresh, since)

    def hash(self, position: int | None = None) -> str:
        """What stands for the whole copy at its position, or at one of the last ten thousand that it was at.

        Equal copies of one selection at one position have equal hashes, here and on the platform. Raises NotFound.
        """
        with self._changed:
            if position is None or position == self._copy.position:
                return self._copy.hash
            for passed, hash_ in reversed(self._passed):
                if passed == position:
                    return hash_
        raise NotFound(f"this replica was not at position {position}; it is at {self.position}")

    def wait(self, position: int, timeout_s: float = 30.0) -> int:
        """Wait until everything up to `position` is here; returns the position it is at. Raises NotYet."""
        end = self._clock.monotonic() + timeout_s
        while True:
            with self._changed:
                if self._copy.position >= position:
                    return self._copy.position
                left = end - self._clock.monotonic()
                if left <= 0 or self._closing.is_set():
                    why = "it is closed" if self._closing.is_set() else self._why()
                    raise NotYet(f"this replica is at position {self._copy.position}, not {position}: {why}")
            self._ask()
            with self._changed:
                self._changed.wait_for(lambda: self._copy.position >= position, min(left, SOON_S))

    def _why(self) -> str:
        return "the platform is not there yet" if self._error is None else self._error.detail

    def check(self, timeout_s: float = 30.0) -> int:
        """Hold the copy against the platform, both at one position; returns that position. Raises NotYet.

        A copy that differs is made anew by itself; `standing()` counts it.
        """
        with self._changed:
            checked = self._checked
        end = self._clock.monotonic() + timeout_s
        while True:
            self._ask(hashed=True)
            with self._changed:
                left = end - self._clock.monotonic()
                if self._changed.wait_for(lambda: self._checked > checked, min(max(left, 0), TICK_S)):
                    return self._checked_at
                if left <= 0:
                    raise NotYet(f"this replica could not be checked within {timeout_s:g} s: {self._why()}")

    def on_change(self, tell: Callable[[int, Sequence[Update]], None]) -> None:
        """Have `tell(position, what is new)` called after each step, on the replica's thread: it must not wait."""
        self._listeners.append(tell)

    def lag(self) -> Lag:
        """How far it is behind."""
        with self._changed:
            seconds = None if self._level is None else self._clock.monotonic() - self._level
            return Lag(max(0, self._head - self._copy.position), seconds)

    def standing(self) -> Standing:
        """How it fares."""
        with self._changed:
            copy = self._copy
            return Standing(
                url=self.url,
                connected=self.connected,
                position=copy.position,
                epoch=copy.epoch,
                hash=copy.hash,
                lag=self.lag(),
                twins=len(copy.values),
                values=copy.count,
                checked=self._checked,
                checked_at=self._checked_at,
                mended=self._mended,
                restarted=self._restarted,
                error="" if self._error is None else self._error.detail,
                saved=0 if self._kept is None else self._kept.position,
            )

    # following

    def _run(self) -> None:
        pause = FIRST_PAUSE_S
        anew = False
        while not self._closing.is_set():
            begun = self._clock.monotonic()
            try:
                self._follow(anew=anew)
                anew = False
                self._told(NotYet("the connection has ended; it is made again"))
            except _Mend:
                anew = True
                continue
            except REFUSED as error:
                self._forget(f"the platform says no: {error.detail}")
                self._told(error)
            except InvalidQuery as error:  # the position is not one of this plant
                anew = self._copy.position > 0
                if anew:
                    self._restart(error.detail)
                self._told(error)
            except (GemelError, OSError) as error:
                self._told(error if isinstance(error, GemelError) else NotYet(str(error)))
            except Exception as error:  # what no version of the platform should send: said, and tried again
                _log.exception("the stream was not understood", url=self.url)
                self._told(GemelError(f"what came from {self.url} is not understood: {error!r:.200}"))
            if self._clock.monotonic() - begun > LONGEST_PAUSE_S:
                pause = FIRST_PAUSE_S
            self._closing.wait(pause * (0.5 + random.random() / 2))
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _follow(self, *, anew: bool) -> None:
        """One connection, until it ends. Raises _Mend, and what the platform says against it."""
        after = None if anew or not self._copy.position else self._copy.position
        wanted = {**self.select.wanted(), "rate_hz": self._rate, "copy": True}
        chosen = wanted.pop("twins")
        where = {"twins": chosen} if isinstance(chosen, list) else chosen
        with self._client.subscribe(**where, after=after, epoch=self._copy.epoch, **wanted) as subscription:
            waiting: list[Delta] = []
            self._asked.clear()
            self._asked.append(self._clock.monotonic())
            heard = self._clock.monotonic()
            tick_due, self._check_due = heard + TICK_S, heard + CHECK_S
            caught_up = False
            while not self._closing.is_set():
                self._keep()
                try:
                    delta = subscription.get(TICK_S)
                except TimeoutError:
                    if self._clock.monotonic() - heard > SILENCE_S:
                        raise NotYet(f"nothing was heard for {SILENCE_S:.0f} s; the connection is made again") from None
                    self._tick()
                    continue
                if delta is None:
                    return
                heard = self._clock.monotonic()
                if delta.registry_changed:
                    self._check_due = 0.0
                elif delta.reset:
                    self._restart("the plant was restored or imported since")
                else:
                    waiting.append(delta)
                    if not delta.more:
                        self._take(waiting, subscription, caught_up=caught_up)
                        caught_up, waiting = True, []
                if heard >= tick_due:
                    tick_due = heard + TICK_S
                    self._tick()

    def _take(self, deltas: list[Delta], subscription: Subscription, *, caught_up: bool) -> None:
        mark = deltas[-1].mark
        with self._changed:
            if not caught_up and not any(one.snapshot for one in deltas):
                self._copy.refreshed()
            self._copy.take(deltas, subscription.epoch)
            copy, differs = self._copy, False
            self._passed.append((copy.position, copy.hash))
            self._head = max(subscription.head, copy.position)
            if mark is not None:
                if self._asked:  # it answers this one or a later one
                    self._level = self._asked[0]
                    self._asked.clear()
                if mark[0]:
                    differs = (copy.hash, copy.count) != mark
                    self._checked += not differs
                    self._mended += differs
                    self._checked_at = copy.position
            if not differs:
                self._subscription, self._error, self._whole = subscription, None, True
            self._changed.notify_all()
        if differs:
            self._restart(f"at position {copy.position} the copy was not what the platform has")
            raise _Mend
        if any(one.values or one.gone or one.snapshot for one in deltas):
            self._tell(copy.position, [update for one in deltas for update in one.values])

    def _tell(self, position: int, new: Sequence[Update]) -> None:
        for tell in self._listeners:
            try:
                tell(position, new)
            except Exception:  # of whoever listens; the copy goes on
                _log.exception("whoever hears what changes has failed", position=position)

    def _tick(self) -> None:
        if self._subscription is None:
            return
        due = self._clock.monotonic() >= self._check_due
        if due:
            self._check_due = self._clock.monotonic() + CHECK_S
        self._ask(hashed=due)

    def _ask(self, *, hashed: bool = False) -> None:
        with self._changed:
            subscription = self._subscription
            if subscription is None:
                return
            self._asked.append(self._clock.monotonic())
        try:
            subscription.mark(hashed=hashed)
        except (GemelError, OSError):
            return  # the thread that follows hears of it, too

    def _told(self, error: GemelError) -> None:
        with self._changed:
            self._cut()
            self._error = error
            self._changed.notify_all()

    def _cut(self) -> None:
        if self._subscription is not None:
            self._subscription, self._cut_since = None, self._clock.now()

    def _restart(self, reason: str) -> None:
        with self._changed:
            self._cut()
            self._restarted = Restarted(self._clock.now(), reason)

    def _forget(self, reason: str) -> None:
        """Hold nothing any more that may not be read."""
        with self._changed:
            if self._copy.count:
                self._restarted = Restarted(self._clock.now(), reason)
            self._copy.clear()
            self._passed.clear()
            if self._kept is not None:
                self._kept.forget()

    # keeping

    def _keep(self) -> None:
        now = self._clock.monotonic()
        if self._kept is not None and now >= self._save_due:
            self._save()
            took = self._clock.monotonic() - now
            self._save_due = self._clock.monotonic() + max(SAVE_S, 20 * took)

    def _save(self) -> None:
        kept = self._kept
        if kept is None:
            return
        with self._changed:
            copy = self._copy
            if not copy.position or copy.position == kept.position:
                return
            values, place = list(copy.updates()), (copy.position, copy.epoch, copy.hash)
        try:
            kept.save(values, *place)
        except GemelError as error:  # a full disk: the copy in memory goes on, and it is tried again
            with self._changed:
                self._error = error
