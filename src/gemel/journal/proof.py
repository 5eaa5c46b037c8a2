"""Proof that one leaf is in a block of a known hash, to be checked by somebody who sees nothing else of the block."""

from __future__ import annotations

from dataclasses import dataclass

from gemel.errors import Corrupt
from gemel.journal.codec import Row, block_hash, contents
from gemel.journal.leaves import FORM_CODES, SALT_BYTES, change_leaf, frame_leaves, hash_leaves, salts_of
from gemel.journal.merkle import inclusion_path, leaf_hash, levels_of, verify_path
from gemel.twin import Position

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
    """The proof of the leaf that holds `position` in the block of `row`. Raises Corrupt if it is not there."""
    if row.expired:
        raise Corrupt(f"the telemetry of block {row.sequence} has expired; prove it from the history")
    frames, changes = contents(row)
    hashes, _ = hash_leaves(frames, changes, row.salts)
    datas: list[bytes] = []
    ordinal, index = position - row.first, -1
    for form in sorted(frames, key=FORM_CODES.__getitem__):
        frame = frames[form]
        holder = {int(s) for s in frame.series[frame.ordinal == ordinal]}
        series, found = frame_leaves(frame)
        if holder:
            index = len(datas) + series.index(holder.pop())
        datas.extend(found)
    if index < 0:
        index = len(datas) + ordinal - (row.count - len(changes))
    datas.extend(change_leaf(change) for change in changes)
    levels = levels_of(hashes)
    salts = salts_of(row.salts, len(hashes))
    return Proof(
        data=datas[index],
        salt=salts[index * SALT_BYTES : (index + 1) * SALT_BYTES],
        index=index,
        leaves=len(hashes),
        path=tuple(inclusion_path(levels, index)),
        root=row.root,
        previous=row.previous,
        sequence=row.sequence,
        first=row.first,
        count=row.count,
        recorded=row.recorded,
    )
