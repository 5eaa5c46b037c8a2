"""The parts that a job says to bring, held against what may stand in the slots of exactly this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any

import msgspec
from msgspec.structs import replace

from gemel.configuration import Allowed, Fitter, Fitting, Node, Place, piece
from gemel.thread import Record

__all__ = ["Fits", "Wanted", "fits_of", "wanted"]

MOST = 200


class Fits(StrEnum):
    """Whether a part may go where it is meant to."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    """Nobody told the rules, or the revision."""


def fits_of(told: Fitting | None) -> Fits:
    """Of what would become of a machine; None: the parts book has no rules for it."""
    return Fits.UNKNOWN if told is None or told.fits is None else Fits.YES if told.fits else Fits.NO


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A part to bring, for exactly this serial number."""

    part: str
    revision: str
    quantity: int
    path: tuple[str, ...]
    """The slot that it goes into; empty: not told, and none is known to take it."""
    fits: Fits
    why: str
    allowed: tuple[Allowed, ...] = ()
    """What may stand in that slot."""


def wanted(records: Iterable[Record], tree: Node, fitter: Fitter | None) -> Iterator[Wanted]:
    """What the attribute `parts` of a job's records lists: {part, revision, quantity, slot}, or part numbers.

    `fitter`: of the slots of `tree`; None: what may be in them is not shared with who asks.
    """
    seen: set[tuple[str, str, str]] = set()
    for record in records:
        listed = record.attributes.get("parts", ())
        for one in listed[:MOST] if isinstance(listed, list | tuple) else ():
            told = one if isinstance(one, Mapping) else {"part": str(one)}
            part, revision = str(told.get("part", "")), str(told.get("revision", ""))
            slot = str(told.get("slot", ""))
            if part and (part, revision, slot) not in seen:
                seen.add((part, revision, slot))
                path = tuple(slot.split("/")) if slot else ()
                line = Wanted(
                    part=part,
                    revision=revision,
                    quantity=_count(told.get("quantity", 1)),
                    path=path,
                    fits=Fits.UNKNOWN,
                    why="what may be in it is not shared with you",
                )
                yield line if fitter is None else _judged(line, tree, fitter)


def _judged(line: Wanted, tree: Node, fitter: Fitter) -> Wanted:
    place, why = _place(line, tree, fitter)
    if isinstance(place, tuple):
        missing = why == _NO_SLOT
        return replace(line, path=place, fits=Fits.NO if missing else Fits.UNKNOWN, why=why)
    may = tuple(fitter.allowed(place))
    told = _best(line, place, fitter)
    meant = [one for one in may if one.part == line.part]
    if told.fits:
        named = [one for one in meant if not one.revisions or line.revision in one.revisions] or meant
        said = [str(named[0]) if named else "no rule is against it", *([told.why] if told.why else [])]
        fits, why = Fits.YES, "; ".join(said)
    elif told.fits is None:
        way = f"say which revision: {'; '.join(map(str, meant))}" if not line.revision and meant else told.why
        fits, why = Fits.UNKNOWN, way
    else:
        here = "; ".join(str(one) for one in may if one.now is not False)
        fits, why = (
            Fits.NO,
            f"{told.why}; here goes {here}" if here and meant else f"here goes {here}" if here else told.why,
        )
    return replace(line, path=place.path, fits=fits, why=why, allowed=may)


_NO_SLOT = "this machine has no such slot"
_NO_RULES = "the parts book has no rules for that slot"


def _place(line: Wanted, tree: Node, fitter: Fitter) -> tuple[Place | tuple[str, ...], str]:
    """The slot that a part is meant for, or the path of it, and why nothing can be told of that."""
    if line.path:
        place = next((one for one in fitter.places if one.path == line.path and one.declared), None)
        if place is not None and place.effective is not False:
            return (place, "") if place.rules else (line.path, _NO_RULES)
        there = place is None and any(node.path == line.path for node in _nodes(tree))
        return line.path, _NO_RULES if there else _NO_SLOT
    for place in fitter.places:
        if place.rules and any(one.part == line.part for one in fitter.allowed(place)):
            return place, ""
    held = next((node for node in _nodes(tree) if node.item.part == line.part and node.path), None)
    if held is not None:
        return held.path, "it is in there, and the parts book has no rules for its slot"
    return (), "no slot of this machine is known to take it"


def _best(line: Wanted, place: Place, fitter: Fitter) -> Fitting:
    """What would become of a part of whichever maker it fits best of; the list of a job names none."""
    named = fitter.book.named(line.part)
    makers = [*(one.maker for one in named), *(rule.maker for rule in place.rules if rule.part == line.part)]
    kind = named[0].kind if named else place.slot.kind
    found = [fitter.fitting(place, piece(line.part, line.revision, one, kind)) for one in dict.fromkeys(makers or [""])]
    return min(found, key=lambda one: (True, None, False).index(one.fits))


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for part in node.parts:
        yield from _nodes(part)


def _count(told: Any) -> int:
    return told if isinstance(told, int) and not isinstance(told, bool) and told > 0 else 1
