"""Rows of a list, CSV or a sheet of a workbook, by the headings of its columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from gemel.errors import InvalidInput
from gemel.thread.importing.found import Given
from gemel.workbooks import MOST_ROWS, WORKBOOKS, read_sheet

__all__ = ["Column", "Table"]

Column = str | tuple[str, ...]
"""A heading, or several of which the list has one."""


class Table:
    """The rows below the first one, which has the headings."""

    def __init__(self, given: Given, sheet: str) -> None:
        """`sheet`: of a workbook; empty: the first one. Raises InvalidInput."""
        self._rows = _of_workbook(given, sheet) if given.path.suffix.lower() in WORKBOOKS else _of_text(given)
        self.first, self.heading = next(self._rows, ("", []))
        self._columns = {_text(told).casefold(): at for at, told in enumerate(self.heading)}

    def __iter__(self) -> Iterator[tuple[str, list[Any]]]:
        """(place, cells) of the rows that are not empty. Raises InvalidInput."""
        return ((place, row) for place, row in self._rows if any(_text(told) for told in row))

    def has(self, column: Column) -> bool:
        return self._at(column) is not None

    def needs(self, column: Column) -> None:
        """Raises InvalidInput where there is no such column."""
        if not self.has(column):
            names = (column,) if isinstance(column, str) else column
            told = ", ".join(_text(one) for one in self.heading) or "nothing"
            raise InvalidInput(
                f"there is no column {' or '.join(map(repr, names))}; the first row ({self.first}) has {told}"
            )

    def cell(self, row: list[Any], column: Column) -> str:
        """What a row says there, as text; empty: nothing."""
        at = self._at(column)
        return _text(row[at]) if at is not None and at < len(row) else ""

    def _at(self, column: Column) -> int | None:
        names = (column,) if isinstance(column, str) else column
        return next((at for name in names if (at := self._columns.get(name.casefold())) is not None), None)


def _text(told: Any) -> str:
    if isinstance(told, float) and told.is_integer():
        told = int(told)  # a spreadsheet has no whole numbers
    if isinstance(told, date | datetime):
        return told.isoformat()
    return "" if told is None else str(told).strip()


def _of_text(given: Given) -> Iterator[tuple[str, list[Any]]]:
    data = given.data()
    if b"\0" in data:
        raise InvalidInput("this is no text; save it as CSV in UTF-8, or as a workbook (.xlsx)")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInput(
            f"line {line} has {data[error.start : error.start + 1]!r}, which is no UTF-8; save it as CSV in UTF-8"
        ) from None
    try:
        form = csv.Sniffer().sniff(text[:16384], delimiters=",;\t|")
        # Only that: what is within quotes it guesses of the first rows alone.
        told: dict[str, Any] = {"delimiter": form.delimiter, "skipinitialspace": form.skipinitialspace}
    except csv.Error:
        told = {}
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, **told)
    try:
        for row in reader:
            if reader.line_num > MOST_ROWS:
                raise InvalidInput(f"there are more than {MOST_ROWS:,} rows; split the list")
            yield f"line {reader.line_num}", list(row)
    except csv.Error as error:
        raise InvalidInput(f"line {reader.line_num}: {error}") from error


def _of_workbook(given: Given, name: str) -> Iterator[tuple[str, list[Any]]]:
    sheet = read_sheet(given.path, name)
    for number, row in enumerate(sheet.rows, sheet.first):
        yield f"sheet {sheet.name} row {number}", row
