"""CSV and Parquet files of readings, row by row, in their own order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from gemel.clock import SECOND, parse_time
from gemel.errors import InvalidInput, InvalidTime

__all__ = ["Row", "TableColumns", "read_rows"]

Row = tuple[int, list[tuple[str, str]]]
"""(time, [(item, value as text)])."""


@dataclass(frozen=True, slots=True)
class TableColumns:
    """Which column says what. With `item`, a row is one reading; without, every other column is a quantity."""

    time: str = "time"
    item: str = ""
    value: str = "value"


def read_rows(paths: Iterable[Path], columns: TableColumns) -> Iterator[Row]:
    """The rows of the files, one file after the other; empty cells are left out.

    Raises InvalidInput for a file that cannot be read or lacks a column, and for a time that cannot be read.
    """
    for path in paths:
        try:
            for batch in _batches(path):
                yield from _rows(batch, columns, path)
        except (pa.ArrowInvalid, OSError) as error:
            raise InvalidInput(f"{path} cannot be read: {error!s:.300}") from error


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    if path.suffix == ".parquet":
        with pyarrow.parquet.ParquetFile(path) as file:
            yield from file.iter_batches()
        return
    with pa.OSFile(str(path)) as raw:  # as text throughout: the kind of the property says how it is read
        head = pa.CompressedInputStream(raw, "gzip") if path.suffix == ".gz" else raw
        names = _header(head)
    convert = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True)
    with pyarrow.csv.open_csv(path, convert_options=convert) as reader:
        yield from reader


def _header(stream: Any) -> list[str]:
    head = stream.read(65_536).decode(errors="replace").partition("\n")[0]
    return [name.strip().strip('"') for name in head.strip("\ufeff\r").split(",")]


def _rows(batch: pa.RecordBatch, columns: TableColumns, path: Path) -> Iterator[Row]:
    names = batch.schema.names
    for wanted in filter(None, (columns.time, columns.item, columns.value if columns.item else "")):
        if wanted not in names:
            raise InvalidInput(f"{path} has no column {wanted!r}; it has {', '.join(names)[:300]}")
    times = batch.column(columns.time)
    if pa.types.is_timestamp(times.type):
        times = times.cast(pa.timestamp("us", tz=times.type.tz), safe=False).cast(pa.int64())
        moments = times.to_pylist()
    else:
        moments = [_moment(told, path) for told in times.to_pylist()]
    quantities = [name for name in names if name != columns.time]
    data = {name: batch.column(name).to_pylist() for name in quantities}
    for at, time in enumerate(moments):
        if time is None:
            raise InvalidInput(f"{path} has a row without a time in column {columns.time!r}")
        if columns.item:
            told = data[columns.value][at]
            yield time, [(str(data[columns.item][at]), _text(told))] if told is not None else []
        else:
            yield time, [(name, _text(data[name][at])) for name in quantities if data[name][at] is not None]


def _moment(told: object, path: Path) -> int | None:
    if told is None:
        return None
    if isinstance(told, int | float):
        return round(told * SECOND)
    text = str(told)
    try:
        return round(float(text) * SECOND)
    except ValueError:
        pass
    try:
        return parse_time(text if text[-1:] in "Zz" or "+" in text[10:] or "-" in text[10:] else text + "Z")
    except InvalidTime as error:
        raise InvalidInput(f"{path}: {error.detail}") from None


def _text(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value)
