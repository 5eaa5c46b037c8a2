"""What the historian does when nothing waits: merge files, make keyframes and roll-ups, delete the superseded."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from gemel.clock import Clock
from gemel.history import keyframes, rollups
from gemel.history.derived import DAY, Derived, Grain
from gemel.history.lake import Lake
from gemel.history.published import View, Views
from gemel.history.reader import Reader
from gemel.history.tables import READINGS
from gemel.twin import Form

__all__ = ["Maintenance", "Upkeep"]

log = logging.getLogger(__name__)

_GRACE = 120_000_000
"""An hour or a day is taken as over so many microseconds after its end; what comes later is late."""


class Upkeep(msgspec.Struct, frozen=True, kw_only=True):
    """When files are merged and deleted."""

    merge_files: int = 8
    """Merge when a day of one table has so many small files."""
    small_bytes: int = 32_000_000
    """A file below this is small."""
    keep_s: float = 900.0
    """Superseded files stay at least so long, for readers in other processes. Readers in this one hold their own."""
    keyframe_rows: int = 50_000
    """An as-of question reads about so many rows, or one hour's: hours with less have no keyframe of their own."""
    late_rows: int = 20_000
    """A keyframe is made anew when so many rows came too late for it; until then reads add them to it."""
    settle_s: float = 30.0
    """A past day's roll-up is made again when it got no late data for so long."""


class Maintenance:
    """Steps of bounded length, on the historian's thread."""

    def __init__(
        self, lake: Lake, views: Views, clock: Clock, *, upkeep: Upkeep, republish: Callable[[Derived], None]
    ) -> None:
        self._lake = lake
        self._views = views
        self._clock = clock
        self._upkeep = upkeep
        self._republish = republish
        self._folder: Path = lake.folder
        self._reader = Reader(lake.folder)
        self._superseded: list[tuple[int, float, str]] = []
        self._turn: tuple[int, float, str] | None = None
        self._merged_away = False
        self._changed: dict[tuple[Form, int], tuple[int, float]] = {}

    def step(self) -> bool:
        """Do the most urgent thing; False when there is nothing to do."""
        view = self._views.current
        return self._merge() or self._keyframe(view) or self._rollup(view) or self._clean()

    def merge_overdue(self) -> bool:
        """Whether so many small files lie about that reading suffers, also while rows wait."""
        return self._crowded(8 * self._upkeep.merge_files) is not None

    # merging

    def _crowded(self, least: int) -> str | None:
        small = Counter(
            (file.table, file.min_time // DAY) for file in self._lake.files if file.size < self._upkeep.small_bytes
        )
        for (table, _), count in small.most_common(1):
            if count >= least:
                return table
        return None

    def _merge(self) -> bool:
        table = self._crowded(self._upkeep.merge_files)
        if table is None:
            return False
        if not self._lake.merge(table, below_bytes=self._upkeep.small_bytes, at_most=4):
            return False
        self._merged_away = True
        self._republish(self._views.current.derived)
        return True

    # deriving

    def _until(self, view: View) -> int:
        """Readings before it are complete but for late ones."""
        newest = max((table.max_time or 0 for table in view.files.values()), default=0)
        return min(newest, self._clock.now()) - _GRACE

    def _keyframe(self, view: View) -> bool:
        for form in Form:
            table, listed = view.table(READINGS[form]), view.derived.keyframes.get(form, ())
            wrong = keyframes.outdated(table, listed, self._upkeep.late_rows)
            hour = wrong.hour if wrong else keyframes.due(table, listed, self._until(view), self._upkeep.keyframe_rows)
            if hour is not None:
                made = keyframes.make(self._reader, view, form, hour, self._folder)
                derived, old = view.derived.with_keyframe(made)
                self._replace(derived, old)
                return True
        return False

    def _rollup(self, view: View) -> bool:
        for form in rollups.FORMS:
            made = view.derived.rollups.get((form, Grain.HOUR), {})
            table = view.table(READINGS[form])
            for day in rollups.stale_days(table, made, self._until(view)):
                if day in made and not self._settled(form, day, table.day_rows[day]):
                    continue
                derived, old = view.derived, []
                for rollup in rollups.make(self._reader, view, form, day, self._folder):
                    derived, paths = derived.with_rollup(rollup)
                    old += paths
                self._replace(derived, old)
                self._changed.pop((form, day), None)
                return True
        return False

    def _settled(self, form: Form, day: int, rows: int) -> bool:
        now = self._clock.monotonic()
        seen = self._changed.get((form, day))
        if seen is None or seen[0] != rows:
            self._changed[form, day] = seen = rows, now
        return now - seen[1] >= self._upkeep.settle_s

    def _replace(self, derived: Derived, old: list[str]) -> None:
        self._republish(derived)
        self._superseded += [(self._views.generation, self._clock.monotonic(), path) for path in old]

    # deleting

    def _clean(self) -> bool:
        """Delete what merging superseded, one turn late: nobody reads a view of before the turn any more."""
        self._delete_superseded()
        now = self._clock.monotonic()
        if self._turn is not None:
            generation, since, moment = self._turn
            if now - since < self._upkeep.keep_s or self._views.oldest_held() < generation:
                return False
            self._lake.clean(moment)
            self._turn = None
        if self._merged_away:
            self._turn = self._views.generation, now, self._lake.moment()
            self._merged_away = False
        return False

    def _delete_superseded(self) -> None:
        oldest, now = self._views.oldest_held(), self._clock.monotonic()
        kept = []
        for generation, since, path in self._superseded:
            if oldest >= generation and now - since >= self._upkeep.keep_s:
                (self._folder / path).unlink(missing_ok=True)
            else:
                kept.append((generation, since, path))
        self._superseded = kept

    def close(self) -> None:
        self._reader.close()
