"""Is a history of a locked register linearizable? (Wing and Gong, 1993, with the memory of Lowe, 2017.)

A history is what clients saw: when each asked, when it had its answer, and which. It is linearizable if each operation
can be given one moment between the two, so that in the order of these moments a single register explains every answer.
No library for Python that is kept does this; the search is small, and is itself held against histories that are wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["READ", "REFUSED", "UNKNOWN", "WRITTEN", "Operation", "linearizable"]

READ, WRITTEN, REFUSED, UNKNOWN = "read", "written", "refused", "unknown"
NEVER = 1 << 62

State = tuple[int, str]
"""(revision, value)"""


@dataclass(frozen=True)
class Operation:
    """One request. A read: what it saw; a write: the revision that it was made for, and the value."""

    asked: int
    answered: int
    outcome: str
    value: str
    revision: int
    """A read: that it saw. Written: that it made, 0 where it was not told. Refused, unknown: of no meaning."""
    expected: int = 0
    """Of a write."""

    def after(self, state: State) -> State | None:
        """The register after this operation, if the answer is right for it as it was; None if it is not."""
        revision = state[0]
        if self.outcome == READ:
            return state if (self.revision, self.value) == state else None
        if self.outcome == REFUSED:
            return state if self.expected != revision else None
        if self.expected != revision:  # unknown: it may have been refused, too
            return state if self.outcome == UNKNOWN else None
        if self.outcome == WRITTEN and self.revision not in (0, revision + 1):
            return None
        return revision + 1, self.value


def linearizable(history: Sequence[Operation], begin: State) -> bool:
    """Whether one order explains all of it. What has no answer may have happened at any time after, or never."""
    operations = sorted(history, key=lambda one: one.asked)
    ends = [NEVER if one.outcome == UNKNOWN else one.answered for one in operations]
    everything = sum(1 << at for at, one in enumerate(operations) if one.outcome != UNKNOWN)
    seen: set[tuple[int, State]] = set()
    waiting = [(0, begin)]
    while waiting:
        done, state = waiting.pop()
        if done & everything == everything:
            return True
        if (done, state) in seen:
            continue
        seen.add((done, state))
        able = _able(operations, ends, done)
        made = [(at, operations[at].after(state)) for at in able]
        # What changes nothing and is right now may come now: whatever comes later is not hindered by it.
        idle = [at for at, after in made if after == state and operations[at].outcome != UNKNOWN]
        if idle:
            waiting.append((done | sum(1 << at for at in idle), state))
        else:
            waiting += [(done | 1 << at, after) for at, after in made if after is not None]
    return False


def _able(operations: Sequence[Operation], ends: Sequence[int], done: int) -> list[int]:
    """Those that may be the next: asked before any that is left had its answer."""
    found, first_end = [], NEVER
    first = (~done & (done + 1)).bit_length() - 1
    for at in range(first, len(operations)):
        if done >> at & 1:
            continue
        if operations[at].asked > first_end:
            break
        found.append(at)
        first_end = min(first_end, ends[at])
    return [at for at in found if operations[at].asked <= first_end]
