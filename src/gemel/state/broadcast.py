"""Who wants to hear of which twins: found for a whole block at once, without asking each reader about each reading."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gemel.state.selection import Resolved

if TYPE_CHECKING:
    from gemel.state.subscription import Folded, Subscription, Swept

__all__ = ["Broadcast", "Waiter", "offer", "wake"]

Waiter = tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]"]


class Broadcast:
    """The readers, by type for those who want all twins of one, by twin for the others. Guarded by the state's lock."""

    def __init__(self) -> None:
        self._resolved: dict[Subscription, Resolved] = {}
        self._wide: dict[str, set[Subscription]] = {}
        self._by_twin: dict[int, set[Subscription]] = {}
        self._watched: NDArray[np.bool_] = np.zeros(1024, np.bool_)

    def __len__(self) -> int:
        return len(self._resolved)

    def __contains__(self, reader: object) -> bool:
        return reader in self._resolved

    def everyone(self) -> list[Subscription]:
        return list(self._resolved)

    def add(self, reader: Subscription, resolved: Resolved) -> None:
        """Begin to tell `reader` of what it selected, or follow its selection."""
        self.remove(reader)
        self._resolved[reader] = resolved
        if resolved.wide is not None:
            self._wide.setdefault(resolved.wide, set()).add(reader)
            return
        if len(resolved.numbers) and (top := int(resolved.numbers[-1])) >= len(self._watched):
            self._watched = np.concatenate([self._watched, np.zeros(top + 1, np.bool_)])
        self._watched[resolved.numbers] = True
        for number in resolved.numbers.tolist():
            self._by_twin.setdefault(number, set()).add(reader)

    def remove(self, reader: Subscription) -> None:
        resolved = self._resolved.pop(reader, None)
        if resolved is None:
            return
        if resolved.wide is not None:
            self._wide[resolved.wide].discard(reader)
            return
        for number in resolved.numbers.tolist():
            readers = self._by_twin[number]
            readers.discard(reader)
            if not readers:
                del self._by_twin[number]
                self._watched[number] = False

    def interested(self, twins: NDArray[np.int64], types: Iterable[str]) -> set[Subscription]:
        """Who selected any of these twins (repeats are fine), or all twins of one of these types."""
        found = set(self._wide.get("", ()))
        for type_id in types:
            found |= self._wide.get(type_id, set())
        if self._by_twin and len(twins):
            known = twins[twins < len(self._watched)]
            for number in np.unique(known[self._watched[known]]).tolist():
                found |= self._by_twin[number]
        return found


def offer(readers: Iterable[Subscription], folded: Folded | None = None, swept: Swept | None = None) -> list[Waiter]:
    """Give it to all of them; returns the event loops' readers that wait, for `wake`."""
    waiters = []
    for reader in readers:
        reader._offer(folded, swept)
        if (waiter := reader._take_waiter()) is not None:
            waiters.append(waiter)
    return waiters


def wake(waiters: Iterable[Waiter]) -> None:
    """Wake the event loops' readers, with one call per loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for loop, future in waiters:
        by_loop.setdefault(loop, []).append(future)
    for loop, futures in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop was closed, and nobody waits any more
            loop.call_soon_threadsafe(_resolve, futures)


def _resolve(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
