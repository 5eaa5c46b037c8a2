"""Merkle trees as in RFC 6962, section 2.1: root, inclusion proofs, and the peaks that stand for a prefix of leaves."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

__all__ = [
    "EMPTY_ROOT",
    "inclusion_path",
    "leaf_hash",
    "levels_after",
    "levels_of",
    "peaks_of",
    "root_of",
    "verify_path",
]

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 ‖ data)."""
    return sha256(b"\x00" + data).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def levels_of(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """All levels of the tree over the leaf hashes, lowest first; a lone last node moves up unchanged.

    That is the same tree as RFC 6962's recursive definition, told from below.
    """
    sha = sha256
    level = list(leaves)
    levels = [level]
    while len(level) > 1:
        even, odd = level[0::2], level[1::2]
        above = [sha(b"\x01" + left + right).digest() for left, right in zip(even, odd, strict=False)]
        if len(even) > len(odd):
            above.append(even[-1])
        levels.append(above)
        level = above
    return levels


def root_of(levels: Sequence[Sequence[bytes]]) -> bytes:
    """The root of what `levels_of` made."""
    return levels[-1][0] if levels[-1] else EMPTY_ROOT


def peaks_of(levels: Sequence[Sequence[bytes]], count: int) -> list[bytes]:
    """Roots of the complete subtrees that hold exactly the first `count` leaves, largest first."""
    peaks, at = [], 0
    for height in range(count.bit_length() - 1, -1, -1):
        if count >> height & 1:
            peaks.append(levels[height][at >> height])
            at += 1 << height
    return peaks


def levels_after(peaks: Sequence[bytes], count: int, leaves: Sequence[bytes]) -> list[list[bytes]]:
    """All levels over `count` leaves known only by their peaks, followed by `leaves`; unknown nodes are empty.

    What is missing lies wholly below the peaks: the root, and the paths of `leaves`, are all there.
    """
    known, at = {}, 0
    heights = [height for height in range(count.bit_length() - 1, -1, -1) if count >> height & 1]
    for height, peak in zip(heights, peaks, strict=True):
        known[height, at >> height] = peak
        at += 1 << height
    level = [b""] * count + list(leaves)
    levels: list[list[bytes]] = []
    while True:
        for (height, index), peak in known.items():
            if height == len(levels):
                level[index] = peak
        levels.append(level)
        if len(level) <= 1:
            return levels
        pairs = zip(level[0::2], level[1::2], strict=False)
        above = [_node(left, right) if left and right else b"" for left, right in pairs]
        level = above + level[-1:] if len(level) % 2 else above


def inclusion_path(levels: Sequence[Sequence[bytes]], index: int) -> list[bytes]:
    """The audit path of leaf `index`, lowest first (RFC 6962, 2.1.1)."""
    path = []
    for level in levels[:-1]:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        index >>= 1
    return path


def verify_path(leaf: bytes, index: int, count: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether `path` leads from the leaf hash at `index` of `count` to `root` (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < count:
        return False
    last, node, rest = count - 1, leaf, list(path)
    while last:
        if index & 1 or index < last:
            if not rest:
                return False
            sibling = rest.pop(0)
            node = _node(sibling, node) if index & 1 else _node(node, sibling)
        index >>= 1
        last >>= 1
    return not rest and node == root
