"""How a property, a twin and a shop are tied to their objects now: values that are told."""

from __future__ import annotations

import builtins

import msgspec

from gemel.entanglement.declared import Declared
from gemel.entanglement.latency import Latency
from gemel.entanglement.level import Flow, Level

__all__ = ["Shop", "Tie", "TwinTie", "shared", "summed"]


class Tie(msgspec.Struct, frozen=True, kw_only=True):
    """One property of one twin. Moments are microseconds since the epoch, UTC."""

    property: str
    level: Level
    since: int | None
    """Since when it has this level; None: since before the process began to look, or never."""
    why: str
    inward: Flow
    outward: Flow
    fresh: bool | None
    """None: nothing was ever reported."""
    stale_since: int | None
    share: float | None
    """The part of the time looked at in which it was fresh; None without a bound, or before the first look."""
    looked_s: float
    """How much time that was: at most ten minutes."""
    latency: Latency | None
    """Of the readings of that time; of many, a sample."""
    rate_hz: float | None
    """How often it was told in that time; None before the first look."""
    lost: int
    """Messages of its sources that never came, of that time, counted by gaps in their numbers."""
    declared: Declared
    entered: int | None = None
    """When its value was told by hand, if that is the one it has."""
    entered_by: str = ""
    """Who did that: a random id."""

    @builtins.property  # the field `property` hides the plain word here
    def broken(self) -> bool:
        """Whether a bound is broken now."""
        return self.fresh is False and bool(self.declared.mode)


class TwinTie(msgspec.Struct, frozen=True, kw_only=True):
    """A twin, as the sum of its properties."""

    twin: str
    level: Level
    """The highest of its properties: with how many of each, in `levels`."""
    levels: dict[str, int]
    """model, shadow, twin → how many properties that are bound, or were ever reported; computed ones are left out."""
    properties: int
    """All of them, but for computed ones."""
    stale: int
    """Properties whose bound is broken now."""
    stale_since: int | None
    """Since when the first of them is."""
    share: float | None
    """The least of its properties'."""
    p95_s: float | None
    """The greatest of its properties'."""
    lost: int
    """The greatest of its properties': they share their sources."""


class Shop(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is seen, as counts of properties that were ever reported or are bound."""

    twins: int
    properties: int
    levels: dict[str, int]
    stale: int
    share: float | None
    """The mean of the properties that are measured."""
    latency: Latency | None
    looked_s: float


def shared(tie: Tie) -> Tie:
    """As another party is told: without names of connectors and of people."""
    declared = msgspec.structs.replace(tie.declared, sources=(), carrier="")
    return msgspec.structs.replace(tie, declared=declared, entered_by="")


def summed(twin: str, ties: list[Tie]) -> TwinTie:
    """A twin of these properties."""
    counted = [tie for tie in ties if tie.inward is not Flow.COMPUTED]
    tied = [tie for tie in counted if tie.fresh is not None or tie.declared.direction]
    levels = {str(level): sum(tie.level is level for tie in tied) for level in Level}
    broken = [tie.stale_since for tie in ties if tie.broken and tie.stale_since is not None]
    shares = [tie.share for tie in ties if tie.share is not None]
    late = [tie.latency.p95_s for tie in ties if tie.latency is not None]
    return TwinTie(
        twin=twin,
        level=next((level for level in reversed(Level) if levels[level]), Level.MODEL),
        levels=levels,
        properties=len(counted),
        stale=sum(tie.broken for tie in ties),
        stale_since=min(broken, default=None),
        share=min(shares, default=None),
        p95_s=max(late, default=None),
        lost=max((tie.lost for tie in ties), default=0),
    )
