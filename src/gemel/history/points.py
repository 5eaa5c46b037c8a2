"""The readings of one property over an interval, in order, told in today's kind and unit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gemel.history.asof import latest_rows
from gemel.history.published import View
from gemel.history.reader import Reader, Wanted
from gemel.history.rows import Rows
from gemel.history.subject import Subject, converted
from gemel.history.tables import READINGS
from gemel.twin import Form, Position, Quality

__all__ = ["Past", "Pieces", "Points"]

_NEAR = 60_000_000
_CHUNK_ROWS = 20_000_000
_DAY = 86_400_000_000
_LEAST_CHUNK = 60_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """n readings by rising (time, position).

    time     int64[n]
    value    pa.Array[n]
    good     bool[n]     there is a value and its quality is good or uncertain
    rows     the rows they were made of, in the same order
    """

    rows: Rows
    good: NDArray[np.bool_]

    @classmethod
    def of(cls, rows: Rows) -> Points:
        order = np.lexsort((rows.position, rows.time))
        if not np.array_equal(order, np.arange(len(order))):
            rows = rows.take(order)
        return cls.in_order(rows)

    @classmethod
    def in_order(cls, rows: Rows) -> Points:
        """Of rows that are in order already."""
        valid: NDArray[np.bool_] = pc.is_valid(rows.value).to_numpy(zero_copy_only=False)
        return cls(rows, valid & (rows.quality <= Quality.UNCERTAIN))

    def part(self, first: int, end: int) -> Points:
        """The points from `first` until `end`."""
        whole = first == 0 and end == len(self)
        return self if whole else Points.in_order(self.rows.take(np.arange(first, end)))

    def last(self) -> Points:
        """The last point alone, or none."""
        return self.part(max(0, len(self) - 1), len(self))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def time(self) -> NDArray[np.int64]:
        return self.rows.time

    @property
    def value(self) -> pa.Array:
        return self.rows.value


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """The readings of one property over an interval, piece by piece."""

    held: Rows
    """The one in force just before, or none."""
    pieces: Iterator[Rows]
    """All others, in order of their time."""
    dropped: list[tuple[int, int]]
    """Days of which they were dropped for their age."""
    position: Position


@dataclass(frozen=True, slots=True)
class Past:
    """One property, in one view of the history."""

    reader: Reader
    view: View
    subject: Subject

    @property
    def form(self) -> Form:
        return self.subject.ref.form

    def points(self, start: int, end: int) -> Points:
        """All readings with time in [start, end)."""
        parts = []
        for source in self.subject.sources:
            wanted = Wanted(np.array([source.series], np.int64), start, end)
            parts.append(converted(self.reader.rows(self.view, source.form, wanted), source, self.subject.property))
        return Points.of(Rows.concat(self.form, parts))

    def before(self, moment: int) -> Points:
        """The reading in force just before `moment`: one point, or none."""
        near = self.points(moment - _NEAR, moment)  # most often it is here: one query instead of three
        return near.last() if len(near) else self._long_before(moment)

    def _long_before(self, moment: int) -> Points:
        parts = []
        for source in self.subject.sources:
            series = np.array([source.series], np.int64)
            rows = latest_rows(self.reader, self.view, source.form, series, moment - 1)
            parts.append(converted(rows, source, self.subject.property))
        return Points.of(Rows.concat(self.form, parts)).last()

    def read(self, start: int, end: int) -> tuple[Points, Iterator[Points]]:
        """(`before(start)`, `chunks(start, end)`) with one query less."""
        stop = self._chunk_end(start, end)
        near = self.points(start - _NEAR, stop)
        first = int(np.searchsorted(near.time, start))
        held = near.part(0, first).last() if first else self._long_before(start)

        def pieces() -> Iterator[Points]:
            if first < len(near):
                yield near.part(first, len(near))
            yield from self.chunks(stop, end)

        return held, pieces()

    def chunks(self, start: int, end: int) -> Iterator[Points]:
        """`points` in pieces that fit into memory, in order of time."""
        while start < end:
            stop = self._chunk_end(start, end)
            points = self.points(start, stop)
            if len(points):
                yield points
            start = stop

    def _chunk_end(self, start: int, end: int) -> int:
        """The end of a piece whose files hold few enough rows (of all series: the bound is generous)."""
        stop = end
        while stop - start > _LEAST_CHUNK and self._rows(start, stop) > _CHUNK_ROWS:
            half = start + (stop - start) // 2
            stop = half - half % _DAY if half % _DAY < half - start else half
        return stop

    def _rows(self, start: int, end: int) -> float:
        total = 0.0
        for source in self.subject.sources:
            reach = (source.series, source.series)
            for file in self.view.table(READINGS[source.form]).select(start=start, end=end, series=reach):
                length = max(1, file.max_time - file.min_time + 1)
                inside = min(end, file.max_time + 1) - max(start, file.min_time)
                total += file.rows * inside / length
        return total
