"""What the historian does when nothing waits: merge files, make keyframes and roll-ups, delete the superseded."""

from __future__ import annotations

import logging
import math
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from gemel.clock import SECOND, Clock
from gemel.history import keyframes, rollups
from gemel.history.derived import DAY, Derived, Grain
from gemel.history.forgotten import ERASED, PROPERTY_MASK, Limits
from gemel.history.lake import Lake
from gemel.history.published import View, Views
from gemel.history.reader import Reader
from gemel.history.tables import HAPPENED, READINGS
from gemel.twin import PROPERTY_BITS, Form

__all__ = ["DROPPABLE", "Dropped", "Maintenance", "Upkeep"]

log = logging.getLogger(__name__)

DROPPABLE = (Form.NUMBER, Form.INTEGER, Form.ARRAY)
"""Texts tell changes, are few, and have no sums: they stay."""
ERASED_KIND = "twin.erased"
_STEP, _TIERS = 8, 4
_OVERDUE = 8
_GRACE = 120_000_000
"""An hour or a day is taken as over so many microseconds after its end; what comes later is late."""


class Upkeep(msgspec.Struct, frozen=True, kw_only=True):
    """When files are merged and deleted."""

    merge_files: int = 8
    """Merge when a day of one table has so many small files of about the same size; each merge makes a larger one, so
    that a row is written anew a few times, however much the day holds."""
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
    scrub_bytes_s: float = 8_000_000.0
    """So much of the history is read a second, and held against its hashes …"""
    scrub_every_s: float = 7 * 86_400.0
    """… and this long after it was all read it is read again."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """So many rows of a day of a table that were too old."""

    table: str
    day: int
    rows: int


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
        self._merged_away = True  # an earlier process may have left superseded files
        self._changed: dict[tuple[Form, int], tuple[int, float]] = {}
        self._looked: dict[tuple[Form, int], tuple[frozenset[int], frozenset[int], int]] = {}
        self.dropped: deque[Dropped] = deque()
        """What was dropped since somebody asked."""

    def step(self, limits: Limits) -> bool:
        """Do the most urgent thing; False when there is nothing to do."""
        view = self._views.current
        return self._merge() or self._keyframe(view) or self._rollup(view) or self._drop(view, limits) or self._clean()

    def merge_overdue(self) -> bool:
        """Whether so many small files lie about that reading suffers, also while rows wait."""
        return self._crowded(_OVERDUE * self._upkeep.merge_files) is not None

    # merging

    def _tier(self, size: int) -> int:
        """0 for the largest of the small files; each further tier is for files an eighth as large, the last for all."""
        return min(_TIERS - 1, int(math.log(self._upkeep.small_bytes / max(1, size), _STEP)))

    def _crowded(self, least: int) -> tuple[str, int] | None:
        """The table and the tier with most small files in one day, if there are so many."""
        small = Counter(
            (file.table, file.min_time // DAY, self._tier(file.size))
            for file in self._lake.files
            if file.size < self._upkeep.small_bytes
        )
        for (table, _, tier), count in small.most_common(1):
            if count >= least:
                return table, tier
        return None

    def _merge(self) -> bool:
        crowded = self._crowded(self._upkeep.merge_files)
        if crowded is None:
            return False
        table, tier = crowded
        below = self._upkeep.small_bytes // _STEP**tier
        least = 0 if tier == _TIERS - 1 else below // _STEP
        if not self._lake.merge(table, sizes=(least, below), at_most=4):
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

    # dropping what is old

    def _drop(self, view: View, limits: Limits) -> bool:
        """Drop one day of one table, once sums and a keyframe tell of it; or the sums per minute that are too old."""
        for form in DROPPABLE:
            table = view.table(READINGS[form])
            for day in sorted({file.min_time // DAY * DAY for file in table.files}):
                due = frozenset(number for number, before in limits.raw.items() if before >= day + DAY)
                if not due:
                    break
                seen = (due, limits.held, table.day_rows.get(day, 0))
                if self._looked.get((form, day)) == seen:
                    continue
                terms = _aged(due, limits.held)
                if self._count(view, form, day, terms):
                    if self._told_of(view, form, day):
                        return True  # a keyframe or a roll-up was made first; the next step drops
                    rows = self._lake.drop(
                        READINGS[form], (day, day + DAY), terms, property=f"series & {PROPERTY_MASK}"
                    )
                    self.dropped.append(Dropped(READINGS[form], day, rows))
                    self._merged_away = True
                    self._republish(self._views.current.derived)
                    return True
                self._looked[form, day] = seen
        return self._drop_minutes(view, limits)

    def _count(self, view: View, form: Form, day: int, terms: str) -> int:
        return self._reader.count(view.table(READINGS[form]).select(start=day, end=day + DAY), terms)

    def _told_of(self, view: View, form: Form, day: int) -> bool:
        """Make the day's sums, also per minute, and a keyframe after it, where they are missing; whether any was."""
        table = view.table(READINGS[form])
        if form in rollups.FORMS:
            hour = view.derived.rollups.get((form, Grain.HOUR), {}).get(day)
            minute = view.derived.rollups.get((form, Grain.MINUTE), {}).get(day)
            if hour is None or minute is None or hour.rows != table.day_rows[day]:
                derived, old = view.derived, []
                for rollup in rollups.make(self._reader, view, form, day, self._folder, minutes=True):
                    derived, paths = derived.with_rollup(rollup)
                    old += paths
                self._replace(derived, old)
                return True
        newest = max(file.max_position for file in table.select(start=day, end=day + DAY))
        listed = view.derived.keyframes.get(form, ())
        if any(k.hour >= day + DAY and k.position >= newest for k in listed):
            return False
        self._replace(*view.derived.with_keyframe(keyframes.make(self._reader, view, form, day + DAY, self._folder)))
        return True

    def _drop_minutes(self, view: View, limits: Limits) -> bool:
        before = limits.minutes
        if before is None:
            return False
        minutes = [view.derived.rollups.get((form, Grain.MINUTE), {}) for form in rollups.FORMS]
        gone = [rollup for days in minutes for day, rollup in days.items() if day + DAY <= before]
        if not gone:
            return False
        self._replace(view.derived.without(gone), [rollup.path for rollup in gone])
        return True

    # erasing

    def erase(self, number: int, twin: str) -> dict[str, int]:
        """Write every file anew that holds something of a twin; table -> how many rows went.

        What was superseded is deleted at once, and a view that somebody holds must not read it any more: reads that
        are under way end first, or fail.
        """
        counts: dict[str, int] = {}
        terms = f"series >> {PROPERTY_BITS} = {int(number)}"
        low, high = number << PROPERTY_BITS, ((number + 1) << PROPERTY_BITS) - 1
        for form in Form:
            name = READINGS[form]
            files = self._views.current.table(name).select(series=(low, high))
            for day in sorted({file.min_time // DAY * DAY for file in files}):
                gone = self._lake.drop(name, (day, day + DAY), terms, property=str(ERASED))
                counts[name] = counts.get(name, 0) + gone
        name = twin.replace("'", "''")
        for month in sorted({_month(f.min_time) for f in self._views.current.table(HAPPENED).files}):
            gone = self._lake.drop(
                HAPPENED, month, f"twin = '{name}' AND kind <> '{ERASED_KIND}'", property=str(ERASED)
            )
            counts[HAPPENED] = counts.get(HAPPENED, 0) + gone
        self._erase_dropped(number)
        self._republish(self._views.current.derived)
        self._erase_derived(number)
        self._lake.clean(self._lake.moment())
        self._lake.forget_bounds()
        return {table: rows for table, rows in counts.items() if rows}

    def _erase_dropped(self, number: int) -> None:
        """What was dropped of the twin is told by sums only: they are to be another file, without it."""
        view = self._views.current
        for form in rollups.FORMS:
            table, made = view.table(READINGS[form]), view.derived.rollups.get((form, Grain.HOUR), {})
            for day in table.forgotten.days:
                if day in made and (told := rollups.counts_of(self._reader, made[day], number)):
                    self._lake.count_as_erased(READINGS[form], day, told, number=ERASED)

    def _erase_derived(self, number: int) -> None:
        view = self._views.current
        derived, old = view.derived, []
        for form in Form:
            for keyframe in view.derived.keyframes.get(form, ()):
                if made := keyframes.without(self._reader, keyframe, self._folder, number):
                    derived, paths = derived.with_keyframe(made)
                    old += paths
        for form in rollups.FORMS:
            table = view.table(READINGS[form])
            for day, listed in view.derived.rollups.get((form, Grain.HOUR), {}).items():
                rows = table.day_rows.get(day, 0)
                if listed.rows != rows:
                    for rollup in rollups.without(self._reader, view, form, day, self._folder, twin=number, rows=rows):
                        derived, paths = derived.with_rollup(rollup)
                        old += paths
        self._republish(derived)
        for path in old:
            (self._folder / path).unlink(missing_ok=True)

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


def _aged(due: frozenset[int], held: frozenset[int]) -> str:
    """SQL for readings of these properties, but not of the twins that are held; every number is an int."""
    terms = f"series & {PROPERTY_MASK} IN ({', '.join(str(int(number)) for number in sorted(due))})"
    if held:
        terms += f" AND series >> {PROPERTY_BITS} NOT IN ({', '.join(str(int(number)) for number in sorted(held))})"
    return terms


def _month(moment: int) -> tuple[int, int]:
    """[start, end) of the month that holds a moment."""
    first = datetime.fromtimestamp(moment // SECOND, UTC).replace(day=1, hour=0, minute=0, second=0)
    after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return round(first.timestamp()) * SECOND, round(after.timestamp()) * SECOND
