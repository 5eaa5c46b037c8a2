"""Futures of things that are somewhere on their way: each resolves when its thing has come far enough."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future
from typing import Generic, Protocol, TypeVar

__all__ = ["Waiting"]


class _Known(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def state(self) -> str: ...


K = TypeVar("K", bound=_Known)


class Waiting(Generic[K]):
    """Any thread. `look` reads one by its id."""

    def __init__(self, look: Callable[[str], K], ends: Collection[str]) -> None:
        self._look, self._ends = look, frozenset(ends)
        self._waiters: dict[str, list[tuple[frozenset[str], Future[K]]]] = {}
        self._lock = threading.Lock()

    def reached(self, id: str, states: Collection[str] = ()) -> Future[K]:
        """The thing once it is in one of these states, or has ended. Raises what `look` raises."""
        future: Future[K] = Future()
        with self._lock:
            self._waiters.setdefault(id, []).append((frozenset(states) | self._ends, future))
        future.add_done_callback(lambda _: self._forget(id, future))
        try:
            self.moved(self._look(id))  # it may have moved before we listened
        except BaseException:
            future.cancel()
            raise
        return future

    def within(self, id: str, wait_s: float) -> K:
        """The thing once it has ended, or as it is after so many seconds."""
        reached = self.reached(id)
        try:
            return reached.result(wait_s)
        except TimeoutError:
            reached.cancel()
            return self._look(id)

    def moved(self, thing: K) -> None:
        """It has come this far."""
        with self._lock:
            waiting = self._waiters.get(thing.id, ())
            done = [future for states, future in waiting if thing.state in states]
        for future in done:
            if future.set_running_or_notify_cancel():
                future.set_result(thing)

    def _forget(self, id: str, future: Future[K]) -> None:
        with self._lock:
            left = [one for one in self._waiters.get(id, ()) if one[1] is not future]
            if left:
                self._waiters[id] = left
            else:
                self._waiters.pop(id, None)
