"""CSV that a spreadsheet may open: RFC 4180, and no text in it is taken for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

__all__ = ["csv_of"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""How a text begins that Excel, LibreOffice or Sheets may run (OWASP, CSV injection)."""


def csv_of(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Columns of one length, with a header. Texts that begin like a formula get an apostrophe before them."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows(zip(*([_cell(value) for value in values] for values in columns.values()), strict=True))
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return f"'{text}" if text.startswith(_FORMULA) else text
