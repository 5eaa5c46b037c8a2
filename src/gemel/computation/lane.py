"""One thread that keeps computed properties up to date: rounds over what changed, at most one in 100 ms."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import structlog
from numpy.typing import NDArray

from gemel.clock import Clock
from gemel.computation.fitting import fitted
from gemel.computation.function import FunctionDown
from gemel.computation.overlay import Overlay
from gemel.computation.program import Gathered, Program, Results
from gemel.errors import GemelError, Overloaded
from gemel.intake import COMPUTED, Intake
from gemel.state import Readout, State
from gemel.twin import VALUE_TYPES, Block, Position

__all__ = ["Evaluate", "Lane"]

SOURCE = "computed"
"""Under this name the intake hears what was computed."""
EVERY_S = 0.1
MAX_PENDING = 2_000_000
"""Changed series that may wait, repeats included; beyond it everything is looked at again."""

AT_ONCE = 250_000
"""Values of one submission."""

_Ints = NDArray[np.int64]
Evaluate = Callable[[Program, Gathered], pa.Array]
_log = structlog.get_logger("gemel.computation")


@dataclass(slots=True)
class Counts:
    """What a lane did since it was started."""

    computed: int = 0
    """Values handed in."""
    looked_at: int = 0
    rounds: int = 0
    refused: int = 0
    """Values that did not fit their property."""
    error: str = ""
    """Of the last round; empty when it went well."""


@dataclass(slots=True)
class _Pending:
    series: list[_Ints] = field(default_factory=list)
    count: int = 0
    everything: bool = False
    rewired: bool = True
    """At the start, too: what was missed is found by looking at everything."""
    position: Position = 0
    since_s: float | None = None
    """When the first of it came."""


class Lane:
    """Follows the state. `follow` is called on the writer's thread after each fold; all else runs on the lane's own."""

    def __init__(
        self,
        name: str,
        rooms: tuple[State, Intake, Clock],
        programs: Callable[[], Sequence[Program]],
        evaluate: Evaluate,
    ) -> None:
        """programs: those of the types as they are now, in the order in which they need each other."""
        self.name = name
        self.counts = Counts()
        self._state, self._intake, self._clock = rooms
        self._build, self._evaluate = programs, evaluate
        self._programs: Sequence[Program] = ()
        self._signatures: dict[str, tuple[Any, _Ints, NDArray[np.uint64]]] = {}
        self._pending = _Pending()
        self._changed = threading.Condition()
        self._closing = False
        self._again_s = 0.0
        self._since_s: float | None = None
        self.position: Position = 0
        """Everything up to it is computed and on stable storage."""
        self._thread = threading.Thread(target=self._run, name=f"gemel-computed-{name}"[:60], daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join()

    # --- following: the writer's thread ------------------------------------------------------------------------

    def follow(self, block: Block, stale: _Ints, *, everything: bool, rewired: bool) -> None:
        """Note what a block changed; does not wait. `stale`: series whose freshness it says turned."""
        series = [frame.series for frame in block.frames.values()]
        with self._changed:
            pending = self._pending
            if pending.since_s is None:
                pending.since_s = self._clock.monotonic()
            pending.position = block.last
            pending.rewired |= rewired
            pending.everything |= everything
            if not pending.everything:
                pending.series += [*series, stale] if len(stale) else series
                pending.count += sum(map(len, series)) + len(stale)
                if pending.count > MAX_PENDING:
                    pending.everything = True
            if pending.everything:
                pending.series, pending.count = [], 0
            self._changed.notify_all()

    @property
    def behind_s(self) -> float:
        """For how long the oldest change has waited, or is being looked at."""
        since = [one for one in (self._since_s, self._pending.since_s) if one is not None]
        return max(0.0, self._clock.monotonic() - min(since)) if since and self.alive else 0.0

    @property
    def waiting(self) -> int:
        """Changed cells that were not looked at yet."""
        return self._pending.count

    def wait(self, position: Position, timeout_s: float) -> bool:
        """Until everything up to a position is computed."""
        with self._changed:
            self._changed.wait_for(lambda: self.position >= position or self._closing, timeout_s)
            return self.position >= position

    # --- rounds ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (pending := self._take()) is not None:
            self._again_s = 0.0
            try:
                done = self._round(pending)
                self.counts.error = ""
            except GemelError as error:  # a full queue or disk: all of it is looked at again
                done, self.counts.error = False, error.detail
                if not isinstance(error, Overloaded):
                    _log.warning("values could not be computed", lane=self.name, error=error.detail)
            except Exception as error:
                done, self.counts.error = False, f"{type(error).__name__}: {error!s:.200}"
                _log.exception("computing failed", lane=self.name)
            with self._changed:
                if done and not self._again_s:
                    self.position, self._since_s = pending.position, None
                else:
                    self._pending.everything = True
                    self._pending.rewired |= pending.rewired
                    self._pending.position = max(self._pending.position, pending.position)
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._closing, max(EVERY_S, self._again_s))

    def _take(self) -> _Pending | None:
        with self._changed:
            self._changed.wait_for(
                lambda: self._closing or self._pending.rewired or self._pending.position > self.position
            )
            if self._closing:
                return None
            pending, self._pending = self._pending, _Pending(rewired=False, position=self._pending.position)
            pending.position = max(pending.position, self.position)
            self._since_s = pending.since_s if self._since_s is None else self._since_s
            return pending

    def _round(self, pending: _Pending) -> bool:
        """Whether everything is computed and durable."""
        position = self._state.position  # the state is at least there, and what we read may be newer
        moved: dict[str, _Ints] = {}
        if pending.rewired:
            moved = self._rewire()
        pending.position = max(pending.position, position) if pending.rewired else pending.position
        changed = np.unique(np.concatenate([np.zeros(0, np.int64), *pending.series]))
        overlay = Overlay(self._state.read)
        ready: list[Results] = []
        for program in self._programs:
            if pending.everything:
                rows = np.arange(len(program))
            else:
                rows = program.rows_of(changed)
                if program.name in moved:
                    rows = np.union1d(rows, moved[program.name])
            if not len(rows):
                continue
            results = self._compute(program, rows, overlay, moved=pending.rewired)
            if len(results):
                ready.append(results)
                overlay.add(results)
                changed = np.union1d(changed, results.series)
        self.counts.rounds += 1
        return self._submit(ready)

    def _rewire(self) -> dict[str, _Ints]:
        """Take the programs anew; for each the rows that are new, or read other cells than before."""
        self._programs = self._build()
        kept, found = self._signatures, {}
        self._signatures = {}
        for program in self._programs:
            signature = program.signature()
            self._signatures[program.name] = (program.property, program.series, signature)
            before = kept.get(program.name)
            if before is None or before[0] != program.property or not len(before[1]):
                found[program.name] = np.arange(len(program))
                continue
            at = np.searchsorted(before[1], program.series).clip(max=len(before[1]) - 1)
            same = (before[1][at] == program.series) & (before[2][at] == signature)
            found[program.name] = np.flatnonzero(~same)
        return found

    def _compute(self, program: Program, rows: _Ints, overlay: Overlay, *, moved: bool) -> Results:
        """What is new among the results of these rows."""
        gathered = program.gather(rows, lambda series, _: overlay.read(series))
        self.counts.looked_at += len(rows)
        try:
            told = self._evaluate(program, gathered)
        except FunctionDown as down:  # unknown until it is back, which the next rounds find out
            told, self._again_s = pa.nulls(len(rows), program.sort), down.again_s
        value, refused = fitted(program.property, told)
        self.counts.refused += refused
        own = self._state.read(program.series[rows])
        return _news(program, gathered, (value, own), self._clock.now() if moved else 0)

    def _submit(self, ready: Iterable[Results]) -> bool:
        """Hand in, all of one form together, and wait until it is durable."""
        by_type: dict[pa.DataType, list[Results]] = {}
        for results in ready:
            by_type.setdefault(results.value.type, []).append(results)
        futures = []
        for type_, listed in by_type.items():
            columns = {
                "series": pa.array(np.concatenate([one.series for one in listed])),
                "value": pa.concat_arrays([one.value for one in listed]).cast(type_),
                "time": pa.array(np.concatenate([one.time for one in listed])),
                "quality": pa.array(np.concatenate([one.quality for one in listed])),
            }
            batch = pa.RecordBatch.from_pydict(columns)
            starts = range(0, batch.num_rows, AT_ONCE)
            futures += [self._intake.submit_frame(COMPUTED, batch.slice(at, AT_ONCE)) for at in starts]
        for future in futures:
            receipt = future.result()
            self.counts.computed += receipt.accepted
            self.counts.refused += receipt.quarantined
        return True


def _news(program: Program, gathered: Gathered, told: tuple[pa.Array, Readout], now: int) -> Results:
    """The results that differ from what the property is already; `now`: of a change of types or parts, else 0."""
    value, own = told
    text = value.type == VALUE_TYPES[program.property.form] and not pa.types.is_primitive(value.type)
    quality = gathered.quality.copy()
    unknown = value.is_null().to_numpy(zero_copy_only=False)
    quality[unknown] = 3
    if text:
        before = pa.array(own.text, value.type)
        same = _equal_texts(value, before)
    else:
        number = np.where(unknown, np.nan, value.fill_null(0).to_numpy(zero_copy_only=False).astype(np.float64))
        same = (number == own.number) | (np.isnan(number) & np.isnan(own.number))
    reported = own.position > 0
    same &= reported & (quality == own.quality)
    time = gathered.time.copy()
    if program.counts:
        time[time == 0] = max(now, 1)
    late = ~same & reported & (time <= own.time)
    time[late] = np.maximum(own.time[late], now)
    new = (time > 0) & ~(same & (time <= own.time))
    if program.counts:
        new &= ~same
    return Results(program.series[gathered.rows], value, time, quality).only(new)


def _equal_texts(one: pa.Array, other: pa.Array) -> NDArray[np.bool_]:
    both = pc.and_(pc.is_null(one), pc.is_null(other))
    found = pc.or_(both, pc.fill_null(pc.equal(one, other), False))
    return np.asarray(found.to_numpy(zero_copy_only=False))
