"""One record, and all that somebody needs to see that it stood in a countersigned record: a small JSON file.

docs/check_proof.py reads it without Gemel.
"""

from __future__ import annotations

import struct
from base64 import b64encode

import msgspec

from gemel.journal import Proof
from gemel.registry import Directory
from gemel.twin import split_series

__all__ = ["FORM", "Evidence", "about", "evidence_of"]

FORM = "gemel.proof.1"


class Leaf(msgspec.Struct, frozen=True, kw_only=True):
    """What is proven: one change, or all readings of one series in one block, byte for byte as it was hashed."""

    data: str
    """base64; docs/concepts/journal.md tells its form."""
    salt: str
    index: int
    leaves: int
    path: list[str]


class BlockPart(msgspec.Struct, frozen=True, kw_only=True):
    """What the hash of the block is made of."""

    previous: str
    sequence: int
    first: int
    count: int
    recorded: int
    root: str


class TreePart(msgspec.Struct, frozen=True, kw_only=True):
    """The way of the block up to the root that is in the head."""

    index: int
    size: int
    path: list[str]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """The file. Hashes are hexadecimal."""

    form: str
    about: str
    """What the record is, in words. Said, not proven: what is proven stands in `leaf`."""
    position: int
    leaf: Leaf
    block: BlockPart
    tree: TreePart
    head: str
    """The signed and countersigned note."""
    keys: list[str]
    """Of who signed and countersigned. Trust those that you know from elsewhere."""


def about(leaf: bytes, directory: Directory) -> str:
    """What a leaf is, in words."""
    if leaf[:1] == b"C":
        change = msgspec.json.decode(leaf[1:], type=_Named)
        return f"{change.kind} of {change.subject}"
    _, _, series, count = struct.unpack_from("<cBqI", leaf)
    twin, property_ = split_series(series)
    entry, ref = directory.entry(twin), directory.property(property_)
    name = f"{entry.id if entry else f'twin {twin}'}.{ref.property.name if ref else f'property {property_}'}"
    return f"{count:,} reading{'' if count == 1 else 's'} of {name}"


class _Named(msgspec.Struct):
    kind: str
    subject: str


def evidence_of(proof: Proof, way: list[bytes], size: int, **told: object) -> Evidence:
    """`way`: of the block in the tree of `size` blocks."""
    leaf = Leaf(
        data=b64encode(proof.data).decode(),
        salt=proof.salt.hex(),
        index=proof.index,
        leaves=proof.leaves,
        path=[one.hex() for one in proof.path],
    )
    block = BlockPart(
        previous=proof.previous.hex(),
        sequence=proof.sequence,
        first=proof.first,
        count=proof.count,
        recorded=proof.recorded,
        root=proof.root.hex(),
    )
    tree = TreePart(index=proof.sequence - 1, size=size, path=[one.hex() for one in way])
    return msgspec.convert({"form": FORM, "leaf": leaf, "block": block, "tree": tree, **told}, Evidence)
