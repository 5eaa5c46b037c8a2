"""What a property is now, and many of them as columns."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gemel.state.condition import Conditions
from gemel.twin import Kind, Now, Quality
from gemel.twin.fingerprint import Cell

__all__ = ["NOTHING", "Update", "Updates", "joined", "plain"]


class Update(msgspec.Struct, frozen=True):
    """One property of one twin became, or is, so."""

    twin: str
    property: str
    series: int
    now: Now


def plain(value: Any, kind: Kind) -> Any:
    """A cell's value as users of the library see it: bool, dict, list instead of int64, JSON text, array."""
    if value is None:
        return None
    if kind is Kind.BOOLEAN:
        return bool(value)
    if kind is Kind.INTEGER:
        return int(value)
    if kind is Kind.NUMBER:
        return float(value)
    if kind is Kind.OBJECT:
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError:
            return value
    if isinstance(value, Conditions):
        return value.active()
    if isinstance(value, array):
        return value.tolist()
    return value


@dataclass(frozen=True, slots=True, eq=False)
class Updates:
    """Values of n series as columns; iterate for `Update`s. `names` holds (twin, property) of each."""

    series: NDArray[np.int64]
    names: Sequence[tuple[str, str]]
    value: Sequence[Any]
    """Plain values: float, int, bool, str, list, dict, None."""
    time: NDArray[np.int64]
    recorded: NDArray[np.int64]
    changed: NDArray[np.int64]
    quality: NDArray[np.uint8]
    position: NDArray[np.int64]
    stale_since: NDArray[np.int64]
    """0 while fresh."""

    def __len__(self) -> int:
        return len(self.series)

    def cells(self) -> Iterator[Cell]:
        """For a fingerprint."""
        columns = (self.time, self.recorded, self.changed, self.quality, self.position)
        rows = zip(self.names, self.value, *(column.tolist() for column in columns), strict=True)
        return ((*name, *row) for name, *row in rows)

    def __iter__(self) -> Iterator[Update]:
        for i, (twin, property_) in enumerate(self.names):
            since = int(self.stale_since[i])
            yield Update(
                twin,
                property_,
                int(self.series[i]),
                Now(
                    self.value[i],
                    int(self.time[i]),
                    int(self.recorded[i]),
                    int(self.changed[i]),
                    Quality(int(self.quality[i])),
                    int(self.position[i]),
                    since == 0,
                    since or None,
                ),
            )


NOTHING = Updates(
    series=np.zeros(0, np.int64),
    names=(),
    value=(),
    time=np.zeros(0, np.int64),
    recorded=np.zeros(0, np.int64),
    changed=np.zeros(0, np.int64),
    quality=np.zeros(0, np.uint8),
    position=np.zeros(0, np.int64),
    stale_since=np.zeros(0, np.int64),
)


def joined(parts: list[Updates]) -> Updates:
    """Several updates one after the other."""
    if len(parts) < 2:
        return parts[0] if parts else NOTHING
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("series", "time", "recorded", "changed", "quality", "position", "stale_since")
    }
    return Updates(
        names=[name for part in parts for name in part.names],
        value=[value for part in parts for value in part.value],
        **arrays,
    )
