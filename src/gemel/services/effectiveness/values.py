"""What is answered about effectiveness. Moments are microseconds since the epoch, UTC."""

from __future__ import annotations

import msgspec

from gemel.services.effectiveness.figures import Figures
from gemel.services.work import Costs

__all__ = ["BucketFigures", "Compared", "Declared", "Group", "Pair", "Report", "StateSpan", "StayFigures"]


class StateSpan(msgspec.Struct, frozen=True, kw_only=True):
    """A state, from–to."""

    start: int
    end: int
    state: str
    """As in ProductionState, or `unknown`."""
    planned: bool
    """Whether it was planned to be busy when this began."""


class BucketFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Of one hour, shift, day or week of the site."""

    start: int
    end: int
    label: str
    """A shift's name."""
    figures: Figures
    cost: Costs | None = None
    """Of its downtime; None: what the machine costs is not told to who asks. So everywhere."""


class StayFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Of an item while it was in one place."""

    start: int
    end: int
    root: str
    """The machine that it was in; empty: in none that is told."""
    path: tuple[str, ...]
    twin: str
    """Whose states and parts these are."""
    figures: Figures | None
    why: str = ""
    """Why there are none."""
    cost: Costs | None = None


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """By what the figures are told."""

    type: str
    version: int
    assumed: str
    """What of it nobody has confirmed."""
    notes: tuple[str, ...] = ()
    """What of it could not be read."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How effectively a twin, or an item in whatever machine it was, was used in [start, end)."""

    twin: str
    item: str
    start: int
    end: int
    """No later than now."""
    zone: str
    by: str
    declared: tuple[Declared, ...]
    total: Figures
    cost: Costs | None = None
    """Of the downtime within planned time, at the prices of an hour that are declared."""
    buckets: tuple[BucketFigures, ...] = ()
    stays: tuple[StayFigures, ...] = ()
    """Of an item: their sums are the total's."""
    states: tuple[StateSpan, ...] = ()
    """For a bar of time; of many short ones only the longest are told."""
    resolution_s: float = 0.0
    """Shorter states than this are not told in `states`; 0: all are."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A group against the one it is compared with, in the machines that were in both: what differs between machines
    does not count."""

    machines: int
    difference: float | None
    """Mean of the differences within each machine; None: no machine was in both."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """What ran with one configuration, or one setting."""

    label: str
    machines: tuple[str, ...]
    hours: float
    """Of which the state is known, planned or not."""
    spells: int
    """How many pieces of time."""
    figures: Figures
    cost: Costs | None = None
    """Each currency for itself: they are not converted, and not added up."""
    mean: float | None = None
    """Time-weighted mean of the property that was asked for."""
    mean_hours: float = 0.0
    """For so long it was known."""
    difference: float | None = None
    """Of the target, to the group with the most hours."""
    mean_difference: float | None = None
    paired: Pair | None = None
    warnings: tuple[str, ...] = ()


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """Groups; in a comparison the one with the most hours first, of settings the best one first."""

    start: int
    end: int
    by: str
    target: str
    property: str
    unit: str
    reference: str
    """The label of the group that the others are compared with."""
    groups: tuple[Group, ...]
    declared: tuple[Declared, ...]
    left_out: dict[str, str]
    """Machine → why it is in no group."""
    warnings: tuple[str, ...]
