"""The tail of what unnumbered sources sent: after a reconnect, a reading that is in it is a repeat.

The last readings of each source are kept as columns, which costs little while all goes well; only a source that
reconnects has them hashed. What was taken before the last restart is read back from the end of the journal when it is
first asked for, for all sources together, as the journal does not say which source a reading came from.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from typing import Any

from gemel.intake.builder import BlockBuilder, Columns
from gemel.twin import Block, Change, Form

__all__ = ["Repeats", "Tails", "event_key", "reading_key"]

MAX_PER_SOURCE = 16_384
"""Readings per form kept of each source, at least; twice as many at most."""
MAX_SOURCES = 4_096

Lengths = dict[Form, int]


def reading_key(series: int, time: int, value: Any) -> int:
    """A key that is equal, within this process, for equal readings."""
    return hash((series, time, tuple(value) if isinstance(value, list) else value))


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
        self.rows: dict[Form, _Rows] = {}
        self.events: list[int] = []
        self.keys: set[int] = set()

    def extend(self, form: Form, columns: Columns, start: int, end: int) -> None:
        rows = self.rows.get(form)
        if rows is None:
            rows = self.rows[form] = _Rows()
        rows.series.extend(columns.series[start:end])
        rows.time.extend(columns.time[start:end])
        rows.value.extend(columns.value[start:end])
        if columns.nulls and columns.nulls[-1] >= start:
            shift = len(rows.value) - end
            for row in columns.nulls:
                if row >= start:
                    rows.value[row + shift] = None

    def lengths(self) -> tuple[Lengths, int]:
        return {form: len(rows.series) for form, rows in self.rows.items()}, len(self.events)

    def cut(self, lengths: tuple[Lengths, int]) -> None:
        for form, rows in self.rows.items():
            length = lengths[0].get(form, 0)
            del rows.series[length:], rows.time[length:], rows.value[length:]
        del self.events[lengths[1] :]
        self._rehash()

    def trim(self) -> None:
        over = [rows for rows in self.rows.values() if len(rows.series) > 2 * MAX_PER_SOURCE]
        for rows in over:
            del rows.series[:-MAX_PER_SOURCE], rows.time[:-MAX_PER_SOURCE], rows.value[:-MAX_PER_SOURCE]
        if len(self.events) > 2 * MAX_PER_SOURCE:
            del self.events[:-MAX_PER_SOURCE]
            over.extend(self.rows.values())
        if over:
            self._rehash()

    def _rehash(self) -> None:
        self.keys = set()
        for rows in self.rows.values():
            rows.hashed = 0

    def hashed(self) -> set[int]:
        for rows in self.rows.values():
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
        self._before: dict[str, tuple[Lengths, int]] = {}

    def begin(self) -> None:
        """A new block begins: what was taken so far is durable."""
        for source in self._before:
            self._of[source].trim()
        self._before.clear()
        while len(self._of) > MAX_SOURCES:
            del self._of[next(iter(self._of))]

    def _tail(self, source: str) -> _Tail:
        tail = self._of.get(source)
        if tail is None:
            tail = self._of[source] = _Tail()
        if source not in self._before:
            self._before[source] = tail.lengths()
        return tail

    def took(self, source: str, builder: BlockBuilder, start: Lengths) -> None:
        """The rows that `builder` got since its columns had the lengths `start` came from `source`."""
        tail = self._tail(source)
        for form, columns in builder.columns.items():
            if len(columns.ordinal) > start[form]:
                tail.extend(form, columns, start[form], len(columns.ordinal))

    def took_event(self, source: str, key: int) -> None:
        self._tail(source).events.append(key)

    def repeats(self, source: str) -> Repeats:
        """What `source` has sent up to now."""
        if self._recovered is None:
            self._recovered = set()
            for block in self._recover():
                self._recovered.update(_keys(block))
        return Repeats(set(self._tail(source).hashed()), self._recovered)

    def forget(self) -> None:
        """The block failed: nothing of it was taken."""
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
