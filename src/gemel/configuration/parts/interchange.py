"""What a part may stand in for: by what its revisions replace, one way, over any number of steps.

The one place that says so. A step may have conditions (serial numbers, dates, what else is in the machine); on a way of
several steps all of them must hold.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from gemel.configuration.parts.values import PartType, Replaced, Revision

if TYPE_CHECKING:
    from gemel.configuration.parts.book import Book

__all__ = ["Place", "Way", "named_by", "reached", "replacers", "stands_for"]

Place = tuple[str, str | None]
"""A part number, and which revision of it; None: any."""
_SURE: tuple[bool | None, ...] = (True, None, False)


class Way(NamedTuple):
    """How a part comes to stand in for another."""

    holds: bool | None
    """Whether the conditions of all steps hold; None: it cannot be told."""
    steps: tuple[Replaced, ...] = ()
    """From the part itself on; none: it is the part itself."""
    names: tuple[str, ...] = ()
    """What each step stands in for: "PUMP-7 B", or "PUMP-7" of any revision."""


def stands_for(
    book: Book, part: str, maker: str, revision: str, holds: Callable[[Replaced], bool | None]
) -> Mapping[Place, Way]:
    """All that a revision of a part may stand in for, and itself, each by the way of which the conditions hold best,
    of these the shortest. `holds`: whether the conditions of one step do."""
    start: Place = (part, revision)
    if (known := book.ways.get((part, maker, revision))) is not None:
        return known
    found: dict[Place, Way] = {start: Way(True)}
    ended: dict[Place, Way] = {}
    seen: set[bool | None] = {True}
    free = True
    for wanted in _SURE:
        if wanted not in seen:
            continue
        open_ = deque(found)
        while open_:
            place = open_.popleft()
            way = found[place]
            for target, step in _steps(book, place, maker if place == start else ""):
                free = free and not step.conditional
                into, so = ended if step.alone else found, _worse(way.holds, holds(step) if step.conditional else True)
                seen.add(so)
                if target in into or so is not wanted:
                    continue
                name = target[0] if target[1] is None else f"{target[0]} {target[1]}"
                into[target] = Way(so, (*way.steps, step), (*way.names, name))
                if not step.alone:
                    open_.append(target)
    for place, way in ended.items():
        found[place] = min(way, found.get(place, way), key=lambda one: (_SURE.index(one.holds), len(one.steps)))
    if free:
        book.ways[part, maker, revision] = found
    return found


def _steps(book: Book, place: Place, maker: str) -> Iterator[tuple[Place, Replaced]]:
    part = book.of(place[0], maker)
    if part is None:
        return
    for revision in _revisions(part, place[1]):
        for step in revision.stands_for:
            yield _target(part, step), step


def _revisions(part: PartType, revision: str | None) -> Iterator[Revision]:
    yield from (one for one in part.revisions if revision in (None, one.revision))


def _target(part: PartType, step: Replaced) -> Place:
    if part.order(step.what) is not None:
        return part.part, step.what
    other, slash, revision = step.what.partition("/")
    return other, revision if slash else None


def _worse(one: bool | None, other: bool | None) -> bool | None:
    return _SURE[max(_SURE.index(one), _SURE.index(other))]


def named_by(part: PartType) -> set[str]:
    """The part numbers that revisions of a part are told to stand in for, its own perhaps."""
    return {_target(part, step)[0] for revision in part.revisions for step in revision.stands_for}


def reached(book: Book, part: str) -> set[str]:
    """The part numbers that some revision of a part may stand in for on whatever conditions, itself not needed."""
    return {
        name
        for known in book.named(part)
        for revision in known.revisions
        for (name, _), way in stands_for(book, part, known.maker, revision.revision, lambda _: True).items()
        if way.steps
    }


def replacers(book: Book, part: str) -> set[str]:
    """The part numbers of which some revision may stand in for one of this part, itself perhaps; too many rather than
    too few: ask `stands_for` of each."""
    found: set[str] = set()
    open_ = [part]
    while open_:
        for one in book.replacing(open_.pop()):
            if one not in found:
                found.add(one)
                open_.append(one)
    return found
