"""One reader of the state's changes: a snapshot or a backfill, then deltas, in bounded memory."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from gemel.state.broadcast import Waiter, wake
from gemel.state.delta import Delta, Gap, Happening, Mark, Transition
from gemel.state.fold import Accepted
from gemel.state.now import NOTHING, Updates, joined
from gemel.state.selection import Resolved, Selection, Sight
from gemel.state.updates import names_of, updates_of_block
from gemel.twin import Change, Position
from gemel.twin.fingerprint import fingerprint

if TYPE_CHECKING:
    from gemel.state.core import Core

Backfill = Callable[["Subscription", "Core", Position, Position], Iterator[Delta]]

__all__ = ["Folded", "Subscription", "Swept"]

MAX_PENDING = 100_000
"""Readings and changes of folded blocks that may wait for a reader before it gets only the latest values."""
MAX_BYTES = 64 << 20
"""What these may weigh, values of text and arrays included."""
MAX_BLOCKS = 1_000


ROW_BYTES, CHANGE_BYTES = 50, 1_000
"""Of a reading without what its text or array weighs, and of a change."""


@dataclass(slots=True, eq=False)
class Folded:
    """What one block did to the state; shared by all who heard of it."""

    first: Position
    last: Position
    recorded: int
    accepted: list[Accepted]
    changes: tuple[Change, ...] = ()
    seeded: frozenset[int] = frozenset()
    """Numbers of retyped properties that began with the values of an earlier generation."""

    _bytes: int = -1

    @property
    def count(self) -> int:
        return sum(len(part) for part in self.accepted) + len(self.changes)

    @property
    def nbytes(self) -> int:
        """About the memory that it holds; looked at once, whoever asks."""
        if self._bytes < 0:
            self._bytes = sum(_weight(part) for part in self.accepted) + CHANGE_BYTES * len(self.changes)
        return self._bytes


def _weight(part: Accepted) -> int:
    values = part.value
    inside = sum(_inside(value) for value in values if value is not None) if values.dtype == object else 0
    return ROW_BYTES * len(part) + inside


def _inside(value: Any) -> int:
    """About the bytes of a text, an array or a condition."""
    if isinstance(value, str):
        return len(value)
    return 8 * len(value) if isinstance(value, Sized) else CHANGE_BYTES


@dataclass(frozen=True, slots=True, eq=False)
class Swept:
    """Freshness that changed without a new value: series, and from when each is stale (0: fresh again)."""

    series: NDArray[np.int64]
    stale_since: NDArray[np.int64]


class Subscription:
    """Deltas for one reader. Take them from a thread with `get`, or on an event loop with `async for`.

    The first delta is the snapshot at a position (or, with `after`, what came since: from the journal, or, without a
    backfill, the latest values from the state); then every accepted reading follows in order. A reader who lets more
    than MAX_PENDING of them wait gets a `gap` and the latest values instead. With `rate_hz` there are at most so many
    deltas a second, each with the latest values only: nothing waits, and there are no gaps.
    """

    def __init__(
        self,
        core: Core,
        selection: Selection,
        *,
        after: Position | None = None,
        rate_hz: float | None = None,
        backfill: Backfill | None = None,
        look: Callable[[], Sight | None] | None = None,
    ) -> None:
        """Use `State.subscribe`."""
        self.selection = selection
        self._look = look
        self.sight = look() if look is not None else None
        """What the reader may see; None: everything."""
        self.latest_only = rate_hz is not None
        self.delivered: Position = 0
        """Everything of the selection up to this position has been delivered."""
        self.ended_before: frozenset[int] = self._already_ended(core)
        """Twins that were asked for by id although their service had ended already."""
        self._core = core
        self._pause_s = 1.0 / rate_hz if rate_hz else 0.0
        self._due = 0.0
        self._ready = threading.Condition(threading.Lock())
        self._waiter: Waiter | None = None
        self._closed = False
        self._signalled = True
        self._queue: deque[Folded] = deque()
        self._pending = 0
        self._pending_bytes = 0
        self._swept: deque[Swept] = deque()
        self._overflowed = False
        self._snapshot = after is None
        self._marking = ""
        """A mark is asked for: `position`, or `hash`."""
        self._catching_up = False
        self._backfill: Iterator[Delta] | None = None
        self.resolved, self._revision, start = core.register(self)
        if after is not None and backfill is not None:
            self.delivered = start
            self._backfill = backfill(self, core, after, start)
        elif after is not None:
            self.delivered, self._catching_up = after, True

    def _already_ended(self, core: Core) -> frozenset[int]:
        asked = (core.directory.twin(id) for id in self.selection.twins)
        return frozenset(entry.number for entry in asked if entry is not None and entry.number in core.retired)

    # --- the fold's side: called with the state's lock, never waits ---------------------------------------------

    def _offer(self, folded: Folded | None = None, swept: Swept | None = None) -> None:
        with self._ready:
            if swept is not None:
                self._swept.append(swept)
            if folded is not None and (folded.changes or not self.latest_only):
                kept = (
                    folded
                    if not self.latest_only
                    else Folded(folded.first, folded.last, folded.recorded, [], folded.changes, folded.seeded)
                )
                self._queue.append(kept)
                self._pending += kept.count
                self._pending_bytes += kept.nbytes
            if (
                self._pending > MAX_PENDING
                or self._pending_bytes > MAX_BYTES
                or len(self._queue) > MAX_BLOCKS
                or len(self._swept) > MAX_BLOCKS
            ):
                self._queue.clear()
                self._swept.clear()
                self._pending = self._pending_bytes = 0
                self._core.gaps += not self._overflowed
                self._overflowed = True
            self._signalled = True
            self._ready.notify_all()

    @property
    def waiting(self) -> tuple[int, int]:
        """(readings and changes, bytes) that wait for the reader; never more than MAX_PENDING and MAX_BYTES."""
        with self._ready:
            return self._pending, self._pending_bytes

    def _take_waiter(self) -> Waiter | None:
        with self._ready:
            waiter, self._waiter = self._waiter, None
            return waiter

    def poke(self) -> None:
        """What the reader may see may have changed: look again. From any thread."""
        with self._ready:
            self._signalled = True
            self._ready.notify_all()
        if (waiter := self._take_waiter()) is not None:
            wake([waiter])

    def mark(self, *, hashed: bool = True) -> None:
        """Have the next delta say that it is whole and, with `hashed`, the hash of all that is selected; any thread."""
        with self._ready:
            self._marking = "hash" if hashed or self._marking == "hash" else "position"
        self.poke()

    # --- the reader's side -------------------------------------------------------------------------------------

    def get(self, timeout: float | None = None) -> Delta | None:
        """The next delta; None when `timeout` seconds passed without one, or the subscription is closed."""
        clock = self._core.clock
        end = None if timeout is None else clock.monotonic() + timeout
        while True:
            if delta := self._next():
                return delta
            with self._ready:
                if self._closed:
                    return None
                left = None if end is None else end - clock.monotonic()
                if left is not None and (left <= 0 or timeout == 0):
                    return None
                pause = self._due - clock.monotonic()
                if self._signalled and pause <= 0:
                    continue
                waits = [t for t in (left, pause if self._signalled else None) if t is not None]
                self._ready.wait(min(waits) if waits else None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Delta:
        while not self._closed:
            if (pause := self._due - self._core.clock.monotonic()) > 0:
                await asyncio.sleep(pause)
            delta = await asyncio.to_thread(self._next) if self._is_heavy() else self._next()
            if delta:
                return delta
            loop = asyncio.get_running_loop()
            with self._ready:
                if self._signalled or self._closed:
                    continue
                waiter = loop.create_future()
                self._waiter = (loop, waiter)
            await waiter
        raise StopAsyncIteration

    def close(self) -> None:
        """End it; whoever waits is woken."""
        self._core.unregister(self)
        with self._ready:
            self._closed = True
            self._ready.notify_all()
        if (waiter := self._take_waiter()) is not None:
            wake([waiter])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _is_heavy(self) -> bool:
        """Whether the next delta may take long: it reads the journal, the registry or the whole selection."""
        changed = self._core.registry_revision != self._revision
        whole = self._snapshot or self._overflowed or self._catching_up or self._marking == "hash"
        return self._backfill is not None or whole or changed

    # --- building a delta --------------------------------------------------------------------------------------

    def _next(self) -> Delta | None:
        """The next delta if there is one already and its time has come."""
        if self._backfill is not None:
            for delta in self._backfill:
                self.delivered = max(self.delivered, delta.position)
                return delta
            self._backfill = None
        now_s = self._core.clock.monotonic()
        if now_s < self._due:
            return None
        with self._ready:
            if not self._signalled:
                return None
            self._signalled = False
        delta = self._build()
        if not delta:
            return None
        if self._pause_s:
            self._due = now_s + self._pause_s
        return delta

    def _build(self) -> Delta:
        core = self._core
        gone: list[str] = []
        added: Resolved | None = None
        changed = core.registry_revision != self._revision
        looked = self._look() if self._look is not None else None
        if looked is not self.sight:
            self.sight = looked
            changed = self._snapshot = True
        if changed:
            gone, added = self._follow_registry()
        before = self.delivered
        with core.lock:
            position = core.position
            queue, swept, overflowed = self._taken()
            catching_up, marking = self._catching_up and not overflowed, self._marking
            self._catching_up, self._marking = False, ""
            snapshot = self._snapshot or overflowed
            whole = snapshot or self.latest_only or catching_up
            cells = core.gather(self.resolved, 0 if snapshot else before) if whole else []
            looks = marking == "hash" or (catching_up and not snapshot)
            everything = core.gather(self.resolved, 0) if looks else []
            if added is not None and not snapshot:
                cells += core.gather(added, 0)
            if not snapshot:
                for folded in queue:
                    if folded.seeded:
                        until = min(before, folded.first - 1) if whole else folded.first - 1
                        cells += core.seeded(self.resolved, folded.seeded, until)
        self._snapshot = False
        self.delivered = position
        values = [core.updates(cells)] if cells else []
        if not whole:
            with core.lock:
                place = (core.layout, core.watch, core.clock.now())
                values += [updates_of_block(f.accepted, f.recorded, self.resolved, before, place) for f in queue]
        all_cells = core.updates(everything) if everything else NOTHING
        transitions = self._transitions(swept)
        if catching_up and not snapshot:
            transitions = _stale(all_cells)
        return Delta(
            position,
            joined(values),
            snapshot=snapshot,
            transitions=transitions,
            events=[] if snapshot else self.happenings(queue, before),
            gone=gone,
            registry_changed=changed,
            gap=Gap(before, position) if overflowed else None,
            mark=_mark(all_cells, marking),
        )

    def _taken(self) -> tuple[list[Folded], list[Swept], bool]:
        with self._ready:
            queue, swept, overflowed = list(self._queue), list(self._swept), self._overflowed
            self._queue.clear()
            self._swept.clear()
            self._pending = self._pending_bytes = 0
            self._overflowed = False
            return queue, swept, overflowed

    def _follow_registry(self) -> tuple[list[str], Resolved | None]:
        """Resolve the selection anew; returns ids of twins that left, and those that came."""
        before = self.resolved
        self.resolved, self._revision, _ = self._core.register(self)
        now = self.resolved
        left = np.setdiff1d(before.numbers, now.numbers, assume_unique=True)
        came = np.setdiff1d(now.numbers, before.numbers, assume_unique=True)
        added = Resolved(came, now.allowed, None, now.sight) if len(came) else None
        return self._core.directory.ids(left.tolist()), added

    def happenings(self, queue: list[Folded], before: Position) -> list[Happening]:
        """Changes of selected twins above a position."""
        if not self.selection.events:
            return []
        return [
            Happening(folded.first + change.ordinal, change)
            for folded in queue
            for change in folded.changes
            if folded.first + change.ordinal > before and self._concerns(change)
        ]

    def _concerns(self, change: Change) -> bool:
        entry = self._core.directory.twin(change.subject)
        if entry is None or not self.resolved.has_twins(np.array([entry.number], np.int64))[0]:
            return False
        return self.sight is None or self.sight.tells(change)

    def _transitions(self, swept: list[Swept]) -> list[Transition]:
        latest: dict[int, int] = {}
        for one in swept:
            chosen = self.resolved.holds(one.series)
            latest.update(zip(one.series[chosen].tolist(), one.stale_since[chosen].tolist(), strict=True))
        names = names_of(latest, self._core.layout)
        return [
            Transition(twin, name, series, since == 0, since or None)
            for (series, since), (twin, name) in zip(latest.items(), names, strict=True)
        ]


def _mark(everything: Updates, marking: str) -> Mark | None:
    if marking == "hash":
        return Mark(fingerprint(everything.cells()), len(everything))
    return Mark("", 0) if marking else None


def _stale(everything: Updates) -> list[Transition]:
    """All that is stale now: whoever was away knows nothing of what became so since."""
    rows = zip(everything.series.tolist(), everything.names, everything.stale_since.tolist(), strict=True)
    return [Transition(*name, series, False, since) for series, name, since in rows if since]
