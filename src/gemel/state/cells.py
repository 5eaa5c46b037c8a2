"""The cells of one column in one chunk: up to 65,536 twins' values of one property, with what is known about each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemel.twin import Form, Quality

__all__ = ["CHUNK_BITS", "CHUNK_ROWS", "NEVER", "Cells"]

CHUNK_BITS = 16
CHUNK_ROWS = 1 << CHUNK_BITS
NEVER = np.iinfo(np.int64).min
"""The time of a cell that nothing was ever reported for; older than any moment."""

_FIRST_ROWS = 16
_DTYPES: dict[Form, Any] = {
    Form.NUMBER: np.float64,
    Form.INTEGER: np.int64,
    Form.TEXT: np.object_,
    Form.ARRAY: np.object_,
}
_COLUMNS = ("value", "time", "recorded", "changed", "quality", "position")


class Cells:
    """Columns of equal length n ≤ 65,536; row i of all of them is one twin's cell.

    value     float64, int64 or object[n]; 0 or None where quality is UNAVAILABLE
    time      int64[n]   when the source saw it; NEVER where nothing was reported
    recorded  int64[n]   when we did
    changed   int64[n]   time of the last reading whose value differed from the one before
    quality   uint8[n]
    position  int64[n]   0 where nothing was reported
    rule      int32[n]   freshness rule of each cell, or None when the column's own holds for all

    Only the fold writes, under the state's lock; whoever else keeps a reference calls `hold`, and the fold then
    copies before it writes.
    """

    __slots__ = ("changed", "due", "form", "held", "position", "quality", "recorded", "rule", "time", "value")

    def __init__(self, form: Form, rows: int) -> None:
        self.form = form
        dtype = _DTYPES[form]
        self.value: NDArray[Any] = np.full(rows, None, dtype=dtype) if dtype is np.object_ else np.zeros(rows, dtype)
        self.time: NDArray[np.int64] = np.full(rows, NEVER, np.int64)
        self.recorded: NDArray[np.int64] = np.zeros(rows, np.int64)
        self.changed: NDArray[np.int64] = np.zeros(rows, np.int64)
        self.quality: NDArray[np.uint8] = np.full(rows, Quality.UNAVAILABLE, np.uint8)
        self.position: NDArray[np.int64] = np.zeros(rows, np.int64)
        self.rule: NDArray[np.int32] | None = None
        self.due: int = np.iinfo(np.int64).max
        """No cell that is fresh now can be stale before this moment."""
        self.held = 0
        """How many readers keep these arrays."""

    def __len__(self) -> int:
        return len(self.time)

    def hold(self) -> Cells:
        """Keep the arrays as they are until `held` is counted down again, or for ever; under the state's lock."""
        self.held += 1
        return self

    def writable(self, rows: int, rule: int = 0) -> Cells:
        """These cells, or a copy if a reader holds them or they are fewer than `rows`; `rule` is for new rows."""
        if len(self) >= rows and not self.held:
            return self
        size = max(len(self), _FIRST_ROWS)
        while size < rows:
            size *= 2
        copy = Cells(self.form, size)
        n = len(self)
        for name in _COLUMNS:
            getattr(copy, name)[:n] = getattr(self, name)
        if self.rule is not None:
            copy.rule = np.full(size, rule, np.int32)
            copy.rule[:n] = self.rule
        copy.due = self.due
        return copy

    def clear(self, row: int, rule: int) -> None:
        """As if nothing had ever been reported for this row."""
        self.value[row] = None if self.value.dtype == np.object_ else 0
        self.time[row] = NEVER
        self.recorded[row] = self.changed[row] = self.position[row] = 0
        self.quality[row] = Quality.UNAVAILABLE
        if self.rule is not None:
            self.rule[row] = rule

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays; objects they refer to are not counted."""
        own = sum(int(getattr(self, name).nbytes) for name in _COLUMNS)
        return own + (self.rule.nbytes if self.rule is not None else 0)
