"""CSV that a spreadsheet may open: RFC 4180, and no text in it is taken for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from litestar.params import QueryParameter
from litestar.response import Response

from gemel.errors import InvalidInput

__all__ = ["FORM", "as_table", "csv_of", "table"]

FORM = Annotated[
    str, QueryParameter(name="format", max_length=20, description="json, or csv: a table of all, not of a page.")
]

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""How a text begins that Excel, LibreOffice or Sheets may run (OWASP, CSV injection)."""


def csv_of(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Columns of one length, with a header. Texts that begin like a formula get an apostrophe before them."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows(zip(*([_cell(value) for value in values] for values in columns.values()), strict=True))
    return out.getvalue().encode()


def as_table(form: str) -> bool:
    """Whether a `FORM` asks for a table. Raises InvalidInput."""
    if form not in ("json", "csv"):
        raise InvalidInput(f"format={form:.20} is none of json, csv")
    return form == "csv"


def table(name: str, rows: Sequence[Mapping[str, Any]]) -> Response[bytes]:
    """The answer that is saved as a file; rows have the same names."""
    columns = {column: [row[column] for row in rows] for column in (rows[0] if rows else ())}
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(csv_of(columns), media_type="text/csv; charset=utf-8", headers=headers)


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return f"'{text}" if text.startswith(_FORMULA) else text
