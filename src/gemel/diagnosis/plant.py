"""What a look at an open plant may use, and what it remembers from one look to the next."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from gemel.access import Gate
from gemel.backup import Keeper
from gemel.clock import SECOND, Clock
from gemel.computation import Computation
from gemel.connectors.supervisor import Supervisor
from gemel.edge import Edge
from gemel.folder import Folder
from gemel.history import History
from gemel.intake import Intake
from gemel.journal import SqlJournal
from gemel.registry import Registry
from gemel.state import State
from gemel.storage import Keeping
from gemel.witness import Witness

__all__ = ["RECENT_S", "Plant", "Recent"]

RECENT_S = 300


class Plant(Protocol):
    """What is looked at; an open platform is one."""

    folder: Folder
    registry: Registry
    journal: SqlJournal
    state: State
    history: History
    intake: Intake
    computation: Computation
    gate: Gate
    supervisor: Supervisor
    storage: Keeping
    backups: Keeper
    edge: Edge | None
    witness: Witness
    clock: Clock


class Recent:
    """By how much a count has risen within the last five minutes, whoever asks how often."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int]] = deque()

    def of(self, now: int, count: int) -> int:
        """`now` in microseconds; a clock that was set back begins anew."""
        while self._seen and self._seen[-1][0] > now:
            self._seen.pop()
        self._seen.append((now, count))
        while len(self._seen) > 1 and self._seen[1][0] <= now - RECENT_S * SECOND:
            self._seen.popleft()
        return count - self._seen[0][1]
