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
from gemel.journal.leaves import SALT_BYTES, hash_leaves, leaf_datas, leaf_series, salts_of
from gemel.journal.merkle import leaf_hash, levels_after, levels_of, peaks_of, root_of
from gemel.twin import PROPERTY_BITS, Block, Change, Form, Frame

__all__ = [
    "GENESIS",
    "Row",
    "block_hash",
    "check_row",
    "contents",
    "open_row",
    "opened",
    "seal",
    "without_telemetry",
    "without_twin",
]

GENESIS = bytes(32)
"""The previous hash of a partition's first block."""

VERSION, ERASED_VERSION = 1, 2
NO_SEED = bytes(32)
ERASED_KIND = "twin.erased"
_CHAIN = struct.Struct(">QQQq")
SMALL_BYTES = 65_536
_READ, _READ_SMALL = pa.ipc.IpcReadOptions(), pa.ipc.IpcReadOptions(use_threads=False)
# zstd: two thirds of what LZ4 leaves, for 20 ns a value more; a small batch would cost more to set it up than it saves
_WRITE = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", compression_level=1))
_WRITE_SMALL = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)  # threads cost a small batch 50 µs
_changes = msgspec.json.Encoder(order="sorted")
_change = msgspec.json.Decoder(Change)


class Envelope(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of a block. `frames`: form → Arrow IPC stream of one record batch; `changes`: JSON, one each.

    Version 2 is of a block of which something was erased. The hashes of its erased leaves are left, but not their
    salts: a value that can be guessed could be tried against them. So the row's seed of all salts is gone, too.
    """

    v: int
    frames: dict[str, bytes]
    changes: list[bytes]
    salts: bytes = b""
    """Version 2: 16 bytes for each leaf there was; zeros for those whose salt is gone."""
    erased: list[tuple[int, bytes]] = []
    """Version 2: (place, hash) of each erased leaf, by rising place."""


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
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]  # pyarrow has no types


def _envelope(row: Row) -> Envelope:
    if sha256(row.body).digest() != row.checksum:  # first of all: Arrow is not made for damaged bytes
        raise Corrupt(f"block {row.sequence} of the journal is damaged: its body does not match its checksum")
    try:
        envelope = _unpack.decode(row.body)
    except msgspec.DecodeError as error:
        raise Corrupt(f"block {row.sequence} of the journal cannot be decoded: {error!s:.200}") from error
    if envelope.v not in (VERSION, ERASED_VERSION):
        raise Corrupt(
            f"block {row.sequence} has version {envelope.v}; this Gemel reads up to {ERASED_VERSION}: use a newer one"
        )
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
    if block_hash(row.previous, row.sequence, (row.first, row.count), row.recorded, row.root) != row.hash:
        raise Corrupt(f"block {row.sequence} of the journal is damaged: its hash does not match what it is made of")
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
    root = root_of(_levels(row, frames, envelope))
    if not row.expired and not envelope.erased:
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


@dataclass(frozen=True, slots=True)
class Opened:
    """What is left of a row: frames, changes as the bytes that were hashed, the tree, and where each leaf stands."""

    frames: dict[Form, Frame]
    changes: list[bytes]
    levels: list[list[bytes]]
    salts: bytes
    """16 bytes for each leaf there was."""
    places: list[int]
    """The place in the tree of each leaf that is left, in order."""


def opened(row: Row) -> Opened:
    """Raises Corrupt."""
    envelope = _envelope(row)
    frames = _frames(row, envelope)
    levels = _levels(row, frames, envelope)
    count, first = len(levels[0]), row.telemetry if row.expired else 0
    gone = {place for place, _ in envelope.erased}
    salts = envelope.salts or salts_of(row.salts, count)
    return Opened(frames, envelope.changes, levels, salts, [at for at in range(first, count) if at not in gone])


def _levels(row: Row, frames: Mapping[Form, Frame], envelope: Envelope) -> list[list[bytes]]:
    """The Merkle tree of a row; of an expired one, what is left of it. Raises Corrupt."""
    skip = row.telemetry if row.expired else 0
    if envelope.v == VERSION:
        leaves, _ = hash_leaves(frames, envelope.changes, row.salts, skip=skip)
    else:
        leaves = _leaves_left(row, leaf_datas(frames, envelope.changes)[0], envelope, skip)
    if not row.expired:
        return levels_of(leaves)
    peaks = [row.peaks[at : at + 32] for at in range(0, len(row.peaks), 32)]
    if len(peaks) != row.telemetry.bit_count():
        raise Corrupt(f"block {row.sequence} keeps {len(peaks)} subtree hashes, not {row.telemetry.bit_count()}")
    return levels_after(peaks, row.telemetry, leaves)


def _leaves_left(row: Row, datas: list[bytes], envelope: Envelope, skip: int) -> list[bytes]:
    """Hashes of all leaves from `skip` on: those that were erased as they were noted, the others of their data."""
    erased, leaves, left = dict(envelope.erased), [], iter(datas)
    for place in range(skip, len(envelope.salts) // SALT_BYTES):
        if (hashed := erased.get(place)) is None:
            salt = envelope.salts[place * SALT_BYTES : (place + 1) * SALT_BYTES]
            hashed = leaf_hash(salt + next(left, b""))
        leaves.append(hashed)
    if next(left, None) is not None:
        raise Corrupt(f"block {row.sequence} holds more than its hashes stand for")
    return leaves


def without_twin(row: Row, number: int, twin: str) -> tuple[dict[str, Any], int] | None:
    """(what to write in the row, how many leaves go) to leave nothing of a twin but hashes; None if nothing is there.

    `number`, `twin`: its number and id. What says that it was erased stays.
    """
    envelope = _envelope(row)
    changes = [_change.decode(change) for change in envelope.changes]
    named = [change.subject == twin and change.kind != ERASED_KIND for change in changes]
    if not any(named) and not envelope.frames:
        return None
    found = opened(row)
    mine = [series >> PROPERTY_BITS == number for series in leaf_series(found.frames)] + named
    if not any(mine):
        return None
    hashes = found.levels[0]
    erased = {place: hashes[place] for place, gone in zip(found.places, mine, strict=True) if gone}
    erased |= dict(envelope.erased)
    salts = bytearray(found.salts)
    for place in [*erased, *(range(row.telemetry) if row.expired else ())]:
        salts[place * SALT_BYTES : (place + 1) * SALT_BYTES] = bytes(SALT_BYTES)
    frames = {}
    for form, frame in found.frames.items():
        batch = frame.to_arrow().filter(pa.array(frame.series >> PROPERTY_BITS != number))
        if batch.num_rows:
            frames[str(form)] = _to_ipc(Frame.from_arrow(form, batch))
    left = [change for change, gone in zip(found.changes, named, strict=True) if not gone]
    body = _pack.encode(Envelope(ERASED_VERSION, frames, left, bytes(salts), sorted(erased.items())))
    return {"body": body, "checksum": sha256(body).digest(), "salts": NO_SEED}, sum(mine)


def without_telemetry(row: Row) -> tuple[bytes, bytes]:
    """(body, checksum) of a row without its frames; changes, salts and hashes stay, so it still verifies."""
    envelope = _envelope(row)
    erased = [one for one in envelope.erased if one[0] >= row.telemetry]
    body = _pack.encode(Envelope(envelope.v, {}, envelope.changes, envelope.salts, erased))
    return body, sha256(body).digest()
