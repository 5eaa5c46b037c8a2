"""Conditions: many codes, each active or not, folded from single updates in any order."""

from __future__ import annotations

from bisect import insort
from typing import Any, NamedTuple

import msgspec

from gemel.state.cells import Cells
from gemel.twin import Quality

__all__ = ["Conditions", "Entry", "fold_condition"]

_KEPT = 64
"""Activations remembered per code, to find `since` when a clearing update arrives late."""

Key = tuple[int, int]
"""(time, position) of an update; the greater one is the later."""

_NEVER: Key = (-(1 << 63), 0)


class Entry(msgspec.Struct, frozen=True):
    """One update of a condition as the journal holds it (canonical JSON)."""

    level: str
    """normal, warning, fault or unavailable."""
    code: str = ""
    severity: str = ""
    qualifier: str = ""
    text: str = ""


class _Code(NamedTuple):
    latest: Key
    entry: Entry
    activations: tuple[Key, ...]  # ascending, all after `cleared`
    cleared: Key = _NEVER  # the last clearing that is known


class Conditions:
    """All that is known of one condition property; immutable, `with_update` returns another.

    Per code the last update by (time, position) holds. `normal` without a code clears what is older; so does
    `unavailable`, which also says that nothing is known until something newer comes.
    """

    __slots__ = ("_cleared", "_codes", "_unavailable")

    def __init__(self, codes: dict[str, _Code] | None = None, cleared: Key = _NEVER, unavailable: Key = _NEVER) -> None:
        self._codes = codes or {}
        self._cleared = cleared
        self._unavailable = unavailable

    def with_update(self, text: str | None, time: int, position: int) -> Conditions:
        """These conditions and one more update; `text` None is `unavailable`."""
        try:
            entry = msgspec.json.decode(text, type=Entry) if text is not None else Entry("unavailable")
        except msgspec.MsgspecError:
            return self  # the intake lets none through; a fold never fails for what is in the journal
        key = (time, position)
        if entry.level == "unavailable":
            codes, cleared = self._without(key)
            return Conditions(codes, cleared, max(self._unavailable, key))
        if entry.level == "normal" and not entry.code:
            codes, cleared = self._without(key)
            return Conditions(codes, cleared, self._unavailable)
        if key <= self._cleared:
            return self
        codes = dict(self._codes)
        codes[entry.code] = _with(codes.get(entry.code), entry, key)
        return Conditions(codes, self._cleared, self._unavailable)

    def _without(self, key: Key) -> tuple[dict[str, _Code], Key]:
        """What is left when everything up to `key` is cleared."""
        left = {
            name: code._replace(activations=_left(code, key)) for name, code in self._codes.items() if code.latest > key
        }
        return left, max(self._cleared, key)

    @property
    def unavailable(self) -> bool:
        """Whether nothing newer is known than that the source lost sight of it."""
        newest = max((code.latest for code in self._codes.values()), default=_NEVER)
        return self._unavailable > _NEVER and self._unavailable >= max(newest, self._cleared)

    def active(self) -> list[dict[str, Any]] | None:
        """The active entries by since, then code; `since` in microseconds. None when unavailable, [] when normal."""
        if self.unavailable:
            return None
        found = [
            {
                "level": code.entry.level,
                "code": name,
                "severity": code.entry.severity,
                "qualifier": code.entry.qualifier,
                "text": code.entry.text,
                "since": code.activations[0][0] if code.activations else code.latest[0],
            }
            for name, code in self._codes.items()
            if code.entry.level != "normal"
        ]
        return sorted(found, key=lambda entry: (entry["since"], entry["code"]))

    def __eq__(self, other: object) -> bool:
        """Whether both say the same to a reader."""
        return isinstance(other, Conditions) and self.active() == other.active()

    __hash__ = None  # type: ignore[assignment]  # it can change

    def to_json(self) -> bytes:
        """All of it, for keyframes."""
        return msgspec.json.encode([self._codes, self._cleared, self._unavailable])

    @classmethod
    def from_json(cls, data: bytes | str) -> Conditions:
        codes, cleared, unavailable = msgspec.json.decode(data, type=tuple[dict[str, _Code], Key, Key])
        return cls(codes, cleared, unavailable)


def _with(code: _Code | None, entry: Entry, key: Key) -> _Code:
    if code is None:
        return _Code(key, entry, (), key) if entry.level == "normal" else _Code(key, entry, (key,))
    activations, cleared = code.activations, code.cleared
    if entry.level == "normal":
        activations, cleared = _left(code, key), max(cleared, key)
    elif key > cleared:
        activations = _inserted(code, key)
    newest = key > code.latest
    return _Code(max(key, code.latest), entry if newest else code.entry, activations, cleared)


def _left(code: _Code, key: Key) -> tuple[Key, ...]:
    """The activations after a clearing."""
    return tuple(k for k in code.activations if k > key)


def _inserted(code: _Code, key: Key) -> tuple[Key, ...]:
    if key in code.activations:
        return code.activations
    listed = list(code.activations)
    insort(listed, key)
    if len(listed) > _KEPT:
        del listed[_KEPT // 2]  # the oldest says since when, the newest what a late clearing leaves
    return tuple(listed)


def fold_condition(cells: Cells, row: int, reading: tuple[str | None, int, int], recorded: int) -> None:
    """One update (text, time, position) of a condition into its cell; which then says so.

    Updates commute: an older one can still add or clear a code. The cell's time and position are the greatest seen.
    """
    text, time, position = reading
    before = cells.value[row]
    known = before if before is not None else Conditions()
    after = known.with_update(text, time, position)
    differs = before is None or after != before
    cells.value[row] = after
    cells.recorded[row] = recorded
    cells.position[row] = position
    if differs:
        cells.changed[row] = max(int(cells.changed[row]), time) if before is not None else time
    cells.time[row] = max(int(cells.time[row]), time)
    cells.quality[row] = Quality.UNAVAILABLE if after.unavailable else Quality.GOOD
