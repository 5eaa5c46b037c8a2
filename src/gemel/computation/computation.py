"""Computed properties, kept up to date: expressions on one thread, each function on one of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from gemel.clock import Clock
from gemel.computation.building import Built, build
from gemel.computation.deviation import Deviation, deviation
from gemel.computation.function import Function, FunctionDown, FunctionHealth
from gemel.computation.lane import Lane
from gemel.computation.lineage import Lineage, lineage
from gemel.computation.program import Gathered, Program
from gemel.computation.redo import Redo, Redone
from gemel.errors import InvalidInput, Overloaded
from gemel.expression import Kind
from gemel.history import History
from gemel.intake import COMPUTED, Intake, SourceRule
from gemel.registry import Registry
from gemel.state import State
from gemel.twin import Block, Computed, Position, quantity, series_of

__all__ = ["Computation", "Standing"]

_REWIRING = ("type.", "twin.", "link.", "plant.")
_TURNED = ("freshness.lost", "freshness.regained")
_ANY_TIME = SourceRule(future_s=1e12, past_s=1e12, earliest=-(1 << 60))
"""A result has the time of an input, which the intake believed already."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How the computation stands."""

    position: Position
    """Everything up to it is computed."""
    behind: int
    """Positions of the journal that are not looked at yet."""
    behind_s: float
    """For how long the oldest of them has waited."""
    waiting: int
    """Changed values that are not looked at yet."""
    properties: int
    """Computed properties of all types."""
    computed: int
    """Values handed in since the start."""
    refused: int
    """Results that did not fit their property (range, listed values) since the start."""
    broken: dict[str, str]
    """Type and property → why it cannot be computed."""
    functions: list[FunctionHealth] = []
    error: str = ""


