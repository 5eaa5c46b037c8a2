"""Computed properties, kept up to date: expressions on one thread, each function on one of its own."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pyarrow as pa

from gemel.clock import Clock
from gemel.computation.building import build
from gemel.computation.lane import Lane
from gemel.computation.program import Gathered, Program
from gemel.intake import COMPUTED, Intake, SourceRule
from gemel.registry import Registry
from gemel.state import State
from gemel.twin import Block, Position, series_of

__all__ = ["Computation", "Standing"]

_REWIRING = ("type.", "twin.", "link.", "plant.")
_ANY_TIME = SourceRule(future_s=1e12, past_s=1e12, earliest=-(1 << 60))
"""A result has the time of an input, which the intake believed already."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How the computation stands."""

    position: Position
    """Everything up to it is computed."""
    behind: int
    """Positions of the journal that are not looked at yet."""
    waiting: int
    """Changed values that are not looked at yet."""
    properties: int
    computed: int
    """Values handed in since the start."""
    refused: int
    """Results that did not fit their property (range, listed values) since the start."""
    broken: dict[str, str]
    """Type and property → why it cannot be computed."""
    error: str = ""


class Computation:
    """Follows the state and reports results through the intake as source `computed`.

    What it reports depends only on the inputs as they are: after a restart it looks at everything once, and what is
    as it should be already is not reported again.
    """

    def __init__(self, state: State, registry: Registry, intake: Intake, clock: Clock) -> None:
        self._state, self._registry, self._intake, self._clock = state, registry, intake, clock
        self.broken: dict[str, str] = {}
        self._properties = 0
        intake.believe(COMPUTED, _ANY_TIME)
        self._expressions = Lane("expressions", (state, intake, clock), self._programs, _expression)

    def start(self) -> None:
        self._expressions.start()

    def close(self) -> None:
        """Finish the round, compute no more. Safe to call again."""
        self._expressions.close()

    def follow(self, block: Block) -> None:
        """After each fold, on the writer's thread; does not wait."""
        rewired = everything = False
        stale: list[int] = []
        for change in block.changes:
            if change.kind.startswith(_REWIRING):
                rewired = True
            elif change.kind in ("freshness.lost", "freshness.regained"):
                entry = self._registry.directory.twin(change.subject)
                if entry is None or "properties" not in change.body:
                    everything = True
                    continue
                refs = (entry.properties.get(name) for name in change.body["properties"])
                stale += [series_of(entry.number, ref.number) for ref in refs if ref is not None]
        self._expressions.follow(block, np.array(stale, np.int64), everything=everything, rewired=rewired)

    def wait(self, position: Position, timeout_s: float) -> bool:
        """Until everything up to a position is computed and on stable storage."""
        return self._expressions.wait(position, timeout_s)

    def standing(self) -> Standing:
        lane = self._expressions
        return Standing(
            position=lane.position,
            behind=max(0, self._state.position - lane.position),
            waiting=lane.waiting,
            properties=self._properties,
            computed=lane.counts.computed,
            refused=lane.counts.refused,
            broken=dict(self.broken),
            error=lane.counts.error,
        )

    def _programs(self) -> Sequence[Program]:
        if not any(p.computed for t in self._registry.directory.types.values() for p in t.properties):
            self._properties, self.broken = 0, {}
            return ()
        built = build(self._registry.directory.snapshot(), self._registry.assembly())
        self.broken, self._properties = dict(built.broken), len(built.programs) + len(built.broken)
        return [program for program in built.programs if program.computed.expression]


def _expression(program: Program, gathered: Gathered) -> pa.Array:
    return program.values(gathered)[0]
