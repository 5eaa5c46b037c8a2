"""The questions to the fleet, for whom not all is shown: over exactly what is seen whole, and what views tell.

A machine that is seen in several ways is told once: as it is seen whole, else by the view that tells most. Names,
counts and cursors are of what is told; what is withheld changes none of them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

import duckdb
import msgspec
import pyarrow as pa
from sqlalchemy import Connection

from gemel.access import ItemColumn
from gemel.configuration.acts.acting import MERGED, RETIRED
from gemel.configuration.parts.book import Book
from gemel.configuration.parts.ends import end_of
from gemel.configuration.questions import finding, limits
from gemel.configuration.questions.applicability import Applicability, Applies, applies_to, sought
from gemel.configuration.questions.columns import OWN
from gemel.configuration.questions.ends import items_at
from gemel.configuration.questions.fleet import (
    FIRST,
    FIT,
    Bound,
    Ends,
    FleetPage,
    Having,
    Match,
    Order,
    check,
    fitting,
    meeting,
    merged,
    seek,
)
from gemel.configuration.questions.limits import Remaining, RemainingPage
from gemel.configuration.questions.verbs import Questions
from gemel.configuration.values import ItemKind, Span
from gemel.configuration.views.cut import Cut, Machine
from gemel.configuration.views.partly import Partly
from gemel.configuration.views.seen import Seen
from gemel.configuration.views.sight import latest
from gemel.errors import NotFound

__all__ = ["FleetAnswer", "FleetSeen"]

T = TypeVar("T")
_GONE = f"""
SELECT item FROM {OWN}.trait WHERE name IN ('{RETIRED}', '{MERGED}') AND valid_from < {{b}} AND valid_to > {{a}}
  AND recorded_from <= {{known}} AND recorded_to > {{known}}
"""


class FleetAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The machines of one page, by the names that they have for the caller, in the order of these."""

    machines: tuple[Match, ...]
    total: int
    """How many there are on all pages."""
    unknown: int
    """Items of the parts that were asked for whose revision is not known then."""
    next: str | None
    """The name after which the next page begins."""


