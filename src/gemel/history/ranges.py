"""A property over an interval: as it was, or down to as many points as a screen can show, honestly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemel.errors import InvalidQuery
from gemel.history.buckets import Buckets, good_values
from gemel.history.coverage import Coverage
from gemel.history.derived import Grain
from gemel.history.dropped import coarsest, dropped_spans, merged
from gemel.history.points import Past, Points
from gemel.history.rolled import rolled
from gemel.history.rows import Rows
from gemel.history.series import Method, Series, within_of
from gemel.history.states import states_of
from gemel.history.subject import decode
from gemel.twin import Form, Kind
from gemel.units import affine

__all__ = ["Ask", "bucket_width", "range_of"]

_RAW_LIMIT = 2_000_000
_MILLI, _MINUTE, _HOUR = 1_000, 60_000_000, 3_600_000_000


@dataclass(frozen=True, slots=True)
class Ask:
    """How to tell a range: at most `points` (None: all readings), by which method, in which unit (UCUM)."""

    points: int | None = None
    method: Method | None = None
    unit: str = ""


def range_of(past: Past, start: int, end: int, *, now: int, ask: Ask) -> Series:
    """The property of `past` in [start, end). `now` bounds the last value's hold. Raises InvalidQuery, InvalidUnit."""
    if end <= start:
        raise InvalidQuery("the range ends before it begins; give start < end")
    points, method, unit = ask.points, ask.method, ask.unit
    if points is not None and not 1 <= points <= 1_000_000:
        raise InvalidQuery(f"{points} points cannot be answered; ask for 1 to 1,000,000")
    property = past.subject.property
    numeric = past.form in (Form.NUMBER, Form.INTEGER) and property.kind is not Kind.BOOLEAN
    if not numeric and method is not Method.RAW:
        return states_of(past, start, end, now=now, limit=points)
    if method is Method.STATES and numeric:
        raise InvalidQuery(f"{property.name} is a {property.kind}; states are for texts, enumerations and booleans")
    if unit and not numeric:
        raise InvalidQuery(f"{property.name} is a {property.kind} and has no unit")
    scale = affine(property.unit or "1", unit) if unit and unit != property.unit else None
    dropped = dropped_spans(past, start, end)
    every = method in (Method.RAW, Method.LTTB) or (method is None and points is None and not dropped)
    held, pieces = past.read(start, end) if every else (past.before(start), iter(()))
    answer = _Answer(
        past, start, end, min(end, max(now, start)), unit or property.unit, scale, held=held, dropped=dropped
    )
    if every:
        return answer.lttb(pieces, points or 2000) if method is Method.LTTB else answer.raw(pieces)
    return answer.buckets(points or (1_000_000 if method is None and dropped else 2000), method or Method.MINMAX)


