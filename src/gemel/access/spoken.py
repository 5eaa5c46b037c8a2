"""Which twins each device speaks for, as of now: those it was given, and at any depth what is part of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from gemel.access.roster import Roster
from gemel.errors import InvalidInput, UnknownTwin
from gemel.registry import Registry
from gemel.twin import Block

__all__ = ["Spoken"]

MOST_TWINS = 1_000
NOBODY: frozenset[str] = frozenset()


class Spoken:
    """Remembered until a link or a device changes. Without a registry a device speaks for no twin."""

    def __init__(self, roster: Roster, registry: Registry | None) -> None:
        self._roster = roster
        self._registry = registry
        self._lock = threading.Lock()
        self._known: dict[str, frozenset[str]] = {}
        self._links = 0  # rises when what is part of what, or whom a device speaks for, may have changed

    def changed(self) -> None:
        """Work it out again."""
        with self._lock:
            self._links += 1
            self._known.clear()

    def follow(self, block: Block) -> None:
        """Part-of links may have changed with this block (called by the writer)."""
        if any(change.kind.startswith(("link.", "twin.", "plant.")) for change in block.changes):
            self.changed()

    def twins(self, device: str) -> frozenset[str]:
        """Ids of the twins that a device speaks for."""
        found = self._known.get(device)
        if found is not None:
            return found
        links, known = self._links, self._roster.find(device)
        if known is None or self._registry is None:
            return NOBODY
        scope = frozenset([*known.twins, *self._registry.part_ids(known.twins)])
        with self._lock:
            if links == self._links:
                self._known[device] = scope
        return scope

    def scope(self, twins: frozenset[str]) -> Callable[[str], bool]:
        """Whether a twin, by id or alias, is one of these."""
        directory = self._registry.directory if self._registry is not None else None

        def speaks(name: str) -> bool:
            if name in twins:
                return True
            entry = directory.twin(name) if directory is not None and isinstance(name, str) else None
            return entry is not None and entry.id in twins

        return speaks

    def chosen(self, twins: Iterable[str]) -> tuple[str, ...]:
        """The ids of these twins (or aliases), each once. Raises UnknownTwin, InvalidInput for too many."""
        found: dict[str, None] = {}
        for twin in twins:
            entry = self._registry.directory.twin(twin) if self._registry is not None else None
            if entry is None:
                raise UnknownTwin(
                    f"there is no twin {twin!r:.100}; create it first, or look for its id", twin=twin[:128]
                )
            found[entry.id] = None
        if len(found) > MOST_TWINS:
            raise InvalidInput(f"a device speaks for at most {MOST_TWINS} twins; name the whole that they are part of")
        return tuple(found)
