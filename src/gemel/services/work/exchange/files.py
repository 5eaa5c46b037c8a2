"""Rows of files that another system leaves, and files of rows for it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import msgspec

from gemel.errors import InvalidInput
from gemel.services.work.exchange.declared import Pull
from gemel.services.work.exchange.mapping import at_path, text_of
from gemel.workbooks import MOST_BYTES, MOST_ROWS, WORKBOOKS, read_sheet

__all__ = ["FORMS", "listed", "rows_of", "written"]

FORMS = (".csv", ".json", ".jsonl", *WORKBOOKS)


def rows_of(path: Path, how: Pull) -> Iterator[tuple[str, Any]]:
    """(place, row) of each; what is no row is its own fault later. Raises InvalidInput for a file that is none."""
    if path.stat().st_size > MOST_BYTES:
        raise InvalidInput(f"it is larger than {MOST_BYTES >> 20} MB; split it")
    suffix = path.suffix.lower()
    if suffix == ".csv":
        yield from _csv(path, how)
    elif suffix in (".json", ".jsonl"):
        yield from _json(path, how, lines=suffix == ".jsonl")
    else:
        yield from _workbook(path, how)


def _csv(path: Path, how: Pull) -> Iterator[tuple[str, Any]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"it is no text in UTF-8 (byte {error.start}); save it as CSV UTF-8") from None
    form: Any = csv.excel
    if not how.delimiter:
        try:
            form = csv.Sniffer().sniff(text[:16384], delimiters=",;\t|")
        except csv.Error:
            form = csv.excel
    reader = csv.reader(io.StringIO(text, newline=""), form, delimiter=how.delimiter or form.delimiter)
    try:
        header = [name.strip() for name in next(reader, [])]
        for cells in reader:
            if reader.line_num > MOST_ROWS:
                raise InvalidInput(f"there are more than {MOST_ROWS:,} rows; split it")
            if any(cells):
                short = len(cells) != len(header)
                yield f"line {reader.line_num}", cells if short else dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise InvalidInput(f"line {reader.line_num}: {error}") from None


def _json(path: Path, how: Pull, *, lines: bool) -> Iterator[tuple[str, Any]]:
    data = path.read_bytes()
    if lines:
        for number, line in enumerate(data.splitlines(), 1):
            if line.strip():
                try:
                    yield f"line {number}", msgspec.json.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    yield f"line {number}", f"not JSON: {error}"
        return
    try:
        told = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"it is not JSON: {error!s:.200}") from None
    yield from listed(told, how.items)


def listed(told: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The rows of an answer. Raises InvalidInput where there is no list."""
    found = at_path(told, path) if path else told
    if not isinstance(found, list):
        raise InvalidInput(f"there is no list{f' at {path}' if path else ''}; say with `items` where it is")
    if len(found) > MOST_ROWS:
        raise InvalidInput(f"there are more than {MOST_ROWS:,} rows at once; ask for pages")
    for number, row in enumerate(found, 1):
        yield f"row {number}", row


def _workbook(path: Path, how: Pull) -> Iterator[tuple[str, Any]]:
    sheet = read_sheet(path, how.sheet)
    rows = sheet.rows
    header = [text_of(name) for name in rows[0]] if rows else []
    for number, cells in enumerate(rows[1:], sheet.first + 1):
        if any(cell not in ("", None) for cell in cells):
            yield f"row {number}", {name: _cell(cell) for name, cell in zip(header, cells, strict=False) if name}


def _cell(cell: Any) -> Any:
    if isinstance(cell, datetime) or not isinstance(cell, date | time):
        return cell
    return datetime.combine(cell, time()) if isinstance(cell, date) else cell.isoformat()


def written(rows: Sequence[Mapping[str, Any]], form: str) -> bytes:
    """Rows as JSON (a list), or as CSV with a column for each name."""
    if form == "json":
        return msgspec.json.format(msgspec.json.encode(rows), indent=2) + b"\n"
    flat = [_flat(row) for row in rows]
    names = list(dict.fromkeys(name for row in flat for name in row))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, names, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(flat)
    return out.getvalue().encode()


def _flat(row: Mapping[str, Any], above: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{above}{name}.")
        else:
            text = text_of(value)
            # what begins so is run by spreadsheets: CWE-1236
            flat[f"{above}{name}"] = f"'{text}" if text[:1] in ("=", "+", "-", "@") and not _number(text) else text
    return flat


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
