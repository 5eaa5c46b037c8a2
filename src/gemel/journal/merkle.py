"""Merkle trees as in RFC 6962, section 2.1: root, inclusion proofs, and the peaks that stand for a prefix of leaves."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

__all__ = [
    "EMPTY_ROOT",
    "inclusion_path",
    "leaf_hash",
    "levels_of",
    "peaks_of",
    "root_of",
    "root_of_peaks",
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


def root_of_peaks(peaks: Sequence[bytes], count: int, leaves: Sequence[bytes]) -> bytes:
    """The root over `count` leaves known only by their peaks, followed by `leaves` known by their hashes."""
    heights = [height for height in range(count.bit_length() - 1, -1, -1) if count >> height & 1]
    stack = list(zip(heights, peaks, strict=True))
    for leaf in leaves:
        height = 0
        while stack and stack[-1][0] == height:
            leaf = _node(stack.pop()[1], leaf)
            height += 1
        stack.append((height, leaf))
    if not stack:
        return EMPTY_ROOT
    root = stack.pop()[1]
    while stack:
        root = _node(stack.pop()[1], root)
    return root


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
