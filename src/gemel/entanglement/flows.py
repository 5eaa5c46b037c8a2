"""What was journaled of flows: values that people entered, orders and how they ended, messages that never came."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from gemel.twin import Change, Position

__all__ = ["ENDS", "ENTERED", "FLOWS", "LOSSES", "Entered", "Flows", "Loss", "Ordered", "lost_in"]

ENTERED = "value.entered"
ENDS = ("command.applied", "command.refused", "command.timed_out", "command.unknown")
MISSED, CAME_LATE = "source.missed", "source.came_late"
LOSSES = (MISSED, CAME_LATE)
FLOWS = (ENTERED, *ENDS)
MOST_LOSSES, MOST_SOURCES = 200, 10_000
"""Of one source, and sources that lost something, in memory; the others are in the history."""


class Entered(NamedTuple):
    """Somebody told a value by hand."""

    position: Position
    """Of the reading."""
    time: int
    actor: str


class Ordered(NamedTuple):
    """How the last order of something ended."""

    state: str
    time: int
    since: int
    """When the first of the orders ended that ended so without another end between."""


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """Messages of a numbered source that did not come: `count` of the numbers first … last."""

    source: str
    time: int
    """When that was found."""
    first: int
    last: int
    count: int
    """Of them, those that have not come late."""


class Flows:
    """The latest of each, by (twin, name). For one writer; readers see whole entries."""

    def __init__(self) -> None:
        self.entered: dict[tuple[str, str], Entered] = {}
        self.ordered: dict[tuple[str, str], Ordered] = {}
        self._told: dict[str, deque[Change]] = {}

    def take(self, change: Change, position: Position) -> None:
        """Follow a change, in the order of the journal."""
        if change.kind == ENTERED:
            name = str(change.body.get("property", ""))
            self.entered[change.subject, name] = Entered(position - 1, change.time, change.actor)
        elif change.kind in ENDS:
            name = str(change.body.get("property") or change.body.get("command") or "")
            state, key = change.kind.removeprefix("command."), (change.subject, name)
            before = self.ordered.get(key)
            since = before.since if before is not None and before.state == state else change.time
            self.ordered[key] = Ordered(state, change.time, since)
        elif change.kind in LOSSES:
            told = self._told.get(change.subject)
            if told is None:
                if len(self._told) >= MOST_SOURCES:
                    del self._told[next(iter(self._told))]
                told = self._told[change.subject] = deque(maxlen=MOST_LOSSES)
            told.append(change)

    def recall(self, changes: Iterable[tuple[Change, Position]]) -> None:
        """Take what came before, in the order of the journal; what was followed meanwhile came later."""
        earlier = Flows()
        for change, position in changes:
            earlier.take(change, position)
        for key, entered in earlier.entered.items():  # one by one: the writer goes on meanwhile
            self.entered.setdefault(key, entered)
        for key, ordered in earlier.ordered.items():
            self.ordered.setdefault(key, ordered)

    def lost(self, sources: Iterable[str], since: int) -> list[Loss]:
        """What these sources, and their members, lost since a moment and has not come late."""
        wanted = tuple(sources)
        told = [
            change
            for source, changes in list(self._told.items())
            if any(source == one or source.startswith(f"{one}/") for one in wanted)
            for change in list(changes)
        ]
        return lost_in(told, since)


def lost_in(told: Iterable[Change], start: int, end: int | None = None) -> list[Loss]:
    """What was found missing in [start, end), less what came late, whenever that was; by rising moment.

    The numbers of a source count within an epoch.
    """
    missing: list[tuple[Change, int, int]] = []
    late: dict[tuple[str, str], set[int]] = {}
    for change in told:
        first, last = int(change.body.get("first", 0)), int(change.body.get("last", -1))
        if change.kind == CAME_LATE:
            late.setdefault(_epoch(change), set()).update(range(first, last + 1) if last - first < 10_000 else ())
        elif change.time >= start and (end is None or change.time < end):
            missing.append((change, first, last))
    found = []
    for change, first, last in missing:
        came = sum(first <= number <= last for number in late.get(_epoch(change), ()))
        if last - first + 1 > came:
            found.append(
                Loss(source=change.subject, time=change.time, first=first, last=last, count=last - first + 1 - came)
            )
    return sorted(found, key=lambda loss: (loss.time, loss.source, loss.first))


def _epoch(change: Change) -> tuple[str, str]:
    return change.subject, str(change.body.get("epoch", ""))
