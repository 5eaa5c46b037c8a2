"""Recomputing every hash of a journal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gemel.errors import Corrupt
from gemel.journal.base import Head, Progress, Verification, Witness
from gemel.journal.codec import GENESIS, Row, check_row

__all__ = ["verify_rows"]


def verify_rows(
    rows: Iterable[Row], witnesses: Sequence[Witness], head: Head, progress: Progress | None = None
) -> Verification:
    """Check rows from the first on: each follows the one before it, and its content gives its hashes.

    `head` is where the journal was when the rows began to be read; a witness beyond it says that blocks were removed.
    """
    seen = {witness.sequence: witness for witness in witnesses}
    previous, position, witnessed, done = GENESIS, 0, 0, 0
    for row in rows:
        try:
            if row.sequence != done + 1 or row.first != position + 1:
                raise Corrupt(f"block {done + 1} at position {position + 1} is missing")
            check_row(row, previous)
            witness = seen.pop(row.sequence, None)
            if witness is not None:
                if witness.hash != row.hash:
                    raise Corrupt(f"block {row.sequence} is not the one that {witness.party} witnessed")
                witnessed = row.first + row.count - 1
        except Corrupt as error:
            return Verification(done, position, done + 1, error.detail, witnessed)
        previous, position, done = row.hash, row.first + row.count - 1, row.sequence
        if progress is not None:
            progress(done, head.sequence)
    if done < head.sequence:
        return Verification(done, position, done + 1, f"the journal should reach block {head.sequence}", witnessed)
    if seen:
        missing = min(seen)
        reason = f"{seen[missing].party} witnessed block {missing}, but the journal ends at {done}: blocks were removed"
        return Verification(done, position, done + 1, reason, witnessed)
    return Verification(done, position, witnessed=witnessed)
