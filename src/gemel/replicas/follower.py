"""The thread of a replica: follows the platform's stream, connects again, writes the copy down."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence

import structlog

from gemel.client import Client, Delta, Subscription, Update
from gemel.errors import Denied, GemelError, InvalidQuery, NotYet, Unauthenticated, UnknownTwin, UnknownType
from gemel.replicas.held import Held
from gemel.replicas.kept import Kept
from gemel.replicas.values import Select

__all__ = ["Follower"]

TICK_S = 1.0
"""How often it asks how far it has come, so that the lag is known when nothing changes."""
SILENCE_S = 15.0
"""Without an answer for so long, the connection is taken for dead."""
CHECK_S, SAVE_S = 60.0, 10.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 30.0
REFUSED = (Denied, Unauthenticated, UnknownTwin, UnknownType)
"""What it may hold no longer when the platform says so."""
Listener = Callable[[int, Sequence[Update]], None]
_log = structlog.get_logger("gemel.replicas")


class _Mend(Exception):
    """The copy is not what the platform has: make it anew."""


class Follower:
    """Started when it is made; `close` ends it."""

    def __init__(self, client: Client, select: Select, rate: float | None, held: Held, *, kept: Kept | None) -> None:
        self._client, self._select, self._rate, self._held, self._kept = client, select, rate, held, kept
        self._clock = held.clock
        self.listeners: list[Listener] = []
        self._check_due = self._save_due = self._tick_due = 0.0
        self.closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gemel-replica", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop following, and write the copy down."""
        self.closing.set()
        with self._held.changed:
            subscription = self._held.subscription
        if subscription is not None:
            subscription.close()
        self._thread.join()
        self._save()

    def _run(self) -> None:
        held, pause, anew = self._held, FIRST_PAUSE_S, False
        while not self.closing.is_set():
            begun = self._clock.monotonic()
            try:
                self._follow(anew=anew)
                anew = False
                held.cut(NotYet("the connection has ended; it is made again"))
            except _Mend:
                anew = True
            except REFUSED as error:
                held.forget(f"the platform says no: {error.detail}")
                if self._kept is not None:
                    self._kept.forget()
                held.cut(error)
            except InvalidQuery as error:  # the position is not one of this plant
                anew = held.copy.position > 0
                if anew:
                    held.restart(error.detail)
                held.cut(error)
            except (GemelError, OSError) as error:
                held.cut(error if isinstance(error, GemelError) else NotYet(str(error)))
            except Exception as error:  # what no version of the platform should send: said, and tried again
                _log.exception("the stream was not understood", url=self._client.url)
                held.cut(GemelError(f"what came from {self._client.url} is not understood: {error!r:.200}"))
            if self._clock.monotonic() - begun > LONGEST_PAUSE_S:
                pause = FIRST_PAUSE_S
            self.closing.wait(pause * (0.5 + random.random() / 2))
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _follow(self, *, anew: bool) -> None:
        """One connection, until it ends. Raises _Mend, and what the platform says against it."""
        copy, clock = self._held.copy, self._clock
        after = None if anew or not copy.position else copy.position
        wanted = {**self._select.wanted(), "rate_hz": self._rate, "copy": True}
        self._held.asked.clear()
        self._held.asked.append(clock.monotonic())
        with self._client.subscribe(after=after, epoch=copy.epoch, **wanted) as subscription:
            waiting: list[Delta] = []
            first, heard = True, clock.monotonic()
            self._tick_due, self._check_due = heard + TICK_S, heard + CHECK_S
            while not self.closing.is_set():
                self._keep()
                try:
                    delta = subscription.get(TICK_S)
                except TimeoutError:
                    if clock.monotonic() - heard > SILENCE_S:
                        raise NotYet(f"nothing was heard for {SILENCE_S:.0f} s; the connection is made again") from None
                    self._tick()
                    continue
                if delta is None:
                    return
                heard = clock.monotonic()
                if delta.registry_changed:
                    self._check_due = 0.0  # properties may have gone, of which nothing is told
                elif delta.reset:
                    self._held.restart("the plant was restored or imported since")
                else:
                    waiting.append(delta)
                    if not delta.more:
                        self._take(waiting, subscription, first=first)
                        first, waiting = False, []
                self._tick()

    def _take(self, deltas: list[Delta], subscription: Subscription, *, first: bool) -> None:
        held = self._held
        if not held.take(deltas, subscription, first=first):
            held.restart(f"at position {held.copy.position} the copy was not what the platform has")
            raise _Mend
        if not any(one.values or one.gone or one.snapshot for one in deltas):
            return
        new = [update for one in deltas for update in one.values]
        for tell in self.listeners:
            try:
                tell(held.copy.position, new)
            except Exception:  # of whoever listens; the copy goes on
                _log.exception("whoever hears what changes has failed", position=held.copy.position)

    def _tick(self) -> None:
        now = self._clock.monotonic()
        if now < self._tick_due:
            return
        self._tick_due = now + TICK_S
        due = now >= self._check_due
        if due:
            self._check_due = now + CHECK_S
        self._held.ask(hashed=due)

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
        with self._held.changed:
            copy = self._held.copy
            if not copy.position or copy.position == kept.position:
                return
            values, place = list(copy.updates()), (copy.position, copy.epoch, copy.hash)
        try:
            kept.save(values, *place)
        except (GemelError, OSError) as error:  # a full disk: the copy in memory goes on, and it is tried again
            _log.warning("the copy could not be written down", folder=str(kept.folder), error=str(error))
