"""Frames: readings as columns. The one form on the wire, in the journal, in state and as DuckDB's input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemel.errors import Corrupt
from gemel.twin.reading import Form

__all__ = ["MAX_PROPERTIES", "PROPERTY_BITS", "VALUE_TYPES", "Frame", "series_of", "split_series"]

PROPERTY_BITS = 20
MAX_PROPERTIES = 1 << PROPERTY_BITS

VALUE_TYPES: dict[Form, pa.DataType] = {
    Form.NUMBER: pa.float64(),
    Form.INTEGER: pa.int64(),
    Form.TEXT: pa.large_utf8(),
    Form.ARRAY: pa.large_list(pa.field("item", pa.float64(), nullable=False)),
}


def series_of(twin_number: int, property_number: int) -> int:
    """The id of the series that one property (of one physical type and unit) of one twin is.

    Twins and properties are numbered densely by the registry; no table of series is ever needed. A retyped
    property gets a new number, so its readings are a new series.
    """
    return twin_number << PROPERTY_BITS | property_number


def split_series(series: Any) -> tuple[Any, Any]:
    """(twin number, property number) of a series id, or of an int64 array of them."""
    return series >> PROPERTY_BITS, series & (MAX_PROPERTIES - 1)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Readings of one form, in order of arrival. All columns have the same length n.

    series   int64[n]
    time     int64[n]        microseconds since the epoch, UTC: when the source saw it
    value    pa.Array[n]     of VALUE_TYPES[form]; null where unavailable
    quality  uint8[n]        gemel.twin.Quality
    ordinal  uint32[n]       place within the block across all its frames and changes: position = block.first + ordinal
    """

    form: Form
    series: NDArray[np.int64]
    time: NDArray[np.int64]
    value: pa.Array
    quality: NDArray[np.uint8]
    ordinal: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.series)

    def to_arrow(self) -> pa.RecordBatch:
        """The frame as a record batch; numbers are not copied."""
        return pa.RecordBatch.from_arrays(
            [
                pa.array(self.series),
                pa.array(self.time).cast(pa.timestamp("us", tz="UTC")),
                self.value,
                pa.array(self.quality),
                pa.array(self.ordinal),
            ],
            schema=_schema(self.form),
        )

    @classmethod
    def from_arrow(cls, form: Form, batch: pa.RecordBatch) -> Frame:
        """The frame of a record batch that `to_arrow` made. Raises Corrupt for another schema."""
        if not batch.schema.equals(_schema(form)):
            raise Corrupt(f"a {form} frame has the columns {batch.schema.names}, not those of this version")
        return cls(
            form=form,
            series=batch.column(0).to_numpy(),
            time=batch.column(1).cast(pa.int64()).to_numpy(),
            value=batch.column(2),
            quality=batch.column(3).to_numpy(),
            ordinal=batch.column(4).to_numpy(),
        )


def _schema(form: Form) -> pa.Schema:
    return pa.schema(
        [
            pa.field("series", pa.int64(), nullable=False),
            pa.field("time", pa.timestamp("us", tz="UTC"), nullable=False),
            pa.field("value", VALUE_TYPES[form]),
            pa.field("quality", pa.uint8(), nullable=False),
            pa.field("ordinal", pa.uint32(), nullable=False),
        ]
    )
