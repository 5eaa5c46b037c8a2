"""Many items at once: the as-built of a whole fleet, in short transactions, each held to the rules of a verb.

A line is an item that was not known before, and where it was built in. It is one act, `created`, that says the item,
its revision and its place; so each line can be corrected and withdrawn alone.

The lines are looked at outside of the writer's transaction; if anything became known between that and the writing, they
are looked at again within it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from sqlalchemy import Connection, func, select

from gemel.access import in_own_words
from gemel.configuration import tables
from gemel.configuration.acts.acting import QUANTITY, REVISION, check_basis
from gemel.configuration.acts.lines import Built, Lines, Loaded, Refused, Taken
from gemel.configuration.acts.nonconformances import open_
from gemel.configuration.acts.rows import asked, insert_rows, reserve
from gemel.configuration.belief import Entry
from gemel.configuration.parts.book import Book
from gemel.configuration.parts.rules import check
from gemel.configuration.questions.asking import DEEPEST
from gemel.configuration.values import FOREVER, ActKind, Basis, Finding, Item, Level, Node
from gemel.twin import Change

__all__ = ["Built", "Chunks", "Loaded", "Ready", "Refused", "prepare", "write"]

_BUDGET_S = 0.01
"""How long a transaction may hold the writer; what is committed then takes its time, too."""
_FEWEST, _FIRST, _MOST = 50, 200, 1000
"""Lines in a transaction."""
_WHOLE = 2000
"""A machine of more lines than that is cut."""


class Chunks:
    """Numbered lines, so many at a time as a transaction can take; a machine is not cut in two."""

    def __init__(self, lines: Iterable[Built]) -> None:
        self._lines = lines
        self._size = _FIRST

    def __iter__(self) -> Iterator[list[tuple[int, Built]]]:
        some: list[tuple[int, Built]] = []
        for number, line in enumerate(self._lines, 1):
            if some and (len(some) >= _WHOLE or (len(some) >= self._size and not line.parent)):
                yield some
                some = []
            some.append((number, line))
        if some:
            yield some

    def took(self, seconds: float) -> None:
        """How long the writer was held by the last ones: the next are fewer, or more."""
        by = min(2.0, max(0.5, _BUDGET_S / seconds)) if seconds > 0 else 1.0
        self._size = min(_MOST, max(_FEWEST, round(self._size * by)))


class Ready(msgspec.Struct, frozen=True):
    """Lines that were looked at, and what is to be written."""

    seen: int
    """The last act that was known then."""
    book: Book
    taken: Sequence[Taken]
    loaded: Loaded
    places: Mapping[tuple[int, str], int]
    """Those of the slots that were named before."""
    broken: Sequence[tuple[int, Finding]]
    """What does not keep the rules, by its place among those that are taken."""

    def stands(self, tx: Connection, book: Book) -> bool:
        """Whether nothing became known since."""
        return book is self.book and self.seen == _last(tx)


def prepare(tx: Connection, lines: Sequence[tuple[int, Built]], book: Book) -> Ready:
    """Hold some lines against each other, against what is known and against the parts book."""
    taken, loaded = Lines(tx, lines, book).checked()
    broken = list(_judged(taken, book))
    loaded = msgspec.structs.replace(loaded, nonconformances=len(broken))
    return Ready(_last(tx), book, taken, loaded, _places(tx, taken), broken)


def write(tx: Connection, ready: Ready, *, now: int, basis: Basis, actor: str = "") -> list[Change]:
    """Write what is ready, within one transaction. Raises InvalidInput."""
    taken = ready.taken
    if not taken:
        return []
    first, recorded = _write(tx, ready, now=now, basis=basis, actor=actor)
    for at, finding in ready.broken:
        open_(Entry(tx, first + at, recorded + at, actor), finding, taken[at].line.at, None)
    faces = [one.line.item.id for one in taken if one.line.item.twin]  # of whose twins links follow
    body = {"acts": [first, first + len(taken) - 1], "count": len(taken), "items": faces, "source": basis.source}
    return [Change(kind="item.loaded", subject="plant", time=now, actor=actor, body=body)]


def _last(tx: Connection) -> int:
    return int(tx.scalar(select(func.coalesce(func.max(tables.act.c.number), 0))) or 0)


def _judged(taken: Sequence[Taken], book: Book) -> Iterator[tuple[int, Finding]]:
    """What does not keep the rules, of each machine that is new."""
    ruled = {part.part for part in book if part.slots or part.rules}
    if not any(one.line.item.part in ruled for one in taken):
        return
    below: dict[str, list[Built]] = {}
    for one in taken:
        if one.line.parent:
            below.setdefault(one.line.parent, []).append(one.line)
    for at, one in enumerate(taken):
        if one.outer is None:
            node = _node(one.line, (), below, one.line.at)
            yield from ((at, found) for found in check(book, node, node.since) if found.level is not Level.WARN)


def _node(line: Built, path: tuple[str, ...], below: Mapping[str, Sequence[Built]], at: int) -> Node:
    spec = line.item
    inner = [one for one in below.get(spec.id, ()) if one.at <= at < one.until and len(path) < DEEPEST]
    item = Item(
        id=spec.id,
        part=spec.part,
        revision=spec.revision,
        maker=spec.maker,
        serial=spec.serial,
        lot=spec.lot,
        kind=spec.kind,
        twin=spec.twin,
        born=line.at,
        quantity=spec.quantity,
    )
    parts = [_node(one, (*path, one.slot), below, at) for one in sorted(inner, key=lambda one: (one.slot, one.item.id))]
    return Node(item=item, path=path, since=line.at, parts=tuple(parts))


def _write(tx: Connection, ready: Ready, *, now: int, basis: Basis, actor: str) -> tuple[int, int]:
    """All rows of the lines; returns the number of the first act, and when it became known."""
    check_basis(basis)
    taken, last = ready.taken, tx.scalar(select(func.max(tables.act.c.recorded)))
    recorded = now if last is None else max(now, last + 1)
    first = reserve(tx, tables.act, len(taken))
    reserve(tx, tables.item, len(taken))
    items, acts, traits, placements, names = [], [], [], [], []
    places, new_places = _numbered(tx, ready)
    reason = in_own_words(tx, actor, basis.reason)
    sure = (basis.confidence, round(basis.uncertainty_s * 1e6))
    for at, one in enumerate(taken):
        line, number, outer = one.line, one.number, one.outer
        spec, act, known = line.item, first + at, recorded + at
        kind, end = spec.kind.value, None if line.until == FOREVER else act
        items.append(
            (number, spec.id, spec.part, spec.maker, spec.serial, spec.lot, kind, spec.twin, line.at, None),
        )
        said = (actor, basis.source, basis.work_order, line.evidence or basis.evidence, *sure)
        acts.append((act, ActKind.CREATED.value, line.at, known, *said, reason, "", None, True))
        traits.append((number, REVISION, spec.revision, line.at, FOREVER, known, FOREVER, act, None))
        if spec.quantity != 1:
            traits.append((number, QUANTITY, str(spec.quantity), line.at, FOREVER, known, FOREVER, act, None))
        names += [(scheme, value, number) for scheme, value in spec.aliases.items()]
        if outer is not None:
            place = places[(outer.number, line.slot)]
            where = (number, outer.number, place, one.single)
            placements.append((*where, line.at, line.until, known, FOREVER, act, end))
    insert_rows(tx, tables.item, "number id part maker serial lot kind twin born merged", items)
    insert_rows(
        tx,
        tables.act,
        "number kind time recorded actor source work_order evidence confidence uncertainty reason key amends seen",
        acts,
    )
    insert_rows(tx, tables.alias, "scheme value item", names)
    insert_rows(tx, tables.place, "number parent slot", new_places)
    belief = "valid_from valid_to recorded_from recorded_to begun_by ended_by"
    insert_rows(tx, tables.trait, f"item name value {belief}", traits)
    insert_rows(tx, tables.placement, f"child parent place single {belief}", placements)
    return first, recorded


def _places(tx: Connection, taken: Sequence[Taken]) -> dict[tuple[int, str], int]:
    """The numbers of the slots that were named before."""
    new = {one.number for one in taken}
    named = {(one.outer.number, one.line.slot): None for one in taken if one.outer and one.outer.number not in new}
    query = (
        "SELECT p.* FROM wanted CROSS JOIN configuration_place p "
        "WHERE p.parent = wanted.parent AND p.slot = wanted.slot"
    )
    return {(row.parent, row.slot): row.number for row in asked(tx, "parent, slot", list(named), query)}


def _numbered(tx: Connection, ready: Ready) -> tuple[dict[tuple[int, str], int], list[tuple[int, int, str]]]:
    """The numbers of all slots that are named, and the rows of those that never were."""
    wanted = {(one.outer.number, one.line.slot): None for one in ready.taken if one.outer is not None}
    missing = [one for one in wanted if one not in ready.places]
    first = reserve(tx, tables.place, len(missing))
    numbered = {one: first + n for n, one in enumerate(missing)}
    rows = [(number, parent, slot) for (parent, slot), number in numbered.items()]
    return {**ready.places, **numbered}, rows
