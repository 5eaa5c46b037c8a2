"""A log as a Merkle tree (RFC 9162, section 2.1): small proofs that it only grew, and that something is in it.

Hashes of complete subtrees over 256, 65,536 … entries are kept, so that a proof reads a few hundred hashes of a log of
any length. What is kept can be made again from the entries.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Protocol

from gemel.journal.merkle import EMPTY_ROOT, leaf_hash, levels_of, root_of

__all__ = ["Kept", "Leaves", "Tree", "consistent", "leaf_hash", "roots_at"]

BITS = 8
WIDTH = 1 << BITS
CACHED = 512


class Leaves(Protocol):
    """The entries of a log, as their leaf hashes."""

    def size(self) -> int: ...

    def hashes(self, start: int, end: int) -> list[bytes]:
        """Of entries [start, end), the first is 0."""


class Kept(Protocol):
    """Where hashes of complete subtrees of 256^level entries are kept."""

    def count(self, level: int) -> int: ...

    def get(self, level: int, start: int, end: int) -> list[bytes]: ...

    def put(self, level: int, start: int, hashes: Sequence[bytes]) -> None: ...


class Tree:
    """Proofs over a log of any length. For one thread at a time."""

    def __init__(self, leaves: Leaves, kept: Kept) -> None:
        self._leaves, self._kept = leaves, kept
        self._tiles: OrderedDict[tuple[int, int], list[bytes]] = OrderedDict()

    def root(self, size: int) -> bytes:
        """Of the first `size` entries."""
        return self._range(0, size)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """That the tree of `new` entries begins with that of `old` (RFC 9162, 2.1.4.1); 0 <= old <= new."""
        return [] if old in (0, new) else list(self._grown(old, 0, new, True))

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The way of entry `index` up to the root of `size` entries, lowest first (RFC 9162, 2.1.3.1)."""
        path, start, end = [], 0, size
        while end - start > 1:
            middle = start + _split(end - start)
            left = index < middle
            path.append(self._range(middle, end) if left else self._range(start, middle))
            start, end = (start, middle) if left else (middle, end)
        return path[::-1]

    def grow(self, size: int) -> None:
        """Keep the hashes of the subtrees that are complete within the first `size` entries."""
        level = 1
        while (complete := size >> (BITS * level)) > 0:
            have = self._kept.count(level)
            while have < complete:
                end = min(complete, have + WIDTH)
                self._kept.put(level, have, [root_of(levels_of(self._tile(level - 1, at))) for at in range(have, end)])
                have = end
            level += 1

    def _grown(self, old: int, start: int, end: int, whole: bool) -> Iterator[bytes]:
        if old == end - start:
            if not whole:
                yield self._range(start, end)
            return
        middle = start + _split(end - start)
        if start + old <= middle:
            yield from self._grown(old, start, middle, whole)
            yield self._range(middle, end)
        else:
            yield from self._grown(old - (middle - start), middle, end, False)
            yield self._range(start, middle)

    def _range(self, start: int, end: int) -> bytes:
        """The hash over [start, end): a subtree of the tree, so it lies at a multiple of its own size."""
        count = end - start
        if count == 0:
            return EMPTY_ROOT
        if count & (count - 1):
            middle = start + _split(count)
            return _node(self._range(start, middle), self._range(middle, end))
        level, within = divmod(count.bit_length() - 1, BITS)
        first = start >> (BITS * level)
        tile = self._tile(level, first >> BITS)
        at = first & (WIDTH - 1)
        return root_of(levels_of(tile[at : at + (1 << within)]))

    def _tile(self, level: int, index: int) -> list[bytes]:
        """Up to 256 neighbouring hashes, each of 256^level entries."""
        if (found := self._tiles.get((level, index))) is not None:
            self._tiles.move_to_end((level, index))
            return found
        start, end = index << BITS, (index + 1) << BITS
        if level == 0:
            made = self._leaves.hashes(start, min(end, self._leaves.size()))
        else:
            made = self._kept.get(level, start, end)
            complete = self._leaves.size() >> (BITS * level)
            below = range(start + len(made), min(end, complete))
            made += [root_of(levels_of(self._tile(level - 1, at))) for at in below]
        if len(made) == WIDTH:  # complete: it never changes
            self._tiles[level, index] = made
            if len(self._tiles) > CACHED:
                self._tiles.popitem(last=False)
        return made


def consistent(old: tuple[int, bytes], new: tuple[int, bytes], proof: Sequence[bytes]) -> bool:
    """Whether the tree of (size, root) `new` begins with that of `old` (RFC 9162, 2.1.4.2). Everything begins with
    nothing."""
    (old_size, old_root), (new_size, new_root) = old, new
    if not 0 <= old_size <= new_size:
        return False
    if old_size == new_size:
        return not proof and old_root == new_root
    if old_size == 0:
        return not proof
    path = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    if not path:
        return False
    first, last = old_size - 1, new_size - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    mine = theirs = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if first & 1 or first == last:
            mine, theirs = _node(sibling, mine), _node(sibling, theirs)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            theirs = _node(theirs, sibling)
        first, last = first >> 1, last >> 1
    return last == 0 and mine == old_root and theirs == new_root


def roots_at(hashes: Iterable[bytes], sizes: Iterable[int]) -> dict[int, bytes]:
    """The root at each of these sizes, in one pass over all leaf hashes; sizes that are not reached are left out."""
    wanted, found, peaks = set(sizes), dict[int, bytes](), list[bytes]()
    if 0 in wanted:
        found[0] = EMPTY_ROOT
    for count, one in enumerate(hashes, 1):
        node, at = one, count - 1
        while at & 1:
            node, at = _node(peaks.pop(), node), at >> 1
        peaks.append(node)
        if count in wanted:
            root = peaks[-1]
            for peak in reversed(peaks[:-1]):
                root = _node(peak, root)
            found[count] = root
    return found


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << ((count - 1).bit_length() - 1)
