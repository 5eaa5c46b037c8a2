"""Export: readings as CSV, Parquet or an Arrow stream, piece by piece, so that years need no more memory than a day."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from gemel.errors import InvalidInput
from gemel.history.points import Past
from gemel.history.subject import decode
from gemel.twin import Form, Kind, Quality

__all__ = ["Progress", "export"]

Progress = Callable[[float], None]
"""Called with the part that is done, 0 to 1."""

_MOMENT = pa.timestamp("us", tz="UTC")
_QUALITIES = pa.array([quality.name.lower() for quality in Quality])
_COLUMNS = ("twin", "property", "time", "number", "integer", "text", "unit", "quality", "recorded", "position")


def export(
    pasts: Sequence[Past],
    start: int,
    end: int,
    target: Path | BinaryIO,
    *,
    format: str = "csv",  # noqa: A002 - what callers write
    progress: Progress | None = None,
) -> int:
    """Write every reading with time in [start, end): one row each, property by property, by rising time.

    Columns: twin, property, time, then the value in the one of number, integer and text that it is (arrays and
    conditions as JSON text), unit, quality, recorded, position. Returns the number of rows. A file appears at `target`
    only when it is whole. Raises InvalidInput for another format than csv, parquet, arrow.
    """
    if format not in ("csv", "parquet", "arrow"):
        raise InvalidInput(f"{format!r:.20} is not an export format; use csv, parquet or arrow")
    if isinstance(target, Path):
        aside = target.with_name(target.name + ".part")
        try:
            with aside.open("wb") as out:
                rows = _write(pasts, start, end, out=out, kind=format, progress=progress)
            aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)
        return rows
    return _write(pasts, start, end, out=target, kind=format, progress=progress)


def _write(pasts: Sequence[Past], start: int, end: int, *, out: BinaryIO, kind: str, progress: Progress | None) -> int:
    count = 0
    writer: Any
    with _writer(out, kind) as writer:
        for done, past in enumerate(pasts):
            for table in _pieces(past, start, end):
                writer.write_table(table)
                count += table.num_rows
                if progress:
                    reached = pc.max(table.column("time")).cast(pa.int64()).as_py()
                    progress((done + (reached - start) / (end - start)) / len(pasts))
            if progress:
                progress((done + 1) / len(pasts))
    return count


def _writer(out: BinaryIO, kind: str) -> AbstractContextManager[Any]:
    if kind == "csv":
        return pa_csv.CSVWriter(out, _schema())  # type: ignore[no-any-return]  # pyarrow has no types
    if kind == "parquet":
        return pq.ParquetWriter(out, _schema(), compression="zstd")  # type: ignore[no-any-return]  # pyarrow has no types
    return pa.ipc.new_stream(out, _schema())  # type: ignore[no-any-return]  # pyarrow has no types


def _schema() -> pa.Schema:
    types = [pa.string(), pa.string(), _MOMENT, pa.float64(), pa.int64(), pa.large_string(), pa.string(), pa.string()]
    return pa.schema(list(zip(_COLUMNS, [*types, _MOMENT, pa.int64()], strict=True)))


def _pieces(past: Past, start: int, end: int) -> Iterator[pa.Table]:
    subject, form = past.subject, past.form
    for points in past.chunks(start, end):
        rows, n = points.rows, len(points)
        values: dict[str, pa.Array] = {
            "number": pa.nulls(n, pa.float64()),
            "integer": pa.nulls(n, pa.int64()),
            "text": pa.nulls(n, pa.large_string()),
        }
        if form is Form.NUMBER:
            values["number"] = rows.value
        elif form is Form.INTEGER:
            values["integer"] = rows.value
        else:
            values["text"] = _texts(rows.value, subject.property.kind)
        columns = {
            "twin": pa.repeat(subject.twin, n),
            "property": pa.repeat(subject.property.name, n),
            "time": pa.array(rows.time).cast(pa.timestamp("us")).cast(_MOMENT),
            **values,
            "unit": pa.repeat(subject.property.unit, n),
            "quality": _QUALITIES.take(pa.array(rows.quality.astype(np.int64))),
            "recorded": pa.array(rows.recorded).cast(pa.timestamp("us")).cast(_MOMENT),
            "position": pa.array(rows.position),
        }
        yield pa.table([columns[name] for name in _COLUMNS], schema=_schema())


def _texts(value: pa.Array, kind: Kind) -> pa.Array:
    if kind is Kind.ARRAY:
        listed = [None if v is None else msgspec.json.encode(decode(v, kind)).decode() for v in value.to_pylist()]
        return pa.array(listed, pa.large_string())
    return value
