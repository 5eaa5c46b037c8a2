"""A computed property of one type, made ready: which cells it reads for each twin, and what comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemel.expression import ARROW, Formula, Kind, Parts
from gemel.state import Readout
from gemel.twin import PROPERTY_BITS, Computed, PropertyType, Quality, quantity

__all__ = ["Gathered", "Program", "Read", "Results", "Source", "Spread"]

_Ints = NDArray[np.int64]
Read = Callable[[_Ints, _Ints], Readout]
_QUALITIES = np.array([quality.name.lower() for quality in sorted(Quality)], np.object_)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One input: the series that it is for each row, and how the row's number becomes one in the formula's unit."""

    name: str
    series: _Ints
    """int64[n]; -1: this row has no such input."""
    scale: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    """(factor, offset) of each row."""


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """The parts of a set, of all rows."""

    name: str
    row: _Ints
    """int64[m], ascending: the row that each part belongs to."""
    part: _Ints
    """int64[m]: twin numbers."""
    sources: tuple[Source, ...]
    is_a: Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """What came out for k rows of a program."""

    series: _Ints
    value: pa.Array
    """In the type of the property's form; null: unknown."""
    time: _Ints
    quality: NDArray[np.uint8]

    def only(self, chosen: NDArray[np.bool_]) -> Results:
        return Results(
            self.series[chosen], self.value.filter(pa.array(chosen)), self.time[chosen], self.quality[chosen]
        )

    def __len__(self) -> int:
        return len(self.series)


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """The inputs of k rows, formula by formula, and what is known of them together."""

    rows: _Ints
    tables: Sequence[tuple[pa.Table, Mapping[str, Parts]]]
    time: _Ints
    """Of the newest input; 0: none was ever reported."""
    quality: NDArray[np.uint8]
    """The worst of those that are known; UNCERTAIN where one is not."""


class Program:
    """A computed property for all twins of its type; immutable."""

    def __init__(
        self,
        type_id: str,
        property_: PropertyType,
        series: _Ints,
        formulas: Sequence[Formula],
        inputs: tuple[Sequence[Sequence[Source]], Sequence[Sequence[Spread]]],
    ) -> None:
        """series: int64[n], ascending: what is computed; inputs: for each formula its sources and its spreads."""
        assert property_.computed is not None
        self.type_id, self.property, self.series = type_id, property_, series
        self.computed: Computed = property_.computed
        self.formulas = formulas
        self.sources, self.spreads = inputs
        self._readers = self._index()

    @property
    def name(self) -> str:
        return f"{self.type_id}.{self.property.name}"

    @property
    def sort(self) -> pa.DataType:
        """What a formula or a function gives for it, before it is fitted to the property's form."""
        told = quantity(self.property)
        return ARROW[told.kind] if told is not None else pa.float64()

    def __len__(self) -> int:
        return len(self.series)

    def _index(self) -> tuple[_Ints, _Ints]:
        """(input series ascending, the row that reads it)."""
        every = np.arange(len(self.series))
        pairs = [(s.series, every) for listed in self.sources for s in listed]
        pairs += [(s.series, spread.row) for listed in self.spreads for spread in listed for s in spread.sources]
        series = np.concatenate([one for one, _ in pairs]) if pairs else np.zeros(0, np.int64)
        rows = np.concatenate([row for _, row in pairs]) if pairs else np.zeros(0, np.int64)
        there = series >= 0
        series, rows = series[there], rows[there]
        order = np.argsort(series, kind="stable")
        return series[order], rows[order]

    def rows_of(self, changed: _Ints) -> _Ints:
        """The rows that read any of these series."""
        series, rows = self._readers
        first, end = np.searchsorted(series, changed, "left"), np.searchsorted(series, changed, "right")
        hit = end > first
        if not hit.any():
            return np.zeros(0, np.int64)
        found = [rows[a:b] for a, b in zip(first[hit].tolist(), end[hit].tolist(), strict=True)]
        return np.unique(np.concatenate(found))

    def inputs_of(self, row: int) -> list[int]:
        """The series that one row reads, each once."""
        return list(self.inputs_of_all(np.array([row])).tolist())

    def inputs_of_all(self, rows: _Ints) -> _Ints:
        """The series that any of these rows reads, each once, ascending."""
        series, readers = self._readers
        return np.unique(series[np.isin(readers, rows)])

    def row_of(self, twin: int) -> int | None:
        """Of a twin by its number."""
        at = np.flatnonzero(self.series >> PROPERTY_BITS == twin)
        return int(at[0]) if len(at) else None

    def signature(self) -> NDArray[np.uint64]:
        """uint64[n]: another number for a row means that it reads other cells."""
        found = np.zeros(len(self.series), np.uint64)
        series, rows = self._readers
        np.add.at(found, rows, _mixed(series))
        for spread in (one for listed in self.spreads for one in listed):
            np.add.at(found, spread.row, _mixed(-spread.part))
        return found

    @property
    def counts(self) -> bool:
        """Whether it goes over parts of which it reads nothing: count(parts)."""
        return any(not spread.sources for listed in self.spreads for spread in listed)

    # --- reading -----------------------------------------------------------------------------------------------

    def gather(self, rows: _Ints, read: Read) -> Gathered:
        """The inputs of k rows, one row perhaps several times; `read(series, at)` gives the cells of m series, at: the
        index in `rows` that each is read for."""
        time, quality = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.uint8)
        every = np.arange(len(rows))
        tables = []
        for formula, sources, spreads in zip(self.formulas, self.sources, self.spreads, strict=True):
            columns: dict[str, Any] = {}
            about = {one.name: one.about for one in formula.expression.inputs}
            for source in sources:
                cells = read(source.series[rows], every)
                _note(cells, every, time, quality)
                scale = None if source.scale is None else (source.scale[0][rows], source.scale[1][rows])
                columns |= _columns(source.name, cells, formula.quantities[source.name].kind, scale)
                columns |= _about(source.name, cells, about[source.name])
            parts = {}
            for spread in spreads:
                chosen, to = _of_rows(spread.row, rows)
                inside: dict[str, Any] = {}
                asked = next(m for m in formula.expression.members if m.name == spread.name)
                about = {one.name: one.about for one in asked.inputs}
                for source in spread.sources:
                    cells = read(source.series[chosen], to)
                    _note(cells, to, time, quality, only=source.series[chosen] >= 0)
                    scale = None if source.scale is None else (source.scale[0][chosen], source.scale[1][chosen])
                    kind = formula.members[spread.name][source.name].kind
                    inside |= _columns(source.name, cells, kind, scale)
                    inside |= _about(source.name, cells, about[source.name])
                    inside[f"has {source.name}"] = pa.array(source.series[chosen] >= 0)
                inside |= {f"is_a {id}": pa.array(mask[chosen]) for id, mask in spread.is_a.items()}
                parts[spread.name] = Parts(to, pa.table({"": pa.nulls(len(to)), **inside}))
            tables.append((pa.table({"": pa.nulls(len(rows)), **columns}), parts))
        return Gathered(rows, tables, time, quality)

    def values(self, gathered: Gathered) -> list[pa.Array]:
        """Of each formula: float64, bool or string[k]."""
        moment = pa.array(gathered.time)
        return [
            formula.evaluate(table, parts, moment=moment)
            for formula, (table, parts) in zip(self.formulas, gathered.tables, strict=True)
        ]


