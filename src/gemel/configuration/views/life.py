"""The life of an item: what was reported of it, and what happened to it, in whatever machine it was.

Readings are stored with twins. Which twin tells of an item is found by where it was: its own, wherever it is; else the
one that stands at its slot, in the twin of what it was in (a link `part_of` with that slot); else the twin of what it
was in, of properties that its type assigns to that slot (`spindle_vibration` is of what is in `spindle`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, select

from gemel.access import ItemColumn, View
from gemel.clock import MAX_TIME, MIN_TIME, to_rfc3339
from gemel.configuration import tables
from gemel.configuration.acts.acting import item_row
from gemel.configuration.values import FOREVER, Span
from gemel.configuration.views.partly import Partly
from gemel.configuration.views.seen import Seen
from gemel.configuration.views.sight import Held, Way
from gemel.errors import Denied, InvalidQuery, NotFound, UnknownProperty, UnknownTwin
from gemel.history import EventQuery, Fact, Series
from gemel.registry import Registry

__all__ = ["Happening", "Life", "LifeSeries", "Piece", "Stretch", "assigned"]

FEWEST = 20
"""Points of a piece, however short."""
MOST_PIECES = 2_000
WITHHELD = "withheld"
"""In place of the name of a twin that is not told."""
_NOBODY = "nothing is told of it there"
T = TypeVar("T")


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an item's life, and who tells of it."""

    span: Span
    root: str
    """The machine or store that it was in; empty: in none that is told."""
    path: tuple[str, ...]
    """Slots from there down to it."""
    twin: str
    """Of which readings and events are its own; empty: nobody tells of it alone."""
    machine: str
    """The twin of the nearest thing around it that has one; empty: none."""
    below: tuple[str, ...] = ()
    """Slots from what that twin is of down to it."""
    own: bool = False
    """`twin` is of this item, wherever it is; else it stands for the slot, whatever is in it."""


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """A property over one piece."""

    piece: Piece
    series: Series | None
    missing: str = ""
    """Why there is none."""


