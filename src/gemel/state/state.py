"""The state: every twin as it is now, always at a position of the journal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemel.clock import Clock
from gemel.errors import Conflict, InvalidQuery
from gemel.registry import Directory, Entry
from gemel.state.ahead import ahead
from gemel.state.backfill import backfill
from gemel.state.broadcast import offer, wake
from gemel.state.cells import CHUNK_ROWS
from gemel.state.core import Core
from gemel.state.folding import fold_block
from gemel.state.keyframe import Keyframe, restore, snapshot
from gemel.state.live import Projection, live_table
from gemel.state.now import plain
from gemel.state.readout import Readout, read
from gemel.state.selection import Composition, Selection, Sight
from gemel.state.sql import Relation, Sql
from gemel.state.subscription import Subscription, Swept
from gemel.state.table import Column
from gemel.state.turns import changes_of
from gemel.state.watch import Turned
from gemel.twin import PROPERTY_BITS, Block, Change, ConnectorSpec, Now, Position, Quality, series_of

__all__ = ["State"]

_QUALITIES = tuple(sorted(Quality))


class State:
    """Columnar tables, one per twin type; see docs/concepts/state.md.

    One thread folds; any thread reads. A read sees whole blocks only.
    """

    def __init__(
        self,
        directory: Directory,
        clock: Clock,
        *,
        blocks: Callable[[Position], Iterator[Block]] | None = None,
        composition: Composition | None = None,
    ) -> None:
        """`blocks(after)`: the journal's blocks with positions above `after`, for backfills; `composition`: how
        twins are made of twins, for selections of parts."""
        self.directory = directory
        self.clock = clock
        self._core = Core(directory, clock, blocks, composition)
        self._untold: list[Turned] = []
        self._sql = Sql(self._core)

    @property
    def position(self) -> Position:
        """Everything up to it is folded."""
        return self._core.position

    def wait(self, position: Position, timeout_s: float) -> bool:
        """Wait until `position` is folded; False if it was not within `timeout_s` seconds."""
        with self._core.lock:
            return self._core.moved.wait_for(lambda: self._core.position >= position, timeout_s)

    def fold(self, block: Block) -> None:
        """Take in a block of the journal; one that was folded before has no effect.

        For one thread only. The directory must know what the block's changes made (`Registry.committed` comes first).
        """
        fold_block(block, self._core)

    # --- reading -----------------------------------------------------------------------------------------------

    def twin(self, entry: Entry) -> dict[str, Now]:
        """What every property of a twin is now, by name; those that were never reported are left out."""
        now = self.clock.now()
        found: dict[str, Now] = {}
        with self._core.lock:
            for column, row in self._core.layout.cells_of(entry):
                if (one := self._now(column, row, now)) is not None:
                    found[column.ref.property.name] = one
        return found

    def property(self, entry: Entry, name: str) -> Now | None:
        """One property by its name or an earlier one; None when nothing was reported, or there is no such one."""
        ref = entry.properties.get(name)
        if ref is None:
            return None
        now = self.clock.now()
        with self._core.lock:
            place = self._core.layout.place(series_of(entry.number, ref.number))
            return None if place is None else self._now(*place, now)

    def _now(self, column: Column, row: int, now: int) -> Now | None:
        cells = column.cells(row)
        low = row & (CHUNK_ROWS - 1)
        if cells is None or not (position := cells.position.item(low)):
            return None
        quality = _QUALITIES[cells.quality.item(low)]
        value: Any = None if quality is Quality.UNAVAILABLE else plain(cells.value[low], column.ref.property.kind)
        deadline = self._core.watch.deadline(column, cells, low)
        stale = deadline <= now
        times = cells.time.item(low), cells.recorded.item(low), cells.changed.item(low)
        return Now(value, *times, quality, position, not stale, deadline if stale else None)

    def read(self, series: NDArray[np.int64]) -> Readout:
        """The cells of any series at once, as columns; below 0: of none."""
        return read(self._core, series)

    def table(self, type_id: str, *, projection: Projection | None = None) -> pa.Table:
        """A type's table at one position, to keep: twin, then `<property>`, `__time`, `__changed`, `__quality`,
        `__fresh` of each property; metadata `gemel.position`. Raises UnknownType."""
        with self._core.lock, live_table(self._core, type_id, projection=projection, release=False) as found:
            return found.replace_schema_metadata({"gemel.position": str(self._core.position)})

    def sql(
        self,
        query: str,
        relations: Mapping[str, Relation] | None = None,
        *,
        project: Callable[[str], Projection | None] | None = None,
        limit: int = 100_000,
        timeout_s: float = 30.0,
        unwanted: threading.Event | None = None,
    ) -> pa.Table:
        """Answer a user's SELECT over `live.<type>` and the named `relations` (`links`, `history.readings` …).

        `project(type_id)` says what the caller may see of a type, None if nothing. At most `limit` rows. The
        metadata of the table's schema says `gemel.position`, which all of `live` is at or a little after, and
        `gemel.truncated`. Once `unwanted` is set, it is given up. Raises InvalidQuery.
        """
        return self._sql.run(
            query, relations or {}, project=project, limit=limit, timeout_s=timeout_s, unwanted=unwanted
        )

    def snapshot(self) -> Keyframe:
        """The whole state at its position; the fold goes on meanwhile."""
        return snapshot(self._core)

    def restore(self, keyframe: Keyframe) -> None:
        """Begin with a keyframe; then fold the blocks after its position. For a state that folded nothing yet."""
        if self.position:
            raise Conflict(f"this state is at position {self.position} already; restore into a new one")
        restore(self._core, keyframe)

    def close(self) -> None:
        """Let go of the query engine."""
        self._sql.close()

    # --- freshness ---------------------------------------------------------------------------------------------

    def bind(self, spec: ConnectorSpec) -> None:
        """Take the freshness of what a connector brings. Later changes of connectors come with the blocks."""
        with self._core.lock:
            self._core.watch.bind(spec)

    def heartbeat(self, source: str, now: int) -> None:
        """All values that the source brings are confirmed; its connection stands."""
        with self._core.lock:
            self._core.watch.rules.set_found(source, now)

    def lost(self, source: str, now: int) -> None:
        """The connection to the source is lost: what it brings as changes is stale from now on."""
        with self._core.lock:
            self._core.watch.rules.set_lost(source, now)
        self._look(now)

    def found(self, source: str, now: int) -> None:
        """The connection to the source stands again."""
        with self._core.lock:
            self._core.watch.rules.set_found(source, now)
        self._look(now)

    def sweep(self, now: int) -> list[Change]:
        """Find what became stale or fresh again, tell the subscribers, and return it as changes to be journaled.

        To be called every second, and after `lost` and `found`, by one thread. `freshness.lost` and
        `freshness.regained` have a twin as subject and the properties in the body; of a source or type that turns
        with more than a thousand twins at once there is one change with their count.
        """
        self._look(now)
        with self._core.lock:
            turned, self._untold = self._untold, []
        return changes_of(turned, now, self._core.layout)

    def _look(self, now: int) -> None:
        core = self._core
        turned = core.watch.sweep(now, core.lock)
        with core.lock:
            self._untold += [one for one in turned if not one.first]
            waiters = []
            for one in turned if len(core.broadcast) else ():
                types = core.layout.types_of(one.series)
                readers = core.broadcast.interested(one.series >> PROPERTY_BITS, types)
                waiters += offer(readers, swept=Swept(one.series, one.stale_since))
        wake(waiters)

    # --- how it fares ------------------------------------------------------------------------------------------

    def readers(self) -> tuple[int, int]:
        """(subscriptions that are open, how often one was too slow and got a gap since the start)."""
        with self._core.lock:
            return len(self._core.broadcast), self._core.gaps

    def ahead(self, by: int, *, within: int) -> dict[str, int]:
        """Twins whose latest reading is dated more than `by` after we were told, and by how much; microseconds.

        Of readings of the last `within`, or dated after now: those keep later ones with a right time out of sight.
        """
        return ahead(self._core, by, self.clock.now(), within)

    # --- following ---------------------------------------------------------------------------------------------

    def subscribe(
        self,
        selection: Selection,
        *,
        after: Position | None = None,
        rate_hz: float | None = None,
        look: Callable[[], Sight | None] | None = None,
        latest: bool = False,
    ) -> Subscription:
        """Follow a selection: from a snapshot, or from what came after a position. Close it when done.

        `latest`: of what came after the position, only the latest values, from the state and not from the journal.

        `look` says at each delta what the reader may see; when that has changed there is a new snapshot, and what it
        raises ends the subscription. Raises UnknownTwin, UnknownType, InvalidQuery (a position that is not reached
        yet, no journal to read from).
        """
        if after is None:
            return Subscription(self._core, selection, rate_hz=rate_hz, look=look)
        if self._core.blocks is None and not latest:
            raise InvalidQuery("this state was given no journal to read from; subscribe without a position")
        if not 0 <= after <= self.position:
            raise InvalidQuery(f"position {after} is not between 0 and {self.position}; subscribe without it")
        if latest:
            return Subscription(self._core, selection, after=after, rate_hz=rate_hz, look=look)
        return Subscription(self._core, selection, after=after, rate_hz=rate_hz, backfill=backfill, look=look)
