"""Recomputing the past: a property anew at every moment at which an input changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemel.clock import Clock
from gemel.computation.building import Built, build
from gemel.computation.fitting import fitted
from gemel.computation.lane import Evaluate
from gemel.computation.program import Program
from gemel.computation.timeline import Timeline, timeline
from gemel.errors import InvalidInput, InvalidQuery, NotYet, UnknownProperty, UnknownType
from gemel.history import History
from gemel.intake import COMPUTED, Intake, Receipt
from gemel.registry import Registry
from gemel.state import Readout
from gemel.twin import PROPERTY_BITS, Change, Position, Quality, property_named, split_series

__all__ = ["REDONE", "Redo", "Redone"]

REDONE = "computed.redone"
AT_ONCE = 200_000
"""Values of one submission."""
MOST = 50_000_000
"""Values of one redo."""

HISTORY_WITHIN_S = 60.0

_Ints = NDArray[np.int64]


class Redone(msgspec.Struct, frozen=True, kw_only=True):
    """What a redo did."""

    type: str
    property: str
    version: int
    """Of the type, whose expression it was computed with."""
    twins: int
    values: int
    """Written into the history, of the property itself."""
    start: int
    end: int
    position: Position
    """Of the change that tells of it; its values come before."""
    before: list[str] = []
    """Computed properties that it reads, which were redone first: type.property."""


class _Times:
    """The programs as they were: the expressions of now over what was part of what at a moment."""

    def __init__(self, registry: Registry) -> None:
        self._directory = registry.directory.snapshot()
        self.assemblies = registry.assemblies()
        self._built: dict[int, Built] = {}

    def at(self, moment: int) -> Built:
        if moment not in self._built:
            self._built[moment] = build(self._directory, self.assemblies.at(moment))
        return self._built[moment]

    def spans(self, twins: _Ints, span: tuple[int, int]) -> list[tuple[int, int]]:
        """The interval, cut where something changed of what the twins are made of."""
        edges = [span[0], *self.assemblies.moments(twins, *span), span[1]]
        return list(pairwise(edges))

    def program(self, key: tuple[str, str], moment: int) -> Program:
        """Raises InvalidInput with the reason where it cannot be computed."""
        built = self.at(moment)
        for program in built.programs:
            if (program.type_id, program.property.name) == key:
                return program
        raise InvalidInput(built.broken.get(".".join(key), f"{'.'.join(key)} cannot be computed"))


class Redo:
    """Computes a property over [start, end) as it is defined now, from the inputs as the history has them now, and of
    the parts that each twin had at each moment. What it reads that is computed, too, is redone first.

    A value is written for every moment at which an input or the composition changed, or a value of the property itself
    is there already: at equal times the later one counts, so what was computed before gives way.
    """

    def __init__(self, rooms: tuple[Registry, History, Intake, Clock], evaluate: Evaluate) -> None:
        self._registry, self._history, self._intake, self._clock = rooms
        self._evaluate = evaluate

    def run(
        self,
        type_id: str,
        name: str,
        start: int,
        end: int,
        *,
        twins: Sequence[str] = (),
        actor: str = "",
        progress: Callable[[float], None] | None = None,
    ) -> Redone:
        """Of all twins of the type, or of these. `progress` may raise to end it: what was written stays, and is told.

        Raises UnknownType, UnknownProperty, InvalidInput, InvalidQuery, NotYet.
        """
        if end <= start:
            raise InvalidQuery("the interval ends before it begins; give from < to")
        key, times = self._key(type_id, name), _Times(self._registry)
        wanted = self._numbers(times.program(key, end - 1), twins)
        steps = self._steps(times, key, wanted, (start, end))
        rows, done = sum(len(numbers) for _, numbers in steps), 0
        found: Redone | None = None
        for step, numbers in steps:
            if not self._history.wait(self._intake_position(), HISTORY_WITHIN_S):
                raise NotYet(f"the history has not followed within {HISTORY_WITHIN_S:.0f} s; try again when it has")
            one = _Step(self, times, step, (start, end), actor)
            try:
                for number in numbers.tolist():
                    one.write(number)
                    done += 1
                    if progress is not None:
                        progress(done / rows)
            except BaseException:
                if one.values:
                    one.tell()
                raise
            found = one.tell()
        assert found is not None
        return msgspec.structs.replace(found, before=[".".join(step) for step, _ in steps[:-1]])

    def _intake_position(self) -> Position:
        """Everything that is durable now."""
        return self._intake.transact(lambda _: (None, ())).result()[1]

    def _key(self, type_id: str, name: str) -> tuple[str, str]:
        type_ = self._registry.directory.type(type_id)
        if type_ is None:
            raise UnknownType(f"there is no twin type {type_id!r:.160}")
        property_ = property_named(type_, name)
        if property_ is None:
            raise UnknownProperty(f"type {type_id} has no property {name!r:.80}")
        if property_.computed is None:
            raise InvalidInput(f"{name} of {type_id} is not computed; only what is computed can be computed again")
        return type_id, property_.name

    def _numbers(self, program: Program, twins: Sequence[str]) -> _Ints:
        if not twins:
            return program.series >> PROPERTY_BITS
        wanted = []
        for id in twins:
            entry = self._registry.directory.twin(id)
            if entry is None or program.row_of(entry.number) is None:
                raise InvalidInput(f"{id!r:.160} is no twin of type {program.type_id}")
            wanted.append(entry.number)
        return np.array(wanted, np.int64)

    def _steps(
        self, times: _Times, key: tuple[str, str], twins: _Ints, span: tuple[int, int]
    ) -> list[tuple[tuple[str, str], _Ints]]:
        """(type and property, numbers of its twins), those first that others read; the last is the one asked for."""
        needed: dict[tuple[str, str], _Ints] = {key: twins}
        for begin, _ in times.spans(twins, span):
            for program in reversed(times.at(begin).programs):
                mine = needed.get((program.type_id, program.property.name))
                if mine is None:
                    continue
                rows = np.flatnonzero(np.isin(program.series >> PROPERTY_BITS, mine))
                for number, read in self._computed(program.inputs_of_all(rows)):
                    needed[read] = np.union1d(needed.get(read, np.zeros(0, np.int64)), [number])
        order = [(one.type_id, one.property.name) for one in times.at(span[1] - 1).programs]
        return [(one, needed[one]) for one in order if one in needed and one != key] + [(key, twins)]

    def _computed(self, series: _Ints) -> Iterator[tuple[int, tuple[str, str]]]:
        """(twin, type and property) of those that are computed."""
        directory = self._registry.directory
        for one in series.tolist():
            number, property_number = split_series(one)
            ref = directory.property(property_number)
            if ref is not None and ref.property.computed is not None:
                yield number, (ref.type_id, ref.property.name)


class _Step:
    """One property, twin by twin."""

    def __init__(self, redo: Redo, times: _Times, key: tuple[str, str], span: tuple[int, int], actor: str) -> None:
        self._registry, self._history = redo._registry, redo._history
        self._intake, self._clock, self._evaluate = redo._intake, redo._clock, redo._evaluate
        self._times, self._key, self._span, self._actor = times, key, span, actor
        self._version = self._registry.type(key[0]).version
        self._written: list[Receipt] = []
        self._twins: list[str] = []

    @property
    def values(self) -> int:
        return sum(one.accepted for one in self._written)

    def write(self, number: int) -> None:
        """All of one twin. Raises InvalidInput when it is too much."""
        entry = self._registry.directory.entry(number)
        self._twins.append(entry.id if entry is not None else str(number))
        reader = _Reader(self._registry, self._history, self._span)
        spans = self._times.spans(np.array([number]), self._span)
        programs = [self._times.program(self._key, begin) for begin, _ in spans]
        rows = [program.row_of(number) for program in programs]
        for program, row in zip(programs, rows, strict=True):
            if row is not None:
                reader.prepare(program, row)
        for at, (program, row, (begin, end)) in enumerate(zip(programs, rows, spans, strict=True)):
            if row is None:
                continue
            own = self._history.readings(*reader.named(int(program.series[row])), begin, end)
            told = own.time[(own.time >= begin) & (own.time < end)]
            moments = np.union1d(reader.moments(program.inputs_of(row), begin, end), told)
            if at:  # another composition from here on
                moments = np.union1d(moments, [begin])
            for start in range(0, len(moments), AT_ONCE):
                self._written.append(self._write(program, row, moments[start : start + AT_ONCE], reader))
        if self.values > MOST:
            raise InvalidInput(f"more than {MOST:,} values; redo a shorter interval, or fewer twins at once")

    def tell(self) -> Redone:
        """Journal what was done: of which twins; of none in particular where it was all of the type."""
        start, end = self._span
        program = self._times.program(self._key, end - 1)
        property_ = program.property
        body: dict[str, Any] = {
            "type": self._key[0],
            "property": property_.name,
            "version": self._version,
            "computed": msgspec.to_builtins(program.computed),
            "twins": [] if len(self._twins) == len(program) else self._twins,
            "start": start,
            "end": end,
            "values": self.values,
            "first": min((one.first for one in self._written if one.first), default=0),
            "last": max((one.last for one in self._written if one.first), default=0),
        }
        change = Change(kind=REDONE, subject=self._key[0], time=self._clock.now(), actor=self._actor, body=body)
        _, position = self._intake.transact(lambda _: (None, [change]), actor=self._actor).result()
        return Redone(
            type=self._key[0],
            property=property_.name,
            version=self._version,
            twins=len(self._twins),
            values=self.values,
            start=start,
            end=end,
            position=position,
        )

    def _write(self, program: Program, row: int, moments: _Ints, reader: _Reader) -> Receipt:
        reader.at = moments
        gathered = program.gather(np.full(len(moments), row, np.int64), reader.read)
        seen = gathered.time > 0
        gathered.time[:] = moments
        value, _ = fitted(program.property, self._evaluate(program, gathered))
        quality = gathered.quality.copy()
        quality[value.is_null().to_numpy(zero_copy_only=False)] = Quality.UNAVAILABLE
        kept = pa.array(seen)
        batch = pa.RecordBatch.from_pydict(
            {
                "series": pa.array(np.full(len(moments), program.series[row])).filter(kept),
                "value": value.filter(kept),
                "time": pa.array(moments).filter(kept),
                "quality": pa.array(quality).filter(kept),
            }
        )
        return self._intake.submit_frame(COMPUTED, batch).result()


class _Reader:
    """Timelines of the series that one twin's property reads."""

    def __init__(self, registry: Registry, history: History, span: tuple[int, int]) -> None:
        self._registry, self._history, self._span = registry, history, span
        self._lines: dict[int, Timeline] = {}
        self.at: _Ints = np.zeros(0, np.int64)

    def prepare(self, program: Program, row: int) -> None:
        for series in program.inputs_of(row):
            self._line(series)

    def named(self, series: int) -> tuple[str, str]:
        """(twin, property)"""
        number, property_number = split_series(series)
        entry, ref = self._registry.directory.entry(number), self._registry.directory.property(property_number)
        assert entry is not None
        assert ref is not None
        return entry.id, ref.property.name

    def _line(self, series: int) -> Timeline:
        if series not in self._lines:
            twin, _ = self.named(series)
            ref: Any = self._registry.directory.property(split_series(series)[1])
            self._lines[series] = timeline(self._history, twin, ref.property, *self._span)
        return self._lines[series]

    def moments(self, series: Iterable[int], start: int, end: int) -> _Ints:
        """When one of these changed in [start, end)."""
        found = [self._line(one).moments(start, end) for one in series]
        return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)

    def read(self, series: _Ints, at: _Ints) -> Readout:
        found = _nothing(series)
        moments = self.at[at]
        for one in np.unique(series[series >= 0]).tolist():
            mine = np.flatnonzero(series == one)
            self._line(one).put(found, mine, moments[mine])
        return found


def _nothing(series: _Ints) -> Readout:
    n = len(series)
    zeros = np.zeros(n, np.int64)
    quality = np.full(n, Quality.UNAVAILABLE, np.uint8)
    text = np.full(n, None, np.object_)
    return Readout(series, np.full(n, np.nan), text, zeros.copy(), quality, zeros.copy(), zeros.copy())
