"""The state as it lies on the disk, so that a restart need not read the journal from its start."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import structlog

from gemel.errors import Corrupt
from gemel.journal import Journal
from gemel.state.keyframe import Keyframe
from gemel.state.state import State
from gemel.twin import Position

__all__ = ["Saved"]

_log = structlog.get_logger("gemel.state")


class Saved:
    """The last keyframe of a state, in a folder of its own. Any thread may write it."""

    def __init__(self, folder: Path, state: State, journal: Journal) -> None:
        self._folder, self._state, self._journal = folder, state, journal
        self._lock = threading.Lock()
        self._erased: set[int] = set()
        self.position: Position = 0
        """Up to here the state need not be folded again."""

    def restore(self) -> None:
        """Bring the state to the journal's head: from the keyframe, then the blocks after it.

        Raises Corrupt where the journal has dropped readings that only a missing or damaged keyframe held.
        """
        try:
            keyframe = Keyframe.load(self._folder)
        except Corrupt as error:  # it only saves time: the journal has all of it
            _log.warning("the state's keyframe is damaged and is left out", error=error.detail)
            keyframe = None
        if keyframe is not None and keyframe.position <= self._journal.head().position:
            self._state.restore(keyframe)
        self.position = self._state.position
        if not self._journal.whole_after(self.position):
            raise Corrupt(
                f"the state's keyframe in {self._folder} is missing or damaged, and the journal has dropped "
                "readings that it held; restore the folder `state` from a backup"
            )
        for block in self._journal.blocks(after=self.position):
            self._state.fold(block)

    def write(self, *, anew: bool = False) -> None:
        """Write the keyframe, if there is something new. A full disk is only logged: it is tried again.

        `anew`: something was erased, which neither the new keyframe nor one that is there may hold.
        """
        with self._lock:
            if self._state.position <= self.position and not anew:
                return
            keyframe = self._without_erased(self._state.snapshot())
            try:
                keyframe.save(self._folder)
            except OSError as error:
                _log.warning("the state could not be written down", error=str(error))
            else:
                self.position = keyframe.position

    def forget(self, number: int) -> None:
        """The twin of this number was erased: write the keyframe without it."""
        self._erased.add(number)
        self.write(anew=True)

    def _without_erased(self, keyframe: Keyframe) -> Keyframe:
        if not self._erased:
            return keyframe
        gone = pa.array(sorted(self._erased), pa.int64())
        kept = {
            key: table.filter(pc.invert(pc.is_in(table.column("twin"), gone))) for key, table in keyframe.tables.items()
        }
        return replace(keyframe, tables=kept)