@dataclass(frozen=True, slots=True)
class _Answer:
    past: Past
    start: int
    end: int
    known_end: int
    """The end, or now when that is earlier: the future is not a gap."""
    unit: str
    scale: tuple[float, float] | None
    held: Points
    """The reading in force when the range begins, or none."""
    dropped: list[tuple[int, int]]
    """Where only sums per minute or hour are left."""

    def _series(self, method: Method, columns: dict[str, Any], gaps: list[tuple[int, int]], width: int = 0) -> Series:
        subject = self.past.subject
        return Series(
            twin=subject.twin,
            property=subject.property.name,
            kind=subject.property.kind,
            unit=self.unit,
            method=method,
            start=self.start,
            end=self.end,
            position=self.past.view.position,
            resolution_s=width / 1e6,
            columns=columns,
            gaps=gaps,
            before=self._before(),
            dropped=self.dropped,
        )

    def _before(self) -> tuple[int, Any] | None:
        within = within_of(self.past.subject.property)
        if len(self.held) == 0 or not self.held.good[0] or self.past.form not in (Form.NUMBER, Form.INTEGER):
            return None
        time = int(self.held.time[0])
        if within is not None and self.start - time >= within:
            return None
        value = self.held.value if self.scale is None else self._scaled(self.held.rows.numbers())
        return time, value.tolist()[0]

    def _coverage(self) -> Coverage:
        coverage = Coverage(self.start, self.known_end, within_of(self.past.subject.property))
        coverage.add_points(self.held)
        return coverage

    def _scaled(self, values: NDArray[Any]) -> NDArray[Any]:
        return values if self.scale is None else values * self.scale[0] + self.scale[1]

    def _collect(self, pieces: Iterator[Points]) -> tuple[list[Points], Coverage]:
        coverage, chunks, count = self._coverage(), [], 0
        for points in pieces:
            coverage.add_points(points)
            chunks.append(points)
            count += len(points)
            if count > _RAW_LIMIT:
                raise InvalidQuery(
                    f"the range holds more than {_RAW_LIMIT:,} readings; ask for minmax, a shorter range, or export"
                )
        return chunks, coverage

    def raw(self, pieces: Iterator[Points]) -> Series:
        """Every reading: time, value, quality."""
        chunks, coverage = self._collect(pieces)
        rows = Points.of(_joined(self.past.form, chunks)).rows
        if self.past.form in (Form.TEXT, Form.ARRAY):
            kind = self.past.subject.property.kind
            values: Any = [decode(v, kind) for v in rows.value.to_pylist()]
        elif self.past.form is Form.INTEGER and self.scale is None:
            values = rows.value  # pa.Array: exact, with nulls
        else:
            values = self._scaled(rows.numbers())
        columns = {"time": rows.time, "value": values, "quality": rows.quality}
        return self._series(Method.RAW, columns, merged([*coverage.gaps(), *self.dropped]))

    def lttb(self, pieces: Iterator[Points], points: int) -> Series:
        """Chosen readings; the good ones only."""
        chunks, coverage = self._collect(pieces)
        joined = Points.of(_joined(self.past.form, chunks))
        time, value = joined.time[joined.good], good_values(joined)
        if len(time) > max(points, 3):
            chosen = _downsampler().downsample(time, value, n_out=max(points, 3))
            time, value = time[chosen], value[chosen]
        return self._series(
            Method.LTTB, {"time": time, "value": self._scaled(value)}, merged([*coverage.gaps(), *self.dropped])
        )

    def buckets(self, points: int, method: Method) -> Series:
        """Per bucket; from roll-ups where they are as good as the readings."""
        width = bucket_width(self.end - self.start, points)
        coarse = coarsest(self.past, self.dropped)
        if coarse is not None:  # as fine as the sums that are left, and no finer
            width = -(-width // coarse.width) * coarse.width
        coverage = self._coverage()
        parts = []
        for segment in self._segments(width):
            if isinstance(segment, Points):
                coverage.add_points(segment)
                parts.append(Buckets.of(segment, width))
            else:
                coverage.add(segment.event, segment.first_time, segment.last_time, segment.bad_since)
                parts.append(segment.coarser(width))
        found = Buckets.concat(parts).coarser(width) if parts else Buckets.empty(np.float64)
        if self.scale is not None:
            found = found.scaled(*self.scale)
        return self._series(method, _columns(found, method, self.start), coverage.gaps(width), width)

    def _segments(self, width: int) -> Iterator[Points | Buckets]:
        """The range in order of time, from roll-ups where there are any that hold, else from readings."""
        grain = next((g for g in (Grain.HOUR, Grain.MINUTE) if width % g.width == 0), None)
        reached = self.start
        if grain is not None:
            low, high = -(-self.start // grain.width) * grain.width, self.end // grain.width * grain.width
            if self.dropped:  # at its ends, too, only whole sums are left
                low, high = self.start // grain.width * grain.width, -(-self.end // grain.width) * grain.width
            for start, end, found in rolled(self.past, grain, low, high):
                yield from self.past.chunks(reached, start)
                yield found
                reached = end
        yield from self.past.chunks(reached, self.end)


def bucket_width(length: int, points: int) -> int:
    """Microseconds; a width that roll-ups can serve where the range is long."""
    least = -(-length // points)
    for unit in (_HOUR, _MINUTE):
        if least >= unit * (4 if unit == _HOUR else 1):
            return -(-least // unit) * unit
    return max(1, least if least < _MILLI else -(-least // _MILLI) * _MILLI)


@cache
def _downsampler() -> Any:
    from tsdownsample import MinMaxLTTBDownsampler

    return MinMaxLTTBDownsampler()  # type: ignore[no-untyped-call]  # nor has it types


def _joined(form: Form, chunks: list[Points]) -> Rows:
    return Rows.concat(form, [chunk.rows for chunk in chunks])


def _columns(found: Buckets, method: Method, start: int) -> dict[str, Any]:
    keep = found.count > 0
    time = np.maximum(found.time[keep], start)
    if method is Method.MEAN:
        return {"time": time, "value": found.mean[keep], "count": found.count[keep]}
    if method is Method.LAST:
        return {"time": time, "value": found.last[keep], "count": found.count[keep]}
    return {
        "time": time,
        "min": found.minimum[keep],
        "max": found.maximum[keep],
        "mean": found.mean[keep],
        "first": found.first[keep],
        "last": found.last[keep],
        "count": found.count[keep],
    }
