"""A replica: reads that never wait for the platform, from a copy that one thread keeps."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from gemel.client import Client
from gemel.clock import WallClock
from gemel.errors import InvalidInput, NotFound, NotYet, UnknownTwin
from gemel.replicas.follower import TICK_S, Follower, Listener
from gemel.replicas.held import Held
from gemel.replicas.kept import Kept
from gemel.replicas.values import Lag, Now, Restarted, Select, Snapshot, Standing, select_of

__all__ = ["Replica"]

SOON_S = 0.05
"""How soon it asks again how far it has come while somebody waits for a position; then less and less often."""
MAX_RATE_HZ = 50.0


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

        `rate`: at most so many steps a second, each with the latest values only; None: every value of every block.
        Raises what the platform says against it, and Unreachable, if the folder holds no copy yet.
        """
        if rate is not None and not 0 < rate <= MAX_RATE_HZ:
            raise InvalidInput(f"rate={rate} is not between 0 and {MAX_RATE_HZ:g} steps a second; leave it out for all")
        self.url, self.select = url.rstrip("/"), select_of(select)
        self._client = Client(url, token=token, verify=verify)
        self._held = Held(WallClock())
        self._kept = None if folder is None else Kept(folder, self.url, self.select)
        if self._kept is not None:
            self._held.copy, reason = self._kept.load()
            self._held.whole = self._held.copy.position > 0
            if reason:
                self._held.restarted = Restarted(self._held.clock.now(), reason)
        self._follower = Follower(self._client, self.select, rate, self._held, kept=self._kept)
        self._closed = False
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        held = self._held
        with held.changed:
            held.changed.wait_for(lambda: held.whole or held.error)
            if held.error is not None and not held.whole:
                raise held.error

    def close(self) -> None:
        """Stop following, and write the copy down if it has a folder. Safe to call again."""
        if self._closed:
            return
        self._closed = True
        self._follower.close()
        if self._kept is not None:
            self._kept.close()
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # what is

    @property
    def position(self) -> int:
        """The copy is the state of the selection at this position of the platform's journal."""
        return self._held.copy.position

    @property
    def connected(self) -> bool:
        return self._held.connected

    def twins(self) -> list[str]:
        """Ids of the twins of which it holds a value."""
        with self._held.changed:
            return sorted(self._held.copy.values)

    def now(self, twin: str) -> dict[str, Now]:
        """What the properties of a twin are. Raises UnknownTwin."""
        held = self._held
        with held.changed:
            found = held.copy.values.get(twin)
            if found is None:
                raise UnknownTwin(f"this replica holds nothing of {twin!r:.100} at position {held.copy.position}")
            return {name: held.now(one) for name, one in found.items()}

    def value(self, twin: str, property: str) -> Now:
        """One of them. Raises UnknownTwin, NotFound."""
        found = self.now(twin).get(property)
        if found is None:
            raise NotFound(f"this replica holds no {twin}.{property:.80}; now({twin!r}) lists what it holds")
        return found

    def snapshot(self) -> Snapshot:
        """Everything at one position."""
        held = self._held
        with held.changed:
            copy = held.copy
            values = {twin: {name: held.now(one) for name, one in of.items()} for twin, of in copy.values.items()}
            return Snapshot(copy.position, copy.epoch, copy.hash, values)

    def on_change(self, tell: Listener) -> None:
        """Have `tell(position, what is new)` called after each step, on the replica's thread: it must not wait."""
        self._follower.listeners.append(tell)

    # how exact

    def hash(self, position: int | None = None) -> str:
        """What stands for the whole copy at its position, or at one of the last ten thousand that it was at.

        Equal copies of one selection at one position have equal hashes, here and on the platform. Raises NotFound.
        """
        with self._held.changed:
            copy = self._held.copy
            if position is None or position == copy.position:
                return copy.hash
            for passed, hash_ in reversed(self._held.passed):
                if passed == position:
                    return hash_
            raise NotFound(f"this replica was not at position {position}; it is at {copy.position}")

    def wait(self, position: int, timeout_s: float = 30.0) -> int:
        """Wait until everything up to `position` is here; returns the position it is at. Raises NotYet."""
        held = self._held
        end, pause = held.clock.monotonic() + timeout_s, SOON_S
        while True:
            with held.changed:
                if held.copy.position >= position:
                    return held.copy.position
                left = end - held.clock.monotonic()
                if left <= 0 or self._closed:
                    why = "it is closed" if self._closed else held.why()
                    raise NotYet(f"this replica is at position {held.copy.position}, not {position}: {why}")
            held.ask()
            with held.changed:
                held.changed.wait_for(lambda: held.copy.position >= position, min(left, pause))
            pause = min(2 * pause, TICK_S)

    def check(self, timeout_s: float = 30.0) -> int:
        """Hold the copy against the platform, both at one position; returns that position. Raises NotYet.

        A copy that differs is made anew by itself; `standing()` counts it.
        """
        held = self._held
        with held.changed:
            before = held.checked
        end = held.clock.monotonic() + timeout_s
        while True:
            held.ask(hashed=True)
            with held.changed:
                left = end - held.clock.monotonic()
                if held.changed.wait_for(lambda: held.checked > before, min(max(left, 0), TICK_S)):
                    return held.checked_at
                if left <= 0:
                    raise NotYet(f"this replica could not be checked within {timeout_s:g} s: {held.why()}")

    def lag(self) -> Lag:
        """How far it is behind."""
        with self._held.changed:
            return self._held.lag()

    def standing(self) -> Standing:
        """How it fares."""
        held = self._held
        with held.changed:
            copy = held.copy
            return Standing(
                url=self.url,
                connected=held.connected,
                position=copy.position,
                epoch=copy.epoch,
                hash=copy.hash,
                lag=held.lag(),
                twins=len(copy.values),
                values=copy.count,
                checked=held.checked,
                checked_at=held.checked_at,
                mended=held.mended,
                restarted=held.restarted,
                error="" if held.error is None else held.error.detail,
                saved=0 if self._kept is None else self._kept.position,
            )
