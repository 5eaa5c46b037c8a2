"""The recent blocks in memory, so that followers seldom read the database."""

from __future__ import annotations

import threading
from collections import deque

from gemel.twin import Block, Position

__all__ = ["Recent", "size_of"]


def size_of(block: Block) -> int:
    """Bytes a block takes in memory, roughly."""
    frames: int = sum(len(f) * 21 + f.value.get_total_buffer_size() for f in block.frames.values())
    return frames + sum(change.size for change in block.changes) + 500


class Recent:
    """A bounded, contiguous run of the newest blocks. Thread-safe."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._blocks: deque[tuple[Block, int]] = deque()
        self._lock = threading.Lock()

    def add(self, block: Block) -> None:
        size = size_of(block)
        with self._lock:
            self._blocks.append((block, size))
            self._bytes += size
            while self._bytes > self._max_bytes and len(self._blocks) > 1:
                self._bytes -= self._blocks.popleft()[1]

    def clear(self) -> None:
        """Forget them all: what was erased is not to be read from memory. Followers read the database instead."""
        with self._lock:
            self._blocks.clear()
            self._bytes = 0

    def after(self, position: Position) -> list[Block] | None:
        """All blocks that hold something after `position`, or None if memory does not reach back that far."""
        with self._lock:
            if not self._blocks or self._blocks[0][0].first > position + 1:
                return None
            found: list[Block] = []
            for block, _ in reversed(self._blocks):
                if block.last <= position:
                    break
                found.append(block)
        found.reverse()
        return found
