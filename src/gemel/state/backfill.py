"""What a reader missed, from the journal."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gemel.state.core import Core
from gemel.state.delta import Delta, Gap
from gemel.state.fold import Accepted
from gemel.state.folding import batches_of
from gemel.state.subscription import Folded, Subscription
from gemel.state.updates import updates_of_block
from gemel.twin import Block, Position

__all__ = ["backfill"]


def backfill(reader: Subscription, core: Core, after: Position, until: Position) -> Iterator[Delta]:
    """Positions in (after, until], block by block, each reading as it was reported, late ones too.

    `changed` is each reading's own time. Conditions come once, at the end, as they are at `until` or later. Where
    the journal no longer has a block there is a gap, and at the end a snapshot.
    """
    assert core.blocks is not None
    reached, lost = after, False
    for block in core.blocks(after):
        if block.first > until:
            break
        if block.first > reached + 1:
            lost = True
            yield Delta(block.first - 1, gap=Gap(reached, block.first - 1))
        reached = block.last
        if delta := _delta(reader, core, block, after):
            yield delta
    if reached < until:
        lost = True
        yield Delta(until, gap=Gap(reached, until))
    if delta := _end(reader, core, after, lost):
        yield delta


def _delta(reader: Subscription, core: Core, block: Block, after: Position) -> Delta:
    batches, _ = batches_of(block, core)
    accepted = [
        Accepted(b.series, b.time, b.value, b.quality, b.position, b.time, np.ones(len(b), np.bool_)) for b in batches
    ]
    with core.lock:
        place = (core.layout, core.watch, core.clock.now())
        values = updates_of_block(accepted, block.recorded, reader.resolved, after, place)
    folded = Folded(block.first, block.last, block.recorded, [], block.changes)
    return Delta(block.last, values, events=reader.happenings([folded], after))


def _end(reader: Subscription, core: Core, after: Position, lost: bool) -> Delta:
    with core.lock:
        parts = core.gather(reader.resolved, 0 if lost else after)
    kept = parts if lost else [part for part in parts if part.column.condition]
    return Delta(reader.delivered, core.updates(kept), snapshot=lost)
