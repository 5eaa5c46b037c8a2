"""Where each series lies: from (twin number, property number) to a column and a row, for one or for many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from gemel.registry import Directory, Entry, PropertyRef
from gemel.state.table import Column, Table
from gemel.twin import MAX_PROPERTIES, PROPERTY_BITS, series_of

__all__ = ["Layout"]


class Layout:
    """All tables, and the arrays that lead into them.

    A twin has a row in the table of each of its types. The row in the first of them to know it is its *home* row,
    found by one array look-up; the others are in the tables' `extra`. Twins, types and properties are added as the
    directory gets to know them. The state's lock guards everything here.
    """

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.tables: list[Table] = []
        self.by_type: dict[str, Table] = {}
        self.columns: list[Column] = []
        self.is_condition: NDArray[np.bool_] = np.zeros(0, np.bool_)
        """By column index."""
        self._column_of: NDArray[np.int32] = np.full(1024, -1, np.int32)  # by property number
        self._table_of: NDArray[np.int32] = np.zeros(0, np.int32)  # by column index
        self._home_table: NDArray[np.int32] = np.full(1024, -1, np.int32)  # by twin number
        self._home_row: NDArray[np.int32] = np.zeros(1024, np.int32)
        self.chunks = 1
        """The largest number of chunks that any table has."""

    # --- getting to know ---------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Know everything that the directory knows."""
        for type_id in self.directory.types:
            self.know_type(type_id)
            self._give_rows(self.by_type[type_id], self.directory.numbers(type_id))

    def know_type(self, type_id: str) -> bool:
        """Make or refresh the table of a type; False if the directory does not know it."""
        if self.directory.type(type_id) is None:
            return False
        table = self.by_type.get(type_id)
        if table is None:
            table = Table(len(self.tables), type_id)
            self.tables.append(table)
            self.by_type[type_id] = table
        refs = self.directory.type_properties(type_id)
        for ref in refs:
            if ref.number not in table.columns:
                self._add_column(ref, table)
        table.rename(refs)
        return True

    def know_new_twins(self, numbers: Iterable[int]) -> None:
        """Give rows to twins that have none yet, all at once."""
        by_type: dict[str, list[int]] = {}
        for number in numbers:
            entry = self.directory.entry(number)
            for type_id in entry.types if entry is not None else ():
                by_type.setdefault(type_id, []).append(number)
        for type_id, listed in by_type.items():
            if type_id in self.by_type or self.know_type(type_id):
                self._give_rows(self.by_type[type_id], np.array(listed, np.int64))

    def know_twin(self, number: int) -> bool:
        """Give the twin a row in the table of each of its types and free those of types it no longer has."""
        entry = self.directory.entry(number)
        if entry is None:
            return False
        for type_id in entry.types:
            if type_id in self.by_type or self.know_type(type_id):
                self._give_rows(self.by_type[type_id], np.array([number], np.int64))
        for table in self.tables:
            if table.type_id not in entry.types and (row := self.row(table, number)) is not None:
                self._free_row(table, number, row)
        return True

    def know_property(self, number: int) -> bool:
        ref = self.directory.property(number)
        if ref is None or not self.know_type(ref.type_id):
            return False
        if self._column_of_one(number) < 0:  # an earlier generation
            self._add_column(ref, self.by_type[ref.type_id])
        return True

    def forget_twin(self, number: int) -> None:
        for table in self.tables:
            if (row := self.row(table, number)) is not None:
                self._free_row(table, number, row)

    def _add_column(self, ref: PropertyRef, table: Table) -> None:
        column = Column(len(self.columns), ref, table)
        self.columns.append(column)
        table.columns[ref.number] = column
        self._table_of = np.append(self._table_of, np.int32(table.index))
        self.is_condition = np.append(self.is_condition, column.condition)
        self._column_of = _grown(self._column_of, ref.number, -1)
        self._column_of[ref.number] = column.index

    def _give_rows(self, table: Table, numbers: NDArray[np.int64]) -> None:
        if not len(numbers):
            return
        top = int(numbers.max())
        self._home_table = _grown(self._home_table, top, -1)
        self._home_row = _grown(self._home_row, top, 0)
        home = self._home_table[numbers]
        away = [int(n) for n in numbers[(home >= 0) & (home != table.index)] if int(n) not in table.extra]
        for number, row in zip(away, table.add(np.array(away, np.int64)) if away else (), strict=True):
            table.extra[number] = int(row)
        fresh = numbers[home < 0]
        if len(fresh):
            self._home_row[fresh] = table.add(fresh)
            self._home_table[fresh] = table.index
        self.chunks = max(self.chunks, (table.count >> 16) + 1)

    def _free_row(self, table: Table, number: int, row: int) -> None:
        table.drop(row)
        if number in table.extra:
            del table.extra[number]
            return
        self._home_table[number] = -1
        for other in self.tables:  # another of its rows becomes the home row
            if (moved := other.extra.pop(number, None)) is not None:
                self._home_table[number], self._home_row[number] = other.index, moved
                return

    # --- finding -----------------------------------------------------------------------------------------------

    def row(self, table: Table, number: int) -> int | None:
        """The twin's row in a table."""
        if number < len(self._home_table) and self._home_table.item(number) == table.index:
            return int(self._home_row.item(number))
        return table.extra.get(number)

    def _column_of_one(self, number: int) -> int:
        return int(self._column_of.item(number)) if number < len(self._column_of) else -1

    def place(self, series: int) -> tuple[Column, int] | None:
        """Column and row of one series; asks the directory about what is new."""
        number, property_number = series >> PROPERTY_BITS, series & (MAX_PROPERTIES - 1)
        index = self._column_of_one(property_number)
        if index < 0:
            if not self.know_property(property_number):
                return None
            index = self._column_of_one(property_number)
        column = self.columns[index]
        row = self.row(column.table, number)
        if row is None and self.know_twin(number):
            row = self.row(column.table, number)
        return None if row is None else (column, row)

    def cells_of(self, entry: Entry) -> Iterator[tuple[Column, int]]:
        """Column and row of each property of a twin as it is today."""
        rows: dict[str, tuple[Table, int | None]] = {}
        for name, ref in entry.properties.items():
            if name != ref.property.name:
                continue  # an earlier name
            if ref.type_id not in rows:
                self.place(series_of(entry.number, ref.number))  # gets to know the twin and the type
                table = self.by_type.get(ref.type_id)
                if table is None:
                    continue
                rows[ref.type_id] = table, self.row(table, entry.number)
            table, row = rows[ref.type_id]
            column = table.columns.get(ref.number)
            if column is not None and row is not None:
                yield column, row

    def types_of(self, series: NDArray[np.int64]) -> set[str]:
        """The types that these series' properties belong to."""
        numbers = np.unique(series & (MAX_PROPERTIES - 1)).tolist()
        refs = (self.directory.property(number) for number in numbers)
        return {ref.type_id for ref in refs if ref is not None}

    def column_and_rows(self, number: int, twins: NDArray[np.int64]) -> tuple[Column, NDArray[np.int64]]:
        """The column of a known property, and the row of each twin in its table (-1: it has none)."""
        column_of, rows = self.places((twins << PROPERTY_BITS) | number)
        return self.columns[self._column_of_one(number)], np.where(column_of < 0, -1, rows).astype(np.int64)

    def places(self, series: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """(column index int32[n], row int32[n]); column -1 where the directory knows no such series."""
        column, row = self._places(series)
        missing = column < 0
        if missing.any():
            for one in np.unique(series[missing]):
                self.place(int(one))
            column, row = self._places(series)
        return column, row

    def _places(self, series: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        twin = series >> PROPERTY_BITS
        property_ = series & (MAX_PROPERTIES - 1)
        column = self._column_of.take(property_, mode="clip")
        column[property_ >= len(self._column_of)] = -1
        known = twin < len(self._home_table)
        home = self._home_table.take(twin, mode="clip")
        row = self._home_row.take(twin, mode="clip")
        if not len(self._table_of):
            column[:] = -1
            return column, row
        elsewhere = np.flatnonzero((home != self._table_of[column]) | ~known)
        for i in elsewhere[column[elsewhere] >= 0]:  # a further type of a twin, or unknown
            other = self.tables[self._table_of[column[i]]].extra.get(int(twin[i]))
            if other is None:
                column[i] = -1
            else:
                row[i] = other
        return column, row


def _grown(array: NDArray[np.int32], top: int, fill: int) -> NDArray[np.int32]:
    if top < len(array):
        return array
    size = len(array)
    while size <= top:
        size *= 2
    grown = np.full(size, fill, np.int32)
    grown[: len(array)] = array
    return grown
