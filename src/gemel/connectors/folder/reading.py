"""CSV, JSON lines, Parquet and Arrow files, row by row, in little memory whatever they hold."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import PurePath
from typing import IO, Any, BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from gemel.connectors.columns import Columns, Row
from gemel.connectors.folder.settings import FolderSettings
from gemel.errors import InvalidInput

__all__ = ["FORMS", "form_of", "rows_of"]

FORMS = (".csv", ".jsonl", ".ndjson", ".parquet", ".arrow")
_MOST_LINE = 1 << 20
_MOST_GROUP = 512 << 20
_ROWS = 1_000


def form_of(name: str) -> str:
    """The suffix that says how a file is read; "" for one that is not. Texts may be packed (.csv.gz)."""
    path = PurePath(name.lower())
    if path.suffix == ".gz":
        inner = PurePath(path.stem).suffix
        return f"{inner}.gz" if inner in (".csv", ".jsonl", ".ndjson") else ""
    return path.suffix if path.suffix in FORMS else ""


def rows_of(file: BinaryIO, form: str, settings: FolderSettings, columns: Columns) -> Iterator[tuple[int, Row | str]]:
    """(number, row, or why it is none); numbers are lines of texts, from 1 as editors show them, else rows from 1.

    Raises InvalidInput for a file that cannot be read (any further), or would be too large.
    """
    try:
        if form == ".parquet":
            yield from _parquet(file, settings, columns)
        elif form == ".arrow":
            yield from _arrow(file, settings, columns)
        else:
            packed = form.endswith(".gz")
            with gzip.open(file) if packed else io.BufferedReader(file) as raw:  # type: ignore[type-var]  # both read bytes
                lines = _lines(raw, settings)  # type: ignore[arg-type]  # the same
                yield from _csv(lines, settings, columns) if form.startswith(".csv") else _json(lines)
    except (pa.ArrowException, csv.Error, zlib.error, OSError, EOFError, MemoryError) as error:
        raise InvalidInput(f"the file is damaged: {type(error).__name__}: {error!s:.300}") from None


def _lines(raw: IO[bytes], settings: FolderSettings) -> Iterator[str]:
    size, most = 0, settings.maximum_bytes
    while line := raw.readline(_MOST_LINE + 1):
        size += len(line)
        if len(line) > _MOST_LINE:
            raise InvalidInput(f"a line is longer than {_MOST_LINE} bytes")
        if size > most:
            raise InvalidInput(f"the file has more than {most} bytes, unpacked; see maximum_bytes")
        yield line.decode(settings.encoding, errors="replace")


def _csv(lines: Iterator[str], settings: FolderSettings, columns: Columns) -> Iterator[tuple[int, Row | str]]:
    reader = csv.reader(lines, delimiter=settings.delimiter, strict=True)
    header = [name.strip() for name in next(reader, [])]
    if header:
        header[0] = header[0].removeprefix("\ufeff")
    columns.check(header, "the file")
    for cells in reader:
        if len(cells) > len(header):
            yield reader.line_num, f"{len(cells)} cells; the header has {len(header)}"
        elif cells:
            yield reader.line_num, dict(zip(header, cells, strict=False))


def _json(lines: Iterator[str]) -> Iterator[tuple[int, Row | str]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            yield number, f"not JSON: {error}"
            continue
        yield number, row if isinstance(row, dict) else "not a JSON object"


def _parquet(file: BinaryIO, settings: FolderSettings, columns: Columns) -> Iterator[tuple[int, Row | str]]:
    with pq.ParquetFile(file) as parquet:
        columns.check(parquet.schema_arrow.names, "the file")
        groups = [parquet.metadata.row_group(i).total_byte_size for i in range(parquet.metadata.num_row_groups)]
        if sum(groups) > settings.maximum_bytes or max(groups, default=0) > _MOST_GROUP:
            raise InvalidInput(
                f"unpacked it has {sum(groups)} bytes, {max(groups)} of them in one row group; allowed are "
                f"{settings.maximum_bytes} (maximum_bytes) and {_MOST_GROUP}"
            )
        yield from _batches(parquet.iter_batches(_ROWS, columns=columns.names), settings)


def _arrow(file: BinaryIO, settings: FolderSettings, columns: Columns) -> Iterator[tuple[int, Row | str]]:
    is_file = file.read(6) == b"ARROW1"
    file.seek(0)
    with pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file) as reader:
        columns.check(reader.schema.names, "the file")
        batches = (reader.get_batch(i) for i in range(reader.num_record_batches)) if is_file else reader
        yield from _batches(batches, settings)


def _batches(batches: Iterator[pa.RecordBatch], settings: FolderSettings) -> Iterator[tuple[int, Row | str]]:
    number = size = 0
    for batch in batches:
        size += batch.nbytes
        if size > settings.maximum_bytes:
            raise InvalidInput(f"the file has more than {settings.maximum_bytes} bytes, unpacked; see maximum_bytes")
        batch.validate(full=True)
        for start in range(0, batch.num_rows, _ROWS):
            rows: list[dict[str, Any]] = _micros(batch.slice(start, _ROWS)).to_pylist()
            for row in rows:
                number += 1
                yield number, row


def _micros(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Nanoseconds are cut off: Python's moments have none."""
    fields = [
        pa.field(field.name, pa.timestamp("us", field.type.tz))
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns"
        else field
        for field in batch.schema
    ]
    return batch.cast(pa.schema(fields), safe=False)
