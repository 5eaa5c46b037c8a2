"""Columns as the tables that notebooks use: Arrow, pandas, Polars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gemel.errors import MissingExtra

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Tabular"]

_MOMENTS = ("time", "start", "end")


class Tabular:
    """Has `columns`: name → values of one length; time, start and end in microseconds since the epoch, UTC."""

    __slots__ = ()
    columns: dict[str, Any]

    def to_arrow(self) -> pa.Table:
        """The columns as an Arrow table, moments as timestamps with their zone; DuckDB reads it by its variable."""
        import pyarrow as pa

        made = {}
        for name, values in self.columns.items():
            array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
            made[name] = array.cast(pa.int64()).cast(pa.timestamp("us", tz="UTC")) if name in _MOMENTS else array
        return pa.table(made)

    def to_pandas(self) -> Any:
        """The same as a pandas data frame. Raises MissingExtra without pandas."""
        try:
            return self.to_arrow().to_pandas()
        except ModuleNotFoundError as error:
            raise MissingExtra(f"to_pandas needs {error.name}: pip install pandas") from error

    def to_polars(self) -> Any:
        """The same as a Polars data frame. Raises MissingExtra without Polars."""
        try:
            import polars
        except ModuleNotFoundError as error:
            raise MissingExtra("to_polars needs Polars: pip install polars") from error
        return polars.from_arrow(self.to_arrow())
