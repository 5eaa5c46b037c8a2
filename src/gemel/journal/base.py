"""The journal's contract: what happened, in order, durable, and provably complete."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

from gemel.twin import Block, Position

__all__ = ["Head", "Journal", "Progress", "Run", "Verification", "Witness"]

Progress = Callable[[int, int], None]
"""Called with (blocks done, blocks in all)."""

Run = Callable[[Callable[[Connection], None]], None]
"""Runs a piece of SQL in a write transaction, and returns when that is durable."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a journal: the hash stands for everything up to `position`."""

    sequence: int
    position: Position
    hash: bytes
    recorded: int


@dataclass(frozen=True, slots=True)
class Witness:
    """Another party's word that it saw this head: nothing before it can be changed or removed unseen."""

    sequence: int
    position: Position
    hash: bytes
    party: str
    time: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found."""

    blocks: int
    """Blocks that are as they were written."""
    position: Position
    """Up to here everything is as it was written."""
    damaged: int | None = None
    """Sequence of the first block that is not."""
    reason: str = ""
    witnessed: Position = 0
    """Up to here another party's word holds it; after it only the chain itself does."""

    @property
    def ok(self) -> bool:
        return self.damaged is None


class Journal(Protocol):
    """One partition of the durable, ordered, hash-chained log. One process writes it, on one thread at a time."""

    def append(self, block: Block, *, expected_sequence: int, also: Callable[[Connection], None] | None = None) -> Head:
        """Make all of `block`, and what `also` writes in the same transaction, durable, or none of it.

        Returns after fsync. `expected_sequence` is the head's sequence that the block was built on. Raises
        SequenceConflict if another writer was first, StorageFull if there is no space (it may be tried again),
        StorageFailed if the disk refused; after that this journal takes no more.
        """

    def append_from(self, build: Callable[[Connection], Block], *, expected_sequence: int) -> tuple[Head, Block]:
        """Like `append`, of the block that `build` makes inside the transaction. An empty block is not written,
        but what `build` wrote is committed."""

    def blocks(self, after: Position = 0, until: Position | None = None) -> Iterator[Block]:
        """The blocks that hold positions in (after, until], in order. Expired ones hold their changes only."""

    def head(self) -> Head:
        """Where the journal ends. Sequence and position are 0 when it is empty."""

    def wait(self, position: Position, timeout_s: float) -> bool:
        """Wait until the head is at `position` or later; False when the time ran out."""

    def verify(self, *, progress: Progress | None = None) -> Verification:
        """Recompute every hash from the content, and hold it against the witnesses' heads."""

    def expire(
        self, before: Position, *, recorded: int | None = None, run: Run | None = None, at_most: int | None = None
    ) -> int:
        """Drop the telemetry of blocks that end before `before`; changes, hashes and salts stay. How many blocks.

        `recorded`: only of blocks that were sealed before that moment. `run` does each small portion in the writer's
        own transaction (a second writer would hold it up); without it, in one of ours. About `at_most` blocks.
        """

    def erase(self, number: int, twin: str, *, run: Run | None = None, progress: Progress | None = None) -> int:
        """Leave nothing of a twin but the hashes of what there was; how many leaves went. `verify` still passes.

        Goes through the whole journal, block by block, each in a small transaction of `run`.
        """

    def whole_after(self, position: Position) -> bool:
        """Whether nothing of what came after `position` has expired: who reads on from there misses nothing."""
