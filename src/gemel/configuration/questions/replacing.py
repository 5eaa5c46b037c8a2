"""What may stand in a slot of exactly this machine: by the lines of its 150 % structure, and by what replaces it.

All of it is asked of `Place.judge`, as the rules are; what would become of a part that is put in is asked of the
machine as it would be then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from gemel.configuration.parts.book import Book
from gemel.configuration.parts.interchange import replacers
from gemel.configuration.parts.ordering import in_revisions
from gemel.configuration.parts.places import Judged, Place, places
from gemel.configuration.parts.rules import check, findings_of
from gemel.configuration.parts.values import Condition, PartType, SlotRule
from gemel.configuration.values import Finding, Item, ItemKind, Level, Node

__all__ = ["Allowed", "Fitter", "Fitting", "piece"]

_SUPPOSED = "that part"
_RANK = (Level.ALLOW, Level.WARN, Level.CONCESSION, Level.BLOCK)


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """A part that may be in a slot."""

    part: str
    maker: str
    revisions: tuple[str, ...]
    level: Level
    """allow, warn or concession."""
    requires: tuple[Condition, ...] = ()
    excludes: tuple[Condition, ...] = ()
    instead: tuple[str, ...] = ()
    """What it stands in for, over all steps to what is meant to be here; none: it is meant to be here itself."""
    now: bool | None = True
    """Whether it may be here as the machine is now; None: that cannot be told."""
    why: str = ""
    """Why not, or what is not known."""

    def __str__(self) -> str:
        said = self.part + (f" of {self.maker}" if self.maker else "")
        said += f", revision {' or '.join(self.revisions)}" if self.revisions else ""
        said += f", in place of {self.instead[-1]}" if self.instead else ""
        said += "".join(f"; with {one.part} {' '.join(one.revisions)}".rstrip() for one in self.requires)
        said += "".join(f"; not with {one.part} {' '.join(one.revisions)}".rstrip() for one in self.excludes)
        said += "" if self.level is Level.ALLOW else f" ({self.level})"
        return said if self.now is not False else f"{said} – not now: {self.why}"


class Fitting(msgspec.Struct, frozen=True, kw_only=True):
    """What would become of a machine if a part came into a slot of it."""

    fits: bool | None
    """None: it cannot be told."""
    level: Level
    """How bad the worst is of what the rules would say then, and do not now."""
    why: str = ""
    """What they would say."""
    instead: tuple[str, ...] = ()
    """What it would stand in for."""


def piece(part: str, revision: str = "", maker: str = "", kind: ItemKind = ItemKind.HARDWARE) -> Item:
    """A piece of a part, one that nobody has seen yet."""
    return Item(id=_SUPPOSED, part=part, revision=revision, maker=maker, serial="?", lot="", kind=kind, twin="", born=0)


class Fitter:
    """Tries parts in the slots of one machine at one moment; nothing of it is done. `out`, wherever it is asked: which
    items leave the slot; None: what stands in the way, so of a slot for one piece what it holds."""

    def __init__(self, book: Book, whole: Node, at: int, *, of: str = "") -> None:
        """`whole`: the end item, with all that is in it. `of`: only the slots of this item, and of what is in it."""
        self.book, self.whole, self.at = book, whole, at
        self.places = list(places(book, whole, at, of=of))

    def place(self, parent: str, slot: str) -> Place | None:
        """A slot of an item; None: the book does not know it, or nothing of the item."""
        return next((one for one in self.places if (one.parent.id, one.slot.slot) == (parent, slot)), None)

    @cached_property
    def _before(self) -> set[tuple[str, ...]]:
        return {_key(one) for one in check(self.book, self.whole, self.at)}

    def fitting(self, place: Place, item: Item, out: Iterable[str] | None = None) -> Fitting:
        """What would become of the machine if an item came into a slot of it: what the rules would say of it there, and
        what they would say of anything else that they do not say now."""
        gone = {*_leaving(place, out), item.id}
        after = self._with(place, item, gone)
        found = self._same(place, after)
        judged = found.judge(item) if found is not None else Judged(True, Level.ALLOW)
        moved = {item.part, *(part for node in _all(self.whole) if node.item.id in gone for part in _parts(node))}
        if moved & self.book.conditions:  # else nothing else of the machine asks for any of it
            then = check(self.book, after, self.at)
        else:
            then = list(findings_of(found)) if found is not None else []
        new = [one for one in then if (one.item != item.id or one.rule == "count") and _key(one) not in self._before]
        said = [*([judged.why] if judged.why else []), *(one.text for one in new)]
        stopped = any(one.level is Level.BLOCK for one in new)
        return Fitting(
            fits=False if stopped else judged.fits,
            level=max((judged.level, *(one.level for one in new)), key=_RANK.index),
            why="; ".join(said),
            instead=judged.instead,
        )

    def emptied(self, place: Place, out: Iterable[str] | None = None) -> Place:
        """The same slot, what leaves it gone with all that is in that."""
        return self._same(place, self._with(place, None, set(_leaving(place, out)))) or place

    def _same(self, place: Place, whole: Node) -> Place | None:
        of = place.parent.id
        return next((one for one in places(self.book, whole, self.at, of=of) if one.path == (place.slot.slot,)), None)

    def _with(self, place: Place, item: Item | None, out: set[str]) -> Node:
        def node(one: Node) -> Node:
            parts = tuple(node(inner) for inner in one.parts if inner.item.id not in out)
            if one.item.id == place.parent.id and item is not None:
                parts = (*parts, Node(item=item, path=(*one.path, place.slot.slot), since=0))
            return replace(one, parts=parts)

        return node(self.whole)

    def allowed(self, place: Place, out: Iterable[str] | None = None) -> list[Allowed]:
        """What the book lets into a slot, what is meant to be there first; what cannot be told is among it, also what
        may be there only once something else is changed (`now`)."""
        here = self.emptied(place, out)
        if here.effective is False:
            return []
        lines = [rule for rule in here.lines() if rule.level is not Level.BLOCK]
        meant = list(dict.fromkeys((rule.part, rule.maker) for rule in lines))
        numbers = {name for part, _ in meant for name in replacers(self.book, part)} - {part for part, _ in meant}
        others = [(known.part, known.maker) for name in sorted(numbers) for known in self.book.named(name)]
        found = [one for part, maker in (*meant, *others) for one in _offered(here, lines, part, maker)]
        return sorted(found, key=lambda one: len(one.instead))


def _all(node: Node) -> Iterator[Node]:
    yield node
    for part in node.parts:
        yield from _all(part)


def _parts(node: Node) -> Iterator[str]:
    """The part numbers of all that an item consists of, and of what runs on it."""
    for one in _all(node):
        yield one.item.part
        yield from (each.part for each in one.software)


def _leaving(place: Place, out: Iterable[str] | None) -> list[str]:
    return list(out) if out is not None else [one.id for one in place.held] if place.slot.count <= 1 else []


def _key(one: Finding) -> tuple[str, ...]:
    return one.rule, one.parent, one.slot, one.item


def _offered(here: Place, lines: Sequence[SlotRule], part: str, maker: str) -> Iterator[Allowed]:
    """A part as far as it may be here: those of its revisions together of which the same is said."""
    known = here.book.of(part, maker)
    said: dict[_Said, list[str]] = {}
    for revision in _revisions(known, lines, part):
        judged = here.judge(piece(part, revision, maker, known.kind if known is not None else here.slot.kind))
        if judged.line is not None and (judged.fits is not False or _waits(judged)):
            why = "" if judged.fits else judged.why
            said.setdefault(_Said(judged.line, judged.instead, judged.fits, why), []).append(revision)
    for one, revisions in said.items():
        line = one.line
        fitting = [name for name in _revisions(known, lines, part) if in_revisions(known, name, line.revisions)]
        yield Allowed(
            part=part,
            maker=maker,
            revisions=line.revisions if not one.instead and revisions == fitting else tuple(filter(None, revisions)),
            level=line.level,
            requires=line.requires,
            excludes=line.excludes,
            instead=one.instead,
            now=one.fits,
            why=one.why,
        )


class _Said(NamedTuple):
    line: SlotRule
    instead: tuple[str, ...]
    fits: bool | None
    why: str


def _revisions(known: PartType | None, lines: Sequence[SlotRule], part: str) -> list[str]:
    """Those of the part; where the book lists none, those that rules name; else none is needed."""
    if known is not None and known.revisions:
        return [one.revision for one in known.revisions]
    named = [name for rule in lines if rule.part == part for name in rule.revisions if ".." not in name]
    return list(dict.fromkeys(named)) or [""]


def _waits(one: Judged) -> bool:
    """Whether it may be here once something else is in the machine, or is not."""
    return bool(one.reasons) and one.reasons[-1].rule in ("requires", "excludes", "replaces")
