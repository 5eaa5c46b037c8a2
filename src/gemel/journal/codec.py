"""How a block lies in its row: an envelope of Arrow batches and JSON changes, and the hashes over it. Never pickle."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec
import pyarrow as pa

from gemel.errors import Corrupt
from gemel.journal.leaves import hash_leaves
from gemel.journal.merkle import levels_after, levels_of, peaks_of, root_of
from gemel.twin import Block, Change, Form, Frame

__all__ = [
    "GENESIS",
    "Row",
    "block_hash",
    "check_row",
    "contents",
    "levels_of_row",
    "open_row",
    "seal",
    "without_telemetry",
]

GENESIS = bytes(32)
"""The previous hash of a partition's first block."""

VERSION = 1
_CHAIN = struct.Struct(">QQQq")
SMALL_BYTES = 65_536
_READ, _READ_SMALL = pa.ipc.IpcReadOptions(), pa.ipc.IpcReadOptions(use_threads=False)
_WRITE = pa.ipc.IpcWriteOptions(compression="lz4")
_WRITE_SMALL = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)  # threads cost a small batch 50 µs
_changes = msgspec.json.Encoder(order="sorted")
_change = msgspec.json.Decoder(Change)


class Envelope(msgspec.Struct, frozen=True):
    """The body of a block. `frames`: form → Arrow IPC stream of one record batch; `changes`: JSON, one each."""

    v: int
    frames: dict[str, bytes]
    changes: list[bytes]


_pack = msgspec.msgpack.Encoder()
_unpack = msgspec.msgpack.Decoder(Envelope)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of `journal_block`, without its partition."""

    sequence: int
    previous: bytes
    hash: bytes
    root: bytes
    first: int
    count: int
    recorded: int
    telemetry: int
    peaks: bytes
    salts: bytes
    expired: bool
    checksum: bytes
    body: bytes

    def values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def block_hash(previous: bytes, sequence: int, span: tuple[int, int], recorded: int, root: bytes) -> bytes:
    """SHA-256 over the previous hash, sequence, first, count, recorded and root; integers as 8 bytes, big-endian."""
    return sha256(b"gemel.block.1\x00" + previous + _CHAIN.pack(sequence, *span, recorded) + root).digest()


def seal(block: Block, previous: bytes) -> Row:
    """The row of a block that follows `previous`; draws its salts."""
    frames = {form: frame for form, frame in block.frames.items() if len(frame)}
    changes = [_changes.encode(change) for change in block.changes]
    seed = os.urandom(32)
    leaves, telemetry = hash_leaves(frames, changes, seed)
    levels = levels_of(leaves)
    root = root_of(levels)
    body = _pack.encode(Envelope(VERSION, {str(form): _to_ipc(frame) for form, frame in frames.items()}, changes))
    return Row(
        sequence=block.sequence,
        previous=previous,
        hash=block_hash(previous, block.sequence, (block.first, block.count), block.recorded, root),
        root=root,
        first=block.first,
        count=block.count,
        recorded=block.recorded,
        telemetry=telemetry,
        peaks=b"".join(peaks_of(levels, telemetry)),
        salts=seed,
        expired=False,
        checksum=sha256(body).digest(),
        body=body,
    )


def _to_ipc(frame: Frame) -> bytes:
    batch = frame.to_arrow()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(
        sink, batch.schema, options=_WRITE if batch.nbytes > SMALL_BYTES else _WRITE_SMALL
    ) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def _envelope(row: Row) -> Envelope:
    if sha256(row.body).digest() != row.checksum:  # first of all: Arrow is not made for damaged bytes
        raise Corrupt(f"block {row.sequence} of the journal is damaged: its body does not match its checksum")
    try:
        envelope = _unpack.decode(row.body)
    except msgspec.DecodeError as error:
        raise Corrupt(f"block {row.sequence} of the journal cannot be decoded: {error!s:.200}") from error
    if envelope.v != VERSION:
        raise Corrupt(f"block {row.sequence} has version {envelope.v}; this Gemel reads {VERSION}: use a newer one")
    return envelope


def _frames(row: Row, envelope: Envelope) -> dict[Form, Frame]:
    frames = {}
    for name, data in envelope.frames.items():
        try:
            with pa.ipc.open_stream(data, options=_READ if len(data) > SMALL_BYTES else _READ_SMALL) as reader:
                batch = reader.read_next_batch()
            frames[Form(name)] = Frame.from_arrow(Form(name), batch)
        except (pa.ArrowException, ValueError, StopIteration) as error:
            raise Corrupt(f"the {name} frame of block {row.sequence} cannot be read: {error!s:.200}") from error
    return frames


def open_row(row: Row) -> Block:
    """The block of a row; of an expired one, its changes only. Raises Corrupt if it is damaged."""
    envelope = _envelope(row)
    try:
        changes = tuple(_change.decode(change) for change in envelope.changes)
    except msgspec.DecodeError as error:
        raise Corrupt(f"a change of block {row.sequence} cannot be decoded: {error!s:.200}") from error
    return Block(row.sequence, row.first, row.recorded, _frames(row, envelope), changes)


def check_row(row: Row, previous: bytes) -> None:
    """Recompute every hash of a row from its content. Raises Corrupt and says what does not match."""
    if row.previous != previous:
        raise Corrupt(f"block {row.sequence} does not follow the block before it: its previous hash is another's")
    envelope = _envelope(row)
    frames: Mapping[Form, Frame] = _frames(row, envelope)
    root = root_of(levels_of_row(row, frames, envelope.changes))
    if not row.expired:
        count = sum(len(frame) for frame in frames.values()) + len(envelope.changes)
        if count != row.count:
            raise Corrupt(f"block {row.sequence} says it holds {row.count} entries, but holds {count}")
    if root != row.root:
        raise Corrupt(f"the content of block {row.sequence} does not match its root: it was changed")
    if block_hash(previous, row.sequence, (row.first, row.count), row.recorded, root) != row.hash:
        raise Corrupt(f"the hash of block {row.sequence} does not match its content: it was changed")


def contents(row: Row) -> tuple[dict[Form, Frame], list[bytes]]:
    """The frames of a row, and its changes as the bytes that were hashed. Raises Corrupt."""
    envelope = _envelope(row)
    return _frames(row, envelope), envelope.changes


def levels_of_row(row: Row, frames: Mapping[Form, Frame], changes: list[bytes]) -> list[list[bytes]]:
    """The Merkle tree of a row; of an expired one, what is left of it. Raises Corrupt."""
    if not row.expired:
        return levels_of(hash_leaves(frames, changes, row.salts)[0])
    peaks = [row.peaks[at : at + 32] for at in range(0, len(row.peaks), 32)]
    if len(peaks) != row.telemetry.bit_count():
        raise Corrupt(f"block {row.sequence} keeps {len(peaks)} subtree hashes, not {row.telemetry.bit_count()}")
    leaves, _ = hash_leaves({}, changes, row.salts, skip=row.telemetry)
    return levels_after(peaks, row.telemetry, leaves)


def without_telemetry(row: Row) -> tuple[bytes, bytes]:
    """(body, checksum) of a row without its frames; changes, salts and hashes stay, so it still verifies."""
    envelope = _envelope(row)
    body = _pack.encode(Envelope(VERSION, {}, envelope.changes))
    return body, sha256(body).digest()
