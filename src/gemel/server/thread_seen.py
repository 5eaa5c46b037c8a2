"""What a caller sees of the thread: what is linked to the twins and items that the caller sees."""

from __future__ import annotations

from collections.abc import Sequence

from gemel.access import ItemColumn, View
from gemel.configuration import ItemQuery, Seen
from gemel.errors import GemelError
from gemel.twin import PropertyGroup

__all__ = ["CallerSight"]

MOST_LOOKED = 100
"""Items of a part, to find one of which documents are told."""


class CallerSight:
    """A `gemel.thread.Sight` of one request."""

    def __init__(self, view: View, items: Seen) -> None:
        self._view, self._items = view, items
        self.everything = view.projection is None
        self._parts: dict[str, bool] = {}
        self._known: dict[str, bool] = {}
        self._acts: dict[str, set[int]] = {}

    def twin(self, id: str, property: str = "") -> bool:
        entry = self._view.find(id)
        if entry is None:
            return False
        if not property:
            return True
        try:
            self._view.property(entry, property)
        except GemelError:
            return False
        return True

    def item(self, id: str) -> bool:
        if id not in self._known:
            self._known[id] = self._items.tells(id, ItemColumn.DOCUMENTS)
        return self._known[id]

    def financial(self, twin: str) -> bool:
        return self.everything or self._items.since(twin, PropertyGroup.FINANCIAL) is not None

    def act(self, number: int, items: Sequence[str]) -> bool:
        return self.everything or (bool(items) and all(number in self._acts_of(item) for item in items))

    def _acts_of(self, item: str) -> set[int]:
        """The acts of an item that are told whole."""
        if item not in self._acts:
            try:
                self._acts[item] = {act.number for act in self._items.acts(item) if not act.withheld}
            except GemelError:
                self._acts[item] = set()
        return self._acts[item]

    def part(self, part: str) -> bool:
        if part not in self._parts:
            query = ItemQuery(part=part, limit=1 if not self._items.partly else MOST_LOOKED)
            self._parts[part] = any(self.item(one.item.id) for one in self._items.search(query).items)
        return self._parts[part]
