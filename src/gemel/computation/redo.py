"""Recomputing the past: a property anew at every moment at which an input changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemel.clock import Clock
from gemel.computation.building import build
from gemel.computation.fitting import fitted
from gemel.computation.lane import Evaluate
from gemel.computation.program import Program
from gemel.computation.timeline import Timeline, timeline
from gemel.errors import InvalidInput, InvalidQuery, NotYet, UnknownProperty, UnknownType
from gemel.history import History
from gemel.intake import COMPUTED, Intake, Receipt
from gemel.registry import Registry
from gemel.state import Readout
from gemel.twin import Change, Position, Quality, property_named, split_series

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
    """Written into the history."""
    start: int
    end: int
    position: Position
    """Of the change that tells of it; its values come before."""


class Redo:
    """Computes a property over [start, end) as it is defined now, from the inputs as the history has them now.

    A value is written for every moment at which an input changed or a value of the property itself is there already:
    at equal times the later one counts, so what was computed before gives way. The parts of a twin are those of today.
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
        """Of all twins of the type, or of these.

        Raises UnknownType, UnknownProperty, InvalidInput, InvalidQuery, NotYet.
        """
        if end <= start:
            raise InvalidQuery("the interval ends before it begins; give from < to")
        program = self._program(type_id, name)
        version = self._registry.type(type_id).version
        rows = self._rows(program, twins)
        if not self._history.wait(self._intake_position(), HISTORY_WITHIN_S):
            raise NotYet(f"the history has not followed within {HISTORY_WITHIN_S:.0f} s; try again when it has")
        written: list[Receipt] = []
        for done, row in enumerate(rows.tolist()):
            written += self._of_twin(program, row, (start, end))
            if sum(one.accepted for one in written) > MOST:
                raise InvalidInput(f"more than {MOST:,} values; redo a shorter interval, or fewer twins at once")
            if progress is not None:
                progress((done + 1) / len(rows))
        body: dict[str, Any] = {
            "type": type_id,
            "property": program.property.name,
            "version": version,
            "computed": msgspec.to_builtins(program.computed),
            "twins": list(twins),
            "start": start,
            "end": end,
            "values": sum(one.accepted for one in written),
            "first": min((one.first for one in written if one.first), default=0),
            "last": max((one.last for one in written if one.first), default=0),
        }
        change = Change(kind=REDONE, subject=type_id, time=self._clock.now(), actor=actor, body=body)
        _, position = self._intake.transact(lambda _: (None, [change]), actor=actor).result()
        return Redone(
            type=type_id,
            property=program.property.name,
            version=version,
            twins=len(rows),
            values=body["values"],
            start=start,
            end=end,
            position=position,
        )

    def _intake_position(self) -> Position:
        """Everything that is durable now."""
        return self._intake.transact(lambda _: (None, ())).result()[1]

    def _program(self, type_id: str, name: str) -> Program:
        type_ = self._registry.directory.type(type_id)
        if type_ is None:
            raise UnknownType(f"there is no twin type {type_id!r:.160}")
        property_ = property_named(type_, name)
        if property_ is None:
            raise UnknownProperty(f"type {type_id} has no property {name!r:.80}")
        if property_.computed is None:
            raise InvalidInput(f"{name} of {type_id} is not computed; only what is computed can be computed again")
        built = build(self._registry.directory.snapshot(), self._registry.assembly())
        for program in built.programs:
            if program.type_id == type_id and program.property.name == property_.name:
                return program
        raise InvalidInput(built.broken.get(f"{type_id}.{property_.name}", "it cannot be computed"))

    def _rows(self, program: Program, twins: Sequence[str]) -> _Ints:
        if not twins:
            return np.arange(len(program))
        wanted = []
        for id in twins:
            entry = self._registry.directory.twin(id)
            number = entry.number if entry is not None else -1
            at = np.flatnonzero(program.series >> 20 == number)
            if not len(at):
                raise InvalidInput(f"{id!r:.160} is no twin of type {program.type_id}")
            wanted.append(int(at[0]))
        return np.array(wanted, np.int64)

    def _of_twin(self, program: Program, row: int, span: tuple[int, int]) -> list[Receipt]:
        reader = _Reader(self._registry, self._history, span)
        reader.prepare(program, row)
        own = self._history.readings(*reader.named(int(program.series[row])), *span)
        moments = np.union1d(reader.moments(), own.time[(own.time >= span[0]) & (own.time < span[1])])
        starts = range(0, len(moments), AT_ONCE)
        return [self._write(program, row, moments[at : at + AT_ONCE], reader) for at in starts]

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

    def moments(self) -> _Ints:
        found = [line.moments(*self._span) for line in self._lines.values()]
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