def _mixed(numbers: _Ints) -> NDArray[np.uint64]:
    """Spread over all bits, so that sums of different sets differ."""
    mixed = (numbers.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xBF58476D1CE4E5B9)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def _of_rows(row: _Ints, rows: _Ints) -> tuple[_Ints, _Ints]:
    """(the entries that belong to these rows, the index in `rows` of each); `row` ascends."""
    first = np.searchsorted(row, rows, "left")
    count = np.searchsorted(row, rows, "right") - first
    to = np.repeat(np.arange(len(rows)), count)
    chosen = np.repeat(first - np.cumsum(count) + count, count) + np.arange(int(count.sum()))
    return chosen, to


def _note(
    cells: Readout, to: _Ints, time: _Ints, quality: NDArray[np.uint8], *, only: NDArray[np.bool_] | None = None
) -> None:
    """Newest time and worst quality, row by row."""
    reported = cells.position > 0
    np.maximum.at(time, to[reported], np.maximum(cells.time, cells.stale_since)[reported])
    worst = np.where(cells.known, cells.quality, np.uint8(Quality.UNCERTAIN)).astype(np.uint8)
    if only is not None:
        worst = np.where(only, worst, np.uint8(0)).astype(np.uint8)
    np.maximum.at(quality, to, worst)


def _columns(
    name: str, cells: Readout, kind: Kind, scale: tuple[NDArray[np.float64], NDArray[np.float64]] | None
) -> dict[str, Any]:
    known = cells.known
    if kind is Kind.TEXT:
        return {name: pa.array(cells.text, pa.string(), mask=~known)}
    number = cells.number if scale is None else cells.number * scale[0] + scale[1]
    known = known & ~np.isnan(number)
    if kind is Kind.BOOLEAN:
        return {name: pa.array(number == 1.0, mask=~known)}
    return {name: pa.array(number, mask=~known)}


def _about(name: str, cells: Readout, asked: Iterable[str]) -> dict[str, Any]:
    reported = cells.position > 0
    found: dict[str, Any] = {}
    if "fresh" in asked:
        found[f"{name}__fresh"] = pa.array(reported & (cells.stale_since == 0))
    if "quality" in asked:
        found[f"{name}__quality"] = pa.array(_QUALITIES[cells.quality], pa.string())
    if "age" in asked:
        found[f"{name}__time"] = pa.array(cells.time, mask=~reported)
    return found
