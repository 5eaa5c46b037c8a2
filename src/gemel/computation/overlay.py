"""What one round has computed so far, over what the state holds: later programs of the round read it already."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemel.computation.program import Results
from gemel.state import Readout
from gemel.twin import Quality

__all__ = ["Overlay"]

_Ints = NDArray[np.int64]


class Overlay:
    """Reads like the state; one round's results are there as if they were folded already."""

    def __init__(self, read: Callable[[_Ints], Readout]) -> None:
        self._read = read
        self._results: list[Results] = []

    def add(self, results: Results) -> None:
        """`results`: at least one, series ascending."""
        self._results.append(results)

    def read(self, series: _Ints) -> Readout:
        found = self._read(series)
        for results in self._results:
            at = np.searchsorted(results.series, series)
            hit = np.flatnonzero(results.series.take(at, mode="clip") == series)
            if len(hit):
                _put(found, hit, results, at[hit])
        return found


def _put(found: Readout, to: _Ints, results: Results, at: _Ints) -> None:
    values = results.value.take(pa.array(at))
    found.time[to] = results.time[at]
    found.quality[to] = results.quality[at]
    found.position[to] = np.iinfo(np.int64).max
    found.stale_since[to] = 0
    gone = results.quality[at] == Quality.UNAVAILABLE
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        found.text[to] = np.array(values.to_pylist(), np.object_)
    else:
        found.number[to] = np.where(gone, np.nan, values.fill_null(0).to_numpy(zero_copy_only=False).astype(np.float64))
