"""One configuration from all its sides: as designed, planned, built, delivered and maintained, slot by slot.

When it was built, delivered, installed, commissioned is told by the trait `milestone` of the machine itself: `modify`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import StrEnum

import msgspec
from sqlalchemy import Connection, select

from gemel.configuration import tables
from gemel.configuration.acts.acting import item_row
from gemel.configuration.acts.plans import planned
from gemel.configuration.belief import known_at
from gemel.configuration.parts.book import Book
from gemel.configuration.parts.ordering import applies
from gemel.configuration.parts.places import Place, places
from gemel.configuration.parts.values import SlotSpec
from gemel.configuration.questions import asking
from gemel.configuration.questions.completeness import Slots
from gemel.configuration.questions.ends import whole_of
from gemel.configuration.values import Item, ItemKind, Level, Node

__all__ = [
    "Allowed",
    "Readiness",
    "Side",
    "Sides",
    "SlotSides",
    "Verdict",
    "milestones",
    "readiness",
    "sides",
    "slots_of",
    "slots_within",
]

MILESTONE, BUILT, DELIVERED = "milestone", "built", "delivered"
_GOING = ("remove", "move", "retire")
"""What a plan does to an item that is no more in its slot then."""


class Verdict(StrEnum):
    """What the rules of the parts book say of what a slot holds now."""

    ALLOWED = "allowed"
    CONCESSION = "concession"
    """Only with a concession."""
    NOT_ALLOWED = "not-allowed"
    UNSURE = "unsure"
    """A revision or a serial number is not known, or has no place in its order."""
    MISSING = "missing"
    """The slot must hold something, and is not known to."""
    FREE = "free"
    """There is no rule."""


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """One line of what is designed to be in a slot of this machine."""

    part: str
    maker: str
    revisions: tuple[str, ...]
    level: Level


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """What a slot holds on one side."""

    item: str
    part: str
    revision: str
    """Of software its version."""
    serial: str
    on: str = ""
    """Of software that was reported: the item that runs it; it is no item of its own."""


class SlotSides(msgspec.Struct, frozen=True, kw_only=True):
    """One slot on all sides; where nothing is told, nothing is known to be in it there."""

    path: tuple[str, ...]
    designed: tuple[Allowed, ...]
    mandatory: bool
    safety: bool
    planned: tuple[Side, ...]
    """When all that is planned is done."""
    built: tuple[Side, ...]
    delivered: tuple[Side, ...]
    maintained: tuple[Side, ...]
    verdict: Verdict
    changed: bool
    """Whether it holds another item, or the same at another revision, than when it was built."""


class Sides(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration from all its sides."""

    root: str
    built: int | None
    """When it was built; None: no as-built configuration is recorded."""
    delivered: int | None
    slots: tuple[SlotSides, ...]
    """The outermost first."""


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether there is a twin of an individual machine, or only a model of its design."""

    root: str
    twin: bool
    stage: str
    """model, or the last milestone that is told: built, delivered, installed, commissioned …"""
    missing: tuple[str, ...]
    """What must be recorded before it may be called a twin."""
    built: int | None


def slots_of(book: Book, item: Item, end: Item | None, at: int) -> list[SlotSpec]:
    """The slots that an item has as a part of an end item (None: none is known) at a moment; what cannot be told
    counts."""
    part = book.of(item.part, item.maker)
    serial, lot = (None, "") if end is None else (end.serial, end.lot)
    return [
        spec
        for spec in (part.slots if part else ())
        if applies(spec.effectivity, serial=serial, lot=lot, at=at) is not False
    ]


def slots_within(tx: Connection, book: Book, root: str, at: int, known: int, whole: Node | None = None) -> Slots:
    """Which slots each item of a configuration has, as a part of the end item that it is in (`whole`: as far as that
    is told); what cannot be told counts. Raises NotFound."""
    found: dict[str, list[SlotSpec]] = {}
    for place in places(book, whole or whole_of(tx, book, root, at, known), at, of=item_row(tx, root).id):
        if place.declared and place.effective is not False:
            found.setdefault(place.parent.id, []).append(place.slot)
    return lambda item, _root, _at: found.get(item.id, ())


def milestones(tx: Connection, root: str, at: int, known: int) -> dict[str, int]:
    """Which ones a machine has passed up to a moment, and when. Raises NotFound."""
    t = tables.trait
    rows = tx.execute(
        select(t.c.value, t.c.valid_from)
        .where(t.c.item == item_row(tx, root).number, t.c.name == MILESTONE, t.c.valid_from <= at, known_at(t, known))
        .order_by(t.c.valid_from)
    ).all()
    return {row.value: row.valid_from for row in rows}


def built_at(tx: Connection, root: str, at: int, known: int) -> int | None:
    """When it was built: the milestone, or when it was made, if it held parts then."""
    told = milestones(tx, root, at, known).get(BUILT)
    if told is not None:
        return told
    born = int(item_row(tx, root).born)
    return born if born <= at and asking.tree(tx, root, born, known).parts else None


def readiness(tx: Connection, root: str, at: int, known: int) -> Readiness:
    """Aras: "there is a difference between a Digital Model and the Digital Twin". Raises NotFound."""
    item = asking.tree(tx, root, at, known).item
    built = built_at(tx, root, at, known)
    passed = milestones(tx, root, at, known)
    missing = []
    if not item.serial:
        missing.append("its serial number: it is not known which machine it is")
    if built is None:
        missing.append("its as-built configuration: install what it was built of, or load it")
    elif not asking.tree(tx, root, built, known).parts:
        missing.append("what it was built of: when it was built is told, but not of what")
    stage = max(passed, key=lambda name: passed[name]) if passed else "built" if built is not None else "model"
    return Readiness(root=item.id, twin=not missing, stage=stage, missing=tuple(missing), built=built)


def sides(tx: Connection, book: Book, root: str, at: int, known: int, whole: Node | None = None) -> Sides:
    """All sides at once, judged in the end item that it is in (`whole`: as far as that is told). Raises NotFound."""
    now = asking.tree(tx, root, at, known)
    built = built_at(tx, root, at, known)
    delivered = milestones(tx, root, at, known).get(DELIVERED)
    whole = whole or whole_of(tx, book, root, at, known)
    designed = {
        place.path: place
        for place in places(book, whole, at, of=now.item.id)
        if place.declared and place.effective is not False
    }
    parts = {path for path, place in designed.items() if place.slot.kind is not ItemKind.SOFTWARE}
    then = {} if built is None else _sides(asking.tree(tx, root, built, known), parts)
    arrived = {} if delivered is None else _sides(asking.tree(tx, root, delivered, known), parts)
    meant = _sides(planned(tx, now, at, known), parts, leaving=_GOING)
    held, maintained = _held(now), _sides(now, parts)
    found = []
    for path in sorted(
        maintained.keys() | then.keys() | arrived.keys() | meant.keys() | designed.keys(), key=lambda p: (len(p), p)
    ):
        place = designed.get(path)
        spec = place.slot if place is not None else None
        one, old = maintained.get(path, ()), then.get(path, ())
        found.append(
            SlotSides(
                path=path,
                designed=tuple(
                    Allowed(part=rule.part, maker=rule.maker, revisions=rule.revisions, level=rule.level)
                    for rule in (place.lines() if place is not None else ())
                ),
                mandatory=spec is not None and spec.mandatory,
                safety=spec is not None and spec.safety,
                planned=meant.get(path, ()),
                built=old,
                delivered=arrived.get(path, ()),
                maintained=one,
                verdict=_verdict(place, held.get(path, ())) if place is not None or not one else Verdict.FREE,
                changed=built is not None and one != old,
            )
        )
    return Sides(root=now.item.id, built=built, delivered=delivered, slots=tuple(found))


def _verdict(place: Place | None, held: Sequence[Item]) -> Verdict:
    """The worst of all that the slot holds, or of what was reported to run there."""
    held = place.runs if place is not None and place.runs else held
    if not held:
        return Verdict.MISSING if place is not None and place.slot.mandatory else Verdict.ALLOWED
    if place is None or not place.rules:
        return Verdict.FREE
    found = {_judged(place, item) for item in held}
    return next(
        one for one in (Verdict.NOT_ALLOWED, Verdict.UNSURE, Verdict.CONCESSION, Verdict.ALLOWED) if one in found
    )


def _judged(place: Place, item: Item) -> Verdict:
    told = place.judge(item)
    if told.fits:
        return Verdict.CONCESSION if told.line is not None and told.line.level is Level.CONCESSION else Verdict.ALLOWED
    return Verdict.UNSURE if told.fits is None else Verdict.NOT_ALLOWED


def _held(root: Node, leaving: Sequence[str] = ()) -> Mapping[tuple[str, ...], list[Item]]:
    """By path, but for what is planned to leave."""
    found: dict[tuple[str, ...], list[Item]] = {}
    for node in _all(root):
        if node.path and node.planned not in leaving:
            found.setdefault(node.path, []).append(node.item)
    return found


def _sides(
    root: Node, parts: Collection[tuple[str, ...]], leaving: Sequence[str] = ()
) -> dict[tuple[str, ...], tuple[Side, ...]]:
    """By path: items, and where there is none the software that was reported, but for what is planned to leave.

    `parts`: slots that are not for software, whatever reports it under their names.
    """
    found = {
        path: tuple(
            Side(item=item.id, part=item.part, revision=item.revision, serial=item.serial or item.lot)
            for item in sorted(items, key=lambda item: item.id)
        )
        for path, items in _held(root, leaving).items()
    }
    for node in _all(root):
        for one in node.software if node.planned not in leaving else ():
            path = (*node.path, one.slot)
            if one.version and path not in parts:
                side = Side(item="", part=one.part, revision=one.version, serial="", on=node.item.id)
                found.setdefault(path, (side,))
    return found


def _all(node: Node) -> Iterator[Node]:
    yield node
    for part in node.parts:
        yield from _all(part)
