"""What is told of one machine to who sees all of it: of the times in which it is seen, judged in so much as is seen of
what it is in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace
from sqlalchemy import Connection

from gemel.configuration.acts import checking
from gemel.configuration.acts.acting import item_row
from gemel.configuration.acts.nonconformances import RAISED, nonconformances, nonconforming
from gemel.configuration.acts.observing import observed
from gemel.configuration.parts import safety
from gemel.configuration.parts.book import Book
from gemel.configuration.parts.safety import UNNAMED, Telling
from gemel.configuration.questions import asking
from gemel.configuration.questions import sides as all_sides
from gemel.configuration.questions.completeness import Completeness, completeness
from gemel.configuration.questions.ends import end_item
from gemel.configuration.questions.limits import Remaining
from gemel.configuration.questions.materials import Passport
from gemel.configuration.questions.sides import Readiness, Sides, slots_within
from gemel.configuration.questions.threats import Threat, threats
from gemel.configuration.spans import covering
from gemel.configuration.upkeep.promises import UpkeepStanding
from gemel.configuration.values import Finding, Item, Node, Nonconformance, Observation, Span, Standing
from gemel.configuration.views.sight import Sight, latest

if TYPE_CHECKING:
    from gemel.configuration.configuration import Configuration

__all__ = ["MachineSeen", "known_since", "since", "unnamed", "whole_told"]

T = TypeVar("T")
_DAY = 86_400_000_000


def unnamed(end: Item, tree: Node, at: int) -> Node:
    """A machine of which no more is told than its kind, with a tree in it. What is asked of the rest of it cannot be
    told."""
    hidden = replace(
        end, id="the machine that it is in", twin="", serial="", lot="", revision="", withheld=("parts", "serials")
    )
    return Node(item=hidden, path=(), since=at, parts=(_below(tree),))


def _below(node: Node) -> Node:
    return replace(node, path=("?", *node.path), parts=tuple(_below(part) for part in node.parts))


def whole_told(tx: Connection, sight: Sight, book: Book, item: str, at: int, known: int) -> Node | None:
    """The end item that an item is in, as far as it is told to who sees the item; None: as it is."""
    end = None if sight.everything else end_item(tx, book, item, at, known)
    if end is None:
        return None
    row = item_row(tx, item)
    if end.id == row.id or covering(sight.spans(tx, int(item_row(tx, end.id).number), known), at) is not None:
        return None
    return unnamed(end, asking.tree(tx, item, at, known), at)


def since(moment: int | None, start: int) -> int | None:
    """Not from before it is seen."""
    return None if moment is None else max(moment, start)


def known_since(found: Completeness, start: int) -> Completeness:
    """The same, confirmed no earlier."""
    slots = tuple(replace(each, confirmed=since(each.confirmed, start)) for each in found.slots)
    return replace(found, slots=slots, confirmed=since(found.confirmed, start))


class MachineSeen:
    """The questions of `Configuration` to one machine, for one caller who sees all of it at that moment; whether that
    is so is asked before. Cheap to make."""

    def __init__(self, seen: Sight, configuration: Configuration) -> None:
        self._seen, self._configuration = seen, configuration

    # as it is

    def limits(self, item: str, at: int | None = None, *, known: int | None = None) -> list[Remaining]:
        """As of `Configuration`: use goes with an item, also what was told of it before."""
        return self._configuration.limits(item, at, known=known)

    def materials(self, item: str, at: int | None = None, *, known: int | None = None) -> Passport:
        """As of `Configuration`."""
        return self._configuration.materials(item, at, known=known)

    # of times in which it is seen

    def sides(self, item: str, at: int | None = None, *, known: int | None = None) -> Sides:
        """As of `Configuration`, without what it held when it was not seen. Raises NotFound."""

        def work(tx: Connection, book: Book, at: int, known: int) -> Sides:
            found = all_sides.sides(tx, book, item, at, known, self._whole(tx, book, item, at, known))
            spans = self._spans(tx, item, known)
            built, delivered = (_within(moment, spans) for moment in (found.built, found.delivered))
            slots = tuple(
                replace(
                    slot,
                    built=slot.built if built is not None else (),
                    delivered=slot.delivered if delivered is not None else (),
                    changed=slot.changed and built is not None,
                )
                for slot in found.slots
            )
            kept = tuple(
                slot
                for slot, was in zip(slots, found.slots, strict=True)
                if slot == was or slot.designed or slot.planned or slot.built or slot.delivered or slot.maintained
            )
            return replace(found, built=built, delivered=delivered, slots=kept)

        return self._ask(work, at, known)

    def readiness(self, item: str, at: int | None = None, *, known: int | None = None) -> Readiness:
        """As of `Configuration`. Raises NotFound."""

        def work(tx: Connection, _book: Book, at: int, known: int) -> Readiness:
            found = all_sides.readiness(tx, item, at, known)
            return replace(found, built=_within(found.built, self._spans(tx, item, known)))

        return self._ask(work, at, known)

    def completeness(self, item: str, at: int | None = None, *, known: int | None = None) -> Completeness:
        """As of `Configuration`, confirmed no earlier than it is seen. Raises NotFound."""

        def work(tx: Connection, book: Book, at: int, known: int) -> Completeness:
            slots = slots_within(tx, book, item, at, known, self._whole(tx, book, item, at, known))
            return known_since(completeness(tx, item, slots, at, known), self._start(tx, item, at, known))

        return self._ask(work, at, known)

    def observations(self, item: str, at: int | None = None, *, known: int | None = None) -> list[Observation]:
        """As of `Configuration`: what was seen in it while it was seen by who asks. Raises NotFound."""

        def work(tx: Connection, _book: Book, at: int, known: int) -> list[Observation]:
            spans = self._spans(tx, item, known)
            return [one for one in observed(tx, item, at, known) if covering(spans, one.time) is not None]

        return self._ask(work, at, known)

    def nonconformances(self, item: str, at: int | None = None, *, known: int | None = None) -> list[Nonconformance]:
        """As of `Configuration`, without what was closed before it was seen; of what was open then, since then. Raises
        NotFound."""

        def work(tx: Connection, book: Book, at: int, known: int) -> list[Nonconformance]:
            found = nonconforming(tx, item, at, known)
            if self._seen.everything:
                return found
            whole = self._whole(tx, book, item, at, known)
            told = (self._since(tx, each, at, known) for each in found)
            return [
                each if whole is None or each.rule == RAISED else replace(each, text=UNNAMED)
                for each in told
                if each is not None
            ]

        return self._ask(work, at, known)

    def _since(self, tx: Connection, found: Nonconformance, at: int, known: int) -> Nonconformance | None:
        about = (id for id in (found.item, found.parent) if id)
        span = next((s for id in about if (s := covering(self._spans(tx, id, known), at)) is not None), None)
        if span is None or found.time >= span.start:
            return None if span is None else found
        then = nonconformances(tx, [int(item_row(tx, found.parent).number)], span.start, known)
        if any(each.number == found.number and each.state is Standing.CLOSED for each in then):
            return None
        return replace(found, time=span.start, act=0, evidence="")

    def standing(self, found: UpkeepStanding) -> UpkeepStanding:
        """How it stands with what is promised of a machine, of no time before it is seen."""
        if self._seen.everything:
            return found
        now = self._seen.now()
        start = self._seen.read(lambda tx: self._start(tx, found.root, now, latest(None)))
        confirmed = since(found.confirmed, start)
        age = None if confirmed is None else (now - confirmed) / _DAY
        return replace(found, confirmed=confirmed, age_days=age, broken_since=since(found.broken_since, start))

    # judged in what it is in

    def findings(self, item: str, at: int | None = None, *, known: int | None = None) -> list[Finding]:
        """As of `Configuration`. Raises NotFound."""
        return self._ask(
            lambda tx, book, at, known: checking.findings(
                tx, book, item, at, known, self._whole(tx, book, item, at, known)
            ),
            at,
            known,
        )

    def unsafe(self, item: str, at: int | None = None, *, known: int | None = None) -> list[Finding]:
        """As of `Configuration`. Raises NotFound."""

        def work(tx: Connection, book: Book, at: int, known: int) -> list[Finding]:
            return safety.unsafe(tx, book, item, at, known, Telling(whole=self._whole(tx, book, item, at, known)))

        return self._ask(work, at, known)

    def threats(
        self, item: str, at: int | None = None, *, known: int | None = None, usage: bool = True
    ) -> list[Threat]:
        """As of `Configuration`. Raises NotFound."""

        def work(tx: Connection, book: Book, at: int, known: int) -> list[Threat]:
            told = Telling(usage=usage, whole=self._whole(tx, book, item, at, known))
            return threats(tx, book, item, at, known, told)

        return self._ask(work, at, known)

    def hides(self, item: str, at: int | None = None) -> bool:
        """Whether the end item that an item is in is not shown to who sees the item. Raises NotFound."""
        return self._ask(lambda tx, book, at, known: self._whole(tx, book, item, at, known) is not None, at, None)

    def told(self, findings: Iterable[Finding], at: int | None = None) -> tuple[Finding, ...]:
        """Of findings of whole machines those about what is seen then, without texts that name what is not."""
        if self._seen.everything:
            return tuple(findings)
        seen = [one for one in findings if one.parent and self._seen.sees(one.parent, at)]
        return tuple(replace(one, text=UNNAMED) if self.hides(one.parent, at) else one for one in seen)

    # inside

    def _whole(self, tx: Connection, book: Book, item: str, at: int, known: int) -> Node | None:
        return whole_told(tx, self._seen, book, item, at, known)

    def _spans(self, tx: Connection, item: str, known: int) -> list[Span]:
        return self._seen.spans(tx, int(item_row(tx, item).number), known)

    def _start(self, tx: Connection, item: str, at: int, known: int) -> int:
        """When the time begins in which it is seen at a moment."""
        span = covering(self._spans(tx, item, known), at)
        return at if span is None else span.start

    def _ask(self, work: Callable[[Connection, Book, int, int], T], at: int | None, known: int | None) -> T:
        moment = self._seen.now() if at is None else at
        return self._seen.read(lambda tx: work(tx, self._configuration.parts.read(tx, known), moment, latest(known)))


def _within(moment: int | None, spans: list[Span]) -> int | None:
    return moment if moment is not None and covering(spans, moment) is not None else None