class FleetSeen:
    """Of one caller; made for each request."""

    def __init__(self, seen: Seen, questions: Questions) -> None:
        self._seen, self._questions = seen, questions

    # which have what

    def fleet(
        self,
        *having: Having,
        at: int | None = None,
        during: tuple[int, int] | None = None,
        known: int | None = None,
        page: FleetPage = FIRST,
    ) -> FleetAnswer:
        """As `Configuration.fleet`. Raises InvalidInput, Denied (no view tells of that column)."""
        if self._seen.everything:
            found = self._questions.fleet(*having, at=at, during=during, known=known, page=page)
            more = found.machines and len(found.machines) == page.limit
            last = found.machines[-1].root if more else None
            return FleetAnswer(machines=found.machines, total=found.total, unknown=found.unknown, next=last)
        moment = self._seen.now() if at is None else at
        span = Span(moment, moment + 1) if during is None else Span(*during)
        check(having, span)
        order, software = self._questions.order(), self._questions.shared.software()
        bound = Bound(schema=OWN, span=span, known=latest(known))
        by_revision = {n for n, one in enumerate(having) if one.below or one.above or one.revisions}
        needs = [
            (ItemColumn.REVISIONS, ItemColumn.SOFTWARE) if having[n].part in software else (ItemColumn.REVISIONS,)
            for n in by_revision
        ]

        def work(cursor: duckdb.DuckDBPyConnection, tx: Connection, cuts: list[Cut]) -> FleetAnswer:
            answering = _telling(cuts, needs)
            book = None if page.ends is None else self._questions.parts.read(tx, known)
            cursor.register("asked", pa.table({"part": sorted({one.part for one in having})}))
            seek(cursor, bound)
            placed = _Placed(order, having)  # of what is not there for the caller the parts book tells nothing either
            there = {part for _, cut in answering for part in cut.told_of(placed.without)}
            placed.without -= there
            cursor.register("wanted", fitting(cursor, having, placed))
            cursor.execute(f"CREATE TEMP TABLE fit AS SELECT row_number() OVER () AS key, * FROM ({FIT})")
            cursor.execute("CREATE TEMP TABLE unsure (item BIGINT)")
            for n, cut in answering:
                self._stay(cursor, cut, by_revision)
                if page.ends is not None and book is not None:
                    _leave_ends(cursor, tx, cut, page.ends, book)
                self._meet(cursor, n, having)
            return self._page(cursor, answering, page)

        return self._ask(span, latest(known), work)

    @staticmethod
    def _stay(cursor: duckdb.DuckDBPyConnection, cut: Cut, by_revision: set[int]) -> None:
        """Note as `stays` in which machines it is, as far as that is told."""
        told = ["true"] if cut.tells(ItemColumn.SOFTWARE) else ["NOT software"]
        if by_revision and not cut.tells(ItemColumn.REVISIONS):
            told.append(f"(software OR condition NOT IN ({', '.join(map(str, sorted(by_revision)))}))")
        cut.reach(f"(SELECT * FROM fit WHERE {' AND '.join(told)})")
        cursor.execute(
            "CREATE OR REPLACE TEMP TABLE stays AS SELECT fit.condition, fit.unknown, r.item, r.root, r.own, r.a, r.b "
            "FROM reached r JOIN fit USING (key)"
        )

    @staticmethod
    def _meet(cursor: duckdb.DuckDBPyConnection, n: int, having: Sequence[Having]) -> None:
        """Note as `met_n` which machines have all of it at once."""
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE met_{n} AS {meeting(having)}")
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE own_{n} AS SELECT DISTINCT root, own FROM stays")
        cursor.execute("INSERT INTO unsure SELECT DISTINCT item FROM stays WHERE unknown")

    @staticmethod
    def _page(cursor: duckdb.DuckDBPyConnection, cuts: Sequence[tuple[int, Cut]], page: FleetPage) -> FleetAnswer:
        told: dict[int, tuple[int, Machine]] = {}
        for n, cut in cuts:
            for number, machine in cut.machines(
                f"SELECT root, own FROM own_{n} SEMI JOIN met_{n} USING (root)"
            ).items():
                told.setdefault(number, (n, machine))
        wanted = _Wanted(page)
        listed = sorted((one.name, number) for number, (_, one) in told.items() if wanted(one))
        first = bisect_right(listed, page.after, key=lambda one: one[0])
        numbers = [number for _, number in listed[first : first + page.limit]]
        machines: dict[int, Match] = {}
        for n, cut in cuts:
            mine = [number for number in numbers if told[number][0] == n]
            cursor.register("mine", pa.table({"root": pa.array(mine, pa.int64())}))
            rows = cursor.execute(
                f"SELECT root, list({{'a': a, 'b': b}}), list_distinct(flatten(list(items))) FROM met_{n} "
                "SEMI JOIN mine USING (root) GROUP BY root"
            ).fetchall()
            names = cut.items(sorted({item for *_, items in rows for item in items}))
            for root, spans, items in rows:
                machine = told[root][1]
                machines[root] = Match(
                    root=machine.name,
                    part=machine.part,
                    serial=machine.serial,
                    spans=merged(spans),
                    items=tuple(sorted(names[item] for item in items)),
                    withheld=machine.withheld,
                )
            if cut.partly is not None:
                cut.partly.view.tells_of_items(len(rows), "configurations", cut.partly.told)
        more = len(listed) > first + len(numbers)
        unknown = cursor.execute("SELECT count(DISTINCT item) FROM unsure").fetchone()
        assert unknown is not None
        return FleetAnswer(
            machines=tuple(machines[number] for number in numbers),
            total=len(listed),
            unknown=unknown[0],
            next=listed[first + len(numbers) - 1][0] if more else None,
        )

    def applicable(
        self, to: Applicability, at: int | None = None, *, known: int | None = None, page: FleetPage = FIRST
    ) -> FleetAnswer:
        """As `Configuration.applicable`: what is withheld of a machine cannot be told, so it does not rule it out; the
        part number of the machine, where that is asked for, has to be told. Raises InvalidInput, Denied."""
        now = self._seen.now() if at is None else at
        having, asked = sought(to, now, page, Book(self._questions.parts.all(known=known)))
        return self.fleet(*having, at=now, known=known, page=asked)

    def applies(
        self, view: Partly, to: Applicability, item: str, at: int | None = None, *, known: int | None = None
    ) -> Applies:
        """As `Configuration.applies`, by what one view tells of it. Raises NotFound."""
        now = self._seen.now() if at is None else at
        book = Book(self._questions.parts.all(known=known))
        return applies_to(to, view.tree(item, now, latest(known)), self._questions.order(), now, book=book)

    # what is left

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
        """As `Configuration.remaining`, by the names that items have for the caller. Raises NotFound (root), Denied (no
        view tells of limits)."""
        if self._seen.everything:
            return self._questions.remaining(kind=kind, part=part, root=root, at=at, known=known, limit=limit)
        now, believed = self._seen.now() if at is None else at, latest(known)

        def work(cursor: duckdb.DuckDBPyConnection, tx: Connection, cuts: list[Cut]) -> RemainingPage:
            answering = _telling(cuts, [(ItemColumn.LIMITS,)])
            real, answering = self._root(root, answering, now, believed) if root else ("", answering)
            owners: dict[int, tuple[Cut, str]] = {}

            def shown() -> None:
                for _, cut in answering:
                    for number, name in cut.told_now(f"(SELECT number AS item FROM {limits.THOSE})", now).items():
                        owners.setdefault(number, (cut, name))
                named = {"number": pa.array(owners, pa.int64()), "name": [name for _, name in owners.values()]}
                cursor.register(
                    "shown_items", pa.table(named, pa.schema([("number", pa.int64()), ("name", pa.string())]))
                )
                cursor.execute(
                    f"CREATE OR REPLACE TEMP TABLE {limits.THOSE} AS SELECT t.* REPLACE (o.name AS id) "
                    f"FROM {limits.THOSE} t JOIN shown_items o USING (number)"
                )

            book = self._questions.parts.read(tx, known)
            asked = limits.Asked(kind, part, real, limit, shown)
            found = limits.remaining(cursor, tx, book, asked, at=now, known=believed)
            numbers = {name: number for number, (_, name) in owners.items()}
            for _, cut in answering:
                if cut.partly is not None:
                    rows = sum(owners[numbers[one.item]][0] is cut for one in found.items)
                    cut.partly.view.tells_of_items(rows, "remaining", cut.partly.told)
            return msgspec.structs.replace(
                found, items=tuple(self._placed(tx, found.items, (numbers, owners), now, believed))
            )

        return self._ask(Span(now, now + 1), believed, work)

    def _root(self, root: str, cuts: list[tuple[int, Cut]], at: int, known: int) -> tuple[str, list[tuple[int, Cut]]]:
        """What is called so, and who tells of it. Raises NotFound."""
        for n, cut in cuts:
            with suppress(NotFound):
                if cut.partly is not None:
                    return cut.partly.kept_as(root, at, known), [(n, cut)]
                self._seen.require(root, at, known=known)
                return root, [(n, cut)]
        raise NotFound(f"there is no item {root!r:.160}; look for its serial number")

    @staticmethod
    def _placed(
        tx: Connection,
        items: Sequence[Remaining],
        told: tuple[dict[str, int], dict[int, tuple[Cut, str]]],
        at: int,
        known: int,
    ) -> Iterator[Remaining]:
        """With where they are, as far as that is seen, and without what is withheld."""
        (numbers, owners), called = told, dict[tuple[int, int], str]()
        ways = finding.wheres(tx, {numbers[one.item] for one in items}, at, known)
        for one in items:
            number = numbers[one.item]
            cut = owners[number][0]
            seen = [n for n, step in enumerate(ways[number], 1) if cut.shows(step.twin, at)]
            way = ways[number][: max(seen, default=0)]
            root = ""
            if way:
                top = (way[-1].parent, id(cut))
                if top not in called:
                    called[top] = cut.machines(f"SELECT {int(top[0])}::BIGINT AS root, true AS own")[top[0]].name
                root = called[top]
            yield msgspec.structs.replace(
                one,
                root=root,
                path=tuple(step.slot for step in reversed(way)),
                revision=one.revision if cut.tells(ItemColumn.REVISIONS) else "",
            )

    # which there are

    def machines(self, at: int | None = None, *, known: int | None = None) -> list[tuple[Machine, Partly | None]]:
        """All that is a machine for the caller, in the order of their names; and by which view, where they are not
        seen whole."""
        now = self._seen.now() if at is None else at

        def work(_: duckdb.DuckDBPyConnection, __: Connection, cuts: list[Cut]) -> list[tuple[Machine, Partly | None]]:
            found: dict[int, tuple[Machine, Partly | None]] = {}
            gone = Bound(schema=OWN, span=Span(now, now + 1), known=latest(known)).fill(_GONE)
            for cut in cuts:
                cut.reach(
                    f"(SELECT number AS key, number AS item, {now} AS a, {now + 1} AS b FROM own.item "
                    f"WHERE born <= {now} AND kind <> '{ItemKind.LOCATION.value}' AND number NOT IN ({gone}))"
                )
                for number, machine in cut.machines("SELECT root, own FROM reached").items():
                    found.setdefault(number, (machine, cut.partly))
            return sorted(found.values(), key=lambda one: one[0].name)

        return self._ask(Span(now, now + 1), latest(known), work)

    # inside

    def _ask(self, span: Span, known: int, work: Callable[[duckdb.DuckDBPyConnection, Connection, list[Cut]], T]) -> T:
        """Of what is seen whole, then of each view, over columns of one moment."""
        ways: list[Seen | Partly] = [self._seen, *self._seen.partly]
        bound = Bound(schema=OWN, span=span, known=known)
        with self._questions.shared.columns.cursor(slots=any(one.by_place for one in self._seen.partly)) as cursor:
            return self._seen.read(lambda tx: work(cursor, tx, [Cut(cursor, tx, one, bound=bound) for one in ways]))


