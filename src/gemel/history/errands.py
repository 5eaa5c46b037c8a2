"""What others have the historian's thread do for them, between commits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from gemel.history.lake import Lake

__all__ = ["Errands"]

T = TypeVar("T")


class Errands:
    """A queue of work on the lake. Any thread puts and closes, under the historian's lock; its own thread runs."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Callable[[Lake], Any], Future[Any]]] = deque()
        self._closed = False

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, work: Callable[[Lake], T]) -> Future[T]:
        """What `work` will have given; cancelled when it is too late."""
        done: Future[T] = Future()
        if self._closed:
            done.cancel()
        else:
            self._waiting.append((work, done))
        return done

    def run(self, lake: Lake) -> None:
        """All that waits."""
        while self._waiting:
            work, done = self._waiting.popleft()
            if done.set_running_or_notify_cancel():
                try:
                    done.set_result(work(lake))
                except BaseException as error:
                    done.set_exception(error)

    def close(self) -> None:
        """Nobody runs anything any more."""
        self._closed = True
        while self._waiting:
            self._waiting.popleft()[1].cancel()
