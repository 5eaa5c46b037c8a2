"""What one view of the configuration tells of an item beyond its place and life: what is left of it, what broke a rule,
what is planned, which software it has; and, where the view is of all that is in it, how complete it is.

What the machines' own questions answer is cut to the items and times of the view, and masked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection

from gemel.access import ItemColumn
from gemel.configuration.acts import nonconformances as broken
from gemel.configuration.acts.acting import item_row
from gemel.configuration.acts.doing import subjects
from gemel.configuration.acts.plans import Plan, plans_of
from gemel.configuration.operations import Create, Identify, Modify, Operation
from gemel.configuration.questions import limits
from gemel.configuration.questions.completeness import Completeness, completeness
from gemel.configuration.questions.limits import Remaining
from gemel.configuration.questions.materials import Passport, passport
from gemel.configuration.questions.sides import Readiness, Side, Sides, readiness, sides, slots_within
from gemel.configuration.questions.threats import Telling, Threat, of_limit, threats, worst_first
from gemel.configuration.software.rules import Module
from gemel.configuration.spans import covering
from gemel.configuration.values import Node, Nonconformance, Span
from gemel.configuration.views.partly import Partly
from gemel.configuration.views.scope import ELSEWHERE
from gemel.configuration.views.whole import known_since, since, whole_told
from gemel.errors import Denied, NotFound

__all__ = ["MachinePartly"]

_NAMES = ("child", "item", "parent", "new", "old")
_PLANNED = (Create, Identify)
"""What tells of an item that is not there yet, or not known: nobody can say whether a view is of it."""


class Within(Protocol):
    """The software of an item, by its id, and of what is in it."""

    def __call__(self, item: str, at: int | None, *, known: int | None) -> Sequence[Module]: ...


class MachinePartly:
    """Of one view. Cheap to make."""

    def __init__(self, partly: Partly) -> None:
        self._partly, self._told = partly, partly.told

    # one column each

    def limits(self, item: str, at: int, known: int) -> list[Remaining]:
        """The life limits of an item, the one with the least left first. Raises NotFound, Denied."""
        return self._limits(self._asked(item, ItemColumn.LIMITS, at, known)[0], item, at, known)

    def _limits(self, real: str, item: str, at: int, known: int) -> list[Remaining]:
        one = self._partly

        def work(tx: Connection) -> list[Remaining]:
            found = limits.life_of(tx, one.book(tx, known), real, at, known)
            ways = one.whole.ways(tx, int(item_row(tx, real).number), Span(at, at + 1), known)
            where = {"root": ELSEWHERE, "path": ()}
            if ways:
                where = {"root": one.named(tx, ways[0].root, at, known), "path": ways[0].path}
            revision = self._told.tells(ItemColumn.REVISIONS)
            return [
                msgspec.structs.replace(each, item=item, revision=each.revision if revision else "", **where)
                for each in found
            ]

        return one.whole.read(work)

    def nonconformances(self, item: str, at: int, known: int) -> list[Nonconformance]:
        """Those about what the view is of, of an item and all that is in it; numbered by their place here, for their
        own numbers would tell how many there are. Raises NotFound, Denied."""
        one = self._partly
        real, _ = self._asked(item, ItemColumn.NONCONFORMANCES, at, known)

        def work(tx: Connection) -> list[Nonconformance]:
            found = broken.nonconforming(tx, real, at, known)
            told = [each for each in found if one.tells_of(tx, each.item or each.parent, at, known)]
            return [self._nonconformance(tx, each, (at, known), place) for place, each in enumerate(told, 1)]

        return one.whole.read(work)

    def _nonconformance(
        self, tx: Connection, found: Nonconformance, when: tuple[int, int], place: int
    ) -> Nonconformance:
        one, people, acts = self._partly, self._told.tells(ItemColumn.PEOPLE), self._told.tells(ItemColumn.ACTS)
        number = int(item_row(tx, found.item or found.parent).number)
        span = covering(one.spans(tx, number, when[1]), when[0])
        assert span is not None
        return msgspec.structs.replace(
            found,
            number=place,
            item=one.named(tx, found.item, *when),
            parent=one.named(tx, found.parent, *when),
            text=found.text if self._texts and (people or found.rule != broken.RAISED) else "",
            time=max(found.time, span.start),
            act=found.act if acts else 0,
            by=found.by if people else "",
            reason=found.reason if people else "",
            evidence=found.evidence if acts else "",
        )

    def plans(self, item: str, at: int, known: int) -> list[Plan]:
        """Plans of an item and what is in it, that name only what is told to the caller; numbered by their place here.
        Raises NotFound, Denied."""
        one = self._partly
        real, _ = self._asked(item, ItemColumn.PLANS, at, known)

        def work(tx: Connection) -> list[Plan]:
            told: list[Plan] = []
            for plan in plans_of(tx, real, at):
                operations = [self._operation(tx, each, at, known) for each in plan.operations]
                if all(each is not None for each in operations):
                    shown = tuple(each for each in operations if each is not None)
                    told.append(self._plan(plan, shown, len(told) + 1))
            return told

        return one.whole.read(work)

    def _operation(self, tx: Connection, said: Operation, at: int, known: int) -> Operation | None:
        """It, with items by the names that the caller has for them; None: it tells of others."""
        one = self._partly
        named = subjects(said)
        if isinstance(said, _PLANNED) or not named or not any(one.tells_of(tx, name, at, known) for name in named):
            return None
        if not all(one.tells_of(tx, name, at, known) or one.names_machine(tx, name, at, known) for name in named):
            return None
        if isinstance(said, Modify) and not self._told.tells(ItemColumn.REVISIONS):
            return None
        given: dict[str, Any] = {
            name: one.named(tx, value, at, known) for name in _NAMES if (value := getattr(said, name, ""))
        }
        if (to := getattr(said, "to", None)) is not None:
            given["to"] = (one.named(tx, to[0], at, known), to[1])
        return msgspec.structs.replace(said, **given)

    def _plan(self, plan: Plan, operations: tuple[Operation, ...], place: int) -> Plan:
        people, acts = self._told.tells(ItemColumn.PEOPLE), self._told.tells(ItemColumn.ACTS)
        return msgspec.structs.replace(
            plan,
            number=place,
            title=plan.title if people else "",
            actor=plan.actor if people else "",
            reason=plan.reason if people else "",
            operations=operations,
            recorded=plan.recorded if acts else plan.at,
            acts=plan.acts if acts else (),
        )

    def software(self, item: str, within: Within, at: int, known: int) -> list[Module]:
        """The software of an item and what is in it, as far as the view is of these. Raises NotFound, Denied."""
        one = self._partly
        real, _ = self._asked(item, ItemColumn.SOFTWARE, at, known)
        found = within(real, at, known=known) if one.tells_software else ()

        def work(tx: Connection) -> list[Module]:
            return [
                msgspec.structs.replace(
                    each, item=one.named(tx, each.item, at, known), twin="", since=since(each.since, span.start)
                )
                for each in found
                if (span := one.told_since(tx, each.item, at, known)) is not None
            ]

        return one.whole.read(work)

    def materials(self, item: str, at: int, known: int) -> Passport:
        """What the items are made of that the view is of. Raises NotFound."""
        one = self._partly
        tree = one.tree(item, at, known)
        return passport(one.whole.read(lambda tx: one.book(tx, known)), tree)

    def threats(self, item: str, at: int, known: int) -> list[Threat]:
        """What is worn out; and where all that is in what the view is of is shared, what is wrong, missing or not
        known there, without sentences that name others. Raises NotFound, Denied (it tells neither)."""
        one, whole = self._partly, self._shares_all
        tree = one.tree(item, at, known)
        if not whole:
            one.needs(ItemColumn.LIMITS)
        found: list[Threat] = []
        for top in self._tops(tree, one.kept(item) or item, at, known):
            if whole:
                told = one.whole.read(
                    partial(self._threats, item=one.kept_as(top.item.id, at, known), at=at, known=known)
                )
                found += [self._threat(each, top.path) for each in told]
            else:
                for node in self._tree(top):
                    real = one.kept_as(node.item.id, at, known)
                    worn = (of_limit(left, node.path) for left in self._limits(real, node.item.id, at, known))
                    found += [each for each in worn if each is not None]
        return worst_first(found)

    def _threats(self, tx: Connection, *, item: str, at: int, known: int) -> list[Threat]:
        columns = ItemColumn.LIMITS, ItemColumn.NONCONFORMANCES, ItemColumn.PEOPLE
        usage, nonconformances, words = map(self._told.tells, columns)
        whole = self._end(tx, item, at, known)
        tells = Telling(usage=usage, nonconformances=nonconformances, words=words, whole=whole)
        return threats(tx, self._partly.book(tx, known), item, at, known, tells)

    def _end(self, tx: Connection, item: str, at: int, known: int) -> Node | None:
        """The end item that an item is in, as far as it is told; None: as it is."""
        return whole_told(tx, self._partly.whole, self._partly.book(tx, known), item, at, known)

    def _threat(self, found: Threat, path: tuple[str, ...]) -> Threat:
        slot = "/".join((*path, *([found.slot] if found.slot else [])))
        text = found.text if found.kind == "limit" or self._texts else ""
        return msgspec.structs.replace(found, slot=slot, text=text)

    def _tops(self, tree: Node, real: str, at: int, known: int) -> tuple[Node, ...]:
        """The outermost items in a tree that the view is of: itself, or what it shows in it."""
        one = self._partly
        return (tree,) if one.whole.read(lambda tx: one.tells_of(tx, real, at, known)) else tree.parts

    def _tree(self, node: Node) -> Iterator[Node]:
        yield node
        for part in node.parts:
            yield from self._tree(part)

    # where the view is of all that is in an item

    @property
    def _shares_all(self) -> bool:
        """Whether all that is in what the view is of is told, with serial numbers, revisions and software."""
        return self._everything and all(map(self._told.tells, (ItemColumn.SERIALS, ItemColumn.REVISIONS)))

    def readiness(self, item: str, at: int, known: int) -> Readiness:
        """Whether it is a twin of an individual machine. Raises NotFound, Denied (also of whom only some parts are
        told)."""
        real, span = self._whole(item, at, known)
        found = self._partly.whole.read(lambda tx: readiness(tx, real, at, known))
        shown = found.built is not None and span.covers(found.built)
        return msgspec.structs.replace(found, built=found.built if shown else None)

    @property
    def _everything(self) -> bool:
        """Whether a view is of everything within what it is of."""
        view = self._told.view
        some = view.makers or view.parts or view.kinds or view.safety
        return not some and self._told.tells(ItemColumn.SOFTWARE)

    @property
    def _texts(self) -> bool:
        """Whether a sentence may be told: it names items, parts and revisions anywhere in the machine."""
        named = (ItemColumn.SERIALS, ItemColumn.REVISIONS, ItemColumn.MAKERS)
        return self._everything and not self._told.view.slots and all(map(self._told.tells, named))

    def _asked(self, item: str, column: ItemColumn, at: int, known: int) -> tuple[str, Span]:
        """The id of an item of which a column is told then, and the time that it is told of."""
        real, spans = self._partly.real(item, column, at, known)
        if (span := covering(spans, at)) is None:
            raise NotFound(f"there is no item {item!r:.160}; look for its serial number")
        return real, span

    def _whole(self, item: str, at: int, known: int) -> tuple[str, Span]:
        """The id of an item of which, with all that is in it, serial numbers and revisions are told."""
        real, span = self._asked(item, ItemColumn.SERIALS, at, known)
        self._partly.needs(ItemColumn.REVISIONS)
        if not self._everything:
            raise Denied(
                "only some of what is in it is shared with you, so how complete it is cannot be told; ask the operator",
                action="read",
                policy=self._told.policy,
            )
        return real, span

    def completeness(self, item: str, at: int, known: int) -> Completeness:
        """What is known of each slot of an item. Raises NotFound, Denied (also of whom only some parts are told)."""
        real, span = self._whole(item, at, known)

        def work(tx: Connection) -> Completeness:
            book = self._partly.book(tx, known)
            slots = slots_within(tx, book, real, at, known, self._end(tx, real, at, known))
            return known_since(completeness(tx, real, slots, at, known), span.start)

        return self._partly.whole.read(work)

    def sides(self, item: str, at: int, known: int) -> Sides:
        """All sides of an item; what it held when it was not told of is left out, and what is planned, where plans are
        not told. Raises NotFound, Denied (also of whom only some parts are told)."""
        real, span = self._whole(item, at, known)

        def work(tx: Connection) -> Sides:
            found = sides(tx, self._partly.book(tx, known), real, at, known, self._end(tx, real, at, known))
            built, delivered = (
                moment if moment is not None and span.covers(moment) else None
                for moment in (found.built, found.delivered)
            )
            makers = self._told.tells(ItemColumn.MAKERS)
            plans = at if self._told.tells(ItemColumn.PLANS) else None
            slots = []
            for slot in found.slots:
                then = self._side(tx, slot.built, built, known)
                slots.append(
                    msgspec.structs.replace(
                        slot,
                        designed=tuple(
                            each if makers else msgspec.structs.replace(each, maker="") for each in slot.designed
                        ),
                        planned=self._side(tx, slot.planned, plans, known),
                        built=then,
                        delivered=self._side(tx, slot.delivered, delivered, known),
                        changed=built is not None and then != slot.maintained,
                    )
                )
            kept = tuple(s for s in slots if s.designed or s.planned or s.built or s.delivered or s.maintained)
            return msgspec.structs.replace(found, built=built, delivered=delivered, slots=kept)

        return self._partly.whole.read(work)

    def _side(self, tx: Connection, held: Iterable[Side], moment: int | None, known: int) -> tuple[Side, ...]:
        """What of it was told of at that moment."""
        if moment is None:
            return ()
        return tuple(side for side in held if self._partly.tells_of(tx, side.item or side.on, moment, known))
