"""How effectively machines and items are used: key figures of ISO 22400-2, over any interval.

Nothing is stored for it: states, parts and plans are read when somebody asks, and so a reading that came late is in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gemel.access import View
from gemel.clock import Clock, Moment, moment
from gemel.configuration import Configuration, ItemQuery, Life, Piece, Seen
from gemel.database import Database
from gemel.errors import Denied, InvalidQuery, NotFound, UnknownTwin
from gemel.registry import Entry, Registry
from gemel.services.effectiveness.bars import bar
from gemel.services.effectiveness.comparing import Comparing, Setting
from gemel.services.effectiveness.costs import added, costs, unpriced
from gemel.services.effectiveness.course import Course, Pieces
from gemel.services.effectiveness.elements import Elements
from gemel.services.effectiveness.figures import Figures, Missing, figures
from gemel.services.effectiveness.grouping import By
from gemel.services.effectiveness.reading import Reading
from gemel.services.effectiveness.shifts import Bucket, buckets
from gemel.services.effectiveness.values import BucketFigures, Compared, Declared, Report, StayFigures
from gemel.services.work import Costs, PriceBook, Priced
from gemel.twin import Link, TwinType

__all__ = ["Effectiveness", "Whole"]

_CLIMB = 16


@dataclass(frozen=True, slots=True)
class _Stay:
    piece: Piece
    twin: str = ""
    course: Course | None = None
    type: TwinType | None = None
    why: str = ""
    cost: Costs | None = None


class Whole(NamedTuple):
    """What there is, to who sees everything."""

    view: Callable[[], View]
    prices: Callable[[], PriceBook]


class Effectiveness:
    """`platform.effectiveness`. As it is, it sees everything; `as_seen` is for whoever asks from outside."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        configuration: Configuration,
        clock: Clock,
        *,
        whole: Whole,
        seen: tuple[View, Callable[[str], bool]] | None = None,
    ) -> None:
        """`seen`: the caller's view, and of which machines it may be told what they cost; None: everything."""
        self._database, self._registry, self._configuration, self._clock = database, registry, configuration, clock
        self._whole, self._seen_by = whole, seen

    def as_seen(self, view: View, *, prices: Callable[[str], bool] = lambda _: False) -> Effectiveness:
        """The same, through what a caller may see; `prices`: of which machines it may be told what they cost."""
        rooms = self._database, self._registry, self._configuration, self._clock
        return Effectiveness(*rooms, whole=self._whole, seen=(view, prices))

    def _view(self) -> View:
        return self._whole.view() if self._seen_by is None else self._seen_by[0]

    def _priced(self) -> Priced:
        return Priced(self._whole.prices(), (lambda _: True) if self._seen_by is None else self._seen_by[1])

    # which

    def machines(self, type_id: str = "") -> list[str]:
        """Ids of the twins that are seen and whose type says from what their effectiveness is told."""
        view, directory = self._view(), self._registry.directory
        kinds = [one.id for one in self._registry.types() if one.effectiveness is not None]
        kinds = [one for one in kinds if not type_id or one == type_id]
        numbers = [number for kind in kinds for number in directory.numbers(kind).tolist()]
        return [id for id in sorted(set(directory.ids(numbers))) if view.find(id) is not None]

    # one

    def of(self, twin: str, start: Moment, end: Moment, *, by: str = "") -> Report:
        """Of a twin in [start, end), also by hour, shift, day or week. Raises UnknownTwin, InvalidQuery; NotFound when
        its types say nothing about it."""
        view = self._view()
        reading, entry = self._reading(view), view.entry(twin)
        type_ = self._type(reading, entry)
        course = reading.course(entry.id, type_, *_span(start, end))
        cut = self._cut(by, course, reading.zone)
        found = course.sums(_pieces(cut)) if cut else []
        priced = self._priced()
        spent = costs(course, entry.id, _pieces(cut), priced)
        (cost,) = costs(course, entry.id, _all_of(course), priced)
        missing = (*_unread(course), *unpriced(cost, entry.id))
        states, width = bar([course], course.start, course.end)
        return Report(
            twin=entry.id,
            item="",
            start=course.start,
            end=course.end,
            zone=reading.zone,
            by=by,
            declared=(_declared(type_, course),),
            total=figures(course.whole(), missing=missing),
            cost=cost,
            buckets=_told(cut, found, spent),
            states=states,
            resolution_s=width,
        )

    def of_item(self, item: str, start: Moment, end: Moment, *, by: str = "", known: Moment | None = None) -> Report:
        """Of an item in [start, end): of the machines that it was in while it was in them; as believed at `known`.

        Raises NotFound, InvalidQuery, Denied (of the machine that it was in nothing is told).
        """
        view = self._view()
        reading, (begin, stop) = self._reading(view), _span(start, end)
        stop = min(stop, max(self._clock.now(), begin))
        life = Life(Seen(self._database, self._clock, view), view, self._registry)
        believed = None if known is None else moment(known)
        pieces = life.along(item, begin, stop, lambda piece, _: piece, known=believed)
        if any(real is not shown for shown, real in pieces):
            raise Denied(
                "of the machine that it was in no readings are shared with you", action="read", policy="a-view-of-items"
            )
        priced = self._priced()
        stays = [self._stay(reading, view, piece, priced) for piece, _ in pieces]
        told = [one for one in stays if one.course is not None]
        courses = [one.course for one in told if one.course is not None]
        if not courses:
            why = "; ".join(dict.fromkeys(one.why for one in stays)) or "it was nowhere in this time"
            raise NotFound(f"nothing is told of the effectiveness of {item:.160}: {why:.400}")
        first = told[0]
        assert first.type is not None
        cut = [] if not by else buckets(by, first.type.effectiveness, reading.zone, begin, stop)
        sums: list[Elements] = []
        spent: list[Costs | None] = []
        if cut:
            each = [course.sums(_pieces(cut)) for course in courses]
            sums = [_total([one[place] for one in each]) for place in range(len(cut))]
            lines = [costs(course, one.twin, _pieces(cut), priced) for one, course in zip(told, courses, strict=True)]
            spent = [added([one[place] for one in lines]) for place in range(len(cut))]
        states, width = bar(courses, begin, stop)
        declared = {one.type.id: _declared(one.type, one.course) for one in stays if one.type and one.course}
        cost = added([one.cost for one in told])
        return Report(
            twin="",
            item=item,
            start=begin,
            end=stop,
            zone=reading.zone,
            by=by,
            declared=tuple(declared.values()),
            total=figures(
                _total([one.whole() for one in courses]),
                missing=(*(m for one in courses for m in _unread(one)), *_unpriced(told)),
            ),
            cost=cost,
            buckets=_told(cut, sums, spent),
            stays=tuple(_stayed(one) for one in stays),
            states=states,
            resolution_s=width,
        )

    # many

    def compare(
        self, machines: Sequence[str], start: Moment, end: Moment, *, by: By, known: Moment | None = None
    ) -> Compared:
        """Machines (twins of items; none named: all) grouped by what was in them, part and revision or version, as
        believed at `known`. Raises UnknownTwin, InvalidQuery."""
        believed = None if known is None else moment(known)
        return self._comparing().configurations(machines or self.machines(), _span(start, end), by, known=believed)

    def settings(self, machines: Sequence[str], start: Moment, end: Moment, *, setting: Setting) -> Compared:
        """The same grouped by the values of up to three properties, the best group first. Raises as `compare`."""
        return self._comparing().settings(machines or self.machines(), _span(start, end), setting)

    # inside

    def _comparing(self) -> Comparing:
        view = self._view()
        seen = Seen(self._database, self._clock, view)
        return Comparing(self._reading(view), self._configuration, seen, view, self._priced())

    def _reading(self, view: View) -> Reading:
        return Reading(self._registry, self._clock, view, self._of_an_item)

    def _of_an_item(self, twin: str) -> bool:
        whole = Seen(self._database, self._clock, self._whole.view())
        return bool(whole.search(ItemQuery(twin=twin, retired=True, limit=1)).items)

    def _type(self, reading: Reading, entry: Entry) -> TwinType:
        found = reading.declared(entry)
        if found is None:
            kinds = ", ".join(entry.types)
            raise NotFound(
                f"{entry.id} says nothing of its effectiveness; declare `effectiveness` in its type ({kinds})",
                twin=entry.id,
                declared=False,
            )
        return found[0]

    def _cut(self, by: str, course: Course, zone: str) -> list[Bucket]:
        return [] if not by else buckets(by, course.declared, zone, course.start, course.end)

    def _stay(self, reading: Reading, view: View, piece: Piece, priced: Priced) -> _Stay:
        found = self._machine(reading, view, piece)
        if found is None:
            where = f"{piece.root} tells of no effectiveness" if piece.root else "it was in no machine that is told"
            return _Stay(piece, why=where)
        twin, type_ = found
        try:
            course = reading.course(twin, type_, piece.span.start, piece.span.end)
        except (UnknownTwin, InvalidQuery, Denied) as error:
            return _Stay(piece, twin, why=error.detail)
        (cost,) = costs(course, twin, _all_of(course), priced)
        return _Stay(piece, twin, course, type_, cost=cost)

    def _machine(self, reading: Reading, view: View, piece: Piece) -> tuple[str, TwinType] | None:
        """The nearest twin around an item that says something: its own, the slot's, or one that these are part of."""
        twins = [one for one in dict.fromkeys((piece.twin, piece.machine)) if one]
        for _ in range(_CLIMB):
            for one in twins:
                entry = view.find(one)
                found = None if entry is None else reading.declared(entry)
                if entry is not None and found is not None:
                    return entry.id, found[0]
            twins = [link.target for one in twins if view.find(one) for link in _above(view, one, piece.span.start)]
            if not twins:
                break
        return None


