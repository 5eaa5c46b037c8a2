"""Whole logs as columns, quickly: the earlier days of a machine as history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gemel.connectors.mtconnect.items import Item, ItemTable, LineReader
from gemel.connectors.mtconnect.shdr import TimeReader
from gemel.connectors.mtconnect.values import UNAVAILABLE
from gemel.connectors.recordings import read_lines
from gemel.errors import InvalidTime
from gemel.intake import Reported
from gemel.registry import Directory
from gemel.twin import Binding, Kind, PropertyType, Quality, Scale
from gemel.units import affine

__all__ = ["readings_of_log"]

BATCH_ROWS = 200_000
_TIME = pa.timestamp("us", tz="UTC")
_CONDITION = pa.struct([(name, pa.string()) for name in ("level", "code", "severity", "qualifier", "text")])
_VECTORS = {Kind.NUMBER, Kind.INTEGER, Kind.TEXT, Kind.ENUMERATION}


def readings_of_log(
    paths: Path | Iterable[Path],
    bindings: Sequence[Binding],
    directory: Directory,
    *,
    device: str = "",
    shift: int = 0,
    refused: Counter[str] | None = None,
) -> Iterator[pa.RecordBatch]:
    """The readings of SHDR logs, for `intake.submit_frame`: batches of up to 200,000 rows.

    Columns: twin, property (dictionary<utf8>), time (timestamp[us, UTC]; `shift` microseconds are added), value
    (float64, int64, utf8, list<float64> or the struct of a condition: one kind a batch), quality (uint8). Values are in
    the properties' units. Within a series the order is the log's. `refused` counts lines by reason, and items that no
    binding names as `no binding for item X`. Raises InvalidInput for a file that cannot be read.
    """
    files = [paths] if isinstance(paths, Path) else list(paths)
    counted: Counter[str] = Counter() if refused is None else refused
    columns = _Columns(bindings, directory, device, shift)
    for number, line in enumerate(read_lines(files), 1):
        columns.add(line)
        if number % BATCH_ROWS == 0:
            yield from columns.take()
    yield from columns.take()
    rejected, unbound = columns.reader.take_refused()
    counted.update(reason for reason, _ in rejected)
    counted.update({f"no binding for item {name}": count for name, count in unbound.items()})


class _Plain:
    """Rows of items whose values are told as plain text of one kind."""

    __slots__ = ("code", "text", "time")

    def __init__(self) -> None:
        self.code: list[int] = []
        self.time: list[int] = []
        self.text: list[str] = []

    def add(self, code: int, time: int, text: str) -> None:
        self.code.append(code)
        self.time.append(time)
        self.text.append(text)


class _Columns:
    """Collects lines, and makes batches of them."""

    def __init__(self, bindings: Sequence[Binding], directory: Directory, device: str, shift: int) -> None:
        self._directory = directory
        self._shift = shift
        self._time_of = TimeReader(lambda: 0)
        plain = [msgspec.structs.replace(binding, scale=None) for binding in bindings]  # scaled as columns, below
        self._table = ItemTable(plain, self._kind, device)
        self.reader = LineReader(self._table, lambda: 0, time_of=self._time_of)
        self._items = list(dict.fromkeys(self._table.items.values()))
        self._code = {item: code for code, item in enumerate(self._items)}
        self._rows: dict[Kind, _Plain] = {kind: _Plain() for kind in _VECTORS}
        self._odd: list[Reported] = []
        self._place = {
            name: (self._rows[kind], self._code[item])
            for name, item in self._table.items.items()
            if item.plain and (kind := self._kind(item.twin, item.property)) in _VECTORS
        }
        self._twins = pa.array([item.twin for item in self._items], pa.string())
        self._names = pa.array([item.property for item in self._items], pa.string())
        scales = {(binding.twin, binding.property): binding.scale for binding in bindings}
        self._maps = [self._map_of(item, scales[item.twin, item.property]) for item in self._items]
        self._vector = {
            (item.twin, item.property): (self._rows[kind], code)
            for item, code in self._code.items()
            if (kind := self._kind(item.twin, item.property)) in _VECTORS
        }

    def add(self, line: str) -> None:
        fields = line.split("|")
        place = self._place.get(fields[1]) if len(fields) == 3 else None
        if place is not None and "\\|" not in line:
            try:
                time = self._time_of(fields[0])
            except InvalidTime:
                pass  # the reader says why
            else:
                place[0].add(place[1], time, fields[2])
                return
        for message in self.reader.read((line,)):
            for row in message.readings:
                vector = self._vector.get((row.twin, row.property))
                if vector is None:
                    self._odd.append(row)
                else:  # in the order of its series
                    text = UNAVAILABLE if row.value is None else str(row.value)
                    vector[0].add(vector[1], row.time or 0, text)

    def take(self) -> Iterator[pa.RecordBatch]:
        """Batches of what was added since the last time."""
        for kind, rows in self._rows.items():
            if rows.code:
                yield from self._plain(kind, rows)
                self._rows[kind].code, self._rows[kind].time, self._rows[kind].text = [], [], []
        yield from self._others()

    def _plain(self, kind: Kind, rows: _Plain) -> Iterator[pa.RecordBatch]:
        codes, times = np.array(rows.code, np.int64), np.array(rows.time, np.int64)
        text = pc.utf8_trim_whitespace(pa.array(rows.text, pa.string()))
        missing = pc.equal(pc.ascii_upper(text), UNAVAILABLE)
        text = pc.if_else(missing, pa.scalar(None, pa.string()), text)
        if kind in (Kind.TEXT, Kind.ENUMERATION):
            yield self._batch(codes, times, text)
            return
        wrong = pc.invert(pc.fill_null(pc.match_substring_regex(text, _NUMERIC), True)).to_numpy(zero_copy_only=False)
        if wrong.any():  # what is no number goes as text: the intake refuses it with the reason
            yield self._batch(codes[wrong], times[wrong], text.filter(pa.array(wrong)))
            text, codes, times = text.filter(pa.array(~wrong)), codes[~wrong], times[~wrong]
        values = text.cast(pa.float64())
        yield self._batch(codes, times, self._mapped(codes, values))

    def _mapped(self, codes: NDArray[np.int64], values: pa.Array) -> pa.Array:
        """In the properties' units."""
        used = set(np.unique(codes).tolist())
        if all(self._maps[code] is None for code in used):
            return values
        told = [(1.0, 0.0) if (m := self._maps[code]) is None else m for code in range(len(self._items))]
        table = np.array(told, dtype=np.float64)
        return pc.add(pc.multiply(values, pa.array(table[codes, 0])), pa.array(table[codes, 1]))

    def _others(self) -> Iterator[pa.RecordBatch]:
        """Conditions, arrays and the like: few, so one by one, of one type a batch."""
        rows, self._odd = self._odd, []
        groups: dict[pa.DataType, list[Reported]] = {}
        types: dict[tuple[str, str], pa.DataType] = {}
        for row in rows:
            type_ = _type_of(row.value)
            if type_ is None:  # unavailable: with the others of its series, so that their order stays
                type_ = types.get((row.twin, row.property), pa.string())
            types[row.twin, row.property] = type_
            groups.setdefault(type_, []).append(row)
        code_of = {(item.twin, item.property): code for item, code in self._code.items()}
        for type_, members in groups.items():
            codes = np.array([code_of[row.twin, row.property] for row in members], np.int64)
            times = np.array([row.time for row in members], np.int64)
            values = [self._converted(code_of[row.twin, row.property], row.value) for row in members]
            yield self._batch(codes, times, pa.array(values, type_))

    def _converted(self, code: int, value: Any) -> Any:
        map_ = self._maps[code]
        return [x * map_[0] + map_[1] for x in value] if map_ is not None and isinstance(value, list) else value

    def _batch(self, codes: NDArray[np.int64], times: NDArray[np.int64], values: pa.Array) -> pa.RecordBatch:
        index = pa.array(codes.astype(np.int32))
        missing = values.is_null().to_numpy(zero_copy_only=False)
        quality = np.where(missing, np.uint8(Quality.UNAVAILABLE), np.uint8(Quality.GOOD)).astype(np.uint8)
        return pa.RecordBatch.from_arrays(
            [
                _dictionary(index, self._twins),
                _dictionary(index, self._names),
                pa.array(times + self._shift).cast(_TIME),
                values,
                pa.array(quality),
            ],
            names=["twin", "property", "time", "value", "quality"],
        )

    def _kind(self, twin: str, property: str) -> Kind | None:
        found = self._property(twin, property)
        return found.kind if found is not None else None

    def _property(self, twin: str, property: str) -> PropertyType | None:
        entry = self._directory.twin(twin)
        ref = entry.properties.get(property) if entry is not None else None
        return ref.property if ref is not None else None

    def _map_of(self, item: Item, scale: Scale | None) -> tuple[float, float] | None:
        """(factor, offset) from the text to the property's unit. Raises InvalidUnit."""
        property = self._property(item.twin, item.property)
        factor, offset = (scale.factor, scale.offset) if scale is not None else (1.0, 0.0)
        if item.unit and property is not None and property.unit and item.unit != property.unit:
            unit = affine(item.unit, property.unit)
            factor, offset = unit[0] * factor, unit[0] * offset + unit[1]
        return None if (factor, offset) == (1.0, 0.0) else (factor, offset)


_NUMERIC = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


def _dictionary(index: pa.Array, names: pa.Array) -> pa.DictionaryArray:
    distinct = names.dictionary_encode()
    return pa.DictionaryArray.from_arrays(distinct.indices.take(index), distinct.dictionary)


def _type_of(value: Any) -> pa.DataType | None:
    if isinstance(value, list):
        return pa.list_(pa.float64())
    if isinstance(value, dict):
        if "level" in value:
            return _CONDITION
        return pa.struct([(k, pa.float64() if isinstance(v, float) else pa.string()) for k, v in value.items()])
    if isinstance(value, bool | int | float):
        return pa.float64()
    return pa.string() if isinstance(value, str) else None
