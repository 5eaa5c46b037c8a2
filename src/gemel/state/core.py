"""What the state holds, and the lock that guards it; shared by the fold, the reads and the subscriptions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from gemel.clock import Clock
from gemel.registry import Directory
from gemel.state.broadcast import Broadcast
from gemel.state.gather import Gathered, gather, updates_of
from gemel.state.layout import Layout
from gemel.state.now import Updates
from gemel.state.selection import Composition, Resolved, Resolver
from gemel.state.watch import Watch
from gemel.twin import Block, Position

if TYPE_CHECKING:
    from gemel.state.subscription import Subscription

__all__ = ["Core"]


class Core:
    """Tables, freshness and readers at one position. Everything is guarded by `lock` unless it says otherwise.

    The lock is held for microseconds by readers and for the writing part of a fold; never while waiting, never
    while asking the database.
    """

    def __init__(
        self,
        directory: Directory,
        clock: Clock,
        blocks: Callable[[Position], Iterator[Block]] | None,
        composition: Composition | None,
    ) -> None:
        self.directory = directory
        self.clock = clock
        self.blocks = blocks
        self.resolver = Resolver(directory, composition)
        self.lock = threading.RLock()
        self.moved = threading.Condition(self.lock)
        self.position: Position = 0
        self.registry_revision = 0
        """Rises with every block that changed types, twins or links."""
        self.retired: set[int] = set()
        """Numbers of twins whose service has ended; they stay readable one by one."""
        self.layout = Layout(directory)
        self.watch = Watch(self.layout, clock.now())
        self.broadcast = Broadcast()
        self.gaps = 0
        """How often a reader was too slow and lost deltas, since the start."""
        self.layout.sync()
        self.watch.follow_types()

    def register(self, reader: Subscription) -> tuple[Resolved, int, Position]:
        """Resolve the reader's selection and tell it from now on. Takes the lock itself.

        Returns the selection, the registry's revision and the position as of which it is told.
        """
        revision = self.registry_revision
        with self.lock:
            ended, again = self.retired - reader.ended_before, reader in self.broadcast
        resolved = self.resolver.resolve(reader.selection, strict=not again, sight=reader.sight).without(ended)
        with self.lock:
            self.broadcast.add(reader, resolved)
            return resolved, revision, self.position

    def unregister(self, reader: Subscription) -> None:
        with self.lock:
            self.broadcast.remove(reader)

    def gather(self, chosen: Resolved, after: Position) -> list[Gathered]:
        return gather(self.layout, self.watch.rules, chosen, after)

    def seeded(self, chosen: Resolved, properties: frozenset[int], until: Position) -> list[Gathered]:
        """The cells of these properties whose values are of `until` or before; under the lock."""
        parts = [part for part in self.gather(chosen, 0) if part.column.ref.number in properties]
        return [part.only(part.cells["position"] <= until) for part in parts]

    def updates(self, parts: list[Gathered]) -> Updates:
        """Needs no lock: what was gathered are copies."""
        return updates_of(parts, self.directory.ids, self.clock.now())
