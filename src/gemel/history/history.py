"""The past of every twin: one object that other rooms ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

import pyarrow as pa

from gemel.clock import Clock
from gemel.errors import Corrupt, InvalidQuery, Overloaded
from gemel.history import mapping as mappings
from gemel.history.asof import readings_at
from gemel.history.average import Average, average_of
from gemel.history.dropped import dropped_spans
from gemel.history.events import EventPage, EventQuery, events_of
from gemel.history.export import Progress, export
from gemel.history.feed import ConditionFeed
from gemel.history.fingerprint import Fingerprint, changed_since, fingerprints
from gemel.history.forgotten import Limits
from gemel.history.historian import Historian
from gemel.history.lake import Lake
from gemel.history.load import LOADED_KIND, Loaded, Staged, load_hash, loaded_change
from gemel.history.maintenance import Dropped
from gemel.history.points import Past, Pieces, Points
from gemel.history.published import File, View, Views
from gemel.history.ranges import Ask, range_of
from gemel.history.reader import Reader
from gemel.history.relations import relations, series_table
from gemel.history.rows import Rows
from gemel.history.scrub import Checked, Scrub, check_all
from gemel.history.series import Method, Series
from gemel.history.staging import stage
from gemel.history.status import Settings, Status
from gemel.history.subject import Subject, entry_of, sources_of, subject, subject_of_series
from gemel.history.tables import READINGS
from gemel.journal import Journal
from gemel.registry import Directory, PropertyRef
from gemel.state import Relation
from gemel.twin import PROPERTY_BITS, Change, Form, Position, Reading

__all__ = ["History"]

T = TypeVar("T")


class History:
    """Follows the journal into Parquet and answers what was. Thread-safe; close it when done."""

    def __init__(
        self,
        folder: Path,
        journal: Journal,
        directory: Directory,
        clock: Clock,
        *,
        catalogue_url: str | None = None,
        settings: Settings | None = None,
    ) -> None:
        """Opens (or makes) the history in `folder`. `catalogue_url`: postgresql://… instead of SQLite in the folder."""
        self.folder = Path(folder)
        self._directory = directory
        self._journal = journal
        self._clock = clock
        self._views = Views()
        self._reader = Reader(self.folder)
        self._historian = Historian(
            self.folder,
            journal,
            clock,
            views=self._views,
            settings=settings or Settings(),
            catalogue_url=catalogue_url,
        )
        try:
            self._historian.start()
            with suppress(Corrupt):  # whoever asks for that file is told
                self._reader.warm(self._views.current)
        except BaseException:
            self._reader.close()
            raise

        upkeep = (settings or Settings()).upkeep
        self._scrub = Scrub(
            self._reader.folder,
            self._reader.sums,
            self._paths,
            bytes_s=upkeep.scrub_bytes_s,
            every_s=upkeep.scrub_every_s,
        )

    # what is stored

    @property
    def position(self) -> Position:
        """Every reading and change up to it is in Parquet, on disk and read back: the journal may drop its copy."""
        return self._views.current.stored

    @property
    def followed(self) -> Position:
        """Queries answer up to here."""
        return self._views.current.position

    def wait(self, position: Position, timeout_s: float = 10.0) -> bool:
        """Whether queries answered up to `position` within the time."""
        return self._views.wait(position, timeout_s)

    @property
    def damage(self) -> Corrupt | None:
        """Why answers will not go on: the journal is damaged after what they tell; None while it is not."""
        return self._historian.damage

    def flush(self, timeout_s: float = 60.0) -> Position:
        """Store everything that the journal holds now, and return the position reached."""
        target = self._journal.head().position
        self._historian.flush(target)
        self._views.wait(target, timeout_s, stored=True)
        return self.position

    def upkeep(self, timeout_s: float = 600.0) -> bool:
        """Merge files and make keyframes and roll-ups now, as far as they are due; whether all was done in time."""
        return self._historian.upkeep(timeout_s)

    def retain(self, limits: Limits) -> None:
        """From now on drop readings that are older than this, a day at a time; sums per hour stay."""
        self._historian.retain(limits)

    def taken_dropped(self) -> list[Dropped]:
        """What was dropped since the last call."""
        return self._historian.taken_dropped()

    def count(self, number: int) -> int:
        """How many readings the twin of this number has in files."""
        low, high = number << PROPERTY_BITS, ((number + 1) << PROPERTY_BITS) - 1
        with self._views.hold() as view:
            tables = [view.table(READINGS[form]).select(series=(low, high)) for form in Form]
            return sum(self._reader.count(files, f"series BETWEEN {low} AND {high}") for files in tables)

    def erase(self, number: int, twin: str, timeout_s: float = 3600.0) -> dict[str, int]:
        """Write every file anew that holds something of the twin of this number and id; table -> rows that went."""
        self.flush()
        return self._historian.erase(number, twin).result(timeout_s)

    def status(self) -> Status:
        return self._historian.status()

    def files(self) -> list[File]:
        """The published list of Parquet files with their bounds."""
        return [file for table in self._views.current.files.values() for file in table.files]

    @contextmanager
    def view(self) -> Iterator[View]:
        """One moment of the history over several reads; its files stay while it is held."""
        with self._views.hold() as view:
            yield view

    def copy_catalogue(self, target: Path, also: Callable[[Position, list[str]], T], timeout_s: float = 600.0) -> T:
        """Copy the catalogue to a new SQLite file, for a backup, and call `also` before anything can follow it.

        `also` gets the position that the copy holds and the paths, relative to `folder`, of what belongs to it: data
        files, keyframes, roll-ups, and staged loads. Hold a `view` around it until those are copied. Raises Overloaded.
        """

        def work(lake: Lake) -> T:
            lake.copy_catalogue(target)
            made = self._views.current.derived
            derived = [k.path for listed in made.keyframes.values() for k in listed]
            derived += [r.path for days in made.rollups.values() for r in days.values()]
            loads = [str(p.relative_to(self.folder)) for p in sorted((self.folder / "loads").glob("*/*"))]
            return also(lake.position, [*lake.all_files(), *derived, *loads])

        copying = self._historian.between_commits(work)
        try:
            return copying.result(timeout_s)
        except (CancelledError, FutureTimeout):
            copying.cancel()
            raise Overloaded(f"the history had no time for a backup within {timeout_s:.0f} s; try again") from None

    # one instant

    def value(self, of: int | tuple[str, str], at: int) -> Reading | None:
        """The reading in force at `at` of a series, or of (twin, property); None if there was none yet."""
        asked = subject_of_series(self._directory, of) if isinstance(of, int) else subject(self._directory, *of)
        with self._views.hold() as view:
            return readings_at(self._reader, view, [asked], at)[0]

    def twin(self, twin: str, at: int) -> dict[str, Reading]:
        """A whole twin at a past instant: property → reading; properties without any reading are left out."""
        return self.twins([twin], at)[entry_of(self._directory, twin).id]

    def twins(self, twins: Iterable[str], at: int) -> dict[str, dict[str, Reading]]:
        """Many twins at one past instant, by id. Raises UnknownTwin."""
        subjects: list[Subject] = []
        found: dict[str, dict[str, Reading]] = {}
        shapes: dict[int, list[PropertyRef]] = {}  # twins of the same types share one mapping of properties
        for twin in twins:
            entry = entry_of(self._directory, twin)
            found[entry.id] = {}
            refs = shapes.get(id(entry.properties))
            if refs is None:
                refs = [*{ref.number: ref for ref in entry.properties.values()}.values()]
                shapes[id(entry.properties)] = refs
            subjects += [Subject(entry.id, ref, sources_of(self._directory, entry, ref)) for ref in refs]
        with self._views.hold() as view:
            for reading in readings_at(self._reader, view, subjects, at):
                if reading is not None:
                    found[reading.twin][reading.property] = reading
        return found

    # an interval

    def range(
        self,
        twin: str,
        property: str,
        start: int,
        end: int,
        *,
        points: int | None = None,
        method: str | None = None,
        unit: str = "",
    ) -> Series:
        """A property in [start, end): every reading, or at most about `points` by `method`.

        Methods: raw, minmax, mean, last, lttb for numbers; texts, enumerations, booleans and conditions come as states
        unless raw is asked for. Raises UnknownTwin, UnknownProperty, InvalidQuery, InvalidUnit.
        """
        try:
            ask = Ask(points, Method(method) if method else None, unit)
        except ValueError:
            raise InvalidQuery(f"there is no method {method!r:.40}; use one of {', '.join(Method)}") from None
        with self._past(twin, property) as past:
            return range_of(past, start, end, now=self._clock.now(), ask=ask)

    def readings(self, twin: str, property: str, start: int, end: int) -> Rows:
        """The reading in force just before `start`, if there was one, and all in [start, end), by (time, position).

        In today's kind and unit; of conditions their updates.
        """
        with self._past(twin, property) as past:
            held, pieces = past.read(start, end)
            parts = [held.rows, *(points.rows for points in pieces)]
            return Points.of(Rows.concat(past.form, parts)).rows

    @contextmanager
    def pieces(self, twin: str, property: str, start: int, end: int) -> Iterator[Pieces]:
        """As `readings`, for what may be too much at once; read them while the context lasts."""
        with self._past(twin, property) as past:
            held, pieces = past.read(start, end)
            dropped = dropped_spans(past, start, end)
            yield Pieces(held.rows, (points.rows for points in pieces), dropped, past.view.position)

    def average(self, twin: str, property: str, start: int, end: int, *, unit: str = "") -> Average:
        """The time-weighted average in [start, end), and for how many seconds of it a value was known."""
        with self._past(twin, property) as past:
            return average_of(past, start, end, now=self._clock.now(), unit=unit)

    @contextmanager
    def _past(self, twin: str, property: str) -> Iterator[Past]:
        asked = subject(self._directory, twin, property)
        with self._views.hold() as view:
            yield Past(self._reader, view, asked)

    # what happened

    def events(self, query: EventQuery | None = None) -> EventPage:
        """Events of machines, conditions that came and went, and all other changes, a page at a time.

        The newest come first unless asked otherwise.
        """
        with self._views.hold() as view:
            return events_of(self._reader, view, self._directory, query or EventQuery())

    def condition_feed(self) -> ConditionFeed:
        """Conditions that come and go, by position, for one that follows the journal."""
        return ConditionFeed(self._reader, self._views, self._directory)

    def relations(self) -> Mapping[str, Relation]:
        """`history.reading`, `history.happened`, `history.series` … for `State.sql`: what is in Parquet by now."""
        return relations(self._reader, self._views, self._directory)

    def fingerprints(self, until: Position) -> dict[str, Fingerprint]:
        """Rows, first and last time and a hash of every series and kind of event: equal where two plants agree."""
        return fingerprints(self.relations(), until)

    def changed_since(self, position: Position) -> dict[int, int]:
        """Series → the earliest time of what came after a position."""
        return changed_since(self.relations(), position)

    def all_files(self) -> list[str]:
        """Every file that the catalogue holds, relative to `folder`: also of tables that are not published."""
        return self._historian.between_commits(lambda lake: lake.all_files()).result()

    def series(self) -> pa.Table:
        """series, twin, property, unit, table: which series is which property, earlier generations included."""
        return series_table(self._directory)

    # out and in

    def export(
        self,
        selection: Iterable[tuple[str, str]],
        start: int,
        end: int,
        target: Path | BinaryIO,
        *,
        format: str = "csv",  # noqa: A002 - what callers write
        progress: Progress | None = None,
    ) -> int:
        """Write the readings of these (twin, property) pairs in [start, end) as csv, parquet or arrow.

        Returns the number of rows. Raises UnknownTwin, UnknownProperty, InvalidQuery, InvalidInput.
        """
        if end <= start:
            raise InvalidQuery("the range ends before it begins; give start < end")
        subjects = [subject(self._directory, twin, name) for twin, name in selection]
        with self._views.hold() as view:
            pasts = [Past(self._reader, view, asked) for asked in subjects]
            return export(pasts, start, end, target, format=format, progress=progress)

    def load(
        self,
        source: Path | pa.Table,
        mapping: mappings.Mapping,
        journal_change: Callable[[Change], Position],
        *,
        progress: Progress | None = None,
        timeout_s: float = 3600.0,
    ) -> Loaded:
        """Take in years at once: see `Mapping`. The same content with the same mapping again has no effect.

        `journal_change` must make the change durable in the journal and return its position; given a change whose
        (source, id) is there already, it should return that one's position. Values that do not fit are left out and
        told with their line numbers. Raises InvalidInput, InvalidDocument, NotFound.
        """
        digest = load_hash(source, mapping)
        if digest in self._historian.loads:
            return Loaded(digest, 0, self._historian.loads[digest], repeated=True)
        told = progress or (lambda _: None)
        held = stage(source, mapping, self._directory, self.folder, progress=lambda part: told(0.5 * part))
        position = self._fold(source, held, journal_change, timeout_s)
        told(1.0)
        return Loaded(digest, held.rows, position, held.start, held.end, rejected=held.rejected, problems=held.problems)

    def _fold(
        self, source: Path | pa.Table, held: Staged, journal_change: Callable[[Change], Position], timeout_s: float
    ) -> Position:
        earlier = self.events(EventQuery(kinds=(LOADED_KIND,), id=held.hash, limit=1)).items
        if earlier:  # the journal tells of it, but its rows had been lost before they were taken in
            self._historian.refold(earlier[0])
        else:
            name = source.name if isinstance(source, Path) else "table"
            journal_change(loaded_change(held, name, self._clock.now()))
        if not self._historian.wait_loaded(held.hash, timeout_s):
            raise Overloaded(f"the load is journaled but not taken in after {timeout_s:.0f} s; it goes on by itself")
        return self._historian.loads[held.hash]

    # proof

    def verify(self, *, progress: Callable[[int, int], None] | None = None) -> Checked:
        """Read every file in full, from the disk, and hold it against its hash; `progress`: files done, in all."""
        return check_all(self._reader.folder, self._reader.sums, self._paths(), progress=progress)

    def on_damage(self, tell: Callable[[Change], object]) -> None:
        """Hand over a `history.damaged` change for each file that is found damaged, by a query or by the scrub."""

        def told(path: str, reason: str) -> None:
            tell(
                Change(
                    kind="history.damaged", subject="", time=self._clock.now(), body={"path": path, "reason": reason}
                )
            )

        self._reader.sums.found = told
        for path, reason in list(self._reader.sums.damaged.items()):
            told(path, reason)

    def _paths(self) -> list[str]:
        view = self._views.current
        derived = view.derived
        made = [one.path for listed in derived.keyframes.values() for one in listed]
        made += [one.path for days in derived.rollups.values() for one in days.values()]
        return [file.path for file in self.files()] + made

    def close(self) -> None:
        """Stop following. What is not stored yet stays in the journal and is taken at the next opening."""
        self._scrub.close()
        self._historian.close()
        self._reader.close()

    def __enter__(self) -> History:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
