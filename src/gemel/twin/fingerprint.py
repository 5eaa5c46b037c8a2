"""What stands for many cells at once, so that two copies can be compared by one short text.

A cell is (twin, property, value, time, recorded, changed, quality, position); freshness is of the moment, not of the
position, and is left out. The fingerprint is the sum of the cells' BLAKE2b hashes modulo 2^256: one cell more or less
costs one hash, however many there are (Bellare and Micciancio 1997, AdHash). It finds every mistake; it is no proof
against a forger, for which there are the journal's heads.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import msgspec

__all__ = ["Cell", "cell_hash", "fingerprint", "summed_hash"]

Cell = tuple[str, str, Any, int, int, int, int, int]
"""twin, property, value (plain data), time, recorded, changed (microseconds, UTC), quality, position."""

MODULUS = 1 << 256
_encode = msgspec.msgpack.Encoder(enc_hook=str).encode


def cell_hash(cell: Cell) -> int:
    """The number from 0 to 2^256 - 1 that stands for one cell."""
    return int.from_bytes(blake2b(_encode(cell), digest_size=32).digest())


def summed_hash(total: int) -> str:
    """The text of a sum of `cell_hash`es: 64 hexadecimal digits."""
    return f"{total % MODULUS:064x}"


def fingerprint(cells: Iterable[Cell]) -> str:
    """Of cells in any order."""
    return summed_hash(sum(map(cell_hash, cells)))
