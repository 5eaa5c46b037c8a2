"""A whole house around connectors: real registry, journal, intake and state in a folder; nothing is mocked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from gemel.clock import WallClock
from gemel.connectors.reach import Reach
from gemel.connectors.supervisor import Supervisor
from gemel.database import Database
from gemel.intake import Intake
from gemel.journal import SqlJournal
from gemel.registry import Registry
from gemel.state import State
from gemel.twin import Block, Change, ConnectorSpec, Plant


class House:
    """Open it, `apply` plants, watch blocks, `close` it."""

    def __init__(self, folder: Path, **supervisor: Any) -> None:
        self.clock = WallClock()
        self.database = Database(f"sqlite:///{folder / 'gemel.sqlite'}")
        self.database.migrate()
        self.registry = Registry(self.database, self.clock)
        self.journal = SqlJournal(self.database)
        self.state = State(self.registry.directory, self.clock)
        self.changes: list[Change] = []
        self._moved = threading.Condition()
        self.intake = Intake(
            self.journal, self.registry, self.clock, after_commit=[self.state.fold, self._seen], sources=self.state
        )
        supervisor.setdefault("health_every_s", 0.2)
        supervisor.setdefault("reach", Reach.of(folder))
        self.supervisor = Supervisor(self.intake, self.clock, self.registry, **supervisor)

    def close(self) -> None:
        self.supervisor.close()
        self.intake.close()
        self.database.close()

    def _seen(self, block: Block) -> None:
        with self._moved:
            self.changes += block.changes
            self._moved.notify_all()

    def introduce(self, plant: Plant) -> None:
        """Put its types and twins."""

        def work(tx: Any) -> tuple[None, list[Change]]:
            changes: list[Change] = []
            for type_ in plant.types:
                changes += self.registry.put_type(tx, type_)
            for twin in plant.twins:
                changes += self.registry.put_twin(tx, twin)
            return None, changes

        self.intake.transact(work).result(timeout=60)

    def run(self, specs: Iterable[ConnectorSpec]) -> None:
        self.supervisor.apply(specs)

    def until(self, condition: Callable[[], Any], timeout_s: float = 60.0) -> Any:
        """Wait for blocks (health makes one at least every 0.2 s) until `condition` holds; returns what it says."""
        found = None

        def holds() -> bool:
            nonlocal found
            found = condition()
            return bool(found)

        with self._moved:
            assert self._moved.wait_for(holds, timeout_s), f"did not come to be within {timeout_s} s"
        return found

    def value(self, twin: str, property: str) -> Any:
        entry = self.registry.directory.twin(twin)
        assert entry is not None
        now = self.state.twin(entry).get(property)
        return None if now is None else now.value

    def kinds_of(self, source: str) -> list[str]:
        """What was journaled of a source: source.lost, source.found …, in order."""
        mine = [change.kind for change in self.changes if change.subject == source]
        return [kind for kind in mine if kind.startswith("source.")]

    def readings(self, twin: str, property: str, *, until: str = "") -> list[Any]:
        """All journaled (time, value) of one property, in order; with `until`, up to the block with such a change."""
        entry = self.registry.directory.twin(twin)
        assert entry is not None
        ref = entry.properties[property]
        series = entry.number << 20 | ref.number
        found = []
        for block in self.journal.blocks():
            frame = block.frames.get(ref.form)
            if frame is not None:
                rows = (frame.series == series).nonzero()[0].tolist()
                found += [(int(frame.time[at]), frame.value[at].as_py()) for at in rows]
            if any(change.kind == until for change in block.changes):
                break
        return found
