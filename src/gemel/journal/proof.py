"""Proof that one leaf is in a block of a known hash, to be checked by somebody who sees nothing else of the block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from gemel.errors import NotFound
from gemel.journal.codec import Row, block_hash, opened
from gemel.journal.leaves import FORM_CODES, SALT_BYTES, change_leaf, frame_leaves
from gemel.journal.merkle import inclusion_path, leaf_hash, verify_path
from gemel.twin import Form, Frame, Position

__all__ = ["Proof", "prove"]


@dataclass(frozen=True, slots=True)
class Proof:
    """A leaf, its salt, its way up to the root, and what the block's hash is made of."""

    data: bytes
    """The canonical bytes of the leaf (docs/concepts/journal.md)."""
    salt: bytes
    index: int
    leaves: int
    path: tuple[bytes, ...]
    root: bytes
    previous: bytes
    sequence: int
    first: Position
    count: int
    recorded: int

    def holds(self, hash_: bytes) -> bool:
        """Whether the leaf is in the block of this hash."""
        leaf = leaf_hash(self.salt + self.data)
        own = block_hash(self.previous, self.sequence, (self.first, self.count), self.recorded, self.root)
        return own == hash_ and verify_path(leaf, self.index, self.leaves, self.path, self.root)


def prove(row: Row, position: Position) -> Proof:
    """The proof of the leaf that holds `position` in the block of `row`. Raises NotFound if it is gone."""
    held = opened(row)
    ordinal, telemetry = position - row.first, sum(len(np.unique(f.series)) for f in held.frames.values())
    frame, series, index = _of_reading(held.frames, ordinal)
    if frame is not None:
        found, datas = frame_leaves(frame)
        place = found.index(series)
        index, data = index + place, datas[place]
    else:
        at = _of_change(held.changes, ordinal)
        if at is None:
            raise NotFound(
                f"what stood at position {position} is no longer in block {row.sequence}: it was erased, or the time "
                "that the journal keeps telemetry for is over"
            )
        index, data = telemetry + at, change_leaf(held.changes[at])
    index = held.places[index]
    return Proof(
        data=data,
        salt=held.salts[index * SALT_BYTES : (index + 1) * SALT_BYTES],
        index=index,
        leaves=len(held.levels[0]),
        path=tuple(inclusion_path(held.levels, index)),
        root=row.root,
        previous=row.previous,
        sequence=row.sequence,
        first=row.first,
        count=row.count,
        recorded=row.recorded,
    )


def _of_reading(frames: Mapping[Form, Frame], ordinal: int) -> tuple[Frame | None, int, int]:
    """(frame, series, leaves before the frame's) of the reading at an ordinal; None if it is no reading."""
    before = 0
    for form in sorted(frames, key=FORM_CODES.__getitem__):
        frame = frames[form]
        series = frame.series[frame.ordinal == ordinal]
        if len(series):
            return frame, int(series[0]), before
        before += len(np.unique(frame.series))
    return None, 0, 0


def _of_change(changes: Sequence[bytes], ordinal: int) -> int | None:
    for at, change in enumerate(changes):
        if msgspec.json.decode(change, type=_Place).ordinal == ordinal:
            return at
    return None


class _Place(msgspec.Struct, frozen=True):
    """Of a change, its place in the block."""

    ordinal: int
