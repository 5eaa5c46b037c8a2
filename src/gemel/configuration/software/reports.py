"""What devices report of their software, taken into the configuration: the property that tells it, its slot, its item.

A report is an act only when it says something else than what is known; that the same is told again shows in the live
state. Nothing is missed by a stop in between: what came since the last act is read from the history.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import structlog
from numpy.typing import NDArray

from gemel.clock import Clock
from gemel.configuration.configuration import Configuration
from gemel.configuration.operations import Report
from gemel.configuration.software.book import SoftwareBook
from gemel.configuration.values import Basis
from gemel.errors import Conflict, GemelError, StorageFailed
from gemel.history import History
from gemel.registry import Directory
from gemel.state import State
from gemel.twin import Block, Position, Quality, series_of

__all__ = ["SoftwareReports"]

SOURCE = "device"
RETRY_S = 1.0
_ANEW = ("type.", "twin.", "plant.", "software.", "item.created", "item.identified", "item.merged", "item.split")
_EMPTY: NDArray[np.int64] = np.empty(0, np.int64)
_log = structlog.get_logger("gemel.configuration")


class _Told(NamedTuple):
    """One report: of a series, which version at which moment."""

    series: int
    version: str
    time: int


class _Place(NamedTuple):
    """What a series tells of."""

    twin: str
    property: str
    slot: str
    part: str


class SoftwareReports:
    """One thread of its own; it does nothing while no software is declared."""

    def __init__(
        self,
        book: SoftwareBook,
        configuration: Configuration,
        directory: Directory,
        clock: Clock,
        *,
        state: State,
        history: History,
    ) -> None:
        self._book, self._configuration, self._directory = book, configuration, directory
        self._clock, self._state, self._history = clock, state, history
        self._changed = threading.Condition()
        self._told: list[_Told] = []
        self._anew, self._closing = True, False
        self._followed = self._done = 0
        self._watched = _EMPTY
        self._places: dict[int, _Place] = {}
        self._last: dict[int, str] = {}
        """Of a series, the version that was handed over last; on the writer's thread."""
        self._thread = threading.Thread(target=self._run, name="gemel-software", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Finish what was heard; the rest is found in the history at the next start. Safe to call again."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join()

    def wait(self, position: Position, timeout_s: float) -> bool:
        """Until what was reported up to a position is in the configuration."""
        with self._changed:
            return self._changed.wait_for(lambda: self._done >= position, timeout_s)

    # the writer's thread

    def follow(self, block: Block) -> None:
        """After each fold; does not wait."""
        anew = any(change.kind.startswith(_ANEW) for change in block.changes)
        told = list(self._heard(block)) if len(self._watched) else []
        with self._changed:
            idle = self._done >= self._followed and not (anew or told or self._anew or self._told)
            self._followed = block.last
            self._anew |= anew
            self._told += told
            if idle:
                self._done = block.last
            self._changed.notify_all()

    def _heard(self, block: Block) -> Iterable[_Told]:
        for frame in block.frames.values():
            for i in np.flatnonzero(np.isin(frame.series, self._watched) & (frame.quality == Quality.GOOD)).tolist():
                series, value = int(frame.series[i]), frame.value[i].as_py()
                if value is None or self._last.get(series) == str(value):
                    continue
                self._last[series] = str(value)
                yield _Told(series, str(value)[:128], int(frame.time[i]))

    # the thread

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._anew or self._done < self._followed)
                if self._closing:
                    return
                anew, self._anew = self._anew, False
                told, self._told = self._told, []
                followed = max(self._followed, self._done)
            try:
                if anew:
                    self._look()
                for one in told:
                    self._report(one)
            except StorageFailed:
                return  # nothing is written any more; the platform says so
            except Exception as error:  # a full queue or disk passes; what was heard is found again in the state
                _log.warning("reports of software wait", error=getattr(error, "detail", str(error)))
                with self._changed:
                    self._anew = True
                    self._changed.wait_for(lambda: self._closing, RETRY_S)
                continue
            with self._changed:
                self._done = followed
                self._changed.notify_all()

    def _look(self) -> None:
        """Which series tell versions, and what they tell that is not in the configuration yet."""
        places: dict[int, _Place] = {}
        for software in self._book.all().values():
            for way in software.ways:
                for number in self._directory.numbers(way.type).tolist():
                    entry = self._directory.entry(number)
                    ref = None if entry is None else entry.properties.get(way.reports)
                    if entry is not None and ref is not None:
                        place = _Place(entry.id, ref.property.name, way.slot, software.part)
                        places[series_of(entry.number, ref.number)] = place
        self._places = places
        self._watched = np.array(sorted(places), np.int64) if places else _EMPTY
        known = self._known(sorted({place.twin for place in places.values()}))
        for series, place in places.items():
            if (place.twin, place.slot) in known:
                self._catch_up(series, place, *known[place.twin, place.slot])

    def _known(self, twins: Sequence[str]) -> dict[tuple[str, str], tuple[str, int]]:
        """(twin, slot) → version and since when; only where an item has a place for it."""
        found = {}
        for machine in self._book.machines(twins).values():
            for module in machine.modules:
                if module.twin:
                    found[module.twin, module.slot] = module.version, module.since or 0
        return found

    def _catch_up(self, series: int, place: _Place, version: str, since: int) -> None:
        entry = self._directory.twin(place.twin)
        now = None if entry is None else self._state.property(entry, place.property)
        if now is None or now.time <= since or (str(now.value) == version and now.changed <= since):
            return
        if version and self._history.wait(self._state.position):
            rows = self._history.readings(place.twin, place.property, since + 1, now.time + 1)
            for time, value, quality in zip(
                rows.time.tolist(), rows.value.to_pylist(), rows.quality.tolist(), strict=True
            ):
                if quality == Quality.GOOD and value is not None and time > since and str(value) != version:
                    version = str(value)
                    self._report(_Told(series, version[:128], time))
        elif now.quality is Quality.GOOD and now.value is not None and str(now.value) != version:
            self._report(_Told(series, str(now.value)[:128], now.changed))

    def _report(self, told: _Told) -> None:
        place = self._places.get(told.series)
        item = None if place is None else self._book.item(place.twin, told.time)
        if place is None or not item:
            return
        said = Report(item=item, slot=place.slot, version=told.version, at=told.time, part=place.part)
        key = f"{place.twin}.{place.property}@{told.time}"
        try:
            self._configuration.do(said, basis=Basis(source=SOURCE, key=key[:200], evidence=key))
        except Conflict:
            pass  # of that very moment something is known already
        except (StorageFailed, OSError):
            raise
        except GemelError as error:
            _log.warning("a report of software was not taken", twin=place.twin, error=error.detail)
