"""To which machines something applies (a bulletin, an update): by what they hold, and by the number of the end item.

Part, serial number and lot are those of the end item (`parts.ends`) that what is asked for first is in: of the mill,
not of the line that it stands in. A machine is listed as the fleet counts it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from gemel.clock import to_rfc3339
from gemel.configuration.parts.book import Book
from gemel.configuration.parts.ends import end_of
from gemel.configuration.parts.ordering import applies
from gemel.configuration.parts.values import Effectivity
from gemel.configuration.questions.fleet import Ends, FleetPage, Having, Order
from gemel.configuration.values import Item, ItemKind, Node

__all__ = ["Applicability", "Applies", "applies_to", "fits", "pieces", "sought"]


class Applicability(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """For which machines something is meant: all that is told must hold."""

    part: str = ""
    """Part number of the end item itself; empty: of any."""
    effectivity: Effectivity = Effectivity()
    """By serial number or lot of the end item, and by date."""
    having: tuple[Having, ...] = ()
    """What is in the machine; the first of it in that end item."""


class Applies(msgspec.Struct, frozen=True, kw_only=True):
    """Whether it is meant for one machine."""

    root: str
    applies: bool | None
    """None: it cannot be told, for something is not known."""
    items: tuple[str, ...] = ()
    """What it has that it is about."""
    reasons: tuple[str, ...] = ()
    """Why not, or what is not known."""


def sought(of: Applicability, at: int, page: FleetPage, book: Book) -> tuple[tuple[Having, ...], FleetPage]:
    """What to ask of the fleet, and in which end items, to find the machines that something may be meant for; what
    cannot be told counts."""

    def only(part: str, serial: str | None, lot: str) -> bool:
        return _meant(of, at, part, serial, lot) is not False

    ends = Ends.of(book, only) if of.part or of.effectivity != Effectivity() else None
    return of.having or (Having(part=of.part),), msgspec.structs.replace(page, ends=ends)


def _meant(of: Applicability, at: int, part: str, serial: str | None, lot: str) -> bool | None:
    """Whether it may be meant for an end item, by itself; a serial of None: no end item is known."""
    effective = applies(of.effectivity, serial=serial, lot=lot, at=at)
    if effective is False or not of.part:
        return effective
    return None if serial is None else effective if part == of.part else False


def applies_to(
    of: Applicability, root: Node, order: Order, at: int, *, book: Book, outer: Sequence[Item] = ()
) -> Applies:
    """Whether something applies to a configuration. `outer`: what it is in, outwards."""
    item = root.item
    answers: list[bool | None] = []
    reasons, items = list[str](), list[str]()
    if item.retired is not None and item.retired <= at:
        answers.append(False)
        reasons.append(f"{item.id} was retired at {to_rfc3339(item.retired)}")
    inside = list(_ways(root, tuple(outer)))
    for n, one in enumerate(of.having or (Having(part=of.part),)):
        found = [(each.id, fits(one, each, order), way) for each, way in inside if each.part == one.part]
        if not one.part:  # nothing is asked for but the end item of this very item
            found = [(item.id, True, inside[0][1])]
        some = [(id, so) for id, so, _ in found]
        if n == 0:
            ends = {id: _of_end(of, book, way, at) for id, so, way in found if so is not False}
            some = [(id, _both(so, ends[id][0]) if id in ends else so) for id, so in some]
            if not any(so for _, so in some):
                reasons += dict.fromkeys(why for so, why in ends.values() if so is not True)
        good = [id for id, so in some if so]
        answers.append(True if good else None if any(so is None for _, so in some) else False)
        items += good if of.having else ()
        unsure = [id for id, so, _ in found if so is None]
        if not good and unsure:
            names = ", ".join(unsure)
            reasons.append(f"the revision of {names} is not known, or has no place in the order of {one.part}")
        elif all(so is False for _, so, _ in found):
            reasons.append(f"there is no {one.part} of that revision in it" if of.having else f"it has no {one.part}")
    applied = False if False in answers else None if None in answers else True
    told = tuple(reasons) if applied is not True else ()
    return Applies(root=item.id, applies=applied, items=tuple(sorted(set(items))), reasons=told)


def _both(one: bool | None, other: bool | None) -> bool | None:
    return False if False in (one, other) else None if None in (one, other) else True


def _of_end(of: Applicability, book: Book, way: Sequence[Item], at: int) -> tuple[bool | None, str]:
    """Whether it is meant for the end item that something is in, and why not."""
    place = end_of(book, way)
    if place is None:
        why = f"in which machine {way[0].id} is, whose serial number counts, is not known"
        return _meant(of, at, "", None, ""), why
    end = way[place]
    meant = _meant(of, at, end.part, end.serial, end.lot)
    if of.part and end.part != of.part:
        return meant, f"{end.id} is {end.part}, not {of.part}"
    called = f"serial number {end.serial}" if end.serial else "a serial number that is not known"
    return meant, f"it is for other serial numbers, lots or dates; {end.id} has {called}"


def fits(one: Having, item: Item, order: Order) -> bool | None:
    """Whether an item of the part is at a revision that is asked for; None: it cannot be told."""
    revision = item.revision
    if not (one.below or one.above or one.revisions):
        return True
    if not revision:
        return True if one.unknown else None
    if one.revisions and revision not in one.revisions:
        return False
    if not (one.below or one.above):
        return True
    place, above, below = (order(one.part, told) for told in (revision, one.above or revision, one.below or revision))
    if place is None or above is None or below is None:
        return True if one.unknown else None
    return not (one.below and place >= below) and not (one.above and place <= above)


def pieces(node: Node) -> Iterator[Item]:
    """What is in it, and what runs on that: an item, told of the software that it reported. Software that was put into
    such a slot is left out: what runs is what is reported."""
    return (piece for piece, _ in _ways(node, ()))


def _ways(node: Node, outer: tuple[Item, ...]) -> Iterator[tuple[Item, tuple[Item, ...]]]:
    """The pieces, each with itself (what reports it, of software) and what that is in, outwards."""
    way = (node.item, *outer)
    yield node.item, way
    reported = {one.slot for one in node.software if one.version}
    for one in node.software:
        if one.version:
            yield msgspec.structs.replace(node.item, part=one.part, revision=one.version), way
    for part in node.parts:
        if part.item.kind is not ItemKind.SOFTWARE or part.path[-1] not in reported:
            yield from _ways(part, way)
