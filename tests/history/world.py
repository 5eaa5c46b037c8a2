"""A small real plant for the tests of history: SQLite journal, directory, and blocks as the intake would make them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gemel.clock import SECOND, SteppedClock
from gemel.database import Database
from gemel.history import History, Pace, Settings
from gemel.journal import SqlJournal
from gemel.registry import Registry
from gemel.twin import VALUE_TYPES, Block, Change, Form, Frame, PropertyType, Quality, TwinSpec, TwinType, series_of

T0 = 1_704_067_200 * SECOND
"""2024-01-01T00:00:00Z."""
HOUR = 3600 * SECOND
DAY = 24 * HOUR

Row = tuple[str, str, int, Any] | tuple[str, str, int, Any, Quality]


@dataclass(frozen=True)
class Cast:
    """The type `machine` and its twins."""

    properties: Sequence[PropertyType]
    twins: Sequence[str]


def register(registry: Registry, database: Database, cast: Cast) -> None:
    """Put the type and the twins, as far as they are not there."""
    with database.write() as tx:
        changes = registry.put_type(tx, TwinType(id="machine", properties=tuple(cast.properties)))
        for twin in cast.twins:
            if registry.directory.twin(twin) is None:
                changes += registry.put_twin(tx, TwinSpec(id=twin, types=("machine",)))
    registry.committed(changes)


class World:
    """Journal, directory and history in one folder; `put` appends a block as the intake's writer would."""

    def __init__(self, folder: Path, cast: Cast, *, settings: Settings | None = None) -> None:
        self.folder = folder
        self.clock = SteppedClock(T0 + 400 * DAY)
        self.settings = settings or Settings(pace=Pace(commit_s=3600))
        with ExitStack() as opened:  # what was opened is closed, too, when the history refuses to open
            self.database = Database(f"sqlite:///{folder / 'gemel.sqlite'}")
            opened.callback(self.database.close)
            self.database.migrate()
            self.registry = Registry(self.database, self.clock)
            register(self.registry, self.database, cast)
            self.directory = self.registry.directory
            self.journal = SqlJournal(self.database)
            opened.callback(self.journal.close)
            self.history = self._open()
            opened.pop_all()

    def _open(self) -> History:
        return History(self.folder / "history", self.journal, self.directory, self.clock, settings=self.settings)

    def reopen(self) -> History:
        self.history.close()
        self.history = self._open()
        return self.history

    def put(self, rows: Iterable[Row] = (), changes: Iterable[Change] = ()) -> int:
        """Append one block with these readings (twin, property, time, value[, quality]); its last position."""
        return self.append(self.block(rows, changes))

    def block(self, rows: Iterable[Row], changes: Iterable[Change] = ()) -> Block:
        head = self.journal.head()
        by_form: dict[Form, list[tuple[int, int, Any, int, int]]] = {}
        ordinal = 0
        for twin, name, time, value, *quality in rows:
            entry = self.directory.twin(twin)
            assert entry is not None
            ref = entry.properties[name]
            by_form.setdefault(ref.form, []).append(
                (series_of(entry.number, ref.number), time, value, int(quality[0]) if quality else 0, ordinal)
            )
            ordinal += 1
        frames = {form: frame_of(form, listed) for form, listed in by_form.items()}
        numbered = []
        for change in changes:
            numbered.append(Change(**{f: getattr(change, f) for f in change.__struct_fields__} | {"ordinal": ordinal}))
            ordinal += 1
        return Block(head.sequence + 1, head.position + 1, self.clock.now(), frames, tuple(numbered))

    def append(self, block: Block) -> int:
        self.journal.append(block, expected_sequence=self.journal.head().sequence)
        return block.last

    def close(self) -> None:
        self.history.close()
        self.journal.close()
        self.database.close()


def frame_of(form: Form, rows: Sequence[tuple[int, int, Any, int, int]]) -> Frame:
    """A frame of (series, time, value, quality, ordinal)."""
    series, time, value, quality, ordinal = zip(*rows, strict=True)
    return Frame(
        form,
        np.array(series, np.int64),
        np.array(time, np.int64),
        pa.array(list(value), VALUE_TYPES[form]),
        np.array(quality, np.uint8),
        np.array(ordinal, np.uint32),
    )
