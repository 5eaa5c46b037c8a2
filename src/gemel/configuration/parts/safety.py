"""What makes a machine unsafe to work on or with: asked before risky work."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from gemel.configuration.acts.checking import worn
from gemel.configuration.acts.nonconformances import RAISED, nonconforming
from gemel.configuration.parts.book import Book
from gemel.configuration.parts.rules import check
from gemel.configuration.questions import asking
from gemel.configuration.questions.ends import whole_of
from gemel.configuration.values import Finding, Level, Node, Standing

__all__ = ["UNNAMED", "Telling", "unsafe"]

UNNAMED = "it did not keep a rule in the machine that it is in"
"""In place of a text that was noted of a machine, and names it."""


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    """What of it may be told."""

    usage: bool = True
    """Life limits."""
    nonconformances: bool = True
    words: bool = True
    """What people wrote."""
    whole: Node | None = None
    """The end item that it is in, as far as that is told; None: as it is."""


_ALL = Telling()


def unsafe(tx: Connection, book: Book, root: str, at: int, known: int, tells: Telling = _ALL) -> list[Finding]:
    """What is missing, unknown, worn out or not as it should be in slots that matter for safety, as far as it may be
    told. Raises NotFound."""
    tree = asking.tree(tx, root, at, known)
    whole = tells.whole or whole_of(tx, book, root, at, known)
    found = [one for one in check(book, whole, at, of=tree.item.id) if one.safety]
    for parent, node in _safety(book, tree) if tells.usage else ():
        for item, text in worn(tx, book, node, at, known):
            slot = node.path[-1]
            found.append(
                Finding(rule="limit", level=Level.BLOCK, text=text, slot=slot, item=item, parent=parent, safety=True)
            )
    told = {(one.rule, one.parent, one.slot, one.item) for one in found}
    slots = {(parent, node.path[-1]) for parent, node in _safety(book, tree)}
    slots |= {(node.item.id, "") for _, node in _safety(book, tree)}  # what is in them
    conceded = set()
    for one in nonconforming(tx, root, at, known):
        key = (one.rule, one.parent, one.slot, one.item)
        if one.state is Standing.CONCEDED and one.rule != RAISED:  # of those, each stands for itself
            conceded.add(key)
        elif (
            tells.nonconformances and one.state is Standing.OPEN and key not in told and (one.parent, one.slot) in slots
        ):
            told_of = Finding(
                rule=one.rule,
                level=one.level,
                text=one.text if tells.whole is None or one.rule == RAISED else UNNAMED,
                slot=one.slot,
                item=one.item,
                parent=one.parent,
                safety=True,
            )
            found.append(told_of)
    return [one for one in found if (one.rule, one.parent, one.slot, one.item) not in conceded]


def _safety(book: Book, node: Node) -> list[tuple[str, Node]]:
    """What is in slots that matter for safety, each with what has the slot."""
    part = book.of(node.item.part, node.item.maker)
    found = []
    for inner in node.parts:
        slot = part.slot(inner.path[-1]) if part is not None else None
        if slot is not None and slot.safety:
            found.append((node.item.id, inner))
        found += _safety(book, inner)
    return found
