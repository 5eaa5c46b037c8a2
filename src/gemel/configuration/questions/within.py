"""What an item consisted of over a time: each slot from–to, with the revision then, and the software that ran."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from gemel.configuration import tables
from gemel.configuration.acts.acting import REVISION, item_row
from gemel.configuration.belief import known_at
from gemel.configuration.values import Span

__all__ = ["Within", "within"]

_AT_ONCE = 500
_DEEPEST = 64


class Within(msgspec.Struct, frozen=True, kw_only=True):
    """That something was in a slot of an item, at any depth, for a time, and did not change."""

    path: tuple[str, ...]
    """Slots from the item down; empty: the item itself."""
    item: str
    """What was there; of software, what it ran on."""
    part: str
    revision: str
    """Of software its version; empty: not known."""
    span: Span
    software: bool = False


def within(tx: Connection, root: str, span: Span, known: int) -> list[Within]:
    """In order of time, the outermost first, as it was believed at `known`. Raises NotFound."""
    top = item_row(tx, root)
    level: list[tuple[int, str, str, tuple[str, ...], Span]] = [(top.number, top.id, top.part, (), span)]
    found: list[Within] = []
    for _ in range(_DEEPEST):
        if not level:
            break
        numbers = sorted({one[0] for one in level})
        revisions, software = _of_items(tx, numbers, known, span), _ran(tx, numbers, known, span)
        held = _held(tx, numbers, known, span)
        deeper = []
        for number, id, part, path, during in level:
            found += _told(revisions.get(number, ()), id, part, path, during)
            for row in software.get(number, ()):
                inside = during.meets(Span(row.valid_from, row.valid_to))
                if inside is not None:
                    where = (*path, row.slot)
                    found.append(
                        Within(path=where, item=id, part=row.part, revision=row.version, span=inside, software=True)
                    )
            for row in held.get(number, ()):
                inside = during.meets(Span(row.valid_from, row.valid_to))
                if inside is not None:
                    deeper.append((row.child, row.id, row.part, (*path, row.slot), inside))
        level = deeper
    return sorted(found, key=lambda one: (one.span.start, len(one.path), one.path))


def _told(revisions: Sequence[Row[Any]], item: str, part: str, path: tuple[str, ...], during: Span) -> Iterator[Within]:
    """One for each revision that it had, and for times of which none is known."""
    at = during.start
    for row in revisions:
        inside = during.meets(Span(row.valid_from, row.valid_to))
        if inside is None:
            continue
        if at < inside.start:
            yield Within(path=path, item=item, part=part, revision="", span=Span(at, inside.start))
        yield Within(path=path, item=item, part=part, revision=row.value, span=inside)
        at = inside.end
    if at < during.end:
        yield Within(path=path, item=item, part=part, revision="", span=Span(at, during.end))


def _of_items(tx: Connection, numbers: Sequence[int], known: int, span: Span) -> dict[int, list[Row[Any]]]:
    t = tables.trait
    asked = select(t.c.item.label("whole"), t.c.value, t.c.valid_from, t.c.valid_to).where(t.c.name == REVISION)
    return _grouped(tx, asked, t, t.c.item, numbers, (known, span))


def _ran(tx: Connection, numbers: Sequence[int], known: int, span: Span) -> dict[int, list[Row[Any]]]:
    t = tables.software
    asked = select(t.c.item.label("whole"), t.c.slot, t.c.part, t.c.version, t.c.valid_from, t.c.valid_to)
    return _grouped(tx, asked, t, t.c.item, numbers, (known, span))


def _held(tx: Connection, numbers: Sequence[int], known: int, span: Span) -> dict[int, list[Row[Any]]]:
    p, x, s = tables.placement, tables.item, tables.place
    asked = (
        select(p.c.parent.label("whole"), p.c.child, p.c.valid_from, p.c.valid_to, s.c.slot, x.c.id, x.c.part)
        .join(s, s.c.number == p.c.place)
        .join(x, x.c.number == p.c.child)
    )
    return _grouped(tx, asked, p, p.c.parent, numbers, (known, span))


def _grouped(
    tx: Connection, asked: Any, table: Any, of: Any, numbers: Sequence[int], when: tuple[int, Span]
) -> dict[int, list[Row[Any]]]:
    known, span = when
    found: dict[int, list[Row[Any]]] = {}
    for first in range(0, len(numbers), _AT_ONCE):
        some = asked.where(of.in_(numbers[first : first + _AT_ONCE]), known_at(table, known))
        some = some.where(table.c.valid_from < span.end, table.c.valid_to > span.start).order_by(table.c.valid_from)
        for row in tx.execute(some).all():
            found.setdefault(row.whole, []).append(row)
    return found
