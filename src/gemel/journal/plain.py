"""Rows of the journal as plain data and back: without the readings, which the history has, but with all that proves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from gemel.journal.codec import Envelope, Row, without_telemetry

__all__ = ["of_plain", "to_plain"]

_BYTES = ("previous", "hash", "root", "peaks", "salts")
_NUMBERS = ("sequence", "first", "count", "recorded", "telemetry")
_pack = msgspec.msgpack.Encoder()
_unpack = msgspec.msgpack.Decoder(Envelope)


def to_plain(row: Row) -> tuple[dict[str, Any], list[str]]:
    """The block's own facts (bytes in hexadecimal), and its changes exactly as they were hashed. Raises Corrupt."""
    envelope = _unpack.decode(without_telemetry(row)[0])
    told: dict[str, Any] = {name: getattr(row, name) for name in _NUMBERS}
    told |= {name: getattr(row, name).hex() for name in _BYTES}
    told["version"] = envelope.v
    told["leaf_salts"] = envelope.salts.hex()
    told["erased"] = [[place, hashed.hex()] for place, hashed in envelope.erased]
    return told, [change.decode() for change in envelope.changes]


def of_plain(told: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """The columns of the block, as after its readings expired: it verifies as before."""
    erased = [(int(place), bytes.fromhex(hashed)) for place, hashed in told["erased"]]
    salts = bytes.fromhex(told["leaf_salts"])
    body = _pack.encode(Envelope(told["version"], {}, [change.encode() for change in changes], salts, erased))
    columns: dict[str, Any] = {name: told[name] for name in _NUMBERS}
    columns |= {name: bytes.fromhex(told[name]) for name in _BYTES}
    return columns | {"expired": told["telemetry"] > 0, "body": body, "checksum": sha256(body).digest()}
