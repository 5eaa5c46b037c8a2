"""What a subscription delivers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gemel.state.now import NOTHING, Updates
from gemel.twin import Change, Position

__all__ = ["Delta", "Gap", "Happening", "Mark", "Transition"]


class Gap(msgspec.Struct, frozen=True):
    """The reader was too slow: of positions in (after, until] only the latest values are delivered.

    To see every one of them, read the history, or subscribe with `after=gap.after`."""

    after: Position
    until: Position


class Transition(msgspec.Struct, frozen=True):
    """A property of a twin became stale (`fresh` false, since when), or fresh again."""

    twin: str
    property: str
    series: int
    fresh: bool
    stale_since: int | None


class Happening(msgspec.Struct, frozen=True):
    """An event or another change of a selected twin, and its position."""

    position: Position
    change: Change


class Mark(msgspec.Struct, frozen=True):
    """Whoever has taken in everything up to here holds the selection as it was at the delta's position."""

    hash: str
    """The fingerprint of all cells of the selection (`gemel.twin.fingerprint`); empty if it was not asked for."""
    count: int
    """How many cells these are."""


@dataclass(frozen=True, slots=True, eq=False)
class Delta:
    """What is new up to and including `position`."""

    position: Position
    values: Updates = NOTHING
    """In order of position within each series; the whole selection when `snapshot`."""
    snapshot: bool = False
    transitions: Sequence[Transition] = ()
    events: Sequence[Happening] = ()
    gone: Sequence[str] = ()
    """Twins that are no longer selected: removed, or moved elsewhere."""
    registry_changed: bool = False
    """Types, twins or links changed: what was read of them may be old."""
    gap: Gap | None = None
    mark: Mark | None = None

    def __bool__(self) -> bool:
        said: tuple[Any, ...] = (self.transitions, self.events, self.gone, self.gap, self.mark)
        return self.snapshot or self.registry_changed or len(self.values) > 0 or any(said)
