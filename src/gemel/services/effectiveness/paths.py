"""Which twin a name of a declaration is of, and when: slots, then a property, as in expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gemel.access import View
from gemel.registry import Registry
from gemel.twin import Link

__all__ = ["Owner", "Paths"]

_MIN = -(1 << 62)


class Owner(NamedTuple):
    """Who tells of something in [start, end); twin empty: nobody."""

    start: int
    end: int
    twin: str


class Paths:
    """Of one caller: what is not seen by them is as if it were not there."""

    def __init__(self, registry: Registry, view: View, of_an_item: Callable[[str], bool]) -> None:
        """`of_an_item`: whether a twin is the live face of an item, wherever that is."""
        self._registry, self._view, self._asked = registry, view, of_an_item
        self._standing: dict[tuple[str, str], list[Link]] = {}
        self._of_item: dict[str, bool] = {}

    def owners(self, twin: str, slots: tuple[str, ...], start: int, end: int, *, hidden: bool = False) -> list[Owner]:
        """Who stood at these slots of a twin, one after the other; [start, end) in order and without gaps. `hidden`:
        also who is not seen."""
        if self._view.find(twin) is None and not hidden:
            return [Owner(start, end, "")]
        if not slots:
            return [Owner(start, end, twin)]
        found: list[Owner] = []
        at = start
        for place, link in enumerate(self._links(twin, slots[0])):
            # Twins are declared after their machines were built: the first one stands for the time before, too.
            # Those of items come and go with them.
            first = place == 0 and not self._is_of_an_item(link.source)
            begin = max(at, _MIN if first else link.since)
            stop = end if link.until is None else min(end, link.until)
            if begin >= stop:
                continue
            if at < begin:
                found.append(Owner(at, begin, ""))
            found += self.owners(link.source, slots[1:], begin, stop, hidden=hidden)
            at = stop
        return [*found, Owner(at, end, "")] if at < end else found

    def has(self, twin: str, name: str) -> str:
        """The property's name as it is now, where the caller sees it; else empty."""
        entry = self._view.find(twin)
        if entry is None or name not in entry.properties:
            return ""
        current = entry.properties[name].property.name
        return current if current in self._view.names(entry) else ""

    def told_from(self, twin: str, path: tuple[str, ...], start: int, end: int) -> int:
        """From when on all of it is told to the caller that anybody tells: `start`, or later; `end`: not at all."""
        projection = self._view.projection
        if projection is None:
            return start
        since = start
        for owner in self.owners(twin, path[:-1], start, end, hidden=True):
            entry = self._registry.directory.twin(owner.twin) if owner.twin else None
            if entry is None or path[-1] not in entry.properties:
                continue
            if not self.has(owner.twin, path[-1]):
                return end
            begins = projection.since(entry, entry.properties[path[-1]])
            since = max(since, min(begins, owner.end)) if begins > owner.start else since
        return since

    def _links(self, whole: str, slot: str) -> list[Link]:
        key = (whole, slot)
        if key not in self._standing:
            self._standing[key] = self._registry.stood_in(whole, slot)
        return self._standing[key]

    def _is_of_an_item(self, twin: str) -> bool:
        if twin not in self._of_item:
            self._of_item[twin] = self._asked(twin)
        return self._of_item[twin]
