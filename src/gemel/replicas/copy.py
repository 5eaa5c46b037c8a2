"""The values of a replica, and the hash that stands for them, which costs as much as what changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gemel.client import Delta, Update
from gemel.twin.fingerprint import Cell, cell_hash, summed_hash

__all__ = ["Copy"]


class Copy:
    """Twin → property → value at one position. Guarded by its owner's lock."""

    def __init__(self) -> None:
        self.position = 0
        self.epoch = ""
        self.values: dict[str, dict[str, Update]] = {}
        self._hashes: dict[tuple[str, str], int] = {}
        self._total = 0

    @property
    def hash(self) -> str:
        return summed_hash(self._total)

    @property
    def count(self) -> int:
        return len(self._hashes)

    def take(self, deltas: Sequence[Delta], epoch: str) -> None:
        """All that belongs to one step of the stream, in order."""
        for delta in deltas:
            if delta.snapshot:
                self.clear()
            for update in delta.values:
                self.put(update)
            for twin, name, fresh, since in delta.transitions:
                self._turn(twin, name, fresh, since)
            for twin in delta.gone:
                self._drop(twin)
            self.position = max(self.position, delta.position)
        self.epoch = epoch

    def put(self, update: Update) -> None:
        key = update.twin, update.property
        new = cell_hash(_cell(update))
        self._total += new - self._hashes.get(key, 0)
        self._hashes[key] = new
        self.values.setdefault(update.twin, {})[update.property] = update

    def refreshed(self) -> None:
        """Take all values for fresh until it is told which are not."""
        for twin, values in self.values.items():
            self.values[twin] = {name: _turned(one, True, None) for name, one in values.items()}

    def _turn(self, twin: str, name: str, fresh: bool, since: int | None) -> None:
        values = self.values.get(twin, {})
        if name in values:
            values[name] = _turned(values[name], fresh, since)

    def _drop(self, twin: str) -> None:
        for name in self.values.pop(twin, {}):
            self._total -= self._hashes.pop((twin, name))

    def clear(self) -> None:
        """Forget all values and the position."""
        self.values, self._hashes, self._total, self.position = {}, {}, 0, 0

    def updates(self) -> Iterable[Update]:
        return (update for values in self.values.values() for update in values.values())


def _cell(one: Update) -> Cell:
    return one.twin, one.property, one.value, one.time, one.recorded, one.changed, int(one.quality), one.position


def _turned(one: Update, fresh: bool, since: int | None) -> Update:
    if one.fresh is fresh and one.stale_since == since:
        return one
    return Update(
        one.twin,
        one.property,
        one.value,
        one.time,
        one.changed,
        one.quality,
        fresh,
        since,
        one.recorded,
        one.position,
    )