class LifeSeries(msgspec.Struct, frozen=True, kw_only=True):
    """A property of an item over its life."""

    item: str
    property: str
    unit: str
    """Of all pieces."""
    stretches: tuple[Stretch, ...]


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to an item, and where it was."""

    fact: Fact
    piece: Piece


class Life:
    """Any question about the past of twins, asked by item. What is asked is read through the caller's view."""

    def __init__(self, seen: Seen, view: View, registry: Registry) -> None:
        self._seen, self._view, self._registry = seen, view, registry

    def pieces(self, item: str, start: int, end: int, *, known: int | None = None) -> list[Piece]:
        """Its life in [start, end), in order of time and without gaps. Raises NotFound, InvalidQuery (start, end),
        Denied (a view does not tell of readings)."""
        return [told for _, told, _ in self._told(item, start, end, known)]

    def _told(self, item: str, start: int, end: int, known: int | None) -> list[tuple[Piece, Piece, View]]:
        """Each piece as it is, as it is told, and what reads the twins of it."""

        def partly(one: Partly) -> list[tuple[Piece, Piece, View]]:
            believed = FOREVER - 1 if known is None else known
            real, spans = one.real(item, ItemColumn.READINGS, None, believed)
            pieces = Life(one.whole, one.view, self._registry)._pieces(real, start, end, known=known)
            reads = self._view.of_items(one.told, one.told.groups)
            cut = [
                msgspec.structs.replace(piece, span=each)
                for piece in pieces
                for span in spans
                if (each := piece.span.meets(span)) is not None
            ]
            return [(piece, _masked(piece, one, believed), reads) for piece in cut]

        def whole() -> list[tuple[Piece, Piece, View]]:
            return [(piece, piece, self._view) for piece in self._pieces(item, start, end, known=known)]

        return self._seen.first(whole, partly)

    def _pieces(self, item: str, start: int, end: int, *, known: int | None) -> list[Piece]:
        if start >= end:
            raise InvalidQuery(f"the life asked for ends at {to_rfc3339(end)}, before it starts at {to_rfc3339(start)}")
        believed, asked = FOREVER - 1 if known is None else known, Span(start, end)

        def work(tx: Connection) -> tuple[str, list[Way]]:
            """The item's own twin, and where it was: in nothing that is told, too."""
            row = item_row(tx, item)
            spans = self._seen.spans(tx, int(row.number), believed)
            if not spans:
                raise NotFound(f"there is no item {item!r:.160}; look for its serial number")
            born = Span(max(start, row.born), end) if row.born < end else None
            within = [] if born is None else [each for one in spans if (each := born.meets(one)) is not None]
            found: list[Way] = []
            for span in within:
                at = span.start
                for way in [*self._seen.ways(tx, int(row.number), span, believed), Way(Span(span.end, span.end), ())]:
                    found += [Way(Span(at, way.span.start), ())] if at < way.span.start else []
                    found += [way] if way.held else []
                    at = way.span.end
            return str(row.twin), found

        own, ways = self._seen.read(work)
        pieces = [piece for way in ways for piece in self._told_by(own, way)]
        if len(pieces) > MOST_PIECES:
            raise InvalidQuery(f"{item} was moved {len(pieces):,} times in {asked}; ask for a shorter time")
        return pieces

    def _told_by(self, own: str, way: Way) -> list[Piece]:
        """A stay, cut where another twin began to stand at the slot."""
        near = next((place for place, one in enumerate(way.held) if one.twin), None)
        machine = "" if near is None else way.held[near].twin
        if own or near is None:
            return [_piece(way.span, way.held, own, machine, own=bool(own), near=near)]
        found = [(way.span, machine)]
        for one in reversed(way.held[: near + 1]):
            found = [each for span, twin in found for each in self._standing(twin, one.slot, span)]
        return [_piece(span, way.held, twin, machine, near=near) for span, twin in found]

    def _standing(self, whole: str, slot: str, span: Span) -> list[tuple[Span, str]]:
        """Which twin stood at a slot of a twin, when. The first that ever did stands for the time before, too: twins
        are declared after their machines were built. Twins of items come and go with these, and stand for no slot."""
        if not whole or self._view.find(whole) is None:
            return [(span, "")]
        links = [one for one in self._registry.stood_in(whole, slot) if not self._is_of_an_item(one.source)]
        found: list[tuple[Span, str]] = []
        at = span.start
        for place, link in enumerate(links):
            since = -FOREVER if place == 0 else link.since
            inside = span.meets(Span(since, FOREVER if link.until is None else link.until))
            if inside is None or inside.end <= at:
                continue
            inside = Span(max(inside.start, at), inside.end)
            if at < inside.start:
                found.append((Span(at, inside.start), ""))
            found.append((inside, link.source))
            at = inside.end
        if at < span.end:
            found.append((Span(at, span.end), ""))
        return found

    def _is_of_an_item(self, twin: str) -> bool:
        asked = select(tables.item.c.number).where(tables.item.c.twin == twin).limit(1)
        return self._seen.read(lambda tx: tx.scalar(asked)) is not None

    # what is asked along it

    def along(
        self, item: str, start: int, end: int, ask: Callable[[Piece, View], T], *, known: int | None = None
    ) -> list[tuple[Piece, T]]:
        """Any question, asked of each piece of a life: `ask` gets a twin and a time, and what may read it."""
        return [(told, ask(piece, view)) for piece, told, view in self._told(item, start, end, known)]

    def series(
        self,
        item: str,
        property: str,
        start: int,
        end: int,
        *,
        around: bool = False,
        known: int | None = None,
        **how: Any,
    ) -> LifeSeries:
        """A property of an item in [start, end), piece by piece, in one unit; with `around`, of the machine that it was
        in. `how`: points (of all pieces together), method, unit. Raises NotFound; UnknownProperty when no piece of its
        life has it."""
        points, unit = how.pop("points", None), how.pop("unit", "")
        pieces = self._told(item, start, end, known)
        if around and any(real is not shown for real, shown, _ in pieces):
            raise Denied(
                "of the machine that it was in no readings are shared with you", action="read", policy="a-view-of-items"
            )
        whole = sum(piece.span.end - piece.span.start for piece, _, _ in pieces) or 1
        told: list[Stretch] = []
        for piece, shown, view in pieces:
            share = (piece.span.end - piece.span.start) / whole
            most = None if points is None else max(FEWEST, round(points * share))
            twin = piece.machine if around or _is_assigned(piece, view, property) else piece.twin
            series, missing = _range(view, twin, property, piece.span, {**how, "points": most, "unit": unit})
            mine = around or (piece.own and twin == piece.twin)
            if series is not None and not mine:  # what was held before was of another item
                series = replace(series, before=None)
            unit = unit or (series.unit if series is not None else "")
            told.append(
                Stretch(piece=shown, series=series, missing=missing if shown is piece or not missing else _NOBODY)
            )
        if pieces and all(one.series is None for one in told):
            why = "; ".join(dict.fromkeys(one.missing for one in told))
            raise UnknownProperty(f"nobody tells of {property:.80} of {item}: {why:.300}", property=property[:80])
        return LifeSeries(item=item, property=property, unit=unit, stretches=tuple(told))

    def events(
        self,
        item: str,
        start: int,
        end: int,
        *,
        kinds: tuple[str, ...] = (),
        limit: int = 100,
        known: int | None = None,
    ) -> tuple[list[Happening], bool]:
        """What happened to an item in [start, end), the newest first, conditions that came and went among it; and
        whether there is more. Raises NotFound."""
        found: list[Happening] = []
        for piece, shown, view in reversed(self._told(item, start, end, known)):
            if not piece.twin or view.find(piece.twin) is None:
                continue
            cursor: str | None = ""
            while cursor is not None and len(found) <= limit:
                query = EventQuery(
                    twins=(piece.twin,),
                    kinds=kinds,
                    start=max(piece.span.start, MIN_TIME),
                    end=min(piece.span.end, MAX_TIME),
                    limit=limit + 1,
                    cursor=cursor,
                )
                page = view.events(query)
                found += [
                    Happening(fact=fact if shown is piece else _unnamed(fact), piece=shown) for fact in page.items
                ]
                cursor = page.next
            if len(found) > limit:
                break
        return found[:limit], len(found) > limit


