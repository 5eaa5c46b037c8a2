"""Readings as Arrow streams (`POST /ingest`, messages of NATS): twin, property, time, value and perhaps quality."""

from __future__ import annotations

import struct

import pyarrow as pa

from gemel.connectors.sizes import check_declared, check_size
from gemel.errors import InvalidInput

__all__ = ["ARROW", "MAX_BATCH_BYTES", "decode_arrow"]

ARROW = "application/vnd.apache.arrow.stream"
MAX_BATCH_BYTES = 256 << 20
"""Of one record batch, and of all in a compressed stream, when they are unpacked."""

_KEY = pa.dictionary(pa.int32(), pa.utf8())
_TIME = pa.timestamp("us", tz="UTC")


def decode_arrow(body: bytes) -> list[pa.RecordBatch]:
    """All record batches of a stream, checked in full (offsets, UTF-8), as the intake takes them; or none.

    twin, property: text (dictionary or not); time: a timestamp with a time zone, or int64 microseconds since the
    epoch; value: numbers, booleans, text, or lists of numbers; quality: integers 0–3. Raises InvalidInput.
    """
    check_size(body)
    try:
        check_declared(body, MAX_BATCH_BYTES)
        with pa.ipc.open_stream(body) as stream:
            _check(stream.schema)
            return [_as_taken(batch) for batch in stream if batch.num_rows]
    except (
        pa.ArrowException,
        ArithmeticError,
        LookupError,
        MemoryError,
        NotImplementedError,
        OSError,
        TypeError,
        ValueError,
        struct.error,
    ) as error:  # a damaged schema can surface as any of them
        raise InvalidInput(f"the body is not an Arrow IPC stream: {error}"[:500]) from None


def _check(schema: pa.Schema) -> None:
    missing = [name for name in ("twin", "property", "time", "value") if name not in schema.names]
    if missing or len(set(schema.names)) != len(schema.names):
        raise InvalidInput(
            f"the stream has the columns {', '.join(schema.names)}; wanted are twin, property, time, value "
            "and, when there is one, quality"
        )
    for name in ("twin", "property"):
        kind = schema.field(name).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            raise InvalidInput(f"column {name} is {schema.field(name).type}; it must be text")
    time = schema.field("time").type
    if not (pa.types.is_int64(time) or (pa.types.is_timestamp(time) and time.tz)):
        raise InvalidInput(
            f"column time is {time}; it must be a timestamp with a time zone, or int64 microseconds since 1970 in UTC"
        )
    if "quality" in schema.names and not pa.types.is_integer(schema.field("quality").type):
        raise InvalidInput(f"column quality is {schema.field('quality').type}; it must be integers from 0 to 3")


def _as_taken(batch: pa.RecordBatch) -> pa.RecordBatch:
    if batch.nbytes > MAX_BATCH_BYTES:
        raise InvalidInput(f"a record batch has {batch.nbytes} bytes; at most {MAX_BATCH_BYTES} are taken")
    batch.validate(full=True)
    columns = {
        "twin": _key(batch.column("twin")),
        "property": _key(batch.column("property")),
        "time": _time(batch.column("time")),
        "value": batch.column("value"),
    }
    if "quality" in batch.schema.names:
        columns["quality"] = batch.column("quality").cast(pa.uint8())
    for name in ("twin", "property", "time"):
        if columns[name].null_count:
            raise InvalidInput(f"column {name} has {columns[name].null_count} empty places; it must have none")
    return pa.RecordBatch.from_pydict(columns)


def _time(column: pa.Array) -> pa.Array:
    nanoseconds = pa.types.is_timestamp(column.type) and column.type.unit == "ns"
    return column.cast(_TIME, safe=not nanoseconds)  # digits beyond the microsecond are cut off


def _key(column: pa.Array) -> pa.Array:
    return column.cast(_KEY) if pa.types.is_dictionary(column.type) else column.cast(pa.utf8()).dictionary_encode()
