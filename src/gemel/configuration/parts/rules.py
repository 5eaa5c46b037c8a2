"""The rules of the parts book, asked of a configuration: which are not kept, how bad that is, and the way out."""

from __future__ import annotations

from collections.abc import Iterator

from gemel.configuration.parts.book import Book
from gemel.configuration.parts.places import Place, Reason, places
from gemel.configuration.values import Finding, Item, Level, Node

__all__ = ["check", "findings_of"]


def check(book: Book, root: Node, at: int, *, of: str = "") -> list[Finding]:
    """All rules that a configuration does not keep at a moment, the outermost slots first. `of`: only those about this
    item and what is in it.

    Where it is not known which end item something is in, what depends on its serial number is not asked.
    """
    return [found for place in places(book, root, at, of=of) for found in findings_of(place)]


def findings_of(place: Place) -> Iterator[Finding]:
    """What is not kept in one slot."""
    slot, items = place.slot, () if place.runs else place.held
    if place.declared and place.effective is not False:
        if not items and not place.runs and slot.mandatory:
            yield _finding(
                place, Reason("missing", Level.WARN, f"{place.name} is empty; something belongs there"), None
            )
        pieces = sum(item.quantity for item in items)
        if pieces > slot.count:
            text = f"{place.name} holds {slot.count} at most, not {pieces}; take something out first"
            yield _finding(place, Reason("count", Level.BLOCK, text), items[-1])
    for item in items:
        for reason in place.judge(item).reasons:
            yield _finding(place, reason, item)
    for software in place.runs:
        for reason in place.judge(software).reasons if software.part else ():
            yield _finding(place, reason, None)


def _finding(place: Place, reason: Reason, item: Item | None) -> Finding:
    return Finding(
        rule=reason.rule,
        level=reason.level,
        text=reason.text,
        slot=place.slot.slot,
        item=item.id if item else "",
        parent=place.parent.id,
        safety=place.slot.safety,
    )
