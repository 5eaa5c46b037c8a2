"""To which machines a version of a bulletin applies: one question to the fleet for each part that it is about.

Intervals are met as for any question to the fleet; what cannot be told is asked for apart. Serial numbers and lots are
those of the end item that each piece of the part is in, which need not be the machine as the fleet counts it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from gemel.configuration import (
    Applicability,
    Book,
    Configuration,
    Effectivity,
    Ends,
    FleetPage,
    Having,
    Match,
    Matches,
    Span,
    check_range,
    effectivity_applies,
    in_revisions,
)
from gemel.configuration.spans import joined
from gemel.thread.documents import Applies, Version

__all__ = ["Aimed", "aimed", "terms"]

_AT_ONCE = 10_000


class Aimed(msgspec.Struct, frozen=True, kw_only=True):
    """A machine to which a bulletin applied at some time up to the moment that is asked about."""

    part: str
    serial: str
    applies: bool | None
    """At that moment; None: it cannot be told."""
    items: tuple[str, ...]
    """What it is about: then, or what it was about when it still applied."""
    spans: tuple[Span, ...] = ()
    """When it is known to have applied, in order; none meets or touches another."""


def terms(version: Version, book: Book) -> list[Applicability]:
    """What a machine is or has: any one of these."""
    if not version.applies:
        return [Applicability(having=version.having)] if version.having else []
    return [
        Applicability(
            effectivity=Effectivity(serials=one.serials, lots=one.lots),
            having=(Having(part=one.part, revisions=_revisions(one, book)), *version.having),
        )
        for one in version.applies
    ]


def _revisions(one: Applies, book: Book) -> tuple[str, ...]:
    """Each by its name, of the ranges that are told."""
    if not one.revisions:
        return ()
    part = book.of(one.part)
    listed = [each.revision for each in part.revisions] if part is not None else []
    named = [end for text in one.revisions for end in check_range(text) if end]
    return tuple(dict.fromkeys([*named, *(each for each in listed if in_revisions(part, each, one.revisions))]))


def aimed(
    configuration: Configuration, of: Sequence[Applicability], span: Span, *, book: Book, known: int, root: str = ""
) -> dict[str, Aimed]:
    """By machine; the last moment of `span` is the one that is asked about. Raises InvalidInput."""
    found: dict[str, Aimed] = {}
    at = span.end - 1
    if root and of:
        parts = configuration.parts_within(root, span.start, span.end, known=known)
        of = [to for to in of if all(one.part in parts for one in to.having)]
    for to in of:
        unsure = tuple(msgspec.structs.replace(one, unknown=True) for one in to.having)
        sure = _Asked(configuration, known, root, _ends(to, book, at, surely=True))
        perhaps = _Asked(configuration, known, root, _ends(to, book, at, surely=False))
        ever, unknown = sure.of(to.having, span)
        now = sure.of(to.having, Span(at, span.end))[0] if any(one.spans[-1].end > at for one in ever) else []
        for match in now:
            _join(found, match, applies=True)
        if unknown or to.effectivity.serials or to.effectivity.lots:
            for match in perhaps.of(unsure, Span(at, span.end))[0]:
                if match.root not in {one.root for one in now}:
                    _join(found, match, applies=None)
        for match in ever:
            _join(found, match, applies=False)
    return found


class _Asked(msgspec.Struct, frozen=True):
    configuration: Configuration
    known: int
    root: str
    ends: Ends | None

    def of(self, having: Sequence[Having], span: Span) -> tuple[list[Match], int]:
        """All machines, and how many items there are of which it cannot be told."""
        pages = list(self._pages(having, span))
        return [match for page in pages for match in page.machines], pages[0].unknown

    def _pages(self, having: Sequence[Having], span: Span) -> Iterator[Matches]:
        after = ""
        while True:
            page = FleetPage(after=after, limit=_AT_ONCE, ends=self.ends, root=self.root)
            found = self.configuration.fleet(*having, during=(span.start, span.end), known=self.known, page=page)
            yield found
            if len(found.machines) < _AT_ONCE:
                return
            after = found.machines[-1].root


def _ends(to: Applicability, book: Book, at: int, *, surely: bool) -> Ends | None:
    if not (to.effectivity.serials or to.effectivity.lots):
        return None

    def only(_: str, serial: str | None, lot: str) -> bool:
        told = effectivity_applies(to.effectivity, serial=serial, lot=lot, at=at)
        return told is True if surely else told is not False

    return Ends.of(book, only)


def _join(found: dict[str, Aimed], match: Match, *, applies: bool | None) -> None:
    """Applies outweighs what cannot be told, and that what is past; the spans are those of the whole time."""
    before = found.get(match.root)
    spans = () if applies is not False else match.spans
    if before is None:
        made = Aimed(part=match.part, serial=match.serial, applies=applies, items=match.items, spans=spans)
    elif applies is False:
        made = msgspec.structs.replace(before, spans=tuple(joined([*before.spans, *spans])))
        if before.applies is False:
            made = msgspec.structs.replace(made, items=tuple(sorted({*before.items, *match.items})))
    elif applies is None and before.applies:
        made = before
    else:
        both = {*before.items, *match.items} if before.applies is applies else match.items
        made = msgspec.structs.replace(before, applies=applies, items=tuple(sorted(both)))
    found[match.root] = made
