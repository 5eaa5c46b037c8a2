"""What there is to put into a slot of exactly this machine: what is allowed there, and which pieces are at hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from gemel.configuration.configuration import Configuration
from gemel.configuration.questions.finding import ItemFound, ItemQuery
from gemel.configuration.questions.replacing import Allowed, Fitter
from gemel.configuration.values import Item, ItemKind, Level, Node
from gemel.configuration.views.seen import Seen
from gemel.configuration.views.whole import unnamed
from gemel.errors import InvalidInput, NotFound
from gemel.twin import PropertyGroup

__all__ = ["Offer", "OfferQuery", "Offered", "offer", "whole_seen"]

_RANK = (Level.ALLOW, Level.WARN, Level.CONCESSION, Level.BLOCK)
_SURE = (True, None, False)
_NUMBERS = 12
"""Part numbers of which pieces are looked for, where nobody says what is looked for."""
_EACH = 40


class OfferQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for."""

    q: str = ""
    """Part of an id, serial number, part number, maker or lot; empty: what is allowed there and not built in."""
    limit: int = 20


class Offered(ItemFound, frozen=True, kw_only=True):
    """One piece, where it is, and what would become of the machine with it."""

    fits: bool | None
    """None: it cannot be told."""
    level: Level
    """How bad the worst is of what the rules would say then, and do not now."""
    why: str
    """What they would say; empty: nothing."""
    instead: tuple[str, ...]
    """What it would stand in for, over all steps; none: it is meant to be here itself."""
    stock: bool
    """It is in a store, or in nothing; else it is built in somewhere."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What may come into one slot."""

    name: str
    """Of the slot, for people."""
    ruled: bool
    """Whether the parts book says anything of it; if not, it takes any part."""
    allowed: tuple[Allowed, ...]
    pieces: tuple[Offered, ...]
    """What fits and is at hand first."""


def whole_seen(items: Seen, configuration: Configuration, tree: Node, at: int, known: int) -> Node:
    """The end item that an item is in, with all that is in it; where that is not shared with who asks, the item in a
    machine of which nothing is known. Raises NotFound."""
    end = configuration.end_item(tree.item.id, at, known=known)
    if end is None or end.id == tree.item.id:
        return tree
    if items.everything or items.sees(end.id, at, known=known):
        return items.tree(end.id, at, known=known)
    return unnamed(end, tree, at)


def offer(
    items: Seen, configuration: Configuration, place: tuple[str, str], query: OfferQuery, at: int, known: int
) -> Offer:
    """`place`: an item, of which who asks sees all, and its slot. Raises NotFound, InvalidInput."""
    parent, slot = place
    if not 0 < len(slot) <= 128:
        raise InvalidInput("a slot has a name of 1 to 128 characters")
    items.require(parent, at, known=known)
    tree = items.tree(parent, at, known=known)
    whole = whole_seen(items, configuration, tree, at, known)
    fitter = Fitter(configuration.parts.book(known=known), whole, at, of=tree.item.id)
    here = fitter.place(tree.item.id, slot)
    allowed = tuple(fitter.allowed(here)) if here is not None else ()
    held = [one.item for one in tree.parts if one.path[-1] == slot]
    found = _looked_for(items, query, [one.part for one in allowed] or [one.part for one in held], at, known)
    gone = {one.id for one in held} | {tree.item.id}
    ranked = []
    for one, stock in _stocked(items, (each for each in found if each.item.id not in gone), at, known):
        if stock or query.q:
            told = fitter.fitting(here, one.item) if here is not None else None
            piece = Offered(
                item=one.item,
                root=one.root,
                path=one.path,
                since=one.since,
                fits=told.fits if told is not None else True,
                level=told.level if told is not None else Level.ALLOW,
                why=told.why if told is not None else "",
                instead=told.instead if told is not None else (),
                stock=stock,
            )
            ranked.append(_worn(items, configuration, piece, at, known))
    ranked.sort(key=_rank)
    return Offer(
        name=(here.slot.name if here is not None else "") or slot,
        ruled=here is not None and bool(here.rules),
        allowed=allowed,
        pieces=tuple(ranked[: query.limit]),
    )


def _rank(one: Offered) -> tuple[object, ...]:
    return _SURE.index(one.fits), _RANK.index(one.level), not one.stock, len(one.instead), one.item.id


def _looked_for(items: Seen, query: OfferQuery, parts: Iterable[str], at: int, known: int) -> Iterator[ItemFound]:
    asked = [ItemQuery(q=query.q, limit=_EACH)] if query.q else []
    asked = asked or [ItemQuery(part=part, limit=_EACH) for part in list(dict.fromkeys(parts))[:_NUMBERS] if part]
    for one in asked:
        yield from (
            found for found in items.search(one, at, known=known).items if found.item.kind is not ItemKind.LOCATION
        )


def _stocked(items: Seen, found: Iterable[ItemFound], at: int, known: int) -> Iterator[tuple[ItemFound, bool]]:
    """Each with whether it is in a store, or in nothing."""
    kinds: dict[str, ItemKind | None] = {}
    for one in found:
        if one.root and one.root not in kinds:
            kinds[one.root] = _kind(items, one.root, at, known)
        yield one, not one.root or (len(one.path) == 1 and kinds[one.root] is ItemKind.LOCATION)


def _kind(items: Seen, item: str, at: int, known: int) -> ItemKind | None:
    try:
        return items.item(item, at, known=known).item.kind
    except NotFound:
        return None


def _worn(items: Seen, configuration: Configuration, piece: Offered, at: int, known: int) -> Offered:
    """With what is past a hard limit of its life, which is not installed, as far as its use is told."""
    item: Item = piece.item
    if not (items.everything or items.sees(item.id, at, known=known, group=PropertyGroup.USAGE)):
        return piece
    over = [one for one in configuration.limits(item.id, at, known=known) if one.hard and one.used >= one.limit]
    if not over:
        return piece
    told = "; ".join(f"it has {one.used:g} {one.kind} of at most {one.limit:g}" for one in over)
    why = f"{told}; {piece.why}" if piece.why else told
    return msgspec.structs.replace(piece, fits=False, level=Level.BLOCK, why=why)
