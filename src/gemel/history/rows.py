"""Rows of one reading table in memory: what the tail holds and what queries answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gemel.history.order import filing_order
from gemel.twin import VALUE_TYPES, Block, Form, Frame

__all__ = ["Rows"]

_MOMENT = pa.timestamp("us")


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """n readings of one form as columns.

    series, time, recorded, position   int64[n]; moments in microseconds since the epoch, UTC
    value                              pa.Array[n] of VALUE_TYPES[form], null where unavailable
    quality                            uint8[n]
    """

    form: Form
    series: NDArray[np.int64]
    time: NDArray[np.int64]
    recorded: NDArray[np.int64]
    value: pa.Array
    quality: NDArray[np.uint8]
    position: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.series)

    @property
    def size(self) -> int:
        """Bytes that they take in memory."""
        return 33 * len(self.series) + int(self.value.nbytes)

    @classmethod
    def empty(cls, form: Form) -> Rows:
        none = np.zeros(0, np.int64)
        return cls(form, none, none, none, pa.array([], VALUE_TYPES[form]), np.zeros(0, np.uint8), none)

    @classmethod
    def of_frame(cls, frame: Frame, block: Block) -> Rows:
        """The rows of one frame of `block`."""
        return cls(
            form=frame.form,
            series=frame.series,
            time=frame.time,
            recorded=np.full(len(frame), block.recorded, np.int64),
            value=frame.value,
            quality=frame.quality,
            position=frame.ordinal.astype(np.int64) + block.first,
        )

    @classmethod
    def of_arrow(cls, form: Form, table: pa.Table) -> Rows:
        """The rows of a table with the columns series, time, recorded, value, quality, position."""

        def ints(name: str) -> NDArray[Any]:
            column = table.column(name)
            if pa.types.is_timestamp(column.type):
                column = column.cast(_MOMENT).cast(pa.int64())
            array: NDArray[Any] = column.to_numpy()
            return array

        value = table.column("value").combine_chunks()
        if isinstance(value, pa.ChunkedArray):  # some versions answer a chunked array of one chunk
            value = pa.concat_arrays(value.chunks) if value.num_chunks else pa.array([], VALUE_TYPES[form])
        return cls(
            form=form,
            series=ints("series"),
            time=ints("time"),
            recorded=ints("recorded"),
            value=value.cast(VALUE_TYPES[form]),
            quality=ints("quality").astype(np.uint8, copy=False),
            position=ints("position"),
        )

    @classmethod
    def concat(cls, form: Form, parts: Sequence[Rows]) -> Rows:
        """All rows of `parts`, in their order."""
        parts = [part for part in parts if len(part)]
        if not parts:
            return cls.empty(form)
        if len(parts) == 1:
            return parts[0]
        return cls(
            form=form,
            series=np.concatenate([part.series for part in parts]),
            time=np.concatenate([part.time for part in parts]),
            recorded=np.concatenate([part.recorded for part in parts]),
            value=pa.concat_arrays([part.value for part in parts]),
            quality=np.concatenate([part.quality for part in parts]),
            position=np.concatenate([part.position for part in parts]),
        )

    def take(self, index: NDArray[Any]) -> Rows:
        """The rows at `index` (ints or a mask)."""
        if index.dtype == np.bool_:
            index = np.flatnonzero(index)
        if len(index) == 0:
            return Rows.empty(self.form)
        return Rows(
            form=self.form,
            series=self.series[index],
            time=self.time[index],
            recorded=self.recorded[index],
            value=self.value.take(pa.array(index)),
            quality=self.quality[index],
            position=self.position[index],
        )

    def ordered(self) -> Rows:
        """By series, time, position: the order in which one reading supersedes another."""
        index = np.lexsort((self.position, self.time, self.series))
        if np.array_equal(index, np.arange(len(index))):
            return self
        return self.take(index)

    def filed(self) -> Rows:
        """In the order of files (tables.SORT); rows that are equal in it stay as they came."""
        index = filing_order(self.series, self.time)
        return self if index is None else self.take(index)

    def latest(self) -> Rows:
        """The newest row of each series: greatest time, then greatest position."""
        if len(self) == 0:
            return self
        index = np.lexsort((self.position, self.time, self.series))
        series = self.series[index]
        last = np.append(series[1:] != series[:-1], True)
        return self.take(index[last])

    def to_arrow(self) -> pa.Table:
        """A table as the lake's: series, time, recorded, value, quality, position; numbers are not copied."""
        return pa.table(
            {
                "series": pa.array(self.series),
                "time": pa.array(self.time).view(_MOMENT),
                "recorded": pa.array(self.recorded).view(_MOMENT),
                "value": self.value,
                "quality": pa.array(self.quality),
                "position": pa.array(self.position),
            }
        )

    def numbers(self) -> NDArray[np.float64]:
        """The values as float64[n], NaN where there is none; only for number and integer rows."""
        value = self.value
        if self.form is Form.INTEGER:
            value = pc.cast(value, pa.float64(), safe=False)
        array: NDArray[np.float64] = value.to_numpy(zero_copy_only=False)
        return array