def _leave_ends(cursor: duckdb.DuckDBPyConnection, tx: Connection, cut: Cut, ends: Ends, book: Book) -> None:
    """Of what is asked for first only what is in end items that are asked about, by what is told of these: none is
    looked for beyond the machine as it is seen."""
    stays = cursor.execute("SELECT DISTINCT item, root FROM stays WHERE condition = 0").fetchall()
    at, known = cut.bound.span.start, cut.bound.known
    steps = finding.wheres(tx, {item for item, _ in stays}, at, known)
    out = {item: [item, *(step.parent for step in way)] for item, way in steps.items()}
    ways = {(item, root): out[item][: out[item].index(root) + 1] for item, root in stays if root in out[item]}
    items = items_at(tx, sorted({one for way in ways.values() for one in way}), at, known)
    places = {key: end_of(book, [items[one] for one in way]) for key, way in ways.items()}
    found = {key: ways[key][place] for key, place in places.items() if place is not None}
    numbers = sorted(set(found.values()))
    own = [cut.shows(items[one].twin, at) for one in numbers]
    cursor.register("told_ends", pa.table({"root": pa.array(numbers, pa.int64()), "own": pa.array(own, pa.bool_())}))
    told = cut.machines("SELECT root, own FROM told_ends")
    unwanted = []
    for key in stays:
        end = told.get(found.get(key, -1))
        if not (ends.only("", None, "") if end is None else ends.only(end.part, end.serial, end.lot)):
            unwanted.append(key)
    cursor.register(
        "unwanted_ends",
        pa.table({name: pa.array([key[n] for key in unwanted], pa.int64()) for n, name in enumerate(("item", "root"))}),
    )
    cursor.execute("DELETE FROM stays WHERE condition = 0 AND (item, root) IN (SELECT (item, root) FROM unwanted_ends)")


