"""What was refused as bytes, as it came, and back: one thing, or a run of readings that were refused for one reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import msgspec
import pyarrow as pa

from gemel.intake.base import Happened, Message, Reported
from gemel.twin import Quality

__all__ = ["FRAME", "MAX_PAYLOAD", "READINGS", "RUN_SCHEMA", "Refusable", "packed", "readings_of", "unpacked"]

Refusable: TypeAlias = Any
"""Reported, Happened, Message, bytes, list[Reported] or a record batch (which has no types to be checked).

A record batch has the columns twin, property (text), time (int64, null: none), value, quality (uint8).
"""
MAX_PAYLOAD = 1 << 20
READINGS, FRAME = "readings", "frame"
RUN_SCHEMA = ["twin", "property", "time", "value", "quality"]
RUN = {READINGS: 2_048, FRAME: 8_192}
"""Readings in one row, at most."""
_encoder = msgspec.msgpack.Encoder()
_decoders: dict[str, Any] = {
    "reading": msgspec.msgpack.Decoder(Reported),
    "event": msgspec.msgpack.Decoder(Happened),
    "message": msgspec.msgpack.Decoder(Message),
    READINGS: msgspec.msgpack.Decoder(list[Reported]),
}
_options = pa.ipc.IpcWriteOptions(compression="zstd")
_qualities = {int(quality): quality for quality in Quality}


def packed(payload: Refusable) -> Iterator[tuple[str, bytes, int, int]]:
    """(form, bytes, their size, readings) of the rows that hold `payload`: several for a long run.

    What MessagePack cannot hold, or what is too long to be kept whole, is kept as raw bytes, its beginning.
    """
    if isinstance(payload, bytes):
        yield "raw", payload[:MAX_PAYLOAD], len(payload), 1
    elif isinstance(payload, Reported | Happened | Message):
        yield _one(payload)
    else:
        yield from _run(payload, READINGS if isinstance(payload, list) else FRAME)


def _one(payload: Reported | Happened | Message) -> tuple[str, bytes, int, int]:
    form = {Reported: "reading", Happened: "event", Message: "message"}[type(payload)]
    try:
        data = _encoder.encode(payload)
        if len(data) <= MAX_PAYLOAD:
            _decoders[form].decode(data)
            return form, data, len(data), 1
    except Exception:  # deep, huge, or not what it says it is
        data = _shallow(payload)
    return "raw", data[:MAX_PAYLOAD], len(data), 1


def _run(payload: Any, form: str) -> Iterator[tuple[str, bytes, int, int]]:
    """Cut into pieces that can be kept whole; what cannot be told together is kept one by one."""
    for at in range(0, len(payload), RUN[form]):
        piece = payload[at : at + RUN[form]]
        if len(piece) == 1 and form == READINGS:
            yield _one(piece[0])
            continue
        data = _told(piece, form)
        if data is not None and len(data) <= MAX_PAYLOAD:
            yield form, data, len(data), len(piece)
        elif len(piece) == 1:
            yield _one(readings_of(piece)[0])
        else:
            half = len(piece) // 2
            yield from _run(piece[:half], form)
            yield from _run(piece[half:], form)


def _told(piece: Any, form: str) -> bytes | None:
    if form == FRAME:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, piece.schema, options=_options) as writer:
            writer.write_batch(piece)
        return bytes(sink.getvalue())
    try:
        data = _encoder.encode(piece)
        _decoders[READINGS].decode(data)
    except Exception:  # one of them is deep, huge, or not what it says it is
        return None
    return data


def _shallow(payload: object) -> bytes:
    try:
        return repr(payload).encode(errors="backslashreplace")
    except Exception as error:  # whatever the caller's objects do
        return f"a {type(payload).__name__} that cannot be shown: {error!s:.200}".encode()


def unpacked(form: str, data: bytes, *, most: int | None = None) -> Any:
    """What `packed` was given; of runs a list of the first `most` readings (None: all)."""
    if not data:
        return data
    if form == FRAME:
        with pa.ipc.open_stream(data) as stream:
            batch = stream.read_next_batch()
        return readings_of(batch if most is None else batch[:most])
    if form not in _decoders:
        return data
    found = _decoders[form].decode(data)
    return found[:most] if form == READINGS else found


def readings_of(batch: pa.RecordBatch) -> list[Reported]:
    """Rows of the columns RUN_SCHEMA one by one."""
    columns: Sequence[list[Any]] = [batch.column(name).to_pylist() for name in batch.schema.names]
    return [
        Reported(twin=twin, property=name, time=time, value=value, quality=_qualities.get(quality, quality))
        for twin, name, time, value, quality in zip(*columns, strict=True)
    ]
