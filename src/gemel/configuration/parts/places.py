"""The slots of a configuration, and what may be in each: the one judgement that all answers on it rest on.

Rules, sides, kits and what is offered to be put in all ask `Place.judge`. It is without I/O.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from gemel.configuration.parts.book import Book
from gemel.configuration.parts.ends import end_of
from gemel.configuration.parts.interchange import Way, stands_for
from gemel.configuration.parts.ordering import applies, in_revisions
from gemel.configuration.parts.values import Condition, Effectivity, PartType, Replaced, SlotRule, SlotSpec
from gemel.configuration.values import Item, ItemKind, Level, Node

__all__ = ["End", "Judged", "Place", "Reason", "places"]

_RANK = (Level.ALLOW, Level.WARN, Level.CONCESSION, Level.BLOCK)
_SURE: tuple[bool | None, ...] = (True, None, False)


class End(NamedTuple):
    """The end item that something is in, and all that is in it, each with the slot that it is in."""

    item: Item | None
    within: tuple[tuple[Item, str], ...]

    @property
    def hidden(self) -> bool:
        """Whether what else is in it is not told to who asks (`unnamed`)."""
        return self.item is not None and "parts" in self.item.withheld


class Reason(NamedTuple):
    """Something that is to be said of an item in a slot."""

    rule: str
    level: Level
    text: str


class Judged(NamedTuple):
    """Whether an item may be in a slot."""

    fits: bool | None
    """True: it may, at `level`; None: that cannot be told."""
    level: Level
    """How bad it is that it is there, or would be."""
    reasons: tuple[Reason, ...] = ()
    line: SlotRule | None = None
    """The rule that lets it in, or comes nearest to it; None: no rule is about it."""
    instead: tuple[str, ...] = ()
    """What it stands in for, over all steps to what the rule names; none: it is named itself."""
    why: str = ""
    """In words, without the names of items: why not, or what is not known; empty: it may."""


class Place:
    """One slot of one item, at one moment."""

    def __init__(self, book: Book, part: PartType, node: Node, slot: SlotSpec, end: End, at: int) -> None:
        self.book, self.part, self.parent, self.slot = book, part, node.item, slot
        self.path = (*node.path, slot.slot)
        self.end, self.at = end, at
        self.nodes = tuple(inner for inner in node.parts if inner.path[-1] == slot.slot)
        self.held = tuple(inner.item for inner in self.nodes)
        self.runs = tuple(_running(node, slot.slot)) if slot.kind is ItemKind.SOFTWARE else ()
        """Of a slot for software what is reported to run there: that counts, and not what was recorded to be put in."""
        self.declared = part.slot(slot.slot) is not None

    @property
    def name(self) -> str:
        return f"{self.slot.slot} of {self.parent.id}"

    @property
    def effective(self) -> bool | None:
        """Whether this end item has the slot then."""
        return self._applies(self.slot.effectivity)

    @property
    def rules(self) -> list[SlotRule]:
        """The lines that are about this slot of a part at this revision, whatever else they ask."""
        mine = (rule for rule in self.part.rules if rule.slot == self.slot.slot)
        return [rule for rule in mine if in_revisions(self.part, self.parent.revision, rule.of) is not False]

    def lines(self) -> list[SlotRule]:
        """Those of them that apply to this end item now; what cannot be told does."""
        return [rule for rule in self.rules if self._effective(rule.effectivity) is not False]

    def judge(self, item: Item) -> Judged:
        """Whether an item may be here; it need not be here, and need not exist."""
        if not self.declared:
            listed = ", ".join(known.slot for known in self.part.slots)
            text = (
                f"{self.part.part} has no slot {self.slot.slot!r:.80}; it has {listed}: use one of them, or declare it"
            )
            return Judged(True, Level.WARN, (Reason("slot", Level.WARN, text),), why=text)
        if self.effective is False:
            end = self.end.item
            whole = self.parent.id if end is None else f"{end.id} ({end.serial or 'no serial'})"
            text = f"{whole} has no slot {self.slot.slot} at that time"
            return Judged(False, self.slot.otherwise, (Reason("slot", self.slot.otherwise, text),), why=text)
        if not item.part:
            text = f"what is in {self.name} is not known; identify {item.id}"
            return Judged(None, Level.WARN, (Reason("unknown", Level.WARN, text),), why="what it is is not known")
        said = list(self._of_itself(item))
        by = self._by_rules(item)
        if item.kind is not self.slot.kind:
            by = by._replace(fits=False, why=f"this is for {self.slot.kind.value}, it is {item.kind.value}")
        reasons = (*said, *by.reasons)
        level = max((one.level for one in reasons), key=_RANK.index, default=Level.ALLOW)
        return by._replace(reasons=reasons, level=level)

    def _of_itself(self, item: Item) -> Iterator[Reason]:
        if item.kind is not self.slot.kind:
            text = f"{self.name} is for {self.slot.kind.value}, {item.id} is {item.kind.value}"
            yield Reason("kind", self.slot.otherwise, text)
        known = self.book.of(item.part, item.maker)
        if known is not None and known.revisions and item.revision and known.order(item.revision) is None:
            listed = ", ".join(revision.revision for revision in known.revisions)
            text = f"{item.part} has no revision {item.revision!r:.60}; it has {listed}"
            yield Reason("revision", Level.WARN, text)
        elif self.slot.safety and not (item.serial or item.lot) and item not in self.runs:
            text = f"{self.name} matters for safety, and the serial number of {item.id} is not known; identify it"
            yield Reason("unknown", Level.WARN, text)

    def _by_rules(self, item: Item) -> Judged:
        rules = self.rules
        if not rules:
            return Judged(True, Level.ALLOW)
        ways = stands_for(self.book, item.part, item.maker, item.revision, lambda step: self._holds(step, item))
        verdicts = [_Verdict.of(rule, self, item, ways) for rule in rules]
        fitting = sorted(
            (one for one in verdicts if one.fits), key=lambda one: (_RANK.index(one.rule.level), len(one.instead))
        )
        name = f"{item.part} {item.revision}".strip()
        if (ban := next((one for one in fitting if one.rule.level is Level.BLOCK), None)) is not None:
            text = f"{name} must not be in {self.name}"
            return Judged(False, Level.BLOCK, (Reason("banned", Level.BLOCK, text),), ban.rule, ban.instead, _BANNED)
        if fitting:
            first, level = fitting[0], fitting[0].rule.level
            if level is Level.ALLOW:
                return Judged(True, level, (), first.rule, first.instead)
            how = "with a concession only" if level is Level.CONCESSION else "but not for choice"
            reason = Reason("allowed", level, f"{name} may be in {self.name}, {how}")
            return Judged(True, level, (reason,), first.rule, first.instead)
        rows = [one for one in verdicts if one.rule.level is not Level.BLOCK]
        if not rows:
            return Judged(True, Level.ALLOW)  # only bans, and none of them is of this part
        best = max(rows, key=lambda one: (one.fits is None, one.depth))
        if best.fits is None and self.end.hidden and best.reason in _OF_THE_REST:
            return Judged(None, Level.ALLOW, (), best.rule, best.instead, best.text)  # nothing is known to be wrong
        level = self.slot.otherwise if best.fits is False or self.slot.safety else Level.WARN
        reason = Reason(best.reason, level, f"{item.id} in {self.name}: {best.text}")
        return Judged(best.fits, level, (reason,), best.rule, best.instead, best.text)

    def _holds(self, step: Replaced, item: Item) -> bool | None:
        """Whether the conditions hold on which one part stands in for another."""
        answers = [self._effective(step.effectivity), *(self._there(one, item) for one in step.requires)]
        answers += [_not(self._there(one, item)) for one in step.excludes]
        return max(answers, key=_SURE.index)

    def _applies(self, told: Effectivity) -> bool | None:
        end = self.end.item
        serial, lot = (None, "") if end is None else (end.serial, end.lot)
        return applies(told, serial=serial, lot=lot, at=self.at)

    def _effective(self, told: Effectivity) -> bool | None:
        found = self._applies(told)
        return True if found is None and self.end.item is None else found  # it is asked when it comes into an end item

    def _there(self, condition: Condition, item: Item) -> bool | None:
        part = self.book.of(condition.part)
        answers: Sequence[bool | None] = [
            in_revisions(part, other.revision, condition.revisions)
            for other, slot in self.end.within
            if other.part == condition.part and other.id != item.id and condition.slot in ("", slot)
        ]
        return True if True in answers else None if None in answers or self.end.hidden else False


_BANNED = "it must not be here"
_OF_THE_REST = ("effectivity", "requires", "excludes", "replaces")
"""What the end item and all that is in it are asked for."""


class _Verdict(NamedTuple):
    """What a rule says of an item: it fits, does not, or nobody can tell; and why, by the first thing that is so."""

    rule: SlotRule
    fits: bool | None
    reason: str = ""
    text: str = ""
    depth: int = 99
    """How many of its conditions were met before."""
    instead: tuple[str, ...] = ()

    @classmethod
    def of(cls, rule: SlotRule, place: Place, item: Item, ways: Mapping[tuple[str, str | None], Way]) -> _Verdict:
        """`ways`: all that the item is or may stand in for."""
        fits, way = _best(rule, place, item, ways)
        unsure: _Verdict | None = None
        for depth, (reason, so, text) in enumerate(_conditions(rule, place, item, (fits, way))):
            if so is False:
                return cls(rule, False, reason, text, depth, way.names if way else ())
            if so is None and unsure is None:
                unsure = cls(rule, None, reason, text, depth, way.names if way else ())
        return unsure or cls(rule, True, instead=way.names if way else ())


def _best(
    rule: SlotRule, place: Place, item: Item, ways: Mapping[tuple[str, str | None], Way]
) -> tuple[bool | None, Way | None]:
    """The way by which an item comes nearest to what a rule names, and whether the revision fits; no way: by none.
    A ban is of what it names, and not of what replaces that."""
    part = place.book.of(rule.part, rule.maker)
    found: list[tuple[bool | None, Way]] = []
    for (name, revision), way in ways.items():
        if way.steps and rule.level is Level.BLOCK:
            continue
        if name != rule.part or (not way.steps and rule.maker not in ("", item.maker)):
            continue
        found.append((True if revision is None else in_revisions(part, revision, rule.revisions), way))
    if not found:
        return False, None

    def nearness(one: tuple[bool | None, Way]) -> tuple[int, ...]:
        fits, holds = _SURE.index(one[0]), _SURE.index(one[1].holds)
        return max(fits, holds), fits, len(one[1].steps)

    return min(found, key=nearness)


def _conditions(
    rule: SlotRule, place: Place, item: Item, how: tuple[bool | None, Way | None]
) -> Iterator[tuple[str, bool | None, str]]:
    """Why a rule may not allow an item, each with whether it holds, as far as the one before does."""
    fits, way = how
    revisions = f" {', '.join(rule.revisions)}" if rule.revisions else ""
    wanted = f"{rule.part}{revisions}{f' of {rule.maker}' if rule.maker else ''}"
    yield "part", way is not None, f"{item.part} does not belong there; {wanted} does"
    has = f"revision {item.revision}" if item.revision else "a revision that is not known"
    yield "revision", fits, f"it has {has}; {wanted} belongs there"
    end = place.end.item
    whole = f"{end.id} ({end.serial or 'serial number not known'})" if end else "this"
    assert way is not None
    if way.steps:
        told = "; ".join(one for step in way.steps for one in _asked(step))
        yield "replaces", way.holds, f"it stands in for {way.names[-1]} only {told}, which is not so of {whole}"
    effective = place._effective(rule.effectivity)
    bounds = _bounds(rule.effectivity) or "none"
    yield "effectivity", effective, f"{wanted} is for {bounds}, not for {whole} at that time"
    for one in rule.requires:
        yield "requires", place._there(one, item), f"{wanted} needs {_told(one)} in the same machine"
    for one in rule.excludes:
        yield "excludes", _not(place._there(one, item)), f"{wanted} does not go with {_told(one)}"


def _asked(step: Replaced) -> Iterator[str]:
    if bounds := _bounds(step.effectivity):
        yield f"for {bounds}"
    yield from (f"with {_told(one)}" for one in step.requires)
    yield from (f"without {_told(one)}" for one in step.excludes)


def _bounds(told: Effectivity) -> str:
    said = ", ".join([*told.serials, *told.lots, *(f"from {x}" for x in (told.start,) if x)])
    return said + (f" until {told.until}" if told.until else "")


def _not(there: bool | None) -> bool | None:
    return None if there is None else not there


def _told(condition: Condition) -> str:
    revisions = f" {', '.join(condition.revisions)}" if condition.revisions else ""
    return f"{condition.part}{revisions}{f' in {condition.slot}' if condition.slot else ''}"


# of a whole configuration


def places(book: Book, root: Node, at: int, *, of: str = "") -> Iterator[Place]:
    """Every slot that the book knows, also empty ones, and those that it does not know of parts that it does, where
    something is; the outermost first. `of`: only those of this item and of what is in it, with paths from it."""
    ends: dict[str, End] = {}

    def inside(node: Node, around: tuple[Node, ...], told: bool) -> Iterator[Place]:
        way = (node, *around)
        if not told and node.item.id == of:
            told, node = True, _from(node, len(node.path))
        part = book.of(node.item.part, node.item.maker)
        if told and part is not None and node.item.kind is not ItemKind.LOCATION:
            end = _end(book, way, ends)
            used = [inner.path[-1] for inner in node.parts] if part.slots else []
            odd = dict.fromkeys(name for name in used if part.slot(name) is None)
            for slot in (*part.slots, *(SlotSpec(slot=name) for name in odd)):
                yield Place(book, part, node, slot, end, at)
        for inner in node.parts:
            yield from inside(inner, () if node.item.kind is ItemKind.LOCATION else way, told)

    return inside(root, (), not of)


def _from(node: Node, depth: int) -> Node:
    """The same, with paths from itself."""
    return replace(node, path=node.path[depth:], parts=tuple(_from(part, depth) for part in node.parts))


def _end(book: Book, way: Sequence[Node], ends: dict[str, End]) -> End:
    place = end_of(book, [node.item for node in way])
    node = way[-1] if place is None else way[place]
    key = f"{place is None}{node.item.id}"
    if key not in ends:
        ends[key] = End(None if place is None else node.item, tuple(_all(node, "")))
    return ends[key]


def _all(node: Node, slot: str) -> Iterator[tuple[Item, str]]:
    """What runs is what is reported: software that was put into such a slot is not asked."""
    yield node.item, slot
    reported = {one.slot for one in node.software if one.version}
    yield from ((item, name) for name in sorted(reported) for item in _running(node, name))
    for part in node.parts:
        if part.item.kind is not ItemKind.SOFTWARE or part.path[-1] not in reported:
            yield from _all(part, part.path[-1])


def _running(node: Node, slot: str) -> Iterator[Item]:
    """The software that an item reported of one of its slots, as rules are asked of it."""
    for one in node.software:
        if one.slot == slot and one.version:
            yield Item(
                id=f"{one.part} {one.version}".strip(),
                part=one.part,
                revision=one.version,
                maker="",
                serial="",
                lot="",
                kind=ItemKind.SOFTWARE,
                twin="",
                born=0,
            )
