"""How large what comes at once may be, as it is sent and when it is unpacked."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pyarrow as pa

from gemel.errors import InvalidInput

__all__ = ["MAX_BODY_BYTES", "check_declared", "check_size"]

MAX_BODY_BYTES = 32 << 20
"""Larger bodies are refused; send several, or Arrow."""

_DICTIONARY, _BATCH = 2, 3
"""Of the union MessageHeader: DictionaryBatch, RecordBatch."""
_HEADER_TYPE, _HEADER = 1, 2
_BUFFERS, _COMPRESSION = 2, 3
_DATA = 1


def check_size(body: bytes) -> None:
    """Raises InvalidInput for a body that is larger than MAX_BODY_BYTES."""
    if len(body) > MAX_BODY_BYTES:
        raise InvalidInput(
            f"the body has {len(body)} bytes; at most {MAX_BODY_BYTES} are taken at once, so send several"
        )


def check_declared(body: bytes, most: int) -> None:
    """Look how large the messages of an Arrow stream say that they are when they are unpacked, before anything is.

    Compressed buffers begin with their length as int64; a small body may declare (and really hold) more than there is
    memory. Where the buffers lie is in the message's metadata, a flatbuffer: Apache Arrow `Message.fbs`, `Schema.fbs`.
    Raises InvalidInput when all messages together declare more than `most` bytes; pyarrow's own errors for damaged
    streams, struct.error for damaged metadata.
    """
    total = 0
    for message in pa.ipc.MessageReader.open_stream(body):
        total += sum(_sizes(bytes(message.metadata), message.body))
        if total > most:
            raise InvalidInput(f"the body unpacks to more than {most} bytes; send several")


def _sizes(metadata: bytes, body: pa.Buffer | None) -> Iterator[int]:
    """The unpacked length of each compressed buffer of a message; nothing where none are compressed."""
    if body is None:
        return
    table = _u32(metadata, 0)
    kind = _field(metadata, table, _HEADER_TYPE)
    header = _field(metadata, table, _HEADER)
    if kind is None or header is None or metadata[kind] not in (_DICTIONARY, _BATCH):
        return
    batch = header + _u32(metadata, header)
    if metadata[kind] == _DICTIONARY:
        data = _field(metadata, batch, _DATA)
        if data is None:
            return
        batch = data + _u32(metadata, data)
    buffers = _field(metadata, batch, _BUFFERS)
    if buffers is None or _field(metadata, batch, _COMPRESSION) is None:
        return
    vector = buffers + _u32(metadata, buffers)
    content = memoryview(body)
    for place in range(_u32(metadata, vector)):
        offset, length = struct.unpack_from("<qq", metadata, vector + 4 + 16 * place)
        if length >= 8 and 0 <= offset <= len(content) - 8:
            declared = struct.unpack_from("<q", content, offset)[0]
            yield max(declared, 0)  # -1: this one is not compressed


def _u32(data: bytes, at: int) -> int:
    value: int = struct.unpack_from("<I", data, at)[0]
    return value


def _field(data: bytes, table: int, number: int) -> int | None:
    """Where a field of a table lies; None when it has its default."""
    vtable = table - int(struct.unpack_from("<i", data, table)[0])
    size: int = struct.unpack_from("<H", data, vtable)[0]
    if 4 + 2 * number >= size:
        return None
    offset: int = struct.unpack_from("<H", data, vtable + 4 + 2 * number)[0]
    return table + offset if offset else None