def _piece(
    span: Span, held: tuple[Held, ...], twin: str, machine: str, *, own: bool = False, near: int | None = None
) -> Piece:
    way = Way(span, held)
    below = () if near is None else tuple(one.slot for one in reversed(held[: near + 1]))
    return Piece(span=span, root=way.root, path=way.path, twin=twin, machine=machine, own=own, below=below)


def _is_assigned(piece: Piece, view: View, name: str) -> bool:
    """Whether the twin around an item tells of this of it; what its own twin tells goes first."""
    entry = view.find(piece.twin) if piece.twin else None
    return (entry is None or name not in view.names(entry)) and name in assigned(piece, view)


def assigned(piece: Piece, view: View) -> list[str]:
    """The properties of the twin around an item that are of what is in its slot there, by their type."""
    entry = view.find(piece.machine) if piece.machine and piece.below else None
    if entry is None:
        return []
    slot = "/".join(piece.below)
    return [name for name in view.names(entry) if entry.properties[name].property.slot == slot]


def _masked(piece: Piece, by: Partly, known: int) -> Piece:
    return msgspec.structs.replace(
        piece,
        root=by.root_of(piece.root, piece.span.start, known),
        twin=WITHHELD if piece.twin else "",
        machine=WITHHELD if piece.machine else "",
    )


def _unnamed(fact: Fact) -> Fact:
    """An event without whose it was and who did it."""
    body = {name: value for name, value in fact.change.body.items() if name not in {"twin", "source", "target"}}
    return Fact(
        fact.position, fact.recorded, msgspec.structs.replace(fact.change, subject=WITHHELD, actor="", body=body)
    )


def _range(view: View, twin: str, property: str, span: Span, how: dict[str, Any]) -> tuple[Series | None, str]:
    if not twin:
        return None, "no twin tells of it there"
    try:
        return view.range(twin, property, span.start, span.end, **how), ""
    except (UnknownTwin, UnknownProperty, Denied) as error:
        return None, error.detail
