"""Which gaps of a configuration threaten operation: what is wrong, worn out or not known, the gravest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum

import msgspec
from sqlalchemy import Connection

from gemel.configuration.acts import checking
from gemel.configuration.acts.nonconformances import RAISED, nonconformances, numbers_of
from gemel.configuration.parts.book import Book
from gemel.configuration.parts.safety import Telling, unsafe
from gemel.configuration.questions import asking
from gemel.configuration.questions.completeness import Completeness, Holding, completeness
from gemel.configuration.questions.limits import Remaining, life_of
from gemel.configuration.questions.sides import slots_within
from gemel.configuration.values import Level, Node, Standing

__all__ = ["Gravity", "Telling", "Threat", "of_limit", "threats", "worst_first"]

DUE = 0.9
"""From this share of its limit on, a part threatens to stop the machine."""


class Gravity(StrEnum):
    """What a gap means for operation."""

    STOPS = "stops"
    """It should not run so: it is not safe, a part is past a hard limit, or something is in it that must not be."""
    THREATENS = "threatens"
    """It may have to stop soon, or is not as it should be."""
    UNKNOWN = "unknown"
    """Nobody knows whether it is as it should be."""


class Threat(msgspec.Struct, frozen=True, kw_only=True):
    """One gap."""

    gravity: Gravity
    kind: str
    """safety, limit, rule, nonconformance, missing, unknown, differs, software."""
    slot: str
    """From the machine down, with slashes; empty: of the whole."""
    item: str
    """Which item is meant; empty: nothing is there."""
    text: str


_ALL = Telling()


def threats(tx: Connection, book: Book, root: str, at: int, known: int, tells: Telling = _ALL) -> list[Threat]:
    """Of one machine, the gravest first. Raises NotFound."""
    tree = asking.tree(tx, root, at, known)
    raised = list(_raised(tx, tree, at, known, tells)) if tells.nonconformances else []
    known_part = book.of(tree.item.part, tree.item.maker)
    if not tree.parts and (known_part is None or not (known_part.slots or known_part.limits)):
        return worst_first(raised)  # a spare, a workpiece: nothing can be missing, or worn out
    where = {node.item.id: node.path for node in _nodes(tree)}
    found = []
    dangers = unsafe(tx, book, root, at, known, tells)
    for one in dangers:
        path = (*where.get(one.parent, ()), one.slot) if one.slot else where.get(one.item, ())
        text = one.text if tells.words or one.rule != RAISED else ""
        found.append(_threat(Gravity.STOPS, "safety", path, one.item, text))
    told = {(one.rule, one.parent, one.slot, one.item) for one in dangers}
    for one in checking.findings(tx, book, root, at, known, tells.whole):
        if (one.rule, one.parent, one.slot, one.item) not in told:
            grave = one.level is Level.BLOCK and one.rule not in ("missing", "unknown")
            path = (*where.get(one.parent, ()), one.slot) if one.slot else where.get(one.item, ())
            kind = one.rule if one.rule in ("missing", "unknown", "limit") else "rule"
            gravity = Gravity.STOPS if grave else Gravity.UNKNOWN if kind == "unknown" else Gravity.THREATENS
            found.append(_threat(gravity, kind, path, one.item, one.text))
    said = {(one.slot, one.item, one.text) for one in found}
    found += [one for one in raised if (one.slot, one.item, one.text) not in said]
    if tells.usage:
        found += _worn(tx, book, tree, at, known)
    whole = completeness(tx, root, slots_within(tx, book, root, at, known, tells.whole), at, known)
    found += _unknown(whole, {(one.slot, one.item) for one in found})
    return worst_first(found)


def _raised(tx: Connection, tree: Node, at: int, known: int, tells: Telling) -> Iterator[Threat]:
    """What somebody said is not as it should be, and nobody conceded or mended."""
    where = {node.item.id: node.path for node in _nodes(tree)}
    for one in nonconformances(tx, numbers_of(tx, tree), at, known):
        if one.rule == RAISED and one.state is Standing.OPEN and one.parent in where:
            path = (*where[one.parent], one.slot) if one.slot else where[one.parent]
            gravity = Gravity.STOPS if one.level is Level.BLOCK else Gravity.THREATENS
            yield _threat(gravity, "nonconformance", path, one.item, one.text if tells.words else "")


def worst_first(found: Iterable[Threat]) -> list[Threat]:
    """In the order in which they matter, each once."""
    order = list(Gravity)
    return sorted(dict.fromkeys(found), key=lambda one: (order.index(one.gravity), one.slot, one.kind, one.text))


def _worn(tx: Connection, book: Book, tree: Node, at: int, known: int) -> Iterator[Threat]:
    for node in _nodes(tree):
        part = book.of(node.item.part, node.item.maker)
        if part is None or not part.limits:
            continue
        for one in life_of(tx, book, node.item.id, at, known):
            if (threat := of_limit(one, node.path)) is not None:
                yield threat


def of_limit(one: Remaining, path: Iterable[str]) -> Threat | None:
    """What a life limit threatens; None: it is not due."""
    if one.share < DUE:
        return None
    past = one.share >= 1
    left = f"{-one.remaining:,.0f} too many" if past else f"{one.remaining:,.0f} are left"
    text = f"{one.used:,.0f} of {one.limit:,.0f} {one.kind} are used: {left}"
    gravity = Gravity.STOPS if past and one.hard else Gravity.THREATENS
    return _threat(gravity, "limit", path, one.item, text)


def _unknown(whole: Completeness, told: set[tuple[str, str]]) -> Iterator[Threat]:
    for one in whole.slots:
        if not one.gap or ("/".join(one.path), one.item) in told:
            continue
        if one.holding is Holding.DIFFERS:
            yield _threat(
                Gravity.THREATENS, "differs", one.path, one.item, "something else was seen here than is recorded"
            )
        elif one.holding is Holding.HELD:
            yield _threat(Gravity.UNKNOWN, "unknown", one.path, one.item, f"its {one.gap} is not known")
        elif one.mandatory and one.holding is Holding.EMPTY:
            yield _threat(Gravity.THREATENS, "missing", one.path, "", "nothing is here, and something has to be")
        else:
            yield _threat(Gravity.UNKNOWN, "unknown", one.path, "", "nobody told what is here")


def _threat(gravity: Gravity, kind: str, path: Iterable[str], item: str, text: str) -> Threat:
    return Threat(gravity=gravity, kind=kind, slot="/".join(path), item=item, text=text)


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for part in node.parts:
        yield from _nodes(part)
