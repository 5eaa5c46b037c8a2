"""The tail of what unnumbered sources sent: after a reconnect, a reading that is in it is a repeat.

The last readings of each source are kept as columns, which costs little while all goes well; only a source that
reconnects has them hashed. What was taken before the last restart is read back from the end of the journal when it is
first asked for, for all sources together, as the journal does not say which source a reading came from.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Any

from gemel.intake.builder import FORMS, BlockBuilder, Columns
from gemel.twin import Block, Change

__all__ = ["Repeats", "Tails", "event_key", "reading_key"]

MAX_PER_SOURCE = 16_384
"""Readings per form kept of each source, at least; twice as many at most."""
MAX_SOURCES = 4_096

Lengths = tuple[list[int], int]


def reading_key(series: int, time: int, value: Any) -> int:
    """A key that is equal, within this process, for equal readings, and for no others that will ever meet."""
    return hash((series, time, repr(value)))  # of the text: -1 and -2, or 1 and 2^61, have the same hash as numbers


def event_key(twin: str, event: str, time: int, fields: object) -> int:
    """As `reading_key`, for an event without an id."""
    return hash((twin, event, time, repr(fields)))


class _Rows:
    """Rows of one form."""

    __slots__ = ("hashed", "series", "time", "value")

    def __init__(self) -> None:
        self.series = array("q")
        self.time = array("q")
        self.value: list[Any] = []
        self.hashed = 0


class _Tail:
    """What one source sent last."""

    __slots__ = ("events", "keys", "rows")

    def __init__(self) -> None:
        self.rows = [_Rows() for _ in FORMS]
        self.events: list[int] = []
        self.keys: set[int] = set()

    def extend(self, slot: int, columns: Columns, start: int, end: int) -> None:
        rows = self.rows[slot]
        rows.series.extend(columns.series[start:end])
        rows.time.extend(columns.time[start:end])
        rows.value.extend(columns.value[start:end])
        if columns.nulls and columns.nulls[-1] >= start:
            shift = len(rows.value) - end
            for row in columns.nulls[bisect_left(columns.nulls, start) :]:
                if row < end:
                    rows.value[row + shift] = None

    def lengths(self) -> Lengths:
        return [len(rows.series) for rows in self.rows], len(self.events)

    def cut(self, lengths: Lengths) -> None:
        for rows, length in zip(self.rows, lengths[0], strict=True):
            del rows.series[length:], rows.time[length:], rows.value[length:]
        del self.events[lengths[1] :]
        self._rehash()

    def trim(self) -> None:
        over = False
        for rows in self.rows:
            if len(rows.series) > 2 * MAX_PER_SOURCE:
                del rows.series[:-MAX_PER_SOURCE], rows.time[:-MAX_PER_SOURCE], rows.value[:-MAX_PER_SOURCE]
                over = True
        if len(self.events) > 2 * MAX_PER_SOURCE:
            del self.events[:-MAX_PER_SOURCE]
            over = True
        if over and self.keys:
            self._rehash()

    def _rehash(self) -> None:
        self.keys = set()
        for rows in self.rows:
            rows.hashed = 0

    def hashed(self) -> set[int]:
        for rows in self.rows:
            at = rows.hashed
            if at < len(rows.series):
                self.keys.update(map(reading_key, rows.series[at:], rows.time[at:], rows.value[at:]))
                rows.hashed = len(rows.series)
        self.keys.update(self.events)
        return self.keys


class Repeats:
    """What counts as sent before, of one source at one moment."""

    __slots__ = ("_before_restart", "_own")

    def __init__(self, own: set[int], before_restart: set[int]) -> None:
        self._own = own
        self._before_restart = before_restart

    def __contains__(self, key: int) -> bool:
        return key in self._own or key in self._before_restart


class Tails:
    """The tails of all sources. Used by the writer thread alone."""

    def __init__(self, recover: Callable[[], Iterable[Block]]) -> None:
        """`recover` gives the last blocks of the journal as it was when this process began."""
        self._recover = recover
        self._recovered: set[int] | None = None
        self._of: dict[str, _Tail] = {}
        self._before: dict[str, Lengths] = {}
        self._spans: list[tuple[str, int, int]] = []
        self._at = [0] * len(FORMS)

    def begin(self) -> None:
        """A new block begins: what was taken so far is durable."""
        for source in self._before:
            self._of[source].trim()
        self._before.clear()
        self._at = [0] * len(FORMS)
        while len(self._of) > MAX_SOURCES:
            del self._of[next(iter(self._of))]

    def _tail(self, source: str) -> _Tail:
        tail = self._of.get(source)
        if tail is None:
            tail = self._of[source] = _Tail()
        if source not in self._before:
            self._before[source] = tail.lengths()
        return tail

    def took(self, source: str, start: int, end: int) -> None:
        """The readings with ordinals in [start, end) came from `source`."""
        spans = self._spans
        if spans and spans[-1][0] == source and spans[-1][2] == start:
            spans[-1] = (source, spans[-1][1], end)
        else:
            spans.append((source, start, end))

    def took_event(self, source: str, key: int) -> None:
        self._tail(source).events.append(key)

    def flush(self, builder: BlockBuilder) -> None:
        """Copy the rows of all spans; before the builder's columns are closed, and before anyone asks."""
        for source, start, end in self._spans:
            tail = self._tail(source)
            for slot, columns in enumerate(builder.columns):
                ordinals = columns.ordinal
                if not ordinals or ordinals[-1] < start:
                    continue
                low = bisect_left(ordinals, start, self._at[slot])
                high = bisect_left(ordinals, end, low)
                if high > low:
                    tail.extend(slot, columns, low, high)
                self._at[slot] = high
        self._spans.clear()

    def closed(self) -> None:
        """The builder begins new columns."""
        self._at = [0] * len(FORMS)

    def repeats(self, source: str, builder: BlockBuilder) -> Repeats:
        """What `source` has sent up to now."""
        self.flush(builder)
        if self._recovered is None:
            self._recovered = set()
            for block in self._recover():
                self._recovered.update(_keys(block))
        return Repeats(set(self._tail(source).hashed()), self._recovered)

    def forget(self) -> None:
        """The block failed: nothing of it was taken."""
        self._spans.clear()
        for source, lengths in self._before.items():
            self._of[source].cut(lengths)
        self._before.clear()


def _keys(block: Block) -> Iterable[int]:
    for frame in block.frames.values():
        yield from map(reading_key, frame.series.tolist(), frame.time.tolist(), frame.value.to_pylist())
    for change in block.changes:
        if change.kind == "event.happened":
            yield from _event_keys(change)


def _event_keys(change: Change) -> Iterable[int]:
    yield event_key(change.subject, change.body["event"], change.time, change.body["fields"])
