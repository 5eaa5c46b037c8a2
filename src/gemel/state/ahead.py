"""Whose clock runs ahead: the latest reading of a twin is dated after the moment that we were told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gemel.state.cells import CHUNK_BITS

if TYPE_CHECKING:
    from gemel.state.core import Core

__all__ = ["ahead"]


def ahead(core: Core, by: int, now: int, within: int) -> dict[str, int]:
    """Twin → by how much, microseconds, the most of its properties; see `State.ahead`. Takes the lock by chunk."""
    most: dict[int, int] = {}
    with core.lock:
        columns = list(core.layout.columns)
    for column in columns:
        for chunk in range(len(column.chunks)):
            with core.lock:
                cells = column.chunks[chunk]
                if cells is None:
                    continue
                late = cells.time > cells.recorded + by
                late &= (cells.time > now) | (cells.recorded > now - within)
                rows = np.flatnonzero(late)
                numbers = column.table.numbers[(chunk << CHUNK_BITS) + rows].tolist()
                offsets = (cells.time[rows] - cells.recorded[rows]).tolist()
            for number, offset in zip(numbers, offsets, strict=True):
                if number not in core.retired:
                    most[number] = max(most.get(number, 0), offset)
    found = zip(core.directory.ids(list(most)), most.values(), strict=True)
    return {id: offset for id, offset in found if id}
