"""The tail: what the journal holds and the lake does not yet, in memory and open to queries."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gemel.history.rows import Rows
from gemel.twin import Block, Change, Form

__all__ = ["Fact", "Part", "Tail"]


@dataclass(frozen=True, slots=True)
class Fact:
    """A change with its place in the journal."""

    position: int
    recorded: int
    change: Change


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Consecutive whole blocks: positions first … last."""

    first: int
    last: int
    rows: Mapping[Form, Rows]
    facts: tuple[Fact, ...]
    bounds: Mapping[Form, tuple[int, int, int, int]]
    """min and max time, min and max series of the rows of each form."""
    size: int
    """Bytes that it takes in memory, roughly."""
    since: float
    """When its first block was followed, by the monotonic clock."""

    @property
    def count(self) -> int:
        return self.last - self.first + 1

    @classmethod
    def of(cls, block: Block, since: float) -> Part:
        rows = {form: Rows.of_frame(frame, block) for form, frame in block.frames.items() if len(frame)}
        facts = tuple(Fact(block.first + change.ordinal, block.recorded, change) for change in block.changes)
        size = sum(part.size for part in rows.values()) + sum(change.size for change in block.changes)
        bounds = {form: _bounds(part) for form, part in rows.items()}
        return cls(block.first, block.last, rows, facts, bounds, size, since)

    @classmethod
    def join(cls, parts: Sequence[Part]) -> Part:
        """One part of consecutive ones."""
        forms = [form for form in Form if any(form in part.rows for part in parts)]
        rows = {form: Rows.concat(form, [part.rows[form] for part in parts if form in part.rows]) for form in forms}
        bounds = {}
        for form in forms:
            least = [part.bounds[form] for part in parts if form in part.bounds]
            bounds[form] = (
                min(b[0] for b in least),
                max(b[1] for b in least),
                min(b[2] for b in least),
                max(b[3] for b in least),
            )
        facts = tuple(fact for part in parts for fact in part.facts)
        size = sum(part.size for part in parts)
        return cls(parts[0].first, parts[-1].last, rows, facts, bounds, size, parts[0].since)

    def may_hold(self, form: Form, start: int | None, end: int | None, series: tuple[int, int] | None) -> bool:
        """Whether rows of `form` with time in [start, end) and series in [least, greatest] may be here."""
        bounds = self.bounds.get(form)
        if bounds is None:
            return False
        if (start is not None and bounds[1] < start) or (end is not None and bounds[0] >= end):
            return False
        return series is None or (bounds[3] >= series[0] and bounds[2] <= series[1])


def _bounds(rows: Rows) -> tuple[int, int, int, int]:
    return int(np.min(rows.time)), int(np.max(rows.time)), int(np.min(rows.series)), int(np.max(rows.series))


class Tail:
    """Parts in order, small ones joined so that a query meets few of them. Thread-safe."""

    def __init__(self, position: int, portion: int) -> None:
        """`position`: what comes after it is to come. `portion`: bytes that parts are joined to, and frozen at once."""
        self._lock = threading.Lock()
        self._portion = portion
        self._parts: list[Part] = []
        self._frozen = 0
        self._position = position
        self.count = 0
        """Readings and changes it holds."""
        self.size = 0
        """Bytes they take in memory, roughly."""

    @property
    def position(self) -> int:
        """The last position that it holds or that was dropped as stored."""
        return self._position

    @property
    def parts(self) -> tuple[Part, ...]:
        with self._lock:
            return tuple(self._parts)

    @property
    def oldest(self) -> float | None:
        """Since when the oldest of what it holds has been waiting, by the monotonic clock; None if it is empty."""
        with self._lock:
            return self._parts[0].since if self._parts else None

    def append(self, block: Block, since: float) -> None:
        """Add the next block, which is followed at `since`."""
        part = Part.of(block, since)
        with self._lock:
            self._position = block.last
            self.count += part.count
            self.size += part.size
            self._parts.append(part)
            # Sizes fall from left to right by half at least: n rows lie in log n parts, each row is copied log n times.
            while len(self._parts) - self._frozen >= 2:
                before, last = self._parts[-2:]
                if before.count >= 2 * last.count or before.size + last.size > self._portion:
                    break
                self._parts[-2:] = [Part.join((before, last))]

    def freeze(self) -> tuple[Part, ...]:
        """The oldest parts, a portion of them, which stay as they are until `drop_frozen` or the next `freeze`."""
        with self._lock:
            size = 0
            self._frozen = 0
            for part in self._parts:
                size += part.size
                if self._frozen and size > self._portion:
                    break
                self._frozen += 1
            return tuple(self._parts[: self._frozen])

    def drop_frozen(self) -> None:
        """Forget the parts that `freeze` gave: they are stored."""
        with self._lock:
            self.count -= sum(part.count for part in self._parts[: self._frozen])
            self.size -= sum(part.size for part in self._parts[: self._frozen])
            del self._parts[: self._frozen]
            self._frozen = 0