def _above(view: View, twin: str, at: int) -> Sequence[Link]:
    links = view.links(twin, kind="part_of", direction="out", at=at)
    return links or view.links(twin, kind="part_of", direction="out")


def _span(start: Moment, end: Moment) -> tuple[int, int]:
    begin, stop = moment(start), moment(end)
    if stop <= begin:
        raise InvalidQuery("the interval ends before it begins; give start < end")
    return begin, stop


def _pieces(cut: Sequence[Bucket]) -> Pieces:
    return Pieces.of([(one.start, one.end, place) for place, one in enumerate(cut)], len(cut))


def _all_of(course: Course) -> Pieces:
    return Pieces.of([(course.start, course.end, 0)], 1)


def _told(cut: Sequence[Bucket], sums: Sequence[Elements], spent: Sequence[Costs | None]) -> tuple[BucketFigures, ...]:
    return tuple(
        BucketFigures(start=one.start, end=one.end, label=one.label, figures=figures(each), cost=cost)
        for one, each, cost in zip(cut, sums, spent, strict=True)
    )


def _total(each: Sequence[Elements]) -> Elements:
    found = each[0]
    for one in each[1:]:
        found = found + one
    return found


def _unread(course: Course) -> tuple[Missing, ...]:
    return tuple(Missing(what="not_told", text=note) for note in course.notes)


def _unpriced(stays: Sequence[_Stay]) -> Iterator[Missing]:
    """Of each machine that it was in, for itself: each has its own price."""
    by_twin: dict[str, list[Costs | None]] = {}
    for one in stays:
        by_twin.setdefault(one.twin, []).append(one.cost)
    for twin, each in by_twin.items():
        yield from unpriced(added(each), twin)


def _declared(type_: TwinType, course: Course) -> Declared:
    return Declared(type=type_.id, version=type_.version, assumed=course.declared.assumed, notes=course.notes)


def _stayed(stay: _Stay) -> StayFigures:
    shown: Figures | None = None if stay.course is None else figures(stay.course.whole(), missing=_unread(stay.course))
    return StayFigures(
        start=stay.piece.span.start,
        end=stay.piece.span.end,
        root=stay.piece.root,
        path=stay.piece.path,
        twin=stay.twin,
        figures=shown,
        why=stay.why,
        cost=stay.cost,
    )
