"""What is asked of the configuration beyond one tree, and how it is kept up; as verbs of `Configuration`.

Every question takes `at` (the moment of the world) and `known` (the moment of our knowing); left out: now.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, TypeVar

import duckdb
import pyarrow as pa
from sqlalchemy import Connection

from gemel.clock import Clock
from gemel.configuration.acts.acting import item_row
from gemel.configuration.acts.loading import Built, Chunks, Loaded, Ready, prepare, write
from gemel.configuration.parts.book import Book, PartsBook, Run
from gemel.configuration.questions import asking, limits, sides
from gemel.configuration.questions.applicability import Applicability, Applies, applies_to, sought
from gemel.configuration.questions.attached import OURS, SCHEMA, Engines, Sources
from gemel.configuration.questions.columns import OWN, Columns
from gemel.configuration.questions.completeness import Completeness, completeness
from gemel.configuration.questions.dependants import (
    Dependant,
    Dependants,
    Reliance,
    RelianceQuery,
    dependants,
    known_of,
    latest_known,
    reliances,
    rely,
    within_span,
)
from gemel.configuration.questions.ends import around, end_item, whole_of
from gemel.configuration.questions.finding import item_of_twin, live_faces, machine_of, machines_of
from gemel.configuration.questions.fleet import FIRST, FleetPage, Having, Matches, Order, matches
from gemel.configuration.questions.joined import JOINED, join, lent, named_sources
from gemel.configuration.questions.limits import Remaining, RemainingPage
from gemel.configuration.questions.lives import counts
from gemel.configuration.questions.materials import Passport, passport
from gemel.configuration.questions.replacing import Fitter
from gemel.configuration.questions.sides import Readiness, Sides, readiness, slots_within
from gemel.configuration.questions.spells import spells
from gemel.configuration.questions.turning import acts_at, endings, parts_of, parts_within
from gemel.configuration.software.versions import place_of
from gemel.configuration.upkeep.promises import Upkeep
from gemel.configuration.upkeep.snapshots import Snapshots
from gemel.configuration.upkeep.translating import Translations
from gemel.configuration.values import FOREVER, Act, Basis, Item, Node, Span
from gemel.database import Database
from gemel.errors import NotFound
from gemel.twin import Change, Page

__all__ = ["Questions", "Shared"]

T = TypeVar("T")
_NOW = FOREVER - 1
_NO_BASIS = Basis()


class Shared:
    """What all views of one configuration share: columns in memory, open sources."""

    def __init__(self, database: Database) -> None:
        self.columns = Columns(database)
        self.engines = Engines(database)
        self.software: Callable[[], Mapping[str, Any]] = dict
        """Software as it is declared, by part number: it orders its versions."""
        self.judged: asking.Judged = asking.as_it_is
        """Marks a tree, as of two moments, with what is required of its software."""

    def close(self) -> None:
        self.columns.close()
        self.engines.close()


class Questions:
    """Of one configuration. Any thread."""

    def __init__(self, database: Database, clock: Clock, run: Run, *, actor: str, shared: Shared) -> None:
        self._database, self._clock, self._run, self._actor = database, clock, run, actor
        self.shared = shared
        self.parts = PartsBook(database, clock, run, actor=actor)

    # how it is kept up

    @property
    def snapshots(self) -> Snapshots:
        """Dated, sealed by a hash."""
        return Snapshots(self._database, self._clock, self._run, actor=self._actor)

    @property
    def upkeep(self) -> Upkeep:
        """Promises on how long ago a configuration was confirmed, and schedules of snapshots."""
        return Upkeep(self._database, self._clock, self._run, parts=self.parts, actor=self._actor)

    @property
    def translations(self) -> Translations:
        """Which events become which operations, and those of which none came."""
        return Translations(self._database, self._clock, self._run, self, actor=self._actor)  # type: ignore[arg-type]

    @property
    def sources(self) -> Sources:
        """Configurations of others, asked where they lie."""
        return Sources(self._database, self._clock, self._run, self.shared.engines, actor=self._actor)

    def load(
        self, lines: Iterable[Built], *, basis: Basis = _NO_BASIS, progress: Callable[[int], None] | None = None
    ) -> Loaded:
        """Take in the as-built of many machines, in transactions of some 20 ms. Lines that cannot be taken are
        listed, the others go on; begun again, what is known is not taken twice.

        `progress` is told how many lines are done, and may raise to end it between two transactions.
        """
        told, chunks = Loaded(), Chunks(lines)
        for some in chunks:
            with self._database.read() as tx:
                ready = prepare(tx, some, self.parts.read(tx))
            if ready.taken:
                done: list[Loaded] = []

                def work(tx: Connection, some: Any = some, ready: Ready = ready, done: Any = done) -> list[Change]:
                    begun, book = self._clock.monotonic(), self.parts.read(tx)
                    it = ready if ready.stands(tx, book) else prepare(tx, some, book)
                    changes = write(tx, it, now=self._clock.now(), basis=basis, actor=self._actor)
                    done[:] = [it.loaded]
                    chunks.took(self._clock.monotonic() - begun)
                    return changes

                self._run(work, actor=self._actor)
                told = told.and_(*done)
            else:
                told = told.and_(ready.loaded)
            if progress is not None:
                progress(some[-1][0])
        return told

    # the fleet

    def fleet(
        self,
        *having: Having,
        at: int | None = None,
        during: tuple[int, int] | None = None,
        known: int | None = None,
        source: str = "",
        page: FleetPage = FIRST,
    ) -> Matches:
        """Machines that have all of it at once, at a moment or at any time `during` [start, end).

        `source`: of an attached one, by its id; of several as one, with what is believed here if it is named:
        "own,supplier" (see `joined`). Raises InvalidInput, NotFound.
        """
        now = self._clock.now() if at is None else at
        span = Span(now, now + 1) if during is None else Span(*during)
        believed = _NOW if known is None else known
        if "," in source:
            with self._joined(named_sources(source)) as cursor:
                return matches(cursor, JOINED, having, self.order(), span=span, known=believed, page=page)
        if source not in ("", OURS):
            with self.sources.cursor(self.sources.get(source)) as cursor:
                return matches(cursor, SCHEMA, having, self.order(), span=span, known=believed, page=page)
        order = self.order()
        with self._database.read() as tx:
            inside = within_span(tx, page.root, span, believed) if page.root else None
        with self.shared.columns.cursor() as cursor:
            return matches(cursor, OWN, having, order, span=span, known=believed, page=page, inside=inside)

    @contextmanager
    def _joined(self, names: Sequence[str]) -> Iterator[duckdb.DuckDBPyConnection]:
        with self.sources.cursor(*(self.sources.get(one) for one in names if one != OURS)) as cursor:
            if OURS in names:
                with self.shared.columns.cursor(slots=True) as ours:
                    lent(cursor, ours)
            join(cursor, names)
            yield cursor

    def items(self, ids: Iterable[str], at: int | None = None, *, known: int | None = None) -> dict[str, Item]:
        """What items are, without what they consist of, by these ids; those that nobody knows are left out."""
        return self._ask(lambda tx, _, at, known: asking.items(tx, ids, at, known), at, known)

    def machine_of(self, item: str, at: int | None = None, *, known: int | None = None) -> str:
        """The machine, as the fleet counts it, that an item is in, itself perhaps. Raises NotFound."""
        return self._ask(lambda tx, _, at, known: machine_of(tx, item, at, known), at, known)

    def machines_of(self, items: Collection[str], at: int | None = None, *, known: int | None = None) -> dict[str, str]:
        """The same of many, by their ids; those that nobody knows are left out."""
        return self._ask(lambda tx, _, at, known: machines_of(tx, items, at, known), at, known)

    def parts_within(self, root: str, start: int, end: int, *, known: int | None = None) -> set[str]:
        """The parts, and the software, that may have been in a machine within [start, end). Raises NotFound."""
        with self._database.read() as tx:
            return parts_within(tx, root, Span(start, end), _NOW if known is None else known)

    def endings(
        self, ends: Collection[tuple[str, int]], *, known: int | None = None
    ) -> dict[tuple[str, int], list[Act]]:
        """Of many (item, moment): the acts by which a place, a trait or the software of that item ended then."""
        with self._database.read() as tx:
            return endings(tx, ends, _NOW if known is None else known)

    def parts_of(self, items: Collection[str]) -> dict[str, str]:
        """The part numbers of items, as they are last known."""
        with self._database.read() as tx:
            return parts_of(tx, items)

    def acts_at(self, items: Iterable[str], moment: int, *, known: int | None = None) -> list[Act]:
        """The acts by which a place, a trait or the software of items, or of what they were in, is another one from a
        moment on; in the order of their becoming known. Raises NotFound."""
        with self._database.read() as tx:
            return acts_at(tx, items, moment, _NOW if known is None else known)

    def applicable(
        self,
        to: Applicability,
        at: int | None = None,
        *,
        known: int | None = None,
        source: str = "",
        page: FleetPage = FIRST,
    ) -> Matches:
        """The machines to which something applies, a bulletin say; those of which it cannot be told by the serial
        number are among them. Raises InvalidInput, NotFound."""
        now = self._clock.now() if at is None else at
        having, asked = sought(to, now, page, Book(self.parts.all(known=known)))
        return self.fleet(*having, at=now, known=known, source=source, page=asked)

    def applies(self, to: Applicability, root: str, at: int | None = None, *, known: int | None = None) -> Applies:
        """Whether something applies to one machine, and why not. Raises NotFound."""
        now = self._clock.now() if at is None else at
        with self._database.read() as tx:
            believed = _NOW if known is None else known
            node, outer = asking.tree(tx, root, now, believed), around(tx, root, now, believed)
            book = self.parts.read(tx, known)
        return applies_to(to, node, self.order(), now, book=book, outer=outer)

    def remaining(
        self,
        *,
        kind: str = "",
        part: str = "",
        root: str = "",
        at: int | None = None,
        known: int | None = None,
        limit: int = 100,
    ) -> RemainingPage:
        """Items with a life limit (of a kind, of a part, in an item), those with the least left first. Raises
        NotFound (root)."""
        now = self._clock.now() if at is None else at
        believed = _NOW if known is None else known
        with self.shared.columns.cursor() as cursor, self._database.read() as tx:
            book = self.parts.read(tx, known)
            asked = limits.Asked(kind, part, root, limit)
            return limits.remaining(cursor, tx, book, asked, at=now, known=believed)

    def spells(
        self,
        parts: Iterable[str],
        at: int | None = None,
        *,
        known: int | None = None,
        items: Iterable[str] | None = None,
    ) -> pa.Table:
        """Times in which nothing of the configuration of items of these parts (`items`: of them, these only) changed,
        up to a moment: `SPELLS`. Raises NotFound."""
        now, believed = self._clock.now() if at is None else at, _NOW if known is None else known
        with self.shared.columns.cursor() as cursor, self._database.read() as tx:
            numbers = None if items is None else [int(item_row(tx, one).number) for one in items]
            return spells(cursor, tx, list(parts), at=now, known=believed, only=numbers)

    def latest(self) -> int:
        """As `known`, all that is believed now, and nothing that will be."""
        with self._database.read() as tx:
            return latest_known(tx, self._clock.now())

    def counts(self, asked: pa.Table, *, known: int | None = None) -> pa.Table:
        """How much many items (`item`: their numbers) were used, by `kind`, `until` moments; no row twice.

        The same rows with `amount`, `adjusted` (part of it), `untold` (microseconds).
        """
        with self.shared.columns.cursor() as cursor:
            return counts(cursor, OWN, asked, known=_NOW if known is None else known)

    def attached_tree(self, source: str, root: str, at: int | None = None, *, known: int | None = None) -> Node:
        """A machine of an attached source with all that it consists of. Raises NotFound."""
        now = self._clock.now() if at is None else at
        return self.sources.tree(self.sources.get(source), root, now, _NOW if known is None else known)

    # one machine

    def end_item(self, item: str, at: int | None = None, *, known: int | None = None) -> Item | None:
        """The nearest end item that an item is in, itself perhaps: whose serial number ranges mean. None: none is
        known. Raises NotFound."""
        return self._ask(lambda tx, book, at, known: end_item(tx, book, item, at, known), at, known)

    def fitter(self, item: str, at: int | None = None, *, known: int | None = None) -> Fitter:
        """What may be put into the slots of an item and of what is in it, in the end item that it is in. Raises
        NotFound."""

        def work(tx: Connection, book: Book, at: int, known: int) -> Fitter:
            return Fitter(book, whole_of(tx, book, item, at, known), at, of=str(item_row(tx, item).id))

        return self._ask(work, at, known)

    def limits(self, item: str, at: int | None = None, *, known: int | None = None) -> list[Remaining]:
        """The life limits of an item, the one with the least left first. Raises NotFound."""
        return self._ask(lambda tx, book, at, known: limits.life_of(tx, book, item, at, known), at, known)

    def completeness(self, root: str, at: int | None = None, *, known: int | None = None) -> Completeness:
        """What is known of each slot, and how long ago it was confirmed. Raises NotFound."""

        def work(tx: Connection, book: Book, at: int, known: int) -> Completeness:
            return completeness(tx, root, slots_within(tx, book, root, at, known), at, known)

        return self._ask(work, at, known)

    def materials(self, root: str, at: int | None = None, *, known: int | None = None) -> Passport:
        """What it is made of, with all that is in it. Raises NotFound."""
        return self._ask(lambda tx, book, at, known: passport(book, asking.tree(tx, root, at, known)), at, known)

    def sides(self, root: str, at: int | None = None, *, known: int | None = None) -> Sides:
        """As designed, planned, built, delivered and maintained, slot by slot. Raises NotFound."""
        return self._ask(lambda tx, book, at, known: sides.sides(tx, book, root, at, known), at, known)

    def readiness(self, root: str, at: int | None = None, *, known: int | None = None) -> Readiness:
        """Whether it is a twin of an individual machine, or only a model. Raises NotFound."""
        return self._ask(lambda tx, _, at, known: readiness(tx, root, at, known), at, known)

    def missing(self, tx: Connection, root: str, at: int | None = None) -> tuple[str, ...]:
        """What must be recorded before it may be called a twin, as it is in a transaction. Raises NotFound."""
        return readiness(tx, root, self._clock.now() if at is None else at, _NOW).missing

    def unbuilt(self, tx: Connection, twins: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """`missing`, of those of these twins that are live faces of items and may not be called twins yet."""
        found = {}
        for twin in live_faces(tx, twins):
            item = item_of_twin(tx, twin)
            try:
                missing = self.missing(tx, item) if item else ()
            except NotFound:
                missing = ("that it exists: its item begins later",)
            if missing:
                found[twin] = missing
        return found

    def design_models(self, twins: Sequence[str], *, end_items: bool = False) -> frozenset[str]:
        """Of these twins those of items that may not be called twins yet; `end_items`: only of end items, by the parts
        book, that hold nothing now."""
        with self._database.read() as tx:
            found = frozenset(self.unbuilt(tx, twins))
            if not (end_items and found):
                return found
            book, now, models = self.parts.read(tx), self._clock.now(), set()
            for twin in found:
                with suppress(NotFound):  # its item begins later
                    tree = asking.tree(tx, item_of_twin(tx, twin), now, _NOW)
                    part = book.of(tree.item.part, tree.item.maker)
                    if part is not None and part.end_item and not tree.parts:
                        models.add(twin)
            return frozenset(models)

    # what was believed, and who relied on it

    def known_of(self, act: int) -> int:
        """When an act became known: as `known`, what was believed right after it. Raises NotFound."""
        with self._database.read() as tx:
            return known_of(tx, act)

    def rely(self, on: Reliance) -> None:
        """Something is done because a configuration is believed to be so: it is told when that changes.

        Raises NotFound, InvalidInput.
        """
        self._run(lambda tx: rely(tx, on, self._actor, self._clock.now()), actor=self._actor)

    def dependants(self, act: int) -> Dependants:
        """What an act, a correction say, changed of what was believed, and who had relied on that. Raises NotFound."""
        with self._database.read() as tx:
            return dependants(tx, act)

    def reliances(
        self, asked: RelianceQuery | None = None, *, shown: Callable[[Reliance], bool] = lambda _: True
    ) -> Page[Dependant]:
        """Who relied on what, the newest first, with what is believed otherwise now. Raises NotFound (root)."""
        with self._database.read() as tx:
            return reliances(tx, asked or RelianceQuery(), shown)

    # inside

    def _ask(self, work: Callable[[Connection, Book, int, int], T], at: int | None, known: int | None) -> T:
        now = self._clock.now() if at is None else at
        with self._database.read() as tx:
            return work(tx, self.parts.read(tx, known), now, _NOW if known is None else known)

    def order(self) -> Order:
        """The order of revisions: of software as it is declared, else as the parts book lists them."""
        with self._database.read() as tx:
            book = self.parts.read(tx)
        software = self.shared.software()

        @cache
        def place(part: str, revision: str) -> Any:
            declared = software.get(part)
            if declared is not None:
                return place_of(revision, declared.scheme, tuple(one.version for one in declared.versions))
            known = book.of(part)
            return None if known is None else known.order(revision)

        return place