class _Placed:
    """The order of revisions, in which those that are asked by have a place."""

    def __init__(self, order: Order, having: Sequence[Having]) -> None:
        self._order = order
        asked = {(one.part, revision) for one in having for revision in (one.above, one.below) if revision}
        self.without = {part for part, revision in asked if order(part, revision) is None}
        """Parts of which a revision that is asked by has none."""

    def __call__(self, part: str, revision: str) -> Any:
        return 0 if part in self.without else self._order(part, revision)


class _Wanted:
    """Whether a machine is asked about, by what is told of it."""

    def __init__(self, page: FleetPage) -> None:
        self._page, self._only = page, None if page.only is None else cache(page.only)

    def __call__(self, machine: Machine) -> bool:
        if self._page.root not in ("", machine.name):
            return False
        return self._only is None or self._only(machine.part, machine.serial, machine.lot)


def _telling(cuts: Sequence[Cut], needs: Sequence[tuple[ItemColumn, ...]]) -> list[tuple[int, Cut]]:
    """Those that tell what is asked by (of each, any), with their places. Raises Denied where none does."""
    found, refused = [], list[tuple[Partly, ItemColumn]]()
    for n, cut in enumerate(cuts):
        missing = [some[0] for some in needs if not any(map(cut.tells, some))]
        if cut.partly is not None and missing:
            refused.append((cut.partly, missing[0]))
        elif cut.partly is not None or len(cut.faces()[0]):
            found.append((n, cut))
    if refused and not found:
        partly, column = refused[0]
        partly.needs(column)
    return found
