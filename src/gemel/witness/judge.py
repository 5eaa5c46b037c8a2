"""What a new head means beside the last one that was seen of the same log. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from gemel.witness.note import Head

__all__ = ["FAULTS", "Verdict", "agreed", "judge"]


class Verdict(StrEnum):
    """What was found; the first three are well."""

    FIRST = "first"
    SAME = "same"
    EXTENDED = "extended"
    ROLLED_BACK = "rolled_back"
    """It ends before a place that it had reached, and says nothing of it."""
    FORKED = "forked"
    """Two different heads at one size: somebody was told another story."""
    CHANGED = "changed"
    """It is longer, but does not begin with what was seen: the past was changed."""
    RESTORED = "restored"
    """It says so itself: a new epoch has begun, from a backup or an import."""
    STRANGE_KEY = "strange_key"
    """It is signed with a key that the one we pinned does not name."""


FAULTS = frozenset({Verdict.ROLLED_BACK, Verdict.FORKED, Verdict.CHANGED, Verdict.STRANGE_KEY})
"""What is not countersigned."""


def judge(last: Head | None, new: Head, extends: Callable[[Head, Head], bool]) -> Verdict:
    """`extends(old, new)`: whether the other party proves that its tree only grew; asked only where it matters."""
    if last is None:
        return Verdict.FIRST
    if new.epoch != last.epoch:
        return Verdict.RESTORED
    if new.size < last.size:
        return Verdict.ROLLED_BACK
    if new.size == last.size:
        return Verdict.SAME if new.root == last.root else Verdict.FORKED
    return Verdict.EXTENDED if extends(last, new) else Verdict.CHANGED


def agreed(kept: Sequence[Head], new: Head, extends: Callable[[Head, Head], bool]) -> Head | None:
    """The furthest of the heads that we hold which the new one still begins with; None if none. Asks O(log n) times.

    `kept`: by rising size. What a tree begins with, it also begins with all that that one began with.
    """
    low, high = 0, len([one for one in kept if one.size <= new.size])
    while low < high:
        middle = (low + high) // 2
        old = kept[middle]
        if old.root == new.root if old.size == new.size else extends(old, new):
            low = middle + 1
        else:
            high = middle
    return kept[low - 1] if low else None
