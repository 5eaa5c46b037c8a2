"""One table per twin type: a row per twin, a column per property and generation."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemel.registry import PropertyRef
from gemel.state.cells import CHUNK_BITS, CHUNK_ROWS, Cells
from gemel.twin import Kind

__all__ = ["Column", "Table"]


class Column:
    """A property of a type, in one generation. Chunks come into being with their first reading."""

    __slots__ = ("chunks", "condition", "index", "ref", "rule", "swept", "table")

    def __init__(self, index: int, ref: PropertyRef, table: Table) -> None:
        self.index = index
        """Place in the layout's list of all columns."""
        self.ref = ref
        self.table = table
        self.condition = ref.property.kind is Kind.CONDITION
        self.chunks: list[Cells | None] = []
        self.rule = 0
        """Freshness rule of the cells that no binding brings."""
        self.swept = 0
        """When a sweep last looked who is stale."""

    def cells(self, row: int) -> Cells | None:
        """The cells that row `row` of the table lies in, if it has any yet."""
        chunk = row >> CHUNK_BITS
        if chunk >= len(self.chunks):
            return None
        cells = self.chunks[chunk]
        return cells if cells is not None and (row & (CHUNK_ROWS - 1)) < len(cells) else None

    def position(self, row: int) -> int:
        """The position of a cell; 0 if nothing was reported."""
        cells = self.cells(row)
        return 0 if cells is None else int(cells.position.item(row & (CHUNK_ROWS - 1)))

    def writable(self, chunk: int) -> Cells:
        """The cells of a chunk, to be written under the state's lock, with room for every row of the table."""
        while len(self.chunks) <= chunk:
            self.chunks.append(None)
        rows = self.table.rows_of_chunk(chunk)
        cells = self.chunks[chunk]
        if cells is None:
            cells = Cells(self.ref.form, 0)
        ready = cells.writable(rows, self.rule)
        self.chunks[chunk] = ready
        return ready


class Table:
    """The twins of one type. Rows are given once; a row whose twin left has number 0 and is used again."""

    def __init__(self, index: int, type_id: str) -> None:
        self.index = index
        self.type_id = type_id
        self.numbers: NDArray[np.int64] = np.zeros(16, np.int64)
        """int64[≥ count]: twin number of each row; 0 for a free one. Rows past `count` are not in use."""
        self.count = 0
        self.free: list[int] = []
        self.extra: dict[int, int] = {}
        """Twin number → row, for twins whose home row (see Layout) is in another table."""
        self.columns: dict[int, Column] = {}
        """By property number, all generations."""
        self.current: dict[str, Column] = {}
        """By today's name, today's generation only."""
        self._ids: list[pa.Array] = []

    def rows_of_chunk(self, chunk: int) -> int:
        """How many rows the chunk has now."""
        return max(0, min(CHUNK_ROWS, self.count - (chunk << CHUNK_BITS)))

    def add(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give rows to new twins; returns int64[n] of them."""
        rows = np.empty(len(numbers), np.int64)
        reused = min(len(self.free), len(numbers))
        for i in range(reused):
            rows[i] = self.free.pop()
        fresh = len(numbers) - reused
        rows[reused:] = np.arange(self.count, self.count + fresh)
        self.count += fresh
        size = len(self.numbers)
        while size < self.count:
            size *= 2
        if reused or size > len(self.numbers):  # readers keep the old array; rows past their count they do not see
            grown = np.zeros(size, np.int64)
            grown[: len(self.numbers)] = self.numbers
            self.numbers = grown
        self.numbers[rows] = numbers
        if len(rows):
            del self._ids[int(rows.min()) >> CHUNK_BITS :]
        return rows

    def ids(self, ids_of: Callable[[Iterable[int]], list[str]]) -> pa.ChunkedArray:
        """string[count]: the id of each row's twin; chunks are kept while their rows are the same."""
        chunks = (self.count + CHUNK_ROWS - 1) >> CHUNK_BITS
        for chunk in range(len(self._ids), chunks):
            first = chunk << CHUNK_BITS
            numbers = self.numbers[first : first + self.rows_of_chunk(chunk)]
            self._ids.append(pa.array(ids_of(numbers.tolist()), pa.string()))
        return pa.chunked_array(self._ids, pa.string())

    def drop(self, row: int) -> None:
        """Free a row: its twin is no longer of this type."""
        self.numbers = self.numbers.copy()
        self.numbers[row] = 0
        self.free.append(row)
        for column in self.columns.values():
            if column.cells(row) is not None:
                column.writable(row >> CHUNK_BITS).clear(row & (CHUNK_ROWS - 1), column.rule)

    def rename(self, refs: Iterable[PropertyRef]) -> None:
        """Take today's names and generations from the type."""
        current = {}
        for ref in refs:
            column = self.columns.get(ref.number)
            if column is not None:
                column.ref = ref
                current[ref.property.name] = column
        self.current = current
