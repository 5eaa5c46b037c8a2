"""A run towards a goal: one number for many actuators, and how far it came."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from gemel.twin import Expected

__all__ = ["OVER", "AskGoal", "GoalRun", "GoalState", "GoalStep"]


class GoalState(StrEnum):
    """running → reached; or one of the other ends."""

    RUNNING = "running"
    REACHED = "reached"
    """All members have the value of the goal."""
    STOPPED = "stopped"
    """On the way; all members have the value of one stage, `at`."""
    PARTLY = "partly"
    """Some members have the value of a stage and some have not."""
    UNKNOWN = "unknown"
    """Of some member nobody can tell."""
    REFUSED = "refused"
    """No member was told anything."""
    SUPERSEDED = "superseded"
    """A newer goal of the same twin took its place."""
    CANCELLED = "cancelled"
    """Stopped by a person; a stage that was under way goes on to its own end."""


OVER = frozenset(set(GoalState) - {GoalState.RUNNING})


class AskGoal(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asks for."""

    twin: str
    """Id or alias."""
    name: str
    value: float
    unit: str = ""
    """UCUM code; empty: the goal's own."""
    deadline_s: float | None = None
    """For each stage; None: as the members' bindings say."""
    key: str = ""
    """The same key of the same person is the same run."""
    expects: tuple[Expected, ...] = ()
    """What is assumed of the configuration of the twin: no stage is begun where that is not so."""


class GoalStep(msgspec.Struct, frozen=True, kw_only=True):
    state: GoalState
    time: int
    at: float | None = None
    detail: str = ""


class GoalRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run as it is now. Moments are microseconds since the epoch, UTC."""

    id: str
    number: int
    twin: str
    name: str
    value: float
    """What it is to come to, in the goal's unit."""
    start: float | None = None
    """Where it stood when a ramp began."""
    at: float | None = None
    """The value that all members have followed to."""
    aim: float | None = None
    """The value of the stage under way, or of the last one."""
    actor: str
    key: str = ""
    created: int
    deadline_s: float | None = None
    state: GoalState = GoalState.RUNNING
    transaction: str = ""
    """Of the stage under way, or of the last one."""
    due: int
    """The next stage is not begun before."""
    reason: str = ""
    detail: str = ""
    steps: tuple[GoalStep, ...] = ()
    expects: tuple[Expected, ...] = ()
    """What is assumed of the configuration of the twin; asked again before each stage."""

    @property
    def over(self) -> bool:
        return self.state in OVER
