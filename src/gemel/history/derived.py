"""Files made from the readings: keyframes and roll-ups. Each file's name says what it was made of.

They can always be made again, so they have no catalogue: a file is there whole (written aside, fsynced, renamed) or not
at all, and whether it still holds is seen by comparing its name with the published list of data files.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gemel.disk import make_folder, write_whole
from gemel.history.sums import record
from gemel.twin import Form

__all__ = ["DAY", "Derived", "Grain", "Keyframe", "Rollup", "write"]

SECOND = 1_000_000
DAY = 86_400 * SECOND


class Grain(StrEnum):
    """The width of a roll-up's buckets."""

    MINUTE = "minute"
    HOUR = "hour"

    @property
    def width(self) -> int:
        """Microseconds."""
        return 60 * SECOND if self is Grain.MINUTE else 3600 * SECOND


@dataclass(frozen=True, slots=True)
class Keyframe:
    """The newest row of every series among those with time < `hour` and position ≤ `position`."""

    form: Form
    hour: int
    position: int
    rows: int

    @property
    def path(self) -> str:
        return f"keyframes/{self.form}/{self.hour // SECOND}-{self.position}-{self.rows}.parquet"


@dataclass(frozen=True, slots=True)
class Rollup:
    """One day's readings per bucket; made of `rows` readings, and true while the day has no more than those."""

    form: Form
    grain: Grain
    day: int
    """When the day begins; microseconds."""
    rows: int

    @property
    def path(self) -> str:
        return f"rollups/{self.form}/{self.grain}/{self.day // SECOND}-{self.rows}.parquet"


@dataclass(frozen=True, slots=True, eq=False)
class Derived:
    """All keyframes, by rising hour, and all roll-ups, by day."""

    keyframes: Mapping[Form, tuple[Keyframe, ...]] = field(default_factory=dict)
    rollups: Mapping[tuple[Form, Grain], Mapping[int, Rollup]] = field(default_factory=dict)

    def with_keyframe(self, made: Keyframe) -> tuple[Derived, list[str]]:
        """With one more, and the paths of those that it supersedes."""
        same = self.keyframes.get(made.form, ())
        old = [k for k in same if k.hour == made.hour and k != made]
        kept = [k for k in same if k.hour != made.hour]
        listed = tuple(sorted([*kept, made], key=lambda k: k.hour))
        return Derived({**self.keyframes, made.form: listed}, self.rollups), [k.path for k in old]

    def with_rollup(self, made: Rollup) -> tuple[Derived, list[str]]:
        """With one more, and the paths of those that it supersedes."""
        key = made.form, made.grain
        days = dict(self.rollups.get(key, {}))
        old = days.get(made.day)
        days[made.day] = made
        return Derived(self.keyframes, {**self.rollups, key: days}), [old.path] if old and old != made else []

    def without(self, gone: Collection[Keyframe | Rollup]) -> Derived:
        """Without these."""
        return Derived(
            {form: tuple(k for k in listed if k not in gone) for form, listed in self.keyframes.items()},
            {key: {day: made for day, made in days.items() if made not in gone} for key, days in self.rollups.items()},
        )

    @classmethod
    def found(cls, folder: Path) -> Derived:
        """What lies in the folder; of several for one hour or day the newest, the others are deleted."""
        derived = cls()
        for made in sorted(_keyframes(folder), key=lambda k: (k.position, -k.rows)):
            derived, old = derived.with_keyframe(made)
            _delete(folder, old)
        for rollup in sorted(_rollups(folder), key=lambda r: r.rows):
            derived, old = derived.with_rollup(rollup)
            _delete(folder, old)
        return derived


def write(folder: Path, path: str, table: pa.Table) -> None:
    """Write one derived file so that it is there whole or not at all, also after a power cut."""
    target = folder / path
    make_folder(target.parent)
    body = io.BytesIO()
    pq.write_table(table, body, compression="zstd", row_group_size=122_880, version="2.6")
    write_whole(target, body.getbuffer())
    record(folder, [target])


def _keyframes(folder: Path) -> Iterator[Keyframe]:
    for form in Form:
        for name in _names(folder / "keyframes" / form):
            if match := re.fullmatch(r"(-?\d+)-(\d+)-(\d+)\.parquet", name):
                yield Keyframe(form, int(match[1]) * SECOND, int(match[2]), int(match[3]))


def _rollups(folder: Path) -> Iterator[Rollup]:
    for form in Form:
        for grain in Grain:
            for name in _names(folder / "rollups" / form / grain):
                if match := re.fullmatch(r"(-?\d+)-(\d+)\.parquet", name):
                    yield Rollup(form, grain, int(match[1]) * SECOND, int(match[2]))


def _names(folder: Path) -> list[str]:
    return [entry.name for entry in os.scandir(folder)] if folder.is_dir() else []


def _delete(folder: Path, paths: list[str]) -> None:
    for path in paths:
        (folder / path).unlink(missing_ok=True)