class Computation:
    """Follows the state and reports results through the intake as source `computed`.

    What it reports depends only on the inputs as they are: after a restart it looks at everything once, and what is
    as it should be already is not reported again.
    """

    def __init__(
        self, state: State, registry: Registry, history: History, intake: Intake, *, plugins: Collection[str] = ()
    ) -> None:
        """plugins: distributions whose functions may be run."""
        self._state, self._registry, self._history, self._intake = state, registry, history, intake
        self._clock: Clock = state.clock
        self._plugins = plugins
        self._lock = threading.Lock()
        self._built: tuple[object, Built] | None = None
        self._closing = False
        self._functions: dict[_Limited, tuple[Function, Lane]] = {}
        self._called: dict[_Limited, Function] = {}
        intake.believe(COMPUTED, _ANY_TIME)
        self._expressions = self._lane("expressions", self._programs, _expression)

    def start(self) -> None:
        self._expressions.start()

    def close(self) -> None:
        """Finish the round, compute no more. Safe to call again."""
        self._expressions.close()
        with self._lock:
            self._closing = True
            running = list(self._functions.values())
            called = list(self._called.values())
        for one in called:
            one.close()
        for function, lane in running:
            function.close()
            lane.close()

    def follow(self, block: Block) -> None:
        """After each fold, on the writer's thread; does not wait."""
        rewired = everything = False
        stale: list[int] = []
        for change in block.changes:
            if change.kind.startswith(_REWIRING):
                rewired = True
            elif change.kind in _TURNED:
                entry = self._registry.directory.twin(change.subject)
                if entry is None or "properties" not in change.body:
                    everything = True
                    continue
                refs = (entry.properties.get(name) for name in change.body["properties"])
                stale += [series_of(entry.number, ref.number) for ref in refs if ref is not None]
        turned = np.array(stale, np.int64)
        for lane in self._lanes():
            lane.follow(block, turned, everything=everything, rewired=rewired)

    def wait(self, position: Position, timeout_s: float) -> bool:
        """Until everything up to a position is computed and on stable storage; one `timeout_s` for each function."""
        if not self._expressions.wait(position, timeout_s):  # it is what gives a function that is new its lane
            return False
        return all(lane.wait(position, timeout_s) for lane in self._lanes()[1:])

    def standing(self) -> Standing:
        lanes = self._lanes()
        built = self._built[1] if self._built is not None else Built((), {})
        position = min(lane.position for lane in lanes)
        return Standing(
            position=position,
            behind=max(0, self._state.position - position),
            behind_s=max(lane.behind_s for lane in lanes),
            waiting=sum(lane.waiting for lane in lanes),
            properties=len(built.programs) + len(built.broken),
            computed=sum(lane.counts.computed for lane in lanes),
            refused=sum(lane.counts.refused for lane in lanes),
            broken=dict(built.broken),
            functions=[function.health() for function, _ in self._functions.copy().values()],
            error=next((lane.counts.error for lane in lanes if lane.counts.error), ""),
        )

    # --- the past ----------------------------------------------------------------------------------------------

    def redo(
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
        """Compute a property of the past anew, as it is defined now; see `Redo`. Raises also Overloaded, when a
        function does not answer."""
        own: dict[_Limited, Function] = {}

        def evaluate(program: Program, gathered: Gathered) -> pa.Array:
            computed = program.computed
            if not computed.function:
                return _expression(program, gathered)
            function = own.setdefault(_limited(computed), Function(computed, self._plugins, self._clock))
            return _called(function, program, gathered)

        try:
            rooms = (self._registry, self._history, self._intake, self._clock)
            return Redo(rooms, evaluate).run(type_id, name, start, end, twins=twins, actor=actor, progress=progress)
        except FunctionDown as down:
            raise Overloaded(f"the function does not answer: {down.detail}", retry_after_s=down.again_s) from down
        finally:
            for function in own.values():
                function.close()

    def call(self, computed: Computed, inputs: Sequence[Any]) -> Any:
        """What a function gives for these inputs; for one caller at a time. Raises InvalidInput with what it raised,
        and Overloaded while it does not answer."""
        with self._lock:
            if self._closing:
                raise Overloaded("the platform is closing", retry_after_s=1.0)
            made = Function(computed, self._plugins, self._clock)
            function = self._called.setdefault(_limited(computed), made)
        try:
            value = function.call([[one] for one in inputs], 1)[0]
        except FunctionDown as down:
            why = f"{computed.function} does not answer: {down.detail}"
            raise Overloaded(why, retry_after_s=down.again_s) from down
        if value is None:
            raise InvalidInput(f"{computed.function} gives nothing: {function.health().error or 'it returned None'}")
        return value

    def lineage(self, twin: str, name: str, at: int | None = None) -> Lineage:
        """What a computed value was made of: the one in force at `at`, or now."""
        self._history.wait(self._state.position)
        return lineage(self._registry, self._history, twin, name, self._clock.now() if at is None else at)

    def compare(
        self, twin: str, simple: str, detailed: str, start: int, end: int, *, bound: float | None = None
    ) -> Deviation:
        """How far a simplified property is from the detailed one; see `Deviation`."""
        self._history.wait(self._state.position)
        span = (start, max(start, min(end, self._clock.now())) if end > start else end)
        return deviation(self._registry.directory, self._history, twin, simple, detailed, span=span, bound=bound)

    # --- inside ------------------------------------------------------------------------------------------------

    def _lanes(self) -> list[Lane]:
        return [self._expressions, *(lane for _, lane in self._functions.copy().values())]

    def _lane(self, name: str, programs: Callable[[], Sequence[Program]], evaluate: Evaluated) -> Lane:
        return Lane(name, (self._state, self._intake, self._clock), programs, evaluate)

    def _build(self) -> Built:
        """Of the types and links as they are now; lanes share it."""
        directory = self._registry.directory.snapshot()
        if not any(p.computed for t in directory.types.values() for p in t.properties):
            self._built = None
            return Built((), {})
        assembly = self._registry.assembly()
        key = (directory.revision, id(assembly))
        with self._lock:
            if self._built is None or self._built[0] != key:
                self._built = key, build(directory, assembly)
            return self._built[1]

    def _programs(self) -> Sequence[Program]:
        """Of the expressions; functions that are new get their lanes."""
        built = self._build()
        for computed in (p.computed for p in built.programs if p.computed.function):
            key = _limited(computed)
            with self._lock:
                if key in self._functions or self._closing:
                    continue
                function = Function(computed, self._plugins, self._clock)
                lane = self._lane(computed.function, partial(self._programs_of, key), partial(_called, function))
                self._functions[key] = function, lane
                lane.start()
        return [program for program in built.programs if program.computed.expression]

    def _programs_of(self, key: _Limited) -> Sequence[Program]:
        return [program for program in self._build().programs if _limited(program.computed) == key]


Evaluated = Callable[[Program, Gathered], pa.Array]
_Limited = tuple[str, float, int]
"""A function with its time and memory: a process of its own."""


def _limited(computed: Computed) -> _Limited:
    return computed.function, computed.timeout_s, computed.memory_mb


_FITS = {Kind.NUMBER: (float, int), Kind.BOOLEAN: (bool,), Kind.TEXT: (str,)}


def _expression(program: Program, gathered: Gathered) -> pa.Array:
    return program.values(gathered)[0]


def _called(function: Function, program: Program, gathered: Gathered) -> pa.Array:
    """What a function gives; null where it is of another kind than the property. Raises FunctionDown."""
    columns = [values.to_pylist() for values in program.values(gathered)]
    values = function.call(columns, len(gathered.rows))
    told = quantity(program.property)
    fits = _FITS[told.kind if told is not None else Kind.NUMBER]
    return pa.array(
        [v if isinstance(v, fits) and (bool in fits or not isinstance(v, bool)) else None for v in values], program.sort
    )
