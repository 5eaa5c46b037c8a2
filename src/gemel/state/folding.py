"""Folding one block: registry first, then all its readings at once, then whoever wants to hear of it."""

from __future__ import annotations

import numpy as np

from gemel.state.broadcast import Waiter, offer, wake
from gemel.state.cells import CHUNK_BITS, CHUNK_ROWS
from gemel.state.condition import fold_condition
from gemel.state.core import Core
from gemel.state.few import FEW, fold_few
from gemel.state.fold import Accepted, Batch, apply, batch_of, plan
from gemel.state.follow import follow, is_of_registry
from gemel.state.seed import seed_after
from gemel.state.subscription import Folded
from gemel.twin import PROPERTY_BITS, Block

__all__ = ["batches_of", "fold_block"]


def fold_block(block: Block, core: Core) -> None:
    """Carry the state past the block; no effect if it is there already. For the one thread that folds."""
    if block.last <= core.position:
        return
    seeded = frozenset[int]()
    if block.changes:
        with core.lock:
            if follow(block.changes, core.layout, core.watch, core.retired):
                core.registry_revision += 1
                seeded = seed_after(block.changes, core.layout)
    if block.count - len(block.changes) <= FEW:
        with core.lock:
            accepted, types = fold_few(block, core.layout, core.watch)
            waiters = _arrive(block, accepted, types, core, seeded)
        wake(waiters)
        return
    batches, conditions = batches_of(block, core)
    plans = [ready for batch in batches if (ready := plan(batch, core.layout)) is not None]
    with core.lock:
        accepted = [ready.accepted for ready in plans]
        types = {column.table.type_id for ready in plans for column, *_ in ready.groups}
        for ready in plans:
            apply(ready, block.recorded, core.watch)
        for batch in conditions:
            accepted.append(_fold_conditions(batch, block.recorded, core))
            types |= {core.layout.columns[i].table.type_id for i in set(batch.column.tolist())}
        waiters = _arrive(block, accepted, types, core, seeded)
    wake(waiters)


def _arrive(
    block: Block, accepted: list[Accepted], types: set[str], core: Core, seeded: frozenset[int]
) -> list[Waiter]:
    core.position = block.last
    core.moved.notify_all()
    return _tell(block, accepted, types, core, seeded) if len(core.broadcast) else []


def batches_of(block: Block, core: Core) -> tuple[list[Batch], list[Batch]]:
    """The block's readings, those of conditions apart. Takes the lock itself."""
    batches, conditions = [], []
    for frame in block.frames.values():
        with core.lock:
            batch = batch_of(frame, block.first, core.layout)
            is_condition = core.layout.is_condition
        if len(batch) and (found := is_condition[batch.column]).any():
            conditions.append(batch.only(found))
            batch = batch.only(~found)
        if len(batch):
            batches.append(batch)
    return batches, conditions


def _fold_conditions(batch: Batch, recorded: int, core: Core) -> Accepted:
    """Conditions one by one: they are few, and each update is merged rather than put in place."""
    numbers, values = [], []
    for i in range(len(batch)):
        column, row = core.layout.columns[batch.column[i]], int(batch.row[i])
        cells = column.writable(row >> CHUNK_BITS)
        low = np.array([row & (CHUNK_ROWS - 1)])
        deadlines = core.watch.before(column, cells, low)
        known = cells.position[low] > 0
        at = int(low[0])
        fold_condition(cells, at, (batch.value[i], int(batch.time[i]), int(batch.position[i])), recorded)
        if deadlines is not None:
            core.watch.after(column, row >> CHUNK_BITS, low, deadlines, known)
        numbers.append((batch.series[i], cells.time[at], batch.position[i], cells.changed[at], cells.quality[at]))
        values.append(cells.value[at])
    table = np.array(numbers, np.int64).reshape(-1, 5)
    value = np.empty(len(values), object)
    value[:] = values
    quality = table[:, 4].astype(np.uint8)
    last = np.ones(len(values), np.bool_)
    return Accepted(table[:, 0], table[:, 1], value, quality, table[:, 2], table[:, 3], last)


def _tell(block: Block, accepted: list[Accepted], types: set[str], core: Core, seeded: frozenset[int]) -> list[Waiter]:
    folded = Folded(block.first, block.last, block.recorded, accepted, block.changes, seeded)
    if any(is_of_registry(change) for change in block.changes):
        return offer(core.broadcast.everyone(), folded)
    twins = [part.series[part.last] >> PROPERTY_BITS for part in accepted]
    about = [e for change in block.changes if (e := core.directory.twin(change.subject)) is not None]
    twins.append(np.array([entry.number for entry in about], np.int64))
    types = types.union(*(entry.types for entry in about))
    return offer(core.broadcast.interested(np.concatenate(twins), types), folded)
