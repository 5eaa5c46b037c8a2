"""The state: every twin as it is now, always at a position of the journal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemel.clock import Clock
from gemel.errors import InvalidQuery
from gemel.registry import Directory, Entry
from gemel.state.broadcast import Broadcast
from gemel.state.cells import CHUNK_BITS, CHUNK_ROWS, Cells
from gemel.state.delta import Delta, Gap
from gemel.state.fold import Accepted, Batch, Plan, apply, batch_of, fold_condition, plan
from gemel.state.freshness import Rules
from gemel.state.gather import Gathered, gather, plain_values, updates_of
from gemel.state.layout import Layout
from gemel.state.now import Now, Updates, plain
from gemel.state.selection import Composition, Resolved, Selection, resolve
from gemel.state.subscription import Folded, Subscription, joined, wake
from gemel.state.table import Column
from gemel.twin import MAX_PROPERTIES, PROPERTY_BITS, Block, Change, Position, Quality, series_of

__all__ = ["State"]

_REGISTRY = frozenset({"twin", "type", "link", "plant"})


class State:
    """Columnar tables, one per twin type; see docs/concepts/state.md.

    One thread folds; any thread reads. A read sees whole blocks only. `lock` guards all of it and is held for
    microseconds to a few milliseconds.
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
        self.lock = threading.RLock()
        self.position: Position = 0
        """Everything up to it is folded."""
        self.registry_revision = 0
        """Rises with every block that changed types, twins or links."""
        self._blocks = blocks
        self._composition = composition
        self._layout = Layout(directory)
        self._rules = Rules()
        self._broadcast = Broadcast()
        self._layout.sync()

    # --- writing -----------------------------------------------------------------------------------------------

    def fold(self, block: Block) -> None:
        """Take in a block of the journal; a block that was folded before has no effect. Writer's thread only."""
        if block.last <= self.position:
            return
        if block.changes:
            with self.lock:
                self._follow(block.changes)
        batches, conditions = self._batches(block)
        plans = [p for batch in batches if (p := plan(batch, self._layout)) is not None]
        with self.lock:
            accepted = [p.accepted for p in plans]
            types = set()
            for ready in plans:
                types |= self._apply(ready, block.recorded)
            for batch in conditions:
                accepted.append(self._fold_conditions(batch, block.recorded))
                types |= {self._layout.columns[i].table.type_id for i in set(batch.column.tolist())}
            self.position = block.last
            waiters = self._tell(block, accepted, types) if len(self._broadcast) else []
        wake(waiters)

    def _batches(self, block: Block) -> tuple[list[Batch], list[Batch]]:
        """The block's readings, those of conditions apart."""
        batches, conditions = [], []
        for frame in block.frames.values():
            with self.lock:
                batch = batch_of(frame, block.first, self._layout)
            is_condition = np.fromiter((c.condition for c in self._layout.columns), np.bool_)
            if len(batch) and is_condition.any() and (found := is_condition[batch.column]).any():
                conditions.append(batch.only(found))
                batch = batch.only(~found)
            if len(batch):
                batches.append(batch)
        return batches, conditions

    def _apply(self, ready: Plan, recorded: int) -> set[str]:
        types = set()
        for column, _cells, _rows, _piece in apply(ready, recorded):
            types.add(column.table.type_id)
        return types

    def _fold_conditions(self, batch: Batch, recorded: int) -> Accepted:
        columns = self._layout.columns
        kept, values, changed = [], [], []
        for i in range(len(batch)):
            row = int(batch.row[i])
            cells = columns[batch.column[i]].writable(row >> CHUNK_BITS)
            low = row & (CHUNK_ROWS - 1)
            reading = (batch.value[i], int(batch.time[i]), int(batch.position[i]))
            fold_condition(cells, low, reading, recorded)
            kept.append((int(batch.series[i]), int(cells.time[low]), int(cells.quality[low]), reading[2]))
            values.append(cells.value[low])
            changed.append(int(cells.changed[low]))
        table = np.array(kept, np.int64).reshape(-1, 4)
        value = np.empty(len(values), object)
        value[:] = values
        return Accepted(
            table[:, 0],
            table[:, 1],
            value,
            table[:, 2].astype(np.uint8),
            table[:, 3],
            np.array(changed, np.int64),
            np.ones(len(values), np.bool_),
        )

    def _follow(self, changes: Iterable[Change]) -> None:
        """Carry tables along with what the registry says changed."""
        moved = False
        for change in changes:
            area, _, _what = change.kind.partition(".")
            if area not in _REGISTRY:
                continue
            moved = True
            if area == "type":
                self._layout.know_type(change.subject)
            elif area == "twin" and (entry := self.directory.twin(change.subject)) is not None:
                self._layout.know_twin(entry.number)
        if moved:
            self.registry_revision += 1

    def _tell(self, block: Block, accepted: list[Accepted], types: set[str]) -> list[Any]:
        folded = Folded(block.first, block.last, block.recorded, accepted, block.changes)
        if any(change.kind.partition(".")[0] in _REGISTRY for change in block.changes):
            readers: Iterable[Subscription] = self._broadcast.everyone()
        else:
            twins = [part.series[part.last] >> PROPERTY_BITS for part in accepted]
            about = [e.number for c in block.changes if (e := self.directory.twin(c.subject)) is not None]
            twins.append(np.array(about, np.int64))
            readers = self._broadcast.interested(np.concatenate(twins), types)
        waiters = []
        for reader in readers:
            reader._offer(folded)
            if (waiter := reader._take_waiter()) is not None:
                waiters.append(waiter)
        return waiters

    # --- reading -----------------------------------------------------------------------------------------------

    def twin(self, entry: Entry) -> dict[str, Now]:
        """What every reported property of a twin is now, by name."""
        now = self.clock.now()
        found: dict[str, Now] = {}
        with self.lock:
            for name, ref in entry.properties.items():
                if name != ref.property.name:
                    continue  # an earlier name
                place = self._layout.place(series_of(entry.number, ref.number))
                if place is not None and (one := self._now(*place, now)) is not None:
                    found[name] = one
        return found

    def property(self, entry: Entry, name: str) -> Now | None:
        """One property by its name or an earlier one; None when nothing was reported, or there is no such one."""
        ref = entry.properties.get(name)
        if ref is None:
            return None
        now = self.clock.now()
        with self.lock:
            place = self._layout.place(series_of(entry.number, ref.number))
            return None if place is None else self._now(*place, now)

    def _now(self, column: Column, row: int, now: int) -> Now | None:
        cells = column.cells(row)
        low = row & (CHUNK_ROWS - 1)
        if cells is None or not (position := int(cells.position[low])):
            return None
        quality = Quality(int(cells.quality[low]))
        value = None if quality is Quality.UNAVAILABLE else plain(cells.value[low], column.ref.property.kind)
        deadline = self._deadline(column, cells, slice(low, low + 1))
        stale = int(deadline[0]) <= now
        return Now(
            value,
            int(cells.time[low]),
            int(cells.recorded[low]),
            int(cells.changed[low]),
            quality,
            position,
            not stale,
            int(deadline[0]) if stale else None,
        )

    def _deadline(self, column: Column, cells: Cells, rows: Any) -> NDArray[np.int64]:
        rule = column.rule if cells.rule is None else cells.rule[rows]
        return self._rules.deadline(rule, cells.time[rows], cells.recorded[rows])

    # --- subscriptions -----------------------------------------------------------------------------------------

    def subscribe(
        self, selection: Selection, *, after: Position | None = None, rate_hz: float | None = None
    ) -> Subscription:
        """Follow a selection: from a snapshot, or from what came after a position. Close it when done.

        Raises UnknownTwin, UnknownType, InvalidQuery (a position that is not reached yet, no journal to backfill from).
        """
        if after is not None and self._blocks is None:
            raise InvalidQuery("this state was given no journal to read from; subscribe without a position")
        if after is not None and not 0 <= after <= self.position:
            raise InvalidQuery(f"position {after} is not between 0 and {self.position}; subscribe without it")
        return Subscription(self, selection, after=after, rate_hz=rate_hz)

    def _register(self, reader: Subscription) -> tuple[Resolved, int, Position]:
        with self.lock:
            resolved = resolve(reader.selection, self.directory, self._composition)
            self._broadcast.add(reader, resolved)
            return resolved, self.registry_revision, self.position

    def _reregister(self, reader: Subscription) -> tuple[Resolved, int]:
        resolved, revision, _ = self._register(reader)
        return resolved, revision

    def _unregister(self, reader: Subscription) -> None:
        with self.lock:
            self._broadcast.remove(reader)

    def _gather(self, chosen: Resolved, after: Position) -> list[Gathered]:
        return gather(self._layout, self._rules, chosen, after)

    def _updates(self, parts: Sequence[Gathered]) -> Updates:
        return updates_of(parts, self.directory.ids, self.clock.now())

    def _updates_of_block(self, folded: Folded, chosen: Resolved, after: Position) -> Updates:
        """The accepted readings of a block that are selected and above a position."""
        parts = []
        for part in folded.accepted:
            wanted = np.flatnonzero(chosen.holds(part.series) & (part.position > after))
            if len(wanted):
                parts.append(self._updates_of_part(part, wanted, folded.recorded))
        return joined(parts)

    def _updates_of_part(self, part: Accepted, wanted: NDArray[np.int64], recorded: int) -> Updates:
        series = part.series[wanted]
        with self.lock:
            column_of, row = self._layout.places(series)
        values: list[Any] = [None] * len(wanted)
        deadline = np.zeros(len(wanted), np.int64)
        told = np.full(len(wanted), recorded)
        for index in np.unique(column_of).tolist():
            if index < 0:
                continue
            column = self._layout.columns[index]
            which = np.flatnonzero(column_of == index)
            chosen = wanted[which]
            for i, value in zip(which, plain_values(column, part.value[chosen], part.quality[chosen]), strict=True):
                values[i] = value
            rule = self._rule_of(column, row[which])
            deadline[which] = self._rules.deadline(rule, part.time[chosen], told[which])
        return Updates(
            series,
            self._names(series.tolist()),
            values,
            part.time[wanted],
            told,
            part.changed[wanted],
            part.quality[wanted],
            part.position[wanted],
            np.where(deadline <= self.clock.now(), deadline, 0),
        )

    def _rule_of(self, column: Column, rows: NDArray[np.int32]) -> NDArray[np.int32] | int:
        with self.lock:
            found = np.full(len(rows), column.rule, np.int32)
            for i, row in enumerate(rows.tolist()):
                cells = column.cells(row)
                if cells is not None and cells.rule is not None:
                    found[i] = cells.rule[row & (CHUNK_ROWS - 1)]
        return found

    def _names(self, series: Iterable[int]) -> list[tuple[str, str]]:
        listed = list(series)
        ids = self.directory.ids([one >> PROPERTY_BITS for one in listed])
        names = []
        for one, id in zip(listed, ids, strict=True):
            ref = self.directory.property(one & (MAX_PROPERTIES - 1))
            names.append((id, ref.property.name if ref is not None else ""))
        return names

    def _concerns(self, change: Change, chosen: Resolved) -> bool:
        entry = self.directory.twin(change.subject)
        return entry is not None and bool(chosen.has_twins(np.array([entry.number], np.int64))[0])

    def _backfill(self, reader: Subscription, after: Position, until: Position) -> Iterator[Delta]:
        """What the journal has of positions in (after, until], as deltas; a gap where it no longer has all."""
        assert self._blocks is not None
        reached = after
        for block in self._blocks(after):
            if block.first > until:
                break
            if block.first > reached + 1:
                yield Delta(block.first - 1, gap=Gap(reached, block.first - 1))
            reached = block.last
            delta = self._delta_of(reader, block, after)
            if delta:
                yield delta
        if reached < until:
            yield Delta(until, gap=Gap(reached, until))

    def _delta_of(self, reader: Subscription, block: Block, after: Position) -> Delta:
        """A block of the journal as it is, late readings and all; `changed` is each reading's own time."""
        batches, _conditions = self._batches(block)
        chosen = reader._resolved
        accepted = [
            Accepted(b.series, b.time, b.value, b.quality, b.position, b.time, np.ones(len(b), np.bool_))
            for b in batches
        ]
        folded = Folded(block.first, block.last, block.recorded, accepted, block.changes)
        values = self._updates_of_block(folded, chosen, after)
        return Delta(block.last, values, events=reader._happenings([folded], after))
